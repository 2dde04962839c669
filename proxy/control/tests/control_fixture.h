// What the tests of the control thread share: a configuration for a cluster of real servers.
#pragma once

#include <string>

#include "proxy/config/config.h"
#include "tests/support/pg_cluster.h"

namespace howdah::control {

inline config::Server server_of(const testing::PgServer& server) {
  config::Server made;
  made.host = "127.0.0.1";
  made.port = server.port();
  return made;
}

// Database app over shards s0, s1, ... of the cluster, as the loader would make it.
inline config::Database database_of(testing::PgCluster& cluster, int shards = -1) {
  config::Database database;
  database.name = "app";
  database.control = {"howdah", "howdah"};
  std::uint16_t next = 0;
  auto numbered = [&](const testing::PgServer& server) {
    auto made = server_of(server);
    made.id = ServerId(next++);
    return made;
  };
  const int count = shards < 0 ? cluster.shards() : shards;
  for (int i = 0; i < count; ++i) {
    config::Shard shard;
    shard.name = "s" + std::to_string(i);
    shard.primary = numbered(cluster.primary(i));
    for (int j = 0; j < cluster.replicas(); ++j) shard.replicas.push_back(numbered(cluster.replica(i, j)));
    database.shards.push_back(std::move(shard));
  }
  database.rules.shards = static_cast<std::uint16_t>(count);
  return database;
}

}  // namespace howdah::control
