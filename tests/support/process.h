// Child processes of a test: started with a log, killed with the test, whatever happens to it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace howdah::testing {

// One child process. The kernel ends it when the test process dies. Children are started by one
// thread that lives as long as the process, because the kernel's death signal follows the *thread* that
// forked. Movable; the destructor kills and reaps. Not for use by two threads at once.
class Process {
 public:
  struct Options {
    std::vector<std::string> argv;         // argv[0] is a path or a name looked up in PATH
    std::string log_file;                  // stdout and stderr are appended to it; empty: /dev/null
    std::string stdin_file;                // empty: /dev/null
    std::string directory;                 // working directory; empty: the test's
    std::vector<std::string> environment;  // "NAME=value", added to the test's own
    bool as_postgres = false;              // when root: run as user postgres (PostgreSQL refuses root)
    int death_signal = 9;                  // what the kernel sends it when the test process dies
  };

  Process() = default;
  // Throws std::runtime_error when fork fails; a binary that cannot be executed ends with status 127.
  explicit Process(const Options& options);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  // True while the child has not ended.
  bool running();
  void signal(int number) const;
  // Exit status (0-255), or -N when signal N ended it. Blocks.
  int wait();
  // As wait(), or nothing when it still runs after `timeout`.
  std::optional<int> wait_for(std::chrono::milliseconds timeout);
  // SIGKILL to the child and to all its children, then waits until each is gone.
  void kill_tree();

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// Runs a command to its end. `output` is stdout and stderr together.
struct Finished {
  int status = 0;
  std::string output;
};
Finished run(Process::Options options);

// As run(), but throws std::runtime_error with the output when the status is not 0.
std::string run_or_throw(Process::Options options);

// The user that servers run as: postgres when the test is root, else the test's own.
struct Owner {
  uid_t uid;
  gid_t gid;
};
Owner server_owner();

}  // namespace howdah::testing
