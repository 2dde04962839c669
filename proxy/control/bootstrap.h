// Start-up of one database: are the servers what the configuration says, and which shard owns which bucket?
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "drivers/pq/async_connection.h"
#include "proxy/config/config.h"
#include "proxy/control/bootstrap_plan.h"
#include "proxy/control/settings.h"

namespace howdah::control {

// Lives on one thread, for one run(). Several proxies may do this at the same time, and each may die at any
// step: every step is one transaction, and the next start goes on from there.
class Bootstrap {
 public:
  // `database` outlives it.
  Bootstrap(boost::asio::io_context& io, std::string cluster, const config::Database& database,
            Settings settings);
  ~Bootstrap();

  // A database with one shard and no schema howdah gets nothing of ours; its server may even be down.
  boost::asio::awaitable<Result<sharding::ShardMap>> run();
  // Ends run() soon with kShuttingDown.
  void stop();

 private:
  struct Shard;
  boost::asio::awaitable<Result<void>> connect_all();
  boost::asio::awaitable<bool> connect(Shard& shard);
  boost::asio::awaitable<Result<void>> inspect(Shard& shard);
  Result<void> check_facts() const;
  boost::asio::awaitable<Result<sharding::ShardMap>> settle_map();
  boost::asio::awaitable<Result<void>> reread_maps();
  std::vector<ShardState> states() const;
  boost::asio::awaitable<Result<StoredMap>> new_map();
  const config::Server& primary_of(const Shard& shard) const;
  bool needs_schema() const;
  bool knows_whole_map() const;
  SteadyTime deadline() const;

  const std::string cluster_;
  const config::Database& database_;
  const Settings settings_;
  std::vector<std::unique_ptr<Shard>> shards_;
  boost::asio::steady_timer timer_;
  bool stopping_ = false;
};

}  // namespace howdah::control
