// How many server connections there may be, and who gets them.
#include <atomic>
#include <thread>

#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

using PoolLimits = Limits;

// Clients that run one short statement after another until they are stopped.
class Crew {
 public:
  Crew(HowdahProcess& howdah, const std::string& role, int count, const std::string& sql) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, &howdah, role, sql] {
        PgConn client(howdah.url(role));
        while (!stop_) {
          const Answer said = client.query(sql);
          if (!said.ok()) ++errors_;
          ++done_;
        }
      });
    }
  }
  ~Crew() { stop(); }
  void stop() {
    stop_ = true;
    for (auto& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  long done() const { return done_; }
  long errors() const { return errors_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<long> done_{0}, errors_{0};
  std::vector<std::thread> threads_;
};

TEST_F(PoolLimits, BoundTheConnectionsToOneServer) {
  start({.pool = "{ size: 10, wait_timeout: 200ms }", .limits = "{ server_connections: 3 }"});
  auto app = holders("app", 2);
  PgConn cold = connect("cold");
  auto hot = holders("hot", 1);
  EXPECT_EQ(cold.query("SELECT 1").sqlstate, "53300");
  EXPECT_EQ(backends(), 3);
  hot[0].must("COMMIT");
  EXPECT_EQ(cold.query("SELECT 1").text(), "1") << "an idle connection of another pool makes room";
  EXPECT_LE(backends(), 3);
}

TEST_F(PoolLimits, BoundTheConnectionsOfOneUser) {
  start({.pool = "{ size: 10, wait_timeout: 200ms }", .hot = ", limits: { server_connections: 2 }"});
  auto hot = holders("hot", 2);
  EXPECT_EQ(connect("hot").query("SELECT 1").sqlstate, "53300");
  EXPECT_EQ(connect("cold").query("SELECT 1").text(), "1") << "others are not held up";
  reload({.pool = "{ size: 10, wait_timeout: 200ms }"});
  EXPECT_EQ(connect("hot").query("SELECT 1").text(), "1");
}

TEST_F(PoolLimits, BoundTheConnectionsToOneDatabase) {
  start({.pool = "{ size: 10, wait_timeout: 200ms }", .database = "limits: { server_connections: 2 }"});
  PgConn cold = connect("cold");
  auto app = holders("app", 1);
  auto hot = holders("hot", 1);
  EXPECT_EQ(cold.query("SELECT 1").sqlstate, "53300");
  EXPECT_EQ(backends(), 2);
}

TEST_F(PoolLimits, OfAUserAndADatabaseCountBeforeTheFiles) {
  start({.pool = "{ size: 1, wait_timeout: 200ms }",
         .hot = ", limits: { pool_size: 3, wait_timeout: 100ms }",
         .database = "limits: { pool_size: 2 }"});
  auto app = holders("app", 2);
  EXPECT_EQ(connect("app").query("SELECT 1").sqlstate, "53300");
  auto hot = holders("hot", 3);
  const auto refused = connect("hot").query("SELECT 1");
  EXPECT_EQ(refused.sqlstate, "53300");
  EXPECT_NE(refused.detail.find("waited 100 ms"), std::string::npos) << refused.detail;
}

// Forty clients of one user and one of another want two connections: the one is not behind the forty.
TEST_F(PoolLimits, ThatPoolsShareAreSharedFairly) {
  start({.pool = "{ size: 10, wait_timeout: 20s }", .limits = "{ server_connections: 4 }"});
  Crew hot(*howdah_, "hot", 40, "SELECT pg_sleep(0.004)");
  ASSERT_TRUE(testing::wait_until([&] { return hot.done() > 100; }));
  PgConn cold = connect("cold");
  const long before = hot.done();
  std::vector<double> waits;
  EXPECT_TRUE(testing::wait_until([&] {
    const auto begun = Clock::now();
    EXPECT_EQ(cold.query("SELECT 1").text(), "1");
    waits.push_back(std::chrono::duration<double>(Clock::now() - begun).count());
    return waits.size() >= 40 && hot.done() > before + 40;
  })) << "the others go on, too";
  // In a queue of forty at 4 ms a statement on four connections, each turn would be 40 ms and more.
  std::sort(waits.begin(), waits.end());
  EXPECT_LT(waits[waits.size() / 2], 0.040) << "the median wait of the one";
  EXPECT_LE(backends(), 4);
  hot.stop();
  EXPECT_EQ(hot.errors(), 0);
}

TEST_F(PoolLimits, OfOneConnectionInAllGoBackAndForthBetweenPools) {
  start({.pool = "{ size: 10, wait_timeout: 20s }", .limits = "{ server_connections: 1 }"});
  Crew hot(*howdah_, "hot", 6, "SELECT 1");
  Crew cold(*howdah_, "cold", 6, "SELECT 1");
  Crew app(*howdah_, "app", 6, "SELECT 1");
  EXPECT_TRUE(testing::wait_until([&] { return hot.done() > 20 && cold.done() > 20 && app.done() > 20; }));
  hot.stop();
  cold.stop();
  app.stop();
  EXPECT_EQ(hot.errors() + cold.errors() + app.errors(), 0);
  EXPECT_LE(backends(), 1);
}

TEST_F(PoolLimits, KeepTheMinimumOpenOnceAClientCame) {
  start({.pool = "{ size: 10, min_size: 4, idle_timeout: 1s }"});
  EXPECT_EQ(backends("app"), 0) << "nobody came yet";
  connect().must("SELECT 1");
  EXPECT_TRUE(reaches("app", 4));
  superuser_->must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
  EXPECT_TRUE(reaches("app", 4)) << "and are opened again";
  // Longer than idle_timeout, and a round of housekeeping: those below the minimum stay.
  const std::string pids = "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE usename = 'app'";
  const std::string opened = superuser_->scalar(pids);
  EXPECT_FALSE(testing::wait_until([&] { return superuser_->scalar(pids) != opened; }, milliseconds(2500)));
}

TEST_F(PoolLimits, OpenTheReserveForThoseWhoWaitedLong) {
  start({.pool = "{ size: 1, reserve_size: 1, reserve_timeout: 400ms, wait_timeout: 2s }"});
  auto first = holders("app", 1);
  PgConn second = connect();
  const auto begun = Clock::now();
  second.must("BEGIN");
  EXPECT_EQ(second.query("SELECT 1").text(), "1");
  EXPECT_GE(Clock::now() - begun, milliseconds(390)) << "not at once";
  EXPECT_EQ(connect().query("SELECT 1").sqlstate, "53300") << "the reserve is spent, too";
  second.must("COMMIT");
  EXPECT_TRUE(reaches("app", 1)) << "it is closed when nobody waits";
  first[0].must("COMMIT");
}

TEST_F(PoolLimits, TellAWaitingClientOnce) {
  start({.pool = "{ size: 1, wait_notice: 200ms, wait_timeout: 900ms }"});
  auto holder = holders("app", 1);
  PgConn client = connect();
  Heard heard(client);
  const auto refused = client.query("SELECT 1");
  EXPECT_EQ(refused.sqlstate, "53300");
  EXPECT_EQ(heard.all(), std::vector<std::string>{"00000 waiting for a server connection"});
  send(client, "SELECT 'served'");
  testing::await("the second notice", [&] {
    PQconsumeInput(client.raw());
    PQisBusy(client.raw());
    return heard.all().size() == 2;
  });
  holder[0].must("COMMIT");
  EXPECT_EQ(answer(client).text(), "served");
  EXPECT_EQ(heard.all().size(), 2u);
}

}  // namespace
}  // namespace howdah::e2e_limits
