// One function per SHOW: from what is known to a table.
#pragma once

#include <string>

#include "proxy/admin/command.h"
#include "proxy/admin/snapshot.h"
#include "proxy/admin/stats_history.h"
#include "proxy/admin/table.h"
#include "proxy/config/config.h"
#include "proxy/core/breaker.h"

namespace howdah::admin {

struct ShowInput {
  Proxy& proxy;
  const config::Config& config;
  const Snapshot& snapshot;
  const StatsHistory& history;
  SteadyTime now;
};
// show.cc. REQUIRES: `verb` is a SHOW.
Table show_table(Verb verb, const ShowInput& input);

// show_clients.cc
Table show_clients(const Snapshot& snapshot, const config::Config& config, std::uint16_t port);
Table show_servers(const Snapshot& snapshot);
// Both, with PgBouncer's columns of buffers at 0: idle connections hold none, and the others' change with each message.
Table show_sockets(const Snapshot& snapshot, const config::Config& config, std::uint16_t port, bool active_only);

// show_pools.cc
Table show_pools(const Snapshot& snapshot, const config::Config& config);
Table show_server_pools(const Snapshot& snapshot);
Table show_databases(const Snapshot& snapshot, const config::Config& config);
Table show_users(const Snapshot& snapshot, const config::Config& config);
Table show_lists(const Snapshot& snapshot, const config::Config& config);

// show_stats.cc
// Every configured database has a sum, also while nobody uses it.
DatabaseTotals totals_by_database(const Snapshot& snapshot, const config::Config& config);
Table show_stats(const DatabaseTotals& totals, const StatsHistory& history, SteadyTime now);
Table show_stats_totals(const DatabaseTotals& totals);
Table show_stats_averages(const DatabaseTotals& totals, const StatsHistory& history, SteadyTime now);
Table show_totals(const DatabaseTotals& totals, const StatsHistory& history, SteadyTime now);

// show_cluster.cc; these ask the control thread's published state, not the workers.
Table show_shards(Proxy& proxy);
Table show_health(Proxy& proxy);
Table show_replicas(Proxy& proxy);

// show_transactions.cc
// Asks the shards, and so may take seconds when servers are out of reach: such a shard has one row with its error.
Table show_transactions(const config::Config& config);

// show_drift.cc
// Asks the shards, twice and a second apart where it finds anything; a shard out of reach has one row with its error.
Table show_drift(const config::Config& config);

// show_guards.cc
Table show_limits(Proxy& proxy);
Table show_blocks(Proxy& proxy);
Table show_breakers(Proxy& proxy, const config::Config& config);
// Asks the workers.
Table show_statements(Proxy& proxy);
const char* breaker_state_name(proxy::Breaker::State state);

// show_process.cc
Table show_help();
Table show_version();
Table show_state(const Snapshot& snapshot, const config::Config& config);
Table show_mem(const Snapshot& snapshot);
Table show_dns_hosts(const Snapshot& snapshot, const config::Config& config);

// show_config.cc
// No secret is among the rows. First PgBouncer's names for what both have (in PgBouncer's units), then every key of
// the configuration file with its path.
Table show_config(const config::Config& config);

const char* pool_mode_name(config::PoolMode mode);

}  // namespace howdah::admin
