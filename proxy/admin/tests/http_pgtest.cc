// /metrics, /health and /ready of a running Howdah.
#include <signal.h>

#include <regex>

#include "proxy/admin/tests/fixture.h"

namespace howdah::testing {
namespace {

class HttpTest : public AdminTest {
 protected:
  // Series (name with labels) to value. Checks each line's form on the way.
  static std::map<std::string, double> metrics() {
    const auto answer = http_get(howdah->http_port(), "/metrics");
    EXPECT_EQ(answer.status, 200);
    static const std::regex comment(R"(# (HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+|TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram)))");
    static const std::regex sample(
        R"(([a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="[^"]*",?)+\})?) ([-+0-9.e]+|NaN|[-+]Inf))");
    std::map<std::string, double> series;
    std::map<std::string, int> types;
    for (const auto& line : split(answer.body, '\n')) {
      std::smatch match;
      if (line.starts_with('#')) {
        EXPECT_TRUE(std::regex_match(line, match, comment)) << line;
        if (line.starts_with("# TYPE ")) EXPECT_EQ(++types[split(line, ' ')[2]], 1) << line;
        continue;
      }
      EXPECT_TRUE(std::regex_match(line, match, sample)) << line;
      if (match.empty()) continue;
      EXPECT_FALSE(series.contains(match[1])) << "twice: " << line;
      series[match[1]] = std::stod(match[4]);
    }
    return series;
  }

  static std::string server_labels(PgServer& server, int shard, const std::string& role) {
    return "{database=\"app\",shard=\"s" + std::to_string(shard) + "\",server=\"127.0.0.1:" +
           std::to_string(server.port()) + "\",role=\"" + role + "\"}";
  }
};

TEST_F(HttpTest, CountersMoveWithTheLoad) {
  auto app = howdah->connect();
  app.must("INSERT INTO users VALUES (7, 'x') ON CONFLICT DO NOTHING");
  const auto before = metrics();
  for (int i = 0; i < 30; ++i) app.must("UPDATE users SET name = 'y' WHERE id = 7");
  EXPECT_FALSE(app.query("SELECT 1 FROM no_such_table").ok());
  const auto after = metrics();
  const auto grown = [&](const std::string& name) { return after.at(name) - before.at(name); };
  EXPECT_GE(grown("howdah_statements_total"), 30);
  EXPECT_LE(grown("howdah_statements_total"), 31);
  EXPECT_GE(grown("howdah_transactions_total"), 30);
  EXPECT_GE(grown("howdah_plan_cache_hits_total"), 29);
  EXPECT_GT(grown("howdah_bytes_total{direction=\"from_clients\"}"), 30 * 40);
  EXPECT_GT(grown("howdah_bytes_total{direction=\"to_clients\"}"), 30 * 15);
  double on_servers = 0;
  for (const auto& [name, value] : after) {
    if (name.starts_with("howdah_pool_statements_total")) on_servers += value - (before.contains(name) ? before.at(name) : 0);
  }
  EXPECT_EQ(on_servers, grown("howdah_statements_total"));
  EXPECT_EQ(after.at("howdah_clients{database=\"app\",user=\"app\",state=\"idle\"}"), 1);
}

TEST_F(HttpTest, TellsOfServersAndBuckets) {
  const auto series = metrics();
  for (int shard = 0; shard < 2; ++shard) {
    EXPECT_EQ(series.at("howdah_server_up" + server_labels(cluster->primary(shard), shard, "primary")), 1);
    EXPECT_EQ(series.at("howdah_server_up" + server_labels(cluster->replica(shard), shard, "replica")), 1);
    EXPECT_EQ(series.at("howdah_server_in_recovery" + server_labels(cluster->replica(shard), shard, "replica")), 1);
    EXPECT_EQ(series.at("howdah_shard_buckets{database=\"app\",shard=\"s" + std::to_string(shard) + "\"}"), 2048);
  }
  EXPECT_GE(series.at("howdah_map_epoch{database=\"app\"}"), 1);
  EXPECT_GT(series.at("process_resident_memory_bytes"), 1e6);
}

TEST_F(HttpTest, SamplesStandUnderTheirFamily) {
  std::string family;
  bool histogram = false;
  for (const auto& line : split(http_get(howdah->http_port(), "/metrics").body, '\n')) {
    if (line.starts_with("# TYPE ")) {
      family = split(line, ' ')[2];
      histogram = line.ends_with(" histogram");
    }
    if (line.starts_with('#')) continue;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    const bool part = histogram && (name == family + "_bucket" || name == family + "_sum" || name == family + "_count");
    EXPECT_TRUE(histogram ? part : name == family) << line;
  }
}

// Every statement is in the histograms, and what they add up to is what the counters say.
TEST_F(HttpTest, HistogramsCountWaitsExecutionAndLag) {
  const std::string labels = "{database=\"app\",user=\"app\",shard=\"s0\",server=\"127.0.0.1:" + std::to_string(cluster->primary(0).port()) + "\",role=\"primary\"}";
  const auto before = metrics();
  const auto at = [&labels](const std::map<std::string, double>& series, const std::string& name) { return series.contains(name + labels) ? series.at(name + labels) : 0; };
  auto app = howdah->connect();
  for (int i = 0; i < 5; ++i) app.must("/* howdah.shard = s0, howdah.role = 'primary' */ SELECT pg_sleep(0.02)");
  const auto after = metrics();
  EXPECT_GE(at(after, "howdah_pool_query_seconds_count") - at(before, "howdah_pool_query_seconds_count"), 5);
  EXPECT_GE(at(after, "howdah_pool_query_seconds_sum") - at(before, "howdah_pool_query_seconds_sum"), 5 * 0.02);
  EXPECT_GE(at(after, "howdah_pool_wait_seconds_count") - at(before, "howdah_pool_wait_seconds_count"), 5);
  const auto lags = [](const std::map<std::string, double>& series) {
    double count = 0;
    for (const auto& [name, value] : series) count += name.starts_with("howdah_replica_lag_seconds_count") ? value : 0;
    return count;
  };
  EXPECT_TRUE(wait_until([&] { return lags(metrics()) > lags(after); }));
}

TEST_F(HttpTest, HealthAndUnknownPaths) {
  EXPECT_EQ(http_get(howdah->http_port(), "/health").status, 200);
  EXPECT_EQ(http_get(howdah->http_port(), "/nothing").status, 404);
  EXPECT_EQ(http_get(howdah->http_port(), "/metrics?x=y").status, 200);
}

TEST_F(HttpTest, HealthSaysWhenItDrains) {
  HowdahProcess second(*cluster, {.tables = "users: { hash: id }"});
  auto app = second.connect();
  app.must("BEGIN");
  app.must("SELECT name FROM users WHERE id = 1");
  second.signal(SIGTERM);
  await("/health to answer 503", [&] { return http_get(second.http_port(), "/health").status == 503; });
  EXPECT_EQ(http_get(second.http_port(), "/ready").status, 503);
  app.must("COMMIT");
  EXPECT_EQ(second.stop(), 0);
}

TEST_F(HttpTest, ReadyNamesThePrimaryThatIsDown) {
  ASSERT_EQ(http_get(howdah->http_port(), "/ready").status, 200);
  cluster->primary(1).stop();
  await("/ready to answer 503", [&] { return http_get(howdah->http_port(), "/ready").status == 503; });
  const auto answer = http_get(howdah->http_port(), "/ready");
  EXPECT_NE(answer.body.find("{\"database\":\"app\",\"shard\":\"s1\",\"server\":\"127.0.0.1:" +
                             std::to_string(cluster->primary(1).port()) + "\",\"reason\":\"primary does not answer\"}"),
            std::string::npos)
      << answer.body;
  EXPECT_EQ(answer.body.find("\"s0\""), std::string::npos) << answer.body;
  EXPECT_EQ(metrics().at("howdah_server_up" + server_labels(cluster->primary(1), 1, "primary")), 0);
  EXPECT_EQ(cell(console().must("SHOW SHARDS"), "shard", "s1", "primary_state"), "down");
  EXPECT_EQ(http_get(howdah->http_port(), "/health").status, 200);
  cluster->primary(1).start();
  await("/ready to answer 200", [&] { return http_get(howdah->http_port(), "/ready").status == 200; });
}

TEST_F(HttpTest, StaysOffWhenTurnedOff) {
  HowdahOptions options{.tables = "users: { hash: id }", .wait_ready = false};
  options.yaml = howdah_yaml(*cluster, options, 0, 0);
  const auto at = options.yaml.find("port: 0");
  options.yaml.replace(at, 7, "port: @PORT@");
  HowdahProcess second(*cluster, options);
  await("the console", [&] { return PgConn(second.url("admin", "howdah")).ok(); });
  EXPECT_EQ(http_get(second.http_port(), "/health").status, 0);
}

}  // namespace
}  // namespace howdah::testing
