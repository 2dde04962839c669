// A pool that is spent is a queue: first come, first served, left by time-out, cancel and disconnect.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/e2e_pool/pool_fixture.h"

namespace howdah::e2e_pool {
namespace {

using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

constexpr const char* kPatient = "{ mode: transaction, size: 1, wait_timeout: 30s }";

class Waiting : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>();
    cluster_->primary().run_sql(
        "GRANT ALL ON SCHEMA public TO app; SET ROLE app;"
        "CREATE TABLE served (turn bigserial, client int); CREATE TABLE counter (n int); INSERT INTO counter "
        "VALUES (0)");
  }
  static void TearDownTestSuite() { cluster_.reset(); }

  void start(const std::string& pool) {
    cluster_->primary().run_sql("TRUNCATE served; UPDATE counter SET n = 0");
    testing::HowdahOptions options;
    options.pool = pool;
    howdah_ = std::make_unique<HowdahProcess>(*cluster_, options);
    console_ = std::make_unique<Console>(*howdah_);
    // Every worker has greeted a client: what it says at login, it knows.
    for (int i = 0; i < 4; ++i) howdah_->connect();
  }

  // A client that holds the only server connection.
  PgConn blocker() {
    PgConn client = howdah_->connect();
    client.must("BEGIN");
    client.must("SELECT count(*) FROM served");
    return client;
  }
  static std::string insert(int client) {
    return "INSERT INTO served (client) VALUES (" + std::to_string(client) + ")";
  }
  static std::string served() {
    return cluster_->primary()
        .run_sql("SELECT string_agg(client::text, ' ' ORDER BY turn) FROM served")
        .scalar();
  }

  static std::unique_ptr<PgCluster> cluster_;
  std::unique_ptr<HowdahProcess> howdah_;
  std::unique_ptr<Console> console_;
};
std::unique_ptr<PgCluster> Waiting::cluster_;

TEST_F(Waiting, EndsWithTooManyConnectionsAfterTheTimeout) {
  start("{ mode: transaction, size: 1, wait_timeout: 300ms }");
  PgConn holder = blocker();
  PgConn client = howdah_->connect();
  const auto begun = Clock::now();
  const auto refused = client.query("SELECT 1");
  const auto waited = Clock::now() - begun;
  EXPECT_EQ(refused.sqlstate, "53300") << refused.message;
  EXPECT_FALSE(refused.hint.empty());
  EXPECT_GE(waited, std::chrono::milliseconds(290));
  EXPECT_LT(waited, std::chrono::seconds(5));
  console_->await_waiting(0);
  // Neither of the two is worse off for it.
  EXPECT_TRUE(holder.query("COMMIT").ok());
  EXPECT_EQ(client.query("SELECT 2").text(), "2");
}

TEST_F(Waiting, FailsTheTransactionWhoseFirstStatementTimedOut) {
  start("{ mode: transaction, size: 1, wait_timeout: 200ms }");
  PgConn holder = blocker();
  PgConn client = howdah_->connect();
  client.must("BEGIN");
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "53300");
  EXPECT_EQ(PQtransactionStatus(client.raw()), PQTRANS_INERROR);
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "25P02");
  EXPECT_EQ(client.query("COMMIT").tag, "ROLLBACK");
  holder.must("COMMIT");
  EXPECT_EQ(client.query("SELECT 1").text(), "1");
}

TEST_F(Waiting, LogsClientsInWhileThePoolIsSpent) {
  start(kPatient);
  PgConn holder = blocker();
  PgConn client(howdah_->url() + "?connect_timeout=10");
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_STRNE(PQparameterStatus(client.raw(), "server_version"), nullptr);
  holder.must("COMMIT");
  EXPECT_EQ(client.query("SELECT 1").text(), "1");
}

TEST_F(Waiting, LogsClientsInWithSettingsNeverSeenBefore) {
  start(kPatient);
  PgConn holder = blocker();
  PgConn client(howdah_->url() + "?connect_timeout=5&application_name=unseen");
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_STREQ(PQparameterStatus(client.raw(), "application_name"), "unseen");
  holder.must("COMMIT");
  EXPECT_EQ(client.query("SELECT current_setting('application_name')").text(), "unseen");
}

TEST_F(Waiting, ServesFirstComeFirst) {
  start(kPatient);
  PgConn holder = blocker();
  std::vector<PgConn> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(howdah_->connect());
  for (int i = 0; i < 8; ++i) {
    send(clients[i], insert(i));
    console_->await_waiting(i + 1);
  }
  holder.must("COMMIT");
  for (auto& client : clients) EXPECT_EQ(answer(client).tag, "INSERT 0 1");
  EXPECT_EQ(served(), "0 1 2 3 4 5 6 7");
}

TEST_F(Waiting, EndsWhenTheClientLeaves) {
  start(kPatient);
  PgConn holder = blocker();
  PgConn first = howdah_->connect(), last = howdah_->connect();
  {
    PgConn leaving = howdah_->connect();
    send(leaving, insert(99));
    console_->await_waiting(1);
    send(first, insert(1));
    console_->await_waiting(2);
  }
  console_->await_waiting(1);
  send(last, insert(2));
  console_->await_waiting(2);
  holder.must("COMMIT");
  EXPECT_EQ(answer(first).tag, "INSERT 0 1");
  EXPECT_EQ(answer(last).tag, "INSERT 0 1");
  EXPECT_EQ(served(), "1 2");
}

TEST_F(Waiting, EndsWithACancel) {
  start(kPatient);
  PgConn holder = blocker();
  PgConn client = howdah_->connect(), other = howdah_->connect();
  send(client, insert(1));
  console_->await_waiting(1);
  send(other, insert(2));
  console_->await_waiting(2);
  cancel(client);
  const auto canceled = answer(client);
  EXPECT_EQ(canceled.sqlstate, "57014") << canceled.message;
  console_->await_waiting(1);
  EXPECT_FALSE(answered(other));
  holder.must("COMMIT");
  EXPECT_EQ(answer(other).tag, "INSERT 0 1");
  EXPECT_EQ(client.query(insert(3)).tag, "INSERT 0 1") << "the session goes on";
  EXPECT_EQ(served(), "2 3");
}

TEST_F(Waiting, GoesOnWhenARunningStatementIsCanceled) {
  start("{ mode: transaction, size: 2, wait_timeout: 30s }");
  PgConn superuser = cluster_->primary().superuser();
  PgConn running = howdah_->connect(), neighbour = howdah_->connect();
  send(neighbour, "SELECT 'slept' FROM pg_sleep(0.5)");
  send(running, "SELECT pg_sleep(30) /* running */");
  await_running(superuser, "/* running */");
  cancel(running);
  const auto canceled = answer(running);
  EXPECT_EQ(canceled.sqlstate, "57014") << canceled.message;
  EXPECT_EQ(answer(neighbour).text(), "slept") << "nobody else is hit";
  EXPECT_EQ(running.query("SELECT 1").text(), "1") << "the session goes on";
}

TEST_F(Waiting, IsNotHitByTheCancelOfTheOneBefore) {
  start(kPatient);
  PgConn superuser = cluster_->primary().superuser();
  PgConn running = howdah_->connect(), next = howdah_->connect();
  for (int round = 0; round < 20; ++round) {
    const std::string mark = "/* round " + std::to_string(round) + " */";
    send(running, "SELECT pg_sleep(30) " + mark);
    await_running(superuser, mark);
    send(next, "SELECT 'slept' FROM pg_sleep(0.02)");
    console_->await_waiting(1);
    cancel(running);
    ASSERT_EQ(answer(running).sqlstate, "57014");
    const auto undisturbed = answer(next);
    ASSERT_EQ(undisturbed.text(), "slept") << undisturbed.message;
  }
}

TEST_F(Waiting, IsNotHitByACancelThatComesTooLate) {
  start(kPatient);
  PgConn quick = howdah_->connect(), next = howdah_->connect();
  for (int round = 0; round < 60; ++round) {
    send(quick, "SELECT 'done' FROM pg_sleep(0.00" + std::to_string(round % 10) + ")");
    send(next, "SELECT 'slept' FROM pg_sleep(0.01)");
    cancel(quick);
    const auto own = answer(quick);
    EXPECT_TRUE(own.text() == "done" || own.sqlstate == "57014") << own.sqlstate << own.message;
    const auto other = answer(next);
    ASSERT_EQ(other.text(), "slept") << other.sqlstate << " " << other.message;
  }
}

TEST_F(Waiting, EndsForAllWhenWorkersShareOneConnection) {
  start(kPatient);
  constexpr int kClients = 8, kTransactions = 50;
  std::vector<std::string> faults(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      PgConn client(howdah_->url());
      for (int n = 0; n < kTransactions && faults[i].empty(); ++n) {
        for (const char* sql : {"BEGIN", "UPDATE counter SET n = n + 1", "COMMIT"}) {
          const auto said = client.query(sql);
          if (!said.ok()) faults[i] = said.sqlstate + ": " + said.message;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& fault : faults) EXPECT_EQ(fault, "");
  PgConn superuser = cluster_->primary().superuser();
  EXPECT_EQ(superuser.scalar("SELECT n FROM counter"), std::to_string(kClients * kTransactions));
  EXPECT_EQ(app_connections(superuser), 1);
}

}  // namespace
}  // namespace howdah::e2e_pool
