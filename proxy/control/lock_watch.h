// Who waits for whose locks on the shards' primaries.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "proxy/config/config.h"
#include "proxy/control/settings.h"
#include "proxy/control/shard_session.h"

namespace howdah::control {

// A server process that waits for a lock. https://www.postgresql.org/docs/15/view-pg-locks.html
struct LockWait {
  ShardId shard;
  std::int32_t pid = 0;
  std::int64_t since_us = 0;           // by the server's clock; tells one wait of this process from the next
  std::vector<std::int32_t> blockers;  // pids on the same server; 0 stands for a prepared transaction
};

// Of one database with several shards. Lives on the control thread.
class LockWatch {
 public:
  // The references outlive it. Connects when first asked.
  LockWatch(boost::asio::io_context& io, const std::string& cluster, const config::Database& database, const Settings& settings);
  void stop();

  // Asks all shards at once; one that does not answer has no waits. One at a time.
  boost::asio::awaitable<std::vector<LockWait>> look();

 private:
  boost::asio::io_context& io_;
  SessionScope scope_;
  std::vector<std::unique_ptr<ShardSession>> sessions_;  // by shard
};

}  // namespace howdah::control
