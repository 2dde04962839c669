#include "proxy/control/transaction_recovery.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "proxy/control/bootstrap.h"
#include "proxy/control/tests/control_fixture.h"
#include "tests/support/wait.h"

namespace howdah::control {
namespace {

namespace asio = boost::asio;
using testing::PgCluster;
using testing::wait_until;

const std::string kToken = "000102030405060708090a0b0c0d0e0f";
const std::string kHash =
    "be45cb2605bf36bebde684841a28f0fd43c69850a3dce5fedba69928ee3a8991";  // sha256 of its bytes

class RecoveryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new PgCluster({.shards = 2});
    cluster_->run_everywhere("CREATE TABLE t (i int); ALTER TABLE t OWNER TO app");
    asio::io_context io(1);
    auto database = database_of(*cluster_);
    Bootstrap bootstrap(io, "demo", database, Settings());
    auto body = [&]() -> asio::awaitable<void> {
      auto map = co_await bootstrap.run();
      EXPECT_TRUE(map);
    };
    asio::co_spawn(io, body(), asio::detached);
    io.run();
  }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }

  RecoveryTest() : database_(database_of(*cluster_)) {
    settings_.recovery_age = milliseconds(0);
    settings_.recovery_interval = milliseconds(20);
    settings_.lock_timeout = milliseconds(200);
    settings_.collect_interval = std::chrono::hours(1);
    cluster_->run_everywhere("TRUNCATE t, howdah.decisions");
  }
  ~RecoveryTest() override {
    stop();
    for (int shard = 0; shard < 2; ++shard) {
      auto left = cluster_->primary(shard).superuser();
      for (const auto& row : left.must("SELECT gid FROM pg_prepared_xacts").rows)
        left.must("ROLLBACK PREPARED '" + *row[0] + "'");
    }
  }

  void start() {
    io_.restart();
    recovery_.emplace(io_, kCluster, database_, settings_,
                      [this](const std::string& shard, std::vector<InDoubt> list) {
                        std::lock_guard lock(mutex_);
                        if (shard == "s1") unfinished_ = std::move(list), ++looks_;
                      });
    recovery_->start();
    work_.emplace(io_.get_executor());
    thread_ = std::thread([this] { io_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { recovery_->stop(); });
    work_.reset();
    thread_.join();
    recovery_.reset();
  }
  std::vector<InDoubt> unfinished() {
    std::lock_guard lock(mutex_);
    return unfinished_;
  }
  // Waits until shard s1 was looked at again from beginning to end.
  void look_again() {
    auto seen = [this] {
      std::lock_guard lock(mutex_);
      return looks_;
    };
    auto before = seen();
    EXPECT_TRUE(wait_until([&] { return seen() >= before + 2; }));
  }

  static std::string gid(const std::string& commit_point = "s0", const std::string& hash = kHash) {
    return "howdah1:demo:s1:" + commit_point + ":1:" + hash;
  }
  // What a coordinator does on the participant, as the application's role.
  static void prepare(const std::string& name = gid()) {
    auto app = cluster_->primary(1).connect();
    app.must("BEGIN");
    app.must("INSERT INTO t VALUES (1)");
    app.must("PREPARE TRANSACTION '" + name + "'");
  }
  static std::string decide_sql() { return "SELECT howdah.decide('\\x" + kToken + "', '{s1}')"; }
  static std::string at(int shard, const std::string& sql) {
    return cluster_->primary(shard).superuser().must(sql).text();
  }
  static std::string outcome() {
    return at(0, "SELECT outcome, checked_at IS NOT NULL FROM howdah.decisions");
  }
  static bool none_prepared() { return at(1, "SELECT count(*) FROM pg_prepared_xacts") == "0"; }
  static std::string rows() { return at(1, "SELECT count(*) FROM t"); }

  // resolve() run to its end on the recovery's thread.
  Result<Outcome> resolve(milliseconds patience) {
    std::promise<Result<Outcome>> answer;
    auto body = [&]() -> asio::awaitable<void> {
      auto outcome =
          co_await recovery_->resolve(ShardId(0), kHash, std::chrono::steady_clock::now() + patience);
      answer.set_value(std::move(outcome));
    };
    asio::co_spawn(io_, body(), asio::detached);
    return answer.get_future().get();
  }

  static PgCluster* cluster_;
  const std::string kCluster = "demo";
  config::Database database_;
  Settings settings_;
  asio::io_context io_{1};
  std::optional<TransactionRecovery> recovery_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<InDoubt> unfinished_;
  int looks_ = 0;
};
PgCluster* RecoveryTest::cluster_ = nullptr;

TEST_F(RecoveryTest, PreparedAndUndecidedIsAborted) {
  prepare();
  start();
  EXPECT_TRUE(wait_until(none_prepared));
  EXPECT_EQ(rows(), "0");
  EXPECT_EQ(outcome(), "abort|t");
  EXPECT_EQ(cluster_->primary(0).connect().query(decide_sql()).sqlstate, "23505") << "too late to commit";
}

TEST_F(RecoveryTest, PreparedAndDecidedIsCommitted) {
  prepare();
  cluster_->primary(0).connect().must(decide_sql());
  start();
  EXPECT_TRUE(wait_until(none_prepared));
  EXPECT_EQ(rows(), "1");
  EXPECT_EQ(outcome(), "commit|t");
}

TEST_F(RecoveryTest, PreparedAfterItWasAbortedIsRolledBackToo) {
  start();
  prepare();
  EXPECT_TRUE(wait_until(none_prepared));
  prepare();
  EXPECT_TRUE(wait_until(none_prepared));
  EXPECT_EQ(rows(), "0");
}

TEST_F(RecoveryTest, FinishedByItsCoordinatorNeedsNothing) {
  prepare();
  cluster_->primary(0).connect().must(decide_sql());
  cluster_->primary(1).connect().must("COMMIT PREPARED '" + gid() + "'");
  start();
  look_again();
  EXPECT_EQ(rows(), "1");
  EXPECT_EQ(outcome(), "commit|f");
  EXPECT_TRUE(unfinished().empty());
}

// While the coordinator's COMMIT is under way nobody may act: neither outcome is certain.
TEST_F(RecoveryTest, AnOpenDecisionIsInDoubtUntilItEnds) {
  for (const char* end : {"COMMIT", "ROLLBACK"}) {
    cluster_->run_everywhere("TRUNCATE t, howdah.decisions");
    prepare();
    auto coordinator = cluster_->primary(0).connect();
    coordinator.must("BEGIN");
    coordinator.must(decide_sql());
    start();
    EXPECT_TRUE(wait_until([&] { return unfinished().size() == 1; }));
    auto report = unfinished().at(0);
    EXPECT_EQ(report.gid, gid());
    EXPECT_EQ(report.commit_point, "s0");
    EXPECT_EQ(report.owner, "app");
    EXPECT_NE(report.reason.find("lock timeout"), std::string::npos) << report.reason;
    EXPECT_FALSE(none_prepared());
    coordinator.must(end);
    EXPECT_TRUE(wait_until(none_prepared));
    EXPECT_EQ(rows(), std::string(end) == "COMMIT" ? "1" : "0");
    look_again();
    EXPECT_TRUE(unfinished().empty());
    stop();
  }
}

TEST_F(RecoveryTest, YoungOnesAreLeftToTheirCoordinatorUnlessGivenUp) {
  settings_.recovery_age = std::chrono::hours(1);
  prepare();
  start();
  look_again();
  EXPECT_FALSE(none_prepared());
  asio::post(io_, [this] { recovery_->kick(kHash); });
  EXPECT_TRUE(wait_until(none_prepared));
  EXPECT_EQ(outcome(), "abort|t");
}

TEST_F(RecoveryTest, ACommitPointThatIsDownLeavesItInDoubt) {
  prepare();
  cluster_->primary(0).connect().must(decide_sql());
  auto port = database_.shards[0].primary.port;
  database_.shards[0].primary.port = 1;
  start();
  EXPECT_TRUE(wait_until([&] { return unfinished().size() == 1; }));
  EXPECT_FALSE(none_prepared());
  stop();
  database_.shards[0].primary.port = port;
  start();
  EXPECT_TRUE(wait_until(none_prepared));
  EXPECT_EQ(rows(), "1");
}

// The wrong database at the commit point's address has no decisions: believing it would abort what committed.
TEST_F(RecoveryTest, AnotherServerInTheCommitPointsPlaceIsNotBelieved) {
  prepare();
  cluster_->primary(0).connect().must(decide_sql());
  database_.shards[0].primary.port = database_.shards[1].primary.port;
  start();
  EXPECT_TRUE(wait_until([&] { return unfinished().size() == 1; }));
  EXPECT_FALSE(none_prepared());
}

// A write that no standby has confirmed is no ground to act upon: a failover could lose it.
class UnconfirmedRecoveryTest : public RecoveryTest {
 protected:
  UnconfirmedRecoveryTest() {
    prepare();
    set_standby("nobody");
  }
  ~UnconfirmedRecoveryTest() override { set_standby(""); }
  static void set_standby(const std::string& name) {
    at(0, "ALTER SYSTEM SET synchronous_standby_names = '" + name + "'");
    at(0, "SELECT pg_reload_conf()");
    EXPECT_TRUE(wait_until([&] { return at(0, "SHOW synchronous_standby_names") == name; }));
  }
  static int waiting_commits() {
    return std::stoi(at(0, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
  }
};

TEST_F(UnconfirmedRecoveryTest, ACanceledWaitForTheStandbyIsInDoubt) {
  start();
  EXPECT_TRUE(wait_until([&] {
    at(0, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    return unfinished().size() == 1;
  }));
  EXPECT_NE(unfinished().at(0).reason.find("canceling wait for synchronous replication"), std::string::npos);
  EXPECT_FALSE(none_prepared());
  set_standby("");
  EXPECT_TRUE(wait_until(none_prepared));
}

TEST_F(UnconfirmedRecoveryTest, AttemptsThatWaitForeverDoNotPileUp) {
  settings_.statement_timeout = milliseconds(100);
  start();
  int most = 0;
  for (int looks = 0; looks < 6; ++looks) {
    look_again();
    most = std::max(most, waiting_commits());
  }
  EXPECT_FALSE(none_prepared());
  EXPECT_GT(most, 0);
  EXPECT_LE(most, 5);
  set_standby("");
  EXPECT_TRUE(wait_until(none_prepared));
}

TEST_F(RecoveryTest, WhatIsNotCertainlyOursIsReportedNeverTouched) {
  const std::string names[] = {"howdah1:demo:s0:s1:1:" + kHash, gid("s9"), "howdah1:demo:odd"};
  for (const auto& name : names) prepare(name);
  prepare("howdah1:other:s1:s0:1:" + kHash);
  start();
  EXPECT_TRUE(wait_until([&] { return unfinished().size() == 3; }));
  look_again();
  EXPECT_EQ(at(1, "SELECT count(*) FROM pg_prepared_xacts"), "4");
  EXPECT_EQ(at(0, "SELECT count(*) FROM howdah.decisions"), "0");
}

TEST_F(RecoveryTest, OlderThanDecisionsAreKeptIsReportedNeverTouched) {
  settings_.commit_retention = seconds(0);
  prepare();
  start();
  EXPECT_TRUE(wait_until([&] { return unfinished().size() == 1; }));
  EXPECT_EQ(at(0, "SELECT count(*) FROM howdah.decisions"), "0");
}

TEST_F(RecoveryTest, ResolveTellsTheTruthAndFinishesTheRest) {
  settings_.recovery_age = std::chrono::hours(1);
  start();
  prepare();
  cluster_->primary(0).connect().must(decide_sql());
  auto committed = resolve(seconds(10));
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_EQ(*committed, Outcome::kCommit);
  EXPECT_TRUE(wait_until(none_prepared));
  EXPECT_EQ(rows(), "1");
  cluster_->run_everywhere("TRUNCATE t, howdah.decisions");
  auto aborted = resolve(seconds(10));
  ASSERT_TRUE(aborted);
  EXPECT_EQ(*aborted, Outcome::kAbort);
}

TEST_F(RecoveryTest, ResolveWaitsForAnOpenDecisionUpToItsDeadline) {
  start();
  auto coordinator = cluster_->primary(0).connect();
  coordinator.must("BEGIN");
  coordinator.must(decide_sql());
  auto unknown = resolve(milliseconds(300));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kOutcomeUnknown);
  std::thread commit([&] { coordinator.must("COMMIT"); });
  auto known = resolve(seconds(10));
  commit.join();
  ASSERT_TRUE(known);
  EXPECT_EQ(*known, Outcome::kCommit);
}

// Many proxies at once, each with its own recovery: exactly one outcome, and the participant follows it.
TEST_F(RecoveryTest, AnyNumberOfRecoverersAndALateCoordinatorAgree) {
  for (int round = 0; round < 10; ++round) {
    cluster_->run_everywhere("TRUNCATE t, howdah.decisions");
    prepare();
    start();
    std::string decided;
    std::thread coordinator([&] { decided = cluster_->primary(0).connect().query(decide_sql()).sqlstate; });
    coordinator.join();
    EXPECT_TRUE(wait_until(none_prepared));
    EXPECT_EQ(rows(), decided.empty() ? "1" : "0");
    EXPECT_EQ(at(0, "SELECT outcome FROM howdah.decisions"), decided.empty() ? "commit" : "abort");
    stop();
  }
}

TEST_F(RecoveryTest, AbortsAreForgottenOnlyWhenNoOlderTransactionIsOpen) {
  settings_.collect_interval = std::chrono::seconds(0);
  settings_.abort_margin = std::chrono::seconds(0);
  auto bystander = cluster_->primary(0).connect();
  bystander.must("BEGIN");
  prepare();
  start();
  EXPECT_TRUE(wait_until(none_prepared));
  look_again();
  EXPECT_EQ(outcome(), "abort|t");
  bystander.must("COMMIT");
  EXPECT_TRUE(wait_until([] { return outcome().empty(); }));
}

TEST_F(RecoveryTest, CommitsAreForgottenOnlyWhenEveryParticipantHasFinished) {
  settings_.recovery_age = std::chrono::hours(1);
  settings_.collect_interval = std::chrono::seconds(0);
  prepare();
  cluster_->primary(0).connect().must(decide_sql());
  start();
  look_again();
  stop();
  EXPECT_EQ(outcome(), "commit|f") << "it is kept for its retention";
  settings_.commit_retention = seconds(0);
  start();
  look_again();
  EXPECT_EQ(outcome(), "commit|f") << "its participant is still prepared";
  cluster_->primary(1).connect().must("COMMIT PREPARED '" + gid() + "'");
  EXPECT_TRUE(wait_until([] { return outcome().empty(); }));
}

TEST_F(RecoveryTest, EndedConnectionsLeaveTheRegistry) {
  settings_.collect_interval = std::chrono::seconds(0);
  at(0, "INSERT INTO howdah.connections VALUES (1, now(), 'gone', 1)");
  auto living = cluster_->primary(0).connect();
  living.must("SELECT howdah.stamp('demo', 's0', 'here', 1)");
  start();
  EXPECT_TRUE(
      wait_until([] { return at(0, "SELECT string_agg(proxy, ',') FROM howdah.connections") == "here"; }));
}

}  // namespace
}  // namespace howdah::control
