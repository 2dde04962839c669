// Many clients on few server connections: whatever each sets, prepares and rolls back, nobody else ever sees
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_pool {
namespace {

using testing::Answer;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

constexpr int kClients = 200;
constexpr long kPoolSize = 10;
constexpr auto kDuration = std::chrono::seconds(8);
constexpr auto kPatience = std::chrono::seconds(60);
constexpr int kRounds = 2;
constexpr std::array kNames = {"application_name", "search_path", "timezone", "work_mem"};
constexpr std::array kZones = {"Europe/Berlin", "Asia/Tokyo", "America/New_York", "Africa/Cairo",
                               "Pacific/Auckland"};

using Values = std::array<std::string, kNames.size()>;

// One client with a row of its own (id = its number), and what it believes its state to be.
class Client {
 public:
  Client(int number, const std::string& url)
      : number_(number), row_(std::to_string(number)), random_(20'240 + number), conn_(url) {}

  // Until the deadline or the first fault.
  // Until the deadline, and at least two rounds, however busy the machine is.
  void run(Clock::time_point deadline) {
    if (!conn_.ok()) return fail("login", conn_.error());
    for (std::size_t i = 0; i < kNames.size(); ++i)
      initial_[i] = query(std::string("SHOW ") + kNames[i]).scalar();
    mine_ = initial_;
    prepare();
    while (fault_.empty() && (Clock::now() < deadline || (rounds_ < kRounds && Clock::now() < deadline + kPatience))) {
      expect_mine();
      act();
      ++rounds_;
    }
    expect_mine();
  }

  const std::string& fault() const { return fault_; }
  int rounds() const { return rounds_; }
  int statements() const { return statements_; }
  int balance() const { return balance_; }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  void fail(const std::string& what, const std::string& why) {
    if (fault_.empty()) fault_ = "client " + row_ + ", " + what + ": " + why;
  }
  Answer checked(const std::string& sql, Answer said) {
    ++statements_;
    if (!said.ok()) fail(sql, said.sqlstate + " " + said.message);
    return said;
  }
  Answer query(const std::string& sql) { return checked(sql, conn_.query(sql)); }
  void expect(const std::string& what, const std::string& got, const std::string& wanted) {
    if (fault_.empty() && got != wanted) fail(what, "got " + got + ", not " + wanted);
  }

  // The four settings as the server that the client's next statement runs on has them, by one of several
  // ways.
  void expect_mine() {
    static const std::string all =
        "SELECT current_setting('application_name'), current_setting('search_path'), "
        "current_setting('timezone'), "
        "current_setting('work_mem')";
    std::string wanted;
    for (std::size_t i = 0; i < mine_.size(); ++i) wanted += (i == 0 ? "" : "|") + mine_[i];
    const std::string other_row = std::to_string(pick(kClients));
    switch (in_transaction_ ? 1 : pick(4)) {
      case 0:
        return expect("settings", query(all).text(), wanted);
      case 1:
        return expect("settings in simple", query(all + " FROM items WHERE id = " + row_).text(), wanted);
      case 2:
        return expect("settings in extended",
                      checked(all, conn_.query(all + " FROM items WHERE id = $1", {other_row})).text(),
                      wanted);
      default:
        break;
    }
    const int i = pick(kNames.size());
    expect(std::string("SHOW ") + kNames[i], query(std::string("SHOW ") + kNames[i]).scalar(), mine_[i]);
    const char* zone = PQparameterStatus(conn_.raw(), "TimeZone");
    expect("the TimeZone reported", zone == nullptr ? "" : zone, mine_[2]);
    const char* name = PQparameterStatus(conn_.raw(), "application_name");
    expect("the application_name reported", name == nullptr ? "" : name, mine_[0]);
  }

  std::string new_value(int setting) {
    switch (setting) {
      case 0:
        return "client_" + row_ + "_" + std::to_string(pick(1000));
      case 1:
        return "own_" + row_ + "_" + std::to_string(pick(10)) + ", public";
      case 2:
        return kZones[pick(kZones.size())];
      default:
        return std::to_string(1001 + 2 * (number_ + kClients * pick(5))) + "kB";  // odd: never shown in MB
    }
  }
  // Sets one parameter and returns the state to go back to.
  Values set(const char* verb) {
    const Values before = mine_;
    const int i = pick(kNames.size());
    mine_[i] = new_value(i);
    query(std::string(verb) + " " + kNames[i] + " TO " + (i == 1 ? mine_[i] : "'" + mine_[i] + "'"));
    return before;
  }

  // A parameter set before any shard has joined must not bind the transaction to a shard of its own.
  void transaction(const char* verb, const char* end, bool keep) {
    query("BEGIN");
    in_transaction_ = true;
    const bool set_first = pick(2) == 0;
    const std::string update = "UPDATE items SET n = n + 1 WHERE id = " + row_;
    if (!set_first) query(update);
    const Values before = set(verb);
    if (set_first) query(update);
    expect_mine();
    const auto ended = query(end);
    in_transaction_ = false;
    expect("the end of a transaction", ended.tag, end);
    if (!keep) mine_ = before;
    if (std::string(end) == "COMMIT") ++balance_;
  }

  // Every client uses the same two names for texts of its own.
  void prepare() {
    ++version_;
    const std::string own = std::to_string(number_ * 1000 + version_);
    checked("prepare mine", conn_.prepare("mine", "SELECT $1::int + " + own));
    checked("prepare row", conn_.prepare("row", "SELECT id, " + own + " FROM items WHERE id = $1"));
  }
  void execute() {
    const std::string own = std::to_string(number_ * 1000 + version_);
    if (pick(2) == 0)
      return expect("mine", checked("execute mine", conn_.execute("mine", {"0"})).text(), own);
    const std::string id = std::to_string(pick(kClients));
    expect("row", checked("execute row", conn_.execute("row", {id})).text(), id + "|" + own);
  }
  void prepare_anew() {
    query("DEALLOCATE mine");
    query("DEALLOCATE row");
    prepare();
    execute();
  }

  void act() {
    switch (pick(9)) {
      case 0:
        set("SET");
        return;
      case 1:
        return transaction("SET", "ROLLBACK", false);
      case 2:
        return transaction("SET", "COMMIT", true);
      case 3:
        return transaction("SET LOCAL", "COMMIT", false);
      case 4:
        return transaction("SET LOCAL", "ROLLBACK", false);
      case 5:
        return prepare_anew();
      case 6: {
        const int i = pick(kNames.size());
        mine_[i] = initial_[i];
        query(std::string("RESET ") + kNames[i]);
        return;
      }
      default:
        return execute();
    }
  }

  const int number_;
  const std::string row_;
  std::mt19937 random_;
  PgConn conn_;
  Values initial_, mine_;
  bool in_transaction_ = false;
  int version_ = 0;
  int balance_ = 0;  // committed updates of the own row
  int rounds_ = 0;
  int statements_ = 0;
  std::string fault_;
};

TEST(PoolingChaos, TwoHundredClientsOnTenConnectionsPerServerKeepTheirState) {
  PgCluster cluster({.shards = 2});
  cluster.run_everywhere(
      "GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE items (id int PRIMARY KEY, n int)");
  testing::HowdahOptions options;
  options.tables = "items: { hash: id }";
  options.pool = "{ mode: transaction, size: " + std::to_string(kPoolSize) + " }";
  HowdahProcess howdah(cluster, options);
  PgConn setup = howdah.connect();
  for (int i = 0; i < kClients; ++i) setup.must("INSERT INTO items VALUES (" + std::to_string(i) + ", 0)");

  std::vector<std::unique_ptr<Client>> clients(kClients);
  std::vector<std::thread> threads;
  std::atomic<int> running{kClients};
  std::latch logged_in(kClients);
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      clients[i] = std::make_unique<Client>(i, howdah.url());
      logged_in.arrive_and_wait();
      clients[i]->run(Clock::now() + kDuration);
      --running;
    });
  }
  std::array<long, 2> most{};
  std::array watchers = {cluster.primary(0).superuser(), cluster.primary(1).superuser()};
  const auto watch = [&] {
    for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(most[i], app_connections(watchers[i]));
    return running == 0;
  };
  EXPECT_TRUE(testing::wait_until(watch, kDuration + kPatience + std::chrono::seconds(20))) << "clients hang";
  for (auto& thread : threads) thread.join();

  int statements = 0, faults = 0, starved = 0;
  for (const auto& client : clients) {
    statements += client->statements();
    if (!client->fault().empty() && ++faults <= 5) ADD_FAILURE() << client->fault();
    if (client->fault().empty() && client->rounds() < kRounds) ++starved;
  }
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(starved, 0);
  for (const long connections : most) {
    EXPECT_LE(connections, kPoolSize);
    EXPECT_GT(connections, 1) << "the servers were not shared, or not used";
  }
  if (faults > 0) return;  // a client that stopped in a transaction has no balance
  for (int i = 0; i < kClients; ++i) {
    EXPECT_EQ(setup.scalar("SELECT n FROM items WHERE id = " + std::to_string(i)),
              std::to_string(clients[i]->balance()));
  }
  RecordProperty("statements", statements);
}

}  // namespace
}  // namespace howdah::e2e_pool
