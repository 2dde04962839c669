// Half of the servers are sick: the clients of the others notice nothing. HOWDAH_STRICT: latencies are judged, too.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/e2e_guards/load.h"
#include "tests/e2e_guards/sick_gate.h"
#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::e2e_guards {
namespace {

using Mode = SickGate::Mode;
using std::chrono::seconds;
using testing::Answer;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;

struct Sickness {
  const char* name;
  Mode mode;
};

class SickServers : public ::testing::TestWithParam<Sickness> {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>(PgCluster::Options{.shards = 4});
    cluster_->run_everywhere("CREATE TABLE users (id bigint PRIMARY KEY, name text); GRANT ALL ON users TO app");
  }
  static void TearDownTestSuite() { cluster_.reset(); }

  void SetUp() override {
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 4; ++i) {
      gates_.push_back(std::make_unique<SickGate>(cluster_->primary(i).port()));
      ports.push_back(gates_.back()->port());
    }
    howdah_ = std::make_unique<HowdahProcess>(
        *cluster_, testing::HowdahOptions{.tables = "users: { hash: id }",
                                          .pool = "{ mode: transaction, size: 4, connect_timeout: 2s, wait_timeout: 3s }",
                                          .extra = "limits: { query_timeout: 3s }",
                                          .database_extra = "failover_wait: 0\nbreaker: { error_threshold_percentage: 50, minimum: 5, timeout: 200ms, reset_timeout: 500ms }",
                                          .primary_ports = ports});
    PgConn client = howdah_->connect();
    for (int id = 1; keys_.size() < 4 && id < 1'000; ++id) {
      const Answer route = client.must("EXPLAIN (HOWDAH) SELECT name FROM users WHERE id = " + std::to_string(id));
      keys_[route.rows.at(0).at(0).value_or("")] = std::to_string(id);
    }
  }
  void TearDown() override {
    for (auto& gate : gates_) gate->set(Mode::kWell);
    howdah_.reset();
    gates_.clear();
  }
  std::string read(int shard) const { return "SELECT name FROM users WHERE id = " + keys_.at("s" + std::to_string(shard)); }

  static std::unique_ptr<PgCluster> cluster_;
  std::vector<std::unique_ptr<SickGate>> gates_;
  std::unique_ptr<HowdahProcess> howdah_;
  std::map<std::string, std::string> keys_;
};
std::unique_ptr<PgCluster> SickServers::cluster_;

TEST_P(SickServers, LeaveTheOthersAlone) {
  const bool strict = std::getenv("HOWDAH_STRICT") != nullptr;
  const auto length = strict ? seconds(10) : seconds(2);
  const double rate = strict ? 1'000 : 200;  // of 200 a second, the slowest hundredth are twenty: too few to be judged
  Load healthy(howdah_->url(), 8);
  // Half of the statements for each of the two that stay well; the others' clients are threads of their own, and may get errors.
  LoadResult normal = healthy.open_loop(read(0), rate, length, milliseconds(1'000));
  EXPECT_TRUE(normal.errors.empty()) << normal.to_string();
  std::atomic<bool> stop{false};
  std::vector<std::thread> sick;
  for (int i = 0; i < 8; ++i) {
    sick.emplace_back([&, i] {
      PgConn client = howdah_->connect();
      while (!stop) {
        client.query(read(2 + i % 2));
        std::this_thread::sleep_for(milliseconds(5));
      }
    });
  }
  for (int shard : {2, 3}) gates_[static_cast<std::size_t>(shard)]->set(GetParam().mode);
  LoadResult beside = healthy.open_loop(read(0), rate, length, milliseconds(1'000));
  LoadResult also = healthy.open_loop(read(1), rate, length, milliseconds(1'000));
  for (auto& gate : gates_) gate->set(Mode::kWell);
  stop = true;
  for (auto& thread : sick) thread.join();
  std::printf("%s\n  normal: %s\n  beside: %s\n  also:   %s\n", GetParam().name, normal.to_string().c_str(), beside.to_string().c_str(),
              also.to_string().c_str());
  EXPECT_TRUE(beside.errors.empty()) << beside.to_string();
  EXPECT_TRUE(also.errors.empty()) << also.to_string();
  EXPECT_GT(beside.good, 0u);
  EXPECT_GT(also.good, 0u);
  if (strict) {
    EXPECT_LE(beside.latency(0.99), 1.5 * normal.latency(0.99));
    EXPECT_LE(also.latency(0.99), 1.5 * normal.latency(0.99));
  }
  PgConn client = howdah_->connect();
  for (int shard : {2, 3}) {
    EXPECT_TRUE(testing::wait_until([&] { return client.query(read(shard)).ok(); })) << "a server that is well again is used again";
  }
}

INSTANTIATE_TEST_SUITE_P(All, SickServers,
                         ::testing::Values(Sickness{"cut", Mode::kCut}, Sickness{"silent", Mode::kSilent}, Sickness{"slow", Mode::kSlow},
                                           Sickness{"trickles", Mode::kTrickles}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace howdah::e2e_guards
