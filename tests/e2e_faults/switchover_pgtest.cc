// A switchover on purpose, under load: no statement fails.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "tests/e2e_faults/failover_clients.h"
#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::PgConn;

class Switchover : public ::testing::Test {
 protected:
  Switchover() : cluster_({.shards = 1, .replicas = 2}) {
    cluster_.primary().run_sql("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE ledger (client int, number bigint, PRIMARY KEY (client, number));"
                               "CREATE TABLE shown (id int); INSERT INTO shown SELECT generate_series(1, 10)");
    cluster_.wait_replayed();
    howdah_ = std::make_unique<testing::HowdahProcess>(cluster_, testing::HowdahOptions{.database_extra = "switchover_timeout: 2s"});
  }
  PgConn console() { return howdah_->connect("admin", "howdah"); }
  std::string to(int replica) { return "127.0.0.1:" + std::to_string(cluster_.replica(0, replica).port()); }
  static std::string step(const Answer& steps, const std::string& name) {
    for (const auto& row : steps.rows) {
      if (row[0] == name) return row[1].value_or("");
    }
    return "";
  }
  bool fenced() {
    return cluster_.primary().superuser().scalar("SELECT count(*) FROM pg_file_settings WHERE name = 'default_transaction_read_only'") != "0";
  }

  testing::PgCluster cluster_;
  std::unique_ptr<testing::HowdahProcess> howdah_;
};

TEST_F(Switchover, UnderLoadFailsNoStatement) {
  FailoverClients clients(howdah_->url(), 20, 10, 10);
  testing::await("everybody at work", [&] { return clients.first_success_after({}).size() == 30; });
  const Answer dry = console().query("SWITCHOVER app s0 TO " + to(0) + " DRY RUN");
  ASSERT_TRUE(dry.ok()) << dry.message << " " << dry.detail;
  EXPECT_EQ(step(dry, "pause"), "");
  const Answer steps = console().query("SWITCHOVER app s0 TO " + to(0));
  ASSERT_TRUE(steps.ok()) << steps.message << " " << steps.detail << "\n" << howdah_->log();
  const Moment moved = std::chrono::steady_clock::now();
  testing::await("every writer to go on", [&] { return clients.first_success_after(moved).size() == 30; });
  clients.stop();
  for (const auto& row : steps.rows) std::cout << *row[2] << " ms " << *row[0] << ": " << row[1].value_or("") << std::endl;
  EXPECT_NE(step(steps, "pause"), "");
  for (const auto& failure : clients.write_failures()) ADD_FAILURE() << failure.sqlstate << " " << failure.message;
  for (const auto& failure : clients.read_failures()) ADD_FAILURE() << failure.sqlstate << " " << failure.message;
  EXPECT_TRUE(fenced());

  std::set<std::string> present;
  for (const auto& row : cluster_.replica(0, 0).superuser().must("SELECT client || ':' || number FROM ledger").rows) present.insert(*row[0]);
  for (const auto& promised : clients.acknowledged()) EXPECT_TRUE(present.contains(promised)) << "lost: " << promised;
}

TEST_F(Switchover, IsUndoneWhenATransactionDoesNotEnd) {
  PgConn client = howdah_->connect(), waiting = howdah_->connect();
  client.must("BEGIN");
  client.must("INSERT INTO ledger VALUES (1, 1)");
  const Answer refused = console().query("SWITCHOVER app s0");
  EXPECT_EQ(refused.sqlstate, "0A000") << refused.message;
  EXPECT_NE(refused.message.find("did not end in time"), std::string::npos) << refused.message;
  client.must("COMMIT");
  waiting.must("INSERT INTO ledger VALUES (1, 2)");
  EXPECT_FALSE(fenced());
  EXPECT_EQ(cluster_.primary().superuser().scalar("SELECT count(*) FROM ledger"), "2");
}

TEST_F(Switchover, IsUndoneWhenTheReplicaDoesNotFollow) {
  PgConn client = howdah_->connect();
  cluster_.replica(0, 0).pause_replay();
  client.must("INSERT INTO ledger VALUES (1, 1)");
  const Answer refused = console().query("SWITCHOVER app s0 TO " + to(0));
  EXPECT_EQ(refused.sqlstate, "0A000") << refused.message;
  EXPECT_NE(refused.message.find("did not replay"), std::string::npos) << refused.message;
  testing::await("the fence to be lifted", [&] { return !fenced(); });
  testing::await("writes", [&] { return client.query("INSERT INTO ledger VALUES (1, 2)").ok(); });
  cluster_.replica(0, 0).resume_replay();
}

TEST_F(Switchover, IsOneCommand) {
  const std::string url = howdah_->url("admin", "howdah");
  const auto dry = testing::howdahctl({"switchover", "--shard", "s0", "--dry-run", "--url", url});
  EXPECT_EQ(dry.status, 0) << dry.output;
  EXPECT_FALSE(fenced());
  const auto done = testing::howdahctl({"switchover", "--shard", "s0", "--to", to(1), "--url", url});
  EXPECT_EQ(done.status, 0) << done.output << howdah_->log();
  EXPECT_NE(done.output.find("pause"), std::string::npos) << done.output;
  PgConn client = howdah_->connect();
  client.must("INSERT INTO ledger VALUES (1, 1)");
  EXPECT_EQ(cluster_.replica(0, 1).superuser().scalar("SELECT count(*) FROM ledger"), "1");
  const auto again = testing::howdahctl({"switchover", "--shard", "nowhere", "--url", url});
  EXPECT_EQ(again.status, 1) << again.output;
}

TEST_F(Switchover, RefusesWhatIsNoReplicaThatStreams) {
  EXPECT_EQ(console().query("SWITCHOVER app s9").sqlstate, "22023");
  EXPECT_EQ(console().query("SWITCHOVER nobody s0").sqlstate, "3D000");
  EXPECT_EQ(console().query("SWITCHOVER app s0 TO 127.0.0.1:1").sqlstate, "22023");
  cluster_.replica(0, 1).stop();
  const Answer refused = console().query("SWITCHOVER app s0 TO " + to(1));
  EXPECT_EQ(refused.sqlstate, "0A000") << refused.message;
  EXPECT_FALSE(fenced());
}

// A proxy that died in the middle leaves the fence: it is found, and lifted when that is asked for.
TEST_F(Switchover, AFenceThatWasLeftBehindIsLifted) {
  cluster_.primary().run_sql("ALTER SYSTEM SET default_transaction_read_only = on");
  cluster_.primary().run_sql("SELECT pg_reload_conf()");
  const Answer refused = console().query("SWITCHOVER app s0 TO " + to(0));
  EXPECT_EQ(refused.sqlstate, "0A000") << refused.message;
  const Answer lifted = console().query("SWITCHOVER app s0 TO 127.0.0.1:" + std::to_string(cluster_.primary().port()));
  ASSERT_TRUE(lifted.ok()) << lifted.message;
  EXPECT_FALSE(fenced());
  PgConn client = howdah_->connect();
  testing::await("writes", [&] { return client.query("INSERT INTO ledger VALUES (1, 1)").ok(); });
}

// Killed between the fence and the promotion, with a replica that does not follow.
TEST_F(Switchover, WhatAProxyThatDiedLeftBehindIsSaid) {
  cluster_.replica(0, 0).pause_replay();
  howdah_->connect().must("INSERT INTO ledger VALUES (1, 1)");
  std::thread order([this] { console().query("SWITCHOVER app s0 TO " + to(0)); });
  testing::await("the fence", [&] { return fenced(); });
  howdah_->kill9();
  order.join();
  ASSERT_TRUE(fenced());
  howdah_ = std::make_unique<testing::HowdahProcess>(cluster_);
  const std::string primary = "127.0.0.1:" + std::to_string(cluster_.primary().port());
  const auto reason = [&] {
    for (const auto& row : console().must("SHOW REPLICAS").rows) {
      if (row[2] == primary) return row[5].value_or("");
    }
    return std::string("it is not there");
  };
  testing::await("the fence to be seen", [&] { return reason().find("fenced: ") == 0; });
  EXPECT_NE(howdah_->log().find("fence=\"default_transaction_read_only is set by ALTER SYSTEM\""), std::string::npos) << howdah_->log();
  EXPECT_EQ(howdah_->connect().query("INSERT INTO ledger VALUES (1, 2)").sqlstate, "25006");
  const Answer lifted = console().query("SWITCHOVER app s0 TO " + primary);
  ASSERT_TRUE(lifted.ok()) << lifted.message;
  testing::await("nothing to be said", [&] { return reason().empty(); });
  PgConn client = howdah_->connect();
  testing::await("writes", [&] { return client.query("INSERT INTO ledger VALUES (1, 2)").ok(); });
  cluster_.replica(0, 0).resume_replay();
}

}  // namespace
}  // namespace howdah::faults
