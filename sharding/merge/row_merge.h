// Several shards' answers to one query become one answer: rows in order, counts applied, hidden columns taken off.
//
//   stream 0:  T D D D C     \
//   stream 1:  T D D C        >  T D D D D D C
//   stream 2:  T C           /
//
// Sans-io: the caller appends each shard's messages to its stream and sends what comes out. A row is held only until its turn:
// memory is what the caller lets the streams hold.
//
// With `batches` each stream is the answers to several Executes of one portal: none of their last messages ends it, end(i) does.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {

class RowMerge {
 public:
  struct Options {
    std::vector<sql::SortKey> sort;
    std::int64_t limit = sql::kNoLimit;
    std::int64_t offset = 0;
    bool describe = true;             // the client is to see the RowDescription
    bool bytewise_collation = false;  // see is_sortable()
    bool batches = false;             // also: the last message is the caller's to make
  };
  enum class Step : std::uint8_t {
    kWait,    // until a stream has more
    kFull,    // `most` bytes are out
    kDone,    // the last message is out
    kRows,    // as many rows as stop_after() said are out
    kFailed,  // see failed_stream() and error()
  };

  // The streams are borrowed: whole backend messages, the last one perhaps in part. What was read is cut off their front.
  RowMerge(std::vector<std::string*> streams, Options options);

  // Appends messages to `out` while there is something to say and `out` is shorter than `most` bytes.
  Step run(std::string& out, std::size_t most);

  // Goes on for so many rows, then answers kRows.
  void stop_after(std::uint64_t rows);
  // With `batches`: when its stream is used up, this shard has no more.
  void end(std::size_t i) { sources_[i].ending = true; }
  // With `batches`, and nothing left in the streams: rows have these formats from here on, as a Bind would say it.
  std::optional<Error> set_formats(std::span<const std::int16_t> codes);
  // The client's RowDescription; empty: none came yet.
  const std::string& description() const { return description_; }

  // Whether nothing goes on before stream `i` has a whole row more, or its end. After kWait.
  bool waits_for(std::size_t i) const { return !sources_[i].done && sources_[i].row == 0; }
  // The stream that ended with an ErrorResponse; none (-1) when the fault is error().
  int failed_stream() const { return failed_; }
  const Error& error() const { return error_; }
  std::int64_t rows() const { return rows_; }

 private:
  struct Source {
    std::string* stream;
    std::size_t at = 0;       // of the next message
    std::size_t row = 0;      // size of the row at `at`; 0: none read yet
    bool described = false;
    bool done = false;
    bool ending = false;
    std::string key;          // of the row
  };
  struct Column {
    std::string name;
    Oid type = 0;
    bool binary = false;
  };

  bool advance(std::size_t i, std::string& out);  // up to a row or the end; false: wait or failed
  bool describe(std::size_t i, Bytes body, std::string& out);
  bool read_key(Source& source, Bytes body);
  void give(Source& source, std::string& out);
  void cut(Source& source);
  bool fail(Error error);
  bool at_limit() const { return options_.batches && options_.limit != sql::kNoLimit && rows_ >= options_.limit; }
  std::size_t first() const;

  std::vector<Source> sources_;
  Options options_;
  std::vector<Column> columns_;
  std::size_t hidden_ = 0;
  std::vector<std::size_t> sort_columns_;
  std::vector<std::pair<std::size_t, std::size_t>> fields_;  // of a row: offset and length
  bool bind_told_ = false;
  bool stopped_ = false;
  std::string description_;
  std::int64_t rows_ = 0;
  std::int64_t stop_at_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t skipped_ = 0;
  int failed_ = -1;
  Error error_;
};

}  // namespace howdah::sharding
