#include "proxy/config/effective.h"

namespace howdah::config {
namespace {

template <class Value>
Value first(const std::optional<Value>& user, const std::optional<Value>& database, Value file) {
  return user ? *user : database.value_or(file);
}

}  // namespace

Effective effective(const Config& config, const Database& database, const User& user) {
  const Overrides& mine = user.limits;
  const Overrides& its = database.limits;
  const Limits& limits = config.limits;
  Effective out;
  out.pool_size = first(user.pool_size ? user.pool_size : mine.pool_size, its.pool_size, config.pool.size);
  out.min_pool_size = first(mine.min_pool_size, its.min_pool_size, config.pool.min_size);
  out.reserve_pool_size = first(mine.reserve_pool_size, its.reserve_pool_size, config.pool.reserve_size);
  out.user_clients = mine.clients.value_or(limits.clients_per_user);
  out.database_clients = its.clients.value_or(limits.clients_per_database);
  out.server_connections = limits.server_connections;
  out.user_server_connections = mine.server_connections.value_or(limits.server_connections_per_user);
  out.database_server_connections = its.server_connections.value_or(limits.server_connections_per_database);
  out.replica_reads = user.replica_reads.value_or(database.replica_reads);
  out.wait_timeout = first(mine.wait_timeout, its.wait_timeout, config.pool.wait_timeout);
  out.query_timeout = first(mine.query_timeout, its.query_timeout, limits.query_timeout);
  out.transaction_timeout = first(mine.transaction_timeout, its.transaction_timeout, limits.transaction_timeout);
  out.idle_timeout = first(mine.idle_timeout, its.idle_timeout, limits.idle_timeout);
  out.idle_in_transaction_timeout =
      first(mine.idle_in_transaction_timeout, its.idle_in_transaction_timeout, limits.idle_in_transaction_timeout);
  return out;
}

}  // namespace howdah::config
