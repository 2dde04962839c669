#include "tests/e2e_guards/sick_gate.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <stdexcept>
#include <string>

#include "drivers/pgwire/tests/wire_connection.h"

namespace howdah::e2e_guards {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTick = 20;  // milliseconds between looks at what has changed
constexpr auto kDelay = std::chrono::milliseconds(300);

void close_by_reset(int socket) {
  const linger at_once{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(socket);
}

void send_all(int to, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t now = ::send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return;
    sent += static_cast<std::size_t>(now);
  }
}

// What one side has said and the other has yet to hear.
struct Held {
  Clock::time_point when;
  std::string bytes;
};

}  // namespace

SickGate::SickGate(std::uint16_t server) : server_(server) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 256) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("gate: no port");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { run(); });
}

SickGate::~SickGate() {
  stop_ = true;
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  close(listener_);
}

void SickGate::run() {
  while (!stop_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, kTick) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (mode_ == Mode::kCut) {
      close_by_reset(client);
      continue;
    }
    threads_.emplace_back([this, client] { relay(client); });
  }
}

void SickGate::relay(int client) {
  const int server = pgwire::testing::WireConnection::connect_to(server_);
  const int at_once = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  std::deque<Held> to_client;
  char buffer[16384];
  bool open = true;
  while (open && !stop_ && mode_ != Mode::kCut) {
    const Mode mode = mode_;
    while (mode != Mode::kSilent && !to_client.empty() && (mode != Mode::kSlow || to_client.front().when <= Clock::now())) {
      send_all(client, to_client.front().bytes);
      to_client.pop_front();
    }
    pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (mode == Mode::kSilent) {
      poll(nullptr, 0, kTick);
      continue;
    }
    const int patience = to_client.empty() ? kTick : 5;
    if (poll(both, 2, patience) <= 0) continue;
    const std::size_t most = mode == Mode::kTrickles ? 16 : sizeof buffer;
    if ((both[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      const ssize_t got = recv(client, buffer, most, 0);
      open = got > 0;
      if (open) send_all(server, std::string(buffer, static_cast<std::size_t>(got)));
      if (mode == Mode::kTrickles) poll(nullptr, 0, kTick);
    }
    if (open && (both[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      const ssize_t got = recv(server, buffer, most, 0);
      open = got > 0;
      if (open) to_client.push_back({Clock::now() + kDelay, std::string(buffer, static_cast<std::size_t>(got))});
    }
  }
  if (mode_ == Mode::kCut) {
    close_by_reset(client);
  } else {
    for (const Held& held : to_client) send_all(client, held.bytes);
    close(client);
  }
  close(server);
}

}  // namespace howdah::e2e_guards
