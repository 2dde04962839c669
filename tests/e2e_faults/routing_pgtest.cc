// Where statements go: rows to the shard of PostgreSQL's own hash, proven reads to replicas that have caught
// up, reference writes everywhere, and what cannot be proven nowhere.
#include <gtest/gtest.h>

#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::PgConn;

std::string route(PgConn& client, const std::string& column) {
  const auto answer = client.must("SHOW howdah.route");
  for (std::size_t i = 0; i < answer.columns.size(); ++i) {
    if (answer.columns[i] == column) return answer.rows.at(0)[i].value_or("");
  }
  return "no column " + column;
}

bool served_by_replica(PgConn& client, const std::string& sql) {
  return client.query(sql).ok() && route(client, "server").starts_with("replica ");
}

// Reads without a pause until a replica answers.
bool served_by_replica_soon(PgConn& client, const std::string& sql) {
  return testing::wait_until([&] { return served_by_replica(client, sql); });
}

// 300 times write, then read at once: whoever answers, the answer has the write in it.
void expect_own_writes(PgConn& client, const std::string& key) {
  client.must("INSERT INTO marks VALUES (" + key + ", 0)");
  const std::string read = "SELECT number FROM marks WHERE user_id = " + key;
  for (int i = 1; i <= 300; ++i) {
    client.must("UPDATE marks SET number = " + std::to_string(i) + " WHERE user_id = " + key);
    ASSERT_EQ(client.scalar(read), std::to_string(i));
  }
}

class Routing : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::HowdahOptions options;
    options.tables =
        "marks: { hash: user_id }\nevents: { hash: user_id }\nrates: { reference: true }\nsettings: { local: "
        "s1 }";
    world_ = std::make_unique<World>(testing::PgCluster::Options{.shards = 4, .replicas = 1}, options);
    world_->must("CREATE TABLE marks (user_id bigint, number bigint)");
    world_->must("CREATE TABLE events (user_id uuid, number bigint)");
    world_->must("CREATE TABLE rates (id int PRIMARY KEY, value bigint)");
    world_->must("CREATE TABLE settings (key text PRIMARY KEY, value text)");
  }
  static void TearDownTestSuite() { world_.reset(); }
  void SetUp() override {
    for (const char* const table : {"marks", "events", "rates", "settings"}) {
      world_->must(std::string("TRUNCATE ") + table);
    }
  }

  // Rows that are on a shard other than the one where the server's own hash and howdah.map put them.
  static long misplaced(const std::string& table, const std::string& hash) {
    long count = 0;
    for (int shard = 0; shard < 4; ++shard) {
      count += std::stol(world_->cluster().primary(shard).superuser().scalar(
          "SELECT count(*) FROM " + table + " JOIN howdah.map ON bucket = (" + hash +
          "(user_id, 0) & 4095) WHERE shard <> 's" + std::to_string(shard) + "'"));
    }
    return count;
  }
  static void expect_spread(const std::string& table) {
    for (const auto& count : world_->on_each("SELECT count(*) FROM " + table))
      EXPECT_GT(std::stol(count), 20) << table;
  }

  static std::unique_ptr<World> world_;
};
std::unique_ptr<World> Routing::world_;

TEST_F(Routing, PutsIntegerKeysWherePostgresqlsHashSays) {
  PgConn client = world_->proxy().connect();
  client.prepare("put", "INSERT INTO marks VALUES ($1, $2)");
  std::vector<std::string> keys = {"-1", "0", "9223372036854775807", "-9223372036854775807", "4294967296"};
  for (int i = 1; i <= 100; ++i) keys.push_back(std::to_string(i * 7919L * i));
  for (const auto& key : keys) {
    client.must("INSERT INTO marks VALUES (" + key + ", 1)");
    EXPECT_EQ(client.query("INSERT INTO marks VALUES ($1, $2)", {key, "2"}).tag, "INSERT 0 1");
    EXPECT_EQ(client.execute("put", {key, "3"}).tag, "INSERT 0 1");
    EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE user_id = " + key), "3") << key;
  }
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks"), static_cast<long>(3 * keys.size()));
  EXPECT_EQ(misplaced("marks", "hashint8extended"), 0);
  expect_spread("marks");
}

TEST_F(Routing, PutsUuidKeysWherePostgresqlsHashSays) {
  PgConn client = world_->proxy().connect();
  const auto keys =
      world_->cluster().primary().run_sql("SELECT gen_random_uuid() FROM generate_series(1, 200)");
  for (const auto& row : keys.rows) {
    client.must("INSERT INTO events VALUES ('" + *row[0] + "', 1)");
    EXPECT_EQ(client.query("SELECT count(*) FROM events WHERE user_id = $1", {row[0]}).scalar(), "1")
        << *row[0];
  }
  EXPECT_EQ(world_->sum("SELECT count(*) FROM events"), 200);
  EXPECT_EQ(misplaced("events", "uuid_hash_extended"), 0);
  expect_spread("events");
}

// Four statements, four shards, one string: all or nothing, answered in order, each row where its key belongs.
TEST_F(Routing, RoutesEachStatementOfAStringInOneTransaction) {
  PgConn client = world_->proxy().connect();
  std::string text;
  for (int shard = 0; shard < 4; ++shard) {
    text += "INSERT INTO marks VALUES (" + std::to_string(world_->keys_on(shard, 1)[0]) + ", 1);";
  }
  EXPECT_EQ(client.must(text).tag, "INSERT 0 1");
  EXPECT_EQ(world_->on_each("SELECT count(*) FROM marks"), (std::vector<std::string>{"1", "1", "1", "1"}));
  EXPECT_EQ(misplaced("marks", "hashint8extended"), 0);
  EXPECT_EQ(client.query(text + "SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks"), 4) << "the error took everything back, on every shard";
  EXPECT_TRUE(client.must("SELECT 1").ok());
}

TEST_F(Routing, SendsProvenReadsToReplicasOnceTheyCaughtUp) {
  for (int shard = 0; shard < 4; ++shard) {
    const std::string key = std::to_string(world_->keys_on(shard, 1)[0]);
    PgConn client = world_->proxy().connect();
    client.must("INSERT INTO marks VALUES (" + key + ", 5)");
    EXPECT_TRUE(route(client, "server").starts_with("primary ")) << route(client, "server");
    EXPECT_EQ(route(client, "shards"), "s" + std::to_string(shard));
    const std::string read = "SELECT number FROM marks WHERE user_id = " + key;
    EXPECT_TRUE(served_by_replica_soon(client, read)) << route(client, "server");
    EXPECT_NE(route(client, "server").find(std::to_string(world_->cluster().replica(shard).port())),
              std::string::npos);
    EXPECT_EQ(client.scalar(read), "5");
    for (const char* const suffix : {" FOR UPDATE", " FOR SHARE", " AND nextval(NULL) IS NULL"}) {
      client.query(read + suffix);
      EXPECT_FALSE(route(client, "server").starts_with("replica ")) << suffix;
    }
  }
}

// The COMMIT of a transaction on the primary that only read is no write of which a replica has to hear.
TEST_F(Routing, SendsReadOnlyTransactionsToReplicasAfterAWrite) {
  PgConn client = world_->proxy().connect();
  client.must("INSERT INTO marks VALUES (7, 1)");
  EXPECT_TRUE(testing::wait_until([&] {
    client.must("BEGIN READ ONLY");
    EXPECT_EQ(client.must("SELECT number FROM marks WHERE user_id = 7").text(), "1");
    const bool replica = route(client, "server").starts_with("replica ");
    client.must("COMMIT");
    return replica;
  }));
}

TEST_F(Routing, ReadsItsOwnWritesFromReplicasThatKeepUp) {
  PgConn client = world_->proxy().connect();
  expect_own_writes(client, std::to_string(world_->keys_on(0, 1)[0]));
}

TEST_F(Routing, ReadsItsOwnWritesWhileReplayIsPaused) {
  const std::string key = std::to_string(world_->keys_on(2, 1)[0]);
  PgConn client = world_->proxy().connect();
  client.must("INSERT INTO marks VALUES (" + key + ", -1)");
  EXPECT_TRUE(served_by_replica_soon(client, "SELECT number FROM marks WHERE user_id = " + key));
  client.must("DELETE FROM marks WHERE user_id = " + key);
  world_->cluster().replica(2).pause_replay();
  expect_own_writes(client, key);
  EXPECT_EQ(route(client, "server").substr(0, 8), "primary ");
  world_->cluster().replica(2).resume_replay();
  EXPECT_TRUE(served_by_replica_soon(client, "SELECT number FROM marks WHERE user_id = " + key));
  EXPECT_EQ(client.scalar("SELECT number FROM marks WHERE user_id = " + key), "300");
}

TEST_F(Routing, WritesReferenceTablesEverywhere) {
  PgConn client = world_->proxy().connect();
  EXPECT_EQ(
      client.must("INSERT INTO rates VALUES (1,1),(2,2),(3,3),(4,4),(5,5),(6,6),(7,7),(8,8),(9,9),(10,10)")
          .tag,
      "INSERT 0 10");
  EXPECT_EQ(client.must("UPDATE rates SET value = value + 1 WHERE id > 5").tag, "UPDATE 5");
  EXPECT_EQ(client.query("DELETE FROM rates WHERE id = $1", {"1"}).tag, "DELETE 1");
  for (const auto& copy : world_->on_each("SELECT count(*), sum(value) FROM rates")) EXPECT_EQ(copy, "9|59");
  EXPECT_EQ(client.query("INSERT INTO rates VALUES (99, 1), (2, 2)").sqlstate, "23505");
  for (const auto& copy : world_->on_each("SELECT count(*) FROM rates WHERE id = 99")) EXPECT_EQ(copy, "0");
  EXPECT_EQ(client.scalar("SELECT count(*) FROM rates"), "9");
}

TEST_F(Routing, KeepsLocalTablesOnTheirShard) {
  PgConn client = world_->proxy().connect();
  client.must("INSERT INTO settings VALUES ('a', 'b')");
  EXPECT_EQ(route(client, "shards"), "s1");
  EXPECT_EQ(world_->on_each("SELECT count(*) FROM settings"), (std::vector<std::string>{"0", "1", "0", "0"}));
}

TEST_F(Routing, RefusesWhatItCannotProveWithAHint) {
  PgConn client = world_->proxy().connect();
  const std::string key = std::to_string(world_->keys_on(0, 1)[0]),
                    far = std::to_string(world_->keys_on(3, 1)[0]);
  client.must("INSERT INTO marks VALUES (" + key + ", 1)");
  for (const std::string& sql :
       {std::string("UPDATE marks SET user_id = DEFAULT WHERE number = 1"),
        "UPDATE marks SET number = 2 FROM settings WHERE key = 'a' AND user_id = " + key,
        "INSERT INTO marks SELECT " + key + ", number FROM marks WHERE user_id = " + far,
        std::string("INSERT INTO marks (number) VALUES (1)"),
        std::string("CREATE TABLE unknown_here (id int)")}) {
    const auto answer = client.query(sql);
    EXPECT_EQ(answer.sqlstate, "0A000") << sql << ": " << answer.message;
    EXPECT_FALSE(answer.hint.empty()) << sql << ": " << answer.message;
  }
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks"), 1);
}

// As through another proxy.
TEST(NewTables, AreSeenByTheirFirstStatement) {
  testing::HowdahOptions options;
  options.tables = "marks: { hash: user_id }\nevents: { hash: user_id }\nnotes: { hash: user_id }\nnever: { hash: user_id }";
  options.database_extra = "catalog_interval: 1h";
  World world({.shards = 2}, options);
  PgConn client = world.proxy().connect();
  EXPECT_EQ(client.query("SELECT * FROM marks").sqlstate, "42P01");
  world.cluster().run_everywhere("CREATE TABLE marks (user_id bigint); GRANT ALL ON marks TO app");
  EXPECT_EQ(client.must("INSERT INTO marks VALUES (1), (2), (3), (4)").tag, "INSERT 0 4");
  world.cluster().run_everywhere("CREATE TABLE events (user_id bigint); GRANT ALL ON events TO app");
  EXPECT_EQ(client.query("INSERT INTO events VALUES ($1)", {"5"}).tag, "INSERT 0 1");
  world.cluster().run_everywhere("CREATE TABLE notes (user_id bigint); GRANT ALL ON notes TO app");
  client.must("BEGIN");
  EXPECT_EQ(client.must("INSERT INTO notes VALUES (1), (2)").tag, "INSERT 0 2");
  client.must("COMMIT");
  EXPECT_EQ(client.query("SELECT * FROM never").sqlstate, "42P01");
  EXPECT_EQ(client.query("SELECT * FROM never WHERE user_id = $1", {"5"}).sqlstate, "42P01");
}

// One server and its replica, without any sharding, deserve the same.
TEST(UnshardedRouting, SendsReadsToTheReplicaAndReadsItsOwnWrites) {
  World world({.shards = 1, .replicas = 1}, {});
  world.must("CREATE TABLE marks (user_id bigint, number bigint)");
  PgConn client = world.proxy().connect();
  client.must("INSERT INTO marks VALUES (1, -1)");
  EXPECT_TRUE(route(client, "server").starts_with("primary "));
  EXPECT_TRUE(served_by_replica_soon(client, "SELECT count(*) FROM marks"));
  EXPECT_FALSE(served_by_replica(client, "SELECT number FROM marks FOR UPDATE"));
  expect_own_writes(client, "2");
  world.cluster().replica().pause_replay();
  expect_own_writes(client, "3");
  EXPECT_EQ(route(client, "server").substr(0, 8), "primary ");
  world.cluster().replica().resume_replay();
  EXPECT_TRUE(served_by_replica_soon(client, "SELECT number FROM marks WHERE user_id = 3"));
  EXPECT_EQ(client.scalar("SELECT number FROM marks WHERE user_id = 3"), "300");
}

}  // namespace
}  // namespace howdah::faults
