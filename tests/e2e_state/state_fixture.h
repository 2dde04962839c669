// Two server connections, and a way to say which of them serves a client next.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/pg_conn.h"

namespace howdah::e2e_state {

// The server process that serves the client now.
std::string backend(testing::PgConn& client);

// Holds the connection that last served `client` in a transaction of another client, so that the next statement of `client`
// is served by another connection. One at a time: there are two connections.
class Moved {
 public:
  Moved(const testing::HowdahProcess& howdah, testing::PgConn& client);
  ~Moved();

 private:
  testing::PgConn blocker_;
};

class StateTest : public ::testing::Test {
 protected:
  // `extra`: further settings of `pool`, e.g. "session_state: refuse".
  static void start(const std::string& extra = {});
  static void TearDownTestSuite();

  static testing::PgCluster& cluster() { return *cluster_; }
  static testing::HowdahProcess& howdah() { return *howdah_; }
  // The answer's first value after the client has been moved.
  static std::string after_move(testing::PgConn& client, const std::string& sql);
  // Column `pin_reason` (or another) of SHOW CLIENTS for role app's clients, without the empty ones.
  static std::string pins();

 private:
  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};

}  // namespace howdah::e2e_state
