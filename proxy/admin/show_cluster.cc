// SHOW SHARDS and SHOW HEALTH: what the control thread knows of the servers.
#include "proxy/admin/columns.h"
#include "proxy/admin/server_list.h"
#include "proxy/admin/show.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

namespace {

std::string lsn_text(std::uint64_t lsn) {
  char text[40];
  std::snprintf(text, sizeof text, "%X/%X", static_cast<unsigned>(lsn >> 32), static_cast<unsigned>(lsn));
  return text;
}

void add_to_list(std::string& list, const std::string& item) { list += (list.empty() ? "" : ",") + item; }

}  // namespace

Table show_shards(Proxy& proxy) {
  Table table(kShardColumns);
  for (const auto& [name, database] : proxy.config()->databases) {
    const auto state = proxy.control().database(name);
    if (!state) continue;
    const auto snapshot = state->snapshot();
    const auto servers = list_servers(database, *state);
    for (std::size_t i = 0; i < database.shards.size(); ++i) {
      std::string primary, primary_state, replicas, states, lags;
      for (const ServerView& server : servers) {
        if (server.shard != i) continue;
        if (!server.replica) {
          primary = server.address;
          primary_state = server.state();
          continue;
        }
        add_to_list(replicas, server.address);
        add_to_list(states, server.state());
        add_to_list(lags, server.lag_bytes < 0 ? "unknown" : std::to_string(server.lag_bytes));
      }
      Row row;
      row << name << database.shards[i].name << snapshot->map->owned(ShardId(static_cast<std::uint16_t>(i)))
          << snapshot->map->epoch().value() << primary << primary_state << replicas << states << lags;
      table.rows.push_back(row.take());
    }
  }
  return table;
}

Table show_health(Proxy& proxy) {
  Table table(kHealthColumns);
  const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
  for (const auto& [name, database] : proxy.config()->databases) {
    const auto state = proxy.control().database(name);
    if (!state) continue;
    for (const ServerView& server : list_servers(database, *state)) {
      Row row;
      row << name << database.shards[server.shard].name << server.address << (server.replica ? "replica" : "primary")
          << server.state() << (server.up ? "yes" : "no") << (server.in_recovery ? "yes" : "no") << lsn_text(server.lsn)
          << server.lag_bytes << server.timeline
          << (server.last_seen == 0 ? std::int64_t{-1} : (now - server.last_seen) / 1'000'000);
      table.rows.push_back(row.take());
    }
  }
  return table;
}

}  // namespace howdah::admin
