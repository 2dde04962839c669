// Servers and one Howdah, shared by the tests of a file.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::testing {

class AdminTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster = std::make_unique<PgCluster>(PgCluster::Options{.shards = 2, .replicas = 1});
    cluster->run_everywhere("CREATE TABLE users (id bigint PRIMARY KEY, name text); GRANT ALL ON users TO app");
    howdah = std::make_unique<HowdahProcess>(*cluster, HowdahOptions{.tables = "users: { hash: id }"});
  }
  static void TearDownTestSuite() {
    howdah.reset();
    cluster.reset();
  }

  static PgConn console(const std::string& database = "howdah") { return howdah->connect("admin", database); }

  // The cell of `column` in the first row whose `key` column has `value`; "?" when there is none.
  static std::string cell(const Answer& answer, const std::string& key, const std::string& value,
                          const std::string& column) {
    const auto at = [&](const std::string& name) {
      return static_cast<std::size_t>(std::find(answer.columns.begin(), answer.columns.end(), name) -
                                      answer.columns.begin());
    };
    for (const auto& row : answer.rows) {
      if (at(key) < row.size() && at(column) < row.size() && row[at(key)] == value) return row[at(column)].value_or("");
    }
    return "?";
  }

  inline static std::unique_ptr<PgCluster> cluster;
  inline static std::unique_ptr<HowdahProcess> howdah;
};

}  // namespace howdah::testing
