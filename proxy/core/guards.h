// What keeps load away from servers: rate limits, blocked statements, breakers. One per process; workers hold snapshots.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/core/breaker.h"
#include "proxy/core/rate_limit.h"

namespace howdah::proxy {

// A statement that nobody may run. Thread-safe but for what is set once.
struct BlockRule {
  std::uint64_t fingerprint = 0;
  std::string reason;
  bool from_file = false;         // of the configuration, else of the console
  std::int64_t until = INT64_MAX; // steady nanoseconds
  std::atomic<std::uint64_t> refused{0};
  bool over(std::int64_t now) const { return now >= until; }
};

// One immutable set of rules. Null instead: there is none.
struct GuardRules {
  std::vector<std::shared_ptr<RateRule>> limits;
  std::unordered_map<std::uint64_t, std::shared_ptr<BlockRule>> blocks;
  bool by_statement = false;      // some rule asks for a statement's fingerprint
};
using GuardRulesPtr = std::shared_ptr<const GuardRules>;

// Thread-safe.
class Guards {
 public:
  // Of a new configuration. What did not change keeps its counts; the console's blocks stay.
  void configure(const config::Config& config);
  // From the console, until unblock(), `until` or the end of the process.
  void block(std::uint64_t fingerprint, std::string reason, std::int64_t until);
  // False: it is not blocked, or by the configuration.
  bool unblock(std::uint64_t fingerprint);
  GuardRulesPtr rules() const;
  // Of this server; null: none is configured. Lives as long as the proxy.
  Breaker* breaker(const config::Database& database, const config::Server& server);

  struct BreakerView {
    std::string database, shard, server;
    bool replica = false;
    Breaker::Facts facts;
  };
  std::vector<BreakerView> breakers(const config::Config& config, std::int64_t now) const;

 private:
  void publish();
  static std::string breaker_key(const std::string& database, const config::Server& server);

  mutable std::mutex mutex_;  // guards all below
  std::vector<std::shared_ptr<RateRule>> limits_;
  std::map<std::uint64_t, std::shared_ptr<BlockRule>> file_blocks_, console_blocks_;
  GuardRulesPtr rules_;
  std::map<std::string, std::unique_ptr<Breaker>> breakers_;
};

// What one session has looked up: the rules that may fit its statements, with their counts.
struct SessionGuard {
  struct Limit {
    RateRule* rule = nullptr;
    std::shared_ptr<RateBucket> bucket;  // null: one per statement
  };
  GuardRulesPtr rules;  // keeps what the others point to
  std::vector<Limit> limits;
};

// What the proxy may repeat by itself, of one worker: a share of the last second's statements, and some more.
class RetryBudget {
 public:
  // Whether one more may be repeated. `statements`: how many there were since the start.
  bool take(SteadyTime now, std::uint64_t statements, std::uint32_t percentage, std::uint32_t minimum);

  std::atomic<std::uint64_t> taken{0}, refused{0};  // written by the worker

 private:
  SteadyTime since_;
  std::uint64_t statements_at_ = 0, last_second_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace howdah::proxy
