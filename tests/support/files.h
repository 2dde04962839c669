// Temporary folders and small files for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace howdah::testing {

// A folder of its own under this process's root folder (BASE/hwt-XXXXXX/N: short, for unix sockets; others
// may pass through it). Removed by the destructor. The root is removed at exit, and by a helper process when
// the test is killed.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  // Gives the folder to the user that servers run as.
  void give_to_server_owner() const;

 private:
  std::string path_;
};

// Where tests keep temporary files: TMPDIR if it is short and everyone may pass, else /dev/shm if it has 4
// GiB free, else /tmp.
const std::string& temp_base();

std::string read_file_or_empty(const std::string& path);
// Throws std::runtime_error when it cannot.
void write_file(const std::string& path, std::string_view content);
// Words between separators; empty words and line ends are dropped.
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace howdah::testing
