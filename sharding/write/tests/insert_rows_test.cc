// INSERT ... VALUES, cut into the statements of its shards.
#include "sharding/write/insert_rows.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

std::string part(std::string_view sql, std::size_t count, std::vector<std::uint32_t> indexes) {
  const auto rows = find_rows(sql, count, {});
  if (!rows) return "refused";
  return part_of(sql, *rows, indexes).text;
}

TEST(InsertRows, GivesEachShardItsRows) {
  const char* sql = "INSERT INTO t (k, v) VALUES (1, 'a'), (2, 'b'), (3, 'c') RETURNING k";
  EXPECT_EQ(part(sql, 3, {0, 2}), "INSERT INTO t (k, v) VALUES (1, 'a'),(3, 'c') RETURNING k");
  EXPECT_EQ(part(sql, 3, {1}), "INSERT INTO t (k, v) VALUES (2, 'b') RETURNING k");
  EXPECT_EQ(part(sql, 3, {0, 1, 2}), "INSERT INTO t (k, v) VALUES (1, 'a'),(2, 'b'),(3, 'c') RETURNING k");
}

TEST(InsertRows, ReadsTokensAsPostgresDoes) {
  EXPECT_EQ(part("insert into t values ('(', \"now\"((1), 2)), (e'\\'),(', $$),($$) /* ),( */ ; -- ),(", 2, {1}),
            "insert into t values (e'\\'),(', $$),($$) /* ),( */ ; -- ),(");
  EXPECT_EQ(part("INSERT INTO \"values\" (\"values\") VALUES (1), (2)", 2, {1}), "INSERT INTO \"values\" (\"values\") VALUES (2)");
  EXPECT_EQ(part("INSERT INTO t (a[1], b) VALUES (ARRAY[1, (2)], 'x'), (3, x[4])", 2, {0}),
            "INSERT INTO t (a[1], b) VALUES (ARRAY[1, (2)], 'x')");
  EXPECT_EQ(part("INSERT INTO t AS a OVERRIDING SYSTEM VALUE VALUES (1), (2) ON CONFLICT (k) DO UPDATE SET v = (3), w = (4)", 2, {1}),
            "INSERT INTO t AS a OVERRIDING SYSTEM VALUE VALUES (2) ON CONFLICT (k) DO UPDATE SET v = (3), w = (4)");
}

TEST(InsertRows, RefusesWhatItDoesNotFind) {
  EXPECT_EQ(part("INSERT INTO values (a) VALUES (1), (2)", 2, {0}), "refused");
  EXPECT_EQ(part("INSERT INTO t VALUES (1), (2)", 3, {0}), "refused");
}

TEST(InsertRows, KnowsWhichParametersAShardUses) {
  const char* sql = "INSERT INTO t VALUES ($1, $3), ($2, $3 + $4) ON CONFLICT (k) DO UPDATE SET v = $6";
  const auto rows = find_rows(sql, 2, {});
  ASSERT_TRUE(rows);
  const std::vector<std::uint32_t> first{0}, second{1};
  EXPECT_EQ(part_of(sql, *rows, first).uses, (std::vector<bool>{true, false, true, false, false, true}));
  EXPECT_EQ(part_of(sql, *rows, second).uses, (std::vector<bool>{false, true, true, true, false, true}));
}

TEST(InsertRows, MapsPositionsBack) {
  const std::string sql = "INSERT INTO t VALUES (1, 'ä'), (2, 'b'), (3, boom) RETURNING bang";
  const auto rows = find_rows(sql, 3, {});
  ASSERT_TRUE(rows);
  const std::vector<std::uint32_t> indexes{0, 2};
  const auto part = part_of(sql, *rows, indexes);
  const auto position = [](std::string_view text, std::string_view what) {  // in characters, one "ä" before
    return static_cast<int>(text.find(what));
  };
  EXPECT_EQ(part.client_position(sql, position(part.text, "boom")), position(sql, "boom"));
  EXPECT_EQ(part.client_position(sql, position(part.text, "bang")), position(sql, "bang"));
  EXPECT_EQ(part.client_position(sql, 1), 1);
  EXPECT_EQ(part.client_position(sql, 0), 0);
}

TEST(InsertRows, BindsNullWhereAShardHasNoUse) {
  InsertPart part;
  part.uses = {false, true};
  const std::string tail("\0\1\0\1" "\0\3" "\0\0\0\1a" "\0\0\0\2bc" "\xff\xff\xff\xff" "\0\1\0\1", 25);
  const std::string expected("\0\1\0\1" "\0\3" "\xff\xff\xff\xff" "\0\0\0\2bc" "\xff\xff\xff\xff" "\0\1\0\1", 24);
  EXPECT_EQ(part_bind(tail, part), expected);
}

}  // namespace
}  // namespace howdah::sharding
