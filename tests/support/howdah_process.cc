#include "tests/support/howdah_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tests/support/free_port.h"
#include "tests/support/wait.h"

namespace howdah::testing {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string indented(const std::string& lines, const std::string& indent) {
  std::string out;
  for (const auto& line : split(lines, '\n')) out += indent + line + "\n";
  return out;
}

std::string shard_line(PgCluster& cluster, const HowdahOptions& options, int shard) {
  const auto index = static_cast<std::size_t>(shard);
  const std::string primary = options.primary_ports.empty() ? cluster.primary(shard).address()
                                                            : "host=127.0.0.1 port=" + std::to_string(options.primary_ports.at(index));
  std::string line = "      - { name: s" + std::to_string(shard) + ", primary: \"" + primary + "\"";
  if (cluster.replicas() > 0) {
    line += ", replicas: [";
    for (int i = 0; i < cluster.replicas(); ++i) {
      line += (i == 0 ? "\"" : ", \"") + cluster.replica(shard, i).address() + "\"";
    }
    line += "]";
  }
  return line + " }\n";
}

}  // namespace

std::string howdah_yaml(PgCluster& cluster, const HowdahOptions& options, std::uint16_t port,
                        std::uint16_t http_port) {
  std::string yaml = options.yaml;
  if (yaml.empty()) {
    yaml =
        "cluster: test\nworkers: 2\n"
        "listen: { address: 127.0.0.1, port: @PORT@ }\n"
        "http: { address: 127.0.0.1, port: @HTTP@ }\n"
        "users:\n  - { name: app, password: app }\n  - { name: admin, password: admin, admin: true }\n"
        "pool: " +
        options.pool + "\n" + options.extra + (options.extra.empty() ? "" : "\n") +
        "databases:\n  app:\n    control: { user: howdah, password: howdah }\n" +
        indented(options.database_extra, "    ") + "    shards:\n";
    for (int i = 0; i < cluster.shards(); ++i) yaml += shard_line(cluster, options, i);
    if (!options.tables.empty()) {
      yaml += "    sharding:\n      buckets: 4096\n      tables:\n" + indented(options.tables, "        ");
      if (!options.functions.empty()) yaml += "      functions:\n" + indented(options.functions, "        ");
    }
  }
  replace_all(yaml, "@PORT@", std::to_string(port));
  replace_all(yaml, "@HTTP@", std::to_string(http_port));
  return yaml;
}

std::string howdah_binary() {
  if (const char* configured = std::getenv("HOWDAH_BIN")) return configured;
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "howdah").string();
}

HowdahProcess::HowdahProcess(PgCluster& cluster, const HowdahOptions& options)
    : port_(free_port()),
      http_port_(free_port()),
      config_path_(folder_.path() + "/howdah.yaml"),
      log_path_(folder_.path() + "/howdah.log") {
  has_http_ = options.yaml.empty() || options.yaml.find("@HTTP@") != std::string::npos;
  rewrite_config(howdah_yaml(cluster, options, port_, http_port_));
  Process::Options process{.argv = {howdah_binary(), "--config", config_path_}, .log_file = log_path_};
  process.argv.insert(process.argv.end(), options.arguments.begin(), options.arguments.end());
  process_ = Process(process);
  if (options.wait_ready) wait_ready();
}

HowdahProcess::~HowdahProcess() {
  if (!expect_clean_end_) return;
  const int status = stop();
  if (status != 0) ADD_FAILURE() << "howdah ended with " << status << "; its log:\n" << log();
}

void HowdahProcess::wait_ready() {
  const bool answered = wait_until(
      [this] {
        if (!process_.running()) return true;
        return has_http_ ? http_get(http_port_, "/ready").status == 200 : port_is_open(port_);
      },
      std::chrono::seconds(30));
  if (answered && process_.running()) return;
  expect_clean_end_ = false;
  throw std::runtime_error("howdah is not ready: " + http_get(http_port_, "/ready").body + "; its log:\n" +
                           log());
}

std::string HowdahProcess::url(const std::string& role, const std::string& database) const {
  return "postgresql://" + role + ":" + role + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

PgConn HowdahProcess::connect(const std::string& role, const std::string& database) const {
  PgConn conn(url(role, database));
  if (!conn.ok()) throw std::runtime_error(conn.error() + "\n" + log());
  return conn;
}

void HowdahProcess::rewrite_config(const std::string& yaml) {
  write_file(config_path_, yaml);
}

int HowdahProcess::stop(std::chrono::milliseconds patience) {
  process_.signal(SIGTERM);
  const auto status = process_.wait_for(patience);
  if (!status) process_.kill_tree();
  return process_.wait();
}

void HowdahProcess::kill9() {
  expect_clean_end_ = false;
  process_.kill_tree();
}

std::string server_of(PgConn& client) {
  const Answer answer = client.must("SHOW howdah.route");
  for (std::size_t i = 0; i < answer.columns.size(); ++i) {
    if (answer.columns[i] == "server") return answer.rows.at(0)[i].value_or("");
  }
  return "";
}

Finished howdahctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), (std::filesystem::path(howdah_binary()).parent_path() / "howdahctl").string());
  return run({.argv = std::move(arguments)});
}

}  // namespace howdah::testing
