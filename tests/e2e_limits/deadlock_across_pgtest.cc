// Transactions of two proxies over the same shards, each of which holds a row that the other one waits for.
#include <gtest/gtest.h>

#include "tests/e2e_faults/world.h"
#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {
namespace {

using e2e_pool::answer;
using e2e_pool::answered;
using e2e_pool::send;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

class DeadlockAcross : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.tables = "marks: { hash: user_id }";
    world_ = std::make_unique<faults::World>(testing::PgCluster::Options{.shards = 2}, options_);
    world_->must("CREATE TABLE marks (user_id bigint, number int)");
    for (int shard : {0, 1}) {
      for (const long key : world_->keys_on(shard, 2)) {
        keys_[shard].push_back(key);
        world_->must("INSERT INTO marks VALUES (" + std::to_string(key) + ", 0)");
      }
    }
    second_ = std::make_unique<testing::HowdahProcess>(world_->cluster(), options_);
  }
  PgConn through(int proxy) { return proxy == 0 ? world_->proxy().connect() : second_->connect(); }
  std::string touch(int shard, int row = 0) const {
    return "UPDATE marks SET number = number + 1 WHERE user_id = " + std::to_string(keys_[shard][static_cast<std::size_t>(row)]);
  }
  PgConn touching(int proxy, int shard, int row = 0) {
    PgConn client = through(proxy);
    client.must("BEGIN");
    client.must(touch(shard, row));
    return client;
  }
  void await_row_waits(int shard, int count) {
    PgConn server = world_->cluster().primary(shard).superuser();
    ASSERT_TRUE(testing::wait_until([&] { return server.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") == std::to_string(count); },
                                    std::chrono::seconds(10)));
  }
  // 40P01 or the tag of those that went on.
  static std::string outcome(PgConn& client) {
    const testing::Answer said = answer(client);
    return said.ok() ? said.tag : said.sqlstate;
  }

  testing::HowdahOptions options_;
  std::unique_ptr<faults::World> world_;
  std::unique_ptr<testing::HowdahProcess> second_;
  std::vector<long> keys_[2];  // by shard
};

TEST_F(DeadlockAcross, EndsWith40P01ForTheYoungerAndTheOlderGoesOn) {
  for (int round = 0; round < 4; ++round) {
    const int first = round % 2;  // the older one's proxy
    PgConn older = touching(first, 0);
    PgConn younger = touching(1 - first, 1);
    const auto begun = Clock::now();
    send(older, touch(1));
    await_row_waits(1, 1);
    send(younger, touch(0));
    EXPECT_EQ(outcome(younger), "40P01");
    EXPECT_LT(Clock::now() - begun, std::chrono::seconds(20));
    EXPECT_EQ(outcome(older), "UPDATE 1") << "though the younger one has not said ROLLBACK yet";
    EXPECT_EQ(older.query("COMMIT").tag, "COMMIT");
    EXPECT_EQ(younger.query("COMMIT").tag, "ROLLBACK");
  }
  EXPECT_EQ(world_->sum("SELECT sum(number) FROM marks"), 8) << "one of each two";
}

TEST_F(DeadlockAcross, OfThreeTransactionsHasOneVictim) {
  PgConn one = touching(0, 0, 0), two = touching(1, 1, 0), three = touching(0, 0, 1);
  send(one, touch(1, 0));  // for two
  await_row_waits(1, 1);
  two.must("SELECT 1");
  PgConn beside = touching(1, 1, 1);
  send(three, touch(1, 1));  // for the one beside, which is in no ring yet
  await_row_waits(1, 2);
  send(two, touch(0, 1));     // for three
  send(beside, touch(0, 0));  // for one
  PgConn* all[] = {&one, &two, &three, &beside};
  // A ring of four: the youngest gives up, and the others follow each other.
  ASSERT_TRUE(testing::wait_until([&] { return answered(beside); }, std::chrono::seconds(20)));
  EXPECT_EQ(outcome(beside), "40P01");
  EXPECT_EQ(outcome(three), "UPDATE 1");
  three.must("COMMIT");
  EXPECT_EQ(outcome(two), "UPDATE 1");
  two.must("COMMIT");
  EXPECT_EQ(outcome(one), "UPDATE 1");
  one.must("COMMIT");
  for (PgConn* client : all) EXPECT_TRUE(client->query("ROLLBACK").ok());
}

TEST_F(DeadlockAcross, SeesStrangersThatWait) {
  PgConn older = touching(0, 0, 0), younger = touching(0, 1, 0);
  // Not through any proxy: on shard 0, waits for the older one and holds what the younger one wants.
  PgConn stranger = world_->cluster().primary(0).superuser();
  stranger.must("BEGIN");
  stranger.must(touch(0, 1));
  send(stranger, touch(0, 0));
  await_row_waits(0, 1);
  send(older, touch(1, 0));
  await_row_waits(1, 1);
  send(younger, touch(0, 1));
  EXPECT_EQ(outcome(younger), "40P01");
  EXPECT_EQ(outcome(older), "UPDATE 1");
  older.must("COMMIT");
  EXPECT_EQ(outcome(stranger), "UPDATE 1");
  stranger.must("COMMIT");
}

TEST_F(DeadlockAcross, IsNoneWhileTheHolderCanGoOn) {
  PgConn holder = touching(1, 1), waiting = touching(0, 0);
  PgConn behind = touching(1, 1, 1);
  send(waiting, touch(1));
  send(behind, touch(0));
  await_row_waits(1, 1);
  await_row_waits(0, 1);
  EXPECT_FALSE(testing::wait_until([&] { return answered(waiting) || answered(behind); }, std::chrono::milliseconds(6000)));
  holder.must("COMMIT");
  EXPECT_EQ(outcome(waiting), "UPDATE 1");
  waiting.must("COMMIT");
  EXPECT_EQ(outcome(behind), "UPDATE 1");
  behind.must("COMMIT");
}

}  // namespace
}  // namespace howdah::e2e_limits
