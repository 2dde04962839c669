#include <prometheus/metric_family.h>

#include "proxy/admin/metrics.h"
#include "proxy/core/proxy.h"
#include "sharding/sql/fingerprint.h"

namespace howdah::admin {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily family(const char* name, MetricType type, const char* help) { return {name, help, type, {}}; }

template <class Number>
void add(MetricFamily& to, Labels labels, Number value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (to.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = static_cast<double>(value);
  to.metric.push_back(std::move(metric));
}

void add_rules(std::vector<MetricFamily>& out, Proxy& proxy, std::int64_t now) {
  proxy::GuardRulesPtr rules = proxy.guards().rules();
  auto allowed = family("howdah_rate_limit_allowed_total", MetricType::Counter, "Statements that a rate limit let through");
  auto refused = family("howdah_rate_limit_refused_total", MetricType::Counter, "Statements that a rate limit refused");
  if (rules == nullptr) rules = std::make_shared<proxy::GuardRules>();
  for (const auto& rule : rules->limits) {
    const auto counts = rule->counts(now);
    add(allowed, {{"limit", rule->limit().name}}, counts.allowed);
    add(refused, {{"limit", rule->limit().name}}, counts.refused);
  }
  auto blocked = family("howdah_blocked_statements_total", MetricType::Counter, "Statements refused because they are blocked");
  for (const auto& [fingerprint, block] : rules->blocks) {
    if (!block->over(now)) add(blocked, {{"fingerprint", sharding::sql::fingerprint_text(fingerprint)}}, block->refused.load());
  }
  out.push_back(std::move(allowed));
  out.push_back(std::move(refused));
  out.push_back(std::move(blocked));
}

void add_breakers(std::vector<MetricFamily>& out, Proxy& proxy, std::int64_t now) {
  auto open = family("howdah_breaker_open", MetricType::Gauge, "1 while the server's breaker is open, 0.5 while one statement tries the server, else 0");
  auto opened = family("howdah_breaker_opened_total", MetricType::Counter, "How often the server's breaker opened");
  auto refused = family("howdah_breaker_refused_total", MetricType::Counter, "Statements that an open breaker kept from the server");
  for (const auto& view : proxy.guards().breakers(*proxy.config(), now)) {
    const Labels labels{{"database", view.database}, {"shard", view.shard}, {"server", view.server}, {"role", view.replica ? "replica" : "primary"}};
    using State = proxy::Breaker::State;
    add(open, labels, view.facts.state == State::kOpen ? 1.0 : view.facts.state == State::kHalfOpen ? 0.5 : 0.0);
    add(opened, labels, view.facts.opened);
    add(refused, labels, view.facts.refused);
  }
  out.push_back(std::move(open));
  out.push_back(std::move(opened));
  out.push_back(std::move(refused));
}

}  // namespace

void add_guards(std::vector<MetricFamily>& out, Proxy& proxy, const Snapshot& snapshot) {
  const std::int64_t now = control::to_steady_ns(snapshot.now);
  add_rules(out, proxy, now);
  add_breakers(out, proxy, now);
  auto shed = family("howdah_pool_shed_total", MetricType::Counter, "Clients refused because the queue for this server would have taken longer than pool.queue_time");
  for (const auto& [key, sample] : snapshot.pools) {
    add(shed,
        {{"database", sample.key.first}, {"user", sample.key.second}, {"shard", sample.shard},
         {"server", sample.host + ":" + std::to_string(sample.port)}, {"role", sample.replica ? "replica" : "primary"}},
        sample.counters.shed);
  }
  out.push_back(std::move(shed));
  auto repeated = family("howdah_repeats_total", MetricType::Counter, "What the proxy did again by itself: reads whose server was lost, logins after a failed one");
  auto denied = family("howdah_repeats_denied_total", MetricType::Counter, "What it did not do again, as limits.retry_percentage was used up");
  std::uint64_t taken = 0, refused = 0;
  for (std::size_t i = 0; i < proxy.worker_count(); ++i) {
    taken += proxy.worker(i).retries.taken.load(std::memory_order_relaxed);
    refused += proxy.worker(i).retries.refused.load(std::memory_order_relaxed);
  }
  add(repeated, {}, taken);
  add(denied, {}, refused);
  out.push_back(std::move(repeated));
  out.push_back(std::move(denied));
}

}  // namespace howdah::admin
