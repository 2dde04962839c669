// Transfers between accounts on three shards, through two proxies, while proxies, servers and connections are killed: at random,
// and at each step of the two-phase commit. No money is made or lost, and no client is told a wrong outcome. The first argument
// says for how many seconds, HOWDAH_RANDOM_SEED repeats the choices.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "tests/e2e_faults/app_client.h"
#include "tests/e2e_faults/step_gate.h"
#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using std::to_string;
using testing::HowdahProcess;
using testing::PgCluster;
using Moment = StepTrap::Moment;

constexpr int kShards = 3, kProxies = 2;
constexpr long kAccounts = 90, kStart = 1000;
constexpr int kClients = 6;
constexpr int kFaultsOfARound = 9;
constexpr auto kRecoversWithin = std::chrono::seconds(60);

int seconds_to_run = 30;

enum class Victim { kProxy, kServer, kConnection };

struct Fault {
  std::string words;  // of the message at which it strikes; empty: at any time
  Moment moment = Moment::kUnsent;
  Victim victim = Victim::kProxy;

  std::string name() const {
    static constexpr const char* victims[] = {"proxy", "server", "connection"};
    static constexpr const char* moments[] = {"not sent", "done, unanswered", "answered"};
    const std::string whom = victims[static_cast<int>(victim)];
    return words.empty() ? whom + " at random" : whom + " at " + words + " " + moments[static_cast<int>(moment)];
  }
};

std::vector<Fault> all_faults() {
  std::vector<Fault> faults;
  for (const Victim victim : {Victim::kProxy, Victim::kServer, Victim::kConnection}) {
    for (const char* words : {"PREPARE TRANSACTION", "howdah.decide", "COMMIT PREPARED"}) {
      for (const Moment moment : {Moment::kUnsent, Moment::kUnanswered, Moment::kAnswered}) {
        if (victim != Victim::kConnection || moment != Moment::kAnswered) faults.push_back({words, moment, victim});
      }
    }
    faults.push_back({"", Moment::kUnsent, victim});
  }
  return faults;
}

class BankTransfers : public ::testing::Test {
 protected:
  BankTransfers() : cluster_(PgCluster::Options{.shards = kShards}) {
    for (int proxy = 0; proxy < kProxies; ++proxy) {
      for (int shard = 0; shard < kShards; ++shard) {
        gates_.push_back(std::make_unique<StepGate>(proxy * kShards + shard, cluster_.primary(shard).port(), trap_));
      }
      start_proxy(proxy);
    }
    auto client = proxies_[0]->connect();
    client.must("CREATE TABLE accounts (user_id bigint PRIMARY KEY, balance bigint NOT NULL)");
    client.must("CREATE TABLE ledger (user_id bigint, number bigint, amount bigint NOT NULL, PRIMARY KEY (user_id, number))");
    std::string rows;
    for (long key = 1; key <= kAccounts; ++key) rows += (key > 1 ? ", (" : "(") + to_string(key) + ", " + to_string(kStart) + ")";
    EXPECT_EQ(client.must("INSERT INTO accounts VALUES " + rows).tag, "INSERT 0 " + to_string(kAccounts));
    const char* seed = std::getenv("HOWDAH_RANDOM_SEED");
    seed_ = seed != nullptr ? static_cast<unsigned>(std::strtoul(seed, nullptr, 10)) : std::random_device()();
    random_.seed(seed_);
  }

  void start_proxy(int index) {
    testing::HowdahOptions options;
    options.tables = "accounts: { hash: user_id }\nledger: { hash: user_id }";
    for (int shard = 0; shard < kShards; ++shard) {
      options.primary_ports.push_back(gates_[static_cast<std::size_t>(index * kShards + shard)]->port());
    }
    auto proxy = std::make_unique<HowdahProcess>(cluster_, options);
    // Deadlocks through two proxies are not found, only those through one.
    const std::string url = proxy->url() + "?options=-c%20lock_timeout%3D500ms";
    const std::lock_guard lock(mutex_);
    proxies_[static_cast<std::size_t>(index)] = std::move(proxy);
    urls_[static_cast<std::size_t>(index)] = url;
  }

  // --- load

  // Two or three accounts, wherever they are; what one gives the others get.
  struct Transfer {
    long number;
    std::map<long, long> amounts;  // by account

    Transfer(long n, std::mt19937_64& random) : number(n) {
      while (amounts.size() < 2u + static_cast<std::size_t>(n % 2)) amounts[1 + static_cast<long>(random() % kAccounts)] = 0;
      long left = 0;
      for (auto& [account, amount] : amounts) left -= amount = static_cast<long>(random() % 21) - 10;
      amounts.begin()->second += left;
    }
    // Statements for each row, in any order: so they meet in deadlocks, too.
    std::vector<std::string> one_by_one(std::mt19937_64& random) const {
      std::vector<std::string> out;
      std::vector<std::pair<long, long>> order(amounts.begin(), amounts.end());
      std::shuffle(order.begin(), order.end(), random);
      for (const auto& [account, amount] : order) {
        out.push_back("UPDATE accounts SET balance = balance + " + to_string(amount) + " WHERE user_id = " + to_string(account));
        out.push_back("INSERT INTO ledger VALUES (" + to_string(account) + ", " + to_string(number) + ", " + to_string(amount) + ")");
      }
      return out;
    }
    // Two statements for all rows, over several shards.
    std::vector<std::string> together() const {
      std::string cases, keys, rows;
      for (const auto& [account, amount] : amounts) {
        cases += " WHEN " + to_string(account) + " THEN " + to_string(amount);
        keys += (keys.empty() ? "" : ", ") + to_string(account);
        rows += (rows.empty() ? "(" : ", (") + to_string(account) + ", " + to_string(number) + ", " + to_string(amount) + ")";
      }
      return {"UPDATE accounts SET balance = balance + CASE user_id" + cases + " END WHERE user_id IN (" + keys + ")", "INSERT INTO ledger VALUES " + rows};
    }
  };

  void transfer(AppClient& client, std::mt19937_64& random) {
    const Transfer work(next_++, random);
    Books::Promise promise{};
    switch (random() % 4) {
      case 0: {  // one string is one transaction
        std::string sql;
        for (const auto& statement : work.together()) sql += statement + ";";
        promise = client.statement(sql);
        break;
      }
      case 1:
        promise = transact(client, work.together());
        break;
      case 2: {
        auto statements = work.one_by_one(random);
        const std::string other = to_string(1 + random() % kAccounts);
        const std::array<std::string, 3> undone = {"SAVEPOINT s", "UPDATE accounts SET balance = 0 WHERE user_id = " + other, "ROLLBACK TO s"};
        statements.insert(statements.begin() + static_cast<long>(random() % (statements.size() + 1)), undone.begin(), undone.end());
        promise = transact(client, std::move(statements));
        break;
      }
      default:
        promise = transact(client, work.one_by_one(random));
    }
    books_->note(work.number, promise);
    ++told_[static_cast<std::size_t>(promise)];
    const std::lock_guard lock(mutex_);
    if (promise != Books::Promise::kDone) ++errors_[client.last().sqlstate];
  }

  static Books::Promise transact(AppClient& client, std::vector<std::string> statements) {
    statements.insert(statements.begin(), "BEGIN");
    statements.emplace_back("COMMIT");
    return client.transaction(statements);
  }

  void add_clients(Crew& crew) {
    for (std::size_t i = 0; i < kClients; ++i) {
      auto random = std::make_shared<std::mt19937_64>(random_());
      auto client = std::make_shared<AppClient>([this, random] {
        const std::lock_guard lock(mutex_);
        return urls_[(*random)() % kProxies];
      });
      crew.add([this, client, random](const auto&) { transfer(*client, *random); });
    }
  }

  // --- faults

  void strike(const Fault& fault) {
    const long before = told_[0];
    ASSERT_TRUE(testing::wait_until([&] { return told_[0] >= before + 10; }, std::chrono::seconds(20)))
        << "no work is done before: " << fault.name() << "\n" << proxies_[0]->log() << proxies_[1]->log();
    int gate = static_cast<int>(random_() % (kProxies * kShards));
    if (!fault.words.empty()) {
      trap_.set(fault.words, fault.moment);
      const auto sprung = trap_.wait(std::chrono::seconds(10));
      ASSERT_TRUE(sprung) << "nothing came to: " << fault.name();
      gate = *sprung;
    }
    const int proxy = gate / kShards, shard = gate % kShards;
    switch (fault.victim) {
      case Victim::kProxy:
        proxies_[static_cast<std::size_t>(proxy)]->kill9();
        break;
      case Victim::kServer:
        cluster_.primary(shard).kill9();
        break;
      case Victim::kConnection:
        if (fault.words.empty()) {
          cluster_.primary(shard).run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND random() < 0.5");
        }
        break;
    }
    trap_.let_go();
    if (fault.victim == Victim::kProxy) start_proxy(proxy);
    if (fault.victim == Victim::kServer) cluster_.primary(shard).start();
    ++struck_[fault.name()];
  }

  // --- truth

  std::vector<testing::Answer> on_each(const std::string& sql) {
    std::vector<testing::Answer> out;
    for (int shard = 0; shard < kShards; ++shard) out.push_back(cluster_.primary(shard).superuser().must(sql));
    return out;
  }
  long sum(const std::string& sql) {
    long total = 0;
    for (const auto& answer : on_each(sql)) total += std::stol(answer.scalar());
    return total;
  }

  void check(long first) {
    const auto begin = std::chrono::steady_clock::now();
    const bool finished = testing::wait_until([this] { return sum("SELECT count(*) FROM pg_prepared_xacts") == 0; }, kRecoversWithin);
    ASSERT_TRUE(finished) << proxies_[0]->log() << proxies_[1]->log();
    longest_ = std::max(longest_, std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin));
    EXPECT_EQ(sum("SELECT sum(balance) FROM accounts"), kAccounts * kStart);
    EXPECT_EQ(sum("SELECT count(*) FROM accounts a WHERE balance <> " + to_string(kStart) +
                  " + (SELECT coalesce(sum(amount), 0) FROM ledger l WHERE l.user_id = a.user_id)"), 0);
    struct Found {
      long rows = 0, sum = 0;
    };
    std::map<long, Found> found;
    for (const auto& answer : on_each("SELECT number, count(*), sum(amount) FROM ledger WHERE number >= " + to_string(first) + " GROUP BY number")) {
      for (const auto& row : answer.rows) {
        Found& one = found[std::stol(*row[0])];
        one.rows += std::stol(*row[1]);
        one.sum += std::stol(*row[2]);
      }
    }
    std::set<long> present;
    for (const auto& [number, one] : found) {
      present.insert(number);
      EXPECT_EQ(one.rows, 2 + number % 2) << "transfer " << number << " is there by half";
      EXPECT_EQ(one.sum, 0) << "transfer " << number;
    }
    books_->expect_kept(present, "transfers");
    for (auto& proxy : proxies_) {
      EXPECT_EQ(proxy->connect().query("SELECT sum(balance) FROM accounts").scalar(), to_string(kAccounts * kStart));
    }
  }

  PgCluster cluster_;
  StepTrap trap_;
  std::vector<std::unique_ptr<StepGate>> gates_;  // by proxy, then shard
  std::array<std::unique_ptr<HowdahProcess>, kProxies> proxies_;
  std::mutex mutex_;  // guards urls_ and errors_
  std::map<std::string, int> errors_;  // by the last SQLSTATE of transfers that were not done
  std::array<std::string, kProxies> urls_;
  std::unique_ptr<Books> books_;
  std::atomic<long> next_ = 1;
  std::array<std::atomic<long>, 3> told_{};  // by promise
  std::map<std::string, int> struck_;
  std::chrono::milliseconds longest_{};
  unsigned seed_ = 0;
  std::mt19937_64 random_;
};

TEST_F(BankTransfers, KeepTheMoneyAndTellTheTruth) {
  std::printf("HOWDAH_RANDOM_SEED=%u\n", seed_);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds_to_run);
  std::vector<Fault> faults;
  int rounds = 0;
  for (; rounds == 0 || std::chrono::steady_clock::now() < end; ++rounds) {
    books_ = std::make_unique<Books>();
    const long first = next_;
    {
      Crew crew;
      add_clients(crew);
      for (int i = 0; i < kFaultsOfARound && !HasFatalFailure(); ++i) {
        if (faults.empty()) {
          faults = all_faults();
          std::shuffle(faults.begin(), faults.end(), random_);
        }
        strike(faults.back());
        faults.pop_back();
      }
    }
    check(first);
    if (HasFailure()) break;
  }
  int strikes = 0;
  for (const auto& [name, times] : struck_) {
    std::printf("%4d  %s\n", times, name.c_str());
    strikes += times;
  }
  for (const auto& [sqlstate, times] : errors_) std::printf("%6d  %s\n", times, sqlstate.empty() ? "rolled back" : sqlstate.c_str());
  std::printf("%d rounds, %d faults: %ld transfers done, %ld not done, %ld of unknown outcome; at most %ld ms until nothing was in doubt\n", rounds, strikes,
              told_[0].load(), told_[1].load(), told_[2].load(), static_cast<long>(longest_.count()));
}

}  // namespace
}  // namespace howdah::faults

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc > 1) howdah::faults::seconds_to_run = std::atoi(argv[1]);
  return RUN_ALL_TESTS();
}
