// The rows of one query over several shards, a few at a time: a portal on each shard, whose rows are fetched in batches and merged.
//
//   open      Parse Bind Describe, on every shard
//   take      Execute, on those whose rows are used up, and so on until there are as many as were asked for
//
// What is held of a shard is what its last batch brought beyond the client's rows. No batch is larger than what the client still
// wants, and nothing is under way between two calls: the connections serve the transaction's other statements meanwhile.
//
// Of kCursor the shards have cursors of DECLARE, whose rows may be fetched in another format each time.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "proxy/core/task.h"
#include "sharding/merge/row_merge.h"
#include "sharding/merge/shard_text.h"
#include "sharding/router.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

class ServerConn;
class Session;
struct Portal;
class ShardPortals;
using ShardPortalsPtr = std::shared_ptr<ShardPortals>;

// Of one session, on its thread; ends with the transaction it was opened in. While that lasts, the transaction holds it, too, so that
// it is closed on the servers when nobody else does any more.
class ShardPortals {
 public:
  enum class Kind : std::uint8_t { kPortal, kCursor };
  static constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

  struct Query {
    const sharding::sql::StatementPlan& statement;
    const sharding::Route& route;
    std::string text;
    int before = 0;                  // characters of the client's string before it
    const Portal* portal = nullptr;  // with its parameters; null: there are none
    std::string name;                // as the client knows it
    Kind kind = Kind::kPortal;
    bool describe = false;           // the client is to see the RowDescription
  };
  // Queues what opens the portals: take() or settle() sends it. Null: the client was told. REQUIRES: a transaction.
  static Task<ShardPortalsPtr> open(Session& session, Query query);

  // Waits for the portals. False: the client was told.
  Task<bool> settle(Session& session);

  // Up to `most` rows go to `rows`, as DataRow messages; all else that comes to the client. False: the client was told.
  using Sink = std::function<void(Bytes messages)>;
  Task<bool> take(Session& session, std::uint64_t most, Sink rows);
  std::uint64_t taken() const { return static_cast<std::uint64_t>(merge_->rows() - before_); }  // by the last take()

  // kCursor: the formats of rows that are taken from here on. An error when rows in others are held already.
  std::optional<Error> set_formats(std::span<const std::int16_t> formats);

  const std::string& description() const { return merge_->description(); }  // RowDescription as the Bind's formats have it
  std::size_t bytes() const;

  // Ends the portals. Not to be used any more.
  void close(Session& session);

  static Error too_large(std::size_t most);
  static Error other_format();

 private:
  struct Part {
    ServerConn* conn = nullptr;
    std::string rows;            // messages that the merge has not used up
    std::uint64_t asked = 0;     // rows of the batch that is under way
    std::size_t received = 0;    // bytes of it
    std::size_t row_bytes = 0;   // of a row, as the last batch had them
    bool flying = false;         // something was sent, and not all of its answer is here
  };

  ShardPortals(const Query& query, std::string name) : kind_(query.kind), client_name_(query.name), name_(std::move(name)) {}
  void send_open(Session& session, Part& part, const Query& query);
  void send_fetch(Session& session, Part& part, std::uint64_t rows);
  void refill(Session& session, std::uint64_t most);
  bool receive(std::size_t i);
  bool usable(Session& session);
  bool tell(Session& session);
  static std::string style_of(const Session& session);
  static void give(Session& session, Bytes messages, const Sink& rows);
  Task<bool> run(Session& session, std::uint64_t most, const Sink& rows);
  Task<bool> land(Session& session, bool ok);
  bool finish(Session& session, bool ok);

  const Kind kind_;
  const std::string client_name_, name_;
  std::vector<Part> parts_;
  std::unique_ptr<sharding::RowMerge> merge_;
  sharding::ShardText text_;
  std::string statement_;            // kCursor: the DECLARE
  std::vector<std::int16_t> formats_;
  std::string style_;                // the settings that the rows were written under
  std::size_t hidden_ = 0;
  std::int64_t before_ = 0;
  bool ordered_ = false;
  bool writes_ = false;
  bool opened_ = false;
  bool failed_ = false;
};

}  // namespace howdah::proxy
