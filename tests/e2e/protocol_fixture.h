// One server, reached directly and through Howdah: the same script must get the same answers.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/raw_client.h"
#include "tests/e2e/script.h"
#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah::e2e {

class ProtocolTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  // Plays the script on PostgreSQL, then through Howdah at every pace, each time with fresh tables and a
  // fresh connection, and compares line by line.
  static void expect_same(const Script& script,
                          std::initializer_list<Pace> paces = {Pace::kSteps, Pace::kSplit, Pace::kPipeline});
  // What PostgreSQL answers, for tests that say which answer they are about.
  static std::vector<std::string> on_postgres(const Script& script);
  static std::vector<std::string> through_howdah(const Script& script, Pace pace);

  static testing::PgCluster& cluster() { return *cluster_; }
  static testing::HowdahProcess& howdah() { return *howdah_; }

 private:
  static void fresh_tables();

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};

}  // namespace howdah::e2e
