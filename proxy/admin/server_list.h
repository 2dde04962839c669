// The servers of a database with what the monitor last saw of each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/control/database_state.h"

namespace howdah::admin {

struct ServerView {
  std::size_t shard = 0;
  std::string address;  // host:port
  ServerId id;
  bool replica = false;
  bool monitored = false;  // the database has a control account
  bool up = false, in_recovery = false;
  std::uint64_t lsn = 0;
  std::int64_t lag_bytes = -1;
  std::int64_t last_seen = 0;  // nanoseconds of the steady clock; 0 never
  std::uint32_t timeline = 0;

  const char* state() const {
    if (!monitored) return "unmonitored";
    if (!up) return "down";
    return in_recovery == replica ? "up" : replica ? "promoted" : "in recovery";
  }
  // A primary that takes writes, as far as is known.
  bool serves_writes() const { return !replica && (!monitored || (up && !in_recovery)); }
};

inline std::vector<ServerView> list_servers(const config::Database& database, const control::DatabaseState& state) {
  std::vector<ServerView> servers;
  const auto add = [&](const config::Server& server, std::size_t shard, bool replica) {
    ServerView view;
    view.shard = shard;
    view.id = ServerId(static_cast<std::uint16_t>(servers.size()));
    view.address = server.host + ":" + std::to_string(server.port);
    view.replica = replica;
    view.monitored = !database.control.user.empty();
    if (servers.size() < state.health().size()) {
      const auto& health = state.health().at(ServerId(static_cast<std::uint16_t>(servers.size())));
      view.up = health.up.load(std::memory_order_relaxed);
      view.in_recovery = health.in_recovery.load(std::memory_order_relaxed);
      view.lsn = health.lsn.load(std::memory_order_relaxed);
      view.lag_bytes = health.lag_bytes.load(std::memory_order_relaxed);
      view.last_seen = health.last_seen.load(std::memory_order_relaxed);
      view.timeline = health.timeline.load(std::memory_order_relaxed);
    }
    servers.push_back(std::move(view));
  };
  for (std::size_t shard = 0; shard < database.shards.size(); ++shard) {
    add(database.shards[shard].primary, shard, false);
    for (const auto& replica : database.shards[shard].replicas) add(replica, shard, true);
  }
  return servers;
}

}  // namespace howdah::admin
