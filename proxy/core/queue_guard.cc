#include "proxy/core/queue_guard.h"

#include <algorithm>

namespace howdah::proxy {

namespace {

constexpr std::int64_t kWeight = 16;  // each interval counts for a sixteenth

std::int64_t nanoseconds(Duration time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(); }

}  // namespace

void QueueGuard::served(SteadyTime now) {
  const std::int64_t took = std::max<std::int64_t>(nanoseconds(now - last_), 1);
  interval_ns_ = interval_ns_ == 0 ? took : interval_ns_ + (took - interval_ns_) / kWeight;
  last_ = now;
}

Duration QueueGuard::expected_wait(std::size_t waiting, SteadyTime now) const {
  if (interval_ns_ == 0 || waiting == 0) return Duration::zero();
  // While nothing moves, nothing is known but that it takes longer than it used to.
  const std::int64_t stalled = waiting == 1 ? 0 : nanoseconds(now - last_);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(waiting) * interval_ns_ + std::max<std::int64_t>(stalled - interval_ns_, 0));
}

}  // namespace howdah::proxy
