#include "tests/support/pg_template.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace howdah::testing {
namespace {

// fsync=off survives kill -9 of processes, which is all that tests do; everything else keeps servers small
// and quick.
constexpr const char* kSettings = R"(
shared_buffers = 16MB
max_connections = 100
max_prepared_transactions = 100
max_wal_senders = 10
wal_level = logical
fsync = off
full_page_writes = off
jit = off
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
wal_keep_size = 128MB
max_wal_size = 256MB
hot_standby_feedback = off
autovacuum_naptime = 10s
dynamic_shared_memory_type = mmap
log_line_prefix = '%m [%p] %q%u@%d '
logging_collector = off
listen_addresses = '127.0.0.1'
timezone = 'UTC'
log_timezone = 'UTC'
)";

constexpr const char* kHba = R"(local all         postgres trust
local replication postgres trust
local all         all      scram-sha-256
host  all         all      127.0.0.1/32 scram-sha-256
host  replication all      127.0.0.1/32 scram-sha-256
)";

// For postgres --single: one statement a line.
constexpr const char* kRoles =
    "CREATE ROLE app LOGIN PASSWORD 'app'\n"
    "CREATE ROLE admin LOGIN PASSWORD 'admin'\n"
    "CREATE ROLE howdah LOGIN SUPERUSER PASSWORD 'howdah'\n"
    "CREATE DATABASE app OWNER app\n";

std::string binary(const char* name) {
  return std::string(kPgBin) + "/" + name;
}

// Changes whenever a template made earlier would no longer be what this code makes.
std::string version_key() {
  struct stat info {};
  stat(binary("postgres").c_str(), &info);
  const std::string all =
      std::string(kSettings) + kHba + kRoles + std::to_string(info.st_mtime) + std::to_string(info.st_size);
  return std::to_string(std::hash<std::string>{}(all) % 1'000'000'000);
}

const std::string& cache_folder() {
  static const std::string folder = [] {
    std::string path = temp_base() + "/howdah-templates-" + std::to_string(geteuid()) + "-" + version_key();
    mkdir(path.c_str(), 0711);
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || info.st_uid != geteuid())
      throw std::runtime_error(path + " is not ours");
    return path;
  }();
  return folder;
}

std::string data_path(int index) {
  return cache_folder() + "/" + std::to_string(index) + "/data";
}
std::string ready_path(int index) {
  return cache_folder() + "/" + std::to_string(index) + "/ready";
}
bool ready(int index) {
  return std::filesystem::exists(ready_path(index));
}

class FileLock {
 public:
  explicit FileLock(const std::string& path) : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0 || flock(fd_, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + path);
  }
  ~FileLock() { close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

Process start_initdb(int index, const TempDir& logs) {
  const std::string folder = cache_folder() + "/" + std::to_string(index);
  std::filesystem::remove_all(folder);
  if (mkdir(folder.c_str(), 0711) != 0) throw std::runtime_error("mkdir " + folder);
  const Owner owner = server_owner();
  if (chown(folder.c_str(), owner.uid, owner.gid) != 0) throw std::runtime_error("chown " + folder);
  return Process(
      {.argv = {binary("initdb"), "-D", data_path(index), "-U", "postgres", "-A", "trust", "--wal-segsize=4",
                "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"},
       .log_file = logs.path() + "/initdb" + std::to_string(index),
       .directory = "/",
       .as_postgres = true});
}

void append_file(const std::string& path, std::string_view text) {
  write_file(path, read_file_or_empty(path).append(text));
}

Process start_roles(int index, const TempDir& logs) {
  append_file(data_path(index) + "/postgresql.conf", kSettings);
  write_file(data_path(index) + "/pg_hba.conf", kHba);
  write_file(logs.path() + "/roles.sql", kRoles);
  return Process({.argv = {binary("postgres"), "--single", "-D", data_path(index), "postgres"},
                  .log_file = logs.path() + "/roles" + std::to_string(index),
                  .stdin_file = logs.path() + "/roles.sql",
                  .directory = "/",
                  .as_postgres = true});
}

void finish(Process& process, const std::string& log) {
  const int status = process.wait();
  const std::string output = read_file_or_empty(log);
  if (status != 0 || output.find("ERROR:") != std::string::npos) {
    throw std::runtime_error("making a PostgreSQL template failed: " + output);
  }
}

void make(const std::vector<int>& indexes) {
  TempDir logs;
  std::vector<Process> running;
  for (int index : indexes) running.push_back(start_initdb(index, logs));
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    finish(running[i], logs.path() + "/initdb" + std::to_string(indexes[i]));
    running[i] = start_roles(indexes[i], logs);
  }
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    finish(running[i], logs.path() + "/roles" + std::to_string(indexes[i]));
    write_file(ready_path(indexes[i]), "");
  }
}

}  // namespace

void prepare_pg_templates(int count) {
  std::vector<int> missing;
  for (int i = 0; i < count; ++i) {
    if (!ready(i)) missing.push_back(i);
  }
  if (missing.empty()) return;
  FileLock lock(cache_folder() + "/lock");
  std::erase_if(missing, ready);  // another process may have made them while we waited
  make(missing);
}

std::string pg_template(int index) {
  if (!ready(index)) {
    FileLock lock(cache_folder() + "/lock");
    if (!ready(index)) make({index});
  }
  return data_path(index);
}

}  // namespace howdah::testing
