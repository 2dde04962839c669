// What the data path knows of one database: an immutable snapshot, exchanged by the control thread, and the
// health of its servers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/control/server_health.h"
#include "proxy/control/shard_roles.h"
#include "schema/catalog.h"
#include "schema/drift.h"
#include "schema/object_ids.h"
#include "sharding/shard_map.h"

namespace howdah::control {

// By shard; null for one whose OIDs are those of shard 0.
using ShardIds = std::vector<std::shared_ptr<const schema::ObjectIds>>;
using ShardIdsPtr = std::shared_ptr<const ShardIds>;

struct DatabaseSnapshot {
  // Of the canonical shard (shard 0). Null until it was read once: the shard was down since start-up, or the
  // database has no control account.
  std::shared_ptr<const schema::Catalog> catalog;
  std::shared_ptr<const sharding::ShardMap>
      map;  // never null; an unsharded database has one bucket run on shard 0
  ShardIdsPtr ids;  // null: all alike, or not known yet
  std::shared_ptr<const schema::Drift> drift;  // null: no table differs between shards, as far as is known
};

// Shared by all threads; lives as long as anyone holds it, also after Control has stopped.
class DatabaseState {
 public:
  // `roles` null: each configured primary is the primary.
  DatabaseState(std::string name, std::size_t servers, DatabaseSnapshot first, std::shared_ptr<ShardRoles> roles = nullptr)
      : name_(std::move(name)),
        health_(servers),
        roles_(std::move(roles)),
        snapshot_(std::make_shared<const DatabaseSnapshot>(std::move(first))) {}

  const std::string& name() const { return name_; }
  const HealthTable& health() const { return health_; }
  HealthTable& health() { return health_; }
  // Null without a control account. Those who see a server fail say so there.
  ShardRoles* roles() const { return roles_.get(); }

  // Grows with every publication: a worker compares it with the version it last saw before it takes the lock.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  std::shared_ptr<const DatabaseSnapshot> snapshot() const {
    std::lock_guard lock(mutex_);
    return snapshot_;
  }
  void publish(DatabaseSnapshot next) {
    auto shared = std::make_shared<const DatabaseSnapshot>(std::move(next));
    {
      std::lock_guard lock(mutex_);
      snapshot_.swap(shared);
    }
    version_.fetch_add(1, std::memory_order_release);
  }

 private:
  const std::string name_;
  HealthTable health_;
  const std::shared_ptr<ShardRoles> roles_;
  mutable std::mutex mutex_;
  std::shared_ptr<const DatabaseSnapshot> snapshot_;  // guarded by mutex_
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace howdah::control
