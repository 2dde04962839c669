// Shards, the proxy in front of them, and what both say about where rows are.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah::faults {

// Servers and one proxy that may be killed and started again. Not for copying; the test owns it.
class World {
 public:
  // Starts all of it. The proxy serves when the constructor returns.
  World(const testing::PgCluster::Options& servers, testing::HowdahOptions proxy);

  testing::PgCluster& cluster() { return cluster_; }
  testing::HowdahProcess& proxy() { return *proxy_; }
  // The running proxy's URL for role app. Any thread may ask; it changes with every restart.
  std::string url() const;

  void kill_proxy() { proxy_->kill9(); }
  // A new process on the same configuration; returns when it serves.
  void start_proxy();

  // Runs a statement as app through the proxy; throws std::runtime_error on an error.
  testing::Answer must(const std::string& sql);
  // The lowest `count` keys from 1 up that the servers' own hash and howdah.map place on the shard.
  std::vector<long> keys_on(int shard, int count);
  // The sum over all primaries of a query that answers one number, asked as superuser behind the proxy's
  // back.
  long sum(const std::string& sql);
  // The answers of all primaries to one query.
  std::vector<std::string> on_each(const std::string& sql);

  // Nothing prepared on any shard within the time that recovery is given.
  bool nothing_in_doubt();
  // No connection of role app is inside a transaction on any primary, within ten seconds.
  bool nothing_open();

 private:
  testing::PgCluster cluster_;
  testing::HowdahOptions options_;
  mutable std::mutex mutex_;  // guards url_
  std::string url_;
  std::unique_ptr<testing::HowdahProcess> proxy_;
};

}  // namespace howdah::faults
