#include "base/latency_histogram.h"

#include <gtest/gtest.h>

namespace howdah {
namespace {

TEST(LatencyHistogram, CountsUpToEachBound) {
  for (std::size_t i = 0; i + 1 < LatencyHistogram::kBuckets; ++i) {
    const auto bound = static_cast<std::int64_t>(LatencyHistogram::bound(i));
    EXPECT_EQ(LatencyHistogram::bucket_of(bound), i);
    EXPECT_EQ(LatencyHistogram::bucket_of(bound + 1), i + 1);
  }
  EXPECT_EQ(LatencyHistogram::bucket_of(0), 0u);
  EXPECT_EQ(LatencyHistogram::bucket_of(-5), 0u);
  EXPECT_EQ(LatencyHistogram::bucket_of(INT64_MAX), LatencyHistogram::kBuckets - 1);
}

TEST(LatencyHistogram, AddsUp) {
  LatencyHistogram one, two;
  one.note(10);
  one.note(100);
  two.note(100);
  one.add(two);
  one.add(3, 5);
  EXPECT_EQ(one.count(0), 1u);
  EXPECT_EQ(one.count(1), 2u);
  EXPECT_EQ(one.count(3), 5u);
}

}  // namespace
}  // namespace howdah
