#include "tests/support/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/support/process.h"

namespace howdah::testing {
namespace {

// Waits for end of file on stdin, which comes when the test process is gone, and removes the folder.
constexpr const char* kJanitor =
    "cat >/dev/null; i=0; while [ -e \"$0\" ] && [ $i -lt 100 ]; do rm -rf \"$0\" 2>/dev/null; "
    "i=$((i+1)); [ -e \"$0\" ] && sleep 0.05; done";

void remove_tree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

class Root {
 public:
  Root() {
    std::string pattern = temp_base() + "/hwt-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path_ = pattern;
    chmod(path_.c_str(), 0755);
    start_janitor();
  }

  ~Root() {
    remove_tree(path_);
    close(janitor_input_);
  }

  std::string next() { return path_ + "/" + std::to_string(count_++); }

 private:
  void start_janitor() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    const pid_t child = fork();
    if (child == 0) {
      setsid();
      const int null = open("/dev/null", O_WRONLY);
      dup2(ends[0], STDIN_FILENO);
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
      // A second fork, so that the test process never has to reap it.
      if (fork() == 0) execl("/bin/sh", "sh", "-c", kJanitor, path_.c_str(), nullptr);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    close(ends[0]);
    janitor_input_ = ends[1];
  }

  std::string path_;
  int janitor_input_ = -1;
  std::atomic<int> count_{0};
};

Root& root() {
  static Root instance;
  return instance;
}

bool usable(const std::string& path) {
  struct stat info {};
  return !path.empty() && path.size() <= 40 && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
         (info.st_mode & S_IXOTH) != 0;
}

// Copying a data directory makes a thousand files, which memory takes six times as fast as a disk.
bool has_room(const std::string& path) {
  struct statvfs info {};
  return usable(path) && access(path.c_str(), W_OK) == 0 && statvfs(path.c_str(), &info) == 0 &&
         static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize >= 4ULL << 30;
}

}  // namespace

const std::string& temp_base() {
  static const std::string base = [] {
    const char* configured = std::getenv("TMPDIR");
    if (configured != nullptr && usable(configured)) return std::string(configured);
    return std::string(has_room("/dev/shm") ? "/dev/shm" : "/tmp");
  }();
  return base;
}

TempDir::TempDir() : path_(root().next()) {
  if (mkdir(path_.c_str(), 0755) != 0)
    throw std::runtime_error("mkdir " + path_ + ": " + std::strerror(errno));
}

TempDir::~TempDir() {
  remove_tree(path_);
}

void TempDir::give_to_server_owner() const {
  const Owner owner = server_owner();
  if (chown(path_.c_str(), owner.uid, owner.gid) != 0) throw std::runtime_error("chown " + path_);
}

std::string read_file_or_empty(const std::string& path) {
  std::ifstream input(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, std::string_view content) {
  std::ofstream output(path, std::ios::binary | std::ios::trunc);
  output.write(content.data(), static_cast<std::streamsize>(content.size()));
  output.close();
  if (!output) throw std::runtime_error("cannot write " + path);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text) {
    if (c != separator && c != '\n') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace howdah::testing
