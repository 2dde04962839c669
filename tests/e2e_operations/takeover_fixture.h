// Processes of the proxy that follow each other on the same ports.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/process.h"

namespace howdah::e2e_operations {

class Succession {
 public:
  explicit Succession(testing::PgCluster& cluster, const std::string& pool = "{ mode: transaction, size: 8 }");
  ~Succession();  // ends all; those still running must end with status 0

  // Starts the next process, with --takeover from the second on, and waits until it says that it serves.
  void start();
  // Waits until the process with this number (from 0) has ended; its status.
  int await_end(std::size_t index);
  void kill9(std::size_t index);
  testing::Process& process(std::size_t index) { return *processes_[index]; }
  std::size_t count() const { return processes_.size(); }
  std::string log(std::size_t index) const { return testing::read_file_or_empty(log_path(index)); }
  std::string logs() const;

  std::uint16_t http_port() const { return http_port_; }
  std::string url(const std::string& role = "app", const std::string& database = "app") const;
  testing::PgConn connect(const std::string& role = "app", const std::string& database = "app") const;
  std::string pid_file() const { return folder_.path() + "/howdah.pid"; }
  std::string socket() const { return folder_.path() + "/restart"; }

 private:
  std::string log_path(std::size_t index) const { return folder_.path() + "/howdah" + std::to_string(index) + ".log"; }

  testing::TempDir folder_;
  std::uint16_t port_, http_port_;
  std::vector<std::unique_ptr<testing::Process>> processes_;
};

}  // namespace howdah::e2e_operations
