// How often something took how long, in buckets whose bounds double: 64 us, 128 us, ... 67 s, and more.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace howdah {

// A value; one thread notes, copies are added up.
class LatencyHistogram {
 public:
  static constexpr std::size_t kBuckets = 22;
  // Where `us` microseconds count.
  static std::size_t bucket_of(std::int64_t us) {
    const auto width = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(us > 0 ? us - 1 : 0) >> 6));
    return width < kBuckets ? width : kBuckets - 1;
  }
  // The largest microseconds that count in it. REQUIRES: bucket + 1 < kBuckets; the last one has no bound.
  static std::uint64_t bound(std::size_t bucket) { return std::uint64_t{64} << bucket; }

  void note(std::int64_t us) { ++counts_[bucket_of(us)]; }
  void add(std::size_t bucket, std::uint64_t count) { counts_[bucket] += count; }
  void add(const LatencyHistogram& more) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += more.counts_[i];
  }
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket]; }

 private:
  std::array<std::uint64_t, kBuckets> counts_{};
};

}  // namespace howdah
