// The rows of a cursor over several shards: all are read by DECLARE, as its snapshot has them, and kept until FETCH takes them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "sharding/sql/lexer.h"

namespace howdah::proxy {

class CursorRows {
 public:
  static constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

  // `answer`: the query's messages by the simple protocol. Those that are neither its description nor its rows go to `out`.
  CursorRows(Bytes answer, std::string& out);

  const std::string& description() const { return description_; }  // RowDescription
  // The next `most` rows, into `out` unless that is null; how many there were.
  std::uint64_t take(std::uint64_t most, std::string* out);

 private:
  std::string description_, rows_;
  std::size_t at_ = 0;
};

// How far FETCH or MOVE goes: forwards, or not in a way that is known here.
std::optional<std::uint64_t> fetch_count(std::string_view statement, const sharding::sql::LexerOptions& options);
// The query of DECLARE, as offset in its text; empty when not found.
std::optional<std::size_t> declared_query(std::string_view statement, const sharding::sql::LexerOptions& options);

}  // namespace howdah::proxy
