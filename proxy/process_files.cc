#include "proxy/process_files.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace howdah {

Result<void> PidFile::write(const std::string& path) {
  if (path.empty()) return {};
  const std::string fresh = path + "." + std::to_string(getpid());
  std::ofstream(fresh) << getpid() << "\n";
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(fresh.c_str());
    return make_error(ErrorCode::kConfig, "restart.pid_file: cannot write " + path + ": " + std::strerror(error));
  }
  path_ = path;
  return {};
}

PidFile::~PidFile() {
  if (path_.empty()) return;
  long written = 0;
  std::ifstream(path_) >> written;
  if (written == getpid()) unlink(path_.c_str());
}

void notify_service_manager(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(path);
  if (size == 0 || size >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';  // a name in the abstract namespace
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  close(fd);
}

}  // namespace howdah
