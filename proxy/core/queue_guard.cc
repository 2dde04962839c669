#include "proxy/core/queue_guard.h"

#include <algorithm>

namespace howdah::proxy {

namespace {

constexpr std::int64_t kWeight = 16;          // each interval counts for a sixteenth
constexpr std::int64_t kAtFirst = 1'000'000;  // before anything is known, a queue is taken to be fast
constexpr std::int64_t kOutlier = 4;          // one pause, however long, counts for so many times the usual one

std::int64_t nanoseconds(Duration time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(); }

}  // namespace

void QueueGuard::served(SteadyTime now) {
  const std::int64_t usual = interval_ns_ == 0 ? kAtFirst : interval_ns_;
  const std::int64_t took = std::min(nanoseconds(now - last_), kOutlier * usual);
  interval_ns_ = std::max<std::int64_t>(usual + (took - usual) / kWeight, 1);
  last_ = now;
}

// While nothing moves nothing is learnt: those who wait then leave at their time.
Duration QueueGuard::expected_wait(std::size_t waiting, SteadyTime) const {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(waiting) * interval_ns_);
}

}  // namespace howdah::proxy
