// Several real PostgreSQL servers: shards, their streaming replicas, and an unsharded twin to compare with.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/pg_server.h"

namespace howdah::testing {

class PgCluster {
 public:
  struct Options {
    int shards = 1;
    int replicas = 0;                                           // of each shard
    bool twin = false;                                          // one more server, unsharded: the oracle
    std::vector<std::pair<std::string, std::string>> settings;  // of all servers
  };

  // Returns when every server takes connections and every replica streams. Each shard has its own system
  // identifier.
  PgCluster() : PgCluster(Options()) {}
  explicit PgCluster(const Options& options);

  int shards() const { return static_cast<int>(shards_.size()); }
  int replicas() const { return options_.replicas; }
  PgServer& primary(int shard = 0) { return *shards_.at(shard).primary; }
  PgServer& replica(int shard = 0, int index = 0) { return *shards_.at(shard).replicas.at(index); }
  PgServer& twin() { return *twin_; }
  std::vector<PgServer*> servers();

  // Runs a statement as superuser on every primary, and on the twin if there is one.
  void run_everywhere(const std::string& sql, const std::string& database = "app");
  // Waits until the replicas that stream have replayed all that the primaries have written so far.
  void wait_replayed();
  // Waits until `count` replicas of the shard are in state streaming.
  void wait_streaming(int shard, int count);

 private:
  struct Shard {
    std::unique_ptr<PgServer> primary;
    std::vector<std::unique_ptr<PgServer>> replicas;
  };

  Options options_;
  std::vector<Shard> shards_;
  std::unique_ptr<PgServer> twin_;
};

}  // namespace howdah::testing
