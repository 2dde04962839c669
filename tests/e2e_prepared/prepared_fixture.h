// A server behind Howdah, with a pool and a number of prepared statements per connection that the test chooses, and the
// same server reached directly.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>

#include "tests/e2e/raw_client.h"
#include "tests/e2e/script.h"
#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah::e2e_prepared {

using e2e::Pace;
using e2e::RawClient;
using e2e::Script;

class PreparedTest : public ::testing::Test {
 protected:
  // `pool`: the configuration's section, in YAML; the same for all tests of a suite, which share the servers.
  explicit PreparedTest(const std::string& pool);
  static void TearDownTestSuite();

  // Plays the script on PostgreSQL, then through Howdah, each time with fresh tables, and compares line by line.
  void expect_same(const Script& script, std::initializer_list<Pace> paces = {Pace::kSteps, Pace::kSplit, Pace::kPipeline});
  // What Howdah answers on a connection of its own.
  std::vector<std::string> through_howdah(const Script& script);
  std::vector<std::string> on_postgres(const Script& script);
  std::unique_ptr<RawClient> client();
  std::unique_ptr<RawClient> direct();
  static void must(const std::string& sql) { cluster_->primary().run_sql(sql); }
  static void fresh();

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};

// Sends a part of a script on a connection that stays, and reads to its end: as many ReadyForQuery as it waits for.
std::vector<std::string> say(RawClient& client, const Script& script);

}  // namespace howdah::e2e_prepared
