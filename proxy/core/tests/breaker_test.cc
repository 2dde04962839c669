#include "proxy/core/breaker.h"

#include <gtest/gtest.h>

#include "proxy/core/guards.h"
#include "proxy/core/queue_guard.h"

namespace howdah::proxy {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

// Steady time: what a breaker forgets when it closes, it forgets as of now.
std::int64_t start() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

config::Breaker half_of_four() {
  config::Breaker settings;
  settings.error_threshold_percentage = 50;
  settings.minimum = 4;
  settings.window = milliseconds(1'000);
  settings.reset_timeout = milliseconds(500);
  return settings;
}

TEST(Breaker, OpensWhenTooManyFail) {
  Breaker breaker("app", "s0", half_of_four());
  const std::int64_t now = start();
  for (int i = 0; i < 4; ++i) breaker.succeeded(0, now);
  for (int i = 0; i < 3; ++i) breaker.failed(static_cast<std::size_t>(i), now);
  EXPECT_TRUE(breaker.closed()) << "three failures prove nothing";
  breaker.failed(1, now);
  EXPECT_FALSE(breaker.closed()) << "four of eight, over several workers";
  EXPECT_FALSE(breaker.admit(now + 499 * kMillisecond));
  EXPECT_EQ(breaker.facts(now).opened, 1u);
  EXPECT_EQ(breaker.facts(now).refused, 1u);
}

TEST(Breaker, StaysClosedBelowTheShare) {
  Breaker breaker("app", "s0", half_of_four());
  const std::int64_t now = start();
  for (int i = 0; i < 100; ++i) breaker.succeeded(0, now);
  for (int i = 0; i < 99; ++i) breaker.failed(0, now);
  EXPECT_TRUE(breaker.closed());
}

TEST(Breaker, ForgetsWhatIsOlderThanTheWindow) {
  Breaker breaker("app", "s0", half_of_four());
  const std::int64_t now = start();
  for (int i = 0; i < 3; ++i) breaker.failed(0, now);
  breaker.failed(0, now + 1'100 * kMillisecond);
  EXPECT_TRUE(breaker.closed());
  EXPECT_EQ(breaker.facts(now + 1'100 * kMillisecond).failed, 1u);
}

TEST(Breaker, LetsOneProbeThroughAtATime) {
  Breaker breaker("app", "s0", half_of_four());
  const std::int64_t now = start();
  for (int i = 0; i < 4; ++i) breaker.failed(0, now);
  const std::int64_t later = now + 500 * kMillisecond;
  EXPECT_TRUE(breaker.may_admit(later));
  EXPECT_TRUE(breaker.admit(later));
  EXPECT_EQ(breaker.facts(later).state, Breaker::State::kHalfOpen);
  EXPECT_FALSE(breaker.may_admit(later));
  EXPECT_FALSE(breaker.admit(later));
  breaker.failed(0, later);
  EXPECT_EQ(breaker.facts(later).state, Breaker::State::kOpen) << "the probe failed";
  EXPECT_FALSE(breaker.admit(later + 499 * kMillisecond));
  EXPECT_TRUE(breaker.admit(later + 500 * kMillisecond));
  breaker.succeeded(0, later + 500 * kMillisecond);
  EXPECT_TRUE(breaker.closed());
  EXPECT_TRUE(breaker.admit(later + 500 * kMillisecond));
}

TEST(Breaker, GivesUpOnAProbeThatNobodyHearsOf) {
  Breaker breaker("app", "s0", half_of_four());
  const std::int64_t now = start();
  for (int i = 0; i < 4; ++i) breaker.failed(0, now);
  EXPECT_TRUE(breaker.admit(now + 500 * kMillisecond));
  EXPECT_FALSE(breaker.admit(now + 5'000 * kMillisecond));
  EXPECT_TRUE(breaker.admit(now + 5'500 * kMillisecond));
}

TEST(Breaker, IsClosedWhenItIsTurnedOff) {
  Breaker breaker("app", "s0", half_of_four());
  const std::int64_t now = start();
  for (int i = 0; i < 4; ++i) breaker.failed(0, now);
  breaker.configure({});
  EXPECT_TRUE(breaker.admit(now));
  for (int i = 0; i < 100; ++i) breaker.failed(0, now);
  EXPECT_TRUE(breaker.closed());
}

TEST(QueueGuard, ExpectsWhatTheQueueHasDoneOfLate) {
  QueueGuard guard;
  guard.set_limit(milliseconds(100));
  SteadyTime now = SteadyTime(seconds(100));
  guard.began(now);
  EXPECT_FALSE(guard.overloaded(1'000'000, now)) << "nothing is known yet";
  const auto serve = [&](int count, milliseconds interval) {
    for (int i = 0; i < count; ++i) guard.served(now += interval);
  };
  serve(100, milliseconds(2));
  EXPECT_NEAR(static_cast<double>(guard.expected_wait(10, now).count()), 20e6, 1e5);
  EXPECT_FALSE(guard.overloaded(50, now));
  EXPECT_TRUE(guard.overloaded(51, now));
  serve(1, seconds(10));
  EXPECT_LT(guard.expected_wait(10, now), milliseconds(25)) << "one pause says little";
  serve(100, milliseconds(20));
  EXPECT_NEAR(static_cast<double>(guard.expected_wait(10, now).count()), 200e6, 2e6) << "many tell that it has become slow";
  guard.set_limit(milliseconds(0));
  EXPECT_FALSE(guard.overloaded(1'000'000, now));
}

TEST(RetryBudget, IsAShareOfTheStatementsOfTheLastSecond) {
  RetryBudget budget;
  const SteadyTime now = SteadyTime(seconds(100));
  const auto granted = [&](SteadyTime at, std::uint64_t statements) {
    int count = 0;
    while (budget.take(at, statements, 20, 10)) ++count;
    return count;
  };
  EXPECT_EQ(granted(now, 0), 10) << "the constant part";
  EXPECT_EQ(granted(now + milliseconds(500), 100), 20) << "and a fifth of a hundred";
  EXPECT_EQ(granted(now + milliseconds(1'000), 1'000), 210) << "those of the second before count in the next";
  EXPECT_EQ(granted(now + milliseconds(10'000), 1'000), 10) << "after a pause there were none";
}

}  // namespace
}  // namespace howdah::proxy
