// SHOW LIMITS, BLOCKS, BREAKERS, STATEMENTS.
#include <algorithm>

#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"
#include "proxy/config/sections.h"
#include "proxy/core/proxy.h"
#include "proxy/core/worker.h"
#include "sharding/sql/fingerprint.h"
#include "sharding/sql/lexer.h"

namespace howdah::admin {

namespace {

namespace sql = sharding::sql;

constexpr std::size_t kMostStatements = 100;
constexpr std::size_t kLongestText = 500;

std::int64_t now_ns() { return control::to_steady_ns(std::chrono::steady_clock::now()); }

// As the configuration writes it.
std::string written(const config::RateLimit& limit, const char* key) {
  for (const auto& field : config::rate_limit_section()) {
    if (field.name == key) return field.show(limit);
  }
  return "";
}

struct Statement {
  std::uint64_t runs = 0;
  std::string text;
};
using Statements = std::map<std::uint64_t, Statement>;

struct Candidate {
  const sql::Plan* plan = nullptr;
  std::string_view normalized, text;
};

// On the worker's thread. Only those that are run most are given a name, which takes some 20 microseconds each.
Statements most_run(proxy::Worker& worker) {
  std::vector<Candidate> candidates;
  worker.plans.for_each([&](std::string_view normalized, std::string_view text, const sql::PlanPtr& plan) {
    if (plan->statements.size() == 1 && plan->runs > 0) candidates.push_back({plan.get(), normalized, text});
  });
  const auto more = [](const Candidate& a, const Candidate& b) { return a.plan->runs > b.plan->runs; };
  const std::size_t count = std::min(kMostStatements, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end(), more);
  candidates.resize(count);
  Statements statements;
  for (const auto& [plan, normalized, text] : candidates) {
    const sql::StatementPlan& only = plan->statements[0];
    if (only.fingerprint == 0) only.fingerprint = sql::fingerprint_of(text.empty() ? sql::with_other_literals(normalized) : std::string(text));
    if (only.fingerprint == 0) continue;
    Statement& statement = statements[only.fingerprint];
    statement.runs += plan->runs;
    if (statement.text.empty()) statement.text = sql::without_literals(normalized.substr(0, kLongestText));
  }
  return statements;
}

}  // namespace

const char* breaker_state_name(proxy::Breaker::State state) {
  switch (state) {
    case proxy::Breaker::State::kClosed: return "closed";
    case proxy::Breaker::State::kOpen: return "open";
    case proxy::Breaker::State::kHalfOpen: return "half-open";
  }
  return "";
}

Table show_limits(Proxy& proxy) {
  Table table(kLimitColumns);
  const auto rules = proxy.guards().rules();
  if (rules == nullptr) return table;
  for (const auto& rule : rules->limits) {
    const config::RateLimit& limit = rule->limit();
    const auto counts = rule->counts(now_ns());
    Row row;
    row << limit.name << limit.user << limit.database << limit.address << written(limit, "fingerprint") << limit.window.count() << limit.max
        << (limit.burst == 0 ? limit.max : limit.burst) << written(limit, "per") << (counts.refusing ? "refusing" : "open") << counts.buckets
        << counts.allowed << counts.refused;
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_blocks(Proxy& proxy) {
  Table table(kBlockColumns);
  const auto rules = proxy.guards().rules();
  if (rules == nullptr) return table;
  const std::int64_t now = now_ns();
  for (const auto& [fingerprint, block] : rules->blocks) {
    if (block->over(now)) continue;
    Row row;
    row << sql::fingerprint_text(fingerprint) << block->reason << (block->from_file ? "configuration" : "console")
        << (block->until == INT64_MAX ? std::int64_t{-1} : (block->until - now) / 1'000'000) << block->refused.load();
    table.rows.push_back(row.take());
  }
  std::sort(table.rows.begin(), table.rows.end());
  return table;
}

Table show_breakers(Proxy& proxy, const config::Config& config) {
  Table table(kBreakerColumns);
  for (const auto& breaker : proxy.guards().breakers(config, now_ns())) {
    const auto& facts = breaker.facts;
    Row row;
    row << breaker.database << breaker.shard << breaker.server << (breaker.replica ? "replica" : "primary") << breaker_state_name(facts.state)
        << facts.ok << facts.failed << facts.probe_in / 1'000'000 << facts.opened << facts.refused;
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_statements(Proxy& proxy) {
  const auto parts = std::make_shared<std::vector<Statements>>(proxy.worker_count());
  const auto missing = proxy.on_each_worker([parts](proxy::Worker& worker) { (*parts)[worker.index()] = most_run(worker); }, kWorkerPatience);
  Statements all;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    if (std::find(missing.begin(), missing.end(), i) != missing.end()) continue;
    for (const auto& [fingerprint, part] : (*parts)[i]) {
      Statement& statement = all[fingerprint];
      statement.runs += part.runs;
      if (statement.text.empty()) statement.text = part.text;
    }
  }
  std::vector<std::pair<std::uint64_t, Statement>> ordered(all.begin(), all.end());
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.second.runs > b.second.runs; });
  if (ordered.size() > kMostStatements) ordered.resize(kMostStatements);
  Table table(kStatementColumns);
  const auto rules = proxy.guards().rules();
  const std::int64_t now = now_ns();
  for (const auto& [fingerprint, statement] : ordered) {
    bool blocked = false;
    if (rules != nullptr) {
      const auto found = rules->blocks.find(fingerprint);
      blocked = found != rules->blocks.end() && !found->second->over(now);
    }
    Row row;
    row << sql::fingerprint_text(fingerprint) << statement.runs << (blocked ? "yes" : "no") << statement.text;
    table.rows.push_back(row.take());
  }
  return table;
}

}  // namespace howdah::admin
