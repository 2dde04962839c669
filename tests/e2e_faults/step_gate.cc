#include "tests/e2e_faults/step_gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace howdah::faults {

namespace {

constexpr int kTick = 20;  // milliseconds between looks at what other threads want

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool send_all(int to, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t now = ::send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

}  // namespace

void StepTrap::set(std::string words, Moment moment) {
  const std::lock_guard lock(mutex_);
  words_ = std::move(words);
  moment_ = moment;
  state_ = State::kSet;
}

std::optional<int> StepTrap::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  const bool sprung = sprung_.wait_for(lock, patience, [this] { return state_ == State::kSprung; });
  state_ = State::kIdle;
  if (sprung) return gate_;
  lock.unlock();
  let_go();
  return std::nullopt;
}

void StepTrap::let_go() {
  ++let_go_;
}

void StepTrap::answer_and_let_go() {
  answers_ = true;
  let_go();
}

bool StepTrap::take(const std::string& bytes, Moment& moment) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kSet || bytes.find(words_) == std::string::npos) return false;
  moment = moment_;
  state_ = State::kTaken;
  return true;
}

bool StepTrap::spring(int gate) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kTaken) return false;
  gate_ = gate;
  state_ = State::kSprung;
  sprung_.notify_all();
  return true;
}

struct StepGate::Pair {
  const int proxy, server;
  bool open = true;
  bool answer_springs = false;
  StepTrap::Moment moment = StepTrap::Moment::kUnsent;
  bool held = false;
  std::uint64_t held_since = 0;  // StepTrap::let_go_ then

  Pair(int to_proxy, int to_server) : proxy(to_proxy), server(to_server) {}
  Pair(const Pair&) = delete;
  ~Pair() {
    close(proxy);
    close(server);
  }
};

StepGate::StepGate(int number, std::uint16_t server, StepTrap& trap) : number_(number), server_(server), trap_(trap) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 128) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("gate: no port");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

StepGate::~StepGate() {
  stop_ = true;
  thread_.join();
  close(listener_);
}

// A server that is down refuses, and so does the gate.
void StepGate::accept_one() {
  const int proxy = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (proxy < 0) return;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto pair = std::make_unique<Pair>(proxy, server);
  const sockaddr_in address = loopback(server_);
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  const int on = 1;
  for (const int socket : {proxy, server}) setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  pairs_.push_back(std::move(pair));
}

// False: this connection has ended.
bool StepGate::pass(Pair& pair, bool to_server) {
  const auto hold = [&] {
    pair.held_since = trap_.let_go_;
    pair.held = trap_.spring(number_);
    return pair.held;
  };
  const bool answer = !to_server && std::exchange(pair.answer_springs, false);
  if (answer && pair.moment == StepTrap::Moment::kUnanswered && hold()) return true;
  std::string bytes(16384, '\0');
  const ssize_t got = recv(to_server ? pair.proxy : pair.server, bytes.data(), bytes.size(), 0);
  if (got <= 0) return false;
  bytes.resize(static_cast<std::size_t>(got));
  if (to_server && trap_.take(bytes, pair.moment)) {
    if (pair.moment == StepTrap::Moment::kUnsent && hold()) return true;
    pair.answer_springs = pair.moment != StepTrap::Moment::kUnsent;
  }
  if (!send_all(to_server ? pair.server : pair.proxy, bytes)) return false;
  if (answer) trap_.spring(number_);
  return true;
}

void StepGate::run() {
  std::vector<pollfd> waiting;
  while (!stop_) {
    waiting.assign(1, {listener_, POLLIN, 0});
    for (const auto& pair : pairs_) {
      waiting.push_back({pair->held ? -1 : pair->proxy, POLLIN, 0});
      waiting.push_back({pair->held ? -1 : pair->server, POLLIN, 0});
    }
    poll(waiting.data(), waiting.size(), kTick);
    const std::size_t count = pairs_.size();
    for (std::size_t i = 0; i < count; ++i) {
      Pair& pair = *pairs_[i];
      if (pair.held) {
        pair.open = pair.held_since == trap_.let_go_;
        if (!pair.open && trap_.answers_.exchange(false)) pass(pair, false);
        continue;
      }
      if (waiting[1 + 2 * i].revents != 0) pair.open = pass(pair, true);
      if (pair.open && !pair.held && waiting[2 + 2 * i].revents != 0) pair.open = pass(pair, false);
    }
    if (waiting[0].revents != 0) accept_one();
    closed_ += static_cast<long>(std::erase_if(pairs_, [](const auto& pair) { return !pair->open; }));
  }
}

}  // namespace howdah::faults
