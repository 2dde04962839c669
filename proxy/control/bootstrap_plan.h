// What start-up must do about the bucket map, decided from what every shard says. No I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "proxy/config/config.h"
#include "sharding/shard_map.h"

namespace howdah::control {

// What howdah.cluster and howdah.map of one shard hold. Shards are named, never numbered: numbers are
// positions in one proxy's file.
struct StoredMap {
  std::string cluster;
  std::string shard;  // who this database is
  std::uint32_t buckets = 0;
  std::string hash;  // "postgres" or "xxh64"
  std::uint64_t epoch = 0;
  bool complete = false;           // every shard was seen to hold the map
  std::vector<std::string> owner;  // shard names by bucket

  bool same_map(const StoredMap& other) const {
    return buckets == other.buckets && hash == other.hash && epoch == other.epoch && owner == other.owner;
  }
};

struct ShardState {
  bool reachable = false;
  std::optional<StoredMap> map;  // nothing: the database has no schema howdah
};

struct BootstrapPlan {
  std::optional<StoredMap> map;      // the one that is there; nothing: create it
  std::vector<std::size_t> install;  // shards that must get it, in order
  bool mark_complete = false;        // once those have it
};

// kWrongServer when a server is another shard or another cluster's; kConfig when maps contradict each other
// or the configuration, or when a shard that owns buckets has lost its map; kServerUnavailable when shards
// are missing that are needed to create or complete the map. `shards` is in the configuration's order.
Result<BootstrapPlan> plan_bootstrap(const std::string& cluster, const config::Database& database,
                                     const std::vector<ShardState>& shards);

// Checks one shard's map against the configuration: the errors of plan_bootstrap().
Result<void> check_stored_map(const std::string& cluster, const config::Database& database,
                              const std::string& shard, const StoredMap& map);

// The map of a new cluster as it is stored: `owner` in names.
StoredMap to_stored(const std::string& cluster, const config::Database& database,
                    const sharding::ShardMap& map);
// kConfig when the map names a shard that the configuration has not.
Result<sharding::ShardMap> to_shard_map(const config::Database& database, const StoredMap& stored);

std::string_view hash_name(sharding::HashKind hash);

// What must agree between the servers of one database, and what each must fulfil.
struct ServerFacts {
  int version = 0;  // server_version_num
  std::string encoding;
  std::string collate;
  std::string ctype;
  std::string timezone;
  int max_prepared_transactions = 0;
  int max_connections = 0;
  bool sees_all_sessions = true;  // the control account: superuser or pg_monitor
};

// Checks one server for itself. `sharded`: it takes part in two-phase commits.
Result<void> check_server(const std::string& shard, const ServerFacts& facts, bool sharded);
// Checks that a server agrees with the first reachable one.
Result<void> check_agreement(const std::string& first_shard, const ServerFacts& first,
                             const std::string& shard, const ServerFacts& facts);

}  // namespace howdah::control
