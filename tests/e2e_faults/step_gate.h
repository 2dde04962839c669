// A relay between one proxy and one server, that stops a connection at a named step of what passes through it, so that a test
// can kill one side exactly there.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace howdah::faults {

// What one of several gates waits for. Shared by their threads and the test's.
class StepTrap {
 public:
  enum class Moment {
    kUnsent,      // the server has not got the message
    kUnanswered,  // the server has acted, and the proxy does not know
    kAnswered,    // the proxy has been told
  };

  // The first message with these words that passes one of the gates springs the trap.
  void set(std::string words, Moment moment);
  // The number of the gate that sprang it. From then on its connection is held, but after kAnswered. Nothing: not in time, and the
  // trap is taken away.
  std::optional<int> wait(std::chrono::milliseconds patience);
  // Closes what is held.
  void let_go();
  // The answer that is held goes to the proxy, with the end of the connection right behind it.
  void answer_and_let_go();

 private:
  friend class StepGate;
  enum class State { kIdle, kSet, kTaken, kSprung };
  bool take(const std::string& bytes, Moment& moment);
  bool spring(int gate);  // false: nobody waits any more

  std::mutex mutex_;  // guards those below
  std::condition_variable sprung_;
  State state_ = State::kIdle;
  std::string words_;
  Moment moment_ = Moment::kUnsent;
  int gate_ = 0;
  std::atomic<std::uint64_t> let_go_{0};  // how often
  std::atomic<bool> answers_{false};
};

class StepGate {
 public:
  // Passes on to 127.0.0.1:`server`. The trap outlives it.
  StepGate(int number, std::uint16_t server, StepTrap& trap);
  ~StepGate();
  StepGate(const StepGate&) = delete;
  StepGate& operator=(const StepGate&) = delete;

  std::uint16_t port() const { return port_; }
  // Connections that have ended.
  long closed() const { return closed_; }

 private:
  struct Pair;
  void run();
  void accept_one();
  bool pass(Pair& pair, bool to_server);

  const int number_;
  const std::uint16_t server_;
  StepTrap& trap_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::vector<std::unique_ptr<Pair>> pairs_;  // of the thread
  std::atomic<bool> stop_{false};
  std::atomic<long> closed_{0};
  std::thread thread_;
};

}  // namespace howdah::faults
