// A shard's primary is lost in the middle of commits over two shards: each is on both or on none, and recovery follows the new primary.
#include <gtest/gtest.h>

#include <set>

#include "tests/e2e_faults/world.h"
#include "tests/e2e_faults/app_client.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::Answer;
using testing::PgConn;

std::set<long> numbers(const testing::PgServer& server) {
  std::set<long> out;
  for (const auto& row : server.superuser().must("SELECT number FROM marks").rows) out.insert(std::stol(*row[0]));
  return out;
}

TEST(FailoverTwoPhase, CommitsOnBothShardsOrOnNone) {
  testing::HowdahOptions options;
  options.tables = "marks: { hash: user_id }";
  options.database_extra = "failover_wait: 20s";
  World world({.shards = 2, .replicas = 1}, options);
  world.must("CREATE TABLE marks (user_id bigint, number bigint)");
  const std::string here = std::to_string(world.keys_on(0, 1)[0]), there = std::to_string(world.keys_on(1, 1)[0]);
  auto& lost = world.cluster().primary(1);
  auto& promoted = world.cluster().replica(1);
  lost.run_sql("ALTER SYSTEM SET synchronous_standby_names = 's1r0'");
  lost.run_sql("SELECT pg_reload_conf()");
  testing::await("a synchronous standby",
                 [&] { return lost.superuser().scalar("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"; });

  Books books;
  std::atomic<long> next{0};
  Crew crew;
  for (int i = 0; i < 12; ++i) {
    crew.add([&](const std::atomic<bool>& stopped) {
      AppClient client([&] { return world.url(); });
      while (!stopped) {
        const long number = ++next;
        const std::string n = std::to_string(number);
        books.note(number, client.transaction({"BEGIN", "INSERT INTO marks VALUES (" + here + ", " + n + ")",
                                               "INSERT INTO marks VALUES (" + there + ", " + n + ")", "COMMIT"}));
      }
    });
  }
  testing::await("commits", [&] { return books.done_count() > 100; });
  lost.kill9();
  promoted.promote();
  const std::size_t before = books.done_count();
  testing::await("commits on the new primary", [&] { return books.done_count() > before + 100; });
  crew.stop();
  const auto prepared = [](const testing::PgServer& server) { return server.superuser().scalar("SELECT count(*) FROM pg_prepared_xacts"); };
  testing::await("nothing in doubt", [&] { return prepared(world.cluster().primary(0)) == "0" && prepared(promoted) == "0"; });
  const auto first = numbers(world.cluster().primary(0)), second = numbers(promoted);
  EXPECT_EQ(first, second) << "a transaction is on one shard only";
  books.expect_kept(first, "after the failover");
}

}  // namespace
}  // namespace howdah::faults
