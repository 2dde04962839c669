// Rate limits: at most so many statements in a window, evenly spread but for a burst.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "proxy/config/config.h"

namespace howdah::proxy {

// One count, shared by all threads: the generic cell rate algorithm, whose whole state is the time at which the next statement would
// come if all came evenly. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
class RateBucket {
 public:
  struct Rate {
    std::int64_t interval = 0;   // nanoseconds between two statements
    std::int64_t tolerance = 0;  // how much earlier one may come
  };
  // Takes a place, and answers 0; or takes none, and answers how many nanoseconds to wait for one.
  std::int64_t take(const Rate& rate, std::int64_t now);
  // A place that was not used after all.
  void give_back(const Rate& rate) { next_.fetch_sub(rate.interval, std::memory_order_relaxed); }
  // As a new one: nothing is lost when it is forgotten.
  bool full(std::int64_t now) const { return next_.load(std::memory_order_relaxed) <= now; }

 private:
  std::atomic<std::int64_t> next_{0};
};

// What a client shows of itself to a rule.
struct RateSubject {
  std::string_view user, database;
  std::string_view address;  // without port; "unix"
  std::int32_t pid = 0;
};

// One rule of the configuration with its counts. Thread-safe; lives on over reloads that do not change it.
class RateRule {
 public:
  explicit RateRule(config::RateLimit limit);

  const config::RateLimit& limit() const { return limit_; }
  const RateBucket::Rate& rate() const { return rate_; }
  // Whether any of its client's statements may fit.
  bool fits(const RateSubject& subject) const;
  bool fits(std::uint64_t fingerprint) const { return limit_.fingerprint == 0 || limit_.fingerprint == fingerprint; }
  bool needs_fingerprint() const { return limit_.fingerprint != 0 || limit_.per == config::LimitPer::kFingerprint; }
  bool per_statement() const { return limit_.per == config::LimitPer::kFingerprint; }
  // The count that this client's statements go to. Under one lock: to be kept by who asks, but for per_statement().
  std::shared_ptr<RateBucket> bucket(const RateSubject& subject, std::uint64_t fingerprint, std::int64_t now);

  // What became of a statement; logs when the rule begins to refuse, and when it has stopped for a window.
  void allowed(std::int64_t now);
  void refused(const RateSubject& subject, std::uint64_t fingerprint, std::int64_t now);

  struct Counts {
    std::uint64_t allowed = 0, refused = 0;
    std::size_t buckets = 0;
    bool refusing = false;
  };
  Counts counts(std::int64_t now);

 private:
  void forget_full(std::int64_t now);
  bool eased(std::int64_t now);

  const config::RateLimit limit_;
  const RateBucket::Rate rate_;
  std::atomic<std::uint64_t> allowed_{0}, refused_{0};
  std::atomic<bool> refusing_{false};
  std::atomic<std::int64_t> last_refused_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<RateBucket>> buckets_;  // guarded by mutex_
  std::size_t sweep_at_ = 1024;
};

}  // namespace howdah::proxy
