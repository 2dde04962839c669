// Two shards with a replica each, and writers and readers that never stop while tests kill things.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "tests/e2e_faults/app_client.h"
#include "tests/e2e_faults/world.h"

namespace howdah::faults {

class KillTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  // Ends the load and holds everyone to what was promised.
  static void TearDownTestSuite();
  // Whatever a test killed: in the end writers of both shards go on.
  void TearDown() override;

  static World& world() { return *load_->world; }
  // Waits until writers of the shard were promised some more rows.
  static void expect_progress(int shard);
  // A key of the shard that no writer uses.
  static std::string key(int shard) { return std::to_string(load_->own_keys[shard]); }
  static std::string insert(int shard, long number);
  static std::string count(int shard, long number);
  // SQLSTATEs of errors that writers (readers) saw since the last call.
  static std::set<std::string> writer_errors() { return load_->take(load_->write_errors); }
  static std::set<std::string> reader_errors() { return load_->take(load_->read_errors); }
  // The backend that runs, or ran last, a query with this text on the shard's primary. Waits until there is
  // one.
  static pid_t backend(int shard, const std::string& text, const std::string& state);

 private:
  struct Load {
    std::unique_ptr<World> world;
    long keys[2];
    long own_keys[2];
    Books books[2];
    std::atomic<long> next = 1;
    std::atomic<int> unusable = 0;
    std::mutex mutex;  // guards the sets
    std::set<std::string> write_errors, read_errors;
    Crew crew;

    void write(AppClient& client, int shard);
    void read(AppClient& client, int shard);
    void saw(std::set<std::string>& errors, const std::string& sqlstate);
    std::set<std::string> take(std::set<std::string>& errors);
  };
  static std::unique_ptr<Load> load_;
};

}  // namespace howdah::faults
