#include "tests/e2e_operations/takeover_fixture.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <stdexcept>

#include "tests/support/free_port.h"
#include "tests/support/wait.h"

namespace howdah::e2e_operations {

using testing::await;
using testing::HowdahOptions;
using testing::PgConn;
using testing::Process;

Succession::Succession(testing::PgCluster& cluster, const std::string& pool)
    : port_(testing::free_port()), http_port_(testing::free_port()) {
  HowdahOptions options;
  options.pool = pool;
  options.extra = "restart: { socket: restart, pid_file: howdah.pid, drain_timeout: 60s }";
  testing::write_file(folder_.path() + "/howdah.yaml", howdah_yaml(cluster, options, port_, http_port_));
}

Succession::~Succession() {
  for (std::size_t i = processes_.size(); i-- > 0;) {
    Process& process = *processes_[i];
    if (!process.running()) continue;
    process.signal(SIGTERM);
    const auto status = process.wait_for(std::chrono::seconds(20));
    if (status != 0) ADD_FAILURE() << "process " << i << " ended with " << status.value_or(-1) << "\n" << log(i);
  }
}

void Succession::start() {
  const std::size_t index = processes_.size();
  Process::Options options{.argv = {testing::howdah_binary(), "--config", folder_.path() + "/howdah.yaml"},
                           .log_file = log_path(index)};
  if (index > 0) options.argv.push_back("--takeover");
  processes_.push_back(std::make_unique<Process>(options));
  const std::string pid = std::to_string(processes_.back()->pid()) + "\n";
  // The file's last writer is the one that serves.
  await(
      "process " + std::to_string(index) + " to serve",
      [&] {
        if (!processes_.back()->running()) throw std::runtime_error("it ended:\n" + log(index));
        return testing::read_file_or_empty(pid_file()) == pid && testing::http_get(http_port_, "/ready").status == 200;
      },
      std::chrono::seconds(30));
}

int Succession::await_end(std::size_t index) {
  const auto status = processes_[index]->wait_for(std::chrono::seconds(30));
  if (!status) throw std::runtime_error("process " + std::to_string(index) + " does not end:\n" + logs());
  return *status;
}

void Succession::kill9(std::size_t index) { processes_[index]->kill_tree(); }

std::string Succession::logs() const {
  std::string all;
  for (std::size_t i = 0; i < processes_.size(); ++i) all += "--- " + std::to_string(i) + "\n" + log(i);
  return all;
}

std::string Succession::url(const std::string& role, const std::string& database) const {
  return "postgresql://" + role + ":" + role + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

PgConn Succession::connect(const std::string& role, const std::string& database) const {
  PgConn conn(url(role, database));
  if (!conn.ok()) throw std::runtime_error(conn.error() + "\n" + logs());
  return conn;
}

}  // namespace howdah::e2e_operations
