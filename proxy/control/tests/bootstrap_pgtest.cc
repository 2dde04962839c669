#include "proxy/control/bootstrap.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>
#include <thread>

#include "proxy/control/schema_sql.h"
#include "proxy/control/tests/control_fixture.h"
#include "sharding/hash.h"

namespace howdah::control {
namespace {

namespace asio = boost::asio;
using testing::PgCluster;

Settings quick() {
  Settings settings;
  settings.bootstrap_timeout = milliseconds(300);
  return settings;
}

Result<sharding::ShardMap> bootstrap(const config::Database& database, const std::string& cluster = "demo",
                                     Settings settings = quick()) {
  asio::io_context io(1);
  Bootstrap run(io, cluster, database, settings);
  std::optional<Result<sharding::ShardMap>> answer;
  auto body = [&]() -> asio::awaitable<void> {
    auto map = co_await run.run();
    answer.emplace(std::move(map));
  };
  asio::co_spawn(io, body(), asio::detached);
  io.run();
  return *answer;
}

class BootstrapTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new PgCluster({.shards = 3}); }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }
  void SetUp() override {
    cluster_->run_everywhere("DROP SCHEMA IF EXISTS howdah CASCADE; DROP TABLE IF EXISTS users");
  }

  static std::string at(int shard, const std::string& sql) {
    return cluster_->primary(shard).superuser().must(sql).text();
  }
  static PgCluster* cluster_;
};
PgCluster* BootstrapTest::cluster_ = nullptr;

TEST_F(BootstrapTest, CreatesTheSameMapOnEveryShardOnceAndForAll) {
  auto database = database_of(*cluster_, 2);
  auto first = bootstrap(database);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->owned(ShardId(0)), 2048u);
  EXPECT_EQ(first->owned(ShardId(1)), 2048u);
  for (int shard = 0; shard < 2; ++shard) {
    auto name = "s" + std::to_string(shard);
    EXPECT_EQ(at(shard, "SELECT cluster, shard, buckets, hash, map_epoch, complete FROM howdah.cluster"),
              "demo|" + name + "|4096|postgres|1|t");
    EXPECT_EQ(
        at(shard, "SELECT shard, count(*), min(bucket), max(bucket) FROM howdah.map GROUP BY 1 ORDER BY 1"),
        "s0|2048|0|2047;s1|2048|2048|4095");
    EXPECT_EQ(at(shard,
                 "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = "
                 "'howdah'::regnamespace"),
              "howdah");
  }
  auto created = at(0, "SELECT created_at FROM howdah.cluster");
  auto again = bootstrap(database);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *first);
  EXPECT_EQ(at(0, "SELECT created_at FROM howdah.cluster"), created);
}

TEST_F(BootstrapTest, AnUnshardedDatabaseGetsNothing) {
  auto map = bootstrap(database_of(*cluster_, 1));
  ASSERT_TRUE(map);
  EXPECT_EQ(map->owned(ShardId(0)), 4096u);
  EXPECT_EQ(at(0, "SELECT count(*) FROM pg_namespace WHERE nspname = 'howdah'"), "0");
}

TEST_F(BootstrapTest, ConcurrentProxiesAgree) {
  auto database = database_of(*cluster_, 3);
  Settings settings;
  std::vector<std::optional<Result<sharding::ShardMap>>> answers(6);
  std::vector<std::thread> proxies;
  for (auto& answer : answers) {
    proxies.emplace_back([&] { answer.emplace(bootstrap(database, "demo", settings)); });
  }
  for (auto& proxy : proxies) proxy.join();
  for (auto& answer : answers) {
    ASSERT_TRUE(*answer) << answer->error().message << " " << answer->error().detail;
    EXPECT_EQ(**answer, **answers[0]);
  }
  for (int shard = 0; shard < 3; ++shard) EXPECT_EQ(at(shard, "SELECT count(*) FROM howdah.map"), "4096");
}

// Each state that a proxy killed in between could leave.
TEST_F(BootstrapTest, InterruptedCreationIsCompletedFromEveryStep) {
  auto database = database_of(*cluster_, 3);
  ASSERT_TRUE(bootstrap(database));
  for (int done = 1; done < 3; ++done) {  // maps on the first `done` shards only
    cluster_->run_everywhere("UPDATE howdah.cluster SET complete = false");
    for (int shard = done; shard < 3; ++shard) at(shard, "DROP SCHEMA howdah CASCADE");
    ASSERT_TRUE(bootstrap(database)) << done;
    for (int shard = 0; shard < 3; ++shard) {
      EXPECT_EQ(at(shard, "SELECT complete, (SELECT count(*) FROM howdah.map) FROM howdah.cluster"),
                "t|4096");
    }
  }
  for (int marked = 0; marked < 3; ++marked) {  // complete on the first `marked` shards only
    for (int shard = marked; shard < 3; ++shard) at(shard, "UPDATE howdah.cluster SET complete = false");
    ASSERT_TRUE(bootstrap(database)) << marked;
    for (int shard = 0; shard < 3; ++shard) EXPECT_EQ(at(shard, "SELECT complete FROM howdah.cluster"), "t");
  }
}

TEST_F(BootstrapTest, ContradictionsStopStartUp) {
  auto database = database_of(*cluster_, 2);
  ASSERT_TRUE(bootstrap(database));
  auto other = bootstrap(database, "other");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kWrongServer);

  auto swapped = database;
  std::swap(swapped.shards[0].primary, swapped.shards[1].primary);
  ASSERT_FALSE(bootstrap(swapped));
  EXPECT_EQ(bootstrap(swapped).error().code, ErrorCode::kWrongServer);

  auto buckets = database;
  buckets.rules.buckets = 1024;
  ASSERT_FALSE(bootstrap(buckets));
  EXPECT_EQ(bootstrap(buckets).error().code, ErrorCode::kConfig);

  auto fewer = database_of(*cluster_, 1);
  ASSERT_FALSE(bootstrap(fewer)) << "a database that was sharded needs all its shards";

  at(1, "UPDATE howdah.map SET shard = 's0' WHERE bucket = 4095");
  auto different = bootstrap(database);
  ASSERT_FALSE(different);
  EXPECT_NE(different.error().message.find("different maps"), std::string::npos);

  at(1, "UPDATE howdah.map SET shard = 's7' WHERE bucket = 4095");
  EXPECT_NE(bootstrap(database).error().message.find("s7"), std::string::npos);
  at(1, "DELETE FROM howdah.map WHERE bucket = 7");
  EXPECT_FALSE(bootstrap(database));
  at(1, "DROP SCHEMA howdah CASCADE");
  EXPECT_NE(bootstrap(database).error().message.find("owns buckets"), std::string::npos);
}

TEST_F(BootstrapTest, OneDatabaseCannotBeTwoShards) {
  auto database = database_of(*cluster_, 2);
  database.shards[1].primary = database.shards[0].primary;
  auto map = bootstrap(database);
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code, ErrorCode::kWrongServer);
}

TEST_F(BootstrapTest, ANewShardOwnsNothing) {
  ASSERT_TRUE(bootstrap(database_of(*cluster_, 2)));
  auto map = bootstrap(database_of(*cluster_, 3));
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->owned(ShardId(2)), 0u);
  EXPECT_EQ(at(2, "SELECT shard, complete FROM howdah.cluster"), "s2|t");
}

TEST_F(BootstrapTest, AShardThatIsDownDoesNotStopAProxyOnceTheMapIsComplete) {
  auto database = database_of(*cluster_, 2);
  auto down = database;
  down.shards[0].primary.port = 1;
  auto too_early = bootstrap(down);
  ASSERT_FALSE(too_early);
  EXPECT_EQ(too_early.error().code, ErrorCode::kServerUnavailable);
  auto whole = bootstrap(database);
  ASSERT_TRUE(whole);
  Settings impatient;
  impatient.bootstrap_timeout = std::chrono::hours(1);
  impatient.degraded_timeout = milliseconds(200);
  auto map = bootstrap(down, "demo", impatient);
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(*map, *whole);
}

TEST_F(BootstrapTest, WrongCredentialsAreToldAtOnce) {
  auto database = database_of(*cluster_, 2);
  database.control.password = "wrong";
  Settings patient;
  patient.bootstrap_timeout = seconds(60);
  auto map = bootstrap(database, "demo", patient);
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().code, ErrorCode::kConfig);
  EXPECT_NE(map.error().message.find("password"), std::string::npos);
}

TEST_F(BootstrapTest, ASchemaOfSomeoneElseIsNotTrusted) {
  at(1, "CREATE SCHEMA howdah AUTHORIZATION app");
  auto map = bootstrap(database_of(*cluster_, 2));
  ASSERT_FALSE(map);
  EXPECT_NE(map.error().message.find("belongs to role app"), std::string::npos);
}

config::Database with_users(PgCluster& cluster) {
  auto database = database_of(cluster, 2);
  database.rules.tables["public.users"] = {sharding::TableRuleKind::kHash, "id", ShardId()};
  return database;
}

TEST_F(BootstrapTest, ASingleDatabaseThatGrowsKeepsItsRows) {
  at(0, "CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 100)");
  auto map = bootstrap(with_users(*cluster_));
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->owned(ShardId(0)), 4096u);
  EXPECT_EQ(map->owned(ShardId(1)), 0u);
}

TEST_F(BootstrapTest, RowsThatAreWhereAnEvenMapSaysAreWelcomeAndOthersAreNot) {
  cluster_->run_everywhere("CREATE TABLE users (id bigint PRIMARY KEY)");
  for (int id = 1; id <= 100; ++id) {
    auto bucket = sharding::bucket_of(sharding::hash_integer(id), 4096).value();
    at(bucket < 2048 ? 0 : 1, "INSERT INTO users VALUES (" + std::to_string(id) + ")");
  }
  auto good = bootstrap(with_users(*cluster_));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->owned(ShardId(1)), 2048u);
  cluster_->run_everywhere("DROP SCHEMA IF EXISTS howdah CASCADE");
  at(0,
     "INSERT INTO users SELECT id FROM generate_series(200, 300) AS id WHERE hashint8extended(id, 0) & 4095 "
     ">= 2048");
  auto bad = bootstrap(with_users(*cluster_));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kConfig);
}

TEST_F(BootstrapTest, StampsAndDecisionsAnswerAsTheProxyExpects) {
  ASSERT_TRUE(bootstrap(database_of(*cluster_, 2)));
  auto app = cluster_->primary(0).connect();
  EXPECT_TRUE(app.query("SELECT howdah.stamp('demo', 's0', 'p1', 1)").ok());
  EXPECT_TRUE(app.query("SELECT howdah.stamp('demo', 's0', 'p1', 2)").ok());
  EXPECT_EQ(at(0,
               "SELECT c.proxy, c.epoch, c.backend_start = a.backend_start FROM howdah.connections c "
               "JOIN pg_stat_activity a USING (pid)"),
            "p1|2|t");
  EXPECT_EQ(app.query("SELECT howdah.stamp('demo', 's1', 'p1', 1)").sqlstate, "ZH002");
  EXPECT_EQ(app.query("SELECT howdah.stamp('other', 's0', 'p1', 1)").sqlstate, "ZH002");
  at(0, "UPDATE howdah.cluster SET min_epoch = 2");
  EXPECT_EQ(app.query("SELECT howdah.stamp('demo', 's0', 'p1', 1)").sqlstate, "ZH001");
  EXPECT_TRUE(app.query("SELECT howdah.stamp('demo', 's0', 'p1', 2)").ok());

  const std::string token = "'\\x000102030405060708090a0b0c0d0e0f'::bytea";
  EXPECT_TRUE(app.query("SELECT howdah.decide(" + token + ", '{s1}')").ok());
  EXPECT_EQ(app.query("SELECT howdah.decide(" + token + ", '{s1}')").sqlstate, "23505");
  EXPECT_EQ(app.query("SELECT howdah.decide('short', '{s1}')").sqlstate, "22023");
  EXPECT_EQ(at(0, "SELECT outcome, participants, token_hash = sha256(" + token + ") FROM howdah.decisions"),
            "commit|{s1}|t");
  for (const char* sql :
       {"SELECT * FROM howdah.decisions", "INSERT INTO howdah.decisions VALUES ('', 'commit', '{}')",
        "UPDATE howdah.map SET shard = 's1'", "SELECT * FROM howdah.cluster",
        "DELETE FROM howdah.connections", "CREATE TABLE howdah.mine ()"}) {
    EXPECT_EQ(app.query(sql).sqlstate, "42501") << sql;
  }
}

}  // namespace
}  // namespace howdah::control
