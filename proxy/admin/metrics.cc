#include "proxy/admin/metrics.h"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <limits>
#include <sstream>

#include "proxy/admin/server_list.h"
#include "proxy/admin/version.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Family {
 public:
  Family(std::vector<MetricFamily>& families, const char* name, MetricType type, const char* help)
      : families_(families), family_{name, help, type, {}} {}
  // Those without samples are named, too: who writes a rule finds every name there is.
  ~Family() { families_.push_back(std::move(family_)); }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  template <class Number>
  Family& add(Labels labels, Number value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = static_cast<double>(value);
    } else {
      metric.gauge.value = static_cast<double>(value);
    }
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  // `total_us`: of all that it counts.
  Family& add(Labels labels, const LatencyHistogram& histogram, std::uint64_t total_us) {
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
      count += histogram.count(i);
      const bool last = i + 1 == LatencyHistogram::kBuckets;
      metric.histogram.bucket.push_back({count, last ? std::numeric_limits<double>::infinity() : static_cast<double>(LatencyHistogram::bound(i)) / 1e6});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = static_cast<double>(total_us) / 1e6;
    family_.metric.push_back(std::move(metric));
    return *this;
  }

 private:
  std::vector<MetricFamily>& families_;
  MetricFamily family_;
};

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;
constexpr auto kHistogram = MetricType::Histogram;

void add_clients(std::vector<MetricFamily>& out, const Snapshot& snapshot) {
  Family clients(out, "howdah_clients", kGauge, "Clients that are logged in, by what they do");
  for (const auto& [key, counts] : snapshot.clients) {
    const auto add = [&](const char* state, std::uint32_t count) {
      clients.add({{"database", key.first}, {"user", key.second}, {"state", state}}, count);
    };
    add("active", counts.active);
    add("idle", counts.idle);
    add("idle_in_transaction", counts.idle_in_transaction);
    add("waiting", counts.waiting);
  }
}

Labels pool_labels(const PoolSample& sample) {
  return {{"database", sample.key.first},
          {"user", sample.key.second},
          {"shard", sample.shard},
          {"server", sample.host + ":" + std::to_string(sample.port)},
          {"role", sample.replica ? "replica" : "primary"}};
}

void add_pools(std::vector<MetricFamily>& out, const Snapshot& snapshot) {
  Family connections(out, "howdah_pool_connections", kGauge, "Server connections, by what they do");
  Family size(out, "howdah_pool_size", kGauge, "The most server connections, over all workers");
  Family waiting(out, "howdah_pool_waiting", kGauge, "Clients that wait for a server connection");
  Family longest(out, "howdah_pool_wait_seconds_max", kGauge, "How long the first of the waiting clients has waited");
  Family wait(out, "howdah_pool_wait_seconds_total", kCounter, "Time that clients waited for a server connection");
  Family statements(out, "howdah_pool_statements_total", kCounter, "Statements run on this server");
  Family transactions(out, "howdah_pool_transactions_total", kCounter, "Transactions run on this server");
  Family busy(out, "howdah_pool_busy_seconds_total", kCounter, "Time that server connections were held by clients");
  Family query(out, "howdah_pool_query_seconds_total", kCounter, "Time that server connections owed replies");
  Family waits(out, "howdah_pool_wait_seconds", kHistogram, "How long clients waited for a server connection, also those that got one at once");
  Family queries(out, "howdah_pool_query_seconds", kHistogram, "How long server connections owed replies, from the first to the last");
  Family bytes(out, "howdah_pool_bytes_total", kCounter, "Bytes to and from this server");
  Family connects(out, "howdah_pool_connects_total", kCounter, "Logins begun at this server");
  Family failures(out, "howdah_pool_connect_failures_total", kCounter, "Logins that failed at this server");
  for (const auto& [key, sample] : snapshot.pools) {
    const Labels labels = pool_labels(sample);
    const auto with = [&](const char* name, const char* value) {
      Labels more = labels;
      more.push_back({name, value});
      return more;
    };
    const auto& counters = sample.counters;
    connections.add(with("state", "active"), sample.active);
    connections.add(with("state", "idle"), sample.idle);
    connections.add(with("state", "login"), sample.login);
    size.add(labels, sample.limit);
    waiting.add(labels, sample.waiting);
    longest.add(labels, static_cast<double>(sample.longest_wait.count()) / 1e6);
    wait.add(labels, static_cast<double>(counters.wait_us) / 1e6);
    statements.add(labels, counters.statements);
    transactions.add(labels, counters.transactions);
    busy.add(labels, static_cast<double>(counters.busy_us) / 1e6);
    query.add(labels, static_cast<double>(counters.query_us) / 1e6);
    waits.add(labels, counters.waits, counters.wait_us);
    queries.add(labels, counters.queries, counters.query_us);
    bytes.add(with("direction", "to_server"), counters.bytes_out);
    bytes.add(with("direction", "from_server"), counters.bytes_in);
    connects.add(labels, counters.connects);
    failures.add(labels, counters.failures);
  }
}

void add_totals(std::vector<MetricFamily>& out, const Totals& totals) {
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    Family(out, name, kCounter, help).add({}, value);
  };
  counter("howdah_client_connections_total", "Client connections accepted", totals.clients_accepted);
  counter("howdah_login_failures_total", "Client connections that ended before they were logged in",
          totals.login_failures);
  counter("howdah_statements_total", "Statements that ended on a server", totals.statements);
  counter("howdah_transactions_total", "Transactions of clients", totals.transactions);
  counter("howdah_errors_total", "Errors that Howdah itself answered with", totals.errors);
  counter("howdah_refused_total", "Statements refused because they cannot be proven exact", totals.refused);
  counter("howdah_wait_timeouts_total", "Clients that got no server connection in time", totals.wait_timeouts);
  counter("howdah_query_timeouts_total", "Statements canceled because they took too long", totals.query_timeouts);
  counter("howdah_transaction_timeouts_total", "Clients disconnected because their transaction took too long",
          totals.transaction_timeouts);
  counter("howdah_idle_timeouts_total", "Clients disconnected because they sent nothing for too long", totals.idle_timeouts);
  counter("howdah_pool_deadlocks_total", "Transactions rolled back because they waited for each other's server connections",
          totals.deadlocks);
  counter("howdah_plan_cache_hits_total", "Statements planned without parsing", totals.plan_hits);
  counter("howdah_plan_cache_misses_total", "Statements that had to be parsed", totals.plan_misses);
  counter("howdah_all_shard_statements_total", "Statements run on all shards", totals.all_shard_statements);
  counter("howdah_distributed_commits_total", "Two-phase commits that committed", totals.distributed_commits);
  counter("howdah_distributed_aborts_total", "Two-phase commits that aborted", totals.distributed_aborts);
  Family(out, "howdah_plan_cache_entries", kGauge, "Plans in the caches of all workers").add({}, totals.plan_entries);
  Family(out, "howdah_bytes_total", kCounter, "Bytes to and from clients")
      .add({{"direction", "from_clients"}}, totals.bytes_from_clients)
      .add({{"direction", "to_clients"}}, totals.bytes_to_clients);
}

void add_cluster(std::vector<MetricFamily>& out, Proxy& proxy) {
  Family up(out, "howdah_server_up", kGauge, "1 when the server answered its last probe");
  Family recovery(out, "howdah_server_in_recovery", kGauge, "1 when the server is a standby");
  Family lag(out, "howdah_replica_lag_bytes", kGauge, "WAL that a replica has yet to replay; absent while unknown");
  Family behind(out, "howdah_replica_lag_seconds", kHistogram, "At each probe of a replica: how long ago its primary had said what it shows, up to the primary's last word");
  Family writable(out, "howdah_shard_writable", kGauge, "1 while the shard's acting primary takes connections");
  Family disputed(out, "howdah_shard_disputed", kGauge, "1 while two servers claim to be the shard's primary: its writes are stopped");
  Family failovers(out, "howdah_shard_failovers_total", kCounter, "How often another server has become the shard's primary");
  Family timeline(out, "howdah_shard_timeline", kGauge, "Timeline of the shard's acting primary");
  Family states(out, "howdah_server_state", kGauge, "1 for the state that the server is in");
  Family epoch(out, "howdah_map_epoch", kGauge, "Version of the shard map");
  Family buckets(out, "howdah_shard_buckets", kGauge, "Buckets that the shard owns");
  for (const auto& [name, database] : proxy.config()->databases) {
    const auto state = proxy.control().database(name);
    if (!state) continue;
    for (const ServerView& server : list_servers(database, *state)) {
      const Labels labels{{"database", name},
                          {"shard", database.shards[server.shard].name},
                          {"server", server.address},
                          {"role", server.replica ? "replica" : "primary"}};
      if (!server.monitored) continue;
      up.add(labels, server.up ? 1 : 0);
      recovery.add(labels, server.in_recovery ? 1 : 0);
      Labels with_state = labels;
      with_state.emplace_back("state", control::word_of(server.health));
      states.add(with_state, 1);
      if (server.replica && server.lag_bytes >= 0) lag.add(labels, server.lag_bytes);
      if (!server.replica) continue;
      const control::ServerHealth& health = state->health().at(server.id);
      LatencyHistogram lags;
      for (std::size_t i = 0; i < LatencyHistogram::kBuckets; ++i) lags.add(i, health.lags[i].load(std::memory_order_relaxed));
      behind.add(labels, lags, health.lag_us_total.load(std::memory_order_relaxed));
    }
    if (const control::ShardRoles* roles = state->roles(); roles != nullptr) {
      for (std::size_t i = 0; i < database.shards.size(); ++i) {
        const ShardId shard(static_cast<std::uint16_t>(i));
        const Labels labels{{"database", name}, {"shard", database.shards[i].name}};
        writable.add(labels, roles->open(shard) ? 1 : 0);
        disputed.add(labels, roles->disputed(shard) ? 1 : 0);
        failovers.add(labels, roles->failovers(shard));
        timeline.add(labels, roles->timeline(shard));
      }
    }
    const auto map = state->snapshot()->map;
    epoch.add({{"database", name}}, map->epoch().value());
    for (std::size_t i = 0; i < database.shards.size(); ++i) {
      buckets.add({{"database", name}, {"shard", database.shards[i].name}},
                  map->owned(ShardId(static_cast<std::uint16_t>(i))));
    }
  }
}

// The names that Prometheus' client libraries use for the process itself.
void add_process(std::vector<MetricFamily>& out) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  Family(out, "process_cpu_seconds_total", kCounter, "User and system CPU time")
      .add({}, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  unsigned long pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    const bool read = std::fscanf(file, "%lu %lu", &pages, &resident) == 2;
    std::fclose(file);
    const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
    if (read) {
      Family(out, "process_virtual_memory_bytes", kGauge, "Address space").add({}, static_cast<double>(pages) * page);
      Family(out, "process_resident_memory_bytes", kGauge, "Memory in use")
          .add({}, static_cast<double>(resident) * page);
    }
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    Family(out, "process_max_fds", kGauge, "The most file descriptors").add({}, limit.rlim_cur);
  }
  std::error_code fault;
  std::filesystem::directory_iterator descriptors("/proc/self/fd", fault);
  std::size_t open = 0;
  while (!fault && descriptors != std::filesystem::directory_iterator()) {
    ++open;
    descriptors.increment(fault);
  }
  if (!fault) Family(out, "process_open_fds", kGauge, "Open file descriptors").add({}, open);
}

}  // namespace

std::vector<MetricFamily> Metrics::Collect() const {
  const Snapshot snapshot = take_snapshot(proxy_, Detail::kCounts);
  std::vector<MetricFamily> out;
  Family(out, "howdah_build_info", kGauge, "The version that runs").add({{"version", kVersion}}, 1);
  const auto up = std::chrono::duration<double>(snapshot.now - proxy_.started()).count();
  Family(out, "howdah_uptime_seconds", kGauge, "Time since the start").add({}, up);
  Family(out, "howdah_workers", kGauge, "Worker threads").add({}, proxy_.worker_count());
  Family unanswered(out, "howdah_worker_unanswered", kGauge, "Workers that did not answer in time: nothing of theirs is here");
  for (const std::size_t worker : snapshot.missing) unanswered.add({{"worker", std::to_string(worker)}}, 1);
  add_clients(out, snapshot);
  add_totals(out, snapshot.totals);
  add_pools(out, snapshot);
  add_cluster(out, proxy_);
  add_guards(out, proxy_, snapshot);
  add_process(out);
  return out;
}

std::string Metrics::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, Collect());
  return std::move(out).str();
}

}  // namespace howdah::admin
