#include "sharding/write/move_text.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

sql::KeyMove move_of(std::vector<sql::KeyMove::Item> items, bool constant_key = true) {
  sql::KeyMove move;
  move.columns = {"\"id\"", "\"user_id\"", "\"total\"", "\"note\""};
  move.items = std::move(items);
  move.key = 1;
  move.stored.column_type = schema::kInt8Oid;
  if (constant_key) move.stored.any_of.emplace_back();
  return move;
}

MoveText text_of(std::string_view sql, const sql::KeyMove& move, std::size_t params = 0) {
  auto text = move_text(sql, move, params, {});
  EXPECT_TRUE(text) << sql;
  return text ? *text : MoveText{};
}

TEST(MoveText, TakesWhatIsNotGivenAndPutsAllOfIt) {
  const auto text = text_of("UPDATE orders AS o SET user_id = 7, total = total * 2, note='moved' WHERE o.user_id = 5 RETURNING o.id",
                            move_of({{1, true}, {2, false}, {3, true}}));
  EXPECT_EQ(text.take, "DELETE FROM orders AS o WHERE o.user_id = 5 RETURNING \"id\", (total * 2)");
  EXPECT_EQ(text.put,
            "INSERT INTO orders AS o (\"id\", \"user_id\", \"total\", \"note\") OVERRIDING SYSTEM VALUE VALUES ($1, 7, $2, 'moved') RETURNING o.id");
  ASSERT_EQ(text.carried.size(), 2u);
  EXPECT_TRUE(text.carried[0].column);
  EXPECT_FALSE(text.carried[1].column);
  EXPECT_FALSE(text.tells_keys);
}

TEST(MoveText, TellsTheKeysThatAreComputed) {
  const auto text = text_of("update only (s.orders) set user_id = user_id + $1;", move_of({{1, false}}, false), 1);
  EXPECT_EQ(text.take, "DELETE FROM only (s.orders) RETURNING \"id\", (user_id + $1), \"total\", \"note\", (user_id + $1)::pg_catalog.int8, \"user_id\"");
  EXPECT_EQ(text.put, "INSERT INTO s.orders (\"id\", \"user_id\", \"total\", \"note\") OVERRIDING SYSTEM VALUE VALUES ($2, $3, $4, $5)");
  EXPECT_EQ(text.probe, "update only (s.orders) set user_id = user_id + $1 WHERE false");
  EXPECT_TRUE(text.tells_keys);
}

TEST(MoveText, FindsTheClausesWhateverStandsInThem) {
  const auto parts = [](std::string_view sql, std::size_t items) {
    std::vector<sql::KeyMove::Item> all = {{1, true}, {2, false}, {3, false}};
    all.resize(items);
    return text_of(sql, move_of(all));
  };
  EXPECT_EQ(parts("UPDATE set SET user_id = 7", 1).put.substr(0, 20), "INSERT INTO set (\"id");
  EXPECT_EQ(parts("UPDATE t AS set SET user_id = 7", 1).put.substr(0, 25), "INSERT INTO t AS set (\"id");
  EXPECT_EQ(parts("UPDATE t * \"a b\" SET user_id = 7", 1).put.substr(0, 27), "INSERT INTO t AS \"a b\" (\"id");
  EXPECT_EQ(parts("UPDATE t SET user_id = 7, total = (SELECT 1 WHERE true, 2), note = t.where || ARRAY[1, 2]", 3).take,
            "DELETE FROM t RETURNING \"id\", ((SELECT 1 WHERE true, 2)), (t.where || ARRAY[1, 2])");
  EXPECT_EQ(parts("UPDATE t SET user_id = 7, total = total = 1 WHERE t.returning IS DISTINCT FROM 'returning' RETURNING *, 'where'", 2).take,
            "DELETE FROM t WHERE t.returning IS DISTINCT FROM 'returning' RETURNING \"id\", (total = 1), \"note\"");
  EXPECT_EQ(parts("UPDATE t SET user_id = 7, total = total -- twice\n * 2 -- it is\n WHERE true -- all", 2).take,
            "DELETE FROM t WHERE true RETURNING \"id\", (total -- twice\n * 2), \"note\"");
}

TEST(MoveText, IsRefusedWhereTheTextIsAnother) {
  for (const char* sql : {"WITH a AS (SELECT 1) UPDATE t SET user_id = 7", "UPDATE t SET user_id = 7, total = 1", "UPDATE t SET user_id",
                          "UPDATE U&\"t\" UESCAPE '!' SET user_id = 7", "DELETE FROM t"}) {
    EXPECT_FALSE(move_text(sql, move_of({{1, true}}), 0, {})) << sql;
  }
}

}  // namespace
}  // namespace howdah::sharding
