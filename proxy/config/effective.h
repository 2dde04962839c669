// What counts for one user of one database, after all overrides.
#pragma once

#include "proxy/config/config.h"

namespace howdah::config {

struct Effective {
  std::uint32_t pool_size = 0, min_pool_size = 0, reserve_pool_size = 0;
  std::uint32_t user_clients = 0, database_clients = 0;  // 0: no limit, as in the next two lines
  std::uint32_t server_connections = 0;                  // to one server
  std::uint32_t user_server_connections = 0, database_server_connections = 0;  // ... of this user, of this database
  ReplicaReads replica_reads = ReplicaReads::kOn;
  milliseconds wait_timeout{0}, query_timeout{0}, transaction_timeout{0}, idle_timeout{0}, idle_in_transaction_timeout{0};
};

// The user's own value counts before its database's, and that before the file's.
Effective effective(const Config& config, const Database& database, const User& user);

}  // namespace howdah::config
