// A scripted peer in front of a real server: greets some connections with bytes of the test's, and passes the rest on.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace howdah::e2e_limits {

class Gate {
 public:
  // Passes on to 127.0.0.1:`server`.
  explicit Gate(std::uint16_t server);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  std::uint16_t port() const { return port_; }
  // The next connection is read once, answered with these bytes and closed. In order; then all are passed on again.
  void answer_next(std::string bytes);
  // These bytes go to the proxy ahead of everything that the server sends, on connections still to come.
  void begin_with(std::string bytes);
  int connections() const { return connections_; }

 private:
  void run();
  void serve(int client);

  std::uint16_t server_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::mutex mutex_;  // guards those below
  std::deque<std::string> answers_;
  std::string prologue_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace howdah::e2e_limits
