// The text that each shard runs for a query over several shards: with the columns that the merge sorts by, and the rows that
// any one shard could contribute.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "sharding/edited_text.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {

struct ShardText {
  std::string text;
  // Where bytes were put into the client's text, to map positions in error messages back; both 0 when none were.
  std::uint32_t inserted_at = 0;
  std::uint32_t inserted = 0;
  // Where the query is a part of another statement: characters before it in what the server gets, and in the client's string.
  int before_here = 0;
  int before_there = 0;
  // The portal's name on the server and with the client, for errors that name it; empty: the same.
  std::string portal_here, portal_there;
  // What was the client's text, when that reads the clock: positions are then first those of its text().
  std::shared_ptr<const EditedText> clocked;
};

// `sql` is one query, `limit` (or kNoLimit) and `offset` this execution's counts.
//   SELECT a FROM t ORDER BY lower(b) DESC LIMIT 10 OFFSET 5  ->  SELECT a, (lower(b)) FROM t ORDER BY lower(b) DESC LIMIT 15
// kUnsupported for a text whose parts cannot be told apart (a query in parentheses).
Result<ShardText> shard_text(std::string_view sql, const sql::Spread& spread, std::int64_t limit, std::int64_t offset,
                             const sql::LexerOptions& options);

}  // namespace howdah::sharding
