#include "tests/support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tests/support/files.h"
#include "tests/support/spawner.h"
#include "tests/support/wait.h"

namespace howdah::testing {
namespace {

struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::string directory;
  int input = -1;
  int output = -1;
  Owner owner{};
  bool change_owner = false;
  int death_signal = SIGKILL;
  pid_t parent = 0;
};

// Runs between fork and exec in a process with threads: async-signal-safe calls only.
[[noreturn]] void become(const ChildPlan& plan) {
  setsid();
  dup2(plan.input, STDIN_FILENO);
  dup2(plan.output, STDOUT_FILENO);
  dup2(plan.output, STDERR_FILENO);
  if (plan.change_owner) {
    if (setgroups(1, &plan.owner.gid) != 0 || setgid(plan.owner.gid) != 0 || setuid(plan.owner.uid) != 0)
      _exit(126);
  }
  // After the change of user, which clears it.
  prctl(PR_SET_PDEATHSIG, plan.death_signal);
  if (getppid() != plan.parent) _exit(125);
  if (!plan.directory.empty() && chdir(plan.directory.c_str()) != 0) _exit(124);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(plan.argv[0], plan.argv.data(), plan.environment.data());
  _exit(127);
}

int open_or_throw(const std::string& path, int flags) {
  int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) throw std::runtime_error("open " + path + ": " + std::strerror(errno));
  return fd;
}

int decode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool gone(pid_t pid) {
  const std::string stat = read_file_or_empty("/proc/" + std::to_string(pid) + "/stat");
  const auto end_of_name = stat.rfind(") ");
  return end_of_name == std::string::npos || stat[end_of_name + 2] == 'Z';
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string id = std::to_string(pid);
  const std::string list = read_file_or_empty("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> children;
  for (const auto& word : split(list, ' ')) children.push_back(std::stoi(word));
  return children;
}

}  // namespace

Owner server_owner() {
  static const Owner owner = [] {
    if (geteuid() != 0) return Owner{geteuid(), getegid()};
    const passwd* entry = getpwnam("postgres");
    if (entry == nullptr)
      throw std::runtime_error("user postgres does not exist; PostgreSQL refuses to run as root");
    return Owner{entry->pw_uid, entry->pw_gid};
  }();
  return owner;
}

Process::Process(const Options& options) {
  ChildPlan plan;
  for (const auto& word : options.argv) plan.argv.push_back(const_cast<char*>(word.c_str()));
  plan.argv.push_back(nullptr);
  for (char** entry = environ; *entry != nullptr; ++entry) plan.environment.push_back(*entry);
  for (const auto& entry : options.environment) plan.environment.push_back(const_cast<char*>(entry.c_str()));
  plan.environment.push_back(nullptr);
  plan.directory = options.directory;
  plan.input = open_or_throw(options.stdin_file.empty() ? "/dev/null" : options.stdin_file, O_RDONLY);
  plan.output =
      open_or_throw(options.log_file.empty() ? "/dev/null" : options.log_file, O_WRONLY | O_CREAT | O_APPEND);
  plan.change_owner = options.as_postgres && geteuid() == 0;
  plan.owner = server_owner();
  plan.death_signal = options.death_signal;
  plan.parent = getpid();
  pid_ = on_spawner_thread([&plan] {
    const pid_t child = fork();
    if (child == 0) become(plan);
    return child;
  });
  close(plan.input);
  close(plan.output);
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

Process::~Process() {
  if (pid_ > 0 && !status_) kill_tree();
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(std::exchange(other.status_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(status_, other.status_);
  return *this;
}

bool Process::running() {
  return pid_ > 0 && !wait_for(std::chrono::milliseconds(0)).has_value();
}

void Process::signal(int number) const {
  if (pid_ > 0 && !status_) kill(pid_, number);
}

int Process::wait() {
  if (pid_ <= 0) return 0;
  while (!status_) {
    int status = 0;
    if (waitpid(pid_, &status, 0) == pid_) {
      status_ = decode(status);
    } else if (errno != EINTR) {
      status_ = -1;
    }
  }
  return *status_;
}

std::optional<int> Process::wait_for(std::chrono::milliseconds timeout) {
  if (pid_ <= 0) return 0;
  wait_until(
      [this] {
        int status = 0;
        if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = decode(status);
        return status_.has_value();
      },
      timeout);
  return status_;
}

void Process::kill_tree() {
  if (pid_ <= 0 || status_) return;
  kill(pid_, SIGSTOP);  // so that it starts no more children while we list them
  const auto children = children_of(pid_);
  kill(pid_, SIGKILL);
  for (pid_t child : children) kill(child, SIGKILL);
  wait();
  for (pid_t child : children) wait_until([child] { return gone(child); }, std::chrono::seconds(10));
}

Finished run(Process::Options options) {
  TempDir folder;
  if (options.log_file.empty()) options.log_file = folder.path() + "/output";
  Finished finished;
  Process process(options);
  finished.status = process.wait();
  finished.output = read_file_or_empty(options.log_file);
  return finished;
}

std::string run_or_throw(Process::Options options) {
  const std::string name = options.argv.front();
  auto finished = run(std::move(options));
  if (finished.status != 0) {
    throw std::runtime_error(name + " ended with " + std::to_string(finished.status) + ": " +
                             finished.output);
  }
  return std::move(finished.output);
}

}  // namespace howdah::testing
