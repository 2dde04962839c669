#include "proxy/core/rate_limit.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kStart = 1'000'000 * kMillisecond;

config::RateLimit ten_a_second() {
  config::RateLimit limit;
  limit.name = "ten";
  limit.max = 10;
  return limit;
}

TEST(RateBucket, AllowsABurstAndThenTheRate) {
  RateRule rule(ten_a_second());
  RateBucket bucket;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(bucket.take(rule.rate(), kStart), 0) << i;
  EXPECT_EQ(bucket.take(rule.rate(), kStart), 100 * kMillisecond) << "the eleventh waits for a tenth of the window";
  EXPECT_EQ(bucket.take(rule.rate(), kStart + 100 * kMillisecond), 0);
  EXPECT_GT(bucket.take(rule.rate(), kStart + 100 * kMillisecond), 0);
  EXPECT_FALSE(bucket.full(kStart + 1'000 * kMillisecond));
  EXPECT_TRUE(bucket.full(kStart + 1'100 * kMillisecond));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(bucket.take(rule.rate(), kStart + 5'000 * kMillisecond), 0) << "no more than a burst is saved up";
  EXPECT_GT(bucket.take(rule.rate(), kStart + 5'000 * kMillisecond), 0);
}

TEST(RateBucket, SpreadsWhatIsBeyondTheBurst) {
  auto limit = ten_a_second();
  limit.burst = 2;
  RateRule rule(limit);
  RateBucket bucket;
  EXPECT_EQ(bucket.take(rule.rate(), kStart), 0);
  EXPECT_EQ(bucket.take(rule.rate(), kStart), 0);
  EXPECT_EQ(bucket.take(rule.rate(), kStart), 100 * kMillisecond);
  bucket.give_back(rule.rate());
  EXPECT_EQ(bucket.take(rule.rate(), kStart), 0) << "what was given back is there again";
}

TEST(RateRule, FitsByUserDatabaseAndAddress) {
  auto limit = ten_a_second();
  limit.user = "app";
  limit.address = "10.0.0.0/8";
  limit.range = access::parse_address("10.0.0.0");
  limit.mask = access::prefix_mask(false, 8);
  const RateRule rule(limit);
  EXPECT_TRUE(rule.fits(RateSubject{"app", "any", "10.1.2.3", 1}));
  EXPECT_FALSE(rule.fits(RateSubject{"other", "any", "10.1.2.3", 1}));
  EXPECT_FALSE(rule.fits(RateSubject{"app", "any", "11.1.2.3", 1}));
  EXPECT_FALSE(rule.fits(RateSubject{"app", "any", "unix", 1}));
}

TEST(RateRule, CountsApartForEachAddress) {
  auto limit = ten_a_second();
  limit.per = config::LimitPer::kAddress;
  RateRule rule(limit);
  const auto one = rule.bucket({"a", "d", "10.0.0.1", 1}, 0, kStart);
  EXPECT_EQ(one, rule.bucket({"b", "e", "10.0.0.1", 2}, 0, kStart));
  EXPECT_NE(one, rule.bucket({"a", "d", "10.0.0.2", 1}, 0, kStart));
  EXPECT_EQ(rule.counts(kStart).buckets, 2u);
}

TEST(RateRule, ForgetsCountsThatNobodyUses) {
  auto limit = ten_a_second();
  limit.per = config::LimitPer::kClient;
  RateRule rule(limit);
  for (int pid = 1; pid <= 100'000; ++pid) rule.bucket({"a", "d", "unix", pid}, 0, kStart)->take(rule.rate(), kStart - 10'000 * kMillisecond);
  EXPECT_LE(rule.counts(kStart).buckets, 1024u);
}

TEST(RateRule, IsRefusingUntilAWindowWithoutRefusals) {
  RateRule rule(ten_a_second());
  rule.refused({"app", "app", "unix", 1}, 0, kStart);
  EXPECT_TRUE(rule.counts(kStart).refusing);
  rule.allowed(kStart + 500 * kMillisecond);
  EXPECT_TRUE(rule.counts(kStart + 1'000 * kMillisecond).refusing);
  EXPECT_FALSE(rule.counts(kStart + 1'001 * kMillisecond).refusing);
}

}  // namespace
}  // namespace howdah::proxy
