// One real PostgreSQL 15 server for a test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/pg_conn.h"
#include "tests/support/process.h"

namespace howdah::testing {

// Owns a data directory, a port, a socket folder and the postmaster. Starts in well under a second. When the
// test is root, the server runs as user postgres. Functions throw std::runtime_error with the server's log
// when they fail.
class PgServer {
 public:
  struct Options {
    std::string name = "pg";  // cluster_name, and a standby's application_name
    int template_index = 0;   // servers with different numbers have different system identifiers
    std::vector<std::pair<std::string, std::string>> settings;  // on top of the template's
    const PgServer* standby_of = nullptr;                       // stream from this server
    bool from_backup = false;  // standby_of has data of its own: take a pg_basebackup (about a second)
    bool start = true;         // else call launch() and wait_ready(), or start()
  };

  PgServer() : PgServer(Options()) {}
  explicit PgServer(const Options& options);
  ~PgServer();
  PgServer(const PgServer&) = delete;
  PgServer& operator=(const PgServer&) = delete;

  void start();
  // The two halves of start(), to start several servers at once.
  void launch();
  void wait_ready();
  // Fast shutdown: sessions are ended, then a checkpoint.
  void stop();
  // kill -9 of the postmaster and of every backend; start() recovers from WAL.
  void kill9();
  bool running() { return process_.running(); }
  pid_t pid() const { return process_.pid(); }

  // Ends recovery and waits until the server takes writes.
  void promote();
  // Replay of WAL stops (returns when it has) and goes on. WAL is still received.
  void pause_replay();
  void resume_replay();

  std::uint16_t port() const { return port_; }
  const std::string& name() const { return options_.name; }
  const std::string& data_dir() const { return data_dir_; }
  const std::string& socket_dir() const { return home_->path(); }
  // "host=127.0.0.1 port=N", as in Howdah's configuration.
  std::string address() const;
  // Over TCP with SCRAM; the password equals the role's name.
  std::string url(const std::string& role = "app", const std::string& database = "app") const;
  // Over the unix socket as superuser postgres.
  std::string superuser_url(const std::string& database = "app") const;
  PgConn connect(const std::string& role = "app", const std::string& database = "app") const;
  PgConn superuser(const std::string& database = "app") const;
  // One statement on a fresh superuser connection.
  Answer run_sql(const std::string& sql, const std::string& database = "app") const;
  std::string log() const;

 private:
  void make_data_dir();
  void take_backup();
  std::string status_line(int line) const;

  Options options_;
  std::uint16_t port_;
  std::unique_ptr<TempDir> home_;
  std::string data_dir_;
  Process process_;
};

}  // namespace howdah::testing
