// Servers that claim to be the primary and are not, or are not the only one: no write reaches them.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <iostream>

#include "tests/e2e_faults/failover_clients.h"
#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

std::string sum(const testing::PgServer& server) { return server.superuser().scalar("SELECT count(*) FROM ledger"); }

class SplitBrain : public ::testing::Test {
 protected:
  SplitBrain() : cluster_({.shards = 1, .replicas = 2}) {
    cluster_.primary().run_sql("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE ledger (client int, number bigint, PRIMARY KEY (client, number));"
                               "CREATE TABLE shown (id int)");
    cluster_.wait_replayed();
  }
  void start_proxy() {
    howdah_ = std::make_unique<testing::HowdahProcess>(cluster_, testing::HowdahOptions{.database_extra = "failover_wait: 2s"});
  }
  testing::PgServer& old() { return cluster_.primary(); }
  testing::PgServer& promoted() { return cluster_.replica(0, 0); }
  testing::PgServer& other() { return cluster_.replica(0, 1); }

  // A column of SHOW REPLICAS for one server.
  std::string shown(const testing::PgServer& server, const std::string& column) {
    const Answer answer = howdah_->connect("admin", "howdah").must("SHOW REPLICAS");
    std::size_t at = 0, address = 0;
    for (std::size_t i = 0; i < answer.columns.size(); ++i) {
      if (answer.columns[i] == column) at = i;
      if (answer.columns[i] == "server") address = i;
    }
    for (const auto& row : answer.rows) {
      if (row[address] == "127.0.0.1:" + std::to_string(server.port())) return row[at].value_or("");
    }
    return "";
  }

  testing::PgCluster cluster_;
  std::unique_ptr<testing::HowdahProcess> howdah_;
};

TEST_F(SplitBrain, AnOldPrimaryThatComesBackGetsNothing) {
  start_proxy();
  FailoverClients clients(howdah_->url(), 6, 4, 2);
  testing::await("everybody at work", [&] { return clients.first_success_after({}).size() == 10; });
  old().kill9();
  promoted().promote();
  const Moment moved = Clock::now();
  testing::await("every writer to go on", [&] { return clients.first_success_after(moved).size() == 10; });
  old().start();
  ASSERT_EQ(old().superuser().scalar("SELECT pg_is_in_recovery()"), "f") << "it takes itself for the primary";
  const std::string before = sum(old());
  testing::await("it to be called stale", [&] { return shown(old(), "role") == "stale"; });
  const std::size_t done = clients.writes_done();
  testing::await("more writes", [&] { return clients.writes_done() > done + 300; });
  EXPECT_EQ(sum(old()), before);
  EXPECT_EQ(shown(promoted(), "role"), "primary");
  EXPECT_EQ(shown(promoted(), "timeline"), "2");

  // Not even when nobody else is left.
  promoted().kill9();
  PgConn client = howdah_->connect();
  client.query("INSERT INTO ledger VALUES (999, 1)");
  const Answer refused = client.query("INSERT INTO ledger VALUES (999, 2)");
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(sum(old()), before);
  promoted().start();
  testing::await("the primary again", [&] { return client.query("INSERT INTO ledger VALUES (999, 3)").ok(); });
  clients.stop();
  EXPECT_EQ(sum(old()), before);
  EXPECT_GT(std::stol(sum(promoted())), std::stol(before));
}

// Whatever the order of events was, nobody saw it: all is decided by what the servers say now.
TEST_F(SplitBrain, AnOldPrimaryThatCameBackWhileTheProxySleptGetsNothing) {
  start_proxy();
  FailoverClients clients(howdah_->url(), 6, 4, 0);
  testing::await("everybody at work", [&] { return clients.first_success_after({}).size() == 10; });
  howdah_->signal(SIGSTOP);
  old().kill9();
  promoted().promote();
  old().start();
  const std::string before = sum(old());
  howdah_->signal(SIGCONT);
  const Moment awake = Clock::now();
  testing::await("every writer to go on", [&] { return clients.first_success_after(awake).size() == 10; });
  clients.stop();
  EXPECT_EQ(sum(old()), before);
  EXPECT_GT(std::stol(sum(promoted())), std::stol(before));
}

TEST_F(SplitBrain, AProxyThatStartsAfterwardsFindsTheNewPrimary) {
  cluster_.primary().kill9();
  promoted().promote();
  old().start();
  start_proxy();
  const std::string before = sum(old());
  PgConn client = howdah_->connect();
  for (int i = 0; i < 50; ++i) client.must("INSERT INTO ledger VALUES (1, " + std::to_string(i) + ")");
  EXPECT_EQ(sum(old()), before);
  EXPECT_EQ(sum(promoted()), "50");
  EXPECT_EQ(shown(old(), "role"), "stale");
}

TEST_F(SplitBrain, TwoPrimariesOfOneTimelineStopAllWrites) {
  start_proxy();
  PgConn client = howdah_->connect();
  client.must("INSERT INTO ledger VALUES (1, 1)");
  cluster_.wait_replayed();
  old().kill9();
  promoted().promote();
  testing::await("the new primary", [&] { return client.query("INSERT INTO ledger VALUES (1, 2)").ok(); });
  PgConn idle = howdah_->connect();
  idle.must("BEGIN");
  idle.must("INSERT INTO ledger VALUES (2, 1)");
  other().promote();
  testing::await("the dispute to be seen", [&] { return shown(other(), "role") == "rival"; });
  const std::string before = sum(promoted());
  testing::await("writes to be refused", [&] { return client.query("INSERT INTO ledger VALUES (1, 3)").sqlstate == "57P03"; });
  const Answer refused = client.query("INSERT INTO ledger VALUES (1, 4)");
  EXPECT_EQ(refused.sqlstate, "57P03") << refused.message;
  EXPECT_NE(refused.message.find("two servers claim"), std::string::npos) << refused.message;
  EXPECT_FALSE(idle.query("INSERT INTO ledger VALUES (2, 2)").ok());
  EXPECT_EQ(idle.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(sum(promoted()), before);
  EXPECT_NE(howdah_->log().find("writes=stopped"), std::string::npos);
  EXPECT_NE(testing::http_get(howdah_->http_port(), "/metrics").body.find("howdah_shard_disputed{database=\"app\",shard=\"s0\"} 1"), std::string::npos);
  EXPECT_EQ(testing::http_get(howdah_->http_port(), "/ready").status, 503);
  other().stop();
  testing::await("writes again", [&] { return client.query("INSERT INTO ledger VALUES (1, 5)").ok(); });
  EXPECT_EQ(sum(promoted()), std::to_string(std::stol(before) + 1));
}

}  // namespace
}  // namespace howdah::faults
