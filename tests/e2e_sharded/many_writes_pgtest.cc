// Writes over several shards do what the unsharded twin does, as a whole or not at all.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, score numeric(10,2), born date, seen timestamptz);"
    "CREATE TABLE accounts (id bigint, user_id bigint, kind text DEFAULT 'plain', balance numeric(18,2) CHECK (balance < 1000), PRIMARY KEY (user_id, id));"
    "CREATE TABLE late (user_id bigint NOT NULL, number int, UNIQUE (user_id, number) DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE watched (user_id bigint PRIMARY KEY, name text);"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    "CREATE TRIGGER note AFTER UPDATE ON watched FOR EACH STATEMENT EXECUTE FUNCTION note();"
    "CREATE TABLE categories (id int PRIMARY KEY, name text)";

class ManyWrites : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(kSchema,
                                    "users: { hash: id }\naccounts: { hash: user_id }\nlate: { hash: user_id }\nwatched: { hash: user_id }\n"
                                    "categories: { reference: true }",
                                    std::vector<Sharded>{{"users", "id"}, {"accounts", "user_id"}, {"late", "user_id"}});
  }
  static void TearDownTestSuite() { world_.reset(); }

  void SetUp() override {
    world_->both("TRUNCATE users, accounts, late, categories");
    std::string users = "INSERT INTO users VALUES ", accounts = "INSERT INTO accounts (id, user_id, balance) VALUES ";
    for (int i = 1; i <= 60; ++i) {
      users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n" + std::to_string(i % 7) + "', " + std::to_string(i) + ".25, '2000-01-01', NULL)";
      accounts += std::string(i > 1 ? "," : "") + "(" + std::to_string(i * 10) + ", " + std::to_string(i % 40 + 1) + ", " + std::to_string(i * 3 % 17) + ")";
    }
    world_->both(users);
    world_->both(accounts);
    world_->both("INSERT INTO categories VALUES (1, 'c1'), (2, 'c2')");
  }
  void TearDown() override {
    world_->both("ROLLBACK");
    world_->same_tables();
  }

  static void same(const std::string& sql, const Params& params = {}) { world_->same(sql, params); }
  static Rows ours(const std::string& sql) { return run(world_->howdah(), sql); }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> ManyWrites::world_;

TEST_F(ManyWrites, SpreadsTheRowsOfOneInsert) {
  const auto counts = world_->counts("users");
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 60);
  for (const int count : counts) EXPECT_GT(count, 0);
}

TEST_F(ManyWrites, UpdatesAndDeletesOnAllShards) {
  same("UPDATE users SET name = name || 'x', score = score + 1 WHERE score > 20");
  same("UPDATE users SET name = 'y' WHERE id IN (3, 4, 5, 6, 7, 1000) RETURNING id, name, score");
  same("UPDATE users SET name = $1 WHERE id = ANY($2) RETURNING *", {"z", "{8,9,10,11}"});
  same("UPDATE users SET name = NULL WHERE false RETURNING id");
  same("UPDATE users SET name = 'not now' WHERE score > 30 RETURNING name");
  same("UPDATE users SET name = $1 WHERE score > $2 RETURNING name", {"now", "40"});
  same("UPDATE users SET name = 'q' WHERE id IN (NULL)");
  same("DELETE FROM users WHERE id > 55 RETURNING id");
  same("DELETE FROM accounts WHERE balance = $1", {"4"});
  same("DELETE FROM accounts");
}

TEST_F(ManyWrites, UsesTablesJoinedOnTheKey) {
  same("UPDATE users u SET name = 'has' FROM accounts a WHERE a.user_id = u.id AND a.balance > 10");
  same("UPDATE users u SET score = (SELECT sum(balance) FROM accounts a WHERE a.user_id = u.id) RETURNING id, score");
  same("DELETE FROM accounts a USING users u WHERE a.user_id = u.id AND u.name = 'n3' RETURNING a.id, u.name");
  same("DELETE FROM users u WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id)");
  same("UPDATE users SET name = v.n FROM (VALUES (1, 'v1'), (2, 'v2'), (30, 'v30'), (999, 'v')) v (id, n) WHERE users.id = v.id RETURNING users.id, v.n");
  same("UPDATE users u SET name = c.name FROM categories c WHERE c.id = 1 AND u.id % 2 = 0");
  same("MERGE INTO accounts a USING users u ON a.user_id = u.id WHEN MATCHED AND a.balance > 9 THEN DELETE "
       "WHEN MATCHED THEN UPDATE SET kind = u.name WHEN NOT MATCHED THEN INSERT (id, user_id, balance) VALUES (1, u.id, 3)");
}

TEST_F(ManyWrites, InsertsManyRows) {
  same("INSERT INTO accounts (id, user_id) VALUES (1, 101), (2, 102), (3, 103), (4, 104) ON CONFLICT DO NOTHING");
  same("INSERT INTO accounts VALUES (1, 101, 'u', 5), (2, 102, 'v', 6), (7, 107, 'w', 7) ON CONFLICT (user_id, id) DO UPDATE "
       "SET balance = excluded.balance + accounts.balance, kind = $1",
       {"again"});
  world_->same_in(Mode::kSimple, "INSERT INTO users (id, name, seen) VALUES (201, 'now', '2024-01-01'), (202, DEFAULT, NULL), (203, 'x' || 'y', NULL)");
  world_->same_in(Mode::kText, "INSERT INTO users (name, id) VALUES ($1, $2), ($3, $4), ($5, $6), (lower($7), $8)",
                  {"a", "211", "now", "212", std::nullopt, "213", "D", "214"});
}

TEST_F(ManyWrites, ReturnsInsertedRowsInTheirOrder) {
  int next = 1000;
  for (const Mode mode : kModes) {
    std::string sql = "INSERT INTO users (id, name, score) VALUES ";
    for (int i = 0; i < 50; ++i, ++next) sql += std::string(i > 0 ? "," : "") + "(" + std::to_string(next) + ", 'r', " + std::to_string(i) + ".5)";
    world_->same_in(mode, sql + " RETURNING id, score, name AS n", {}, true);
  }
  // Some rows are not returned.
  same("INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b'), (2001, 'c'), (2002, 'd') ON CONFLICT DO NOTHING RETURNING id");
}

TEST_F(ManyWrites, TakesTheBulkInsertsOfMappers) {
  constexpr int kRows = 1000;
  std::string sql = "INSERT INTO users (id, name, score, born, seen) VALUES ";
  Params params;
  for (int i = 0; i < kRows; ++i) {
    sql += i > 0 ? ", (" : "(";
    for (int c = 1; c <= 5; ++c) sql += (c > 1 ? ", $" : "$") + std::to_string(i * 5 + c);
    sql += ")";
    params.insert(params.end(), {std::to_string(5000 + i), "name of " + std::to_string(i), std::to_string(i) + ".5", "2001-02-03", "2024-05-06 07:08:09+00"});
  }
  world_->same_in(Mode::kText, sql + " RETURNING id", params, true);
  const auto counts = world_->counts("users");
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 60 + kRows);
}

// Types as drivers send them: declared, in binary, some never used on a shard.
TEST_F(ManyWrites, BindsBinaryParameters) {
  const std::string sql = "INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4), ($5, $6)";
  for (int round = 0; round < 2; ++round) {
    for (PGconn* conn : {world_->howdah(), world_->twin()}) {
      std::string ids[3];
      for (int i = 0; i < 3; ++i) ids[i] = std::string(6, '\0') + static_cast<char>(3) + static_cast<char>(round * 3 + i);
      const Oid types[] = {20, 0, 20, 25, 0, 0};
      const char* values[] = {ids[0].data(), "a", ids[1].data(), "b", ids[2].data(), nullptr};
      const int lengths[] = {8, 1, 8, 1, 8, 0}, formats[] = {1, 1, 1, 0, 1, 1};
      PGresult* result = PQexecParams(conn, sql.c_str(), 6, types, values, lengths, formats, 0);
      EXPECT_STREQ(PQcmdStatus(result), "INSERT 0 3") << PQresultErrorMessage(result);
      PQclear(result);
    }
  }
}

TEST_F(ManyWrites, RunsPreparedStatementsAgainAndAgain) {
  for (PGconn* conn : {world_->howdah(), world_->twin()}) {
    PQclear(PQprepare(conn, "add", "INSERT INTO accounts (id, user_id, balance) VALUES ($1, $2, $3), ($4, $5, 1) RETURNING user_id", 0, nullptr));
    PQclear(PQprepare(conn, "raise", "UPDATE accounts SET balance = balance + $1", 0, nullptr));
  }
  for (int i = 0; i < 20; ++i) {
    std::vector<std::string> answers;
    for (PGconn* conn : {world_->howdah(), world_->twin()}) {
      const std::string id = std::to_string(500 + i), first = std::to_string(i), second = std::to_string(7 * i + 1);
      const char* values[] = {id.c_str(), first.c_str(), "2.5", id.c_str(), second.c_str()};
      PGresult* result = PQexecPrepared(conn, "add", 5, values, nullptr, nullptr, 0);
      answers.push_back(std::string(PQcmdStatus(result)) + PQresultErrorMessage(result) + PQgetvalue(result, 0, 0) + PQgetvalue(result, 1, 0));
      PQclear(result);
      const char* by[] = {"0.5"};
      result = PQexecPrepared(conn, "raise", 1, by, nullptr, nullptr, 0);
      answers.back() += PQcmdStatus(result);
      PQclear(result);
    }
    EXPECT_EQ(answers[0], answers[1]);
  }
}

TEST_F(ManyWrites, UndoesAllWhenOneShardFails) {
  same("INSERT INTO users (id, name) VALUES (301, 'a'), (302, 'b'), (303, 'c'), (304, 'd'), (5, 'taken')");
  same("INSERT INTO users (id, name) VALUES (301, 'a'), (302, 'b'), (NULL, 'c')");
  same("UPDATE accounts SET balance = balance * 100");
  same("UPDATE users SET score = 1 / (id - 17)");
  same("DELETE FROM accounts WHERE 1 / (user_id - 17) > 5");
  world_->same_in(Mode::kText, "INSERT INTO users (id, name) VALUES ($1, 'a'), ($2, 'b')", {"301", "x"});
  world_->same_in(Mode::kSimple, "INSERT INTO users (id, name) VALUES (301, 'a'), ('boom', 'b')");
  same("INSERT INTO users (id, born) VALUES (301, '2001-01-01'), (302, '2001-01-01'), (303, '2001-01-01'), (304, 'no date')");
  same("INSERT INTO users (id, name, born) VALUES (301, 'ä', NULL), (302, 'b', 5), (303, 'c', NULL), (304, 'd', NULL)");
  same("INSERT INTO users (id, name, born) VALUES (301, 'ä', NULL), (302, 'b', 'x'), (303, 'c', NULL), (304, 'd', NULL)");
  // Deferred constraints are looked at when the shards prepare.
  same("INSERT INTO late VALUES (1, 1), (2, 1), (3, 1), (4, 1), (4, 1)");
}

TEST_F(ManyWrites, TakesPartInTransactions) {
  world_->both("BEGIN");
  same("UPDATE users SET name = 'first'");
  world_->both("SAVEPOINT one");
  same("DELETE FROM accounts");
  same("INSERT INTO users (id) VALUES (401), (402), (403)");
  same("UPDATE users SET score = 1 / (id - 17)");  // fails, and so do the others
  same("UPDATE users SET name = 'late'");
  world_->both("ROLLBACK TO one");
  same("UPDATE users SET name = name || '!' WHERE id < 30 RETURNING name");
  world_->both("COMMIT");
  world_->same_tables();
  world_->both("BEGIN");
  same("DELETE FROM users");
  world_->both("ROLLBACK");
}

TEST_F(ManyWrites, SharesAStringWithOtherStatements) {
  world_->same_in(Mode::kSimple, "UPDATE users SET name = 'a'; INSERT INTO users (id) VALUES (501), (502), (503); DELETE FROM accounts WHERE user_id = 3");
  world_->same_in(Mode::kSimple, "DELETE FROM accounts; UPDATE users SET score = 1 / (id - 17)");
  world_->same_in(Mode::kSimple, "SELECT 1; INSERT INTO users (id, name) VALUES (511, 'x'), (512, 'y'), (513, 5), (514, true)");
  world_->same_in(Mode::kSimple, "BEGIN; UPDATE users SET name = 'b'; UPDATE users SET name = name || 'c'; COMMIT");
}

// What a pipeline answers, up to its Sync.
std::vector<std::string> pipeline(PGconn* conn, const std::vector<std::string>& statements) {
  EXPECT_EQ(PQenterPipelineMode(conn), 1);
  for (const auto& sql : statements) {
    const char* const values[] = {"7"};
    EXPECT_EQ(PQsendQueryParams(conn, sql.c_str(), 1, nullptr, values, nullptr, nullptr, 0), 1);
  }
  EXPECT_EQ(PQpipelineSync(conn), 1);
  std::vector<std::string> out;
  for (bool synced = false; !synced;) {
    PGresult* result = PQgetResult(conn);
    if (result == nullptr) continue;
    synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC || PQstatus(conn) != CONNECTION_OK;
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    out.push_back(std::string(PQresStatus(PQresultStatus(result))) + " " + PQcmdStatus(result) + " " + (state == nullptr ? "" : state) + " " +
                  std::to_string(PQntuples(result)));
    PQclear(result);
  }
  EXPECT_EQ(PQexitPipelineMode(conn), 1);
  return out;
}

TEST_F(ManyWrites, SharesAPipelineWithOtherStatements) {
  const std::vector<std::string> good = {
      "INSERT INTO accounts (id, user_id, balance) VALUES ($1, 1, 1), (8, 2, 2), (9, 3, 3) RETURNING user_id",
      "INSERT INTO accounts (id, user_id, balance) VALUES (17, 1, 1), ($1::bigint + 10, 12, 2), (19, 13, 3)",
      "UPDATE accounts SET balance = balance + $1 RETURNING id",
      "UPDATE users SET name = $1::text WHERE id = 4",
      "DELETE FROM accounts WHERE balance = $1",
  };
  EXPECT_EQ(pipeline(world_->howdah(), good), pipeline(world_->twin(), good));
  world_->same_tables();
  for (const char* bad : {"INSERT INTO users (id, score) VALUES (801, $1), (802, 1), (5, 2), (803, 3)", "UPDATE users SET score = $1 / (id - 17)"}) {
    std::vector<std::string> statements = {"UPDATE users SET score = score + $1", bad, "DELETE FROM accounts WHERE balance > $1"};
    EXPECT_EQ(pipeline(world_->howdah(), statements), pipeline(world_->twin(), statements)) << bad;
    world_->same_tables();
  }
}

TEST_F(ManyWrites, ReturnsManyRowsToAClientThatReadsSlowly) {
  world_->both("UPDATE users SET name = repeat('x', 200000)");
  same("UPDATE users SET score = 1 RETURNING id, name");
}

// A row that is more than what is held of a shard, at the end of its answer: the connection goes on reading.
TEST_F(ManyWrites, GoesOnBehindLargeRowsInATransaction) {
  world_->both("UPDATE users SET name = repeat('x', 3000000) WHERE id = 5");
  world_->both("BEGIN");
  same("UPDATE users SET score = 2 WHERE id IN (4, 5, 6, 7) RETURNING name");
  for (int id = 1; id <= 20; ++id) same("SELECT score FROM users WHERE id = " + std::to_string(id));
  same("SELECT name FROM users WHERE id IN (4, 5, 6, 7)");
  for (int id = 1; id <= 20; ++id) same("SELECT score FROM users WHERE id = " + std::to_string(id));
  world_->both("COMMIT");
}

TEST_F(ManyWrites, IsUndoneWhenAServerIsLost) {
  PGconn* conn = world_->howdah();
  auto other = world_->cluster().primary(3).superuser();
  other.must("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE");
  ASSERT_EQ(PQsendQuery(conn, "UPDATE accounts SET kind = 'lost'"), 1);
  auto admin = world_->cluster().primary(3).superuser();
  testing::await("the last shard to wait", [&] {
    return admin.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'") == "1";
  });
  admin.must("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'");
  other.must("ROLLBACK");
  std::string state;
  while (PGresult* result = PQgetResult(conn)) {
    if (const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE)) state = field;
    PQclear(result);
  }
  EXPECT_EQ(state, "57P01");
  EXPECT_EQ(PQtransactionStatus(conn), PQTRANS_IDLE);
  same("SELECT count(*) FROM accounts WHERE kind = 'lost' AND user_id = 3");
  same("UPDATE accounts SET kind = 'kept'");
}

TEST_F(ManyWrites, StopsWhenCanceled) {
  PGconn* conn = world_->howdah();
  auto other = world_->cluster().primary(2).superuser();
  other.must("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE");
  ASSERT_EQ(PQsendQuery(conn, "DELETE FROM accounts"), 1);
  auto admin = world_->cluster().primary(2).superuser();
  testing::await("the shard to wait", [&] {
    return admin.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'") == "1";
  });
  PGcancel* cancel = PQgetCancel(conn);
  char error[256];
  EXPECT_EQ(PQcancel(cancel, error, sizeof error), 1) << error;
  PQfreeCancel(cancel);
  std::string state;
  while (PGresult* result = PQgetResult(conn)) {
    if (const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE)) state = field;
    PQclear(result);
  }
  other.must("ROLLBACK");
  EXPECT_EQ(state, "57014");
}

TEST_F(ManyWrites, SelectsIntoTheSameShard) {
  same("INSERT INTO accounts (id, user_id, balance) SELECT 7000 + id, id, score FROM users WHERE id < 20 ON CONFLICT DO NOTHING RETURNING user_id");
  same("INSERT INTO late SELECT user_id, count(*) FROM accounts GROUP BY user_id");
  same("DELETE FROM late");
}

TEST_F(ManyWrites, RefusesWhatIsNotProven) {
  EXPECT_EQ(ours("UPDATE watched SET name = 'x'").sqlstate, "0A000");
  EXPECT_EQ(ours("UPDATE users SET seen = clock_timestamp()").sqlstate, "0A000");
  EXPECT_EQ(ours("UPDATE users SET seen = 'now'").sqlstate, "0A000");
  EXPECT_EQ(ours("UPDATE users SET id = DEFAULT").sqlstate, "0A000");
  EXPECT_EQ(ours("INSERT INTO users (id, seen) VALUES (601, 'now'), (602, 'today'), (603, NULL), (604, NULL)").sqlstate, "0A000");
  EXPECT_EQ(ours("INSERT INTO accounts (id, user_id) SELECT user_id, id FROM accounts").sqlstate, "0A000");
  ours("SET default_transaction_isolation = 'serializable'");
  EXPECT_EQ(ours("UPDATE users SET name = 'x'").sqlstate, "0A000");
  ours("RESET default_transaction_isolation");
}

// Two such writes at once take turns, whatever they touch first.
TEST_F(ManyWrites, DoNotWaitForEachOtherInCircles) {
  std::vector<PGconn*> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(PQconnectdb(world_->proxy().url().c_str()));
  for (int round = 0; round < 10; ++round) {
    for (PGconn* conn : clients) ASSERT_EQ(PQsendQuery(conn, "UPDATE accounts SET balance = balance + 1"), 1);
    for (PGconn* conn : clients) {
      while (PGresult* result = PQgetResult(conn)) {
        EXPECT_STREQ(PQcmdStatus(result), "UPDATE 60") << PQresultErrorMessage(result);
        PQclear(result);
      }
    }
  }
  for (PGconn* conn : clients) PQfinish(conn);
  PQclear(PQexec(world_->twin(), "UPDATE accounts SET balance = balance + 40"));
}

}  // namespace
}  // namespace howdah::e2e_sharded
