// Four shards behind the proxy, and the twin: one server with the same rows. What the one says, the other says.
#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/howdah_process.h"

namespace howdah::e2e {

struct Rows {
  std::vector<std::string> names;
  std::vector<Oid> types;
  std::vector<int> modifiers;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string tag, sqlstate, message;
  bool operator==(const Rows&) const = default;
};

enum class Mode { kSimple, kText, kBinary };
using Params = std::vector<const char*>;

Rows run(PGconn* conn, const std::string& sql, Mode mode = Mode::kSimple, const Params& params = {});
Rows read(PGresult* result);  // takes it
std::string show(const Rows& rows);

// users (hash id), sales (hash user_id) with a column of each common type, regions (reference).
class TwinTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  // The same on both, by all protocols and formats; in order if the text says so outermost. Errors with the same SQLSTATE.
  static void same(const std::string& sql, const Params& params = {});
  static void same_in(Mode mode, const std::string& sql, const Params& params = {});
  // Both, on the way to something else.
  static void both(const std::string& sql);
  static std::string refusal(const std::string& sql) { return run(howdah_, sql).sqlstate; }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> proxy_;
  static PGconn* howdah_;
  static PGconn* twin_;
};

}  // namespace howdah::e2e
