// The first bucket map of a cluster: chosen so that rows which are already there are where the map says.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "base/error.h"
#include "drivers/pq/async_connection.h"
#include "proxy/config/config.h"
#include "sharding/shard_map.h"

namespace howdah::control {

// `connections`: to every shard's primary, in the configuration's order. An even map when no row contradicts
// it; all buckets to one shard when only that one holds rows of hashed tables (a single database that gets
// its first shards); else kConfig. Reads every hashed table once, where there is one.
boost::asio::awaitable<Result<sharding::ShardMap>> choose_first_map(
    const config::Database& database, const std::vector<pq::AsyncConnection*>& connections);

}  // namespace howdah::control
