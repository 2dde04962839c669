// What the system around a process wants to know of it: its id in a file, and that it is ready.
#pragma once

#include <string>

#include "base/error.h"

namespace howdah {

// Removed at the end, unless another process has written its own id meanwhile.
class PidFile {
 public:
  PidFile() = default;
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile();
  // Whole or not at all; `path` empty: nothing. kConfig with the reason.
  Result<void> write(const std::string& path);

 private:
  std::string path_;
};

// Tells systemd, when it asked to be told. https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
void notify_service_manager(const std::string& state);

}  // namespace howdah
