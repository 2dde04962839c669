#include "proxy/core/rate_limit.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "sharding/sql/fingerprint.h"

namespace howdah::proxy {

using config::LimitPer;

namespace {

RateBucket::Rate rate_of(const config::RateLimit& limit) {
  const std::int64_t window = std::chrono::duration_cast<std::chrono::nanoseconds>(limit.window).count();
  const std::int64_t interval = std::max<std::int64_t>(window / std::max(limit.max, 1u), 1);
  const std::uint32_t burst = limit.burst == 0 ? limit.max : std::min(limit.burst, limit.max);
  return {interval, interval * (static_cast<std::int64_t>(burst) - 1)};
}

}  // namespace

std::int64_t RateBucket::take(const Rate& rate, std::int64_t now) {
  std::int64_t next = next_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t from = std::max(next, now);
    if (from - now > rate.tolerance) return from - now - rate.tolerance;
    if (next_.compare_exchange_weak(next, from + rate.interval, std::memory_order_relaxed)) return 0;
  }
}

RateRule::RateRule(config::RateLimit limit) : limit_(std::move(limit)), rate_(rate_of(limit_)) {}

bool RateRule::fits(const RateSubject& subject) const {
  if (!limit_.user.empty() && limit_.user != subject.user) return false;
  if (!limit_.database.empty() && limit_.database != subject.database) return false;
  if (limit_.address.empty()) return true;
  if (!limit_.range) return subject.address == limit_.address;
  const auto address = access::parse_address(subject.address);
  return address && access::in_range(*address, *limit_.range, limit_.mask);
}

std::shared_ptr<RateBucket> RateRule::bucket(const RateSubject& subject, std::uint64_t fingerprint, std::int64_t now) {
  std::string key;
  switch (limit_.per) {
    case LimitPer::kAll: break;
    case LimitPer::kUser: key = subject.user; break;
    case LimitPer::kDatabase: key = subject.database; break;
    case LimitPer::kAddress: key = subject.address; break;
    case LimitPer::kClient: key = std::to_string(subject.pid); break;
    case LimitPer::kFingerprint: key = std::to_string(fingerprint); break;
  }
  std::lock_guard lock(mutex_);
  if (buckets_.size() >= sweep_at_) forget_full(now);
  auto& bucket = buckets_[key];
  if (bucket == nullptr) bucket = std::make_shared<RateBucket>();
  return bucket;
}

// Those that nobody holds and that a new one would be like.
void RateRule::forget_full(std::int64_t now) {
  std::erase_if(buckets_, [&](const auto& entry) { return entry.second.use_count() == 1 && entry.second->full(now); });
  sweep_at_ = std::max<std::size_t>(1024, 2 * buckets_.size());
}

bool RateRule::eased(std::int64_t now) {
  const std::int64_t window = std::chrono::duration_cast<std::chrono::nanoseconds>(limit_.window).count();
  if (now - last_refused_.load(std::memory_order_relaxed) <= window || !refusing_.exchange(false)) return false;
  spdlog::info("rate limit no longer reached name={} refused={}", limit_.name, refused_.load());
  return true;
}

void RateRule::allowed(std::int64_t now) {
  allowed_.fetch_add(1, std::memory_order_relaxed);
  if (refusing_.load(std::memory_order_relaxed)) eased(now);
}

void RateRule::refused(const RateSubject& subject, std::uint64_t fingerprint, std::int64_t now) {
  refused_.fetch_add(1, std::memory_order_relaxed);
  last_refused_.store(now, std::memory_order_relaxed);
  if (refusing_.exchange(true)) return;
  spdlog::warn("rate limit reached name={} max={} window_ms={} user={} database={} address={} fingerprint={}", limit_.name, limit_.max,
               limit_.window.count(), subject.user, subject.database, subject.address,
               fingerprint == 0 ? "" : sharding::sql::fingerprint_text(fingerprint));
}

RateRule::Counts RateRule::counts(std::int64_t now) {
  if (refusing_.load()) eased(now);
  std::lock_guard lock(mutex_);
  return {allowed_.load(), refused_.load(), buckets_.size(), refusing_.load()};
}

}  // namespace howdah::proxy
