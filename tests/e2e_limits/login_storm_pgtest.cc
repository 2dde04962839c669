// A storm of logins while clients run statements: all logins succeed, and the statements go on. How long they take is
// bench/storm's to measure.
#include <thread>

#include "tests/e2e_limits/limits_fixture.h"
#include "tests/support/login_storm.h"

namespace howdah::e2e_limits {
namespace {

using LoginStorm = Limits;

TEST_F(LoginStorm, LosesNoLoginAndStopsNobody) {
  start({.pool = "{ size: 4 }"});
  const testing::StormTarget target{.port = howdah_->port()};
  testing::StormResult storm;
  std::thread thread([&] { storm = testing::login_storm(target, 150, seconds(4)); });
  const auto load = testing::run_load(target, 30, "SELECT 1", milliseconds(10), seconds(3));
  thread.join();
  EXPECT_EQ(storm.failures, 0u) << storm.first_failure;
  EXPECT_GT(storm.logins, 0u);
  EXPECT_EQ(load.errors, 0u);
  EXPECT_GE(load.milliseconds.size(), 30u) << "everybody got an answer";
  EXPECT_LT(load.percentile(99), 2000) << "ms: nobody is forgotten";
  EXPECT_LE(backends(), 4) << "a login needs no server connection of its own";
}

TEST_F(LoginStorm, BeyondTheLimitIsToldSoAndLeavesThoseAlone) {
  start({.pool = "{ size: 4 }", .hot = ", limits: { clients: 1 }"});
  PgConn only = connect("hot");
  testing::StormResult storm;
  const testing::StormTarget refused{.port = howdah_->port(), .user = "hot", .password = "hot"};
  std::thread thread([&] { storm = testing::login_storm(refused, 150, seconds(2)); });
  const auto load = testing::run_load({.port = howdah_->port()}, 10, "SELECT 1", milliseconds(10), seconds(1));
  thread.join();
  EXPECT_EQ(storm.logins, 0u);
  EXPECT_GT(storm.failures, 0u);
  EXPECT_EQ(storm.first_failure, "53300 too many connections for role \"hot\"");
  EXPECT_EQ(load.errors, 0u);
  EXPECT_EQ(only.query("SELECT 1").text(), "1");
}

}  // namespace
}  // namespace howdah::e2e_limits
