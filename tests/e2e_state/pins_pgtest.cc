// State that cannot follow a client keeps its server connection, for as long as the server says that it is there.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e_state/state_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_state {
namespace {

using testing::PgConn;

class StatePins : public StateTest {
 protected:
  static void SetUpTestSuite() { start(); }
};

// Kept after `make`, shown as `reason`; given back after `release`.
struct Case {
  std::vector<std::string> make;
  std::string reason;  // empty: nothing is kept
  std::vector<std::string> release;
};

TEST_F(StatePins, KeepTheConnectionUntilTheStateIsGone) {
  const std::vector<Case> cases = {
      {{"CREATE TEMP TABLE t (a int)"}, "temporary table", {"DROP TABLE t"}},
      {{"CREATE TEMP TABLE t (a int)"}, "temporary table", {"DISCARD TEMP"}},
      {{"CREATE TEMP TABLE t (a int)", "CREATE TEMP TABLE u (a int)", "DROP TABLE u"}, "temporary table", {"DISCARD ALL"}},
      {{"SELECT 1 AS a INTO TEMP t"}, "temporary table", {"DROP TABLE t"}},
      {{"SELECT 1 AS a INTO pg_temp.t"}, "temporary table", {"DROP TABLE pg_temp.t"}},
      {{"CREATE TABLE pg_temp.t AS SELECT 1 AS a"}, "temporary table", {"BEGIN", "DROP TABLE t", "COMMIT"}},
      {{"CREATE TEMP VIEW v AS SELECT 1"}, "temporary table", {"DROP VIEW v"}},
      {{"CREATE TEMP SEQUENCE s"}, "temporary table", {"DROP SEQUENCE s"}},
      {{"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"}, "temporary table", {"DROP FUNCTION pg_temp.f()"}},
      {{"SET search_path = pg_temp, public", "CREATE TABLE t (a int)"}, "temporary table", {"DROP TABLE t"}},
      {{"BEGIN", "CREATE TEMP TABLE t (a int)", "COMMIT"}, "temporary table", {"DROP TABLE t"}},
      {{"BEGIN", "CREATE TEMP TABLE t (a int)", "ROLLBACK"}, "", {}},
      {{"BEGIN", "SAVEPOINT a", "CREATE TEMP TABLE t (a int)", "ROLLBACK TO a", "COMMIT"}, "", {}},
      {{"BEGIN", "CREATE TEMP TABLE t (a int) ON COMMIT DROP", "COMMIT"}, "", {}},
      {{"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1"}, "", {}},
      {{"CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS"}, "temporary table", {"DROP TABLE t"}},
      {{"CREATE TEMP TABLE t (a nosuchtype)"}, "", {}},
      {{"SELECT pg_advisory_lock(1)"}, "advisory lock", {"SELECT pg_advisory_unlock(1)"}},
      {{"SELECT pg_advisory_lock(1), pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"}, "advisory lock", {"SELECT pg_advisory_unlock_all()"}},
      {{"SELECT pg_try_advisory_lock(1, 2)"}, "advisory lock", {"SELECT pg_advisory_unlock(1, 2)"}},
      {{"SELECT pg_advisory_lock_shared(3)"}, "advisory lock", {"DISCARD ALL"}},
      {{"BEGIN", "SELECT pg_advisory_lock(4)", "ROLLBACK"}, "advisory lock", {"SELECT pg_advisory_unlock(4)"}},
      {{"BEGIN", "SELECT pg_advisory_xact_lock(5)", "SELECT pg_try_advisory_xact_lock(6)", "COMMIT"}, "", {}},
      {{"SELECT lock_it()"}, "advisory lock", {"SELECT pg_advisory_unlock(99)"}},
      {{"DO $$BEGIN CREATE TEMP TABLE made (a int); END$$"}, "temporary table", {"DROP TABLE made"}},
      {{"DECLARE c CURSOR WITH HOLD FOR SELECT 1"}, "cursor with hold", {"CLOSE c"}},
      {{"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "COMMIT"}, "cursor with hold", {"CLOSE ALL"}},
      {{"BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "ROLLBACK"}, "", {}},
      {{"BEGIN", "DECLARE c CURSOR FOR SELECT 1", "COMMIT"}, "", {}},
      {{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CREATE TEMP TABLE t (a int)", "CLOSE c"}, "temporary table", {"DROP TABLE t"}},
      {{"SELECT set_config('app.' || 'dynamic', '1', false)"}, "set_config", {"DISCARD ALL"}},
      {{"SELECT plain(1)"}, "", {}},
      {{"SELECT set_config('app.x', '1', false)"}, "", {}},
  };
  PgConn others[] = {howdah().connect(), howdah().connect()};
  for (const auto& one : cases) {
    std::string trace;
    for (const auto& statement : one.make) trace += statement + "; ";
    SCOPED_TRACE(trace);
    PgConn client = howdah().connect();
    for (const auto& statement : one.make) client.query(statement);
    // The client is asked once more: what a statement left is told before the next one runs.
    const std::string first = backend(client);
    EXPECT_EQ(pins(), one.reason);
    if (one.reason.empty()) {
      // Both connections are there for others.
      for (auto& other : others) other.must("BEGIN");
      for (auto& other : others) EXPECT_EQ(other.must("SELECT 1").scalar(), "1");
      for (auto& other : others) other.must("ROLLBACK");
    } else {
      others[0].must("BEGIN");
      EXPECT_NE(backend(others[0]), first);
      others[0].must("ROLLBACK");
      EXPECT_EQ(backend(client), first);
    }
    for (const auto& statement : one.release) {
      const auto released = client.query(statement);
      EXPECT_TRUE(released.ok()) << statement << ": " << released.message;
    }
    client.must("SELECT 1");
    EXPECT_EQ(pins(), "");
    client.query("DISCARD ALL");
  }
}

TEST_F(StatePins, NobodyElseSeesTheStateThatAClientLeft) {
  {
    PgConn leaving = howdah().connect();
    for (const char* sql : {"CREATE TEMP TABLE left_behind (a int)", "SELECT pg_advisory_lock(77)", "SET app.leaving = 'x'",
                            "DECLARE hold CURSOR WITH HOLD FOR SELECT 1", "PREPARE left_prepared AS SELECT 1", "SET ROLE other"}) {
      leaving.must(sql);
    }
  }
  testing::await("the lock to go", [] {
    return cluster().primary().run_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").scalar() == "0";
  });
  PgConn clients[] = {howdah().connect(), howdah().connect(), howdah().connect()};
  EXPECT_EQ(clients[2].query("EXECUTE left_prepared").sqlstate, "26000");
  clients[0].must("BEGIN");
  for (auto& client : clients) {
    EXPECT_EQ(client.must("SELECT to_regclass('left_behind') IS NULL, (SELECT count(*) FROM pg_cursors), "
                          "(SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'howdah_%'), current_setting('app.leaving', true), current_user")
                  .text()
                  .find("t|0|0"),
              0u);
    EXPECT_EQ(client.must("SELECT concat(current_setting('app.leaving', true), current_user)").scalar(), "app");
  }
}

TEST_F(StatePins, LoadedLibraryGoesWithItsConnection) {
  std::string pid;
  {
    // A library of PostgreSQL's own that any role may load is not at hand: as superuser it is.
    cluster().primary().run_sql("ALTER ROLE app SUPERUSER");
    PgConn client = howdah().connect();
    client.must("LOAD 'auto_explain'");
    pid = backend(client);
    EXPECT_EQ(pins(), "loaded library");
    client.must("DISCARD ALL");
    EXPECT_EQ(pins(), "loaded library");
    EXPECT_EQ(backend(client), pid);
    cluster().primary().run_sql("ALTER ROLE app NOSUPERUSER");
  }
  testing::await("the connection to end", [&] {
    return cluster().primary().run_sql("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid).scalar() == "0";
  });
}

// What went with a lost connection must not be missed in silence.
TEST_F(StatePins, LossOfAPinnedConnectionIsTold) {
  PgConn client = howdah().connect();
  client.must("SELECT pg_advisory_lock(8)");
  const std::string pid = backend(client);
  cluster().primary().run_sql("SELECT pg_terminate_backend(" + pid + ")");
  testing::await("the backend to end", [&] {
    return cluster().primary().run_sql("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid).scalar() == "0";
  });
  const auto told = client.query("SELECT 1");
  EXPECT_FALSE(told.ok());
  EXPECT_EQ(told.sqlstate, "57P01") << told.message;
  EXPECT_EQ(client.must("SELECT 1").scalar(), "1");
  EXPECT_EQ(pins(), "");
}

// currval and lastval answer within the transaction of their nextval, whatever other clients do between the statements.
TEST_F(StatePins, CurrvalHoldsInItsTransaction) {
  cluster().primary().run_sql("SET ROLE app; CREATE SEQUENCE numbers");
  PgConn clients[] = {howdah().connect(), howdah().connect()};
  for (int round = 0; round < 3; ++round) {
    std::string drawn[2];
    for (auto& client : clients) client.must("BEGIN");
    for (int i = 0; i < 2; ++i) drawn[i] = clients[i].must("SELECT nextval('numbers')").scalar();
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(clients[i].must("SELECT currval('numbers')").scalar(), drawn[i]);
      EXPECT_EQ(clients[i].must("SELECT lastval()").scalar(), drawn[i]);
    }
    for (auto& client : clients) client.must("COMMIT");
  }
}

class StateRefused : public StateTest {
 protected:
  static void SetUpTestSuite() { start("session_state: refuse"); }
};

TEST_F(StateRefused, WhereTheConfigurationSaysSo) {
  PgConn client = howdah().connect();
  for (const char* sql : {"CREATE TEMP TABLE t (a int)", "SELECT 1 INTO TEMP t", "SELECT pg_advisory_lock(1)",
                          "SELECT 1; SELECT pg_try_advisory_lock(1)", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "LOAD 'auto_explain'"}) {
    const auto refused = client.query(sql);
    EXPECT_EQ(refused.sqlstate, "0A000") << sql << refused.message;
    EXPECT_NE(refused.hint.find("pool.session_state"), std::string::npos) << sql;
    EXPECT_EQ(client.query(sql, {}).sqlstate == "0A000" || std::string(sql).find(';') != std::string::npos, true) << sql;
  }
  client.must("SELECT pg_advisory_unlock_all()");
  client.must("BEGIN");
  client.must("CREATE TEMP TABLE t (a int) ON COMMIT DROP");
  client.must("SELECT pg_advisory_xact_lock(1)");
  client.must("COMMIT");
  client.must("SET work_mem = '7MB'");
  EXPECT_EQ(after_move(client, "SHOW work_mem"), "7MB");
  EXPECT_EQ(pins(), "");
}

}  // namespace
}  // namespace howdah::e2e_state
