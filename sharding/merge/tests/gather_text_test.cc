// The two parts of queries whose last step needs all rows together, and the arrays that carry rows from the one to the other.
#include "sharding/merge/gather_text.h"

#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding {
namespace {

constexpr Oid kInt4 = 23, kInt8 = 20, kText = 25, kNumeric = 1700, kFloat4 = 700, kFloat8 = 701, kInterval = 1186;

struct Parts {
  std::string lower, upper;
};

sql::AnalyzeContext context() {
  static const schema::Catalog catalog = sql::testing::demo_catalog();
  static const Rules rules = sql::testing::demo_rules(4);
  sql::AnalyzeContext out;
  out.catalog = &catalog;
  out.rules = &rules;
  out.search_path = {"public"};
  return out;
}

// The first form that suits these types of the lower part's columns (the last of them for all others), with output columns
// named o0, o1, ...
Parts parts(std::string_view sql, std::vector<Oid> types = {kInt8}, std::size_t first = 1, bool assembles = false) {
  sql::Spread spread;
  spread.assembles = assembles;
  const auto forms = sql::gather_forms(sql, spread, {}, context());
  if (!forms) return {forms.error().message, forms.error().detail};
  for (const auto& form : *forms) {
    std::vector<GatheredColumn> columns;
    for (const auto& column : form.columns) {
      for (std::size_t i = 0; i < column.width; ++i) carry(types[std::min(columns.size(), types.size() - 1)], columns.emplace_back());
    }
    if (fits(form, columns) != Fit::kFits) continue;
    std::vector<std::string> names;
    std::size_t width = 0;
    for (const auto& output : form.outputs) width += output.width;
    while (names.size() < width) names.push_back("o" + std::to_string(names.size()));
    const auto upper = upper_text(form, columns, names, first);
    return {form.lower(), upper ? *upper : upper.error().detail};
  }
  return {"no form", ""};
}

void expect(std::string_view sql, const std::string& lower, const std::string& upper, std::vector<Oid> types = {kInt8}) {
  const Parts out = parts(sql, std::move(types));
  EXPECT_EQ(out.lower, lower) << sql;
  EXPECT_EQ(out.upper, upper) << sql;
}

TEST(GatherText, CountsAndSumsWhatTheShardsCountedAndSummed) {
  expect("SELECT count(*) FROM users", "SELECT pg_catalog.count(*)\nFROM users",
         "SELECT (pg_catalog.sum(p.c0)::pg_catalog.int8) AS \"o0\" FROM ROWS FROM (pg_catalog.unnest($1)) AS p(c0) ");
  expect("SELECT sum(balance) FILTER (WHERE kind = 'x') AS s, max(kind) FROM accounts WHERE id > 5 LIMIT 3",
         "SELECT pg_catalog.sum(balance) FILTER (WHERE kind = 'x'), pg_catalog.max(kind)\nFROM accounts WHERE id > 5",
         "SELECT pg_catalog.sum(p.c0) AS s, pg_catalog.max(p.c1) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), "
         "pg_catalog.unnest($2)) AS p(c0, c1) LIMIT 3",
         {kNumeric, kText});
}

TEST(GatherText, AveragesBySumAndCount) {
  const std::string lower = "SELECT pg_catalog.sum(id), pg_catalog.count(id)\nFROM accounts";
  const std::string rows = " FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS p(c0, c1) ";
  const std::string quotient = "SELECT (pg_catalog.sum(p.c0) OPERATOR(pg_catalog./) pg_catalog.sum(p.c1)";
  for (const Oid type : {kInt8, kNumeric}) expect("SELECT avg(id) x FROM accounts", lower, quotient + ") x" + rows, {type, kInt8});
  for (const Oid type : {kFloat8, kInterval}) {
    expect("SELECT avg(id) x FROM accounts", lower, quotient + "::pg_catalog.float8) x" + rows, {type, kInt8});
  }
  // The sum of float4 has lost digits that the average has.
  expect("SELECT avg(id) x FROM accounts", "SELECT id\nFROM accounts",
         "SELECT avg(p.c0) x FROM ROWS FROM (pg_catalog.unnest($1)) AS p(c0) ", {kFloat4, kInt8});
}

TEST(GatherText, GroupsOnShardsAndAgainAbove) {
  expect("SELECT kind, count(*) FROM accounts a GROUP BY a.kind HAVING count(*) > 1 ORDER BY count(*) DESC, kind",
         "SELECT a.kind, pg_catalog.count(*)\nFROM accounts a\nGROUP BY 1",
         "SELECT p.c0 AS \"o0\", (pg_catalog.sum(p.c1)::pg_catalog.int8) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), "
         "pg_catalog.unnest($2)) AS p(c0, c1) GROUP BY p.c0 HAVING (pg_catalog.sum(p.c1)::pg_catalog.int8) > 1 ORDER BY "
         "(pg_catalog.sum(p.c1)::pg_catalog.int8) DESC, kind",
         {kText, kInt8});
  expect("SELECT id % 10 + 1, (id % 10) AS d, sum(id % 10) FROM accounts GROUP BY ((id % 10))",
         "SELECT id % 10, pg_catalog.sum(id % 10)\nFROM accounts\nGROUP BY 1",
         "SELECT p.c0 + 1 AS \"o0\", (p.c0) AS d, pg_catalog.sum(p.c1) AS \"o2\" FROM ROWS FROM (pg_catalog.unnest($1), "
         "pg_catalog.unnest($2)) AS p(c0, c1) GROUP BY ((p.c0))",
         {kInt8, kNumeric});
  // By position and by an output column's name.
  expect("SELECT lower(kind) AS k, count(*) FROM accounts GROUP BY 1", "SELECT lower(kind), pg_catalog.count(*)\nFROM accounts\nGROUP BY 1",
         "SELECT p.c0 AS k, (pg_catalog.sum(p.c1)::pg_catalog.int8) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), "
         "pg_catalog.unnest($2)) AS p(c0, c1) GROUP BY 1",
         {kText, kInt8});
  expect("SELECT lower(kind) AS k FROM accounts GROUP BY k", "SELECT lower(kind)\nFROM accounts\nGROUP BY 1",
         "SELECT p.c0 AS k FROM ROWS FROM (pg_catalog.unnest($1)) AS p(c0) GROUP BY k", {kText});
  // A group of a constant is no group where there are no rows.
  expect("SELECT count(*) FROM users GROUP BY 'x'::text", "SELECT 'x'::text, pg_catalog.count(*)\nFROM users\nGROUP BY 1",
         "SELECT (pg_catalog.sum(p.c1)::pg_catalog.int8) AS \"o0\" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS "
         "p(c0, c1) GROUP BY p.c0",
         {kText, kInt8});
}

TEST(GatherText, TellsExpressionsApart) {
  // `id % 10` is spelled in the first column, and is no part of it.
  expect("SELECT 2 * id % 10, count(*) FROM accounts GROUP BY 2 * id % 10", "SELECT 2 * id % 10, pg_catalog.count(*)\nFROM accounts\nGROUP BY 1",
         "SELECT p.c0 AS \"o0\", (pg_catalog.sum(p.c1)::pg_catalog.int8) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), "
         "pg_catalog.unnest($2)) AS p(c0, c1) GROUP BY p.c0");
  EXPECT_EQ(parts("SELECT 2 * id % 10, count(*) FROM accounts GROUP BY id % 10").lower, "SELECT id\nFROM accounts");
  EXPECT_EQ(parts("SELECT id % 11, count(*) FROM accounts GROUP BY id % 10").lower, "SELECT id\nFROM accounts");
}

TEST(GatherText, GathersRowsWhereNothingElseIsExact) {
  expect("SELECT kind, count(DISTINCT balance) FROM accounts GROUP BY kind", "SELECT DISTINCT kind, balance\nFROM accounts",
         "SELECT p.c0 AS \"o0\", count(DISTINCT p.c1) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS "
         "p(c0, c1) GROUP BY p.c0",
         {kText, kInt8});
  // 1.0 and 1.00 are equal, and their texts are not.
  EXPECT_EQ(parts("SELECT count(DISTINCT balance::text) FROM accounts", {kNumeric}).lower, "SELECT balance\nFROM accounts");
  // The star gives its columns once.
  expect("SELECT DISTINCT ON (a.kind) *, row_number() OVER (ORDER BY a.id) FROM accounts a ORDER BY kind, lower(kind)",
         "SELECT *\nFROM accounts a",
         "SELECT DISTINCT ON (p.c2) p.c0 AS \"o0\", p.c1 AS \"o1\", p.c2 AS \"o2\", p.c3 AS \"o3\", p.c4 AS \"o4\", p.c5 AS \"o5\", "
         "row_number() OVER (ORDER BY p.c0) AS \"o6\" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), "
         "pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6)) AS p(c0, c1, c2, c3, c4, c5) ORDER BY kind, lower(p.c2)");
  expect("SELECT string_agg(kind, ',' ORDER BY id) FROM accounts", "SELECT kind, id\nFROM accounts",
         "SELECT string_agg(p.c0, ',' ORDER BY p.c1) AS \"o0\" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS p(c0, c1) ",
         {kText, kInt8});
  expect("SELECT row_number() OVER () FROM users", "SELECT false\nFROM users",
         "SELECT row_number() OVER () AS \"o0\" FROM ROWS FROM (pg_catalog.unnest($1)) AS p(c0) ");
  expect("SELECT kind, id, sum(id) FROM accounts GROUP BY ROLLUP (kind, id)", "SELECT kind, id\nFROM accounts",
         "SELECT p.c0 AS \"o0\", p.c1 AS \"o1\", sum(p.c1) AS \"o2\" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS "
         "p(c0, c1) GROUP BY ROLLUP (p.c0, p.c1)",
         {kText, kInt8});
}

TEST(GatherText, KnowsNamesFromColumns) {
  // `kind` is the output column, whatever the table has.
  EXPECT_EQ(parts("SELECT id AS kind, count(*) FROM accounts GROUP BY id ORDER BY kind").upper,
            "SELECT p.c0 AS kind, (pg_catalog.sum(p.c1)::pg_catalog.int8) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), "
            "pg_catalog.unnest($2)) AS p(c0, c1) GROUP BY p.c0 ORDER BY kind");
  // In GROUP BY the table's column comes first.
  EXPECT_EQ(parts("SELECT max(id) AS kind FROM accounts GROUP BY kind").lower,
            "SELECT kind, pg_catalog.max(id)\nFROM accounts\nGROUP BY 1");
  EXPECT_EQ(parts("SELECT\"kind\",count(*)FROM accounts GROUP BY\"kind\"").upper,
            "SELECT p.c0 AS \"o0\",(pg_catalog.sum(p.c1)::pg_catalog.int8) AS \"o1\" FROM ROWS FROM (pg_catalog.unnest($1), "
            "pg_catalog.unnest($2)) AS p(c0, c1) GROUP BY p.c0");
  EXPECT_EQ(parts("WITH w AS (SELECT 1) SELECT count(*) -- FROM x\nFROM users -- LIMIT\n").lower,
            "WITH w AS (SELECT 1) SELECT pg_catalog.count(*)\nFROM users");
}

TEST(GatherText, RefusesWhatItCannotTakeApart) {
  for (const char* sql : {"SELECT pg_typeof(id) FROM accounts GROUP BY id, kind"}) {
    EXPECT_EQ(parts(sql).lower, "this query is not supported over several shards") << sql;
  }
}

TEST(GatherText, CarriesArraysAsText) {
  GatheredColumn column;
  ASSERT_TRUE(carry(1007, column));
  EXPECT_TRUE(column.as_text);
  EXPECT_EQ(parts("SELECT array_agg(kind) FROM accounts", {1007}).upper,
            "SELECT array_agg(p.c0) AS \"o0\" FROM (SELECT r.c0::pg_catalog.int4[] AS c0 FROM ROWS FROM (pg_catalog.unnest($1)) AS r(c0)) AS p ");
  EXPECT_EQ(parts("SELECT array_agg(kind) FROM accounts", {2249}).lower, "no form");
}

TEST(GatheredRows, BecomeBinaryArrays) {
  std::vector<GatheredColumn> columns(2);
  carry(kInt4, columns[0]);
  carry(kText, columns[1]);
  GatheredRows rows(columns);
  using namespace std::string_literals;
  EXPECT_TRUE(rows.add("\0\2\0\0\0\4\0\0\0\7\0\0\0\1x"s));
  EXPECT_TRUE(rows.add("\0\2\xff\xff\xff\xff\0\0\0\0"s));
  GatheredRows faulty(columns);
  EXPECT_FALSE(faulty.add("\0\1\xff\xff\xff\xff"s));
  EXPECT_FALSE(faulty.add("\0\2\xff\xff\xff\xff\0\0\0\5x"s));
  std::string out;
  rows.take(0, out);
  EXPECT_EQ(out, "\0\0\0\x20\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1\0\0\0\4\0\0\0\7\xff\xff\xff\xff"s);
  out.clear();
  rows.take(1, out);
  EXPECT_EQ(out, "\0\0\0\x1d\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1x\0\0\0\0"s);
  GatheredRows none(columns);
  out.clear();
  none.take(0, out);
  EXPECT_EQ(out, "\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x17"s);
}

// Rows that only have to be put in order: each shard gives its first ones.
TEST(GatherText, TakesTheFirstRowsOfEachShard) {
  const auto order = [](std::string_view sql) {
    const std::string lower = parts(sql, {kText}).lower;
    const auto at = lower.find("\nORDER BY");
    return at == std::string::npos ? lower.find("\nLIMIT") == std::string::npos ? "" : lower.substr(lower.find("\nLIMIT") + 1) : lower.substr(at + 1);
  };
  EXPECT_EQ(order("SELECT id, name FROM users ORDER BY name DESC NULLS LAST, 1 LIMIT 10"), "ORDER BY (name) DESC NULLS LAST, (id)\nLIMIT (10)");
  EXPECT_EQ(order("SELECT id, lower(name) AS l FROM users ORDER BY l, users.region ASC LIMIT $1 OFFSET $2"),
            "ORDER BY (lower(name)), (users.region) ASC\nLIMIT LEAST(($1), 4611686018427387903) + LEAST(pg_catalog.int8 ($2), 4611686018427387903)");
  EXPECT_EQ(order("SELECT * FROM users ORDER BY name LIMIT 3"), "ORDER BY (name)\nLIMIT (3)");
  EXPECT_EQ(order("SELECT name FROM users LIMIT 3"), "LIMIT (3)");
  // All of them.
  for (const char* sql : {"SELECT name FROM users ORDER BY name", "SELECT DISTINCT name FROM users ORDER BY name LIMIT 3",
                          "SELECT name, count(*) FROM users GROUP BY name ORDER BY name LIMIT 3", "SELECT max(name) FROM users LIMIT 3",
                          "SELECT name, row_number() OVER () FROM users ORDER BY name LIMIT 3", "SELECT name FROM users ORDER BY name LIMIT 1 + 2",
                          "SELECT name FROM users ORDER BY name FETCH FIRST 3 ROWS WITH TIES", "SELECT name FROM users ORDER BY name USING < LIMIT 3",
                          "SELECT generate_series(1, 3), name FROM users ORDER BY name LIMIT 3", "SELECT unknown_function(name) FROM users ORDER BY name LIMIT 3"}) {
    EXPECT_EQ(order(sql), "") << sql;
  }
}

TEST(GatherText, AssemblesWhatNothingElseTellsApart) {
  const auto assembled = [](std::string_view sql) { return parts(sql, {kText}, 1, true); };
  const Parts both = assembled("SELECT u.name FROM users u WHERE u.plan = (SELECT max(plan) FROM users) AND u.region = 'eu'");
  EXPECT_EQ(both.lower,
         "SELECT 0::pg_catalog.int4 AS input, \"name\", \"region\", \"plan\", (SELECT \"name\" FROM \"public\".\"users\" LIMIT 0), "
         "(SELECT \"region\" FROM \"public\".\"users\" LIMIT 0), (SELECT \"plan\" FROM \"public\".\"users\" LIMIT 0) "
         "FROM \"public\".\"users\" WHERE (\"region\" = 'eu')\nUNION ALL SELECT 1::pg_catalog.int4 AS input, NULL, NULL, NULL, \"name\", "
         "\"region\", \"plan\" FROM \"public\".\"users\"");
  EXPECT_EQ(both.upper,
         "SELECT u.name FROM (SELECT r.c1 AS \"name\", r.c2 AS \"region\", r.c3 AS \"plan\" FROM ROWS FROM (pg_catalog.unnest($2), "
         "pg_catalog.unnest($3), pg_catalog.unnest($4)) AS r(c1, c2, c3)) u WHERE u.plan = (SELECT max(plan) FROM (SELECT r.c4 AS \"name\", "
         "r.c5 AS \"region\", r.c6 AS \"plan\" FROM ROWS FROM (pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7)) AS "
         "r(c4, c5, c6)) AS \"users\") AND u.region = 'eu'");
  // The same rows come once; no column is needed of some.
  const Parts twice = assembled("SELECT count(*) FROM accounts a, accounts b");
  EXPECT_EQ(twice.lower, "SELECT 0::pg_catalog.int4 AS input, false FROM \"public\".\"accounts\"");
  EXPECT_EQ(twice.upper,
            "SELECT count(*) FROM (SELECT  FROM ROWS FROM (pg_catalog.unnest($2)) AS r(c1)) a, (SELECT  FROM ROWS FROM "
            "(pg_catalog.unnest($2)) AS r(c1)) b");
  // What holds for the rows of an outer join holds for those that it adds, too: it is left to the last step.
  EXPECT_EQ(assembled("SELECT a.id FROM users u LEFT JOIN accounts a ON a.id = u.id WHERE a.kind IS NULL").lower.find("WHERE"), std::string::npos);
  // A join may give a table's columns other names, even those of others.
  EXPECT_EQ(assembled("SELECT b.id FROM (users u CROSS JOIN categories c) AS j (id, region) JOIN accounts b ON b.id = j.id WHERE j.region = 'x'").lower.find("WHERE"), std::string::npos);
  // 'now' would be another time on each shard.
  EXPECT_EQ(assembled("SELECT a.id FROM users u JOIN accounts a ON a.id = u.id WHERE a.opened_at < 'now'").lower.find("WHERE"), std::string::npos);
  EXPECT_NE(assembled("SELECT a.id FROM users u JOIN accounts a ON a.id = u.id WHERE a.opened_at < '2025-01-01'").lower.find("WHERE"), std::string::npos);
}

}  // namespace
}  // namespace howdah::sharding
