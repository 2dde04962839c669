#include "tests/support/pg_server.h"

#include <signal.h>

#include <stdexcept>

#include "tests/support/free_port.h"
#include "tests/support/pg_template.h"
#include "tests/support/wait.h"

namespace howdah::testing {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);  // a loaded machine is slow, not broken

}  // namespace

PgServer::PgServer(const Options& options)
    : options_(options),
      port_(free_port()),
      home_(std::make_unique<TempDir>()),
      data_dir_(home_->path() + "/data") {
  home_->give_to_server_owner();
  make_data_dir();
  if (options_.start) start();
}

// Immediate shutdown: unlike SIGKILL, it leaves no shared memory behind. A server that was stopped goes on
// first.
PgServer::~PgServer() {
  process_.signal(SIGCONT);
  process_.signal(SIGQUIT);
  process_.wait_for(kPatience);
}

void PgServer::make_data_dir() {
  if (options_.from_backup) {
    take_backup();
  } else {
    run_or_throw({.argv = {"cp", "-a", "--reflink=auto", pg_template(options_.template_index), data_dir_}});
  }
  if (options_.standby_of == nullptr) return;
  const std::string signal_file = data_dir_ + "/standby.signal";
  write_file(signal_file, "");
  write_file(data_dir_ + "/standby.conf", "primary_conninfo = 'host=" + options_.standby_of->socket_dir() +
                                              " port=" + std::to_string(options_.standby_of->port()) +
                                              " user=postgres application_name=" + options_.name + "'\n");
  const std::string conf = data_dir_ + "/postgresql.conf";
  write_file(conf, read_file_or_empty(conf) + "\ninclude = 'standby.conf'\n");
  run_or_throw({.argv = {"chown", "--reference=" + data_dir_, signal_file, data_dir_ + "/standby.conf"}});
}

void PgServer::take_backup() {
  run_or_throw({.argv = {std::string(kPgBin) + "/pg_basebackup", "-D", data_dir_, "-h",
                         options_.standby_of->socket_dir(), "-p", std::to_string(options_.standby_of->port()),
                         "-U", "postgres", "-c", "fast", "--no-sync"},
                .directory = "/",
                .as_postgres = true});
}

void PgServer::launch() {
  Process::Options process{
      .argv = {std::string(kPgBin) + "/postgres", "-D", data_dir_, "-p", std::to_string(port_), "-k",
               home_->path(), "-c", "cluster_name=" + options_.name},
      .log_file = home_->path() + "/log",
      .directory = "/",
      .as_postgres = true,
      .death_signal = SIGQUIT};
  for (const auto& [name, value] : options_.settings) {
    process.argv.push_back("-c");
    process.argv.push_back(name + "=" + value);
  }
  process_ = Process(process);
}

// postmaster.pid: line 1 is the pid, line 8 the status.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/utils/pidfile.h
std::string PgServer::status_line(int line) const {
  std::string text = read_file_or_empty(data_dir_ + "/postmaster.pid");
  std::size_t begin = 0;
  for (int i = 1; i < line; ++i) {
    const auto end = text.find('\n', begin);
    if (end == std::string::npos) return "";
    begin = end + 1;
  }
  return text.substr(begin, text.find('\n', begin) - begin);
}

void PgServer::wait_ready() {
  const std::string own_pid = std::to_string(process_.pid());
  const bool ready = wait_until(
      [&] {
        return !process_.running() || (status_line(1) == own_pid && status_line(8).starts_with("ready"));
      },
      kPatience);
  if (!ready || !process_.running())
    throw std::runtime_error("server " + options_.name + " does not start: " + log());
}

void PgServer::start() {
  launch();
  wait_ready();
}

void PgServer::stop() {
  process_.signal(SIGINT);
  if (!process_.wait_for(kPatience))
    throw std::runtime_error("server " + options_.name + " does not stop: " + log());
}

void PgServer::kill9() {
  process_.kill_tree();
}

void PgServer::promote() {
  if (superuser().scalar("SELECT pg_promote(true, 60)") != "t")
    throw std::runtime_error("promotion failed: " + log());
}

void PgServer::pause_replay() {
  auto conn = superuser();
  conn.must("SELECT pg_wal_replay_pause()");
  // A standby that receives nothing only notices the request when it next looks for WAL.
  await("replay to pause", [&] { return conn.scalar("SELECT pg_get_wal_replay_pause_state()") == "paused"; });
}

void PgServer::resume_replay() {
  superuser().must("SELECT pg_wal_replay_resume()");
}

std::string PgServer::address() const {
  return "host=127.0.0.1 port=" + std::to_string(port_);
}

std::string PgServer::url(const std::string& role, const std::string& database) const {
  return "postgresql://" + role + ":" + role + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

std::string PgServer::superuser_url(const std::string& database) const {
  return "postgresql://postgres@/" + database + "?host=" + socket_dir() + "&port=" + std::to_string(port_);
}

PgConn PgServer::connect(const std::string& role, const std::string& database) const {
  PgConn conn(url(role, database));
  if (!conn.ok()) throw std::runtime_error(conn.error());
  return conn;
}

PgConn PgServer::superuser(const std::string& database) const {
  PgConn conn(superuser_url(database));
  if (!conn.ok()) throw std::runtime_error(conn.error() + log());
  return conn;
}

Answer PgServer::run_sql(const std::string& sql, const std::string& database) const {
  return superuser(database).must(sql);
}

std::string PgServer::log() const {
  return read_file_or_empty(home_->path() + "/log");
}

}  // namespace howdah::testing
