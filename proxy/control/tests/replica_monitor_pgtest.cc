#include "proxy/control/replica_monitor.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "proxy/control/tests/control_fixture.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/wait.h"

namespace howdah::control {
namespace {

using testing::PgCluster;
using testing::wait_until;

class MonitorTest : public ::testing::Test {
 protected:
  MonitorTest() : cluster_({.shards = 1, .replicas = 2, .settings = {{"autovacuum", "off"}}}), config_(database_of(cluster_)), health_(3) {
    config_.probe_interval = milliseconds(10);
    monitor_.emplace(io_, config_, health_, Settings());
    monitor_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~MonitorTest() override {
    boost::asio::post(io_, [this] { monitor_->stop(); });
    thread_.join();  // hangs when a loop does not end
  }

  ServerHealth& server(std::uint16_t id) { return health_.at(ServerId(id)); }
  static std::int64_t now() { return to_steady_ns(std::chrono::steady_clock::now()); }
  // Waits until the replica may serve a session whose last write completed now.
  bool catches_up(std::uint16_t id, std::int64_t mark) {
    return wait_until([&] { return server(id).may_read(mark); });
  }

  PgCluster cluster_;
  config::Database config_;
  HealthTable health_;
  boost::asio::io_context io_{1};
  std::optional<ReplicaMonitor> monitor_;
  std::thread thread_;
};

TEST_F(MonitorTest, SeesEveryServersRoleAndPosition) {
  auto mark = now();
  EXPECT_TRUE(catches_up(1, mark));
  EXPECT_TRUE(catches_up(2, mark));
  EXPECT_TRUE(server(0).up && !server(0).in_recovery);
  EXPECT_TRUE(server(1).up && server(1).in_recovery);
  EXPECT_GT(server(0).lsn, 0u);
  EXPECT_EQ(server(0).timeline, 1u);
  EXPECT_EQ(server(1).timeline, 1u);
  EXPECT_EQ(server(0).caught_up_to, 0);
  EXPECT_TRUE(wait_until([&] { return server(1).lag_bytes == 0; }));
}

// The promise itself: whenever may_read(mark) says yes for the mark of a write, the row is there. The commits
// are asynchronous, the case where write and flush positions are too low.
TEST_F(MonitorTest, NeverCallsAReplicaCaughtUpBeforeTheWriteIsVisible) {
  auto primary = cluster_.primary().superuser();
  auto replica = cluster_.replica().superuser();
  primary.must("CREATE TABLE t (i int)");
  primary.must("SET synchronous_commit = off");
  for (int i = 0; i < 15; ++i) {
    primary.must("INSERT INTO t VALUES (" + std::to_string(i) + ")");
    auto mark = now();
    ASSERT_TRUE(catches_up(1, mark));
    ASSERT_EQ(replica.scalar("SELECT max(i) FROM t"), std::to_string(i));
  }
}

// What reads write (pruning) nobody commits: it stays in the primary's memory, and its replicas seem to lag.
TEST_F(MonitorTest, WalThatNobodyCommitsReachesTheReplicas) {
  ASSERT_TRUE(catches_up(1, now()));
  auto primary = cluster_.primary().superuser();
  // Only the monitor's own commits take transaction numbers here.
  const auto next = [&] { return primary.scalar("SELECT pg_snapshot_xmax(pg_current_snapshot())"); };
  const std::string before = next();
  EXPECT_TRUE(wait_until([&] {
    primary.must("SELECT pg_logical_emit_message(false, 'howdah', 'not flushed')");
    return next() != before;
  })) << "nobody sent it";
  EXPECT_TRUE(catches_up(1, now()));
}

// After a switch of the WAL file the insert position stands behind a page header that no record has reached.
TEST_F(MonitorTest, AnIdlePrimaryAtAPageBoundaryKeepsItsReplicasUsable) {
  ASSERT_TRUE(catches_up(1, now()));
  auto primary = cluster_.primary().superuser();
  for (int round = 0; round < 3; ++round) {
    primary.must("SELECT txid_current()");
    primary.must("SELECT pg_switch_wal()");
    auto mark = now();
    EXPECT_TRUE(wait_until([&] { return server(1).may_read(mark); }, seconds(3))) << round;
  }
}

TEST_F(MonitorTest, APausedReplicaFallsBehindAndTheOtherStaysUsable) {
  ASSERT_TRUE(catches_up(1, now()));
  cluster_.replica(0, 0).pause_replay();
  cluster_.primary().superuser().must("CREATE TABLE t AS SELECT generate_series(1, 1000)");
  auto mark = now();
  ASSERT_TRUE(catches_up(2, mark));
  EXPECT_FALSE(server(1).may_read(mark));
  EXPECT_TRUE(wait_until([&] { return server(1).lag_bytes > 0; }));
  EXPECT_TRUE(server(1).up);
  cluster_.replica(0, 0).resume_replay();
  EXPECT_TRUE(catches_up(1, mark));
}

TEST_F(MonitorTest, ADeadReplicaIsUnusableUntilItIsBackAndCaughtUp) {
  ASSERT_TRUE(catches_up(1, now()));
  cluster_.replica(0, 0).kill9();
  EXPECT_TRUE(wait_until([&] { return !server(1).up && server(1).caught_up_to == 0; }));
  EXPECT_TRUE(catches_up(2, now()));
  cluster_.replica(0, 0).start();
  EXPECT_TRUE(catches_up(1, now()));
  EXPECT_TRUE(server(1).up);
}

// Stopped processes keep their sockets open: only the deadline tells.
TEST_F(MonitorTest, ASilentReplicaIsUnusableAndDelaysNoOther) {
  ASSERT_TRUE(catches_up(1, now()));
  std::vector<pid_t> silenced = {cluster_.replica(0, 0).pid()};
  auto watcher = cluster_.replica(0, 0).superuser();
  for (const auto& row :
       watcher.must("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").rows) {
    silenced.push_back(std::stoi(*row[0]));
  }
  for (auto pid : silenced) kill(pid, SIGSTOP);
  std::int64_t slowest = 0;
  EXPECT_TRUE(wait_until([&] {
    auto mark = now();
    EXPECT_TRUE(catches_up(2, mark));
    slowest = std::max(slowest, now() - mark);
    return server(1).caught_up_to == 0 && !server(1).up;
  }));
  EXPECT_LT(slowest, 900'000'000) << "the other replica never waited for a deadline";
  for (auto pid : silenced) kill(pid, SIGCONT);
  EXPECT_TRUE(catches_up(1, now()));
}

TEST_F(MonitorTest, APromotedReplicaIsNotUsableNorIsWhoFollowsTheOldPrimary) {
  ASSERT_TRUE(catches_up(1, now()));
  cluster_.replica(0, 0).promote();
  EXPECT_TRUE(
      wait_until([&] { return server(1).up && !server(1).in_recovery && server(1).caught_up_to == 0; }));
  EXPECT_TRUE(wait_until([&] { return server(2).caught_up_to == 0; })) << "it follows who is no primary any more";
  EXPECT_FALSE(server(1).may_read(0));
}

TEST_F(MonitorTest, ARestartedPrimaryVoidsWhatWasKnown) {
  ASSERT_TRUE(catches_up(1, now()));
  cluster_.primary().kill9();
  ASSERT_TRUE(wait_until([&] { return !server(0).up; }));
  cluster_.primary().start();
  auto mark = now();
  EXPECT_TRUE(catches_up(1, mark));
  EXPECT_TRUE(server(0).up);
}

TEST_F(MonitorTest, ALostProbeConnectionIsNoOutage) {
  ASSERT_TRUE(catches_up(1, now()));
  auto admin = cluster_.primary().superuser();
  for (int i = 0; i < 5; ++i) {
    admin.must(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'howdah control'");
    auto mark = now();
    ASSERT_TRUE(wait_until([&] { return server(0).last_seen > mark; }));
    ASSERT_TRUE(server(0).up);
  }
}

}  // namespace
}  // namespace howdah::control
