// Whatever a client sets, by whatever means, holds on the next server connection as it would on its own in PostgreSQL, and
// nobody else finds it.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e_state/state_fixture.h"

namespace howdah::e2e_state {
namespace {

using testing::PgConn;

class SettingsFollow : public StateTest {
 protected:
  static void SetUpTestSuite() {
    start();
    direct_ = std::make_unique<PgConn>(cluster().primary().connect());
    for (auto& other : others_) other = std::make_unique<PgConn>(howdah().connect());
  }
  static void TearDownTestSuite() {
    for (auto& other : others_) other.reset();
    direct_.reset();
    StateTest::TearDownTestSuite();
  }

  struct Case {
    std::vector<std::string> statements;
    std::string read;
  };

  // Runs the statements on PostgreSQL and through the proxy; reads on PostgreSQL, and there after a move, twice.
  static void expect_as_on_postgres(const Case& one) {
    std::string trace;
    for (const auto& statement : one.statements) trace += statement.substr(0, 120) + "; ";
    SCOPED_TRACE(trace + "-> " + one.read);
    direct_->must("DISCARD ALL");
    PgConn client = howdah().connect();
    for (const auto& statement : one.statements) {
      const auto expected = direct_->query(statement);
      const auto got = client.query(statement);
      EXPECT_EQ(got.sqlstate, expected.sqlstate) << statement.substr(0, 200) << got.message;
      EXPECT_EQ(got.tag, expected.tag) << statement.substr(0, 200);
    }
    const std::string expected = direct_->must(one.read).scalar();
    if (PQtransactionStatus(client.raw()) == PQTRANS_IDLE) {
      EXPECT_EQ(after_move(client, one.read), expected);
    }
    EXPECT_EQ(client.must(one.read).scalar(), expected);
    client.query("ROLLBACK");
    direct_->query("ROLLBACK");
    direct_->must("DISCARD ALL");
    // Others find nothing of it, on neither connection. A custom parameter that was once set is empty there, not unknown, as
    // it is in PostgreSQL after RESET.
    const std::string clean = direct_->must(one.read).scalar();
    others_[0]->must("BEGIN");
    for (auto& other : others_) EXPECT_EQ(other->must(one.read).scalar(), clean) << "left for others";
    others_[0]->must("COMMIT");
  }

  static std::unique_ptr<PgConn> direct_;
  static std::unique_ptr<PgConn> others_[2];
};

std::unique_ptr<PgConn> SettingsFollow::direct_;
std::unique_ptr<PgConn> SettingsFollow::others_[2];

TEST_F(SettingsFollow, BySetInEveryForm) {
  const std::string odd = "it''s \"odd\" \\ back, 50% Grüße; -- not a comment /* nor this";
  std::string very_long;
  for (int i = 0; i < 4000; ++i) very_long += std::to_string(i) + "'' \\\" ,";
  const std::vector<Case> cases = {
      {{"SET work_mem = '7MB'"}, "SHOW work_mem"},
      {{"SET work_mem TO 12345 -- with a comment at the end"}, "SHOW work_mem"},
      {{"SET SESSION statement_timeout = 54321"}, "SHOW statement_timeout"},
      {{"SET TIME ZONE 'Europe/Berlin'"}, "SHOW timezone"},
      {{"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE"}, "SHOW timezone"},
      {{"SET TIME ZONE -7"}, "SHOW timezone"},
      {{"SET TIME ZONE 'Asia/Tokyo'", "SET TIME ZONE LOCAL"}, "SHOW timezone"},
      {{"SET NAMES 'LATIN1'"}, "SHOW client_encoding"},
      {{"SET XML OPTION DOCUMENT"}, "SHOW xmloption"},
      {{"SET DateStyle = 'SQL, DMY'"}, "SHOW DateStyle"},
      {{"SET DateStyle TO 'German'", "SET datestyle = ymd"}, "SHOW DateStyle"},
      {{"SET search_path TO \"A b\", \"q\"\"uote\", public, 'x,y'"}, "SHOW search_path"},
      {{"SET search_path TO ''"}, "SHOW search_path"},
      {{"SET temp_tablespaces = 'pg_default', \"pg_default\""}, "SHOW temp_tablespaces"},
      {{"SET local_preload_libraries TO ''"}, "SHOW local_preload_libraries"},
      {{"SET app.user_id = '42'"}, "SELECT current_setting('app.user_id', true)"},
      {{"SET \"app\".\"User Id\" = '43'"}, "SELECT current_setting('app.User Id', true)"},
      {{"SET app.odd = '" + odd + "'"}, "SELECT current_setting('app.odd', true)"},
      {{"SET app.odd = E'a\\\\b\\nc\\'d'"}, "SELECT current_setting('app.odd', true)"},
      {{"SET app.odd = U&'d\\0061t\\+000061'"}, "SELECT current_setting('app.odd', true)"},
      {{"SET app.long = '" + very_long + "'"}, "SELECT current_setting('app.long', true)"},
      {{"SET standard_conforming_strings = off", "SET app.odd = 'a\\\\b\\'\\x41'"}, "SELECT current_setting('app.odd', true)"},
      {{"SET app.odd = 'a\\b'", "SET standard_conforming_strings = off"}, "SELECT current_setting('app.odd', true)"},
      {{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE"},
       "SELECT current_setting('default_transaction_isolation') || current_setting('default_transaction_read_only')"},
      {{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE",
        "SET default_transaction_read_only = off"},
       "SELECT current_setting('default_transaction_deferrable') || current_setting('default_transaction_read_only')"},
      {{"SET ROLE other"}, "SELECT current_user"},
      {{"SET ROLE \"odd \"\"role\""}, "SELECT current_user"},
      {{"SET ROLE other", "SET ROLE NONE"}, "SELECT current_user"},
      {{"SET ROLE other", "RESET ROLE"}, "SELECT current_user"},
      {{"SET SESSION AUTHORIZATION app", "SET ROLE other"}, "SELECT current_user || session_user"},
      {{"SET ROLE other", "SET SESSION AUTHORIZATION app"}, "SELECT current_user || current_setting('role')"},
      {{"SET work_mem = '7MB'", "RESET work_mem"}, "SHOW work_mem"},
      {{"SET work_mem = '7MB'", "SET work_mem TO DEFAULT"}, "SHOW work_mem"},
      {{"SET work_mem = '7MB'", "SET ROLE other", "RESET ALL"}, "SELECT current_setting('work_mem') || current_user"},
      {{"SET app.a = '1'", "SET ROLE other", "DISCARD ALL"}, "SELECT concat(current_setting('app.a', true), current_user)"},
      {{"SET app.a = '1'; SET app.b = '2'; SELECT 1"}, "SELECT concat(current_setting('app.a', true), current_setting('app.b', true))"},
      {{"SET app.a = '1'", "SET app.a = '2'; SELECT 1/0"}, "SELECT current_setting('app.a', true)"},
      {{"SET work_mem = 'nonsense'"}, "SHOW work_mem"},
      {{"BEGIN", "SELECT 1/0", "SET work_mem = '7MB'", "COMMIT"}, "SHOW work_mem"},
      {{"SET LOCAL work_mem = '7MB'"}, "SHOW work_mem"},
  };
  for (const auto& one : cases) expect_as_on_postgres(one);
}

TEST_F(SettingsFollow, BySetConfigAndByCode) {
  const std::vector<Case> cases = {
      {{"SELECT set_config('app.user_id', '43', false)"}, "SELECT current_setting('app.user_id', true)"},
      {{"SELECT set_config('App.User_Id', '43', false)"}, "SELECT current_setting('app.user_id', true)"},
      {{"SELECT set_config('search_path', '\"Weird \"\"name\", public', false)"}, "SHOW search_path"},
      {{"SELECT set_config('work_mem', '9MB', false), set_config('app.x', 'y', false)"},
       "SELECT concat(current_setting('work_mem'), current_setting('app.x', true))"},
      {{"SELECT set_config('app.n', id::text || name, false) FROM items"}, "SELECT current_setting('app.n', true)"},
      {{"SELECT set_config('app.x', 'y', true)"}, "SELECT current_setting('app.x', true)"},
      {{"SELECT set_config('app.x', '1', false)", "SELECT set_config('app.x', '2', false), 1/0"}, "SELECT current_setting('app.x', true)"},
      {{"SET app.y = 'old'", "BEGIN", "SET LOCAL app.y = 'new'", "SET app.y FROM CURRENT", "COMMIT"}, "SELECT current_setting('app.y', true)"},
      {{"SELECT set_tenant('t1')"}, "SELECT concat(current_setting('app.tenant', true), current_setting('work_mem'))"},
      {{"SELECT with_clause()"}, "SHOW work_mem"},
      {{"INSERT INTO watched VALUES (7)"}, "SELECT current_setting('app.noted', true)"},
      {{"DO $$BEGIN PERFORM set_config('app.in_do', 'x', false); SET enable_seqscan = off; END$$"},
       "SELECT concat(current_setting('app.in_do', true), current_setting('enable_seqscan'))"},
      {{"DO $$BEGIN EXECUTE 'SET app.dyn = ''1'''; END$$"}, "SELECT current_setting('app.dyn', true)"},
  };
  for (const auto& one : cases) expect_as_on_postgres(one);
}

TEST_F(SettingsFollow, WithTheirTransaction) {
  for (const char* set : {"SET app.t = 'new'", "SELECT set_config('app.t', 'new', false)", "SELECT set_config('app.t', 'new', true)",
                          "SET LOCAL ROLE other", "SELECT set_tenant('x')"}) {
    const std::string read = "SELECT concat(current_setting('app.t', true), current_user, current_setting('app.tenant', true))";
    const std::string begin = "SET app.t = 'old'";
    const std::vector<Case> cases = {
        {{begin, "BEGIN", set, "COMMIT"}, read},
        {{begin, "BEGIN", set, "ROLLBACK"}, read},
        {{begin, "BEGIN", set, "COMMIT AND CHAIN", "ROLLBACK"}, read},
        {{begin, "BEGIN", "COMMIT AND CHAIN", set, "ROLLBACK"}, read},
        {{begin, "BEGIN", "SAVEPOINT a", set, "ROLLBACK TO a", "COMMIT"}, read},
        {{begin, "BEGIN", set, "SAVEPOINT a", "SET app.t = 'newer'", "ROLLBACK TO a", "COMMIT"}, read},
        {{begin, "BEGIN", "SAVEPOINT a", set, "RELEASE a", "COMMIT"}, read},
        {{begin, "BEGIN", "SAVEPOINT a", set, "SELECT 1/0", "ROLLBACK TO a", "COMMIT"}, read},
        {{begin, "BEGIN", set, "SELECT 1/0", "COMMIT"}, read},
        {{begin, "BEGIN; " + std::string(set) + "; COMMIT"}, read},
        {{begin, "BEGIN; " + std::string(set) + "; ROLLBACK"}, read},
        {{begin, "BEGIN", set, "SET LOCAL app.t = 'masked'", "COMMIT"}, read},
        {{begin, "BEGIN", "SET LOCAL app.t = 'masked'", set, "COMMIT"}, read},
        {{begin, "BEGIN", set}, read},
    };
    for (const auto& one : cases) expect_as_on_postgres(one);
  }
}

void fail_pipeline(PgConn& client) {
  ASSERT_EQ(PQenterPipelineMode(client.raw()), 1);
  for (const char* sql : {"SET app.e = '4'", "SELECT set_config('app.f', '4', false)", "SELECT 1/0"}) {
    ASSERT_EQ(PQsendQueryParams(client.raw(), sql, 0, nullptr, nullptr, nullptr, nullptr, 0), 1);
  }
  ASSERT_EQ(PQpipelineSync(client.raw()), 1);
  for (bool synced = false; !synced;) {
    PGresult* result = PQgetResult(client.raw());
    synced = result != nullptr && PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    PQclear(result);
  }
  ASSERT_EQ(PQexitPipelineMode(client.raw()), 1);
}

TEST_F(SettingsFollow, ByExecuteAndBackWhenTheGroupFails) {
  PgConn client = howdah().connect();
  EXPECT_TRUE(client.query("SET app.e = '1'", {}).ok());
  EXPECT_EQ(after_move(client, "SELECT current_setting('app.e', true)"), "1");
  EXPECT_TRUE(client.query("SELECT set_config($1, $2, false)", {"app.e", "2"}).ok());
  EXPECT_EQ(after_move(client, "SELECT current_setting('app.e', true)"), "2");
  EXPECT_TRUE(client.prepare("c", "SELECT set_config($1, $2, $3)").ok());
  EXPECT_TRUE(client.execute("c", {"app.e", "3", "f"}).ok());
  EXPECT_EQ(after_move(client, "SELECT current_setting('app.e', true)"), "3");
  // A pipeline is one transaction: an error takes the SET back.
  fail_pipeline(*direct_);
  EXPECT_EQ(direct_->must("SELECT concat(current_setting('app.e', true), current_setting('app.f', true))").scalar(), "");
  fail_pipeline(client);
  EXPECT_EQ(after_move(client, "SELECT concat(current_setting('app.e'), current_setting('app.f', true))"), "3");
}

// Login options and the defaults of roles and databases are what RESET goes back to.
TEST_F(SettingsFollow, LoginOptionsAndRoleDefaults) {
  cluster().primary().run_sql("ALTER ROLE app SET lock_timeout = '7s'; ALTER DATABASE app SET app.db = 'of the database'");
  const std::string options = "?options=-c%20work_mem%3D6MB%20--app.long%3Da%5C%20b%5C%5Cc%20-c%20search_path%3Dpg_catalog,public";
  for (const bool through : {false, true}) {
    SCOPED_TRACE(through ? "through the proxy" : "PostgreSQL");
    PgConn client((through ? howdah().url() : cluster().primary().url()) + options + "&application_name=mine");
    ASSERT_TRUE(client.ok()) << client.error();
    const std::string read =
        "SELECT concat_ws('|', current_setting('work_mem'), current_setting('app.long'), current_setting('search_path'), "
        "current_setting('application_name'))";
    const std::string login = "6MB|a b\\c|pg_catalog,public|mine";
    const auto moved = [&] { return through ? after_move(client, read) : client.must(read).scalar(); };
    EXPECT_EQ(moved(), login);
    for (const char* reset : {"RESET ALL", "DISCARD ALL", "RESET work_mem; RESET search_path; RESET application_name; RESET app.long",
                              "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"}) {
      SCOPED_TRACE(reset);
      client.must("SET work_mem = '1MB'");
      client.must("SET search_path = public");
      client.must("SET application_name = 'else'");
      client.must("SET app.long = 'x'");
      EXPECT_EQ(moved(), "1MB|x|public|else");
      client.must(reset);
      EXPECT_STREQ(PQparameterStatus(client.raw(), "application_name"), "mine");
      EXPECT_EQ(client.must(read).scalar(), login);
      EXPECT_EQ(moved(), login);
    }
    client.must("BEGIN");
    client.must("SET work_mem = '2MB'");
    client.must("SET LOCAL work_mem TO DEFAULT");
    EXPECT_EQ(client.must("SHOW work_mem").scalar(), "6MB");
    client.must("COMMIT");
    EXPECT_EQ(client.must("SHOW work_mem").scalar(), "2MB");
    client.must("BEGIN");
    client.must("RESET ALL");
    EXPECT_EQ(client.must(read).scalar(), login);
    client.must("ROLLBACK");
    EXPECT_EQ(client.must("SHOW work_mem").scalar(), "2MB");
  }
  // Connections made before do not know the new defaults; those after do.
  PgConn admin = cluster().primary().superuser();
  admin.must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
  PgConn client = howdah().connect();
  EXPECT_EQ(client.must("SELECT current_setting('lock_timeout') || current_setting('app.db')").scalar(), "7sof the database");
  client.must("SET lock_timeout = '1s'");
  client.must("RESET lock_timeout");
  EXPECT_EQ(client.must("SHOW lock_timeout").scalar(), "7s");
  cluster().primary().run_sql("ALTER ROLE app RESET lock_timeout; ALTER DATABASE app RESET app.db");
  admin.must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
}

// What a server does not take any more is the client's error, not the next client's.
TEST_F(SettingsFollow, FailedReplayIsTheClientsErrorAndLeavesTheServerClean) {
  cluster().primary().run_sql("CREATE ROLE leaving; GRANT leaving TO app");
  PgConn client = howdah().connect();
  client.must("SET app.before = 'b'");
  client.must("SET ROLE leaving");
  const std::string home = backend(client);
  {
    Moved moved(howdah(), client);
    cluster().primary().run_sql("REVOKE leaving FROM app");
    const auto answer = client.query("SELECT 1");
    EXPECT_EQ(answer.sqlstate, "42501") << answer.message;
    PgConn next = howdah().connect();
    EXPECT_EQ(next.must("SELECT concat(current_user, current_setting('app.before', true))").scalar(), "app");
    // It gets out by itself.
    client.must("RESET ROLE");
    EXPECT_EQ(client.must("SELECT current_user || current_setting('app.before')").scalar(), "appb");
  }
  cluster().primary().run_sql("DROP ROLE leaving");
}

TEST_F(SettingsFollow, OnlyTheDifferenceIsSent) {
  cluster().primary().run_sql("ALTER ROLE app SET log_statement = 'all'");
  cluster().primary().run_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
  PgConn client = howdah().connect();
  client.must("SET app.marker = 'only once'");
  for (int i = 0; i < 20; ++i) client.must("SELECT " + std::to_string(i) + " AS ran");
  const std::string log = cluster().primary().log();
  std::size_t count = 0;
  for (auto at = log.find("only once"); at != std::string::npos; at = log.find("only once", at + 1)) ++count;
  EXPECT_EQ(count, 1u);
  cluster().primary().run_sql("ALTER ROLE app RESET log_statement");
}

}  // namespace
}  // namespace howdah::e2e_state
