// 64 clients on 8 server connections set session state at random, and each checks before every statement that it finds what
// it set, and nothing of the others. HOWDAH_LEAK_HUNT_SECONDS (or the first argument) says for how long, HOWDAH_LEAK_HUNT_SEED
// repeats a hunt's choices.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/start.h"
#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah::e2e_state {
namespace {

using testing::PgConn;

constexpr int kClients = 64;

// Default 12 s, so that the whole test stays below 20.
int hunt_seconds = 12;

struct Tally {
  std::atomic<long> checks{0}, statements{0}, foreign{0}, lost{0}, busy{0};
  std::mutex mutex;
  std::vector<std::string> reports;  // guarded by mutex
  void report(const std::string& what) {
    std::lock_guard lock(mutex);
    if (reports.size() < 20) reports.push_back(what);
  }
};

// What one client's session should look like.
struct Expected {
  std::map<std::string, std::string> settings;  // as SHOW answers
  std::string role = "app";
};

class Hunter {
 public:
  Hunter(const testing::HowdahProcess& howdah, int number, std::uint64_t seed, Tally& tally)
      : client_(howdah.connect()), name_("c" + std::to_string(number)), number_(number),
        random_(seed * 1000 + static_cast<std::uint64_t>(number)), tally_(tally) {
    now_.settings = defaults();
    client_.must("PREPARE mine AS SELECT '" + name_ + "'::text");
    client_.must("DEALLOCATE mine");
  }

  void step() {
    check();
    switch (pick(14)) {
      case 0: return set("app.user_id", name_ + "-" + std::to_string(pick(1000)));
      case 1: return set("app.long", name_ + ": it's \"long\" \\ and odd; -- " + std::string(pick(3000), 'x') + " Grüße $1 $$");
      case 2: return set("search_path", pick(2) == 0 ? "\"s " + name_ + "\", public" : "public");
      case 3: return set("TimeZone", zone());
      case 4: return set("work_mem", std::to_string(64 + pick(500) * 4) + "kB");
      case 5: return set("statement_timeout", std::to_string(60'000 + number_) + "ms");
      case 6: return set_role(pick(2) == 0 ? "hunter" : "app");
      case 7: return transaction();
      case 8: return by_function();
      case 9: return temporary_table();
      case 10: return advisory_lock();
      case 11: return prepared();
      case 12: return reset();
      default: return extended();
    }
  }

 private:
  static std::map<std::string, std::string> defaults() {
    return {{"app.user_id", ""}, {"app.long", ""}, {"search_path", "\"$user\", public"}, {"TimeZone", "Etc/UTC"}, {"work_mem", "4MB"},
            {"statement_timeout", "0"}, {"app.by_code", ""}};
  }
  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }
  std::string zone() {
    static const char* const zones[] = {"Europe/Berlin", "Asia/Tokyo", "America/New_York", "Africa/Cairo", "Etc/UTC"};
    return zones[pick(5)];
  }
  static std::string quoted(const std::string& text) {
    std::string out = text.find('\\') == std::string::npos ? "'" : "E'";
    for (const char c : text) {
      if (c == '\'' || c == '\\') out += c;
      out += c;
    }
    return out + "'";
  }

  // Runs a statement; a full pool is no fault. False: it did not run.
  bool run(const std::string& sql) {
    ++tally_.statements;
    const auto answer = client_.query(sql);
    if (answer.ok()) return true;
    if (answer.message.find("no server connection became free") != std::string::npos) {
      ++tally_.busy;
    } else {
      tally_.report(name_ + " " + sql.substr(0, 200) + ": " + answer.sqlstate + " " + answer.message);
      ++tally_.lost;
    }
    return false;
  }

  void check() {
    std::string sql = "SELECT current_user";
    for (const auto& [name, value] : now_.settings) sql += ", current_setting('" + name + "', true)";
    sql += ", (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
           ", (SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'howdah_%')"
           ", (SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = pg_my_temp_schema())";
    const auto answer = client_.query(sql);
    if (!answer.ok()) {
      if (answer.message.find("no server connection became free") != std::string::npos) {
        ++tally_.busy;
        return;
      }
      ++tally_.lost;
      return tally_.report(name_ + " check: " + answer.sqlstate + " " + answer.message);
    }
    ++tally_.checks;
    const auto& row = answer.rows[0];
    compare("current_user", now_.role, row[0].value_or(""));
    std::size_t i = 1;
    for (const auto& [name, value] : now_.settings) compare(name, value, row[i++].value_or(""));
    compare("advisory locks", std::to_string(locks_), row[i++].value_or(""));
    compare("prepared statements by name", "0", row[i++].value_or(""));
    compare("temporary tables", table_, row[i++].value_or(""));
    const char* told = PQparameterStatus(client_.raw(), "TimeZone");
    compare("ParameterStatus TimeZone", now_.settings["TimeZone"], told == nullptr ? "" : told);
  }

  void compare(const std::string& what, const std::string& expected, const std::string& got) {
    if (expected == got) return;
    // Each client's values name it, or are the defaults.
    const bool default_value = defaults().contains(what) && defaults()[what] == got;
    ++(default_value || got.empty() || got == "0" ? tally_.lost : tally_.foreign);
    tally_.report(name_ + " " + what + ": expected <" + expected.substr(0, 80) + "> got <" + got.substr(0, 80) + "> after " + last_);
  }

  void set(const std::string& name, const std::string& value) {
    last_ = "SET " + name;
    const std::string list = name == "search_path" ? value : quoted(value);
    const bool by_call = pick(3) == 0;
    if (run(by_call ? "SELECT set_config('" + name + "', " + quoted(value) + ", false)" : "SET " + name + " TO " + list)) {
      now_.settings[name] = shown(name, value);
    }
  }
  // As SHOW answers.
  static std::string shown(const std::string& name, const std::string& value) {
    if (name == "work_mem") {
      const long kb = std::stol(value);
      return kb % 1024 == 0 ? std::to_string(kb / 1024) + "MB" : value;
    }
    if (name == "statement_timeout") {
      const long ms = std::stol(value);
      if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "min";
      return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : value;
    }
    return value;
  }

  void set_role(const std::string& role) {
    last_ = "SET ROLE";
    if (run(role == "app" ? "RESET ROLE" : "SET ROLE " + role)) now_.role = role;
  }

  void transaction() {
    last_ = "a transaction";
    if (!run("BEGIN")) return;
    const Expected before = now_;
    bool alive = true;
    std::optional<Expected> at_savepoint;
    for (std::size_t i = 0, count = 1 + pick(4); i < count && alive; ++i) {
      switch (pick(5)) {
        case 0: alive = run("SET LOCAL app.user_id = 'local of " + name_ + "'"); break;
        case 1: alive = run("SELECT set_config('work_mem', '12345kB', true)"); break;
        case 2: {
          const std::string value = name_ + " in transaction " + std::to_string(pick(100));
          alive = run("SET app.long = " + quoted(value));
          if (alive) now_.settings["app.long"] = value;
          break;
        }
        case 3:
          if (at_savepoint) {
            alive = run("ROLLBACK TO s");
            if (alive) now_ = *at_savepoint;
          } else {
            alive = run("SAVEPOINT s");
            at_savepoint = now_;
          }
          break;
        default: alive = run("SELECT count(*) FROM pg_class");
      }
    }
    const std::size_t end = pick(4);
    if (end == 0) {
      client_.query("SELECT 1/0");
      ++tally_.statements;
    }
    const bool commit = alive && end >= 2;
    run(commit ? "COMMIT" : "ROLLBACK");
    if (!commit) now_ = before;
  }

  void by_function() {
    last_ = "a function";
    const std::string value = name_ + " by code " + std::to_string(pick(100));
    if (run("SELECT hunt_set(" + quoted(value) + ")")) now_.settings["app.by_code"] = value;
  }

  // These keep the connection: only few may at a time, and not for long.
  void temporary_table() {
    last_ = "a temporary table";
    if (table_.empty()) {
      if (!run("CREATE TEMP TABLE t_" + name_ + " (a int)")) return;
      table_ = "t_" + name_;
      check();
      if (pick(2) == 0) run("INSERT INTO t_" + name_ + " VALUES (1)");
    }
    if (run("DROP TABLE t_" + name_)) table_.clear();
  }
  void advisory_lock() {
    last_ = "an advisory lock";
    if (!run("SELECT pg_advisory_lock(" + std::to_string(number_) + ")")) return;
    ++locks_;
    check();
    if (run("SELECT pg_advisory_unlock(" + std::to_string(number_) + ")")) --locks_;
  }
  void prepared() {
    last_ = "a prepared statement";
    if (pick(2) == 0) {
      const std::string name = "q" + std::to_string(pick(3));
      const auto made = client_.query("PREPARE " + name + "(text) AS SELECT '" + name_ + name + "'::text || $1");
      if (!made.ok() && made.sqlstate != "42P05") return;
      const auto answer = client_.query("EXECUTE " + name + "('!')");
      if (answer.ok()) compare("PREPARE " + name, name_ + name + "!", answer.scalar());
      if (pick(2) == 0) run("DEALLOCATE " + name);
      return;
    }
    const std::string statement = "p" + std::to_string(pick(3));
    const auto made = client_.prepare(statement, "SELECT '" + name_ + statement + "'::text || $1");
    if (!made.ok() && made.sqlstate != "42P05") return;
    const auto answer = client_.execute(statement, {"!"});
    if (answer.ok()) compare("prepared " + statement, name_ + statement + "!", answer.scalar());
  }
  void reset() {
    last_ = "RESET";
    switch (pick(4)) {
      case 0:
        if (run("RESET ALL")) now_.settings = defaults();
        break;
      case 1:
        if (run("DISCARD ALL")) {
          now_.settings = defaults();
          now_.role = "app";
        }
        break;
      case 2:
        if (run("RESET search_path")) now_.settings["search_path"] = defaults()["search_path"];
        break;
      default:
        if (run("SET TimeZone TO DEFAULT")) now_.settings["TimeZone"] = defaults()["TimeZone"];
    }
  }
  void extended() {
    last_ = "Execute";
    const std::string value = name_ + " by Execute";
    if (client_.query("SELECT set_config($1, $2, false)", {"app.user_id", value}).ok()) now_.settings["app.user_id"] = value;
    ++tally_.statements;
  }

  PgConn client_;
  const std::string name_;
  const int number_;
  std::mt19937_64 random_;
  Tally& tally_;
  Expected now_;
  std::string last_ = "the login";
  std::string table_;
  int locks_ = 0;
};

TEST(LeakHunt, NobodyFindsAnothersStateAndNobodyMissesItsOwn) {
  if (const char* seconds = std::getenv("HOWDAH_LEAK_HUNT_SECONDS")) hunt_seconds = std::atoi(seconds);
  std::uint64_t seed = std::random_device()();
  if (const char* given = std::getenv("HOWDAH_LEAK_HUNT_SEED")) seed = std::strtoull(given, nullptr, 10);
  std::cout << "seed " << seed << ", " << hunt_seconds << " s" << std::endl;
  testing::PgCluster cluster({.settings = {{"timezone", "Etc/UTC"}}});
  cluster.primary().run_sql(
      "CREATE ROLE hunter; GRANT hunter TO app; GRANT ALL ON SCHEMA public TO app; SET ROLE app;"
      "CREATE FUNCTION hunt_set(v text) RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('app.by_code', v, false); END$$");
  testing::HowdahOptions options;
  options.pool = "{ mode: transaction, size: 8, wait_timeout: 30s }";
  auto howdah = e2e::start(cluster, options);
  Tally tally;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      try {
        Hunter hunter(*howdah, i, seed, tally);
        while (!stop.load()) hunter.step();
      } catch (const std::exception& error) {
        ++tally.lost;
        tally.report(error.what());
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::seconds(hunt_seconds));  // the hunt's own length
  stop.store(true);
  for (auto& thread : threads) thread.join();
  std::cout << tally.statements << " statements, " << tally.checks << " checks, " << tally.busy << " refused by a full pool, "
            << tally.foreign << " foreign, " << tally.lost << " lost" << std::endl;
  for (const auto& report : tally.reports) ADD_FAILURE() << report;
  EXPECT_EQ(tally.foreign, 0);
  EXPECT_EQ(tally.lost, 0);
  EXPECT_GT(tally.checks, kClients * 2);
}

}  // namespace
}  // namespace howdah::e2e_state

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc > 1) howdah::e2e_state::hunt_seconds = std::atoi(argv[1]);
  return RUN_ALL_TESTS();
}
