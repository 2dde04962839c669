// The proxy is killed again and again under transactions over two shards: money is neither made nor lost.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/e2e_faults/app_client.h"
#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

constexpr int kAccounts = 40;  // on each shard
constexpr long kStart = 1000;

testing::HowdahOptions bank_options() {
  testing::HowdahOptions options;
  options.tables =
      "accounts: { hash: user_id }\nledger: { hash: user_id }\nrates: { reference: true }\nnotes: { hash: "
      "user_id }";
  return options;
}

class Bank : public ::testing::Test {
 protected:
  Bank()
      : world_({.shards = 2}, bank_options()),
        left_(world_.keys_on(0, kAccounts)),
        right_(world_.keys_on(1, kAccounts)) {
    world_.must("CREATE TABLE accounts (user_id bigint PRIMARY KEY, balance bigint NOT NULL)");
    world_.must("CREATE TABLE ledger (user_id bigint, number bigint, PRIMARY KEY (user_id, number))");
    world_.must("CREATE TABLE rates (id int PRIMARY KEY, value bigint NOT NULL)");
    world_.must("CREATE TABLE notes (user_id bigint PRIMARY KEY)");
    for (const auto& keys : {left_, right_}) {
      for (const long key : keys)
        world_.must("INSERT INTO accounts VALUES (" + std::to_string(key) + ", " + std::to_string(kStart) +
                    ")");
    }
    for (int id = 1; id <= 4; ++id) world_.must("INSERT INTO rates VALUES (" + std::to_string(id) + ", 0)");
  }

  // One transfer from a left account to a right one or back, with a ledger row on both sides.
  void transfer(AppClient& client, long number) {
    const std::string left = std::to_string(left_[number * 7 % kAccounts]);
    const std::string right = std::to_string(right_[number * 11 % kAccounts]);
    const std::string sign = number % 2 == 0 ? " + 1" : " - 1", opposite = number % 2 == 0 ? " - 1" : " + 1";
    const std::string n = std::to_string(number);
    // Always left first: two transfers cannot wait for each other on different shards.
    attempt(client, books_, number,
            {"UPDATE accounts SET balance = balance" + sign + " WHERE user_id = " + left,
             "INSERT INTO ledger VALUES (" + left + ", " + n + ")",
             "UPDATE accounts SET balance = balance" + opposite + " WHERE user_id = " + right,
             "INSERT INTO ledger VALUES (" + right + ", " + n + ")"});
  }

  // Numbers that a query finds on shard 0; every shard must say the same, else something is done by half.
  std::set<long> numbers_on_all(const std::string& sql) {
    const auto answers = world_.on_each(sql);
    EXPECT_EQ(answers[0], answers[1]) << "half done: " << sql;
    std::set<long> numbers;
    for (const auto& number : testing::split(answers[0], ';')) numbers.insert(std::stol(number));
    return numbers;
  }

  static void attempt(AppClient& client, Books& books, long number, std::vector<std::string> statements) {
    statements.insert(statements.begin(), {"BEGIN", "SET LOCAL lock_timeout = '300ms'"});
    statements.emplace_back("COMMIT");
    books.note(number, client.transaction(statements));
  }

  void add_worker(std::function<void(AppClient&)> work) {
    crew_.add([work = std::move(work), client = std::make_shared<AppClient>([this] { return world_.url(); })](
                  const auto&) { work(*client); });
  }

  void add_transfers(int threads) {
    for (int i = 0; i < threads; ++i) add_worker([this](AppClient& client) { transfer(client, next_++); });
  }

  // Kills the proxy in the middle of commits: each time when something is prepared and work went on before.
  void kill_again_and_again(int kills) {
    for (int kill = 0; kill < kills; ++kill) {
      const auto before = books_.done_count();
      ASSERT_TRUE(
          testing::wait_until([&] { return books_.done_count() >= before + 30; }, std::chrono::seconds(15)))
          << world_.proxy().log();
      auto watcher = world_.cluster().primary(1).superuser("postgres");
      testing::wait_until([&] { return watcher.scalar("SELECT count(*) FROM pg_prepared_xacts") != "0"; },
                          std::chrono::milliseconds(500));
      world_.kill_proxy();
      in_doubt_ += world_.sum("SELECT count(*) FROM pg_prepared_xacts");
      world_.start_proxy();
    }
  }

  World world_;
  std::vector<long> left_, right_;
  Books books_;
  std::atomic<long> next_ = 1;
  long in_doubt_ = 0;  // prepared transactions seen right after the kills
  Crew crew_;
};

TEST_F(Bank, KeepsMoneyAndCopiesAndSchemasWhenTheProxyIsKilled) {
  Books rates, columns;
  std::atomic<long> next_rate = 10, next_column = 1;
  add_transfers(3);
  for (int i = 0; i < 2; ++i) {
    add_worker([&](AppClient& client) {
      const long number = next_rate++;
      const std::string n = std::to_string(number);
      // What is computed depends on the order of writers: copies that took turns differently would differ.
      attempt(client, rates, number,
              {"UPDATE rates SET value = value * 2 % 1000003 + " + n + " WHERE id <= 4",
               "INSERT INTO rates VALUES (" + n + ", 0)"});
    });
  }
  add_worker([&](AppClient& client) {
    const long number = next_column++;
    attempt(client, columns, number, {"ALTER TABLE notes ADD COLUMN c" + std::to_string(number) + " int"});
  });
  kill_again_and_again(3);
  // However often each was interrupted: every kind of work goes on once nobody is killed.
  EXPECT_TRUE(testing::wait_until([&] { return rates.done_count() > 0 && columns.done_count() > 0; },
                                  std::chrono::seconds(30)))
      << rates.done_count() << " reference writes and " << columns.done_count() << " columns done\n"
      << world_.proxy().log();
  crew_.stop();
  EXPECT_TRUE(world_.nothing_in_doubt()) << world_.proxy().log();

  EXPECT_EQ(world_.sum("SELECT sum(balance) FROM accounts"), 2 * kAccounts * kStart);
  const auto transfers = numbers_on_all("SELECT number FROM ledger ORDER BY number");
  books_.expect_kept(transfers, "transfers");

  const auto copies = world_.on_each("SELECT id, value FROM rates ORDER BY id");
  EXPECT_EQ(copies[0], copies[1]);
  rates.expect_kept(numbers_on_all("SELECT id FROM rates ORDER BY id"), "reference rows");

  columns.expect_kept(
      numbers_on_all("SELECT substr(attname, 2)::int FROM pg_attribute"
                     " WHERE attrelid = 'notes'::regclass AND attname ~ '^c[0-9]+$' ORDER BY 1"),
      "columns");
  std::printf("%zu transfers, %zu reference writes, %zu columns; %ld in doubt after kills\n",
              books_.done_count(), rates.done_count(), columns.done_count(), in_doubt_);
}

}  // namespace
}  // namespace howdah::faults
