// Follows the bucket map of one sharded database: after a move, or when a server says that ours is too old
// (ZH001).
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
#include "sharding/shard_map.h"

namespace howdah::control {

// Lives on the control thread. Asks each shard in turn until one holds a newer map: a shard that is down, or
// that a move has not reached yet, hides nothing. An older map than the one in use is never taken.
class MapWatch {
 public:
  using Publish = std::function<void(std::shared_ptr<const sharding::ShardMap>)>;
  using Done = std::function<void(Result<Epoch>)>;

  // `cluster` and `database` outlive it. `epoch`: of the map in use.
  MapWatch(boost::asio::io_context& io, const std::string& cluster, const config::Database& database,
           Settings settings, Epoch epoch, Publish publish);
  ~MapWatch();

  void start();
  // The loop ends soon after, on the io_context; the object must outlive it. Callers that wait get
  // kShuttingDown.
  void stop();
  // `done` gets the epoch in use after every reachable shard was asked again; a newer map is published by
  // then. An error when no shard could be asked.
  void refresh(Done done);

 private:
  struct Source;
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<Result<Epoch>> check();
  boost::asio::awaitable<Result<void>> check(Source& source);
  boost::asio::awaitable<Result<void>> adopt(Source& source);

  boost::asio::io_context& io_;
  const std::string& cluster_;
  const config::Database& database_;
  const Settings settings_;
  const Publish publish_;
  Epoch epoch_;
  std::vector<std::unique_ptr<Source>> sources_;
  boost::asio::steady_timer timer_;
  std::vector<Done> waiting_;
  bool stopping_ = false;
};

}  // namespace howdah::control
