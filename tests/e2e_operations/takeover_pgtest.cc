// One process takes over from another: what each kind of client sees of it, and what is left when either is killed.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "drivers/pgwire/frontend.h"
#include "tests/e2e_operations/takeover_fixture.h"
#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_operations {
namespace {

using e2e_pool::answer;
using e2e_pool::send;
using testing::await;
using testing::PgCluster;
using testing::PgConn;

class Takeover : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>();
    cluster_->primary().run_sql(
        "GRANT ALL ON SCHEMA public TO app; CREATE SCHEMA mine; GRANT ALL ON SCHEMA mine TO app; SET ROLE app; "
        "CREATE TABLE notes (id serial, note text); CREATE TABLE mine.here (v int); INSERT INTO mine.here VALUES (7)");
  }
  static void TearDownTestSuite() { cluster_.reset(); }
  void SetUp() override {
    cluster_->primary().run_sql("TRUNCATE notes");
    servers_ = std::make_unique<Succession>(*cluster_);
    servers_->start();
  }
  void TearDown() override { servers_.reset(); }

  static std::unique_ptr<PgCluster> cluster_;
  std::unique_ptr<Succession> servers_;
};
std::unique_ptr<PgCluster> Takeover::cluster_;

TEST_F(Takeover, AnIdleClientKeepsItsConnectionAndAllThatItHasSet) {
  PgConn client = servers_->connect();
  PgConn with_options(servers_->url() + "?options=-c%20app.tenant%3Dfour&application_name=batch");
  const int pid = PQbackendPID(client.raw());
  client.must("SET search_path TO mine, public");
  client.must("SET TimeZone TO 'Asia/Tokyo'");
  client.must("SET app.who TO 'it''s me, \"really\"'");
  ASSERT_TRUE(client.prepare("add", "INSERT INTO public.notes (note) VALUES ($1)").ok());
  ASSERT_TRUE(client.prepare("unused", "SELECT $1::int + 1").ok());
  servers_->start();
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
  EXPECT_EQ(PQbackendPID(client.raw()), pid);
  EXPECT_TRUE(client.execute("add", {"by name"}).ok());
  EXPECT_EQ(client.execute("unused", {"41"}).text(), "42");
  EXPECT_EQ(client.scalar("SELECT v FROM here"), "7") << "the search path came along";
  EXPECT_EQ(client.scalar("SHOW TimeZone"), "Asia/Tokyo");
  EXPECT_EQ(client.scalar("SELECT current_setting('app.who')"), "it's me, \"really\"");
  EXPECT_EQ(client.scalar("SELECT note FROM public.notes"), "by name");
  EXPECT_EQ(client.prepare("add", "SELECT 1").sqlstate, "42P05") << "the name is taken";
  EXPECT_EQ(client.query("RESET TimeZone; SHOW TimeZone").ok(), true);
  EXPECT_EQ(with_options.scalar("SELECT current_setting('app.tenant')"), "four");
  with_options.must("SET app.tenant TO 'five'");
  with_options.must("RESET app.tenant");
  EXPECT_EQ(with_options.scalar("SELECT current_setting('app.tenant')"), "four")
      << "what the login set is what RESET goes back to";
  PgConn console = servers_->connect("admin", "howdah");
  EXPECT_NE(console.must("SHOW CLIENTS").text().find("|batch|"), std::string::npos);
}

TEST_F(Takeover, ATransactionEndsWhereItBeganAndItsClientMovesAfterIt) {
  PgConn busy = servers_->connect();
  busy.must("BEGIN");
  busy.must("INSERT INTO notes (note) VALUES ('one')");
  servers_->start();
  EXPECT_EQ(busy.must("INSERT INTO notes (note) VALUES ('two')").tag, "INSERT 0 1");
  EXPECT_TRUE(servers_->process(0).running()) << "it has a transaction";
  EXPECT_EQ(servers_->connect().scalar("SELECT count(*) FROM notes"), "0") << "new clients are the new process's";
  EXPECT_EQ(busy.must("COMMIT").tag, "COMMIT");
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
  EXPECT_EQ(busy.scalar("SELECT count(*) FROM notes"), "2");
}

TEST_F(Takeover, AMessageThatHasComeInPartIsReadOnByTheNewProcess) {
  PgConn client = servers_->connect();
  client.must("SELECT 1");
  std::string message;
  pgwire::append_query(message, "SELECT 'whole'");
  const int fd = PQsocket(client.raw());
  ASSERT_EQ(::send(fd, message.data(), 9, 0), 9);
  servers_->start();
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
  ASSERT_EQ(::send(fd, message.data() + 9, message.size() - 9, 0), static_cast<ssize_t>(message.size() - 9));
  std::string got;
  testing::wait_until([&] {
    pollfd ready{fd, POLLIN, 0};
    char bytes[4096];
    if (poll(&ready, 1, 100) == 1) got.append(bytes, static_cast<std::size_t>(std::max<ssize_t>(recv(fd, bytes, sizeof bytes, 0), 0)));
    return got.find("SELECT 1") != std::string::npos;
  });
  EXPECT_NE(got.find("whole"), std::string::npos);
}

TEST_F(Takeover, APinnedClientStaysWithItsServerConnectionAndCancelsReachIt) {
  PgConn pinned = servers_->connect();
  pinned.must("CREATE TEMP TABLE own AS SELECT 5 AS v");
  servers_->start();
  EXPECT_EQ(pinned.scalar("SELECT v FROM own"), "5");
  PgConn superuser = cluster_->primary().superuser();
  send(pinned, "SELECT 'long', pg_sleep(60)");
  e2e_pool::await_running(superuser, "'long'");
  e2e_pool::cancel(pinned);  // arrives at the new process
  EXPECT_EQ(answer(pinned).sqlstate, "57014");
  // And on to a third: the first one's cancel passes through both.
  servers_->start();
  EXPECT_TRUE(servers_->process(1).running()) << "it stands between";
  send(pinned, "SELECT 'longer', pg_sleep(60)");
  e2e_pool::await_running(superuser, "'longer'");
  e2e_pool::cancel(pinned);
  EXPECT_EQ(answer(pinned).sqlstate, "57014");
  EXPECT_EQ(pinned.scalar("SELECT v FROM own"), "5");
  { PgConn gone = std::move(pinned); }
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
  EXPECT_EQ(servers_->await_end(1), 0) << servers_->logs();
}

TEST_F(Takeover, ACancelFollowsAClientThatHasMoved) {
  PgConn client = servers_->connect();
  client.must("SELECT 1");
  servers_->start();
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
  PgConn superuser = cluster_->primary().superuser();
  send(client, "SELECT 'moved', pg_sleep(60)");
  e2e_pool::await_running(superuser, "'moved'");
  e2e_pool::cancel(client);
  EXPECT_EQ(answer(client).sqlstate, "57014");
  EXPECT_EQ(client.scalar("SELECT 2"), "2");
}

TEST_F(Takeover, WhatIsPausedOrDisabledStaysSo) {
  PgConn client = servers_->connect(), console = servers_->connect("admin", "howdah");
  PgConn held = servers_->connect();
  console.must("PAUSE app");
  console.must("DISABLE app");
  send(held, "SELECT 'held'");
  await("it to wait", [&] { return console.must("SHOW POOLS").text().find("app|app|1|1|") != std::string::npos; });
  servers_->start();
  PgConn fresh = servers_->connect("admin", "howdah");
  EXPECT_FALSE(PgConn(servers_->url()).ok());
  send(client, "SELECT 'waited'");
  await("it to wait", [&] { return fresh.must("SHOW POOLS").text().find("app|app|0|1|") != std::string::npos; });
  fresh.must("RESUME");
  EXPECT_EQ(answer(client).text(), "waited");
  EXPECT_EQ(answer(held).text(), "held") << "the one that waited in the old process";
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
}

TEST_F(Takeover, TheOldProcessServesAgainWhenTheNewOneIsKilled) {
  PgConn pinned = servers_->connect();
  pinned.must("CREATE TEMP TABLE own AS SELECT 5 AS v");
  servers_->start();
  servers_->kill9(1);
  await("the old process to accept", [&] { return PgConn(servers_->url() + "?connect_timeout=2").ok(); });
  EXPECT_EQ(servers_->connect().scalar("SELECT 1"), "1");
  EXPECT_EQ(pinned.scalar("SELECT v FROM own"), "5");
  EXPECT_EQ(testing::http_get(servers_->http_port(), "/ready").status, 200);
  // It can be taken over from again.
  servers_->start();
  { PgConn gone = std::move(pinned); }
  EXPECT_EQ(servers_->await_end(0), 0) << servers_->logs();
  EXPECT_EQ(servers_->connect().scalar("SELECT 2"), "2");
}

TEST_F(Takeover, TheNewProcessServesOnWhenTheOldOneIsKilled) {
  PgConn pinned = servers_->connect(), moves = servers_->connect();
  pinned.must("CREATE TEMP TABLE own AS SELECT 5 AS v");
  servers_->start();
  PgConn console = servers_->connect("admin", "howdah");
  await("the idle client to move", [&] { return console.must("SHOW LISTS").text().find("used_clients|2") != std::string::npos; });
  servers_->kill9(0);
  EXPECT_EQ(moves.scalar("SELECT 1"), "1");
  EXPECT_EQ(servers_->connect().scalar("SELECT 2"), "2");
  EXPECT_FALSE(pinned.query("SELECT v FROM own").ok()) << "its process is gone";
  servers_->start();
  EXPECT_EQ(servers_->await_end(1), 0) << servers_->logs();
  EXPECT_EQ(moves.scalar("SELECT 3"), "3");
}

TEST_F(Takeover, WithNobodyThereItStartsAsUsual) {
  servers_->kill9(0);
  servers_->start();
  EXPECT_EQ(servers_->connect().scalar("SELECT 1"), "1");
  EXPECT_NE(servers_->log(1).find("no process listens"), std::string::npos) << servers_->log(1);
}

}  // namespace
}  // namespace howdah::e2e_operations
