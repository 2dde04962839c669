// What the tests of limits share: a server with roles of their own, and a proxy whose limits each test chooses.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {

using e2e_pool::answer;
using e2e_pool::answered;
using e2e_pool::await_running;
using e2e_pool::cancel;
using e2e_pool::Console;
using e2e_pool::send;
using testing::Answer;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Of the generated file. Roles app, hot and cold have their names for passwords.
struct Chosen {
  std::string pool = "{ mode: transaction, size: 20 }";
  std::string limits = "{ clients: 1000 }";
  std::string app, hot, cold;  // further keys of these users: ", limits: { ... }"
  std::string database;        // further lines of databases.app
  int workers = 2;
};

// Hears what the proxy says without being asked: FATAL errors and notices. Lives no longer than the client.
class Heard {
 public:
  explicit Heard(PgConn& client);
  ~Heard();
  Heard(const Heard&) = delete;
  Heard& operator=(const Heard&) = delete;
  // SQLSTATEs and messages so far, "57P05 terminating ...".
  const std::vector<std::string>& all() const { return said_; }
  // Waits until something came, or the connection was closed; the last of what came.
  std::string last();

 private:
  PGconn* client_;
  std::vector<std::string> said_;
};

class Limits : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  void start(const Chosen& chosen);
  void reload(const Chosen& chosen);
  PgConn connect(const std::string& role = "app") { return howdah_->connect(role); }
  // Tries to log in: the message of the refusal, empty when there was none.
  std::string refusal(const std::string& role, const std::string& database = "app");
  // Backends of this role on the server; of all clients' roles with none.
  long backends(const std::string& role = "");
  // Waits until that many; false when it does not happen.
  bool reaches(const std::string& role, long count);
  // Clients of `role` inside a transaction that holds a server connection.
  std::vector<PgConn> holders(const std::string& role, int count);

  static std::unique_ptr<PgCluster> cluster_;
  std::unique_ptr<HowdahProcess> howdah_;
  std::unique_ptr<Console> console_;
  std::unique_ptr<PgConn> superuser_;
};

}  // namespace howdah::e2e_limits
