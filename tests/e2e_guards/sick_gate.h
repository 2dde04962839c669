// A TCP relay in front of a real server that can be made to behave like a sick one, and well again.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

namespace howdah::e2e_guards {

class SickGate {
 public:
  enum class Mode : std::uint8_t {
    kWell,
    kCut,       // connections are reset, new ones refused by a reset
    kSilent,    // nothing passes any more in either direction; new connections are taken, and nothing is said: half open
    kSlow,      // what the server says arrives 300 ms late
    kTrickles,  // takes a few bytes at a time: a reader that cannot keep up
  };

  // Passes on to 127.0.0.1:`server`.
  explicit SickGate(std::uint16_t server);
  ~SickGate();
  SickGate(const SickGate&) = delete;
  SickGate& operator=(const SickGate&) = delete;

  std::uint16_t port() const { return port_; }
  void set(Mode mode) { mode_ = mode; }

 private:
  void run();
  void relay(int client);

  const std::uint16_t server_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<Mode> mode_{Mode::kWell};
  std::list<std::thread> threads_;  // the acceptor's only
  std::thread acceptor_;
};

}  // namespace howdah::e2e_guards
