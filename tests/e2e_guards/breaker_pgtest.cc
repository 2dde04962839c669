// Circuit breakers: a sick server is left alone, tried again, and used again.
#include "tests/e2e_guards/sick_gate.h"
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_guards {
namespace {

using e2e_pool::answer;
using e2e_pool::send;
using Mode = SickGate::Mode;
using testing::Answer;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;

class Breakers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>(PgCluster::Options{.shards = 2});
    cluster_->run_everywhere("CREATE TABLE users (id bigint PRIMARY KEY, name text); GRANT ALL ON users TO app");
  }
  static void TearDownTestSuite() { cluster_.reset(); }

  void SetUp() override {
    for (int i = 0; i < 2; ++i) gates_.push_back(std::make_unique<SickGate>(cluster_->primary(i).port()));
  }
  void TearDown() override {
    for (auto& gate : gates_) gate->set(Mode::kWell);
    howdah_.reset();
    gates_.clear();
  }
  void start(const std::string& breaker) {
    howdah_ = std::make_unique<HowdahProcess>(
        *cluster_, testing::HowdahOptions{.tables = "users: { hash: id }",
                                          .pool = "{ mode: transaction, size: 4, connect_timeout: 1s }",
                                          .database_extra = "failover_wait: 0\nbreaker: " + breaker,
                                          .primary_ports = {gates_[0]->port(), gates_[1]->port()}});
    PgConn client = howdah_->connect();
    for (int id = 1; keys_.size() < 2 && id < 100; ++id) {
      const std::string key = std::to_string(id);
      const Answer route = client.must("EXPLAIN (HOWDAH) SELECT name FROM users WHERE id = " + key);
      keys_[route.rows.at(0).at(0).value_or("")] = key;
    }
  }
  // A statement for this shard.
  std::string read(int shard) const { return "SELECT name FROM users WHERE id = " + keys_.at("s" + std::to_string(shard)); }
  std::string state(int shard, const std::string& column = "state") {
    PgConn admin = howdah_->connect("admin", "howdah");
    const Answer breakers = admin.must("SHOW BREAKERS");
    for (std::size_t i = 0; i < breakers.columns.size(); ++i) {
      if (breakers.columns[i] == column) return breakers.rows.at(static_cast<std::size_t>(shard)).at(i).value_or("");
    }
    return "?";
  }
  bool logged(const std::string& text) const { return howdah_->log().find(text) != std::string::npos; }

  static std::unique_ptr<PgCluster> cluster_;
  std::vector<std::unique_ptr<SickGate>> gates_;
  std::unique_ptr<HowdahProcess> howdah_;
  std::map<std::string, std::string> keys_;
};
std::unique_ptr<PgCluster> Breakers::cluster_;

TEST_F(Breakers, OpenWhenConnectionsFailAndCloseWhenOneStatementSucceeds) {
  start("{ error_threshold_percentage: 50, minimum: 3, window: 1m, reset_timeout: 300ms }");
  PgConn client = howdah_->connect();
  client.must(read(0));
  client.must(read(1));
  gates_[1]->set(Mode::kCut);
  Answer refused;
  testing::await("the breaker to refuse", [&] { return (refused = client.query(read(1))).sqlstate == "57P03"; });
  EXPECT_NE(refused.message.find("is left alone for a while"), std::string::npos) << refused.message;
  EXPECT_EQ(refused.detail, "Its circuit breaker is open: too many connections failed, were lost, or did not answer in time.");
  client.must(read(0));
  EXPECT_EQ(state(0), "closed");
  EXPECT_NE(state(1), "closed");
  EXPECT_TRUE(logged("breaker open database=app"));
  const auto metrics = testing::http_get(howdah_->http_port(), "/metrics").body;
  EXPECT_NE(metrics.find("howdah_breaker_refused_total{database=\"app\",shard=\"s1\""), std::string::npos);
  gates_[1]->set(Mode::kWell);
  testing::await("the breaker to close", [&] { return client.query(read(1)).ok(); });
  EXPECT_EQ(state(1), "closed");
  EXPECT_TRUE(logged("breaker half open database=app"));
  EXPECT_TRUE(logged("breaker closed database=app"));
}

TEST_F(Breakers, OpenWhenAnswersAreLateForThoseWhoWaitAsWell) {
  start("{ error_threshold_percentage: 10, minimum: 4, timeout: 500ms, window: 1m, reset_timeout: 300ms }");
  std::vector<PgConn> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(howdah_->connect());
  // The pool's connections are there.
  for (int i = 0; i < 4; ++i) send(clients[static_cast<std::size_t>(i)], "SELECT pg_sleep(0.1), (SELECT count(*) FROM users WHERE id = " + keys_.at("s1") + ")");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(answer(clients[static_cast<std::size_t>(i)]).ok());
  gates_[1]->set(Mode::kSilent);
  for (PgConn& client : clients) send(client, read(1));
  testing::await("the breaker to open", [&] { return state(1) != "closed"; });
  // Those in the queue hear of it; the four that have a connection wait for their answers.
  int refused = 0;
  testing::await("eight refusals", [&] {
    refused = 0;
    for (PgConn& client : clients) refused += e2e_pool::answered(client) ? 1 : 0;
    return refused >= 8;
  });
  PgConn other = howdah_->connect();
  other.must(read(0));
  gates_[1]->set(Mode::kWell);
  int answers = 0;
  for (PgConn& client : clients) {
    const Answer said = answer(client);
    EXPECT_TRUE(said.ok() || said.sqlstate == "57P03") << said.sqlstate << " " << said.message;
    answers += said.ok() ? 1 : 0;
  }
  EXPECT_LE(answers, 5) << "four had a connection, one may have been the probe";
  testing::await("the breaker to close", [&] { return other.query(read(1)).ok(); });
}

TEST_F(Breakers, TakeNoErrorInSqlForASickness) {
  start("{ error_threshold_percentage: 1, minimum: 1, window: 1m }");
  PgConn client = howdah_->connect();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.query("SELECT 1 / (id - id) FROM (VALUES (1)) v (id)").sqlstate, "22012");
    EXPECT_EQ(client.query("SELECT pg_terminate_backend(pg_backend_pid()) FROM (VALUES (1)) v (id)").sqlstate, "57P01");
  }
  EXPECT_EQ(state(0), "closed");
  EXPECT_EQ(state(1), "closed");
  EXPECT_EQ(state(0, "failed"), "0");
  EXPECT_EQ(state(1, "failed"), "0");
}

TEST_F(Breakers, TakeNoSlowClientForASlowServer) {
  start("{ error_threshold_percentage: 1, minimum: 1, timeout: 2s, window: 1m }");
  PgConn reader = howdah_->connect();
  // More than all buffers on the way hold, and nobody reads.
  ASSERT_EQ(PQsendQuery(reader.raw(), "SELECT repeat('x', 1000) FROM generate_series(1, 60000)"), 1);
  PgConn one = cluster_->primary(0).superuser(), two = cluster_->primary(1).superuser();
  testing::await("the server to have waited for its client longer than the breaker's patience", [&] {
    const char* const blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%60000%' AND query_start < now() - interval '3 s'";
    return one.scalar(blocked) != "0" || two.scalar(blocked) != "0";
  });
  EXPECT_EQ(state(0, "failed"), "0");
  EXPECT_EQ(state(1, "failed"), "0");
  EXPECT_TRUE(answer(reader).ok());
}

// The monitor finds the replica up, but its answers take too long.
TEST(BreakerOfAReplica, SendsReadsToOtherServers) {
  PgCluster cluster(PgCluster::Options{.replicas = 1});
  cluster.run_everywhere("CREATE TABLE users (id bigint PRIMARY KEY, name text); GRANT ALL ON users TO app");
  cluster.wait_replayed();
  SickGate gate(cluster.replica().port());
  testing::HowdahOptions options;
  options.yaml =
      "workers: 1\nlisten: { address: 127.0.0.1, port: @PORT@ }\nhttp: { address: 127.0.0.1, port: @HTTP@ }\n"
      "users: [ { name: app, password: app }, { name: admin, password: admin, admin: true } ]\n"
      "databases:\n  app:\n    control: { user: howdah, password: howdah }\n"
      "    breaker: { error_threshold_percentage: 80, minimum: 3, window: 1h, timeout: 200ms, reset_timeout: 1h }\n"
      "    shards: [ { name: s0, primary: \"" + cluster.primary().address() + "\", replicas: [\"host=127.0.0.1 port=" + std::to_string(gate.port()) + "\"] } ]\n";
  HowdahProcess howdah(cluster, options);
  PgConn client = howdah.connect(), admin = howdah.connect("admin", "howdah");
  const auto read_on = [&] {
    client.must("SELECT name FROM users WHERE id = 1");
    return testing::server_of(client).substr(0, 7);
  };
  testing::await("a read on the replica", [&] { return read_on() == "replica"; });
  gate.set(Mode::kSlow);
  testing::await("the replica's breaker to open", [&] {
    read_on();
    return admin.must("SHOW BREAKERS").rows.at(1).at(4) == "open";
  });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(read_on(), "primary");
  EXPECT_EQ(admin.must("SHOW BREAKERS").rows.at(0).at(4), "closed");
  gate.set(Mode::kWell);
}

}  // namespace
}  // namespace howdah::e2e_guards
