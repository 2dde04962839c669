// Which writes are proven to be what the shards do together. Demo schema, four shards.
#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding::sql {
namespace {

using testing::analyzed;
using testing::expect;

TEST(ManyWrite, ChangesOneTableOnAllShards) {
  expect({
      {"UPDATE users SET name = 'x'", "all write"},
      {"UPDATE ONLY users SET name = lower(name) WHERE region = 'eu' RETURNING id, name", "all write"},
      {"UPDATE transactions SET note = NULL", "all write"},
      {"DELETE FROM accounts", "all write"},
      {"DELETE FROM accounts WHERE balance < $1 RETURNING *", "all write"},
      {"UPDATE users SET name = 'x' WHERE id = 5 OR region = 'eu'", "all write"},
      {"UPDATE users SET id = 6", "all write"},
      {"UPDATE users SET id = 6, name = lower(name) WHERE region = 'eu' RETURNING id", "all write"},
      {"UPDATE users SET id = id + $1 WHERE region = 'eu'", "all write"},
      {"UPDATE users SET id = id + 1 FROM categories c WHERE c.id = 1", "refused"},
      {"UPDATE users SET id = 6 WHERE EXISTS (SELECT FROM accounts a WHERE a.user_id = users.id)", "refused"},
      {"UPDATE users SET id = random()", "refused"},
      {"UPDATE users SET id = DEFAULT", "refused"},
      {"UPDATE users SET id = 6, name = DEFAULT", "refused"},
      {"UPDATE users SET id = 6 RETURNING tableoid", "refused"},
      {"WITH c AS (SELECT 1) UPDATE users SET id = 6", "refused"},
      {"UPDATE users SET (name, id) = ('x', 6)", "refused"},
      {"UPDATE currencies SET name = 'x'", "all"},
  });
}

TEST(ManyWrite, ReadsWhatIsTiedToTheKey) {
  expect({
      {"UPDATE users u SET name = a.kind FROM accounts a WHERE a.user_id = u.id", "all write"},
      {"UPDATE users u SET name = c.name FROM categories c WHERE c.id = 1", "all write"},
      {"DELETE FROM accounts a USING users u WHERE a.user_id = u.id AND u.region = 'eu'", "all write"},
      {"DELETE FROM users u WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id)", "all write"},
      {"DELETE FROM users WHERE id IN (SELECT user_id FROM accounts WHERE balance = 0)", "all write"},
      {"UPDATE users u SET plan = (SELECT max(kind) FROM accounts a WHERE a.user_id = u.id)", "all write"},
      {"WITH rich AS (SELECT user_id FROM accounts WHERE balance > 5) UPDATE users SET plan = 'x' FROM rich WHERE rich.user_id = id",
       "all write"},
      {"UPDATE users u SET name = a.kind FROM accounts a WHERE a.id = u.id", "refused"},
      {"UPDATE users SET name = (SELECT max(kind) FROM accounts)", "refused"},
      {"DELETE FROM users WHERE id NOT IN (SELECT user_id FROM accounts)", "refused"},
      {"DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY name LIMIT 10)", "refused"},
      {"WITH x AS (SELECT id FROM users LIMIT 10) DELETE FROM users USING x WHERE users.id = x.id", "refused"},
      {"DELETE FROM users WHERE id IN (SELECT max(user_id) FROM accounts)", "refused"},
      {"DELETE FROM users WHERE id = (SELECT max(user_id) FROM accounts)", "refused"},
      {"DELETE FROM accounts a USING users u WHERE a.kind = u.name", "refused"},
      {"DELETE FROM accounts a USING settings s WHERE a.kind = s.key", "refused"},
      {"UPDATE users SET name = (SELECT name FROM categories LIMIT 1)", "refused"},
  });
}

TEST(ManyWrite, RefusesWhatShardsWouldDoDifferently) {
  expect({
      {"UPDATE users SET name = random()::text", "refused"},
      {"UPDATE users SET created_at = clock_timestamp()", "refused"},
      {"UPDATE users SET name = current_user", "refused"},
      {"UPDATE users SET created_at = DEFAULT", "refused"},
      {"DELETE FROM users WHERE my_function(id)", "refused"},
      {"DELETE FROM users RETURNING ctid", "refused"},
      {"DELETE FROM users WHERE tableoid = 5", "refused"},
      {"WITH d AS (DELETE FROM accounts RETURNING *) DELETE FROM users", "refused"},
      {"WITH d AS (DELETE FROM accounts RETURNING *) SELECT * FROM d", "refused"},
      {"UPDATE users SET name = pg_notify('a', name)::text", "refused"},
      {"EXPLAIN (FORMAT YAML) UPDATE users SET name = 'x'", "refused"},
      {"COPY (DELETE FROM accounts RETURNING id) TO STDOUT", "refused"},
  });
}

TEST(ManyWrite, IsReadyForKeysOfSeveralShards) {
  for (const char* sql : {"UPDATE users SET name = 'x' WHERE id IN (1, 2)", "DELETE FROM users WHERE id = ANY($1)",
                          "UPDATE users SET name = v.n FROM (VALUES (1, 'a'), (2, 'b')) v (id, n) WHERE users.id = v.id",
                          "UPDATE users u SET name = a.kind FROM accounts a WHERE a.user_id = u.id AND u.id IN (1, 2)"}) {
    const auto plan = analyzed(sql).plan();
    ASSERT_NE(plan.many_write, nullptr) << sql;
    EXPECT_EQ(plan.many_write->pins.size(), 1u) << sql;
    EXPECT_FALSE(plan.many_write->by_rows) << sql;
  }
  EXPECT_EQ(analyzed("UPDATE users SET name = 'x' WHERE id = 1").plan().many_write, nullptr);
  EXPECT_EQ(analyzed("UPDATE users SET name = random()::text WHERE id IN (1, 2)").plan().many_write, nullptr);
}

bool splits(const char* sql) {
  const auto plan = analyzed(sql).plan();
  EXPECT_EQ(plan.where, Where::kKeys) << sql;
  return plan.many_write != nullptr && plan.many_write->by_rows;
}

TEST(ManyWrite, SplitsTheRowsOfValues) {
  EXPECT_TRUE(splits("INSERT INTO users VALUES (1, 'a'), (2, 'b')"));
  EXPECT_TRUE(splits("INSERT INTO users (email, id) VALUES ('a', $1), ('b', $2), (DEFAULT, 3) RETURNING id"));
  EXPECT_TRUE(splits("INSERT INTO users VALUES (1, 'a'), (2, 'b') ON CONFLICT (id) DO UPDATE SET email = excluded.email"));
  EXPECT_TRUE(splits("INSERT INTO users VALUES (1, (SELECT name FROM categories WHERE id = 1)), (2, lower('B'))"));
  EXPECT_FALSE(splits("INSERT INTO users VALUES (1, 'a')"));
  EXPECT_FALSE(splits("INSERT INTO users VALUES (1, 'a'), (2)"));
  EXPECT_TRUE(splits("INSERT INTO users (id, created_at) VALUES (1, now()), (2, now())"));
  EXPECT_FALSE(splits("INSERT INTO users (id, created_at) VALUES (1, clock_timestamp()), (2, now())"));
  EXPECT_FALSE(splits("INSERT INTO users VALUES (1, random()::text), (2, 'b')"));
  EXPECT_FALSE(splits("INSERT INTO users VALUES (1, (SELECT kind FROM accounts WHERE user_id = 1)), (2, 'b')"));
  EXPECT_FALSE(splits("INSERT INTO users VALUES (1, 'a'), (2, 'b') RETURNING ctid"));
  EXPECT_FALSE(splits("WITH a AS (SELECT 1) INSERT INTO users VALUES (1, 'a'), (2, 'b')"));
}

TEST(ManyWrite, KnowsWhereATextMayBeATime) {
  const auto plain = analyzed("INSERT INTO users (id, name) VALUES (1, 'now'), (2, $1)").plan().many_write;
  EXPECT_FALSE(plain->any_text);
  EXPECT_TRUE(plain->clock_slots.empty() && plain->clock_params.empty());
  const auto times = analyzed("INSERT INTO users (id, created_at) VALUES (1, 'now'), (2, $1)").plan().many_write;
  EXPECT_FALSE(times->any_text);
  EXPECT_EQ(times->clock_slots, std::vector<std::uint32_t>{1});
  EXPECT_EQ(times->clock_params, std::vector<std::uint32_t>{0});
  EXPECT_TRUE(analyzed("INSERT INTO users (id, created_at) VALUES (1, $1::date), (2, NULL)").plan().many_write->any_text);
  const auto call = analyzed("INSERT INTO users (id, name) VALUES (1, lower('now' || $1)), (2, 'now')").plan().many_write;
  EXPECT_FALSE(call->any_text);
  EXPECT_EQ(call->clock_slots, std::vector<std::uint32_t>{1});
  EXPECT_EQ(call->clock_params, std::vector<std::uint32_t>{0});
  EXPECT_FALSE(analyzed("INSERT INTO events VALUES ($1::uuid, '0f5e0b54-0000-0000-0000-000000000001', $2::jsonb), "
                        "($3, '0f5e0b54-0000-0000-0000-000000000002', $4)").plan().many_write->any_text);
}

TEST(ManyWrite, InsertsWhatAShardSelects) {
  expect({
      {"INSERT INTO accounts (id, user_id) SELECT id, user_id FROM transactions", "all write"},
      {"INSERT INTO accounts (id, user_id) SELECT 1, id FROM users WHERE region = 'eu' ON CONFLICT DO NOTHING", "all write"},
      {"INSERT INTO accounts (id, user_id) SELECT a.id + 1, u.id FROM users u JOIN accounts a ON a.user_id = u.id", "all write"},
      {"INSERT INTO accounts (id, user_id, balance) SELECT 1, user_id, sum(amount) FROM transactions GROUP BY user_id RETURNING *", "all write"},
      {"INSERT INTO accounts (id, user_id) SELECT DISTINCT 1, user_id FROM transactions", "all write"},
      {"INSERT INTO accounts (id, user_id) SELECT c.id, u.id FROM users u, categories c", "all write"},
      {"INSERT INTO accounts (id, user_id) SELECT user_id, id FROM transactions", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT id, user_id + 1 FROM transactions", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT 1, max(user_id) FROM transactions", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT count(*), 5 FROM transactions", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT id, user_id FROM transactions LIMIT 5", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT row_number() OVER (), user_id FROM transactions", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT id, user_id FROM transactions UNION ALL SELECT id, user_id FROM accounts", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT c.id, a.user_id FROM categories c LEFT JOIN accounts a ON a.id = c.id", "refused"},
      {"INSERT INTO accounts (id, user_id, opened_at) SELECT id, user_id, clock_timestamp() FROM transactions", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT 1, a.user_id FROM users u JOIN accounts a ON a.kind = u.name", "refused"},
      {"INSERT INTO loose SELECT id, 1 FROM users", "refused"},
      {"INSERT INTO categories SELECT id, name FROM users", "refused"},
  });
}

TEST(ManyWrite, MergesWhatIsJoinedOnTheKey) {
  const std::string merge = "MERGE INTO accounts a USING users u ON a.user_id = u.id ";
  const std::string by_category = "MERGE INTO accounts a USING categories c ON a.id = c.id ";
  const auto where = [](const std::string& sql) { return testing::where(sql); };
  EXPECT_EQ(where(merge + "WHEN MATCHED THEN UPDATE SET kind = u.name"), "all write");
  EXPECT_EQ(where(merge + "WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (1, u.id)"), "all write");
  EXPECT_EQ(where(merge + "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (1, u.id)"), "all write");
  EXPECT_EQ(where(by_category + "WHEN MATCHED THEN DELETE"), "all write");
  EXPECT_EQ(where(merge + "WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (u.id, 5)"), "refused");
  EXPECT_EQ(where(by_category + "WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (1, c.id)"), "refused");
  EXPECT_EQ(where("MERGE INTO accounts a USING users u ON a.kind = u.name WHEN MATCHED THEN DELETE"), "refused");
}

}  // namespace
}  // namespace howdah::sharding::sql
