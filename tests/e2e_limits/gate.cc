#include "tests/e2e_limits/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "drivers/pgwire/tests/wire_connection.h"

namespace howdah::e2e_limits {

namespace {

constexpr int kTick = 50;  // milliseconds between looks at stop_

// False at the end of `from`.
bool pass_on(int from, int to) {
  char buffer[16384];
  const ssize_t got = recv(from, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  for (ssize_t sent = 0; sent < got;) {
    const ssize_t now = ::send(to, buffer + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += now;
  }
  return true;
}

}  // namespace

Gate::Gate(std::uint16_t server) : server_(server) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("gate: no port");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { run(); });
}

Gate::~Gate() {
  stop_ = true;
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  close(listener_);
}

void Gate::answer_next(std::string bytes) {
  std::lock_guard lock(mutex_);
  answers_.push_back(std::move(bytes));
}

void Gate::begin_with(std::string bytes) {
  std::lock_guard lock(mutex_);
  prologue_ = std::move(bytes);
}

void Gate::run() {
  while (!stop_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, kTick) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) threads_.emplace_back([this, client] { serve(client); });
  }
}

void Gate::serve(int client) {
  ++connections_;
  std::string answer, prologue;
  bool scripted = false;
  {
    std::lock_guard lock(mutex_);
    scripted = !answers_.empty();
    if (scripted) {
      answer = std::move(answers_.front());
      answers_.pop_front();
    }
    prologue = prologue_;
  }
  if (scripted) {
    char startup[4096];
    recv(client, startup, sizeof startup, 0);
    ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    shutdown(client, SHUT_WR);
    recv(client, startup, sizeof startup, 0);
    close(client);
    return;
  }
  const int server = pgwire::testing::WireConnection::connect_to(server_);
  ::send(client, prologue.data(), prologue.size(), MSG_NOSIGNAL);
  for (bool open = true; open && !stop_;) {
    pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(both, 2, kTick) <= 0) continue;
    if ((both[0].revents & (POLLIN | POLLHUP)) != 0) open = pass_on(client, server);
    if (open && (both[1].revents & (POLLIN | POLLHUP)) != 0) open = pass_on(server, client);
  }
  close(client);
  close(server);
}

}  // namespace howdah::e2e_limits
