#include "proxy/admin/show.h"

#include "proxy/admin/columns.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

namespace {

// For commands that connect to primaries: today's are put in the places of the configured ones.
config::Config with_acting_primaries(const config::Config& config, Proxy& proxy) {
  config::Config out = config;
  for (auto& [name, database] : out.databases) {
    const auto state = proxy.control().database(name);
    if (!state) continue;
    for (auto& shard : database.shards) shard.primary = config::Server(control::acting_server(state->roles(), config.databases.at(name), shard));
  }
  return out;
}

}  // namespace

Table show_table(Verb verb, const ShowInput& input) {
  const auto& [proxy, config, snapshot, history, now] = input;
  const auto totals = [&] { return totals_by_database(input.snapshot, input.config); };
  switch (verb) {
    case Verb::kShowClients: return show_clients(snapshot, config, proxy.port());
    case Verb::kShowServers: return show_servers(snapshot);
    case Verb::kShowSockets: return show_sockets(snapshot, config, proxy.port(), false);
    case Verb::kShowActiveSockets: return show_sockets(snapshot, config, proxy.port(), true);
    case Verb::kShowPools: return show_pools(snapshot, config);
    case Verb::kShowServerPools: return show_server_pools(snapshot);
    case Verb::kShowStats: return show_stats(totals(), history, now);
    case Verb::kShowStatsTotals: return show_stats_totals(totals());
    case Verb::kShowStatsAverages: return show_stats_averages(totals(), history, now);
    case Verb::kShowTotals: return show_totals(totals(), history, now);
    case Verb::kShowDatabases: return show_databases(snapshot, config);
    case Verb::kShowUsers: return show_users(snapshot, config);
    case Verb::kShowConfig: return show_config(config);
    case Verb::kShowShards: return show_shards(proxy);
    case Verb::kShowHealth: return show_health(proxy);
    case Verb::kShowReplicas: return show_replicas(proxy);
    case Verb::kShowTransactions: return show_transactions(with_acting_primaries(config, proxy));
    case Verb::kShowDrift: return show_drift(with_acting_primaries(config, proxy));
    case Verb::kShowLists: return show_lists(snapshot, config);
    case Verb::kShowMem: return show_mem(snapshot);
    case Verb::kShowState: return show_state(snapshot, config);
    case Verb::kShowDnsHosts: return show_dns_hosts(snapshot, config);
    case Verb::kShowDnsZones: return Table(kDnsZoneColumns);
    case Verb::kShowPeers: return Table(kPeerColumns);
    case Verb::kShowPeerPools: return Table(kPeerPoolColumns);
    case Verb::kShowLimits: return show_limits(proxy);
    case Verb::kShowBlocks: return show_blocks(proxy);
    case Verb::kShowBreakers: return show_breakers(proxy, config);
    case Verb::kShowStatements: return show_statements(proxy);
    case Verb::kShowVersion: return show_version();
    default: return show_help();
  }
}

}  // namespace howdah::admin
