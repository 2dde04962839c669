#include "proxy/core/guards.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "sharding/sql/fingerprint.h"

namespace howdah::proxy {

using sharding::sql::fingerprint_text;

namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void Guards::configure(const config::Config& config) {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<RateRule>> limits;
  for (const auto& limit : config.rate_limits) {
    const auto same = std::find_if(limits_.begin(), limits_.end(), [&](const auto& rule) { return rule->limit() == limit; });
    limits.push_back(same == limits_.end() ? std::make_shared<RateRule>(limit) : *same);
  }
  limits_ = std::move(limits);
  std::map<std::uint64_t, std::shared_ptr<BlockRule>> blocks;
  for (const auto& block : config.blocks) {
    const auto known = file_blocks_.find(block.fingerprint);
    auto& rule = blocks[block.fingerprint];
    if (known != file_blocks_.end() && known->second->reason == block.reason) {
      rule = known->second;
      continue;
    }
    rule = std::make_shared<BlockRule>();
    rule->fingerprint = block.fingerprint;
    rule->reason = block.reason;
    rule->from_file = true;
  }
  file_blocks_ = std::move(blocks);
  for (const auto& [name, database] : config.databases) {
    for (auto& [key, breaker] : breakers_) {
      if (breaker->database() == name) breaker->configure(database.breaker);
    }
  }
  publish();
}

// REQUIRES: mutex_ is held.
void Guards::publish() {
  auto rules = std::make_shared<GuardRules>();
  rules->limits = limits_;
  for (const auto& [fingerprint, rule] : console_blocks_) rules->blocks[fingerprint] = rule;
  for (const auto& [fingerprint, rule] : file_blocks_) rules->blocks[fingerprint] = rule;
  rules->by_statement = !rules->blocks.empty() || std::any_of(limits_.begin(), limits_.end(), [](const auto& rule) { return rule->needs_fingerprint(); });
  const bool none = rules->limits.empty() && rules->blocks.empty();
  rules_ = none ? nullptr : std::move(rules);
}

void Guards::block(std::uint64_t fingerprint, std::string reason, std::int64_t until) {
  auto rule = std::make_shared<BlockRule>();
  rule->fingerprint = fingerprint;
  rule->reason = std::move(reason);
  rule->until = until;
  spdlog::warn("statement blocked fingerprint={} reason={}", fingerprint_text(fingerprint), rule->reason);
  std::lock_guard lock(mutex_);
  const std::int64_t now = now_ns();
  std::erase_if(console_blocks_, [&](const auto& entry) { return entry.second->over(now); });
  console_blocks_[fingerprint] = std::move(rule);
  publish();
}

bool Guards::unblock(std::uint64_t fingerprint) {
  std::lock_guard lock(mutex_);
  if (console_blocks_.erase(fingerprint) == 0) return false;
  spdlog::info("statement no longer blocked fingerprint={}", fingerprint_text(fingerprint));
  publish();
  return true;
}

GuardRulesPtr Guards::rules() const {
  std::lock_guard lock(mutex_);
  return rules_;
}

std::string Guards::breaker_key(const std::string& database, const config::Server& server) {
  return database + '\0' + std::to_string(server.id.value());
}

Breaker* Guards::breaker(const config::Database& database, const config::Server& server) {
  if (database.breaker.error_threshold_percentage == 0) return nullptr;
  std::lock_guard lock(mutex_);
  auto& breaker = breakers_[breaker_key(database.name, server)];
  if (breaker == nullptr) {
    breaker = std::make_unique<Breaker>(database.name, server.host + ":" + std::to_string(server.port), database.breaker);
  }
  return breaker.get();
}

std::vector<Guards::BreakerView> Guards::breakers(const config::Config& config, std::int64_t now) const {
  std::vector<BreakerView> views;
  std::lock_guard lock(mutex_);
  for (const auto& [name, database] : config.databases) {
    if (database.breaker.error_threshold_percentage == 0) continue;
    const auto add = [&](const config::Shard& shard, const config::Server& server, bool replica) {
      BreakerView view{name, shard.name, server.host + ":" + std::to_string(server.port), replica, {}};
      const auto found = breakers_.find(breaker_key(name, server));
      if (found != breakers_.end()) view.facts = found->second->facts(now);
      views.push_back(std::move(view));
    };
    for (const auto& shard : database.shards) {
      add(shard, shard.primary, false);
      for (const auto& replica : shard.replicas) add(shard, replica, true);
    }
  }
  return views;
}

bool RetryBudget::take(SteadyTime now, std::uint64_t statements, std::uint32_t percentage, std::uint32_t minimum) {
  if (now - since_ >= seconds(1)) {
    // After a pause longer than the window nothing is known of the last second but what came since.
    last_second_ = now - since_ < seconds(2) ? statements - statements_at_ : 0;
    statements_at_ = statements;
    since_ = now;
    used_ = 0;
  }
  const std::uint64_t of_late = std::max(last_second_, statements - statements_at_);
  const bool may = used_ < minimum + of_late * percentage / 100;
  if (may) ++used_;
  auto& count = may ? taken : refused;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return may;
}

}  // namespace howdah::proxy
