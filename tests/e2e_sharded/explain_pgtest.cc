// EXPLAIN (HOWDAH) tells where a statement runs, and runs nothing; EXPLAIN of a statement over several shards has the plans of all.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, score int);"
    "CREATE TABLE accounts (id bigint, user_id bigint, balance numeric, PRIMARY KEY (user_id, id));"
    "CREATE TABLE categories (id int PRIMARY KEY, name text);"
    "CREATE TABLE notes (id int PRIMARY KEY, body text);"
    "CREATE FUNCTION f(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1'";

struct Route {
  std::string shards, server, reason, plan;
};

class Explain : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(
        kSchema, "users: { hash: id }\naccounts: { hash: user_id }\ncategories: { reference: true }\nnotes: { local: s2 }",
        std::vector<Sharded>{{"users", "id"}, {"accounts", "user_id"}});
    std::string users = "INSERT INTO users VALUES ", accounts = "INSERT INTO accounts VALUES ";
    for (int i = 1; i <= 40; ++i) {
      users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n" + std::to_string(i % 7) + "', " + std::to_string(i) + ")";
      accounts += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", " + std::to_string(i) + ", 5)";
    }
    world_->both(users);
    world_->both(accounts);
  }
  static void TearDownTestSuite() { world_.reset(); }
  void TearDown() override {
    world_->both("ROLLBACK");
    world_->same_tables();
  }

  static Rows ours(const std::string& sql, Mode mode = Mode::kSimple, const Params& params = {}) { return run(world_->howdah(), sql, mode, params); }

  static Route route(const std::string& sql, Mode mode = Mode::kSimple, const Params& params = {}) {
    const Rows rows = ours("EXPLAIN (HOWDAH) " + sql, mode, params);
    EXPECT_EQ(rows.sqlstate, "") << sql << "\n" << rows.message;
    EXPECT_EQ(rows.names, (std::vector<std::string>{"shards", "server", "reason", "plan"})) << sql;
    EXPECT_EQ(rows.tag, "EXPLAIN") << sql;
    if (rows.rows.size() != 1) return {};
    return {*rows.rows[0][0], *rows.rows[0][1], *rows.rows[0][2], *rows.rows[0][3]};
  }
  // Where the statement really ran.
  static Route ran(const std::string& sql) {
    const Rows rows = ours(sql);
    EXPECT_EQ(rows.sqlstate, "") << sql << "\n" << rows.message;
    const Rows shown = ours("SHOW howdah.route");
    if (shown.rows.size() != 1) return {};
    return {*shown.rows[0][0], *shown.rows[0][1], *shown.rows[0][2], *shown.rows[0][3]};
  }
  static void agrees(const std::string& sql) {
    const Route told = route(sql), was = ran(sql);
    EXPECT_EQ(told.shards, was.shards) << sql;
    EXPECT_EQ(told.server, was.server) << sql;
    EXPECT_EQ(told.reason, was.reason) << sql;
    EXPECT_EQ(told.plan, was.plan) << sql;
  }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> Explain::world_;

TEST_F(Explain, TellsWhereStatementsRunWhichThenRunThere) {
  for (const auto* sql : {
           "SELECT * FROM users WHERE id = 5", "SELECT * FROM users WHERE id IN (5)", "SELECT name FROM users ORDER BY score DESC, id LIMIT 3 OFFSET 1",
           "SELECT id FROM users ORDER BY score + 1, id", "SELECT * FROM users WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8)",
           "SELECT u.name FROM users u JOIN accounts a ON a.user_id = u.id", "SELECT count(*) FROM users", "SELECT * FROM categories",
           "SELECT * FROM notes", "SELECT 1", "SELECT relname FROM pg_class LIMIT 1", "SELECT * FROM users WHERE id = NULL",
           "UPDATE users SET score = score WHERE id = 7", "UPDATE users SET score = score", "DELETE FROM users WHERE id < 0",
           "UPDATE categories SET name = 'x' WHERE id = 1", "CREATE TABLE IF NOT EXISTS categories (id int PRIMARY KEY)", "ANALYZE users", "SET work_mem = '5MB'"}) {
    agrees(sql);
  }
}

TEST_F(Explain, NamesTheMerge) {
  EXPECT_EQ(route("SELECT * FROM users").plan, "merge: union");
  EXPECT_EQ(route("SELECT id, name FROM users ORDER BY 1 DESC LIMIT 10 OFFSET 5").plan, "merge: order by 1 desc; limit 10; offset 5");
  EXPECT_EQ(route("SELECT id FROM users ORDER BY score NULLS FIRST").plan, "merge: order by expression 1 of ORDER BY nulls first");
  EXPECT_TRUE(route("SELECT name, count(*) FROM users GROUP BY name").plan.starts_with("gather: "));
  EXPECT_EQ(route("SELECT * FROM users WHERE id = 5").plan, "one shard");
  EXPECT_EQ(route("DELETE FROM users").plan, "write: on each shard, in one atomic transaction");
  EXPECT_EQ(route("INSERT INTO users (id) VALUES (101), (102), (103), (104), (105), (106)").plan, "write: each shard its rows, in one atomic transaction");
  EXPECT_EQ(route("COPY users FROM STDIN").plan, "copy: each row to the shard of its key, in one atomic transaction");
  EXPECT_EQ(route("COPY users TO STDOUT").plan, "copy: one stream of all shards' rows");
  EXPECT_EQ(route("INSERT INTO categories VALUES (9, 'x')").plan, "write: every copy, in one atomic transaction");
  EXPECT_EQ(route("ALTER TABLE users ADD COLUMN more int").plan, "in one atomic transaction");
  EXPECT_EQ(route("VACUUM users").plan, "shard by shard");
  EXPECT_EQ(route("BEGIN").reason, "answered by the proxy");
}

TEST_F(Explain, RunsNothing) {
  EXPECT_EQ(route("DELETE FROM users").shards, "s0,s1,s2,s3");
  EXPECT_EQ(route("DROP TABLE users").shards, "s0,s1,s2,s3");
  EXPECT_EQ(route("DELETE FROM users WHERE id = 3").shards, route("SELECT * FROM users WHERE id = 3").shards);
}

TEST_F(Explain, ShowsARefusalAsARow) {
  for (const auto* sql : {"SELECT f(1)", "UPDATE users SET id = DEFAULT", "INSERT INTO users (name) VALUES ('x')", "SELECT * FROM pg_stat_activity", "CALL p()",
                          "CREATE TABLE nowhere (id int)", "SELECT * FROM users FOR UPDATE SKIP LOCKED"}) {
    const Rows refused = ours(sql);
    const Route told = route(sql);
    EXPECT_EQ(refused.sqlstate, "0A000") << sql;
    EXPECT_TRUE(told.reason.starts_with("refused: " + refused.message)) << sql << "\n" << told.reason << "\n" << refused.message;
    EXPECT_TRUE(told.plan.starts_with("SQLSTATE 0A000; hint: ")) << told.plan;
    EXPECT_EQ(told.shards, "");
  }
  EXPECT_EQ(ours("EXPLAIN (HOWDAH) SELEC 1").sqlstate, "42601");
  EXPECT_EQ(ours("EXPLAIN (HOWDAH)").sqlstate, "42601");
  EXPECT_EQ(ours("EXPLAIN (HOWDAH) ; SELECT 1").sqlstate, "42601");
  EXPECT_EQ(ours("EXPLAIN (HOWDAH, ANALYZE) SELECT 1").sqlstate, "0A000");
  EXPECT_EQ(ours("EXPLAIN (HOWDAH) EXECUTE nobody").sqlstate, "26000");
}

TEST_F(Explain, ReadsBoundParameters) {
  const std::string shard = route("SELECT * FROM users WHERE id = 5").shards;
  for (const Mode mode : {Mode::kText, Mode::kBinary}) {
    EXPECT_EQ(route("SELECT * FROM users WHERE id = $1", mode, {"5"}).shards, shard);
    EXPECT_EQ(route("SELECT * FROM users WHERE id = ANY($1)", mode, {"{5}"}).shards, shard);
    EXPECT_EQ(route("SELECT * FROM users WHERE id > $1 ORDER BY id LIMIT $2", mode, {"0", "7"}).plan, "merge: order by 1; limit 7");
  }
  // Where the parameters have no value.
  const Route open = route("SELECT * FROM users WHERE id = $1");
  EXPECT_EQ(open.shards, "by $1");
  EXPECT_EQ(open.reason, "sharding key");
  EXPECT_EQ(open.plan, "one shard");
  EXPECT_EQ(route("SELECT * FROM users WHERE id IN ($2, $1) LIMIT $3").shards, "by $1, $2");
  EXPECT_EQ(route("SELECT * FROM users WHERE id IN ($2, $1) LIMIT $3").plan, "one shard, or merge: union; limit $3");
}

TEST_F(Explain, DescribesItselfForDrivers) {
  PGconn* conn = world_->howdah();
  PGresult* result = PQprepare(conn, "e", "EXPLAIN (HOWDAH) SELECT * FROM users WHERE id = $1 AND name = $2", 0, nullptr);
  EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQerrorMessage(conn);
  PQclear(result);
  result = PQdescribePrepared(conn, "e");
  EXPECT_EQ(PQnfields(result), 4);
  ASSERT_EQ(PQnparams(result), 2);
  EXPECT_EQ(PQparamtype(result, 0), 20U);
  PQclear(result);
  const char binary[] = {0, 0, 0, 0, 0, 0, 0, 5};
  const char* values[] = {binary, "x"};
  const int lengths[] = {8, 1}, formats[] = {1, 0};
  result = PQexecPrepared(conn, "e", 2, values, lengths, formats, 0);
  ASSERT_EQ(PQntuples(result), 1) << PQerrorMessage(conn);
  EXPECT_EQ(PQgetvalue(result, 0, 0), route("SELECT * FROM users WHERE id = 5").shards);
  PQclear(result);
  EXPECT_EQ(ours("DEALLOCATE e").sqlstate, "");
}

TEST_F(Explain, FollowsExecuteAndStandsInStringsAndTransactions) {
  EXPECT_EQ(ours("PREPARE get (bigint) AS SELECT * FROM users WHERE id = $1").sqlstate, "");
  EXPECT_EQ(route("EXECUTE get(5)").shards, route("SELECT * FROM users WHERE id = 5").shards);
  EXPECT_EQ(ours("DEALLOCATE get").sqlstate, "");
  const Rows last = ours("SELECT 1; EXPLAIN (HOWDAH) SELECT * FROM users WHERE id = 5");
  EXPECT_EQ(last.sqlstate, "") << last.message;
  EXPECT_EQ(last.tag, "EXPLAIN");
  EXPECT_EQ(ours("BEGIN").sqlstate, "");
  EXPECT_EQ(route("SELECT 1").plan, "one shard");
  EXPECT_EQ(ours("SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(ours("EXPLAIN (HOWDAH) SELECT 1").sqlstate, "25P02");
  EXPECT_EQ(ours("ROLLBACK").sqlstate, "");
}

std::string joined(const Rows& rows) {
  std::string out;
  for (const auto& row : rows.rows) out += row[0].value_or("") + "\n";
  return out;
}

TEST_F(Explain, ShowsThePlanOfEveryShard) {
  for (const Mode mode : kModes) {
    const Rows rows = ours("EXPLAIN (COSTS OFF) SELECT id FROM users ORDER BY score LIMIT 3", mode);
    EXPECT_EQ(rows.sqlstate, "") << rows.message;
    EXPECT_EQ(rows.names, std::vector<std::string>{"QUERY PLAN"});
    EXPECT_EQ(rows.tag, "EXPLAIN");
    const std::string text = joined(rows);
    EXPECT_TRUE(text.starts_with("Howdah\n  Route: rows of several shards (s0,s1,s2,s3)\n  Combine: merge: order by expression 1 of ORDER BY; limit 3\n"
                                 "  ->  Shard s0 (primary "))
        << text;
    for (const auto* shard : {"s0", "s1", "s2", "s3"}) EXPECT_NE(text.find("->  Shard " + std::string(shard)), std::string::npos) << text;
    EXPECT_NE(text.find("        Limit\n"), std::string::npos) << text;
  }
  EXPECT_NE(joined(ours("EXPLAIN SELECT * FROM users WHERE score > $1 LIMIT $2", Mode::kText, {"3", "4"})).find("Filter"), std::string::npos);
  EXPECT_NE(joined(ours("EXPLAIN ANALYZE SELECT name, sum(score) FROM users GROUP BY name")).find("actual time"), std::string::npos);
  EXPECT_NE(joined(ours("EXPLAIN SELECT sum(score) FROM users WHERE score > $1", Mode::kBinary, {"3"})).find("Aggregate"), std::string::npos);
  EXPECT_EQ(ours("EXPLAIN (FORMAT XML) SELECT * FROM users").sqlstate, "0A000");
  EXPECT_EQ(ours("EXPLAIN ANALYZE UPDATE users SET name = now()::text").sqlstate, "0A000");
  EXPECT_EQ(ours("EXPLAIN UPDATE users SET name = now()::text").sqlstate, "");
  EXPECT_EQ(ours("EXPLAIN (NONSENSE) SELECT * FROM users").sqlstate, "42601");
  EXPECT_EQ(ours("EXPLAIN SELECT nonsense FROM users").sqlstate, "42703");
  world_->same("EXPLAIN SELECT nonsense FROM users");
  EXPECT_EQ(joined(ours("EXPLAIN (COSTS OFF) SELECT * FROM users WHERE id = 5")).find("Howdah"), std::string::npos);
}

TEST_F(Explain, GivesOneJsonDocument) {
  for (const Mode mode : kModes) {
    const Rows rows = ours("EXPLAIN (FORMAT JSON, ANALYZE) SELECT \"name\" FROM users ORDER BY id", mode);
    ASSERT_EQ(rows.rows.size(), 1U) << rows.message;
    // A server reads it.
    const Rows read = run(world_->twin(), "SELECT ($1::json)->0->'Plan'->>'Node Type', json_array_length(($1::json)->0->'Plan'->'Plans'), "
                                          "($1::json)->0->'Plan'->'Plans'->1->'Explain'->0->'Plan'->>'Actual Rows' IS NOT NULL",
                          Mode::kText, {rows.rows[0][0]});
    ASSERT_EQ(read.sqlstate, "") << read.message << *rows.rows[0][0];
    EXPECT_EQ(*read.rows[0][0], "Howdah");
    EXPECT_EQ(*read.rows[0][1], "4");
    EXPECT_EQ(*read.rows[0][2], "t");
  }
}

TEST_F(Explain, WithoutAnalyzeWritesNothing) {
  for (const Mode mode : kModes) {
    EXPECT_NE(joined(ours("EXPLAIN DELETE FROM users", mode)).find("Delete on users"), std::string::npos);
    EXPECT_NE(joined(ours("EXPLAIN INSERT INTO users VALUES (201, 'a', 1), (202, 'b', 2), (203, 'c', 3), (204, 'd', 4)", mode)).find("Insert on users"),
              std::string::npos);
  }
}

TEST_F(Explain, WithAnalyzeWritesAtomically) {
  for (const Mode mode : kModes) {
    const std::string text = joined(ours("EXPLAIN ANALYZE UPDATE users SET score = score + 1", mode));
    EXPECT_NE(text.find("write: on each shard, in one atomic transaction"), std::string::npos) << text;
    EXPECT_NE(text.find("actual time"), std::string::npos) << text;
    run(world_->twin(), "UPDATE users SET score = score + 1");
    world_->same_tables();
  }
  for (const auto* sql : {"EXPLAIN ANALYZE INSERT INTO users VALUES (201, 'a', 1), (202, 'b', 2), (203, 'c', 3), (204, 'd', 4)",
                          "EXPLAIN ANALYZE DELETE FROM users WHERE id > 200"}) {
    EXPECT_EQ(ours(sql).sqlstate, "") << sql;
    EXPECT_EQ(run(world_->twin(), sql).sqlstate, "");
    world_->same_tables();
  }
  for (PGconn* conn : {world_->howdah(), world_->twin()}) {
    EXPECT_EQ(run(conn, "EXPLAIN ANALYZE INSERT INTO users VALUES ($1, 'a', 1), ($2, 'b', 2), ($3, 'c', 3)", Mode::kText, {"301", "302", "303"}).sqlstate, "");
  }
}

TEST_F(Explain, AnErrorOfOneShardUndoesAll) {
  world_->same("EXPLAIN ANALYZE UPDATE users SET score = 1 / (id - 20)::int");
  world_->same("EXPLAIN ANALYZE INSERT INTO users VALUES (401, 'a', 1), (402, 'b', 2), (403, 'c', 3), (5, 'd', 4)");
  EXPECT_EQ(ours("BEGIN").sqlstate, "");
  EXPECT_EQ(ours("EXPLAIN ANALYZE DELETE FROM users").sqlstate, "");
  EXPECT_EQ(ours("SELECT count(*) FROM users").rows[0][0], "0");
  EXPECT_EQ(ours("ROLLBACK").sqlstate, "");
  EXPECT_EQ(ours("EXPLAIN ANALYZE DELETE FROM users; SELECT 1/0").sqlstate, "22012");
}

}  // namespace
}  // namespace howdah::e2e_sharded
