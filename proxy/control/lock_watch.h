// Who waits for whose locks on the shards' primaries.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
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

// A client's transaction as one proxy shows it to the others.
struct ShownHolder {
  struct Link {
    ShardId shard;
    std::int32_t backend = 0;
    bool busy = false;
    bool operator==(const Link&) const = default;
  };
  std::string proxy;           // a number of its process
  std::int64_t stamp = 0;      // taken before the proxy looked at it
  std::int32_t client = 0;
  std::int64_t request = 0;    // tells one request of the client from the next
  std::int64_t began_us = 0;   // of the transaction; always the same for one
  bool may_yield = false;
  std::vector<Link> links;
};

struct ShownLocks {
  std::string proxy;
  std::int64_t stamp = 0;
  std::vector<ShownHolder> holders;
};

struct LockExchange {
  std::vector<ShownHolder> others;
  std::vector<LockWait> waits;
  std::int64_t complete = 0;  // a stamp taken when all the above was known
};

// Of one database with several shards. Lives on the control thread.
//
// Proxies show each other what their waiting clients hold in howdah.lock_holders, an unlogged table of the first shard. Stamps are that
// server's transaction ids: what bears a greater one was looked at later.
class LockWatch {
 public:
  // The references outlive it. Connects when first asked.
  LockWatch(boost::asio::io_context& io, const std::string& cluster, const config::Database& database, const Settings& settings);
  void stop();

  // Asks all shards at once; one that does not answer has no waits. One at a time.
  boost::asio::awaitable<std::vector<LockWait>> look();
  boost::asio::awaitable<Result<std::int64_t>> stamp();
  // Replaces what this proxy has shown before.
  boost::asio::awaitable<Result<LockExchange>> exchange(const ShownLocks& mine);

 private:
  boost::asio::io_context& io_;
  SessionScope scope_;
  std::vector<std::unique_ptr<ShardSession>> sessions_;  // by shard
};

}  // namespace howdah::control
