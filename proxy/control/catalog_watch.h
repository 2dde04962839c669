// Keeps one database's catalog fresh: after DDL that went through the proxy, and after DDL that did not.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "drivers/pq/async_connection.h"
#include "proxy/config/config.h"
#include "proxy/control/settings.h"
#include "schema/catalog.h"

namespace howdah::control {

// Lives on the control thread. Reads from the canonical shard's primary.
class CatalogWatch {
 public:
  using Publish = std::function<void(std::shared_ptr<const schema::Catalog>)>;
  using Done = std::function<void(Result<std::uint64_t>)>;

  // `database` outlives it.
  CatalogWatch(boost::asio::io_context& io, const config::Database& database, Settings settings,
               Publish publish);

  void start();
  // The loop ends soon after, on the io_context; the object must outlive it. Callers that wait get
  // kShuttingDown.
  void stop();

  // `done` gets the version of a catalog that was read after this call (a catalog that has not changed keeps
  // its version), already published.
  void refresh(Done done);

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<Result<std::uint64_t>> check();
  boost::asio::awaitable<Result<void>> open();

  boost::asio::io_context& io_;
  const config::Database& database_;
  const Settings settings_;
  const Publish publish_;
  pq::AsyncConnection connection_;
  std::uint64_t generation_ = 0;  // of the first shard's role, when it connected
  boost::asio::steady_timer timer_;
  std::vector<Done> waiting_;
  std::string fingerprint_;    // of the catalog published last
  std::uint64_t version_ = 0;  // 0: nothing published yet
  bool stopping_ = false;
};

}  // namespace howdah::control
