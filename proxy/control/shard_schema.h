// Reads and writes schema howdah of one shard.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "drivers/pq/async_connection.h"
#include "proxy/control/bootstrap_plan.h"

namespace howdah::control {

// What start-up must know of a primary. kServerUnavailable for a server in recovery, too: it cannot be
// written.
boost::asio::awaitable<Result<ServerFacts>> read_facts(pq::AsyncConnection& connection,
                                                       const std::string& shard, SteadyTime deadline);

// Nothing when the database has no schema howdah. kConfig when someone else made one, or when its version is
// newer than this program's.
boost::asio::awaitable<Result<std::optional<StoredMap>>> read_map(pq::AsyncConnection& connection,
                                                                  const std::string& shard,
                                                                  SteadyTime deadline);

// In one transaction, under the schema lock: creates the schema if it is missing and writes `map` as shard
// `shard`. Gives what the shard holds afterwards, which is another map when another proxy was faster; nothing
// is changed then.
boost::asio::awaitable<Result<StoredMap>> install_map(pq::AsyncConnection& connection,
                                                      const std::string& shard, StoredMap map,
                                                      SteadyTime deadline);

// Notes that every shard holds the map.
boost::asio::awaitable<Result<void>> mark_complete(pq::AsyncConnection& connection, const std::string& shard,
                                                   SteadyTime deadline);

}  // namespace howdah::control
