#include "drivers/net/unix_listener.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace howdah::net {

namespace {

Error failure(const std::string& what, int error) {
  return make_error(ErrorCode::kConfig, what + ": " + std::strerror(error));
}

// The process that a lock file names; 0 when there is none in it.
pid_t owner_of(const std::string& path) {
  char text[32] = "";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  return size > 0 ? static_cast<pid_t>(std::atol(text)) : 0;
}

bool is_alive(pid_t pid) {
  return pid > 0 && pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM);
}

}  // namespace

UnixListener::UnixListener(const std::string& directory, std::uint16_t port)
    : path_(directory + "/.s.PGSQL." + std::to_string(port)), lock_path_(path_ + ".lock"), directory_(directory), port_(port) {}

UnixListener::~UnixListener() {
  if (fd_ >= 0) ::close(fd_);
  // A successor may have taken the files over.
  if (!owns_files_ || owner_of(lock_path_) != getpid()) return;
  unlink(path_.c_str());
  unlink(lock_path_.c_str());
}

Result<std::unique_ptr<UnixListener>> UnixListener::open(const UnixListenerSettings& settings) {
  std::unique_ptr<UnixListener> listener(new UnixListener(settings.directory, settings.port));
  if (auto locked = listener->take_lock(); !locked) return locked.error();
  listener->owns_files_ = true;
  if (auto bound = listener->bind_socket(settings); !bound) return bound.error();
  return listener;
}

Result<std::unique_ptr<UnixListener>> UnixListener::adopt(int fd, const std::string& directory, std::uint16_t port) {
  std::unique_ptr<UnixListener> listener(new UnixListener(directory, port));
  listener->fd_ = fd;
  const int lock = ::open(listener->lock_path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (lock < 0) return failure("cannot write lock file " + listener->lock_path_, errno);
  if (auto written = listener->write_lock(lock); !written) return written.error();
  listener->owns_files_ = true;
  return listener;
}

Result<void> UnixListener::take_lock() {
  for (int attempt = 0; attempt < 3; ++attempt) {
    const int fd = ::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return write_lock(fd);
    if (errno != EEXIST) return failure("cannot create lock file " + lock_path_, errno);
    const pid_t owner = owner_of(lock_path_);
    if (is_alive(owner)) {
      return make_error(ErrorCode::kConfig, "lock file " + lock_path_ + " already exists",
                        "is another process (" + std::to_string(owner) + ") using socket file " + path_ + "?");
    }
    unlink(lock_path_.c_str());  // its owner has died
  }
  return make_error(ErrorCode::kConfig, "lock file " + lock_path_ + " comes back each time it is removed");
}

// PostgreSQL's lines: process, data directory, start, port, socket directory.
Result<void> UnixListener::write_lock(int fd) {
  const std::string text = std::to_string(getpid()) + "\n\n\n" + std::to_string(port_) + "\n" + directory_ + "\n";
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  ::close(fd);
  if (!written) return failure("cannot write lock file " + lock_path_, error);
  return {};
}

Result<void> UnixListener::bind_socket(const UnixListenerSettings& settings) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return make_error(ErrorCode::kConfig, "socket path " + path_ + " is too long");
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return failure("cannot create a socket", errno);
  unlink(path_.c_str());  // left behind by an owner that died
  fchmod(fd_, 0);         // nobody connects before the permissions are right
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return failure("cannot bind " + path_, errno);
  if (!settings.group.empty()) {
    const group* found = getgrnam(settings.group.c_str());
    if (found == nullptr) return make_error(ErrorCode::kConfig, "there is no group \"" + settings.group + "\"");
    if (chown(path_.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) return failure("cannot give " + path_ + " to group " + settings.group, errno);
  }
  if (chmod(path_.c_str(), settings.mode) != 0) return failure("cannot set permissions of " + path_, errno);
  if (listen(fd_, settings.backlog) != 0) return failure("cannot listen on " + path_, errno);
  return {};
}

std::optional<uid_t> peer_uid(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 || address.ss_family != AF_UNIX) return std::nullopt;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

std::string user_name_of(uid_t uid) {
  std::vector<char> room(4096);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = getpwuid_r(uid, &entry, room.data(), room.size(), &found)) == ERANGE && room.size() < (1u << 20)) {
    room.resize(room.size() * 2);
  }
  return error == 0 && found != nullptr ? found->pw_name : "";
}

}  // namespace howdah::net
