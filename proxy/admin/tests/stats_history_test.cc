#include "proxy/admin/stats_history.h"

#include <gtest/gtest.h>

namespace howdah::admin {
namespace {

using Counters = proxy::Pool::Counters;

Counters counters(std::uint64_t transactions, std::uint64_t busy_us, std::uint64_t wait_us) {
  Counters made;
  made.transactions = transactions;
  made.statements = 2 * transactions;
  made.bytes_in = 300 * transactions;
  made.bytes_out = 100 * transactions;
  made.busy_us = busy_us;
  made.query_us = busy_us / 2;
  made.wait_us = wait_us;
  return made;
}

const SteadyTime kStart{seconds(1'000)};

TEST(StatsHistory, AveragesCountsPerSecondAndTimesPerTransaction) {
  const Averages averages = averages_between(counters(10, 1'000, 0), counters(130, 7'000, 240'000), seconds(60));
  EXPECT_EQ(averages, (Averages{2, 4, 200, 600, 50, 12, 4'000}));
}

TEST(StatsHistory, AveragesOverNoTimeAndNoTransactionsAreZero) {
  EXPECT_EQ(averages_between({}, counters(5, 10, 10), seconds(0)).transactions, 0u);
  EXPECT_EQ(averages_between(counters(5, 10, 10), counters(5, 10, 10), seconds(60)), Averages{});
}

TEST(StatsHistory, BeforeTheFirstPeriodEndsAveragesGoBackToTheStart) {
  const StatsHistory history(kStart);
  EXPECT_EQ(history.averages("app", counters(50, 0, 0), kStart + seconds(10)).transactions, 5u);
}

TEST(StatsHistory, AfterwardsTheyAreThoseOfTheLastWholePeriod) {
  StatsHistory history(kStart);
  history.note(kStart + seconds(60), {{"app", counters(60, 0, 0)}, {"other", counters(600, 0, 0)}});
  history.note(kStart + seconds(120), {{"app", counters(240, 0, 0)}, {"other", counters(600, 0, 0)}});
  const auto now = kStart + seconds(121);
  EXPECT_EQ(history.averages("app", counters(9'999, 0, 0), now).transactions, 3u);
  EXPECT_EQ(history.averages("other", counters(600, 0, 0), now).transactions, 0u);
  EXPECT_EQ(history.averages(kAllDatabases, {}, now).transactions, 3u);
}

}  // namespace
}  // namespace howdah::admin
