// Bad input over several shards: broken and monstrous SQL, keys of wrong types, and shards whose schemas differ. Each gets a clear
// error, and nothing is done by half.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, score int);"
    "CREATE TABLE orders (user_id bigint, id int, note text, PRIMARY KEY (user_id, id));"
    "CREATE TABLE gone (user_id bigint PRIMARY KEY, n int, m int);"
    "CREATE TABLE narrow (user_id bigint PRIMARY KEY, n int, m int);"
    "CREATE TABLE wide (user_id bigint PRIMARY KEY, n int, m int);"
    "CREATE TABLE typed (user_id bigint PRIMARY KEY, n int, m int);"
    "CREATE TABLE turned (user_id bigint PRIMARY KEY, n int, m int)";

constexpr std::size_t kLarge = 20'000;

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(kSchema,
                                    "users: { hash: id }\norders: { hash: user_id }\ngone: { hash: user_id }\nnarrow: { hash: user_id }\n"
                                    "wide: { hash: user_id }\ntyped: { hash: user_id }\nturned: { hash: user_id }",
                                    std::vector<Sharded>{{"users", "id"}, {"orders", "user_id"}});
    std::string users = "INSERT INTO users VALUES ", rows;
    for (int i = 1; i <= 60; ++i) users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n" + std::to_string(i % 7) + "', " + std::to_string(i % 5) + ")";
    world_->both(users);
    for (int i = 1; i <= 40; ++i) rows += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", " + std::to_string(i) + ", " + std::to_string(-i) + ")";
    for (const char* table : {"gone", "narrow", "wide", "typed", "turned"}) world_->both(std::string("INSERT INTO ") + table + " VALUES " + rows);
    // Done behind the proxy's back, on shard 2 only. The rows that stand there are lost, which makes no difference here.
    auto shard = world_->cluster().primary(2).superuser();
    shard.must("DROP TABLE gone; ALTER TABLE narrow DROP COLUMN m; ALTER TABLE wide ADD COLUMN extra int; ALTER TABLE typed ALTER COLUMN n TYPE text;"
               "DROP TABLE turned; CREATE TABLE turned (user_id bigint PRIMARY KEY, m int, n int);"
               "INSERT INTO turned VALUES (1000, 5, 7); GRANT ALL ON turned TO app");
  }
  static void TearDownTestSuite() { world_.reset(); }
  void TearDown() override {
    EXPECT_EQ(PQtransactionStatus(world_->howdah()), PQTRANS_IDLE);
    world_->same("SELECT id, name FROM users ORDER BY id LIMIT 5");
  }

  static Rows ours(const std::string& sql, Mode mode = Mode::kSimple) { return run(world_->howdah(), sql, mode); }

  // What the twin says, or a refusal with one of these.
  static void same_or(const std::string& sql, const std::vector<std::string>& refusals, const Params& params = {}) {
    for (const Mode mode : kModes) {
      if (mode == Mode::kSimple && !params.empty()) continue;
      // Seconds each in a build for tests.
      if (mode != (params.empty() ? Mode::kSimple : Mode::kBinary) && sql.size() + (params.empty() ? 0 : params[0]->size()) > kLarge) continue;
      Rows mine = run(world_->howdah(), sql, mode, params);
      const bool refused = std::find(refusals.begin(), refusals.end(), mine.sqlstate) != refusals.end();
      if (refused) {
        EXPECT_FALSE(mine.message.empty());
        continue;
      }
      Rows theirs = run(world_->twin(), sql, mode, params);
      std::sort(mine.rows.begin(), mine.rows.end());
      std::sort(theirs.rows.begin(), theirs.rows.end());
      EXPECT_TRUE(mine == theirs) << sql.substr(0, 200) << "\nmode " << static_cast<int>(mode) << ": " << mine.tag << " " << mine.sqlstate << " " << mine.message << " / "
                                  << theirs.tag << " " << theirs.sqlstate << " " << theirs.message;
    }
  }

  // Everything that is on the shards of one table: to see that nothing was done by half.
  static std::vector<std::string> contents(const std::string& table) {
    std::vector<std::string> out;
    for (int shard = 0; shard < 4; ++shard) {
      const auto answer = world_->cluster().primary(shard).superuser().query("SELECT t::text FROM " + table + " t ORDER BY 1");
      out.push_back(answer.sqlstate + answer.text());
    }
    return out;
  }

  static std::string copy_in(const std::string& sql, const std::string& data) {
    PGconn* conn = world_->howdah();
    PGresult* began = PQexec(conn, sql.c_str());
    const bool copies = PQresultStatus(began) == PGRES_COPY_IN;
    const char* state = PQresultErrorField(began, PG_DIAG_SQLSTATE);
    std::string out = state == nullptr ? "" : state;
    PQclear(began);
    if (!copies) return out;
    PQputCopyData(conn, data.data(), static_cast<int>(data.size()));
    PQputCopyEnd(conn, nullptr);
    while (PGresult* result = PQgetResult(conn)) {
      if (const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE)) out = code;
      PQclear(result);
    }
    return out;
  }

  static std::string copy_out(const std::string& sql) {
    PGconn* conn = world_->howdah();
    PGresult* result = PQexec(conn, sql.c_str());
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    std::string out = state == nullptr ? "" : state;
    if (PQresultStatus(result) == PGRES_COPY_OUT) {
      for (char* line = nullptr; PQgetCopyData(conn, &line, 0) > 0;) PQfreemem(line);
    }
    PQclear(result);
    while (PGresult* rest = PQgetResult(conn)) {
      if (const char* code = PQresultErrorField(rest, PG_DIAG_SQLSTATE)) out = code;
      PQclear(rest);
    }
    return out;
  }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> BadInput::world_;

TEST_F(BadInput, NestsTenThousandDeep) {
  constexpr int kDepth = 10'000;
  const auto times = [](const std::string& text) {
    std::string out;
    for (int i = 0; i < kDepth; ++i) out += text;
    return out;
  };
  const std::vector<std::string> conditions = {
      times("(") + "id > 0" + times(")"),
      times("id > 0 AND ") + "true",
      times("id = 3 OR ") + "false",
      times("NOT ") + "id > 0",
      "id = " + times("- ") + "5",
      "id = " + times("abs(") + "5" + times(")"),
      "id > 0" + times(" + 0"),
      times("CASE WHEN id > 0 THEN ") + "true" + times(" END"),
      "id IN " + times("(SELECT id FROM users WHERE id IN ") + "(1)" + times(")"),
      "id = ANY(ARRAY" + times("[") + "1" + times("]") + ")",
  };
  for (const auto& condition : conditions) {
    same_or("SELECT id FROM users WHERE " + condition, {"54001", "0A000"});
    same_or("SELECT count(*) FROM users WHERE " + condition, {"54001", "0A000"});
    same_or("UPDATE users SET score = score WHERE " + condition, {"54001", "0A000"});
  }
  same_or("SELECT id FROM " + times("(SELECT * FROM ") + "users" + times(") x"), {"54001", "0A000"});
  same_or("WITH " + times("x AS (SELECT 1), ") + "y AS (SELECT 1) SELECT id FROM users", {"54001", "0A000", "42712"});
  same_or(times("SELECT id FROM users UNION ALL ") + "SELECT 1", {"54001", "0A000"});
}

TEST_F(BadInput, ListsOfAMegabyte) {
  std::string list = "1", rows = "(5000, 'a', 1)";
  for (int i = 2; list.size() < (1u << 20); ++i) list += ", " + std::to_string(i);
  for (int i = 5001; rows.size() < (1u << 20); ++i) rows += ", (" + std::to_string(i) + ", 'a', 1)";
  const std::string array = "{" + list + "}";
  const std::vector<std::string> refusals = {"0A000", "54001", "54000"};
  same_or("SELECT id FROM users WHERE id IN (" + list + ")", refusals);
  same_or("SELECT count(*) FROM users WHERE id IN (" + list + ")", refusals);
  same_or("SELECT id FROM users WHERE id = ANY($1) ORDER BY id", refusals, {array});
  same_or("UPDATE users SET score = score WHERE id IN (" + list + ")", refusals);
  same_or("SELECT id FROM users WHERE name = '" + std::string(1u << 20, 'x') + "'", refusals);
  for (PGconn* conn : {world_->howdah(), world_->twin()}) run(conn, "BEGIN");
  world_->same_in(Mode::kSimple, "INSERT INTO users VALUES " + rows);
  for (PGconn* conn : {world_->howdah(), world_->twin()}) run(conn, "ROLLBACK");
  world_->same_tables();
}

TEST_F(BadInput, KeysOfWrongTypes) {
  for (const char* key : {"'abc'", "1.5", "'1.5'", "99999999999999999999", "'99999999999999999999'", "true", "''", "NULL", "' 7 '", "'+007'", "'0x10'", "1e1",
                          "'1e1'", "ARRAY[1]", "row(1)", "9007199254740993::float8", "'7'::text", "'7'::varchar", "'7'::int2", "7::numeric", "7.0", "'NaN'::float8",
                          "'infinity'::numeric", "-0", "'-0'", "id", "'now'::timestamptz", "'{1}'", "B'101'", "(SELECT 7)", "(SELECT 7, 8)", "random()", "7::money",
                          "'9223372036854775808'", "-9223372036854775808", "'\t7\n'", "'7 8'"}) {
    same_or(std::string("SELECT id, name FROM users WHERE id = ") + key, {"0A000"});
    same_or(std::string("SELECT count(*) FROM users WHERE id IN (3, ") + key + ")", {"0A000"});
    same_or(std::string("UPDATE users SET score = score WHERE id = ") + key, {"0A000"});
    same_or(std::string("DELETE FROM orders WHERE user_id = ") + key, {"0A000"});
  }
  for (const char* key : {"abc", "1.5", "99999999999999999999", "", " 7 ", "+007", "1e1", "true", "{1}", "0x10", "7 8"}) {
    same_or("SELECT id, name FROM users WHERE id = $1", {"0A000"}, {key});
    same_or("SELECT count(*) FROM users WHERE id = ANY(ARRAY[$1, 3]::bigint[])", {"0A000"}, {key});
    same_or("SELECT count(*) FROM users WHERE id = $1 OR id = 4", {"0A000"}, {key});
  }
  for (const char* value : {"'abc'", "1.5", "99999999999999999999", "true", "NULL", "ARRAY[1]", "'5'::text", "DEFAULT"}) {
    same_or(std::string("INSERT INTO orders VALUES (1, 1, 'a'), (") + value + ", 2, 'b'), (3, 3, 'c')", {"0A000"});
    world_->same_tables();
    EXPECT_EQ(ours("DELETE FROM orders").sqlstate, "");
    run(world_->twin(), "DELETE FROM orders");
  }
  world_->same_tables();
}

TEST_F(BadInput, NamesThatAreTheProxysOwn) {
  world_->same("SELECT id AS howdah_sort_0, name AS howdah_sort1_0 FROM users ORDER BY id % 7, howdah_sort_0", {}, true);
  world_->same("SELECT id AS howdah_sort_0 FROM users ORDER BY score + 1, howdah_sort_0", {}, true);
  world_->same("SELECT name AS \"howdah_sort_1\", id FROM users ORDER BY howdah_sort_1, score DESC, lower(name), id LIMIT 20", {}, true);
  world_->same("SELECT score FROM users howdah_sort_0 ORDER BY abs(howdah_sort_0.score - 2), howdah_sort_0.id", {}, true);
}

TEST_F(BadInput, ShardsThatDiffer) {
  const std::map<std::string, std::string> wrong = {{"gone", "42P01"}, {"narrow", "42703"}, {"wide", "0A000"}, {"typed", "0A000"}, {"turned", "0A000"}};
  for (const auto& [table, sqlstate] : wrong) {
    const auto before = contents(table);
    for (const Mode mode : kModes) {
      for (const std::string& sql : {"SELECT * FROM " + table, "SELECT * FROM " + table + " ORDER BY n", "SELECT * FROM " + table + " ORDER BY user_id LIMIT 3",
                                     "DELETE FROM " + table + " WHERE n < 0 RETURNING *"}) {
        const Rows rows = ours(sql, mode);
        EXPECT_NE(rows.sqlstate, "") << sql << " gave " << rows.rows.size() << " rows";
        EXPECT_TRUE(rows.sqlstate == "42P01" || rows.sqlstate == "0A000" || rows.sqlstate == "42883") << sql << " " << rows.sqlstate << " " << rows.message;
      }
    }
    // By names, which all columns but one still answer to.
    for (const std::string& sql : {"SELECT user_id, n, m FROM " + table + " ORDER BY user_id", "SELECT n, max(m) FROM " + table + " GROUP BY n",
                                   "UPDATE " + table + " SET n = n + 1, m = 1 WHERE m < 0", "INSERT INTO " + table + " (user_id, n, m) SELECT user_id, n, m FROM " + table + " WHERE m > 0"}) {
      const Rows rows = ours(sql);
      // The shard's own error, until the difference is known.
      if (table == "gone") EXPECT_EQ(rows.sqlstate, sqlstate) << sql << " " << rows.message;
      if (table == "narrow") EXPECT_TRUE(rows.sqlstate == sqlstate || rows.sqlstate == "0A000") << sql << " " << rows.sqlstate << " " << rows.message;
    }
    if (table == "gone" || table == "narrow") {
      std::string values, lines;
      for (int i = 100; i < 140; ++i) {
        values += std::string(i > 100 ? ", " : "") + "(" + std::to_string(i) + ", 1, 1)";
        lines += std::to_string(i) + "\t1\t1\n";
      }
      const Rows rows = ours("INSERT INTO " + table + " VALUES " + values);
      EXPECT_NE(rows.sqlstate, "") << table;
      EXPECT_FALSE(rows.message.empty());
      EXPECT_NE(copy_in("COPY " + table + " FROM STDIN", lines), "") << table;
      EXPECT_EQ(contents(table), before) << table << ": done by half";
    }
    for (int shard = 0; shard < 4; ++shard) {
      EXPECT_EQ(world_->cluster().primary(shard).superuser().scalar("SELECT count(*) FROM pg_prepared_xacts"), "0");
    }
  }
}

TEST_F(BadInput, TablesThatAreNotTheSame) {
  const auto becomes = [](const std::string& sql, const std::string& sqlstate) {
    std::string state;
    const auto try_it = [&] { return (state = sql.starts_with("COPY") ? copy_out(sql) : ours(sql).sqlstate) == sqlstate; };
    return testing::wait_until(try_it, std::chrono::seconds(20)) ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << sql << ": " << state;
  };
  // Each shard by itself would take them.
  for (const char* sql : {"COPY turned TO STDOUT", "INSERT INTO turned VALUES (100, 1, 2), (101, 1, 2), (102, 1, 2), (103, 1, 2)", "UPDATE turned SET n = 1",
                          "SELECT user_id, n FROM turned", "SELECT count(*) FROM turned", "DELETE FROM typed WHERE m = 77", "COPY wide TO STDOUT", "SELECT user_id, n FROM wide",
                          "INSERT INTO wide (user_id) VALUES (100), (101), (102), (103)", "SELECT user_id, n FROM narrow"}) {
    EXPECT_TRUE(becomes(sql, "0A000"));
  }
  const Rows refused = ours("SELECT count(*) FROM turned");
  EXPECT_EQ(refused.message, "table turned is not the same on all shards");
  EXPECT_EQ(copy_in("COPY turned FROM STDIN", "100\t1\t2\n101\t1\t2\n"), "0A000");
  EXPECT_EQ(contents("turned")[2], "(1000,5,7)");
  EXPECT_EQ(ours("SELECT n FROM wide").message, "table wide is not the same on all shards");
  // What each shard answers for itself goes on.
  EXPECT_EQ(ours("SELECT n FROM turned WHERE user_id = 3").sqlstate, "");
  EXPECT_EQ(ours("SELECT user_id, n FROM wide WHERE user_id = 3").sqlstate, "");
  // Mended, it is used again.
  world_->cluster().primary(2).superuser().must("DROP TABLE turned; CREATE TABLE turned (user_id bigint PRIMARY KEY, n int, m int); GRANT ALL ON turned TO app");
  EXPECT_TRUE(becomes("SELECT count(*) FROM turned", ""));
}

}  // namespace
}  // namespace howdah::e2e_sharded
