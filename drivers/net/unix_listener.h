// A listening unix socket with PostgreSQL's lock file next to it.
//
//   DIRECTORY/.s.PGSQL.PORT        the socket
//   DIRECTORY/.s.PGSQL.PORT.lock   its owner's process id, a line; whoever finds it with a living process keeps away
//
// https://www.postgresql.org/docs/15/runtime-config-connection.html#GUC-UNIX-SOCKET-DIRECTORIES
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"

namespace howdah::net {

struct UnixListenerSettings {
  std::string directory;
  std::uint16_t port = 0;
  mode_t mode = 0777;
  std::string group;  // empty: the process's own
  int backlog = 128;
};

// Owns descriptor and files; the destructor removes both files.
class UnixListener {
 public:
  // kConfig with the reason: another process listens there, or the folder does not allow it.
  static Result<std::unique_ptr<UnixListener>> open(const UnixListenerSettings& settings);
  // Takes over a socket that another process of ours has opened; the lock file becomes this process's.
  static Result<std::unique_ptr<UnixListener>> adopt(int fd, const std::string& directory, std::uint16_t port);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  // Another process goes on with the socket: the files stay.
  void leave_files() { owns_files_ = false; }

 private:
  UnixListener(const std::string& directory, std::uint16_t port);
  Result<void> take_lock();
  Result<void> write_lock(int fd);
  Result<void> bind_socket(const UnixListenerSettings& settings);

  const std::string path_;
  const std::string lock_path_;
  const std::string directory_;
  const std::uint16_t port_;
  int fd_ = -1;
  bool owns_files_ = false;
};

// The user at the other end of a unix socket, as the kernel knows it; nothing for other sockets.
std::optional<uid_t> peer_uid(int fd);
// Its name in the system's user database; empty when it has none. May block on a name service.
std::string user_name_of(uid_t uid);

}  // namespace howdah::net
