#include "sharding/write/default_key.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

std::string edited(std::string_view sql, const sql::KeyDefault& key, const std::vector<std::string>& keys) {
  auto edits = key_edits(sql, key, keys, {});
  return edits ? EditedText(sql, std::move(*edits)).text() : "refused";
}

constexpr std::string_view kExpression = "nextval('public.s'::regclass)";

TEST(DefaultKey, IsAddedToTheColumns) {
  const sql::KeyDefault key{"\"id\"", std::string(kExpression), -1, false, 0};
  EXPECT_EQ(edited("INSERT INTO t (a) VALUES (1)", key, {"7"}), "INSERT INTO t (a, \"id\") VALUES (1, '7')");
  EXPECT_EQ(edited("insert into t as x (a,b) values((1),')'),(f(2, 3),$1) returning (x)", key, {"7", "8"}),
            "insert into t as x (a,b, \"id\") values((1),')', '7'),(f(2, 3),$1, '8') returning (x)");
  EXPECT_EQ(edited("INSERT INTO t (\"values\") VALUES ('VALUES (1)')", key, {"it's \\"}), "INSERT INTO t (\"values\", \"id\") VALUES ('VALUES (1)',  E'it''s \\\\')");
  EXPECT_EQ(edited("INSERT INTO t VALUES (1)", key, {"7"}), "refused");
  EXPECT_EQ(edited("INSERT INTO t (a) VALUES (1)", key, {"7", "8"}), "refused");
}

TEST(DefaultKey, TakesThePlaceOfDefault) {
  const sql::KeyDefault key{"\"id\"", std::string(kExpression), 1, true, 0};
  EXPECT_EQ(edited("INSERT INTO t VALUES (f(1, DEFAULT), DEFAULT), (x[1, 2], default, 3)", key, {"7", "8"}),
            "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (f(1, DEFAULT), '7'), (x[1, 2], '8', 3)");
  EXPECT_EQ(edited("INSERT INTO t VALUES (1, 2)", key, {"7"}), "refused");
}

}  // namespace
}  // namespace howdah::sharding
