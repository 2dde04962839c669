// Random statements through Howdah and on the twin: the same answer, the same SQLSTATE, or a refusal with 0A000.
//
// HOWDAH_RANDOM_STATEMENTS and HOWDAH_RANDOM_SEED (a number, or "time") choose others; HOWDAH_RANDOM_ONLY=N runs the Nth alone, and
// HOWDAH_RANDOM_SHOW=1 prints each refusal.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <algorithm>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>

#include "tests/parity/judge.h"
#include "tests/parity/random_statement.h"

namespace howdah::parity {
namespace {

constexpr int kThreads = 3;
constexpr std::size_t kMostFailures = 20;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  if (value == nullptr) return otherwise;
  if (std::string(value) == "time") return static_cast<std::uint64_t>(std::time(nullptr));
  return std::strtoull(value, nullptr, 10);
}

struct Totals {
  std::mutex mutex;
  int exact = 0, refused = 0, errors = 0, legal = 0;
  std::map<std::string, int> reasons;
  std::vector<std::string> wrong;
};

std::string shown(const Step& step) {
  std::string out = step.sql;
  if (step.values.empty()) return out;
  for (const auto& value : step.values.front()) out += "\n  parameter: " + value.value_or("NULL");
  return out;
}

void count(Totals& totals, const Step& step, std::uint64_t number, const Verdict& verdict) {
  static const bool show = std::getenv("HOWDAH_RANDOM_SHOW") != nullptr;
  std::lock_guard lock(totals.mutex);
  totals.legal += verdict.legal;
  if (verdict.kind == Verdict::Kind::kExact) {
    ++totals.exact;
    totals.errors += !verdict.legal;
  } else if (verdict.kind == Verdict::Kind::kRefused) {
    ++totals.refused;
    ++totals.reasons[verdict.why];
    if (show) std::cout << "refused: " << verdict.why << ": " << shown(step) << "\n";
  } else {
    totals.wrong.push_back("statement " + std::to_string(number) + ": " + shown(step) + "\n  " + verdict.why);
  }
}

// Writes take turns: two clients that each hold a row here and wait for one there would never end.
void work(World& world, std::uint64_t seed, std::atomic<std::uint64_t>& next, std::uint64_t end, std::mutex& writing, Totals& totals) {
  Judge judge(world);
  for (std::uint64_t number; (number = next++) < end;) {
    {
      std::lock_guard lock(totals.mutex);
      if (totals.wrong.size() >= kMostFailures) return;
    }
    const auto made = RandomStatement(seed, number).make();
    std::unique_lock<std::mutex> turn(writing, std::defer_lock);
    if (made.writes) turn.lock();
    count(totals, made.step, number, judge.judge_once(made.step, made.writes, kModes[number % 3]));
  }
}

TEST(ParityRandom, AnswersAsPostgresqlDoesOrRefuses) {
  const auto seed = from_environment("HOWDAH_RANDOM_SEED", 1);
  const auto only = from_environment("HOWDAH_RANDOM_ONLY", 0);
  std::atomic<std::uint64_t> next = only;
  const auto end = only > 0 ? only + 1 : from_environment("HOWDAH_RANDOM_STATEMENTS", 5000);
  std::cout << "HOWDAH_RANDOM_SEED=" << seed << " HOWDAH_RANDOM_STATEMENTS=" << end << std::endl;
  World world;
  Totals totals;
  std::mutex writing;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] { work(world, seed, next, end, writing, totals); });
  threads.clear();
  for (const auto& text : totals.wrong) ADD_FAILURE() << text;
  EXPECT_EQ(world.differences(), "") << "a statement left something behind";
  const int all = totals.exact + totals.refused;
  std::cout << all << " statements: " << totals.exact << " exact (" << totals.errors << " of them the same error), " << totals.refused << " refused ("
            << totals.refused * 100 / std::max(all, 1) << " %), " << totals.wrong.size() << " wrong\n";
  for (const auto& [reason, times] : totals.reasons) std::cout << "  " << times << " refused: " << reason << "\n";
  if (only > 0) return;
  EXPECT_GT(totals.legal, all * 8 / 10) << "too many statements that PostgreSQL does not take either";
  EXPECT_LT(totals.refused, all / 2) << "what is refused proves nothing";
}

}  // namespace
}  // namespace howdah::parity
