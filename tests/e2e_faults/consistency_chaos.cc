// Registers: many clients write values that nobody wrote before and read them again, while the replay of a replica is paused and
// resumed at random. No client misses what it wrote or goes back behind what it read, nor does who comes with its token, through
// another proxy; those who take what a replica has do read the one that lags. The first argument says for how many seconds,
// HOWDAH_RANDOM_SEED repeats the choices.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>

#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::PgConn;
using testing::server_of;
using std::to_string;

constexpr int kRegisters = 24, kClients = 6;
int seconds_to_run = 12;

long number(const testing::Answer& answer) { return std::stol(*answer.rows.at(0)[0]); }

class Consistency : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* text = std::getenv("HOWDAH_RANDOM_SEED");
    seed_ = text != nullptr ? static_cast<unsigned>(std::atol(text)) : std::random_device{}();
    std::printf("HOWDAH_RANDOM_SEED=%u, %d s\n", seed_, seconds_to_run);
    testing::HowdahOptions options;
    options.tables = "registers: { hash: id }";
    options.database_extra = "max_lag: 0";
    for (auto& proxy : proxies_) proxy = std::make_unique<testing::HowdahProcess>(cluster_, options);
    PgConn client = proxies_[0]->connect();
    client.must("CREATE TABLE registers (id bigint PRIMARY KEY, n bigint)");
    std::string rows;
    for (int i = 0; i < kRegisters; ++i) rows += (i > 0 ? ", (" : "(") + to_string(i) + ", 0)";
    client.must("INSERT INTO registers VALUES " + rows);
    cluster_.wait_replayed();
  }

  // Runs until the time is over; a failure of one ends all.
  void run(std::vector<std::function<void(std::mt19937&)>> works) {
    std::vector<std::thread> threads;
    unsigned next = seed_;
    for (auto& work : works) {
      threads.emplace_back([this, work, random = std::mt19937(next)]() mutable {
        while (!done_) work(random);
      });
      ++next;
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds_to_run);
    testing::wait_until([&] { return HasFailure() || std::chrono::steady_clock::now() > end; }, std::chrono::seconds(seconds_to_run + 60));
    done_ = true;
    for (auto& thread : threads) thread.join();
  }

  // One client's life: what it has seen of each register never gets less.
  void session(std::mt19937& random) {
    std::vector<long> seen(kRegisters, 0);
    PgConn client = proxies_[random() % 2]->connect();
    for (int i = 0; i < 60 && !done_; ++i) {
      const auto id = random() % kRegisters;
      const std::string where = " WHERE id = " + to_string(id);
      if (random() % 4 == 0) {
        seen[id] = number(client.must("UPDATE registers SET n = n + 1" + where + " RETURNING n"));
        ++writes_;
        continue;
      }
      const long now = number(client.must("SELECT n FROM registers" + where));
      if (now < seen[id]) ADD_FAILURE() << "register " << id << " says " << now << " after " << seen[id] << " on " << server_of(client);
      seen[id] = now;
      ++reads_;
      on_replicas_ += server_of(client).starts_with("replica ") ? 1 : 0;
    }
    if (random() % 2 == 0) carry(client, seen, random);
  }

  // A new connection with the token of another one sees all that this one saw.
  void carry(PgConn& from, const std::vector<long>& seen, std::mt19937& random) {
    const std::string token = from.must("SHOW howdah.token").text();
    PgConn to = proxies_[random() % 2]->connect();
    to.must("SET howdah.token = '" + token + "'");
    for (int i = 0; i < 4; ++i) {
      const auto id = random() % kRegisters;
      const long now = number(to.must("SELECT n FROM registers WHERE id = " + to_string(id)));
      if (now < seen[id]) ADD_FAILURE() << "register " << id << " says " << now << " after " << seen[id] << " behind token " << token << " on " << server_of(to);
      ++carried_;
      carried_on_replicas_ += server_of(to).starts_with("replica ") ? 1 : 0;
    }
  }

  // Who takes what is there, is at times told less than another client knows.
  void eventual(std::mt19937& random) {
    PgConn old = proxies_[0]->connect(), fresh = proxies_[1]->connect();
    old.must("SET howdah.consistency = eventual");
    fresh.must("SET howdah.consistency = strong");
    for (int i = 0; i < 20 && !done_; ++i) {
      const std::string sql = "SELECT n FROM registers WHERE id = " + to_string(random() % kRegisters);
      const long newest = number(fresh.must(sql));
      stale_ += number(old.must(sql)) < newest ? 1 : 0;
    }
  }

  // Stops and resumes one replica after another.
  void disturb(std::mt19937& random) {
    auto& replica = cluster_.replica(static_cast<int>(random() % 2), static_cast<int>(random() % 2));
    PgConn conn = replica.superuser();
    conn.must("SELECT pg_wal_replay_pause()");
    ++pauses_;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20 + random() % 600);
    testing::wait_until([&] { return done_ || std::chrono::steady_clock::now() > until; });
    conn.must("SELECT pg_wal_replay_resume()");
  }

  testing::PgCluster cluster_{testing::PgCluster::Options{.shards = 2, .replicas = 2}};
  std::unique_ptr<testing::HowdahProcess> proxies_[2];
  unsigned seed_ = 0;
  std::atomic<bool> done_{false};
  std::atomic<long> writes_{0}, reads_{0}, on_replicas_{0}, carried_{0}, carried_on_replicas_{0}, stale_{0}, pauses_{0};
};

TEST_F(Consistency, NobodyMissesWhatItWroteOrSaw) {
  std::vector<std::function<void(std::mt19937&)>> works(kClients, [this](std::mt19937& random) { session(random); });
  works.emplace_back([this](std::mt19937& random) { eventual(random); });
  works.emplace_back([this](std::mt19937& random) { disturb(random); });
  run(std::move(works));
  std::printf("%ld writes, %ld reads (%ld on replicas), %ld reads behind tokens (%ld on replicas), %ld stale reads of those who take them, %ld pauses\n",
              writes_.load(), reads_.load(), on_replicas_.load(), carried_.load(), carried_on_replicas_.load(), stale_.load(), pauses_.load());
  EXPECT_GT(pauses_, 3);
  EXPECT_GT(on_replicas_, 0);
  EXPECT_GT(carried_on_replicas_, 0);
  EXPECT_GT(stale_, 0);
}

}  // namespace
}  // namespace howdah::faults

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc > 1) howdah::faults::seconds_to_run = std::atoi(argv[1]);
  return RUN_ALL_TESTS();
}
