// Deadlocks that no server sees: transactions over several shards that wait for each other's row locks, or for server
// connections whose holders wait for such locks.
//
//   client ── stands in the queue of ──> pool ── all its connections are held by ──> clients
//   client ── its statement waits, on one shard, for locks of ──> server processes ── held by ──> clients
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proxy/control/lock_watch.h"
#include "proxy/core/wait_graph.h"

namespace howdah::proxy {

// A client that holds server connections, at one moment.
struct LockHolder {
  struct Link {
    ShardId shard;
    std::int32_t backend = 0;  // pid of the server process; 0: none whose locks could matter (a replica's)
    const Budget* pool = nullptr;
    bool busy = false;         // replies are owed
    bool operator==(const Link&) const = default;
  };
  std::string proxy;              // whose client it is; empty: of the one that looks, which sees no other
  std::int64_t stamp = 0;         // of another proxy's: see control::ShownHolder
  std::int64_t began_us = 0;      // where several proxies look: the age that all of them go by
  std::int32_t client = 0;
  SteadyTime request;             // with `queued`: tells one wait of this client from the next
  SteadyTime queued;
  SteadyTime since;               // of its oldest connection
  const Budget* wants = nullptr;  // stands in this pool's queue
  std::vector<Link> links;
  bool may_yield = false;         // rolling it back is allowed
};

struct LockPicture {
  std::vector<LockHolder> clients;
  std::vector<control::LockWait> waits;
  std::map<const Budget*, PoolUse> pools;  // those that anybody wants
};

// Every server process that waits and is nobody's gets a holder of its own: whoever it is, it cannot go on before its lock is free.
void add_strangers(LockPicture& picture);

// What held in both pictures, and so, if each was taken after the other was complete, at one moment in between.
LockPicture in_both(const LockPicture& before, const LockPicture& after);

// Indices of the clients that can never go on. `without`: as if this one had given up.
std::vector<std::size_t> stuck(const LockPicture& picture, std::optional<std::size_t> without = std::nullopt);

// The youngest client that may yield and lets another one go on by that; empty: there is no deadlock, or nobody can end it. `only`: of this
// proxy's.
std::optional<std::size_t> deadlock_victim(const LockPicture& picture, const std::string* only = nullptr);

}  // namespace howdah::proxy
