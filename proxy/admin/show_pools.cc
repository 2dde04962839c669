// SHOW POOLS, SERVER_POOLS, DATABASES, USERS and LISTS.
#include <algorithm>

#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"

namespace howdah::admin {

const char* pool_mode_name(config::PoolMode mode) {
  return mode == config::PoolMode::kSession ? "session" : "transaction";
}

Table show_pools(const Snapshot& snapshot, const config::Config& config) {
  // One row per database and user, as PgBouncer has them: its exporters take the pair for a key.
  std::map<PoolKey, PoolSample> sums;
  for (const auto& [key, counts] : snapshot.clients) sums[key];
  for (const auto& [key, sample] : snapshot.pools) {
    PoolSample& sum = sums[key.first];
    sum.active += sample.active;
    sum.idle += sample.idle;
    sum.login += sample.login;
    sum.canceled += sample.canceled;
    sum.longest_wait = std::max(sum.longest_wait, sample.longest_wait);
  }
  Table table(kPoolColumns);
  for (const auto& [key, sum] : sums) {
    const auto found = snapshot.clients.find(key);
    const ClientCounts clients = found == snapshot.clients.end() ? ClientCounts{} : found->second;
    const auto wait = sum.longest_wait.count();
    const bool console = !config.databases.contains(key.first);
    Row row;
    row << key.first << key.second << clients.total() - clients.waiting << clients.waiting << 0 << 0 << sum.active << 0
        << sum.canceled << sum.idle << 0 << 0 << sum.login << wait / 1'000'000 << wait % 1'000'000
        << (console ? "statement" : pool_mode_name(config.pool.mode));
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_server_pools(const Snapshot& snapshot) {
  Table table(kServerPoolColumns);
  for (const auto& [key, sample] : snapshot.pools) {
    const auto& counters = sample.counters;
    Row row;
    row << sample.key.first << sample.key.second << sample.shard << sample.host + ":" + std::to_string(sample.port)
        << (sample.replica ? "replica" : "primary") << sample.limit << sample.active << sample.idle << sample.login
        << sample.waiting << counters.transactions << counters.statements << counters.connects << counters.failures;
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_databases(const Snapshot& snapshot, const config::Config& config) {
  std::map<std::string, std::uint32_t> connections;
  for (const auto& [key, sample] : snapshot.pools) {
    connections[sample.key.first] += sample.active + sample.idle + sample.login;
  }
  Table table(kDatabaseColumns);
  for (const auto& [name, database] : config.databases) {
    const auto& first = database.shards.front().primary;
    Row row;
    row << name << first.host << first.port << (first.dbname.empty() ? name : first.dbname) << "" << config.pool.size
        << 0 << 0 << pool_mode_name(config.pool.mode) << 0 << connections[name]
        << (snapshot.paused.contains(name) ? 1 : 0) << (snapshot.disabled.contains(name) ? 1 : 0);
    row << database.shards.size() << database.server_count() - database.shards.size();
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_users(const Snapshot& snapshot, const config::Config& config) {
  std::map<std::string, std::uint32_t> servers, clients;
  for (const auto& [key, sample] : snapshot.pools) servers[key.first.second] += sample.active + sample.idle + sample.login;
  for (const auto& [key, counts] : snapshot.clients) clients[key.second] += counts.total();
  Table table(kUserColumns);
  for (const config::User& user : config.users) {
    Row row;
    row << user.name << "" << user.pool_size.value_or(config.pool.size) << (user.admin ? "yes" : "no")
        << (user.stats ? "yes" : "no") << servers[user.name] << clients[user.name];
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_lists(const Snapshot& snapshot, const config::Config& config) {
  std::uint64_t used = 0, idle = 0, busy = 0;
  for (const auto& [key, counts] : snapshot.clients) used += counts.total();
  std::map<PoolKey, bool> pools;
  for (const auto& [key, sample] : snapshot.pools) {
    pools[key.first] = true;
    idle += sample.idle;
    busy += sample.active;
  }
  const Totals& totals = snapshot.totals;
  const auto connected = totals.clients_accepted - totals.clients_closed;
  Table table(kListColumns);
  const auto add = [&](const char* list, std::uint64_t items) {
    Row row;
    row << list << items;
    table.rows.push_back(row.take());
  };
  add("databases", config.databases.size());
  add("users", config.users.size());
  add("peers", 0);
  add("pools", pools.size());
  add("peer_pools", 0);
  add("free_clients", config.limits.clients > used ? config.limits.clients - used : 0);
  add("used_clients", used);
  add("login_clients", connected > used ? connected - used : 0);
  add("free_servers", idle);
  add("used_servers", busy);
  // PgBouncer resolves names while it runs; Howdah does so when it starts.
  for (const char* list : {"dns_names", "dns_zones", "dns_queries", "dns_pending"}) add(list, 0);
  return table;
}

}  // namespace howdah::admin
