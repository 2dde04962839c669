// Where a user's reads may go: to replicas, never to them, or only to them; and tokens of what a client has seen.
#include <gtest/gtest.h>

#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::PgConn;
using testing::server_of;

class ReadPolicy : public ::testing::Test {
 protected:
  void start(const std::string& user, const std::string& database) {
    options_.database_extra = database;
    world_ = std::make_unique<World>(testing::PgCluster::Options{.shards = 1, .replicas = 1}, options_);
    world_->must("CREATE TABLE marks (id bigint PRIMARY KEY, number bigint)");
    world_->must("INSERT INTO marks VALUES (0, 0)");
    world_->cluster().wait_replayed();
    if (!user.empty()) change(user);
  }
  // Of role app, while the proxy runs.
  void change(const std::string& user) {
    auto& proxy = world_->proxy();
    std::string yaml = testing::howdah_yaml(world_->cluster(), options_, proxy.port(), proxy.http_port());
    const auto at = yaml.find("name: app");
    ASSERT_NE(at, std::string::npos) << yaml;
    yaml.insert(at + 9, ", " + user);
    proxy.rewrite_config(yaml);
    PgConn admin = proxy.connect("admin", "howdah");
    admin.must("RELOAD");
  }
  PgConn connect() { return world_->proxy().connect(); }
  // A read with the first server that it is answered by once the client is known to be able to read on a replica.
  void reads_on(const std::string& role, PgConn& client) {
    testing::await("a read on a " + role, [&] { return client.query("SELECT number FROM marks").ok() && server_of(client).starts_with(role); });
  }

  testing::HowdahOptions options_;
  std::unique_ptr<World> world_;
};

TEST_F(ReadPolicy, OfAUserCountsBeforeThatOfTheDatabase) {
  start("replica_reads: off", "replica_reads: on");
  PgConn client = connect();
  for (int i = 0; i < 30; ++i) {
    client.must("SELECT number FROM marks");
    ASSERT_TRUE(server_of(client).starts_with("primary"));
  }
  change("replica_reads: on");
  PgConn other = connect();
  reads_on("replica", other);
}

TEST_F(ReadPolicy, OfReplicasOnlyKeepsReadsOffThePrimary) {
  start("replica_reads: only", "");
  PgConn client = connect();
  reads_on("replica", client);
  client.must("UPDATE marks SET number = 5");
  // Its own write it sees, on the replica, or it is told that it cannot now; never another value, never on the primary.
  bool seen = false;
  testing::await("the client's own write on the replica", [&] {
    const auto answer = client.query("SELECT number FROM marks");
    if (!answer.ok()) {
      EXPECT_EQ(answer.sqlstate, "08006") << answer.message;
      return false;
    }
    EXPECT_EQ(answer.text(), "5");
    EXPECT_TRUE(server_of(client).starts_with("replica"));
    return seen = true;
  });
  EXPECT_TRUE(seen);
  client.must("BEGIN");
  EXPECT_EQ(client.must("SELECT number FROM marks").text(), "5") << "a transaction that may write is the primary's";
  EXPECT_TRUE(server_of(client).starts_with("primary"));
  client.must("COMMIT");
  world_->cluster().replica(0, 0).kill9();
  testing::await("an error once the replica is gone", [&] { return client.query("SELECT number FROM marks").sqlstate == "08006"; });
  client.must("UPDATE marks SET number = 6");
}

// The primary's own work goes on when its replicas are down; theirs does not come on top.
TEST_F(ReadPolicy, MayProtectThePrimaryFromTheReadsOfReplicasThatAreDown) {
  start("", "primary_reads: false");
  PgConn client = connect();
  reads_on("replica", client);
  client.must("UPDATE marks SET number = 1");
  EXPECT_EQ(client.must("SELECT number FROM marks").text(), "1") << "a replica that is only behind is no reason";
  world_->cluster().replica(0, 0).kill9();
  testing::await("a refusal", [&] {
    const auto answer = client.query("SELECT number FROM marks");
    return answer.sqlstate == "08006" && answer.message == "all replicas of shard s0 are down";
  });
  client.must("UPDATE marks SET number = 2");
  EXPECT_EQ(client.must("/* howdah.role = 'primary' */ SELECT number FROM marks").text(), "2");
  client.must("BEGIN; SELECT number FROM marks; COMMIT");
  world_->cluster().replica(0, 0).start();
  reads_on("replica", client);
}

TEST_F(ReadPolicy, GivesWayToTokensOfWhatAClientHasSeen) {
  start("", "max_lag: 0");
  PgConn writer = connect();
  writer.must("UPDATE marks SET number = 7");
  const std::string token = writer.must("SHOW howdah.token").text();
  EXPECT_TRUE(token.starts_with("howdah1:")) << token;
  EXPECT_EQ(connect().query("SET howdah.token = 'nonsense'").sqlstate, "22023");
  EXPECT_EQ(connect().query("SET howdah.token = 'howdah1:other:1:s0=1/10'").sqlstate, "22023");
  EXPECT_EQ(connect().query("SET howdah.token = 'howdah1:howdah:1:nowhere=1/10'").sqlstate, "22023");
  // It is good at once for a replica that has replayed it.
  world_->cluster().wait_replayed();
  testing::await("a new client's first read on the replica", [&] {
    PgConn reader = connect();
    reader.must("SET howdah.token = '" + token + "'");
    EXPECT_EQ(reader.must("SELECT number FROM marks").text(), "7");
    return server_of(reader).starts_with("replica");
  });
  PgConn stopped = world_->cluster().replica(0, 0).superuser();
  stopped.must("SELECT pg_wal_replay_pause()");
  testing::await("replay is paused", [&] { return stopped.must("SELECT pg_get_wal_replay_pause_state()").text() == "paused"; });
  writer.must("UPDATE marks SET number = 8");
  const std::string later = writer.must("SHOW howdah.token").text();
  EXPECT_NE(later, token);
  for (int i = 0; i < 5; ++i) {
    PgConn reader = connect();
    reader.must("SET howdah.token = '" + later + "'");
    EXPECT_EQ(reader.must("SELECT number FROM marks").text(), "8");
    EXPECT_TRUE(server_of(reader).starts_with("primary"));
    PgConn old = connect();
    old.must("SET howdah.token = '" + token + "'");
    EXPECT_EQ(old.must("SELECT number FROM marks").text(), "7") << "all that it asked for";
    EXPECT_TRUE(server_of(old).starts_with("replica"));
  }
  writer.must("BEGIN");
  EXPECT_EQ(writer.query("SHOW howdah.token").sqlstate, "25001");
  writer.must("ROLLBACK");
  EXPECT_EQ(writer.must("SHOW howdah.token").columns.at(0), "howdah.token");
  stopped.must("SELECT pg_wal_replay_resume()");
}

}  // namespace
}  // namespace howdah::faults
