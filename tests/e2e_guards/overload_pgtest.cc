// Ten times the load that the servers can bear, in an open loop: what they can do is still done, in time, and goes on as before
// when the load has passed. HOWDAH_OVERLOAD_SECONDS: how long; HOWDAH_STRICT: figures are judged, too, which takes a quiet machine.
#include <atomic>
#include <fstream>
#include <thread>

#include "tests/e2e_guards/load.h"
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

using e2e_guards::Load;
using e2e_guards::LoadResult;

constexpr const char* kStatement = "SELECT pg_sleep(0.01)";
constexpr auto kDeadline = milliseconds(1'000);

bool strict() { return std::getenv("HOWDAH_STRICT") != nullptr; }

int overload_seconds() {
  const char* given = std::getenv("HOWDAH_OVERLOAD_SECONDS");
  return given == nullptr ? 15 : std::atoi(given);
}

// In megabytes.
double resident(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  double pages = 0, all = 0;
  statm >> all >> pages;
  return pages * 4096 / 1e6;
}

class Overload : public Limits {};

// Asks for what must be answered whatever the load, until it is told to stop.
class Watch {
 public:
  explicit Watch(const HowdahProcess& howdah) : howdah_(howdah), thread_([this] { run(); }) {}
  ~Watch() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int rounds = 0, failures = 0;
  double most_memory = 0;

 private:
  void run() {
    while (!stop_) {
      ++rounds;
      PgConn admin = howdah_.connect("admin", "howdah");
      const bool console = admin.ok() && admin.query("SHOW POOLS").ok();
      const bool health = testing::http_get(howdah_.http_port(), "/health").status == 200;
      const bool ready = testing::http_get(howdah_.http_port(), "/ready").status == 200;
      if (!console || !health || !ready) ++failures;
      most_memory = std::max(most_memory, resident(howdah_.pid()));
      std::this_thread::sleep_for(milliseconds(200));
    }
  }
  const HowdahProcess& howdah_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST_F(Overload, LeavesTheServersWithAllTheyCanDo) {
  start({.pool = "{ mode: transaction, size: 8, queue_time: 300ms }", .limits = "{ clients: 5000 }"});
  LoadResult peak;
  {
    Load clients(howdah_->url(), 16);
    peak = clients.closed_loop(kStatement, seconds(3));
  }
  ASSERT_GT(peak.good, 0u);
  if (strict()) ASSERT_TRUE(peak.errors.empty()) << peak.to_string();
  std::printf("peak: %s\n", peak.to_string().c_str());
  const double before = resident(howdah_->pid());
  LoadResult overload;
  Watch watch(*howdah_);
  {
    Load clients(howdah_->url(), strict() ? 1'000 : 300);
    overload = clients.open_loop(kStatement, 10 * peak.goodput(), seconds(overload_seconds()), kDeadline);
  }
  watch.stop();
  std::printf("overload: %s\nmemory: %.0f MB before, %.0f MB at most\n", overload.to_string().c_str(), before, watch.most_memory);
  EXPECT_EQ(watch.failures, 0) << "console, /health and /ready, of " << watch.rounds;
  EXPECT_GT(watch.rounds, 0);
  for (const auto& [state, count] : overload.errors) EXPECT_EQ(state, "53300") << count;
  if (strict()) EXPECT_GT(overload.errors["53300"], 0u) << "more was asked for than could be done";
  EXPECT_GT(overload.good, 0u);
  if (strict()) EXPECT_GT(overload.goodput(), 0.9 * peak.goodput()) << "a queue without bounds answers nothing in time";
  EXPECT_LT(watch.most_memory, before + 1'000) << "of a thousand clients more, with a sanitizer's share";
  // A few seconds later all is as it was.
  Load again(howdah_->url(), 16);
  EXPECT_TRUE(testing::wait_until([&] { return again.closed_loop(kStatement, milliseconds(500)).errors.empty(); }, strict() ? seconds(5) : seconds(30)));
  LoadResult after = again.closed_loop(kStatement, seconds(3));
  std::printf("after: %s\n", after.to_string().c_str());
  EXPECT_GT(after.good, 0u);
  if (strict()) EXPECT_TRUE(after.errors.empty()) << after.to_string();
  if (strict()) EXPECT_GT(after.goodput(), 0.9 * peak.goodput());
  if (strict()) EXPECT_NE(howdah_->log().find("queue overloaded database=app user=app"), std::string::npos);
  const auto metrics = testing::http_get(howdah_->http_port(), "/metrics").body;
  EXPECT_NE(metrics.find("howdah_pool_shed_total{database=\"app\",user=\"app\",shard=\"s0\""), std::string::npos);
}

// The many of one address make way for the few of another: here the socket in the file system stands for the other.
TEST_F(Overload, IsAnsweredByRefusingWhoSendsMost) {
  testing::TempDir folder;
  testing::HowdahOptions options;
  options.yaml = "workers: 1\nlisten: { address: 127.0.0.1, port: @PORT@, unix_socket: { directory: " + folder.path() +
                 " } }\nhttp: { address: 127.0.0.1, port: @HTTP@ }\nusers: [ { name: app, password: app } ]\n"
                 "pool: { mode: transaction, size: 2, queue_time: 200ms }\ndatabases:\n  app:\n    control: { user: howdah, password: howdah }\n"
                 "    shards: [ { name: s0, primary: \"" + cluster_->primary().address() + "\" } ]\n";
  howdah_ = std::make_unique<HowdahProcess>(*cluster_, options);
  Load many(howdah_->url(), 100);
  std::atomic<bool> stop{false};
  std::uint64_t answered = 0, refused = 0;
  std::thread few([&] {
    PgConn client("host=" + folder.path() + " port=" + std::to_string(howdah_->port()) + " user=app password=app dbname=app");
    while (!stop) client.query(kStatement).ok() ? ++answered : ++refused;
  });
  LoadResult result = many.open_loop(kStatement, 2'000, seconds(4), kDeadline);
  stop = true;
  few.join();
  std::printf("many: %s\nfew: answered=%lu refused=%lu\n", result.to_string().c_str(), answered, refused);
  if (strict()) EXPECT_GT(result.errors["53300"], 0u);
  EXPECT_GT(answered, 0u);
  EXPECT_LE(refused, answered / 10) << "who sends little is not refused for those who send much";
}

}  // namespace
}  // namespace howdah::e2e_limits
