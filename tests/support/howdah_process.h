// The proxy's real binary, started by a test in front of real servers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/process.h"

namespace howdah::testing {

// What a test chooses of a configuration; the rest is generated from the cluster.
struct HowdahOptions {
  std::string yaml;    // the whole file; empty: generated. "@PORT@" and "@HTTP@" become the ports
  std::string tables;  // lines of sharding.tables, e.g. "users: { hash: id }\naccounts: { hash: user_id }"
  std::string functions;  // lines of sharding.functions
  std::string pool = "{ mode: transaction, size: 20 }";
  std::string extra;                   // further top-level lines of YAML
  std::string database_extra;          // further lines of databases.app
  std::vector<std::uint16_t> primary_ports;  // by shard, of what stands before the primaries; empty: nothing does
  std::vector<std::string> arguments;  // after --config FILE
  bool wait_ready = true;
};

// The generated configuration: listens on the ports given; users app and admin (admin: true); database app;
// control account howdah; buckets 4096.
std::string howdah_yaml(PgCluster& cluster, const HowdahOptions& options, std::uint16_t port,
                        std::uint16_t http_port);

// Starts the binary named by the environment's HOWDAH_BIN, else `howdah` next to the test's own binary. The
// destructor stops it with SIGTERM and fails the test when it does not end with status 0 (a sanitizer's
// report does that).
class HowdahProcess {
 public:
  HowdahProcess(PgCluster& cluster, const HowdahOptions& options = {});
  ~HowdahProcess();
  HowdahProcess(const HowdahProcess&) = delete;
  HowdahProcess& operator=(const HowdahProcess&) = delete;

  std::uint16_t port() const { return port_; }
  std::uint16_t http_port() const { return http_port_; }
  pid_t pid() const { return process_.pid(); }
  bool running() { return process_.running(); }
  std::string url(const std::string& role = "app", const std::string& database = "app") const;
  PgConn connect(const std::string& role = "app", const std::string& database = "app") const;

  const std::string& config_path() const { return config_path_; }
  // Rewrites the configuration file; send SIGHUP to have it read.
  void rewrite_config(const std::string& yaml);
  void signal(int number) { process_.signal(number); }
  // SIGTERM, then waits up to `patience`; the exit status. Kills it and answers -9 when it does not end.
  int stop(std::chrono::milliseconds patience = std::chrono::seconds(20));
  // No check of the exit status afterwards.
  void kill9();
  std::string log() const { return read_file_or_empty(log_path_); }
  // Waits until /ready answers 200 (or, without an HTTP endpoint in the file, until the port is open); throws
  // std::runtime_error with the log when the process ends first.
  void wait_ready();

 private:
  TempDir folder_;
  std::uint16_t port_;
  std::uint16_t http_port_;
  std::string config_path_;
  std::string log_path_;
  Process process_;
  bool has_http_ = true;
  bool expect_clean_end_ = true;
};

// Path of the proxy's binary.
std::string howdah_binary();

struct HttpAnswer {
  int status = 0;  // 0: no connection, or no answer
  std::string body;
};
bool port_is_open(std::uint16_t port);
// GET http://127.0.0.1:PORT/PATH.
HttpAnswer http_get(std::uint16_t port, const std::string& path);

// The server that answered this client's last statement: "primary 127.0.0.1:5432" or "replica ...".
std::string server_of(PgConn& client);

// `howdahctl` from the folder of the proxy's binary, with these arguments, to its end.
Finished howdahctl(std::vector<std::string> arguments);

}  // namespace howdah::testing
