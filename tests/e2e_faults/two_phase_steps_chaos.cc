// A transaction over two shards, stopped between any two of its steps: each time one outcome, and the right
// one.
#include <gtest/gtest.h>

#include <future>

#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::Answer;
using testing::PgConn;

// Shard 0 writes first and so decides; shard 1 prepares.
class TwoPhaseSteps : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::HowdahOptions options;
    options.tables = "marks: { hash: user_id }\nlate: { hash: user_id }";
    world_ = std::make_unique<World>(testing::PgCluster::Options{.shards = 2}, options);
    world_->must("CREATE TABLE marks (user_id bigint, number int)");
    world_->must(
        "CREATE TABLE late (user_id bigint, number int, UNIQUE (user_id, number) DEFERRABLE INITIALLY "
        "DEFERRED)");
    key0_ = std::to_string(world_->keys_on(0, 1)[0]);
    key1_ = std::to_string(world_->keys_on(1, 1)[0]);
  }
  static void TearDownTestSuite() { world_.reset(); }

  void SetUp() override { world_->must("TRUNCATE marks, late"); }
  // The books of one test are empty for the next: a failed one must not leave something in doubt.
  void TearDown() override { EXPECT_TRUE(world_->nothing_in_doubt()) << world_->proxy().log(); }

  static void write_both(PgConn& client) {
    client.must("BEGIN");
    client.must("INSERT INTO marks VALUES (" + key0_ + ", 1)");
    client.must("INSERT INTO marks VALUES (" + key1_ + ", 1)");
  }

  // COMMIT in a thread of its own, held before the decision by a lock on shard 0's decisions.
  struct Held {
    PgConn lock;
    std::future<Answer> answer;
    void release() { lock.must("COMMIT"); }
  };
  static Held hold_commit(PgConn& client) {
    Held held{world_->cluster().primary(0).superuser(), {}};
    held.lock.must("BEGIN; LOCK TABLE howdah.decisions IN EXCLUSIVE MODE");
    held.answer = std::async(std::launch::async, [&client] { return client.query("COMMIT"); });
    testing::await("the other shard to prepare", [] { return prepared(1) == 1; });
    testing::await("the decision to wait", [] { return decider("count(*)") == "1"; });
    return held;
  }
  static std::string decider(const std::string& what) {
    return world_->cluster().primary(0).superuser().scalar(
        "SELECT " + what +
        " FROM pg_stat_activity WHERE query LIKE '%howdah.decide%' AND wait_event_type = 'Lock'");
  }
  static long prepared(int shard) {
    return std::stol(
        world_->cluster().primary(shard).superuser().scalar("SELECT count(*) FROM pg_prepared_xacts"));
  }
  static void expect_marks(const std::string& count) {
    EXPECT_EQ(world_->on_each("SELECT count(*) FROM marks"), (std::vector<std::string>{count, count}));
  }

  static std::unique_ptr<World> world_;
  static std::string key0_, key1_;
};
std::unique_ptr<World> TwoPhaseSteps::world_;
std::string TwoPhaseSteps::key0_, TwoPhaseSteps::key1_;

TEST_F(TwoPhaseSteps, AbortsWhenTheProxyDiesBeforeTheDecision) {
  PgConn client = world_->proxy().connect();
  write_both(client);
  auto held = hold_commit(client);
  world_->kill_proxy();
  EXPECT_EQ(held.answer.get().sqlstate, "08006");
  decider("pg_terminate_backend(pid)");
  held.release();
  EXPECT_EQ(prepared(1), 1);
  world_->start_proxy();
  ASSERT_TRUE(world_->nothing_in_doubt()) << world_->proxy().log();
  expect_marks("0");
}

TEST_F(TwoPhaseSteps, CommitsWhenTheProxyDiesAfterTheDecision) {
  PgConn client = world_->proxy().connect();
  write_both(client);
  auto held = hold_commit(client);
  world_->kill_proxy();
  EXPECT_EQ(held.answer.get().sqlstate, "08006");
  held.release();  // the server still runs what it was sent
  testing::await("the decision", [] {
    return world_->cluster().primary(0).superuser().scalar("SELECT count(*) FROM marks") == "1";
  });
  EXPECT_EQ(prepared(1), 1);
  world_->start_proxy();
  ASSERT_TRUE(world_->nothing_in_doubt()) << world_->proxy().log();
  expect_marks("1");
}

TEST_F(TwoPhaseSteps, AnswersSerializationFailureWhenTheDecisionIsLost) {
  PgConn client = world_->proxy().connect();
  write_both(client);
  auto held = hold_commit(client);
  decider("pg_terminate_backend(pid)");
  testing::await("the decider to end", [] { return decider("count(*)") == "0"; });
  held.release();
  const Answer answer = held.answer.get();
  EXPECT_EQ(answer.sqlstate, "40001") << answer.message;
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE user_id = " + key0_), "0");
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE user_id = " + key1_), "0");
  expect_marks("0");
}

TEST_F(TwoPhaseSteps, SucceedsWithAWarningWhenAParticipantIsLostAfterPreparing) {
  PgConn client = world_->proxy().connect();
  write_both(client);
  auto held = hold_commit(client);
  auto other = world_->cluster().primary(1).superuser();
  EXPECT_EQ(other.scalar("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE "
                         "'PREPARE TRANSACTION%'"),
            "1");
  held.release();
  const Answer answer = held.answer.get();
  ASSERT_TRUE(answer.ok()) << answer.sqlstate << answer.message;
  EXPECT_EQ(answer.tag, "COMMIT");
  EXPECT_EQ(client.notices().size(), 1u);
  // What follows in this session sees it, whenever recovery gets there.
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE user_id = " + key1_), "1");
  expect_marks("1");
}

TEST_F(TwoPhaseSteps, RollsBackAllWhenOneShardCannotPrepare) {
  PgConn client = world_->proxy().connect();
  write_both(client);
  client.must("INSERT INTO late VALUES (" + key1_ + ", 7)");
  client.must("INSERT INTO late VALUES (" + key1_ +
              ", 7)");  // seen only when deferred constraints are checked
  const Answer answer = client.query("COMMIT");
  EXPECT_EQ(answer.sqlstate, "23505") << answer.message;
  EXPECT_EQ(PQtransactionStatus(client.raw()), PQTRANS_IDLE);
  expect_marks("0");
  EXPECT_EQ(world_->sum("SELECT count(*) FROM pg_prepared_xacts"), 0);
  write_both(client);
  EXPECT_EQ(client.must("COMMIT").tag, "COMMIT");
  expect_marks("1");
}

TEST_F(TwoPhaseSteps, FinishesACommitWhoseClientIsGone) {
  auto client = std::make_unique<PgConn>(world_->proxy().connect());
  write_both(*client);
  PgConn lock = world_->cluster().primary(0).superuser();
  lock.must("BEGIN; LOCK TABLE howdah.decisions IN EXCLUSIVE MODE");
  ASSERT_EQ(PQsendQuery(client->raw(), "COMMIT"), 1);
  testing::await("the decision to wait", [] { return prepared(1) == 1 && decider("count(*)") == "1"; });
  client.reset();
  lock.must("COMMIT");
  testing::await("both shards to have it", [] { return world_->sum("SELECT count(*) FROM marks") == 2; });
  EXPECT_TRUE(world_->nothing_open());
}

}  // namespace
}  // namespace howdah::faults
