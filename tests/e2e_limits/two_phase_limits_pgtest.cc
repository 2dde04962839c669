// Once a two-phase commit has begun, neither a timeout nor a cancel stops it.
#include <gtest/gtest.h>

#include <future>

#include "tests/e2e_faults/world.h"
#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {
namespace {

using testing::Answer;
using testing::PgConn;

TEST(TwoPhaseLimits, LetACommitThatHasBegunEnd) {
  testing::HowdahOptions options;
  options.tables = "marks: { hash: user_id }";
  options.extra = "limits: { query_timeout: 1s, transaction_timeout: 4s }";
  faults::World world({.shards = 2}, options);
  world.must("CREATE TABLE marks (user_id bigint, number int)");
  const std::string first = std::to_string(world.keys_on(0, 1)[0]), second = std::to_string(world.keys_on(1, 1)[0]);
  PgConn client = world.proxy().connect();
  PgConn lock = world.cluster().primary(0).superuser();
  lock.must("BEGIN; LOCK TABLE howdah.decisions IN EXCLUSIVE MODE");
  client.must("BEGIN");
  client.must("INSERT INTO marks VALUES (" + first + ", 1)");
  client.must("INSERT INTO marks VALUES (" + second + ", 1)");
  e2e_pool::send(client, "COMMIT");
  testing::await("the decision to wait", [&] {
    return world.cluster().primary(0).run_sql(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%howdah.decide%' AND wait_event_type = 'Lock'").scalar() == "1";
  });
  // Longer than both limits, with cancels on top.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  EXPECT_FALSE(testing::wait_until(
      [&] {
        e2e_pool::cancel(client);
        return e2e_pool::answered(client) || std::chrono::steady_clock::now() > until;
      },
      std::chrono::milliseconds(4900)));
  lock.must("COMMIT");
  const Answer said = e2e_pool::answer(client);
  EXPECT_EQ(said.tag, "COMMIT") << said.sqlstate << " " << said.message;
  EXPECT_EQ(world.sum("SELECT count(*) FROM marks"), 2);
  EXPECT_TRUE(world.nothing_in_doubt());
  EXPECT_EQ(client.query("SELECT pg_sleep(20)").sqlstate, "57014") << "afterwards they count again";
}

}  // namespace
}  // namespace howdah::e2e_limits
