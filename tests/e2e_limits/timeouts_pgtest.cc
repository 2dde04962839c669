// How long things may take: logins, statements, transactions, silence. In PostgreSQL's words where it has them.
#include "drivers/pgwire/startup.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

using TimeLimits = Limits;

TEST_F(TimeLimits, CancelAStatementAsStatementTimeoutDoes) {
  start({.limits = "{ query_timeout: 300ms }"});
  PgConn client = connect();
  PgConn direct = cluster_->primary().connect("app");
  direct.must("SET statement_timeout = 300");
  const auto own = direct.query("SELECT pg_sleep(20)");
  const auto begun = Clock::now();
  const auto said = client.query("SELECT pg_sleep(20)");
  const auto took = Clock::now() - begun;
  EXPECT_EQ(said.sqlstate, own.sqlstate);
  EXPECT_EQ(said.message, own.message);
  EXPECT_GE(took, milliseconds(290));
  EXPECT_LT(took, seconds(10));
  EXPECT_EQ(client.query("SELECT 1").text(), "1") << "the client goes on";
  const auto extended = client.query("SELECT pg_sleep($1::int)", {"20"});
  EXPECT_EQ(extended.sqlstate, "57014");
  EXPECT_EQ(extended.message, own.message);
}

TEST_F(TimeLimits, CancelAStatementInATransactionAndLeaveTheRollbackToTheClient) {
  start({.limits = "{ query_timeout: 300ms }"});
  PgConn client = connect();
  client.must("BEGIN");
  client.must("INSERT INTO notes VALUES (1)");
  EXPECT_EQ(client.query("SELECT pg_sleep(20)").sqlstate, "57014");
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "25P02");
  EXPECT_EQ(client.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(superuser_->scalar("SELECT count(*) FROM notes"), "0");
}

// The statement ends by itself while its cancel waits for a postmaster that is busy: the next one must not get it.
TEST_F(TimeLimits, CancelNoStatementBehindTheOneThatTookTooLong) {
  start({.limits = "{ query_timeout: 300ms }"});
  PgConn client = connect();
  client.must("BEGIN");
  client.must("SELECT 1");
  kill(cluster_->primary().pid(), SIGSTOP);
  EXPECT_EQ(client.query("SELECT 'slept' FROM pg_sleep(0.6)").text(), "slept");
  send(client, "SELECT 'next' FROM pg_sleep(0.2)");
  testing::wait_until([&] { return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT ''next''%'") == "1"; }, milliseconds(500));
  kill(cluster_->primary().pid(), SIGCONT);
  const auto next = answer(client);
  EXPECT_EQ(next.sqlstate, "");
  EXPECT_EQ(next.text(), "next");
  client.must("COMMIT");
}

TEST_F(TimeLimits, OfStatementsCountEachOneAnew) {
  start({.limits = "{ query_timeout: 700ms }"});
  PgConn client = connect();
  client.must("BEGIN");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.query("SELECT pg_sleep(0.2)").ok());
  client.must("COMMIT");
}

TEST_F(TimeLimits, OfAUserAreItsOwn) {
  start({.limits = "{ query_timeout: 200ms }", .hot = ", limits: { query_timeout: 0 }"});
  PgConn app = connect(), hot = connect("hot");
  send(hot, "SELECT 'slept' FROM pg_sleep(0.6)");
  EXPECT_EQ(app.query("SELECT pg_sleep(20)").sqlstate, "57014");
  EXPECT_EQ(answer(hot).text(), "slept");
}

TEST_F(TimeLimits, EndAClientWhoseStatementTheServerDoesNotCancel) {
  start({.limits = "{ query_timeout: 200ms }"});
  PgConn client = connect();
  const pid_t backend = std::stoi(client.scalar("SELECT pg_backend_pid()"));
  send(client, "SELECT pg_sleep(60) /* stopped */");
  await_running(*superuser_, "/* stopped */");
  kill(backend, SIGSTOP);
  const auto said = answer(client);
  kill(backend, SIGCONT);
  EXPECT_EQ(said.sqlstate, "57014") << said.message;
  EXPECT_EQ(client.query("SELECT 1").text(), "1") << "on another connection";
}

TEST_F(TimeLimits, EndATransactionThatTakesTooLong) {
  start({.limits = "{ transaction_timeout: 500ms }"});
  PgConn client = connect();
  client.must("BEGIN");
  client.must("INSERT INTO notes VALUES (1)");
  Heard heard(client);
  EXPECT_EQ(heard.last(), "25P04 terminating connection due to transaction timeout");
  EXPECT_TRUE(testing::wait_until([&] {
    return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'") == "0";
  })) << "the server rolled back";
  EXPECT_EQ(superuser_->scalar("SELECT count(*) FROM notes"), "0");
  PgConn running = connect();
  EXPECT_FALSE(running.query("SELECT pg_sleep(20)").ok()) << "a statement of its own is a transaction, too";
  EXPECT_EQ(PQstatus(running.raw()), CONNECTION_BAD);
  PgConn quick = connect();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(quick.query("SELECT pg_sleep(0.15)").ok()) << "each is one of its own";
}

TEST_F(TimeLimits, EndSilenceInATransactionAsPostgresqlDoes) {
  start({.limits = "{ idle_in_transaction_timeout: 300ms }"});
  PgConn direct = cluster_->primary().connect("app");
  direct.must("SET idle_in_transaction_session_timeout = 300");
  direct.must("BEGIN");
  PgConn client = connect();
  client.must("BEGIN");
  client.must("INSERT INTO notes VALUES (1)");
  Heard own(direct), heard(client);
  EXPECT_EQ(heard.last(), own.last());
  EXPECT_EQ(heard.last(), "25P03 terminating connection due to idle-in-transaction timeout");
  EXPECT_EQ(superuser_->scalar("SELECT count(*) FROM notes"), "0");
}

TEST_F(TimeLimits, EndIdleClientsAsPostgresqlDoes) {
  start({.limits = "{ idle_timeout: 300ms }"});
  PgConn direct = cluster_->primary().connect("app");
  direct.must("SET idle_session_timeout = 300");
  PgConn client = connect();
  client.must("SELECT 1");
  Heard own(direct), heard(client);
  EXPECT_EQ(heard.last(), own.last());
  EXPECT_EQ(heard.last(), "57P05 terminating connection due to idle-session timeout");
}

TEST_F(TimeLimits, DoNotCountTheClientsThatAreAtWork) {
  start({.limits = "{ idle_timeout: 200ms, idle_in_transaction_timeout: 200ms }"});
  PgConn client = connect();
  EXPECT_TRUE(client.query("SELECT pg_sleep(0.6)").ok());
  client.must("BEGIN");
  EXPECT_TRUE(client.query("SELECT pg_sleep(0.6)").ok());
  client.must("COMMIT");
}

TEST_F(TimeLimits, OfLoginEndSilentClientsAndHoldNoServer) {
  start({.limits = "{ login_timeout: 1s }"});
  e2e::RawClient silent(howdah_->port());
  e2e::RawClient half(howdah_->port());
  std::string startup;
  pgwire::append_startup(startup, 0, std::vector<std::pair<Bytes, Bytes>>{{"user", "app"}, {"database", "app"}});
  half.send(startup);  // the password never comes
  EXPECT_EQ(backends(), 0);
  const auto said = half.until_closed();
  EXPECT_EQ(e2e::first_sqlstate(said), "57014");
  EXPECT_TRUE(half.closed());
  silent.until_closed();
  EXPECT_TRUE(silent.closed());
  EXPECT_EQ(backends(), 0);
}

TEST_F(TimeLimits, OfLoginHoldWhileThePoolIsSpent) {
  start({.pool = "{ size: 1, wait_timeout: 30s }", .limits = "{ login_timeout: 1s }"});
  auto holder = holders("app", 1);
  const auto begun = Clock::now();
  // Settings that no server has judged yet need a connection at login.
  PgConn client(howdah_->url() + "?application_name=unseen&options=-c%20work_mem%3D2MB");
  EXPECT_FALSE(client.ok());
  EXPECT_LT(Clock::now() - begun, seconds(8)) << client.error();
  holder[0].must("COMMIT");
}

}  // namespace
}  // namespace howdah::e2e_limits
