// What keeps a statement from running before anything is sent: blocks and rate limits.
#include "proxy/core/errors.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/sql/fingerprint.h"

namespace howdah::proxy {

namespace sql = sharding::sql;

namespace {

std::string milliseconds_of(std::int64_t nanoseconds) { return std::to_string(nanoseconds / 1'000'000 + 1); }

Error blocked(const BlockRule& rule) {
  return make_error(ErrorCode::kBlocked, "this statement is blocked" + (rule.reason.empty() ? "" : ": " + rule.reason),
                    "Ask the operators of the proxy: SHOW BLOCKS lists what is blocked, UNBLOCK ends it.",
                    "Its fingerprint is " + sql::fingerprint_text(rule.fingerprint) + ".");
}

Error limited(const RateRule& rule, std::int64_t wait) {
  const config::RateLimit& limit = rule.limit();
  return make_error(ErrorCode::kRateLimited, "rate limit \"" + limit.name + "\" is reached", "Repeat it in " + milliseconds_of(wait) + " ms.",
                    "It allows " + std::to_string(limit.max) + " statements in " + std::to_string(limit.window.count()) + " ms.");
}

}  // namespace

RateSubject Session::rate_subject() const {
  return {user_name_, database_name(), std::string_view(peer_).substr(0, peer_.rfind(':')), pid_};
}

void Session::look_up_limits(std::int64_t now) {
  if (guard_ == nullptr) guard_ = std::make_unique<SessionGuard>();
  guard_->limits.clear();
  guard_->rules = worker_.rules;
  const RateSubject subject = rate_subject();
  for (const auto& rule : worker_.rules->limits) {
    if (!rule->fits(subject)) continue;
    guard_->limits.push_back({rule.get(), rule->per_statement() ? nullptr : rule->bucket(subject, 0, now)});
  }
}

// `text`: of the string that the statement is a part of. REQUIRES: the worker has rules.
std::optional<Error> Session::refused_by_rules(const Plan& statement, Bytes text) {
  const std::int64_t now = control::to_steady_ns(worker_.reactor().now());
  if (guard_ == nullptr || guard_->rules != worker_.rules) look_up_limits(now);
  const GuardRules& rules = *guard_->rules;
  if (rules.by_statement && statement.fingerprint == 0) {
    statement.fingerprint = sql::fingerprint_of(text.substr(statement.begin, statement.end - statement.begin));
  }
  if (const auto block = rules.blocks.find(statement.fingerprint); block != rules.blocks.end() && !block->second->over(now)) {
    block->second->refused.fetch_add(1, std::memory_order_relaxed);
    return blocked(*block->second);
  }
  std::vector<std::pair<RateRule*, std::shared_ptr<RateBucket>>> taken;
  for (const auto& [rule, own] : guard_->limits) {
    if (!rule->fits(statement.fingerprint)) continue;
    const auto bucket = own != nullptr ? own : rule->bucket(rate_subject(), statement.fingerprint, now);
    if (const std::int64_t wait = bucket->take(rule->rate(), now); wait > 0) {
      rule->refused(rate_subject(), statement.fingerprint, now);
      for (const auto& [other, place] : taken) place->give_back(other->rate());
      return limited(*rule, wait);
    }
    taken.emplace_back(rule, bucket);
  }
  for (const auto& [rule, place] : taken) rule->allowed(now);
  return std::nullopt;
}

}  // namespace howdah::proxy
