#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/support/howdah_process.h"

namespace howdah::testing {
namespace {

// A socket connected to 127.0.0.1:PORT, or -1.
int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

std::string send_and_read(int fd, const std::string& request) {
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  return answer;
}

}  // namespace

bool port_is_open(std::uint16_t port) {
  const int fd = connect_to(port);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

HttpAnswer http_get(std::uint16_t port, const std::string& path) {
  HttpAnswer answer;
  const int fd = connect_to(port);
  if (fd < 0) return answer;
  const std::string text =
      send_and_read(fd, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  close(fd);
  const auto body = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || body == std::string::npos) return answer;
  answer.status = std::atoi(text.c_str() + 9);
  answer.body = text.substr(body + 4);
  return answer;
}

}  // namespace howdah::testing
