// The servers of a database with what the monitor last saw of each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/control/database_state.h"
#include "proxy/control/role_keeper.h"

namespace howdah::admin {

struct ServerView {
  std::size_t shard = 0;
  std::string address;  // host:port
  ServerId id;
  bool replica = false;    // not the acting primary
  bool monitored = false;  // the database has a control account
  bool up = false, in_recovery = false;
  bool fenced = false;     // ServerHealth::fenced
  std::uint64_t lsn = 0;
  std::int64_t lag_bytes = -1;
  std::int64_t last_seen = 0;  // nanoseconds of the steady clock; 0 never
  std::uint32_t timeline = 0;
  std::int64_t lag_ms = -1;     // behind what the primary had written; -1 unknown
  std::int64_t since = 0;       // when its state or role changed, as last_seen
  control::ServerState health = control::ServerState::kUnknown;
  control::Standing standing = control::Standing::kUnknown;
  bool open = true;             // of the acting primary: connections to it may be made
  std::string reason;           // why it is not, or is not what the configuration says

  const char* state() const {
    if (!monitored) return "unmonitored";
    if (!up) return "down";
    if (standing == control::Standing::kStale || standing == control::Standing::kRival || standing == control::Standing::kForeign ||
        standing == control::Standing::kVetoed) {
      return control::word_of(standing);
    }
    return in_recovery == replica ? "up" : replica ? "promoted" : "in recovery";
  }
  // A primary that takes writes, as far as is known.
  bool serves_writes() const { return !replica && (!monitored || (up && !in_recovery && open)); }
};

inline std::vector<ServerView> list_servers(const config::Database& database, const control::DatabaseState& state) {
  std::vector<ServerView> servers;
  std::vector<std::int64_t> caught_up;  // by server
  const auto add = [&](const config::Server& server, std::size_t shard, bool replica) {
    ServerView view;
    view.shard = shard;
    view.id = ServerId(static_cast<std::uint16_t>(servers.size()));
    view.address = server.host + ":" + std::to_string(server.port);
    view.replica = replica;
    view.monitored = !database.control.user.empty();
    if (const control::ShardRoles* roles = state.roles(); roles != nullptr && shard < roles->shards()) {
      const ShardId of(static_cast<std::uint16_t>(shard));
      view.replica = roles->acting(of) != view.id;
      view.open = roles->open(of) || !roles->has_choice(of);
      if (!view.replica) view.reason = roles->reason(of);
    }
    if (servers.size() < state.health().size()) {
      const auto& health = state.health().at(ServerId(static_cast<std::uint16_t>(servers.size())));
      view.up = health.up.load(std::memory_order_relaxed);
      view.in_recovery = health.in_recovery.load(std::memory_order_relaxed);
      view.fenced = health.fenced.load(std::memory_order_relaxed);
      view.lsn = health.lsn.load(std::memory_order_relaxed);
      view.lag_bytes = health.lag_bytes.load(std::memory_order_relaxed);
      view.last_seen = health.last_seen.load(std::memory_order_relaxed);
      view.timeline = health.timeline.load(std::memory_order_relaxed);
      view.since = health.since.load(std::memory_order_relaxed);
      view.health = health.state.load(std::memory_order_relaxed);
      view.standing = static_cast<control::Standing>(health.standing.load(std::memory_order_relaxed));
      caught_up.push_back(health.caught_up_to.load(std::memory_order_relaxed));
    }
    servers.push_back(std::move(view));
  };
  for (std::size_t shard = 0; shard < database.shards.size(); ++shard) {
    add(database.shards[shard].primary, shard, false);
    for (const auto& replica : database.shards[shard].replicas) add(replica, shard, true);
  }
  // By the primary's last word, as reads are: while it is away nobody falls further behind.
  for (std::size_t i = 0; i < caught_up.size(); ++i) {
    if (!servers[i].replica || caught_up[i] == 0) continue;
    for (const ServerView& primary : servers) {
      if (primary.shard == servers[i].shard && !primary.replica) servers[i].lag_ms = std::max<std::int64_t>(primary.last_seen - caught_up[i], 0) / 1'000'000;
    }
  }
  return servers;
}

}  // namespace howdah::admin
