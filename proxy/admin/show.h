// One function per SHOW: from what is known to a table.
#pragma once

#include <string>

#include "proxy/admin/snapshot.h"
#include "proxy/admin/stats_history.h"
#include "proxy/admin/table.h"
#include "proxy/config/config.h"

namespace howdah::admin {

// show_clients.cc
Table show_clients(const Snapshot& snapshot, const config::Config& config, std::uint16_t port);
Table show_servers(const Snapshot& snapshot);

// show_pools.cc
Table show_pools(const Snapshot& snapshot, const config::Config& config);
Table show_server_pools(const Snapshot& snapshot);
Table show_databases(const Snapshot& snapshot, const config::Config& config);
Table show_users(const config::Config& config);
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

// show_config.cc
// No secret is among the rows. First PgBouncer's names for what both have (in PgBouncer's units), then every key of
// the configuration file with its path.
Table show_config(const config::Config& config);

const char* pool_mode_name(config::PoolMode mode);

}  // namespace howdah::admin
