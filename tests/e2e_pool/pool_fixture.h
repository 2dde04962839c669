// What the tests of pooling share: clients that wait for an answer without blocking the test, and what the
// proxy and the servers say about who waits and who runs.
#pragma once

#include <string>

#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/pg_conn.h"

namespace howdah::e2e_pool {

// Sends a statement and returns at once; throws std::runtime_error when it cannot be sent.
void send(testing::PgConn& client, const std::string& sql);
// True once the answer to what was sent is there (or the connection broke).
bool answered(testing::PgConn& client);
// The answer to what was sent; blocks until all of it came.
testing::Answer answer(testing::PgConn& client);
// Sends a CancelRequest for whatever the client runs.
void cancel(testing::PgConn& client);

// The console of a running proxy.
class Console {
 public:
  explicit Console(const testing::HowdahProcess& howdah) : conn_(howdah.connect("admin", "howdah")) {}
  // The sum of a column of SHOW POOLS over role app's pools.
  long pools(const std::string& column);
  // Waits until exactly `count` clients stand in a queue; throws when that does not happen.
  void await_waiting(long count);

 private:
  testing::PgConn conn_;
};

// Connections of role app on the server, seen by `superuser` (a connection to it).
long app_connections(testing::PgConn& superuser);
// Waits until a statement that contains `text` runs on the server.
void await_running(testing::PgConn& superuser, const std::string& text);

}  // namespace howdah::e2e_pool
