// Transactions over two shards whose pools are spent: each holds what the other waits for.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/e2e_faults/world.h"
#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {
namespace {

using e2e_pool::answer;
using e2e_pool::answered;
using e2e_pool::Console;
using e2e_pool::send;
using testing::Answer;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

class PoolDeadlock : public ::testing::Test {
 protected:
  void start(int size) {
    testing::HowdahOptions options;
    options.tables = "marks: { hash: user_id }";
    options.pool = "{ size: " + std::to_string(size) + ", wait_timeout: 60s }";
    world_ = std::make_unique<faults::World>(testing::PgCluster::Options{.shards = 2}, options);
    world_->must("CREATE TABLE marks (user_id bigint, number int)");
    keys_ = {world_->keys_on(0, 1)[0], world_->keys_on(1, 1)[0]};
    for (int i = 0; i < 4; ++i) world_->proxy().connect();
  }
  std::string insert(int shard, int number) const {
    return "INSERT INTO marks VALUES (" + std::to_string(keys_[static_cast<std::size_t>(shard)]) + ", " +
           std::to_string(number) + ")";
  }
  PgConn holding(int shard, int number) {
    PgConn client = world_->proxy().connect();
    client.must("BEGIN");
    client.must(insert(shard, number));
    return client;
  }
  std::unique_ptr<faults::World> world_;
  std::vector<long> keys_;
};

TEST_F(PoolDeadlock, EndsWith40P01ForTheYoungerAndTheOlderGoesOn) {
  start(1);
  PgConn older = holding(0, 1);
  PgConn younger = holding(1, 2);
  const auto begun = Clock::now();
  send(older, insert(1, 1));
  send(younger, insert(0, 2));
  const Answer lost = answer(younger);
  EXPECT_EQ(lost.sqlstate, "40P01") << lost.message;
  EXPECT_EQ(lost.message, "deadlock detected");
  EXPECT_LT(Clock::now() - begun, std::chrono::seconds(10));
  // Though the younger one has not said ROLLBACK yet.
  EXPECT_EQ(answer(older).tag, "INSERT 0 1");
  EXPECT_EQ(older.query("COMMIT").tag, "COMMIT");
  EXPECT_EQ(younger.query("SELECT 1").sqlstate, "25P02");
  EXPECT_EQ(younger.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(younger.query(insert(0, 3)).tag, "INSERT 0 1") << "its session goes on";
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks WHERE number = 1"), 2);
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks WHERE number = 2"), 0);
}

TEST_F(PoolDeadlock, LosesTheWholeTransactionWhateverSavepointsItHas) {
  start(1);
  PgConn older = holding(0, 1);
  PgConn younger = world_->proxy().connect();
  younger.must("BEGIN");
  younger.must(insert(1, 2));
  younger.must("SAVEPOINT s");
  send(older, insert(1, 1));
  send(younger, insert(0, 2));
  EXPECT_EQ(answer(younger).sqlstate, "40P01");
  EXPECT_FALSE(younger.query("ROLLBACK TO s").ok()) << "what was written before it is gone";
  EXPECT_EQ(younger.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(answer(older).tag, "INSERT 0 1");
  older.must("COMMIT");
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks WHERE number = 2"), 0);
}

TEST_F(PoolDeadlock, IsNoneWhileAnyHolderCanGoOn) {
  start(2);
  PgConn one = holding(0, 1), two = holding(1, 2);
  PgConn busy_zero = holding(0, 3), busy_one = holding(1, 4);
  send(one, insert(1, 1));
  send(two, insert(0, 2));
  // Longer than any check for a deadlock takes: both wait for those that will come back.
  EXPECT_FALSE(testing::wait_until([&] { return answered(one) || answered(two); }, std::chrono::milliseconds(1500)));
  busy_zero.must("COMMIT");
  EXPECT_EQ(answer(two).tag, "INSERT 0 1");
  two.must("COMMIT");
  EXPECT_EQ(answer(one).tag, "INSERT 0 1");
  one.must("COMMIT");
  busy_one.must("COMMIT");
}

// Many transactions in either order on two connections a shard: whatever they run into, all end, whole or not at all.
TEST_F(PoolDeadlock, NeverStopsACrowd) {
  start(2);
  constexpr int kClients = 6, kRounds = 5;
  std::atomic<int> committed{0}, deadlocks{0};
  std::vector<std::string> faults(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      PgConn client(world_->url());
      for (int round = 0; round < kRounds && faults[static_cast<std::size_t>(i)].empty();) {
        const int number = 1000 + i * 100 + round;
        const int first = (i + round) % 2;
        Answer said = client.query("BEGIN");
        for (int step = 0; step < 2 && said.ok(); ++step) said = client.query(insert(step == 0 ? first : 1 - first, number));
        if (said.ok()) said = client.query("COMMIT");
        if (said.ok()) {
          ++committed;
          ++round;
        } else if (said.sqlstate == "40P01") {
          ++deadlocks;
          client.query("ROLLBACK");
        } else {
          faults[static_cast<std::size_t>(i)] = said.sqlstate + ": " + said.message;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& fault : faults) EXPECT_EQ(fault, "");
  EXPECT_EQ(committed, kClients * kRounds);
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks WHERE number >= 1000"), 2 * kClients * kRounds);
  RecordProperty("deadlocks", deadlocks);
}

// Rows instead of connections: no server sees more than its own half of the ring.
class RowDeadlock : public PoolDeadlock {
 protected:
  void start(int size) {
    PoolDeadlock::start(size);
    world_->proxy().connect().must(insert(0, 0));
    world_->proxy().connect().must(insert(1, 0));
  }
  std::string touch(int shard) const {
    return "UPDATE marks SET number = number + 1 WHERE user_id = " + std::to_string(keys_[static_cast<std::size_t>(shard)]);
  }
  PgConn touching(int shard) {
    PgConn client = world_->proxy().connect();
    client.must("BEGIN");
    client.must(touch(shard));
    return client;
  }
  // That many of its connections are at work for clients, and wait for rows.
  void await_row_waits(int shard, int count) {
    PgConn server = world_->cluster().primary(shard).superuser();
    ASSERT_TRUE(testing::wait_until(
        [&] { return server.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") == std::to_string(count); }, std::chrono::seconds(10)));
  }
};

TEST_F(RowDeadlock, EndsWith40P01ForTheYoungerAndTheOlderGoesOn) {
  start(5);
  PgConn older = touching(0);
  PgConn younger = touching(1);
  send(older, touch(1));
  await_row_waits(1, 1);
  const auto begun = Clock::now();
  send(younger, touch(0));
  const Answer lost = answer(younger);
  EXPECT_EQ(lost.sqlstate, "40P01") << lost.message;
  EXPECT_EQ(lost.message, "deadlock detected");
  EXPECT_NE(lost.hint, "");
  EXPECT_LT(Clock::now() - begun, std::chrono::seconds(10));
  EXPECT_EQ(answer(older).tag, "UPDATE 1") << "though the younger one has not said ROLLBACK yet";
  EXPECT_EQ(older.query("COMMIT").tag, "COMMIT");
  EXPECT_EQ(younger.query("SELECT 1").sqlstate, "25P02");
  EXPECT_EQ(younger.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(younger.query(touch(0)).tag, "UPDATE 1") << "its session goes on";
  EXPECT_EQ(world_->sum("SELECT sum(number) FROM marks"), 3);
}

TEST_F(RowDeadlock, ThreeClientsAndTheExtendedProtocol) {
  start(5);
  std::vector<PgConn> clients;
  clients.push_back(touching(0));
  clients.push_back(touching(1));
  ASSERT_EQ(PQsendQueryParams(clients[0].raw(), touch(1).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0), 1);
  await_row_waits(1, 1);
  PgConn behind = world_->proxy().connect();
  send(behind, touch(0));
  await_row_waits(0, 1);
  ASSERT_EQ(PQsendQueryParams(clients[1].raw(), touch(0).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0), 1);
  EXPECT_EQ(answer(clients[1]).sqlstate, "40P01");
  EXPECT_EQ(answer(clients[0]).tag, "UPDATE 1");
  EXPECT_FALSE(answered(behind)) << "it waits for the older one's row";
  clients[0].must("COMMIT");
  EXPECT_EQ(answer(behind).tag, "UPDATE 1");
}

TEST_F(RowDeadlock, LosesTheWholeTransactionWhateverSavepointsItHas) {
  start(5);
  PgConn older = touching(0);
  PgConn younger = touching(1);
  younger.must("SAVEPOINT s");
  send(older, touch(1));
  await_row_waits(1, 1);
  send(younger, touch(0));
  EXPECT_EQ(answer(younger).sqlstate, "40P01");
  EXPECT_EQ(answer(older).tag, "UPDATE 1");
  EXPECT_FALSE(younger.query("ROLLBACK TO s").ok()) << "what was written before it is gone";
  EXPECT_EQ(younger.query("COMMIT").tag, "ROLLBACK");
  older.must("COMMIT");
  EXPECT_EQ(world_->sum("SELECT sum(number) FROM marks"), 2);
}

// Each of two holds a row whose other waiters fill the pool that the other one needs.
TEST_F(RowDeadlock, OfRowsAndPoolsTogether) {
  start(2);
  PgConn older = touching(0);
  PgConn younger = touching(1);
  PgConn behind_older = world_->proxy().connect(), behind_younger = world_->proxy().connect();
  send(behind_older, touch(0));
  send(behind_younger, touch(1));
  await_row_waits(0, 1);
  await_row_waits(1, 1);
  send(older, insert(1, 100));
  send(younger, insert(0, 100));
  EXPECT_EQ(answer(younger).sqlstate, "40P01");
  EXPECT_EQ(answer(older).tag, "INSERT 0 1");
  EXPECT_EQ(answer(behind_younger).tag, "UPDATE 1");
  older.must("COMMIT");
  EXPECT_EQ(answer(behind_older).tag, "UPDATE 1");
}

// Waiting long for a row is no deadlock.
TEST_F(RowDeadlock, IsNoneWhileTheHolderCanGoOn) {
  start(5);
  PgConn holder = touching(1);
  PgConn waiting = touching(0);
  send(waiting, touch(1));
  await_row_waits(1, 1);
  EXPECT_FALSE(testing::wait_until([&] { return answered(waiting); }, std::chrono::milliseconds(2500)));
  holder.must("COMMIT");
  EXPECT_EQ(answer(waiting).tag, "UPDATE 1");
  waiting.must("COMMIT");
}

}  // namespace
}  // namespace howdah::e2e_limits
