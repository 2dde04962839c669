// The tree that comes out of libpg_query through PostgreSQL's headers: a wrong node tag would show as TREE_UNKNOWN here.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "sharding/sql/tree.h"
#include "sharding/sql/tests/demo_catalog.h"

#include <pthread.h>

namespace howdah::sharding::sql {
namespace {

void collect(const TreeNode* node, std::string& out) {
  if (node == nullptr) return;
  if (node->kind == TREE_UNKNOWN) out += "unknown " + std::to_string(node->number) + " ";
  for (const TreeNode* item : kids(node)) collect(item, out);
}

TEST(PgTree, KnowsWhichLimitsKeepTies) {
  const auto flags = [](const char* sql) { return ParsedTree(sql, true)->statements[0].node->flags; };
  EXPECT_EQ(flags("SELECT 1") & TREE_FLAG_WITH_TIES, 0);
  EXPECT_EQ(flags("SELECT 1 LIMIT 1") & TREE_FLAG_WITH_TIES, 0);
  EXPECT_EQ(flags("SELECT 1 FETCH FIRST 1 ROWS ONLY") & TREE_FLAG_WITH_TIES, 0);
  EXPECT_NE(flags("SELECT 1 ORDER BY 1 FETCH FIRST 1 ROWS WITH TIES") & TREE_FLAG_WITH_TIES, 0);
}

TEST(PgTree, ReadsEveryNodeOfQueries) {
  for (const char* sql : {
           "SELECT DISTINCT ON (a) a, b.*, t.c[1], (r).f, $1, NULL, TRUE, 1.5, 'x', b'1', -5 FROM s.t AS t(x, y)",
           "SELECT * FROM a JOIN b USING (x) AS j LEFT JOIN c ON c.y = a.y NATURAL FULL JOIN d, LATERAL (SELECT 1) e",
           "SELECT count(*) FILTER (WHERE x), sum(DISTINCT y) OVER (PARTITION BY z ORDER BY w ROWS 1 PRECEDING) FROM t WINDOW w AS ()",
           "SELECT f(a, VARIADIC b), g(a, b => 1), CASE x WHEN 1 THEN 2 ELSE 3 END, COALESCE(a, b), GREATEST(1, 2), NULLIF(a, b)",
           "SELECT x::numeric(10, 2), CAST(y AS text[]), interval '1' day, ROW(1, 2), ARRAY[1, 2], x COLLATE \"C\"",
           "SELECT EXISTS (SELECT 1), x IN (SELECT 2), x = ANY (SELECT 3), ARRAY(SELECT 4), (SELECT 5), x > ALL (SELECT 6)",
           "SELECT a AND b OR NOT c, a IS NULL, b IS NOT NULL, c IS TRUE, x IS DISTINCT FROM y, x BETWEEN 1 AND 2, x LIKE 'y'",
           "SELECT current_timestamp, current_user, extract(year FROM x), x AT TIME ZONE 'UTC', overlay(a PLACING b FROM 1)",
           "SELECT xmlelement(name a, b), xmlserialize(content x AS text) FROM XMLTABLE('/a' PASSING x COLUMNS c int PATH 'c')",
           "SELECT * FROM f(1) WITH ORDINALITY AS g(a, b), ROWS FROM (f(1), g(2)) AS h, h(1) AS (a int, b text)",
           "SELECT * FROM t TABLESAMPLE bernoulli (1) REPEATABLE (2) GROUP BY ROLLUP (a, b), CUBE (c), GROUPING SETS ((d), ())",
           "SELECT grouping(a) FROM t GROUP BY a HAVING count(*) > 1 ORDER BY a USING <, b DESC NULLS LAST OFFSET 1 FETCH FIRST 2 ROWS WITH TIES",
           "SELECT 1 FOR UPDATE OF t SKIP LOCKED",
           "WITH RECURSIVE a(x) AS MATERIALIZED (SELECT 1 UNION ALL SELECT x + 1 FROM a) SEARCH DEPTH FIRST BY x SET o CYCLE x SET c USING p SELECT * FROM a",
           "(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3 EXCEPT ALL VALUES (4), (DEFAULT) ORDER BY 1",
           "SELECT 1 INTO t",
           "INSERT INTO t AS x (a, b[1], c.d) OVERRIDING SYSTEM VALUE VALUES (1, DEFAULT) ON CONFLICT (a, lower(b)) WHERE c DO UPDATE SET a = excluded.a WHERE d RETURNING *",
           "INSERT INTO t DEFAULT VALUES ON CONFLICT ON CONSTRAINT c DO NOTHING",
           "UPDATE t SET a = 1, (b, c) = (SELECT 1, 2), d = DEFAULT FROM u WHERE CURRENT OF cur RETURNING a",
           "DELETE FROM t USING u WHERE t.a = u.a RETURNING *",
           "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND x THEN UPDATE SET a = 1 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (1) WHEN MATCHED THEN DO NOTHING",
           "TABLE t",
       }) {
    const ParsedTree tree(sql, true);
    ASSERT_EQ(tree->status, TREE_OK) << sql << ": " << (tree->error == nullptr ? "" : tree->error);
    std::string unknown;
    for (std::uint32_t i = 0; i < tree->count; ++i) collect(tree->statements[i].node, unknown);
    EXPECT_EQ(unknown, "") << sql;
  }
}

TEST(PgTree, ReadsConstantsAndTheirPlaces) {
  const ParsedTree tree("SELECT 42, - 7, 3000000000, 'x''y', NULL, true", true);
  ASSERT_EQ(tree->status, TREE_OK);
  const TreeNode* targets = kid(tree->statements[0].node, TREE_SELECT_TARGETS);
  const auto value = [&](std::uint32_t i) { return kid(kid(targets, i), 0); };
  EXPECT_EQ(value(0)->op, TREE_CONST_INT);
  EXPECT_EQ(value(0)->number, 42);
  EXPECT_EQ(value(0)->location, 7);
  EXPECT_EQ(value(1)->number, -7);
  EXPECT_EQ(value(1)->location, 11);
  EXPECT_EQ(value(2)->op, TREE_CONST_FLOAT);
  EXPECT_EQ(text_of(value(3)), "x'y");
  EXPECT_EQ(value(4)->op, TREE_CONST_NULL);
  EXPECT_EQ(value(5)->op, TREE_CONST_BOOL);
  EXPECT_EQ(value(5)->number, 1);
}

TEST(PgTree, TellsSyntaxErrorsWithTheirPlace) {
  const ParsedTree tree("SELECT 'ä', FROM t", true);
  ASSERT_EQ(tree->status, TREE_SYNTAX_ERROR);
  EXPECT_STREQ(tree->error, "syntax error at or near \"FROM\"");
  EXPECT_EQ(tree->error_position, 13);  // in characters
  const ParsedTree good("SELECT 1", true);
  EXPECT_EQ(good->status, TREE_OK);
}

TEST(PgTree, ReadsBackslashesByTheSetting) {
  const ParsedTree tree("SELECT 'a\\'b'", false);
  ASSERT_EQ(tree->status, TREE_OK);
  EXPECT_EQ(text_of(kid(kid(kid(tree->statements[0].node, TREE_SELECT_TARGETS), 0), 0)), "a'b");
  const ParsedTree conforming("SELECT 'a\\'b'", true);
  EXPECT_EQ(conforming->status, TREE_SYNTAX_ERROR);
}

// Texts that nest deep or long in every way the grammar allows.
std::vector<std::string> monsters() {
  const auto repeat = [](const std::string& text, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
  };
  std::vector<std::string> out;
  for (const int n : {140, 290, 3000, 10000}) {
    out.push_back("SELECT " + repeat("1+", n) + "1");
    out.push_back("SELECT " + repeat("(", n) + "1" + repeat(")", n));
    out.push_back("SELECT " + repeat("f(", n) + "1" + repeat(")", n));
    out.push_back("SELECT " + repeat("NOT ", n) + "true");
    out.push_back("SELECT " + repeat("- ", n) + "x");
    out.push_back("SELECT * FROM " + repeat("(SELECT * FROM ", n) + "users" + repeat(") a", n));
    out.push_back("SELECT " + repeat("(SELECT ", n) + "1" + repeat(")", n));
    out.push_back("SELECT 1 " + repeat("UNION ALL SELECT 1 ", n));
    out.push_back("SELECT * FROM users WHERE " + repeat("id = 1 AND ", n) + "true");
    out.push_back("SELECT * FROM users WHERE " + repeat("id = 1 OR ", n) + "id = 2");
    out.push_back("SELECT * FROM users a " + repeat("JOIN users USING (id) ", n));
    out.push_back("SELECT * FROM users WHERE id IN (" + repeat("1,", n) + "1)");
    out.push_back("INSERT INTO users VALUES " + repeat("(1, 'a'), ", n) + "(1, 'a')");
    out.push_back(repeat("WITH a AS (", n) + "SELECT 1" + repeat(") SELECT 1", n));
    out.push_back("SELECT " + repeat("CASE WHEN ", n) + "true" + repeat(" THEN 1 END", n));
    out.push_back("SELECT x" + repeat("[1]", n));
    out.push_back("SELECT 1" + repeat("::int", n));
    out.push_back(repeat("SELECT 1;", n));
  }
  return out;
}

void* analyze_monsters(void*) {
  static const schema::Catalog catalog = testing::demo_catalog();
  const Rules rules = testing::demo_rules(4);
  AnalyzeContext context;
  context.catalog = &catalog;
  context.rules = &rules;
  context.search_path = {"public"};
  TokenStream tokens;
  for (const auto& sql : monsters()) {
    tokenize(sql, {}, tokens);
    const auto result = analyze(sql, tokens, {}, context);
    if (!result && result.error().code != ErrorCode::kTooComplex) {
      ADD_FAILURE() << sql.substr(0, 60) << ": " << result.error().message;
    }
  }
  return nullptr;
}

TEST(PgTree, BoundsDepthOnASmallStack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  // AddressSanitizer at -O0 makes frames several times as large as they are in a release.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  constexpr std::size_t kStack = 2048 << 10;
#else
  constexpr std::size_t kStack = 512 << 10;
#endif
#else
  constexpr std::size_t kStack = 512 << 10;
#endif
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, analyze_monsters, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(PgTree, LeavesUnshardedMonstersToTheServer) {
  testing::AnalyzeOptions one;
  one.shards = 1;
  std::string deep = "SELECT ";
  for (int i = 0; i < 3000; ++i) deep += "1+";
  EXPECT_EQ(testing::where(deep + "1", one), "home");
  EXPECT_EQ(testing::where("SELECT FROM WHERE", one), "home");
}

}  // namespace
}  // namespace howdah::sharding::sql
