// How reads are shared among replicas, and who gets none. https://www.postgresql.org/docs/15/hot-standby.html
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::PgConn;
using testing::server_of;

class Balance : public ::testing::Test {
 protected:
  static std::unique_ptr<World> world(const std::string& extra) {
    testing::HowdahOptions options;
    options.database_extra = extra;
    auto out = std::make_unique<World>(testing::PgCluster::Options{.shards = 1, .replicas = 2}, options);
    out->must("CREATE TABLE marks (id bigint PRIMARY KEY, number bigint)");
    out->must("INSERT INTO marks VALUES (0, 0)");
    out->cluster().wait_replayed();
    // From here on both replicas are known to show all of it.
    testing::await("reads on both replicas", [&] { return servers(*out, 8, "SELECT 1 FROM marks").size() == 2; });
    return out;
  }
  // Where a read of each of so many clients, which are there at the same time, is answered: by a replica, after a while, as one
  // has to show all that was there when they came.
  static std::map<std::string, int> servers(World& world, int clients, const std::string& read, const std::string& before = "") {
    std::map<std::string, int> out;
    std::vector<PgConn> all;
    for (int i = 0; i < clients; ++i) {
      all.push_back(world.proxy().connect());
      if (!before.empty()) all.back().must(before);
    }
    for (PgConn& client : all) {
      std::string server;
      testing::await("a read on a replica", [&] {
        client.must(read);
        server = server_of(client);
        return server.starts_with("replica ");
      });
      ++out[server];
    }
    return out;
  }
};

TEST_F(Balance, SharesReadsAmongReplicas) {
  for (const char* policy : {"least_outstanding", "round_robin", "weighted", "fastest"}) {
    const auto shared = world("balance: " + std::string(policy));
    const auto counts = servers(*shared, 60, "SELECT number FROM marks");
    EXPECT_EQ(counts.size(), 2u) << policy;
    // Which is the fastest, the machine says.
    const int least = std::string_view(policy) == "fastest" ? 1 : 15;
    for (const auto& [server, count] : counts) EXPECT_GE(count, least) << policy << " " << server;
  }
}

// A replica that does not replay is not read beyond max_lag, not even by those who do not mind; and is again when it has caught up.
TEST_F(Balance, SetsAsideWhoFallsBehind) {
  const auto lagging = world("max_lag: 400ms");
  PgConn stopped = lagging->cluster().replica(0, 0).superuser();
  const std::string eventual = "SET howdah.consistency = eventual";
  const std::string read = "SELECT number FROM marks";
  stopped.must("SELECT pg_wal_replay_pause()");
  testing::await("replay is paused", [&] { return stopped.must("SELECT pg_get_wal_replay_pause_state()").rows.at(0)[0] == "paused"; });
  std::string left;
  testing::await("one replica is left", [&] {
    lagging->must("UPDATE marks SET number = number + 1");
    const auto counts = servers(*lagging, 6, read, eventual);
    left = counts.begin()->first;
    return counts.size() == 1;
  });
  for (int i = 0; i < 3; ++i) {
    const auto counts = servers(*lagging, 6, read, eventual);
    EXPECT_EQ(counts.size(), 1u);
    EXPECT_EQ(counts.begin()->first, left);
  }
  stopped.must("SELECT pg_wal_replay_resume()");
  testing::await("both are read again", [&] { return servers(*lagging, 6, read, eventual).size() == 2; });
}

TEST_F(Balance, SetsAsideWhoIsBehindByBytes) {
  const auto lagging = world("max_lag: 0\nmax_lag_bytes: 64kB");
  PgConn stopped = lagging->cluster().replica(0, 0).superuser();
  stopped.must("SELECT pg_wal_replay_pause()");
  testing::await("replay is paused", [&] { return stopped.must("SELECT pg_get_wal_replay_pause_state()").rows.at(0)[0] == "paused"; });
  const std::string eventual = "SET howdah.consistency = eventual";
  EXPECT_EQ(servers(*lagging, 6, "SELECT number FROM marks", eventual).size(), 2u) << "a little behind is near enough";
  lagging->must("INSERT INTO marks SELECT i, i FROM generate_series(1, 5000) i");
  testing::await("one replica is left", [&] {
    const auto counts = servers(*lagging, 6, "SELECT number FROM marks WHERE id = 0", eventual);
    return counts.size() == 1;
  });
  stopped.must("SELECT pg_wal_replay_resume()");
  testing::await("both are read again", [&] { return servers(*lagging, 6, "SELECT number FROM marks WHERE id = 0", eventual).size() == 2; });
}

// Who comes back gets little at first.
TEST_F(Balance, StartsSlowlyWithWhoComesBack) {
  const auto shared = world("balance: weighted\nslow_start: 3600s");
  auto& replica = shared->cluster().replica(0, 0);
  replica.kill9();
  testing::await("reads on the other replica only", [&] {
    const auto counts = servers(*shared, 6, "SELECT number FROM marks");
    return counts.size() == 1;
  });
  replica.start();
  // A fiftieth of the other's share: of a hundred clients it is a few, and some time it is one.
  std::map<std::string, int> counts;
  testing::await("a read on the replica that came back", [&] {
    for (const auto& [server, count] : servers(*shared, 20, "SELECT number FROM marks")) counts[server] += count;
    return counts.size() == 2;
  });
  counts = servers(*shared, 60, "SELECT number FROM marks");
  int most = 0;
  for (const auto& [server, count] : counts) most = std::max(most, count);
  EXPECT_GT(most, 45);
}

}  // namespace
}  // namespace howdah::faults
