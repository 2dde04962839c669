// Which statements are proven to stay on one shard, and which are not. SQL over the demo schema, four shards.
#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding::sql {
namespace {

using testing::analyzed;
using testing::AnalyzeOptions;
using testing::where;

struct Case {
  const char* sql;
  const char* where;
};

// "apart": proven for many shards only, never for one; spread_test.cc says more of those.
void expect(std::initializer_list<Case> cases) {
  for (const auto& c : cases) {
    const std::string got = where(c.sql);
    EXPECT_EQ(got.starts_with("many") || got == "gathered" ? "apart" : got, c.where) << c.sql;
  }
}

TEST(Analyzer, FindsTheKeyOfOneTable) {
  expect({
      {"SELECT * FROM users WHERE id = 5", "keys 5"},
      {"SELECT * FROM users WHERE 5 = id", "keys 5"},
      {"SELECT * FROM users WHERE id = -5", "keys -5"},
      {"SELECT * FROM users WHERE id = - - 5", "keys 5"},
      {"SELECT * FROM users WHERE id = +5", "keys 5"},
      {"SELECT * FROM users WHERE id = '5'", "keys '5'"},
      {"SELECT * FROM users WHERE id = $1", "keys $1"},
      {"SELECT * FROM users WHERE id = $1::bigint", "keys $1"},
      {"SELECT * FROM users WHERE id = CAST('5' AS bigint)", "keys '5'"},
      {"SELECT * FROM users WHERE id = bigint '5'", "keys '5'"},
      {"SELECT * FROM users WHERE id = 5::int::bigint", "keys 5"},
      {"SELECT * FROM users WHERE id = 5.0", "keys 5.0"},
      {"SELECT * FROM users WHERE id = NULL", "keys NULL"},
      {"SELECT * FROM users u WHERE u.id = 5 AND name LIKE 'x%'", "keys 5"},
      {"SELECT * FROM public.users WHERE public.users.id = 5", "keys 5"},
      {"SELECT * FROM \"users\" WHERE \"id\" = 5", "keys 5"},
      {"SELECT * FROM users AS a(k) WHERE k = 5", "keys 5"},
      {"SELECT * FROM ONLY users WHERE id OPERATOR(pg_catalog.=) 5", "keys 5"},
      {"TABLE users", "apart"},
      {"SELECT * FROM users WHERE (id, name) = (5, 'x')", "keys 5"},
      {"SELECT * FROM users WHERE id = 5 FOR UPDATE", "keys 5"},
      {"SELECT ctid, xmin FROM users WHERE id = 5", "keys 5"},
      {"SELECT * FROM transactions_2024_01 WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM events WHERE user_id = '0d9f9f60-0000-4000-8000-000000000001'",
       "keys '0d9f9f60-0000-4000-8000-000000000001'"},
      {"SELECT * FROM profiles WHERE handle = 'ada'", "keys 'ada'"},
      {"SELECT * FROM profiles WHERE handle = E'a\\'b'::text", "keys E'a\\'b'"},
      {"SELECT * FROM users TABLESAMPLE bernoulli (10) WHERE id = 5", "keys 5"},
  });
}

TEST(Analyzer, ReadsListsOfKeys) {
  expect({
      {"SELECT * FROM users WHERE id IN (5)", "keys [5]"},
      {"SELECT * FROM users WHERE id IN (1, 2, 3)", "keys [1, 2, 3]"},
      {"SELECT * FROM users WHERE id IN (1, $2, '3')", "keys 1,$2,'3'"},
      {"SELECT * FROM users WHERE id IN (1, NULL)", "keys 1,NULL"},
      {"SELECT * FROM users WHERE id = ANY($1)", "keys array $1"},
      {"SELECT * FROM users WHERE id = ANY($1::bigint[])", "keys array $1"},
      {"SELECT * FROM users WHERE id = ANY('{1,2}')", "keys array '{1,2}'"},
      {"SELECT * FROM users WHERE id = ANY(ARRAY[1, 2])", "keys 1,2"},
      {"SELECT * FROM users WHERE id = ANY(ARRAY['1', '2']::bigint[])", "keys '1','2'"},
      {"SELECT * FROM users WHERE id = 1 OR id = 2 OR (id = 3 AND name = 'x')", "keys 1,2,3"},
      {"SELECT * FROM users WHERE id = 1 OR id IN (2, 3)", "keys 1,[2, 3]"},
      {"SELECT * FROM users WHERE (id, name) IN ((1, 'a'), (2, 'b'))", "keys 1,2"},
      {"SELECT * FROM users WHERE id IN (1, 2) AND id = 2", "keys 2"},
  });
}

TEST(Analyzer, NeverTakesAComparisonThatDoesNotRestrictTheRows) {
  expect({
      {"SELECT CASE WHEN id = 5 THEN 1 END FROM users", "apart"},
      {"SELECT id = 5 FROM users", "apart"},
      {"SELECT count(*) FILTER (WHERE id = 5) FROM users", "apart"},
      {"SELECT * FROM users WHERE id = 5 OR name = 'x'", "apart"},
      {"SELECT * FROM users WHERE NOT id = 5", "apart"},
      {"SELECT * FROM users WHERE id <> 5", "apart"},
      {"SELECT * FROM users WHERE id NOT IN (5)", "apart"},
      {"SELECT * FROM users WHERE id <> ALL(ARRAY[5])", "apart"},
      {"SELECT * FROM users WHERE (id = 5) IS NOT TRUE", "apart"},
      {"SELECT * FROM users WHERE (id = 5) = false", "apart"},
      {"SELECT * FROM users WHERE coalesce(id = 5, true)", "apart"},
      {"SELECT * FROM users WHERE id > 5", "apart"},
      {"SELECT * FROM users WHERE id IS NOT DISTINCT FROM 5", "apart"},
      {"SELECT * FROM users WHERE id BETWEEN 5 AND 5", "apart"},
      {"SELECT * FROM users WHERE id = name::bigint", "apart"},
      {"SELECT * FROM users WHERE id + 0 = 5", "apart"},
      {"SELECT * FROM users WHERE id::text = '5'", "apart"},
      {"SELECT * FROM users WHERE id = (SELECT 5)", "apart"},
      {"SELECT * FROM users HAVING id = 5", "apart"},
      {"SELECT * FROM users ORDER BY id = 5", "apart"},
      {"SELECT * FROM users GROUP BY id, id = 5", "apart"},
      {"SELECT * FROM users WHERE id = 9007199254740993::float8", "apart"},
      {"SELECT * FROM users WHERE id = 5.5::bigint", "apart"},
      {"SELECT * FROM users WHERE id OPERATOR(public.=) 5", "refused"},
      {"SELECT * FROM profiles WHERE handle = 'a'::varchar(1)", "apart"},
      {"SELECT * FROM profiles WHERE handle = 'a' COLLATE \"C\"", "apart"},
      {"SELECT * FROM profiles WHERE handle LIKE 'ada'", "apart"},
      {"SELECT * FROM accounts WHERE id = 5", "apart"},
      {"SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id > 5)", "apart"},
      {"SELECT 1 FROM users u, (SELECT 5 AS id) c WHERE c.id = 5", "apart"},
  });
}

TEST(Analyzer, FollowsEqualitiesThroughJoins) {
  expect({
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = 5", "keys 5"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id WHERE a.user_id = 5", "keys 5"},
      {"SELECT * FROM users u, accounts a WHERE a.user_id = u.id AND u.id = $1", "keys $1"},
      {"SELECT * FROM accounts JOIN transactions USING (user_id) WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM accounts a JOIN transactions t USING (user_id, id) WHERE t.user_id = 5", "keys 5"},
      {"SELECT * FROM accounts NATURAL JOIN transactions WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM (accounts a JOIN transactions t USING (user_id)) AS j WHERE j.user_id = 5", "keys 5"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id JOIN transactions t ON t.user_id = a.user_id "
       "WHERE u.id = 5",
       "keys 5"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id AND u.id = 5", "keys 5"},
      {"SELECT * FROM users u CROSS JOIN accounts a WHERE u.id = 5 AND a.user_id = 5", "keys 5 5"},
      {"SELECT * FROM users u JOIN accounts a ON (a.user_id, 1) = (u.id, 1) WHERE u.id = 5", "keys 5"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id > u.id WHERE u.id = 5", "assembled"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id OR true WHERE u.id = 5", "assembled"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id", "apart"},
      {"SELECT * FROM users u, accounts a WHERE u.id = 5", "assembled"},
      {"SELECT * FROM users u JOIN accounts a ON a.user_id = u.id::numeric WHERE u.id = 5", "assembled"},
      {"SELECT * FROM loose l JOIN users u ON u.id = l.user_id WHERE l.user_id = 5", "keys 5"},
  });
}

TEST(Analyzer, KeepsToThePreservedSideOfOuterJoins) {
  expect({
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE u.id = 5", "keys 5"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.user_id = u.id AND a.kind = 'x' WHERE u.id = 5", "keys 5"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE a.user_id = 5", "apart"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.user_id = u.id AND u.id = 5", "apart"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON u.id = 5 AND a.user_id = 5", "assembled"},
      {"SELECT * FROM users u LEFT JOIN accounts a ON a.user_id = 5 WHERE u.id = 5", "keys 5 5"},
      {"SELECT * FROM accounts a RIGHT JOIN users u ON a.user_id = u.id WHERE u.id = 5", "keys 5"},
      {"SELECT * FROM accounts a RIGHT JOIN users u ON a.user_id = u.id AND u.id = 5", "apart"},
      {"SELECT * FROM users u FULL JOIN accounts a ON a.user_id = u.id WHERE u.id = 5", "assembled"},
      {"SELECT * FROM users u FULL JOIN accounts a ON a.user_id = u.id WHERE u.id = 5 AND a.user_id = 5", "keys 5 5"},
      {"SELECT * FROM accounts FULL JOIN transactions USING (user_id) WHERE user_id = 5", "assembled"},
      {"SELECT * FROM accounts LEFT JOIN transactions USING (user_id) WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM accounts RIGHT JOIN transactions USING (user_id) WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM users u LEFT JOIN (accounts a JOIN transactions t ON t.user_id = a.user_id) ON a.user_id = u.id "
       "WHERE u.id = 5",
       "keys 5"},
  });
}

TEST(Analyzer, ProvesEveryLevelOfItsOwn) {
  expect({
      {"SELECT * FROM (SELECT * FROM accounts) a WHERE a.user_id = 5", "keys 5"},
      {"SELECT * FROM (SELECT user_id AS u, balance FROM accounts) a WHERE u = 5", "keys 5"},
      {"SELECT * FROM (SELECT * FROM accounts LIMIT 10) a WHERE a.user_id = 5", "assembled"},
      {"SELECT * FROM (SELECT * FROM accounts WHERE user_id = 5 LIMIT 10) a", "keys 5"},
      {"SELECT * FROM (SELECT user_id, sum(balance) s FROM accounts GROUP BY user_id) a WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM (SELECT user_id, sum(balance) s FROM accounts GROUP BY 1) a WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM (SELECT max(user_id) u FROM accounts) a WHERE u = 5", "assembled"},
      {"SELECT * FROM (SELECT kind, max(user_id) u FROM accounts GROUP BY kind) a WHERE u = 5", "assembled"},
      {"SELECT * FROM (SELECT user_id, row_number() OVER (ORDER BY balance) FROM accounts) a WHERE user_id = 5", "assembled"},
      {"SELECT * FROM (SELECT DISTINCT user_id FROM accounts) a WHERE user_id = 5", "keys 5"},
      {"SELECT * FROM (SELECT DISTINCT ON (kind) user_id FROM accounts) a WHERE user_id = 5", "assembled"},
      {"SELECT * FROM users u JOIN (SELECT user_id, count(*) FROM accounts GROUP BY user_id) a ON a.user_id = u.id "
       "WHERE u.id = 5",
       "keys 5"},
      {"SELECT * FROM users u, LATERAL (SELECT * FROM accounts a WHERE a.user_id = u.id LIMIT 1) x WHERE u.id = 5", "keys 5"},
      {"SELECT * FROM users u LEFT JOIN LATERAL (SELECT * FROM accounts a WHERE a.user_id = u.id LIMIT 1) x ON true "
       "WHERE u.id = 5",
       "keys 5"},
      {"WITH a AS (SELECT * FROM accounts) SELECT * FROM a WHERE user_id = 5", "keys 5"},
      {"WITH a AS (SELECT * FROM accounts) SELECT * FROM a WHERE user_id = 5 UNION ALL SELECT * FROM a", "assembled"},
      {"WITH a AS (SELECT * FROM accounts WHERE user_id = 5) SELECT * FROM a x, a y", "keys 5"},
      {"WITH u AS (SELECT * FROM users WHERE id = 5) SELECT * FROM u JOIN accounts a ON a.user_id = u.id", "keys 5"},
      {"WITH users AS (SELECT 5 AS id) SELECT * FROM users", "home"},
      {"WITH x AS (SELECT 1) SELECT * FROM users WHERE id = 5", "keys 5"},
      {"SELECT 5 UNION SELECT id FROM users WHERE id = 5", "keys 5"},
      {"SELECT id FROM users WHERE id = 5 UNION ALL SELECT user_id FROM accounts WHERE user_id = 5", "keys 5 5"},
      {"SELECT id FROM users WHERE id = 5 EXCEPT SELECT user_id FROM accounts", "keys 5"},
      {"SELECT user_id FROM accounts EXCEPT SELECT id FROM users WHERE id = 5", "apart"},
      {"SELECT user_id FROM accounts INTERSECT SELECT id FROM users WHERE id = 5", "keys 5"},
      {"SELECT id FROM users WHERE id = 5 UNION SELECT user_id FROM accounts", "apart"},
      {"(SELECT id FROM users ORDER BY 1 LIMIT 1) EXCEPT SELECT user_id FROM accounts WHERE user_id = 5", "assembled"},
      {"SELECT * FROM (SELECT id FROM users UNION SELECT user_id FROM accounts) x WHERE id = 5", "keys 5"},
      {"WITH RECURSIVE t AS (SELECT id FROM accounts WHERE user_id = 5 UNION ALL "
       "SELECT a.id FROM accounts a JOIN t ON t.id < a.id WHERE a.user_id = 5) SELECT * FROM t",
       "keys 5 5"},
      {"WITH RECURSIVE t AS (SELECT id FROM accounts WHERE user_id = 5 UNION ALL "
       "SELECT a.id FROM accounts a JOIN t ON t.id < a.id) SELECT * FROM t",
       "assembled"},
      {"SELECT * FROM (VALUES (5)) v(k) JOIN users ON users.id = v.k", "keys 5"},
      {"SELECT * FROM (VALUES (5), (6)) v(k) JOIN users ON users.id = v.k", "keys 5,6"},
      {"SELECT * FROM (SELECT 5 AS k) v JOIN users ON users.id = v.k", "keys 5"},
      {"SELECT * FROM generate_series(1, 3) g JOIN users ON users.id = g WHERE users.id = 5", "keys 5"},
  });
}

TEST(Analyzer, UsesCorrelatedSubqueries) {
  expect({
      {"SELECT * FROM users u WHERE u.id = 5 AND EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = u.id)", "keys 5"},
      {"SELECT * FROM users u WHERE u.id = 5 AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = u.id)", "keys 5"},
      {"SELECT * FROM users u WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = u.id AND a.user_id = 5)", "keys 5"},
      {"SELECT * FROM users u WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = u.id AND a.user_id = 5)",
       "apart"},
      {"SELECT * FROM users u WHERE EXISTS (SELECT count(*) FROM accounts a WHERE a.user_id = u.id AND a.user_id = 5)",
       "apart"},
      {"SELECT * FROM users u WHERE id IN (SELECT user_id FROM accounts WHERE user_id = 5)", "keys 5"},
      {"SELECT * FROM users u WHERE id = 5 AND id IN (SELECT user_id FROM accounts)", "keys 5"},
      {"SELECT * FROM users u WHERE id = 5 AND id IN (SELECT user_id FROM accounts ORDER BY 1 LIMIT 1)", "assembled"},
      {"SELECT * FROM users u WHERE id = 5 AND id IN (SELECT max(user_id) FROM accounts)", "assembled"},
      {"SELECT * FROM users u WHERE id = 5 AND id NOT IN (SELECT user_id FROM accounts)", "assembled"},
      {"SELECT * FROM users u WHERE id = 5 AND 3 IN (SELECT id FROM accounts)", "assembled"},
      {"SELECT * FROM users u WHERE 5 IN (SELECT user_id FROM accounts) AND id = 5", "keys 5 5"},
      {"SELECT (SELECT count(*) FROM accounts a WHERE a.user_id = u.id) FROM users u WHERE u.id = 5", "keys 5"},
      {"SELECT (SELECT count(*) FROM accounts a) FROM users u WHERE u.id = 5", "assembled"},
      {"SELECT * FROM users WHERE id = 5 AND name IN (SELECT kind FROM accounts WHERE id = 5)", "assembled"},
      {"SELECT * FROM users u WHERE id = 5 AND (EXISTS (SELECT 1 FROM accounts WHERE user_id = u.id) OR name = 'x')", "keys 5"},
      {"SELECT * FROM users WHERE id = 5 AND EXISTS (SELECT 1 FROM accounts WHERE user_id = id)", "assembled"},
  });
}

TEST(Analyzer, ResolvesNamesByTheCatalog) {
  expect({
      {"SELECT * FROM users accounts WHERE accounts.id = 5", "keys 5"},
      {"SELECT * FROM accounts users WHERE users.id = 5", "apart"},
      {"SELECT * FROM accounts AS a(user_id, id) WHERE a.user_id = 5", "apart"},
      {"SELECT * FROM accounts AS a(user_id, id) WHERE a.id = 5", "keys 5"},
      {"SELECT * FROM crm.users WHERE id = 5", "keys 5"},
      {"SELECT * FROM nosuch WHERE id = 5", "canonical"},
      {"SELECT * FROM planned WHERE user_id = 5", "refused"},
      {"SELECT * FROM unruled WHERE id = 5", "refused"},
      {"SELECT * FROM user_view WHERE id = 5", "refused"},
      {"SELECT * FROM ids", "refused"},
  });
  AnalyzeOptions crm;
  crm.search_path = {"crm", "public"};
  EXPECT_EQ(where("SELECT x FROM users WHERE id = 5", crm), "keys 5");
  // A user's operators come first: nothing is known of =.
  AnalyzeOptions shadowed;
  shadowed.search_path = {"public", "pg_catalog"};
  EXPECT_EQ(where("SELECT * FROM users WHERE id = 5", shadowed), "refused");
}

TEST(Analyzer, PlacesWhatIsNotSharded) {
  expect({
      {"SELECT 1", "home"},
      {"SELECT now()", "home"},
      {"VALUES (1), (2)", "home"},
      {"SELECT * FROM pg_class", "canonical"},
      {"SELECT * FROM pg_catalog.pg_class c JOIN pg_namespace n ON true", "canonical"},
      {"SELECT * FROM pg_stat_activity", "refused"},
      {"SELECT pg_relation_size('users')", "refused"},
      {"SELECT * FROM categories", "any"},
      {"SELECT * FROM categories c JOIN currencies x ON true", "any"},
      {"SELECT * FROM categories FOR UPDATE", "shard 0"},
      {"SELECT * FROM settings", "shard 2"},
      {"SELECT * FROM settings, categories", "shard 2"},
      {"SELECT * FROM settings, users WHERE users.id = 5", "assembled"},
      {"SELECT * FROM users, categories WHERE users.id = 5", "keys 5"},
      {"SELECT * FROM categories c LEFT JOIN transactions t ON t.category_id = c.id AND t.user_id = 5", "keys 5"},
      {"SELECT * FROM users JOIN categories ON true WHERE users.id = 5 FOR UPDATE", "refused"},
      {"SELECT * FROM users u JOIN categories ON true WHERE u.id = 5 FOR UPDATE OF u", "keys 5"},
      {"SELECT * FROM users, pg_class WHERE users.id = 5", "refused"},
      {"SELECT nextval('ids')", "home"},
      {"SELECT nextval('ids'), name FROM users WHERE id = 5", "refused"},
      {"SELECT query_to_xml('select 1', true, true, '')", "refused"},
      {"SELECT pg_advisory_lock(1)", "home"},
      {"SELECT nosuch(1)", "home"},
      {"SELECT my_function(1)", "refused"},
      {"SELECT my_function(id) FROM categories", "refused"},
      {"SELECT my_function(id) FROM users WHERE id = 5", "keys 5"},
      {"UPDATE pg_class SET relname = 'x'", "refused"},
  });
}

TEST(Analyzer, SaysWhatIsMissing) {
  const auto result = analyzed("DELETE FROM accounts WHERE id = 5 AND random() < 0.5");
  ASSERT_TRUE(result.plan().refusal);
  EXPECT_EQ(result.plan().refusal->code, ErrorCode::kUnsupported);
  EXPECT_NE(result.plan().refusal->message.find("user_id, the sharding key of table accounts"), std::string::npos);
  EXPECT_NE(result.plan().refusal->hint.find("accounts.user_id = "), std::string::npos);
  const auto unruled = analyzed("SELECT * FROM unruled");
  EXPECT_NE(unruled.plan().refusal->hint.find("sharding.tables.unruled"), std::string::npos);
  EXPECT_EQ(analyzed("SELECT * FROM planned").plan().refusal->code, ErrorCode::kUndefinedTable);
}

TEST(Analyzer, KnowsWhenAParameterNeedsItsType) {
  expect({
      {"SELECT * FROM users WHERE id = $1 AND name = $2", "keys $1"},
      {"SELECT * FROM users WHERE id = $1 AND length(name) = $1", "keys $1?"},
      {"SELECT $1, * FROM users WHERE id = $1", "keys $1?"},
      {"SELECT $1, * FROM users WHERE id = $1::bigint", "keys $1"},
      {"SELECT * FROM users u JOIN accounts a ON true WHERE u.id = $1 AND a.user_id = $1", "keys $1"},
      {"SELECT * FROM users u JOIN loose l ON true WHERE u.id = $1 AND l.user_id = $1", "keys $1? $1?"},
      {"INSERT INTO users VALUES ($1, $1)", "keys $1?"},
      {"INSERT INTO users VALUES ($1, $2)", "keys $1"},
  });
  AnalyzeOptions floats;
  floats.param_types = {schema::kFloat8Oid};
  EXPECT_EQ(where("SELECT * FROM users WHERE id = $1", floats), "many");
  AnalyzeOptions ints;
  ints.param_types = {schema::kInt4Oid};
  EXPECT_EQ(where("SELECT $1, * FROM users WHERE id = $1", ints), "keys $1");
}

}  // namespace
}  // namespace howdah::sharding::sql
