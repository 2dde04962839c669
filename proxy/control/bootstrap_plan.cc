#include "proxy/control/bootstrap_plan.h"

#include <algorithm>

namespace howdah::control {

namespace {

bool knows(const config::Database& database, const std::string& shard) {
  return std::any_of(database.shards.begin(), database.shards.end(),
                     [&](const config::Shard& known) { return known.name == shard; });
}

Error contradiction(const std::string& what) {
  return make_error(
      ErrorCode::kConfig, what,
      "the map in the databases is what the data was placed by: make the configuration agree with it");
}

Result<void> check_identity(const std::string& cluster, const std::string& shard, const StoredMap& map) {
  if (map.cluster == cluster && map.shard == shard) return {};
  return make_error(ErrorCode::kWrongServer,
                    "the server of shard " + shard + " of cluster " + cluster + " says that it is shard " +
                        map.shard + " of cluster " + map.cluster,
                    "check the server addresses and the names of cluster and shards in the configuration");
}

Result<void> check_map(const config::Database& database, const std::string& shard, const StoredMap& map) {
  const auto& rules = database.rules;
  if (map.buckets != rules.buckets || map.owner.size() != map.buckets) {
    return contradiction("shard " + shard + " holds a map of " + std::to_string(map.buckets) + " buckets (" +
                         std::to_string(map.owner.size()) + " assigned), the configuration says " +
                         std::to_string(rules.buckets));
  }
  if (map.hash != hash_name(rules.hash)) {
    return contradiction("shard " + shard + " holds a map by hash " + map.hash + ", the configuration says " +
                         std::string(hash_name(rules.hash)));
  }
  for (const auto& owner : map.owner) {
    if (!knows(database, owner)) {
      return contradiction("the map of shard " + shard + " gives buckets to shard " + owner +
                           ", which the configuration does not have");
    }
  }
  return {};
}

}  // namespace

Result<void> check_stored_map(const std::string& cluster, const config::Database& database,
                              const std::string& shard, const StoredMap& map) {
  if (auto checked = check_identity(cluster, shard, map); !checked) return checked;
  return check_map(database, shard, map);
}

namespace {

bool owns_buckets(const StoredMap& map, const std::string& shard) {
  return std::find(map.owner.begin(), map.owner.end(), shard) != map.owner.end();
}

// The first map found, once all of them were checked; null when there is none.
Result<const StoredMap*> agreed_map(const std::string& cluster, const config::Database& database,
                                    const std::vector<ShardState>& shards) {
  const StoredMap* first = nullptr;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (!shards[i].map) continue;
    const auto& map = *shards[i].map;
    const auto& name = database.shards[i].name;
    if (auto checked = check_stored_map(cluster, database, name, map); !checked) return checked.error();
    if (first == nullptr) first = &map;
    if (!map.same_map(*first)) {
      return contradiction("shards " + first->shard + " (epoch " + std::to_string(first->epoch) + ") and " +
                           name + " (epoch " + std::to_string(map.epoch) + ") hold different maps");
    }
  }
  return first;
}

}  // namespace

std::string_view hash_name(sharding::HashKind hash) {
  return hash == sharding::HashKind::kPostgres ? "postgres" : "xxh64";
}

Result<BootstrapPlan> plan_bootstrap(const std::string& cluster, const config::Database& database,
                                     const std::vector<ShardState>& shards) {
  auto agreed = agreed_map(cluster, database, shards);
  if (!agreed) return agreed.error();
  BootstrapPlan plan;
  if (*agreed != nullptr) plan.map = **agreed;
  const bool complete =
      std::any_of(shards.begin(), shards.end(), [](const ShardState& s) { return s.map && s.map->complete; });
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const auto& name = database.shards[i].name;
    if (!shards[i].reachable && !complete) {
      return make_error(ErrorCode::kServerUnavailable,
                        "shard " + name + " cannot be reached, and the bucket map is not on all shards yet",
                        "start every shard's primary once together");
    }
    if (!shards[i].reachable) continue;
    if (!shards[i].map) {
      if (complete && owns_buckets(*plan.map, name)) {
        return make_error(ErrorCode::kConfig,
                          "shard " + name + " owns buckets, but its database holds no bucket map",
                          "is it the wrong server, or was its database emptied? restore it from its backup");
      }
      plan.install.push_back(i);
    } else if (!shards[i].map->complete) {
      plan.mark_complete = true;
    }
  }
  if (!complete) plan.mark_complete = true;
  if (plan.map) plan.map->complete = complete;
  return plan;
}

StoredMap to_stored(const std::string& cluster, const config::Database& database,
                    const sharding::ShardMap& map) {
  StoredMap stored;
  stored.cluster = cluster;
  stored.buckets = map.buckets();
  stored.hash = hash_name(map.hash());
  stored.epoch = map.epoch().value();
  for (std::uint32_t bucket = 0; bucket < map.buckets(); ++bucket) {
    stored.owner.push_back(database.shards[map.owner(BucketId(bucket)).value()].name);
  }
  return stored;
}

Result<sharding::ShardMap> to_shard_map(const config::Database& database, const StoredMap& stored) {
  std::vector<ShardId> owner;
  for (const auto& name : stored.owner) {
    auto found = std::find_if(database.shards.begin(), database.shards.end(),
                              [&](const config::Shard& shard) { return shard.name == name; });
    if (found == database.shards.end())
      return contradiction("the map gives buckets to unknown shard " + name);
    owner.emplace_back(static_cast<std::uint16_t>(found - database.shards.begin()));
  }
  return sharding::ShardMap::from(std::move(owner), static_cast<std::uint16_t>(database.shards.size()),
                                  database.rules.hash, Epoch(stored.epoch));
}

}  // namespace howdah::control
