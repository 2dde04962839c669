// What PostgreSQL refuses and warns of, several shards refuse and warn of in its words; what only they refuse has a hint.
#include <gtest/gtest.h>

#include <libpq-fe.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah {
namespace {

using testing::HowdahOptions;
using testing::HowdahProcess;
using testing::PgCluster;

struct Conn {
  explicit Conn(const std::string& url) : raw(PQconnectdb(url.c_str())) {
    EXPECT_EQ(PQstatus(raw), CONNECTION_OK) << PQerrorMessage(raw);
    PQsetNoticeReceiver(raw, [](void* own, const PGresult* notice) { static_cast<Conn*>(own)->note(notice); }, this);
  }
  Conn(const Conn&) = delete;
  ~Conn() { PQfinish(raw); }

  static std::string field(const PGresult* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text == nullptr ? "" : text;
  }
  static std::string problem(const PGresult* result) {
    std::string out;
    for (const int code : {PG_DIAG_SEVERITY, PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT,
                           PG_DIAG_STATEMENT_POSITION}) {
      out += field(result, code) + "|";
    }
    return out;
  }
  void note(const PGresult* notice) { noticed += problem(notice) + "\n"; }

  // All that the client hears: rows and tags or errors, the transaction's state, and notices, which libpq hands over early.
  std::string hears(const std::string& sql) {
    said.clear();
    noticed.clear();
    state.clear();
    PQsendQuery(raw, sql.c_str());
    while (PGresult* result = PQgetResult(raw)) {
      if (!field(result, PG_DIAG_SQLSTATE).empty()) {
        state = field(result, PG_DIAG_SQLSTATE);
        hint = field(result, PG_DIAG_MESSAGE_HINT);
        said += problem(result);
      } else {
        said += PQcmdStatus(result);
        for (int row = 0; row < PQntuples(result); ++row) {
          for (int column = 0; column < PQnfields(result); ++column) said += std::string(" ") + PQgetvalue(result, row, column);
        }
      }
      said += "\n";
      PQclear(result);
    }
    return said + "transaction " + std::to_string(PQtransactionStatus(raw)) + "\n" + noticed;
  }

  PGconn* raw;
  std::string said, noticed, state, hint;
};

class Errors : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    PgCluster::Options servers;
    servers.shards = 4;
    servers.twin = true;
    cluster_ = std::make_unique<PgCluster>(servers);
    cluster_->run_everywhere(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text); CREATE TABLE small (k int, v text);"
        "CREATE TABLE categories (id int PRIMARY KEY, name text); CREATE TABLE unruled (a int);"
        "CREATE TABLE parents (id bigint PRIMARY KEY); CREATE SEQUENCE s;"
        "CREATE TABLE children (id bigint REFERENCES parents DEFERRABLE INITIALLY DEFERRED);"
        "CREATE FUNCTION sets(text) RETURNS text LANGUAGE sql AS 'SELECT set_config($1, ''x'', false)';"
        "GRANT ALL ON SCHEMA public TO app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app");
    HowdahOptions options;
    options.tables =
        "users: { hash: id }\nsmall: { hash: k }\ncategories: { reference: true }\nparents: { hash: id }\nchildren: { hash: id }";
    proxy_ = std::make_unique<HowdahProcess>(*cluster_, options);
  }
  static void TearDownTestSuite() {
    proxy_.reset();
    cluster_.reset();
  }

  // Each list in a session of its own.
  static void same(const std::vector<std::string>& statements) {
    Conn howdah(proxy_->url()), twin(cluster_->twin().superuser_url("app"));
    for (const auto& sql : statements) EXPECT_EQ(howdah.hears(sql), twin.hears(sql)) << sql;
  }
  static void refused(const std::string& sql, const std::vector<std::string>& before = {}) {
    Conn howdah(proxy_->url());
    for (const auto& first : before) howdah.hears(first);
    const std::string heard = howdah.hears(sql);
    EXPECT_EQ(howdah.state, "0A000") << sql << "\n" << heard;
    EXPECT_NE(howdah.hint, "") << sql << "\n" << heard;
  }

  static std::unique_ptr<PgCluster> cluster_;
  static std::unique_ptr<HowdahProcess> proxy_;
};
std::unique_ptr<PgCluster> Errors::cluster_;
std::unique_ptr<HowdahProcess> Errors::proxy_;

TEST_F(Errors, LockTableNeedsABlock) {
  same({"LOCK TABLE users", "LOCK TABLE categories IN SHARE MODE"});
  same({"LOCK TABLE users; SELECT 1", "BEGIN", "LOCK TABLE users", "COMMIT"});
  same({"SELECT 1; LOCK TABLE categories"});
  same({"SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS nothing DEFERRED", "SET CONSTRAINTS ALL DEFERRED; SELECT 1", "BEGIN",
        "SET CONSTRAINTS ALL DEFERRED", "COMMIT"});
}

TEST_F(Errors, SomeStatementsStandAlone) {
  for (const char* sql : {"VACUUM users", "CREATE INDEX CONCURRENTLY i ON users (name)", "DROP INDEX CONCURRENTLY i", "REINDEX DATABASE app",
                          "CREATE DATABASE other", "DROP DATABASE other", "REINDEX TABLE CONCURRENTLY users", "VACUUM"}) {
    same({"BEGIN", sql, "ROLLBACK"});
    same({std::string("SELECT 1; ") + sql, std::string(sql) + "; SELECT 1", std::string("BEGIN; ") + sql, "ROLLBACK"});
  }
}

TEST_F(Errors, DiscardAllStandsAlone) {
  same({"DISCARD ALL; SELECT 1", "SELECT 1; DISCARD ALL", "DISCARD ALL; DISCARD ALL", "DISCARD ALL", "SELECT 1; DISCARD ALL; SELECT 2"});
  same({"BEGIN; DISCARD ALL", "ROLLBACK"});
  same({"SET work_mem = '5MB'; DISCARD ALL", "SHOW work_mem"});
  same({"BEGIN; COMMIT; DISCARD ALL", "DISCARD ALL; BEGIN", "DISCARD ALL;", "DISCARD TEMP; SELECT 1", "SELECT 1; DISCARD PLANS"});
  same({"INSERT INTO users VALUES (700, 'x'); DISCARD ALL", "SELECT * FROM users WHERE id = 700"});
}

// The statements of a string are one transaction, whoever answers them.
TEST_F(Errors, AStringFailsAsAWhole) {
  same({"INSERT INTO users VALUES (701, 'x'); DEALLOCATE nothing", "SELECT * FROM users WHERE id = 701"});
  same({"INSERT INTO users VALUES (702, 'x'); DISCARD TEMP; SELECT 1/0", "SELECT * FROM users WHERE id = 702"});
  same({"INSERT INTO users VALUES (703, 'x'); SET work_mem = '5MB'; RESET work_mem; SELECT 1/0", "SELECT * FROM users WHERE id = 703"});
  same({"INSERT INTO users VALUES (704, 'x'); DEALLOCATE ALL; INSERT INTO users VALUES (705, 'x')", "SELECT * FROM users WHERE id = 704",
        "DELETE FROM users WHERE id = 704", "DELETE FROM users WHERE id = 705"});
}

TEST_F(Errors, TransactionControlInsideAString) {
  same({"INSERT INTO users VALUES (710, 'x'); COMMIT", "SELECT * FROM users WHERE id = 710", "DELETE FROM users WHERE id = 710"});
  same({"INSERT INTO users VALUES (711, 'x'); ROLLBACK", "SELECT * FROM users WHERE id = 711"});
  same({"INSERT INTO users VALUES (712, 'x'); SAVEPOINT a", "SELECT * FROM users WHERE id = 712"});
  same({"INSERT INTO users VALUES (713, 'x'); BEGIN", "ROLLBACK", "SELECT * FROM users WHERE id = 713"});
  same({"INSERT INTO users VALUES (714, 'x'); BEGIN; SELECT 1; COMMIT; SELECT 2", "SELECT * FROM users WHERE id = 714",
        "DELETE FROM users WHERE id = 714"});
  same({"INSERT INTO users VALUES (715, 'x'); COMMIT; SELECT 1/0", "SELECT * FROM users WHERE id = 715", "DELETE FROM users WHERE id = 715"});
  same({"INSERT INTO users VALUES (716, 'x'); SELECT 1/0; COMMIT", "SELECT * FROM users WHERE id = 716"});
  same({"INSERT INTO users VALUES (717, 'x'); COMMIT AND CHAIN", "SELECT * FROM users WHERE id = 717"});
  same({"SELECT 1; ROLLBACK; SELECT 2; COMMIT"});
  same({"INSERT INTO children VALUES (718); COMMIT", "INSERT INTO users VALUES (719, 'x'); INSERT INTO users VALUES (720, 'y'); COMMIT",
        "DELETE FROM users WHERE id = 719", "DELETE FROM users WHERE id = 720"});
}

TEST_F(Errors, CreatesWhatIsThereAlready) {
  same({"CREATE TABLE IF NOT EXISTS users (a int)", "CREATE TABLE IF NOT EXISTS users (id bigint PRIMARY KEY, b int)",
        "CREATE TABLE IF NOT EXISTS public.users (LIKE categories)", "CREATE TABLE IF NOT EXISTS unruled (b int)",
        "CREATE TABLE IF NOT EXISTS users AS SELECT 1 AS a", "CREATE TABLE users (a int)", "CREATE TABLE users AS SELECT 1",
        "CREATE TABLE IF NOT EXISTS \"users\" (a text UNIQUE); SELECT 1"});
  // What is gone by now is not made anew without its key.
  Conn howdah(proxy_->url());
  howdah.hears("BEGIN");
  EXPECT_NE(howdah.hears("DROP TABLE unruled; CREATE TABLE IF NOT EXISTS unruled (b int)").find("42P01"), std::string::npos) << howdah.said;
  howdah.hears("ROLLBACK");
}

TEST_F(Errors, TextsThatDoNotParse) {
  for (const char* sql :
       {"SELECT id FROM users WHERE id = E'\\xff'", "SELECT E'\\xc3\\x28'", "SELECT E'\\x00'", "SELECT E'\\u12'", "SELECT U&'\\zzzz'",
        "SELECT U&'\\u123'", "SELECT E'\\ud83d'", "SELECT 'ä', E'\\u12'", "SELECT 1 LIMIT 1, 2", "SELECT * FROM (SELECT 1)",
        "SELECT * FROM (VALUES (1))", "DROP OPERATOR @@@@ (int)", "CREATE USER u UNENCRYPTED PASSWORD 'x'",
        "ALTER DATABASE a SET SCHEMA b", "CREATE TABLE fk (a int REFERENCES b MATCH PARTIAL)", "CREATE ASSERTION a CHECK (true)",
        "CREATE OR REPLACE CONSTRAINT TRIGGER t AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE SCHEMA IF NOT EXISTS s CREATE TABLE t (a int)", "SELECT UNIQUE (SELECT 1)",
        "CREATE RECURSIVE VIEW v (a) AS SELECT 1 WITH CHECK OPTION", "CREATE AGGREGATE g (OUT int) (sfunc = f)",
        "CREATE TABLE t (a int, CHECK (a > 0) DEFERRABLE)", "ALTER TABLE users ADD CONSTRAINT c PRIMARY KEY (id) NOT VALID",
        "SELECT 1::float(0)", "SELECT 1::float(60)", "SELECT sum(1) OVER (ROWS UNBOUNDED FOLLOWING)",
        "SELECT sum(1) OVER (ROWS BETWEEN CURRENT ROW AND UNBOUNDED PRECEDING)",
        "SELECT sum(1) OVER (ROWS BETWEEN CURRENT ROW AND 1 PRECEDING)", "SELECT sum(1) OVER (ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING)",
        "SELECT 'abc", "SELECT \"\"", "SELECT $1x", "SELEC 1", "SELECT 1 +", "/* x", "SELECT E'\\", "SELECT $q$ x",
        "ALTER TYPE t DROP VALUE 'x'", "CREATE TABLE t (a int COLLATE \"C\" COLLATE \"C\")"}) {
    same({sql});
  }
  same({"SET standard_conforming_strings = on", "SET backslash_quote = off", "SELECT E'a\\'b'"});
}

// A query over several shards that PostgreSQL would not take either.
TEST_F(Errors, QueriesThatMeanNothing) {
  for (const char* sql :
       {"SELECT nothing FROM users", "SELECT u.id FROM users", "SELECT id FROM users ORDER BY nothing", "SELECT nothing(id) FROM users",
        "SELECT name, id FROM users GROUP BY name", "SELECT id FROM users WHERE count(*) > 1", "SELECT id FROM users WHERE name = 1",
        "SELECT id FROM users ORDER BY 2", "SELECT id FROM users HAVING true", "UPDATE users SET nothing = 1", "DELETE FROM users WHERE nothing = 1",
        "INSERT INTO users (nothing) VALUES (1)", "INSERT INTO users (id) SELECT 'x' FROM users", "SELECT id::nothing FROM users",
        "SELECT max(id) FROM users FOR UPDATE", "SELECT id FROM users UNION SELECT 'x'"}) {
    same({sql, "BEGIN", sql, "SELECT 1", "ROLLBACK", "SELECT 1"});
  }
  Conn howdah(proxy_->url());
  for (const char* sql : {"SELECT nothing FROM users", "UPDATE users SET nothing = $1"}) {
    const char* values[] = {"1"};
    PGresult* result = PQexecParams(howdah.raw, sql, sql[0] == 'U' ? 1 : 0, nullptr, values, nullptr, nullptr, 0);
    EXPECT_EQ(Conn::field(result, PG_DIAG_SQLSTATE), "42703") << sql;
    PQclear(result);
  }
  EXPECT_EQ(howdah.hears("SELECT 1"), "SELECT 1 1\ntransaction 0\n");
}

TEST_F(Errors, NumbersAsKeys) {
  for (const char* number :
       {"99999999999999999999", "-99999999999999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "-9223372036854775809", "109.0", "109.5", "-109.5", "110.4999999999999999999999999", "1.09e2", "0.5", "-0.5", "-0.4", "9223372036854775807.4",
        "9223372036854775807.5", "-9223372036854775808.4", "-9223372036854775808.5", "1e30", "1e200000", "0.0000000000000000001",
        "1e-1000", "- 109.5", "+109.5", "109.5::numeric", "'109.5'::numeric", "'NaN'::numeric", "'109.0'"}) {
    const std::string value = number;
    same({"SELECT id FROM users WHERE id = " + value, "INSERT INTO users VALUES (" + value + ", 'x') RETURNING id",
          "SELECT id FROM users WHERE id = 109", "SELECT id FROM users WHERE id = 110", "SELECT id FROM users WHERE id = " + value,
          "DELETE FROM users WHERE id = -110", "DELETE FROM users WHERE id = -109", "DELETE FROM users WHERE id = 0",
          "DELETE FROM users WHERE id = 1", "DELETE FROM users WHERE id = -1", "DELETE FROM users WHERE id = 109",
          "DELETE FROM users WHERE id = 110", "DELETE FROM users WHERE id = 9223372036854775807",
          "DELETE FROM users WHERE id = -9223372036854775808"});
  }
  same({"INSERT INTO small VALUES (2.5, 'x') RETURNING k", "SELECT * FROM small WHERE k = 3", "SELECT * FROM small WHERE k = 2.5",
        "INSERT INTO small VALUES (40000000000.2, 'x')", "DELETE FROM small WHERE k = 3"});
}

TEST_F(Errors, WarningsObeyClientMinMessages) {
  same({"COMMIT", "ROLLBACK", "BEGIN", "BEGIN", "COMMIT"});
  same({"SET client_min_messages = error", "COMMIT", "ROLLBACK", "BEGIN", "BEGIN", "COMMIT", "SET LOCAL work_mem TO DEFAULT"});
  same({"SET client_min_messages TO 'ERROR'", "COMMIT", "RESET client_min_messages", "COMMIT"});
  same({"SET client_min_messages = warning", "COMMIT"});
  same({"SELECT set_config('client_min_messages', 'error', false)", "COMMIT"});
  same({"BEGIN", "SET LOCAL client_min_messages = error", "BEGIN", "SAVEPOINT a", "SET LOCAL client_min_messages = notice", "BEGIN",
        "ROLLBACK TO a", "BEGIN", "COMMIT", "COMMIT"});
}

// Which key lives where is not told here: some of these transactions reach several shards.
TEST_F(Errors, CommitFailsInTheWordsOfTheServer) {
  std::vector<std::string> deferred = {"BEGIN"};
  for (int id = 800; id < 808; ++id) deferred.push_back("INSERT INTO users VALUES (" + std::to_string(id) + ", 'x')");
  deferred.emplace_back("INSERT INTO children VALUES (800)");
  deferred.emplace_back("COMMIT");
  deferred.emplace_back("SELECT * FROM users WHERE id = 801");
  same(deferred);
  std::vector<std::string> first = {"BEGIN", "INSERT INTO children VALUES (803)"};
  for (int id = 800; id < 808; ++id) first.push_back("INSERT INTO users VALUES (" + std::to_string(id) + ", 'x')");
  first.emplace_back("COMMIT");
  same(first);

  std::vector<std::string> writes = {"BEGIN"};
  for (int id = 800; id < 808; ++id) writes.push_back("INSERT INTO users VALUES (" + std::to_string(id) + ", 'x')");
  writes.emplace_back("SELECT set_config('transaction_read_only', 'on', true)");
  refused("COMMIT", writes);
  same({"SELECT * FROM users WHERE id = 801"});
}

TEST_F(Errors, ParametersNamedAtRunTimeAreRefused) {
  refused("SELECT set_config('work' || '_mem', '5MB', false)");
  refused("SELECT set_config(name, '5MB', false) FROM users WHERE id = 1");
  refused("SELECT sets('my.x')");
  refused("SELECT sets(name) FROM users WHERE id = 1");
  refused("SELECT set_config('my.x', name, true) FROM users");
}

// The first shard's error cancels the others. However late such a cancel is, it does not hit what the client does next.
TEST_F(Errors, CancelsNothingButTheFailedStatement) {
  // One shard fails at once, the others have something to do.
  for (const char* const failing : {"SELECT 1 / (id - 1), (SELECT count(*) FROM generate_series(1, 30000 + id)) FROM users ORDER BY id",
                                    "SELECT sum(1 / (id - 1) + (SELECT count(*) FROM generate_series(1, 30000 + id))) FROM users"}) {
    Conn howdah(proxy_->url());
    std::string users = "INSERT INTO users VALUES (1, 'n1')";
    for (int id = 2; id <= 40; ++id) users += ", (" + std::to_string(id) + ", 'n')";
    howdah.hears("BEGIN");
    howdah.hears(users + " ON CONFLICT DO NOTHING");
    ASSERT_EQ(howdah.state, "");
    howdah.hears("SAVEPOINT a");
    // Every postmaster leaves cancels unread, while the backends go on.
    for (int shard = 0; shard < 4; ++shard) ::kill(cluster_->primary(shard).pid(), SIGSTOP);
    std::string failed, back, after;
    std::atomic<bool> answered{false};
    std::thread client([&] {
      howdah.hears(failing);
      failed = howdah.state;
      answered = true;
      howdah.hears("ROLLBACK TO a");
      back = howdah.state;
      howdah.hears("SELECT sum(id) FROM users, generate_series(1, 100000)");
      after = howdah.state;
    });
    // The answer waits for them; or it does not, and the next statements run into them.
    testing::wait_until([&] { return answered.load(); }, std::chrono::seconds(1));
    for (int shard = 0; shard < 4; ++shard) ::kill(cluster_->primary(shard).pid(), SIGCONT);
    client.join();
    EXPECT_EQ(failed, "22012") << failing;
    EXPECT_EQ(back, "") << failing;
    EXPECT_EQ(after, "") << failing;
    howdah.hears("ROLLBACK");
  }
}

TEST_F(Errors, RefusalsSayWhatToDo) {
  for (const char* sql :
       {"ALTER TABLE users RENAME TO u2", "ALTER TABLE users SET SCHEMA other", "ALTER TABLE users RENAME COLUMN id TO uid",
        "ALTER TABLE users DROP COLUMN id", "ALTER TABLE users ALTER COLUMN id TYPE int", "ALTER TABLE users ALTER id DROP NOT NULL",
        "ALTER TABLE users INHERIT small", "LOAD 'auto_explain'", "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'",
        "SELECT * FROM users WHERE id IN (1, 2, 3, 4, 5, 6, 7) FOR UPDATE SKIP LOCKED",
        "INSERT INTO users VALUES (1, random()::text), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')",
        "INSERT INTO users SELECT 1 + 1, 'x'", "INSERT INTO users VALUES (DEFAULT, 'x')", "UPDATE users SET id = DEFAULT WHERE id = 1",
        "DO $$ BEGIN END $$", "CALL p()", "CREATE TEMP TABLE t (a int)", "CREATE TABLE t2 (a int)",
        "CREATE TABLE IF NOT EXISTS t2 AS SELECT 1", "CREATE MATERIALIZED VIEW m AS SELECT 1", "SELECT lastval()", "SELECT currval('s')", "SELECT pg_database_size('app')",
        "COPY users FROM STDIN WHERE id > 5", "COPY (SELECT * FROM users ORDER BY id) TO STDOUT", "UPDATE users SET (id, name) = (5, 'x')", "EXPLAIN (FORMAT XML) SELECT * FROM users",
        "CREATE RULE r AS ON INSERT TO users DO NOTHING", "SET client_encoding = 'LATIN1'", "SET TRANSACTION SNAPSHOT 'x'"}) {
    refused(sql);
  }
}

}  // namespace
}  // namespace howdah
