// INSERT ... VALUES with rows of several shards: each shard runs the statement with its own rows.
//
//   INSERT INTO t (k, v) VALUES (1, 'a'), (2, 'b'), (3, 'c') RETURNING k
//     shard 0:  INSERT INTO t (k, v) VALUES (1, 'a'),(3, 'c') RETURNING k
//     shard 1:  INSERT INTO t (k, v) VALUES (2, 'b') RETURNING k
//
// Parameters keep their numbers, so that what the server says of them is true; those that a shard has no use for are NULL there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "sharding/sql/lexer.h"

namespace howdah::sharding {

// Where the rows stand in the text, and which parameters they use.
struct InsertRows {
  struct Row {
    std::uint32_t begin = 0, end = 0;        // with its parentheses
    std::vector<std::uint16_t> params;       // from 0
  };
  std::vector<Row> rows;
  std::vector<std::uint16_t> params;         // used by what stands around the rows
};

// REQUIRES: `sql` is one INSERT ... VALUES that parses. kUnsupported when its rows are not found to be `count`.
Result<InsertRows> find_rows(std::string_view sql, std::size_t count, const sql::LexerOptions& options);

// One shard's statement.
struct InsertPart {
  std::string text;
  struct Piece {
    std::uint32_t begin = 0;   // in `text`
    std::uint32_t from = 0;    // the byte of the client's text that stands there
  };
  std::vector<Piece> pieces;
  std::vector<bool> uses;      // by parameter

  // Where the character at `position` (from 1) of `text` stands in the client's.
  int client_position(std::string_view client, int position) const;
};
InsertPart part_of(std::string_view sql, const InsertRows& rows, std::span<const std::uint32_t> indexes);

// The Bind message behind its names, with NULL for the parameters that the part does not use.
// REQUIRES: `tail` was decoded before.
std::string part_bind(Bytes tail, const InsertPart& part);

}  // namespace howdah::sharding
