#include "drivers/net/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace howdah::net {

namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = AF_UNSPEC;
};

Error failure(const std::string& what, int error) {
  return make_error(ErrorCode::kConfig, what + ": " + std::strerror(error));
}

bool numeric(const std::string& host, std::uint16_t port, Address& out) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.length = sizeof *v4;
    out.family = AF_INET;
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.length = sizeof *v6;
    out.family = AF_INET6;
    return true;
  }
  return false;
}

bool unix_path(const std::string& folder, std::uint16_t port, Address& out) {
  const std::string path = folder + "/.s.PGSQL." + std::to_string(port);
  auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (path.size() >= sizeof un->sun_path) return false;
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
  out.length = sizeof *un;
  out.family = AF_UNIX;
  return true;
}

}  // namespace

Result<std::string> resolve(const std::string& host) {
  Address address;
  if (host.empty() || host[0] == '/' || numeric(host, 0, address)) return host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    return make_error(ErrorCode::kConfig, "cannot resolve host \"" + host + "\": " + gai_strerror(failed));
  }
  char text[NI_MAXHOST];
  const int named = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  if (named != 0) return make_error(ErrorCode::kConfig, "cannot resolve host \"" + host + "\"");
  return std::string(text);
}

Result<int> listen_tcp(const std::string& host, std::uint16_t port, int backlog) {
  auto resolved = resolve(host == "*" ? "0.0.0.0" : host);
  if (!resolved) return resolved.error();
  Address address;
  if (!numeric(*resolved, port, address)) return make_error(ErrorCode::kConfig, "\"" + host + "\" is no address");
  const int fd = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure("cannot create a socket", errno);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0 || listen(fd, backlog) != 0) {
    const int error = errno;
    close(fd);
    return failure("cannot listen on " + host + " port " + std::to_string(port), error);
  }
  return fd;
}

std::uint16_t local_port(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

Result<int> start_connect(const std::string& host, std::uint16_t port) {
  Address address;
  const bool local = !host.empty() && host[0] == '/';
  if (!(local ? unix_path(host, port, address) : numeric(host, port, address))) {
    return make_error(ErrorCode::kServerUnavailable, "\"" + host + "\" is no usable address");
  }
  const int fd = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return make_error(ErrorCode::kServerUnavailable, std::string("cannot create a socket: ") + std::strerror(errno));
  if (!local) set_no_delay(fd);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    close(fd);
    return make_error(ErrorCode::kServerDown,
                      "could not connect to " + host + " port " + std::to_string(port) + ": " + std::strerror(error));
  }
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

void set_no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

std::string peer_name(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return "unknown";
  if (storage.ss_family == AF_UNIX) return "unix";
  char text[NI_MAXHOST], service[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<sockaddr*>(&storage), length, text, sizeof text, service, sizeof service,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  return std::string(text) + ":" + service;
}

}  // namespace howdah::net
