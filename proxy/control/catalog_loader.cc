#include "proxy/control/catalog_loader.h"

#include <boost/asio/use_awaitable.hpp>

#include "proxy/control/catalog_queries.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr const char* kWhat = "reading the catalog";

std::string sql_of(std::size_t query) {
  return kCatalogSql[query];
}

}  // namespace

asio::awaitable<Result<LoadedCatalog>> load_catalog(pq::AsyncConnection& connection, std::uint64_t version,
                                                    SteadyTime deadline) {
  CatalogBuilder builder;
  auto begun = co_await connection.exec(kCatalogBegin, deadline);
  if (!begun) co_return pq::to_error(begun.error(), kWhat);
  for (std::size_t query = 0; query < kCatalogQueries; ++query) {
    auto rows = co_await connection.exec(sql_of(query), deadline);
    if (!rows) {
      connection.disconnect();  // rather than keep the failed transaction
      co_return pq::to_error(rows.error(), kWhat);
    }
    builder.take(static_cast<CatalogQuery>(query), *rows);
  }
  auto ended = co_await connection.exec(kCatalogEnd, deadline);
  if (!ended) co_return pq::to_error(ended.error(), kWhat);
  co_return LoadedCatalog{builder.build(version), builder.fingerprint()};
}

Result<LoadedCatalog> load_catalog(pq::Connection& connection, std::uint64_t version, SteadyTime deadline) {
  CatalogBuilder builder;
  auto begun = connection.exec(kCatalogBegin, {}, deadline);
  if (!begun) return pq::to_error(begun.error(), kWhat);
  for (std::size_t query = 0; query < kCatalogQueries; ++query) {
    auto rows = connection.exec(sql_of(query), {}, deadline);
    if (!rows) {
      (void)connection.exec("ROLLBACK", {}, deadline);
      return pq::to_error(rows.error(), kWhat);
    }
    builder.take(static_cast<CatalogQuery>(query), *rows);
  }
  auto ended = connection.exec(kCatalogEnd, {}, deadline);
  if (!ended) return pq::to_error(ended.error(), kWhat);
  return LoadedCatalog{builder.build(version), builder.fingerprint()};
}

asio::awaitable<Result<std::string>> catalog_fingerprint(pq::AsyncConnection& connection,
                                                         SteadyTime deadline) {
  auto rows = co_await connection.exec(sql_of(kFingerprintQuery), deadline);
  if (!rows) co_return pq::to_error(rows.error(), kWhat);
  co_return rows->text(0, 0);
}

Result<std::string> catalog_fingerprint(pq::Connection& connection, SteadyTime deadline) {
  auto rows = connection.exec(sql_of(kFingerprintQuery), {}, deadline);
  if (!rows) return pq::to_error(rows.error(), kWhat);
  return rows->text(0, 0);
}

}  // namespace howdah::control
