// What FETCH and MOVE ask for, and where the query of DECLARE begins: read from the statement's text.
// https://www.postgresql.org/docs/15/sql-fetch.html
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "sharding/sql/lexer.h"

namespace howdah::proxy {

struct FetchCommand {
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  enum class Direction : std::uint8_t { kForward, kBackward, kAbsolute, kRelative };

  bool move = false;
  Direction direction = Direction::kForward;
  std::int64_t count = 1;  // kForward and kBackward: 0 is the row the cursor is on, and never less
};
// Empty: not understood.
std::optional<FetchCommand> read_fetch(std::string_view statement, const sharding::sql::LexerOptions& options);

struct DeclareText {
  std::size_t query = 0;    // where it begins
  bool scroll = false;
  bool no_scroll = false;
};
std::optional<DeclareText> read_declare(std::string_view statement, const sharding::sql::LexerOptions& options);

}  // namespace howdah::proxy
