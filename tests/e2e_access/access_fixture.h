// The proxy with a configuration of one's own in front of one server.
#pragma once

#include <memory>
#include <string>

#include "tests/e2e/start.h"
#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah::e2e_access {

// What a test chooses; the rest is as HowdahOptions has it.
struct Access {
  std::string listen;    // further keys of `listen`: "tls: {...}"
  std::string users = "[ { name: app, password: app }, { name: admin, password: admin, admin: true } ]";
  std::string extra;     // further top-level lines
  std::string database;  // further keys of databases.app, a line each
  bool control = true;   // with a control account: start-up waits for it
  std::string server;    // further keywords of the server's connection string
  std::string pool = "{ mode: transaction, size: 5, connect_timeout: 5s, wait_timeout: 10s }";
};

// The whole file, for HowdahOptions::yaml and HowdahProcess::rewrite_config.
std::string yaml_of(testing::PgCluster& cluster, const Access& access);
// With the ports of a running proxy.
std::string yaml_of(testing::PgCluster& cluster, const Access& access, const testing::HowdahProcess& howdah);

// Returns when the proxy's HTTP endpoint says it is ready.
std::unique_ptr<testing::HowdahProcess> start(testing::PgCluster& cluster, const Access& access);

// Rewrites the file, sends SIGHUP and waits until the log says what came of it.
void reload(testing::HowdahProcess& howdah, const std::string& yaml);

// The faults that `howdah --check` prints for a file, and its exit status in front: "1\nfile:line: ...".
std::string check(const std::string& yaml);

}  // namespace howdah::e2e_access
