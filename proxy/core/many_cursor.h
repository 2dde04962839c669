// A cursor of DECLARE over several shards: where it stands, and its rows. They stream from the shards' own cursors; what has to
// outlive these (WITH HOLD, at COMMIT) or to be read again (SCROLL) is kept here, up to limits.gather_bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "proxy/core/fetch_command.h"
#include "proxy/core/shard_portals.h"
#include "proxy/core/task.h"

namespace howdah::proxy {

class Session;

// Of one session, on its thread.
class ManyCursor {
 public:
  enum class Scroll : std::uint8_t { kUnsaid, kNo, kYes };

  // `formats`: what rows are read in as long as no FETCH has said it.
  ManyCursor(std::string name, Scroll scroll, std::vector<std::int16_t> formats, ShardPortalsPtr source);
  // `answer`: a query's whole answer. What is neither its description nor its rows goes to `out`.
  ManyCursor(std::string name, Scroll scroll, std::vector<std::int16_t> formats, Bytes answer, std::string& out);

  const std::string& name() const { return name_; }
  std::optional<Error> check_formats(std::span<const std::int16_t> formats) const;
  std::string description(std::span<const std::int16_t> formats) const;  // RowDescription

  // FETCH's rows or MOVE's tag, to the client. False: the client was told.
  Task<bool> fetch(Session& session, const FetchCommand& command, std::span<const std::int16_t> formats, bool describe);
  // Reads what is left and keeps it: its transaction ends. False: the client was told.
  Task<bool> hold(Session& session);
  std::size_t bytes() const { return rows_.size() + at_.size() * sizeof at_[0]; }

 private:
  std::optional<Error> refused(const FetchCommand& command) const;
  std::optional<Error> take_formats(std::span<const std::int16_t> formats);
  Task<bool> forward(Session& session, std::int64_t skip, std::int64_t count, bool move);
  Task<bool> walk(Session& session, const FetchCommand& command);
  Task<bool> keep_up_to(Session& session, std::int64_t row);
  void give(Session& session, std::int64_t row, bool move);
  void keep(Bytes messages);
  std::int64_t count() const { return base_ + static_cast<std::int64_t>(at_.size()); }
  bool on_row() const { return position_ > base_ && position_ <= count(); }

  const std::string name_;
  const Scroll scroll_;
  std::string description_;          // its formats text
  std::vector<std::int16_t> formats_;
  ShardPortalsPtr source_;           // null: all rows are kept
  bool keeps_ = false;               // rows are kept before they are given
  std::string rows_;                 // those kept, DataRow messages
  std::vector<std::size_t> at_;      // where each begins
  std::int64_t base_ = 0;            // rows before the first one kept
  std::int64_t position_ = 0;        // 0: before the first row; i: on row i; one more than there are: behind the last
  std::int64_t given_ = 0;           // by the command at hand
  std::string owed_;                 // RowDescription, until its first row is given
};

}  // namespace howdah::proxy
