// An UPDATE of the sharding key, as the statements that move its rows from shard to shard.
//
//   UPDATE orders AS o SET user_id = 7, total = total * 2, note = 'moved' WHERE user_id = 5 RETURNING o.id
//
//   take, where the rows are:
//     DELETE FROM orders AS o WHERE user_id = 5 RETURNING "id", (total * 2)
//   put, for each of them where it belongs:
//     INSERT INTO orders AS o ("id", "user_id", "total", "note") OVERRIDING SYSTEM VALUE VALUES ($1, 7, $2, 'moved') RETURNING o.id
//
// So PostgreSQL evaluates, assigns and checks: an expression over the old row where that is, its value's way into the column, the
// defaults of nothing, constraints and RETURNING where the new row is stored. Of an expression for the key the value is told, too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {

struct MoveText {
  std::string take, put;
  std::string probe;               // the client's own text, with no row to change
  // What `take` gives in its first columns, each the value of put's parameter behind the client's own.
  struct Carried {
    bool column = false;           // as it stands in the old row; else an expression of SET
  };
  std::vector<Carried> carried;
  // Behind these, where the key is an expression: its value as the key's type, and the old key.
  bool tells_keys = false;
};

// `params`: how many the client's text has. kUnsupported when the text's parts are not found.
Result<MoveText> move_text(std::string_view sql, const sql::KeyMove& move, std::size_t params, const sql::LexerOptions& options);

}  // namespace howdah::sharding
