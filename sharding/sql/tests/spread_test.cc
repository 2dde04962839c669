// Which queries are proven to be the rows of several shards together, and how those are merged. Demo schema, four shards.
#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding::sql {
namespace {

using testing::expect;

TEST(Spread, ReadsOneTableOnAllShards) {
  expect({
      {"SELECT * FROM users TABLESAMPLE system_rows(2)", "refused"},
      {"SELECT * FROM users", "many"},
      {"TABLE users", "many"},
      {"SELECT name FROM users WHERE region = 'eu'", "many"},
      {"SELECT * FROM users WHERE id > 5", "many"},
      {"SELECT * FROM users WHERE id = 5 OR name = 'x'", "many"},
      {"SELECT id = 5 FROM users", "many"},
  });
}

TEST(Spread, IsReadyForKeysOfSeveralShards) {
  EXPECT_NE(testing::analyzed("SELECT * FROM users WHERE id IN (1, 2)").plan().spread, nullptr);
  EXPECT_NE(testing::analyzed("SELECT * FROM users WHERE id = ANY($1)").plan().spread, nullptr);
  EXPECT_EQ(testing::analyzed("SELECT * FROM users WHERE id = 1").plan().spread, nullptr);
  EXPECT_TRUE(testing::analyzed("SELECT count(*) FROM users WHERE id IN (1, 2)").plan().spread->gathers);
  EXPECT_NE(testing::analyzed("SELECT * FROM users WHERE id IN (1, 2) FOR UPDATE").plan().spread, nullptr);
  EXPECT_EQ(testing::analyzed("SELECT * FROM users WHERE id IN (1, 2) FOR UPDATE SKIP LOCKED").plan().spread, nullptr);
}

TEST(Spread, ReadsTablesThatAreJoinedOnTheirKeys) {
  expect({
      {"SELECT * FROM users UNION ALL SELECT * FROM users", "many"},
      {"SELECT id FROM users EXCEPT SELECT user_id FROM accounts ORDER BY id", "many by 0"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id", "many"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id FOR UPDATE OF a", "many"},
      {"SELECT u.* FROM users u JOIN categories c ON c.id = 1 FOR UPDATE OF u NOWAIT", "many"},
      {"SELECT * FROM users u, accounts a WHERE a.user_id = u.id AND a.kind = 'x'", "many"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.user_id = u.id", "many"},
      {"SELECT * FROM accounts a RIGHT JOIN users u ON a.user_id = u.id", "many"},
      {"SELECT * FROM users u WHERE EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id)", "many"},
      {"SELECT * FROM users u WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id)", "many"},
      {"SELECT * FROM users WHERE id IN (SELECT user_id FROM accounts)", "many"},
      {"SELECT u.id, (SELECT max(balance) FROM accounts a WHERE a.user_id = u.id) FROM users u", "many"},
      {"SELECT t.id, c.name FROM transactions t JOIN categories c ON c.id = t.category_id", "many"},
      {"SELECT t.id, c.name FROM transactions t LEFT JOIN categories c ON c.id = t.category_id", "many"},
      {"WITH a AS (SELECT * FROM accounts WHERE kind = 'x') SELECT * FROM users u JOIN a ON a.user_id = u.id", "many"},
  });
}

TEST(Spread, RefusesRowsThatMayLiveApart) {
  expect({
      {"SELECT * FROM users a, users b", "assembled"},
      {"SELECT * FROM users u JOIN accounts a ON a.id = u.id", "assembled"},
      {"SELECT * FROM users WHERE id NOT IN (SELECT user_id FROM accounts)", "assembled"},
      {"SELECT * FROM users WHERE name = (SELECT max(kind) FROM accounts)", "assembled"},
      {"SELECT c.name, t.id FROM categories c LEFT JOIN transactions t ON c.id = t.category_id", "assembled"},
      {"SELECT c.name, t.id FROM transactions t RIGHT JOIN categories c ON c.id = t.category_id", "assembled"},
      {"SELECT c.name, t.id FROM transactions t FULL JOIN categories c ON c.id = t.category_id", "assembled"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.kind = u.name", "assembled"},
      {"SELECT name FROM users UNION SELECT name FROM users", "assembled"},
      {"SELECT id FROM users UNION ALL SELECT id FROM categories", "assembled"},
      {"SELECT * FROM users LIMIT 1 FOR UPDATE", "refused"},
      {"SELECT * FROM users FOR UPDATE SKIP LOCKED", "refused"},
      {"SELECT u.* FROM users u JOIN categories c ON c.id = 1 FOR UPDATE", "refused"},
      {"SELECT ctid FROM users", "refused"},
      {"SELECT *, random() FROM users", "refused"},
      {"SELECT *, clock_timestamp() FROM users", "refused"},
      {"SELECT * FROM users, now() n", "refused"},
      {"SELECT * FROM users WHERE name = CURRENT_USER", "refused"},
      {"SELECT * FROM users WHERE region IN (SELECT name FROM categories LIMIT 1)", "assembled"},
      {"SELECT row_number() OVER (ORDER BY id) FROM users", "gathered"},
      {"SELECT DISTINCT ON (region) * FROM users", "gathered"},
      {"EXPLAIN (FORMAT XML) SELECT * FROM users", "refused"},
      {"DECLARE c CURSOR WITH HOLD FOR SELECT * FROM users", "many"},
      {"DECLARE c CURSOR FOR SELECT * FROM users FOR UPDATE", "many"},
      {"DECLARE c BINARY CURSOR FOR SELECT * FROM users", "refused"},
      {"DECLARE c CURSOR WITH HOLD FOR SELECT * FROM users FOR UPDATE", "refused"},
      {"DECLARE c SCROLL CURSOR FOR SELECT * FROM users FOR UPDATE", "refused"},
      {"COPY (SELECT * FROM users ORDER BY id) TO STDOUT", "refused"},
      {"COPY (SELECT * FROM users LIMIT 5) TO STDOUT", "refused"},
      {"COPY (SELECT * FROM users a, users b) TO STDOUT", "refused"},
      {"WITH d AS (DELETE FROM users WHERE id = 1 RETURNING *) SELECT * FROM users", "refused"},
  });
}

// Each of these has a last step of its own, which a union of the shards' rows is not.
TEST(Spread, CopiesNoGatheredRows) {
  expect({
      {"COPY (SELECT name FROM users) TO STDOUT", "copy out"},
      {"COPY (SELECT count(*) FROM users) TO STDOUT", "refused"},
      {"COPY (SELECT DISTINCT region FROM users) TO STDOUT", "refused"},
      {"COPY (SELECT id FROM users LIMIT 1 + 1) TO STDOUT", "refused"},
      {"EXPLAIN SELECT count(*) FROM users", "gathered"},
      {"DECLARE c CURSOR FOR SELECT count(*) FROM users", "gathered"},
      {"INSERT INTO loose (user_id) SELECT max(user_id) FROM accounts", "refused"},
  });
}

TEST(Spread, LooksIntoSubqueriesWhoseRowsAreApart) {
  expect({
      {"SELECT count(*) FROM (SELECT user_id FROM accounts) x", "gathered"},
      {"SELECT * FROM (SELECT user_id, count(*) FROM accounts GROUP BY user_id) x", "many"},
      {"SELECT user_id, sum(n) FROM (SELECT user_id, count(*) AS n FROM accounts GROUP BY user_id) x GROUP BY user_id", "many"},
      {"SELECT count(*) FROM (SELECT DISTINCT user_id, kind FROM accounts) x", "gathered"},
      {"SELECT count(*) FROM (SELECT y.user_id FROM (SELECT user_id FROM accounts) y) x", "gathered"},
      {"WITH x AS (SELECT user_id FROM accounts) SELECT count(*) FROM x", "gathered"},
      {"WITH x AS (SELECT user_id FROM accounts) SELECT count(*) FROM x JOIN users u ON u.id = x.user_id", "gathered"},
      {"SELECT * FROM (SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY id) AS n FROM accounts) x WHERE n = 1", "many"},
      {"SELECT user_id, row_number() OVER w FROM accounts WINDOW v AS (PARTITION BY user_id, kind), w AS (v ORDER BY id)", "many"},
      // Each of these makes one row of several shards' rows.
      {"SELECT max(n) FROM (SELECT kind, count(*) AS n FROM accounts GROUP BY kind) x", "assembled"},
      {"SELECT count(*) FROM (SELECT DISTINCT kind FROM accounts) x", "assembled"},
      {"SELECT count(*) FROM (SELECT user_id FROM accounts LIMIT 5) x", "assembled"},
      {"SELECT count(*) FROM (SELECT user_id FROM accounts OFFSET 5) x", "assembled"},
      {"SELECT count(*) FROM (SELECT DISTINCT ON (user_id) user_id FROM accounts) x", "assembled"},
      {"SELECT count(*) FROM (SELECT row_number() OVER (PARTITION BY kind) FROM accounts) x", "assembled"},
      {"SELECT count(*) FROM (SELECT row_number() OVER w, count(*) OVER (PARTITION BY user_id) FROM accounts WINDOW w AS (ORDER BY id)) x", "assembled"},
      {"SELECT count(*) FROM (SELECT a.user_id, count(*) FROM users u LEFT JOIN accounts a ON a.user_id = u.id GROUP BY a.user_id) x", "assembled"},
      // The rows of these are joined with those of other shards.
      {"WITH x AS (SELECT user_id FROM accounts) SELECT count(*) FROM x a, x b", "assembled"},
      {"WITH x AS (SELECT user_id FROM accounts) SELECT count(*) FROM x a JOIN x b ON a.user_id = b.user_id", "assembled"},
      {"SELECT count(*) FROM (SELECT user_id FROM accounts) x, users u", "assembled"},
      {"SELECT count(*) FROM categories c LEFT JOIN (SELECT user_id FROM accounts) x ON x.user_id = c.id", "assembled"},
      {"SELECT count(*) FROM (SELECT user_id FROM accounts UNION ALL SELECT user_id FROM accounts) x", "assembled"},
      {"WITH RECURSIVE x AS (SELECT user_id FROM accounts UNION SELECT user_id FROM x) SELECT count(*) FROM x", "assembled"},
  });
}

TEST(Spread, MergesByOrder) {
  expect({
      {"SELECT id, name FROM users ORDER BY id", "many by 0"},
      {"SELECT id, name FROM users ORDER BY name DESC, 1", "many by 1 desc by 0"},
      {"SELECT id, name AS id2 FROM users ORDER BY id2 NULLS FIRST", "many by 1 nulls first"},
      {"SELECT * FROM users ORDER BY name DESC NULLS LAST", "many by 2 desc nulls last"},
      {"SELECT id FROM users ORDER BY created_at DESC LIMIT 10", "many hidden desc limit"},
      {"SELECT id, lower(name) FROM users ORDER BY lower(name)", "many by 1"},
      {"SELECT u.id, u.name FROM users u ORDER BY u.name", "many by 1"},
      {"SELECT id AS name, name AS id FROM users ORDER BY name", "many by 0"},
      {"SELECT id FROM users ORDER BY id LIMIT 10 OFFSET 5", "many by 0 limit offset"},
      {"SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2", "many by 0 limit offset"},
      {"SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS ONLY", "many by 0 limit"},
      {"SELECT id FROM users ORDER BY id LIMIT ALL", "many by 0"},
      {"SELECT id FROM users ORDER BY id LIMIT 1 + 1", "gathered"},
      {"SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS WITH TIES", "gathered"},
      {"SELECT id, id FROM users ORDER BY id", "many by 1"},
      {"SELECT id AS x, name AS x FROM users ORDER BY x", "gathered"},
      {"SELECT *, id FROM users ORDER BY id", "gathered"},
      {"SELECT id FROM users ORDER BY id USING <", "gathered"},
      {"SELECT id FROM users ORDER BY 2", "gathered"},
  });
}

TEST(Spread, AggregatesOnlyWhatAShardHasWhole) {
  expect({
      {"SELECT user_id, count(*) FROM accounts GROUP BY user_id", "many"},
      {"SELECT user_id, sum(balance) AS s FROM accounts GROUP BY user_id HAVING count(*) > 1 ORDER BY s DESC LIMIT 3",
       "many by 1 desc limit"},
      {"SELECT u.region, a.user_id, count(*) FROM users u JOIN accounts a ON a.user_id = u.id GROUP BY u.region, u.id, a.user_id",
       "many"},
      {"SELECT user_id AS u, count(*) FROM accounts GROUP BY 1", "many"},
      {"SELECT user_id AS u, count(*) FROM accounts GROUP BY u", "many"},
      {"SELECT kind, count(*) FROM accounts GROUP BY kind", "gathered"},
      {"SELECT count(*) FROM accounts", "gathered"},
      {"SELECT user_id, count(*) FROM accounts GROUP BY ROLLUP (user_id)", "gathered"},
      {"SELECT DISTINCT id, region FROM users", "many"},
      {"SELECT DISTINCT region FROM users", "gathered"},
      {"SELECT DISTINCT id FROM users ORDER BY name", "gathered"},
  });
}

}  // namespace
}  // namespace howdah::sharding::sql
