// Reads what a database defines, and tells cheaply whether that has changed.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "drivers/pq/async_connection.h"
#include "drivers/pq/connection.h"
#include "schema/catalog.h"

namespace howdah::control {

struct LoadedCatalog {
  std::shared_ptr<const schema::Catalog> catalog;
  std::string fingerprint;  // of the same moment
};

// Tables, columns, keys and functions of all schemas; of PostgreSQL's own relations names and kinds only; no
// temporary ones. Six statements in one read-only transaction. `version` goes into the catalog. Errors are
// pq::to_error()'s.
boost::asio::awaitable<Result<LoadedCatalog>> load_catalog(pq::AsyncConnection& connection,
                                                           std::uint64_t version, SteadyTime deadline);
// As above, blocking.
Result<LoadedCatalog> load_catalog(pq::Connection& connection, std::uint64_t version,
                                   SteadyTime deadline = pq::within(seconds(30)));

// Compare it with an earlier one: equal means that no catalog row of users' objects has changed in between.
// See catalog_queries.h for why that is sound.
boost::asio::awaitable<Result<std::string>> catalog_fingerprint(pq::AsyncConnection& connection,
                                                                SteadyTime deadline);
Result<std::string> catalog_fingerprint(pq::Connection& connection,
                                        SteadyTime deadline = pq::within(seconds(30)));

}  // namespace howdah::control
