// SHOW STATE, MEM, DNS_HOSTS, HELP and VERSION: the process itself.
#include <unistd.h>

#include <cstdio>
#include <set>

#include "drivers/net/buffer.h"
#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"
#include "proxy/admin/version.h"

namespace howdah::admin {

Table show_help() {
  Table table(kHelpColumns);
  for (const CommandHelp& help : command_help()) {
    table.rows.push_back({std::string(help.command), std::string(help.text)});
  }
  return table;
}

Table show_version() {
  Table table(kVersionColumns);
  table.rows.push_back({std::string("Howdah ") + kVersion});
  return table;
}

// "paused" when every database is; SHOW DATABASES tells of each.
Table show_state(const Snapshot& snapshot, const config::Config& config) {
  const bool paused = !config.databases.empty() && snapshot.paused.size() >= config.databases.size();
  Table table(kStateColumns);
  table.rows.push_back({"active", paused ? "no" : "yes"});
  table.rows.push_back({"paused", paused ? "yes" : "no"});
  table.rows.push_back({"suspended", "no"});
  return table;
}

// Kilobytes where PgBouncer has bytes of its slabs: "memtotal" is an integer, and the process may be larger than 2 GB.
Table show_mem(const Snapshot& snapshot) {
  Table table(kMemColumns);
  const auto add = [&](const char* name, std::size_t size, std::size_t used) {
    Row row;
    row << name << size << used << 0 << size * used;
    table.rows.push_back(row.take());
  };
  add("client_cache", sizeof(proxy::Session), snapshot.client_list.size());
  add("server_cache", sizeof(proxy::ServerConn), snapshot.server_list.size());
  add("plan_cache", sizeof(sharding::sql::StatementPlan), snapshot.totals.plan_entries);
  std::size_t pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%zu %zu", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  add("resident_kilobytes", 1, resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024);
  return table;
}

// Names stand for the addresses that they had when their pool was made.
Table show_dns_hosts(const Snapshot& snapshot, const config::Config& config) {
  std::map<std::string, std::set<std::string>> hosts;
  for (const auto& [key, sample] : snapshot.pools) {
    const auto database = config.databases.find(key.first.first);
    if (database == config.databases.end()) continue;
    std::size_t at = 0;
    const auto look = [&](const config::Server& server) {
      if (at++ == key.second.value() && server.host != sample.host) hosts[server.host].insert(sample.host);
    };
    for (const auto& shard : database->second.shards) {
      look(shard.primary);
      for (const auto& replica : shard.replicas) look(replica);
    }
  }
  Table table(kDnsHostColumns);
  for (const auto& [host, addresses] : hosts) {
    std::string list;
    for (const auto& address : addresses) list += (list.empty() ? "" : ",") + address;
    Row row;
    row << host << 0 << list;
    table.rows.push_back(row.take());
  }
  return table;
}

}  // namespace howdah::admin
