// SHOW SHARDS, SHOW REPLICAS and SHOW HEALTH: what the control thread knows of the servers.
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

namespace {

// In words: why this server is not simply up and what the configuration calls it.
std::string reason_of(const ServerView& server, const config::Shard& shard) {
  using control::Standing;
  const std::string configured = shard.primary.host + ":" + std::to_string(shard.primary.port);
  if (!server.monitored) return "no control account";
  switch (server.standing) {
    case Standing::kUnknown: return server.up ? "" : "it has not answered yet";
    case Standing::kStale: return "it claims to be the primary, but a later timeline has begun";
    case Standing::kRival: return "it claims to be the primary of the timeline that another server serves";
    case Standing::kForeign: return "its system identifier is another cluster's";
    case Standing::kVetoed: return "it claims to be the primary, but Patroni does not call it the leader";
    case Standing::kActing:
    case Standing::kReplica: break;
  }
  if (!server.up) return "it does not answer";
  if (!server.replica && !server.open) return server.reason.empty() ? "its connections are being checked" : server.reason;
  if (!server.replica && server.fenced) return "fenced: default_transaction_read_only is set by ALTER SYSTEM; SWITCHOVER to this server lifts that";
  if (!server.replica && server.address != configured) return "promoted in place of " + configured;
  if (server.health == control::ServerState::kRecovering) return "it has not caught up with the primary, or does not follow it";
  return "";
}

}  // namespace

Table show_replicas(Proxy& proxy) {
  Table table(kReplicaColumns);
  const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
  for (const auto& [name, database] : proxy.config()->databases) {
    const auto state = proxy.control().database(name);
    if (!state) continue;
    for (const ServerView& server : list_servers(database, *state)) {
      const auto& shard = database.shards[server.shard];
      const char* role = server.monitored ? control::word_of(server.standing) : server.replica ? "replica" : "primary";
      Row row;
      row << name << shard.name << server.address << role << control::word_of(server.health) << reason_of(server, shard) << server.timeline
          << lsn_text(server.lsn) << server.lag_bytes << server.lag_ms << (server.since == 0 ? std::int64_t{-1} : (now - server.since) / 1'000'000);
      table.rows.push_back(row.take());
    }
  }
  return table;
}

}  // namespace howdah::admin
