#include "proxy/control/control.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <future>
#include <thread>

#include "drivers/pq/connection.h"
#include "proxy/control/tests/control_fixture.h"
#include "tests/support/wait.h"

namespace howdah::control {
namespace {

using testing::PgCluster;
using testing::wait_until;

const std::string kHash = "be45cb2605bf36bebde684841a28f0fd43c69850a3dce5fedba69928ee3a8991";

std::shared_ptr<config::Config> config_of(PgCluster& cluster, int shards = -1) {
  auto config = std::make_shared<config::Config>();
  config->cluster = "demo";
  auto database = database_of(cluster, shards);
  database.catalog_interval = milliseconds(50);
  config->databases["app"] = std::move(database);
  return config;
}

class ControlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new PgCluster({.shards = 2, .replicas = 1}); }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }

  static Result<std::uint64_t> refresh(Control& control) {
    std::promise<Result<std::uint64_t>> answer;
    control.refresh_catalog("app",
                            [&](Result<std::uint64_t> version) { answer.set_value(std::move(version)); });
    return answer.get_future().get();
  }
  static const schema::Relation* table(const DatabaseState& state, const std::string& name) {
    return state.snapshot()->catalog->relation("public", name, {});
  }
  static PgCluster* cluster_;
};
PgCluster* ControlTest::cluster_ = nullptr;

TEST_F(ControlTest, StartGivesMapCatalogAndHealth) {
  Control control(config_of(*cluster_));
  auto started = control.start();
  ASSERT_TRUE(started) << started.error().message;
  auto app = control.database("app");
  ASSERT_TRUE(app);
  EXPECT_EQ(app->name(), "app");
  EXPECT_EQ(app->snapshot()->map->owned(ShardId(1)), 2048u);
  ASSERT_TRUE(app->snapshot()->catalog);
  EXPECT_NE(app->snapshot()->catalog->relation("", "pg_class", {}), nullptr);
  EXPECT_EQ(app->health().size(), 4u);
  for (std::uint16_t id = 0; id < 4; ++id) {
    EXPECT_TRUE(app->health().at(ServerId(id)).up) << "known before start() answers";
    EXPECT_EQ(app->health().at(ServerId(id)).in_recovery, id % 2 == 1);
  }
  EXPECT_EQ(control.database("other"), nullptr);
  EXPECT_TRUE(control.in_doubt().empty());
}

TEST_F(ControlTest, ARefreshSeesTheDdlBeforeIt) {
  auto config = config_of(*cluster_);
  config->databases["app"].catalog_interval = std::chrono::hours(1);
  Control control(config);
  ASSERT_TRUE(control.start());
  auto app = control.database("app");
  EXPECT_EQ(table(*app, "fresh"), nullptr);
  auto version = app->version();
  cluster_->primary().run_sql("CREATE TABLE fresh (id int)");
  auto refreshed = refresh(control);
  ASSERT_TRUE(refreshed);
  EXPECT_NE(table(*app, "fresh"), nullptr);
  EXPECT_EQ(app->snapshot()->catalog->version(), *refreshed);
  EXPECT_GT(app->version(), version);
  EXPECT_EQ(*refresh(control), *refreshed) << "nothing has changed";
  cluster_->primary().run_sql("DROP TABLE fresh");
}

TEST_F(ControlTest, ChangesMadeBehindTheProxyAreFound) {
  Control control(config_of(*cluster_));
  ASSERT_TRUE(control.start());
  auto app = control.database("app");
  cluster_->primary().run_sql("CREATE TABLE behind (id int)");
  EXPECT_TRUE(wait_until([&] { return table(*app, "behind") != nullptr; }));
  cluster_->primary().run_sql("DROP TABLE behind");
  EXPECT_TRUE(wait_until([&] { return table(*app, "behind") == nullptr; }));
}

TEST_F(ControlTest, ANewerMapIsAdoptedFromWhicheverShardHasIt) {
  auto config = config_of(*cluster_);
  config->databases["app"].catalog_interval = std::chrono::hours(1);
  Control control(config);
  ASSERT_TRUE(control.start());
  auto app = control.database("app");
  auto refresh_map = [&] {
    std::promise<Result<Epoch>> answer;
    control.refresh_map("app", [&](Result<Epoch> epoch) { answer.set_value(std::move(epoch)); });
    return answer.get_future().get();
  };
  ASSERT_EQ(*refresh_map(), Epoch(1));
  const std::string move =
      "UPDATE howdah.map SET shard = 's1', epoch = 2 WHERE bucket = 0; "
      "UPDATE howdah.cluster SET map_epoch = 2";
  cluster_->primary(1).run_sql(move);
  auto epoch = refresh_map();
  ASSERT_TRUE(epoch);
  EXPECT_EQ(*epoch, Epoch(2));
  EXPECT_EQ(app->snapshot()->map->owner(BucketId(0)), ShardId(1));
  EXPECT_EQ(app->snapshot()->map->epoch(), Epoch(2));
  EXPECT_TRUE(app->snapshot()->catalog);

  cluster_->primary(0).run_sql(
      "UPDATE howdah.map SET shard = 's9' WHERE bucket = 1; "
      "UPDATE howdah.cluster SET map_epoch = 3");
  EXPECT_EQ(*refresh_map(), Epoch(2)) << "a map with an unknown shard is not taken";
  const std::string back =
      "UPDATE howdah.map SET shard = 's0', epoch = 1 WHERE bucket < 2; "
      "UPDATE howdah.cluster SET map_epoch = 1";
  cluster_->run_everywhere(back);
  EXPECT_EQ(*refresh_map(), Epoch(2)) << "an older map is not taken";
}

TEST_F(ControlTest, ResolvesAndReportsDistributedTransactions) {
  Settings settings;
  settings.recovery_age = milliseconds(0);
  settings.recovery_interval = milliseconds(20);
  Control control(config_of(*cluster_), settings);
  ASSERT_TRUE(control.start());
  std::promise<Result<Outcome>> answer;
  control.resolve("app", ShardId(0), kHash, pq::within(seconds(10)),
                  [&](Result<Outcome> outcome) { answer.set_value(std::move(outcome)); });
  auto outcome = answer.get_future().get();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(*outcome, Outcome::kAbort);

  auto admin = cluster_->primary(1).superuser();
  admin.must("BEGIN; SELECT txid_current()");
  admin.must("PREPARE TRANSACTION 'howdah1:demo:s1:s9:1:" + kHash + "'");
  EXPECT_TRUE(wait_until([&] { return control.in_doubt().size() == 1; }));
  auto report = control.in_doubt().at(0);
  EXPECT_EQ(report.shard, "s1");
  EXPECT_EQ(report.commit_point, "s9");
  admin.must("ROLLBACK PREPARED 'howdah1:demo:s1:s9:1:" + kHash + "'");
  EXPECT_TRUE(wait_until([&] { return control.in_doubt().empty(); }));
}

// The account that the manual asks for, no superuser: every kind of work once.
TEST_F(ControlTest, AnAccountWithTheDocumentedRightsSuffices) {
  PgCluster cluster({.shards = 2, .replicas = 1});
  cluster.run_everywhere(
      "CREATE ROLE keeper LOGIN PASSWORD 'keeper' IN ROLE pg_monitor, pg_signal_backend, app;"
      "GRANT CREATE ON DATABASE app TO keeper; CREATE TABLE t (i int); ALTER TABLE t OWNER TO app");
  cluster.wait_replayed();
  auto config = config_of(cluster);
  config->databases["app"].control = {"keeper", "keeper"};
  Settings settings;
  settings.recovery_age = milliseconds(0);
  settings.recovery_interval = milliseconds(20);
  settings.collect_interval = seconds(0);
  settings.abort_margin = seconds(0);
  Control control(config, settings);
  auto started = control.start();
  ASSERT_TRUE(started) << started.error().message << " " << started.error().detail;
  auto app = control.database("app");
  ASSERT_TRUE(app->snapshot()->catalog);
  EXPECT_NE(table(*app, "t"), nullptr);
  auto mark = to_steady_ns(std::chrono::steady_clock::now());
  EXPECT_TRUE(wait_until([&] { return app->health().at(ServerId(1)).may_read(mark); }));
  auto writer = cluster.primary(1).connect();
  writer.must("BEGIN");
  writer.must("INSERT INTO t VALUES (1)");
  writer.must("PREPARE TRANSACTION 'howdah1:demo:s1:s0:1:" + kHash + "'");
  EXPECT_TRUE(wait_until([&] { return writer.scalar("SELECT count(*) FROM pg_prepared_xacts") == "0"; }));
  auto commit_point = cluster.primary(0).superuser();
  EXPECT_TRUE(wait_until([&] { return commit_point.scalar("SELECT count(*) FROM howdah.decisions") == "0"; }))
      << "an abort that nobody can contradict is forgotten";
  EXPECT_TRUE(writer.query("SELECT howdah.stamp('demo', 's1', 'p', 1)").ok());
}

TEST_F(ControlTest, StopAnswersEveryoneAndEndsQuickly) {
  Control control(config_of(*cluster_));
  ASSERT_TRUE(control.start());
  auto app = control.database("app");
  std::atomic<int> answers{0};
  for (int i = 0; i < 20; ++i) {
    control.refresh_catalog("app", [&](const Result<std::uint64_t>&) { ++answers; });
    control.resolve("app", ShardId(1), kHash, pq::within(seconds(30)),
                    [&](const Result<Outcome>&) { ++answers; });
  }
  auto began = std::chrono::steady_clock::now();
  control.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(3));
  EXPECT_EQ(answers, 40);
  auto late = refresh(control);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kShuttingDown);
  EXPECT_TRUE(app->snapshot()->map) << "a state outlives its control";
}

TEST_F(ControlTest, StopEndsAStartThatWaits) {
  namespace asio = boost::asio;
  asio::io_context io;
  asio::ip::tcp::acceptor silent(io, {asio::ip::make_address("127.0.0.1"), 0});
  auto config = config_of(*cluster_);
  for (auto& shard : config->databases["app"].shards) shard.primary.port = silent.local_endpoint().port();
  Settings settings;
  settings.bootstrap_timeout = seconds(60);
  settings.connect_timeout = seconds(60);
  Control control(config, settings);
  auto started = std::async(std::launch::async, [&] { return control.start(); });
  auto waiting = silent.accept();  // it is connecting now, and will get no answer
  control.stop();
  auto answer = started.get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(control.start().error().code, ErrorCode::kShuttingDown);
}

TEST_F(ControlTest, AnUnshardedServerThatIsDownIsServedWhenItComesUp) {
  testing::PgServer::Options later;
  later.start = false;
  testing::PgServer server(later);
  auto config = config_of(*cluster_, 1);
  config->databases["app"].shards[0].replicas.clear();
  config->databases["app"].shards[0].primary = server_of(server);
  Settings settings;
  settings.bootstrap_timeout = milliseconds(100);
  settings.reconnect_max = milliseconds(50);
  Control control(config, settings);
  auto started = control.start();
  ASSERT_TRUE(started) << started.error().message;
  auto app = control.database("app");
  EXPECT_EQ(app->snapshot()->catalog, nullptr);
  EXPECT_FALSE(app->health().at(ServerId(0)).up);
  server.start();
  EXPECT_TRUE(wait_until([&] { return app->snapshot()->catalog && app->health().at(ServerId(0)).up; }));
}

TEST_F(ControlTest, WithoutAControlAccountNothingIsAsked) {
  auto config = config_of(*cluster_, 1);
  config->databases["app"].control = {};
  Control control(config);
  ASSERT_TRUE(control.start());
  auto app = control.database("app");
  EXPECT_TRUE(app->health().at(ServerId(0)).up);
  EXPECT_EQ(app->snapshot()->catalog, nullptr);
  EXPECT_FALSE(refresh(control));
  auto sharded = config_of(*cluster_);
  sharded->databases["app"].control = {};
  Control refused(sharded);
  EXPECT_FALSE(refused.start());
}

}  // namespace
}  // namespace howdah::control
