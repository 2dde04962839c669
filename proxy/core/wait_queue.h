// Who waits for a server connection of a pool, in the order in which they are served.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/clock.h"

namespace howdah {
struct Error;
}

namespace howdah::proxy {

class Pool;
class ServerConn;

// A client waiting for a server connection. Embedded in the session; told exactly once, unless it gives up.
class PoolWaiter {
 public:
  // `granted` is already linked out of the pool; or null, with the reason.
  virtual void on_pool(ServerConn* granted, const Error* reason) = 0;
  // PAUSE lets those through that are in the middle of something.
  virtual bool passes_pause() const { return false; }
  // An overloaded queue may refuse those who hold nothing yet.
  virtual bool may_be_shed() const { return false; }

  Pool* waiting_in = nullptr;
  SteadyTime waiting_since;
  std::uint64_t sender = 0;    // whose load it is: a hash of its address
  std::uint64_t turn = 0;      // its place in a queue: lower ones are served first, equal ones as they came
  bool sheds = false;          // may_be_shed(), when it came into a queue
  std::uint32_t lately = 0;    // how often it waited in this second, where queues are limited
  SteadyTime lately_since;

 protected:
  ~PoolWaiter() = default;
};

// First in, first out; or addresses take turns, by start-time fair queueing: a client's turn is one after the last of its own address, and at
// least one after whoever was served last. (Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996.)
class WaitQueue {
 public:
  bool empty() const { return waiters_.empty(); }
  std::size_t size() const { return waiters_.size(); }
  PoolWaiter* front() const { return waiters_.front(); }
  auto begin() const { return waiters_.begin(); }
  auto end() const { return waiters_.end(); }

  // Whether it is counted who waits from which address, which push_in_turn() and whom_to_refuse() need.
  void count_senders(bool on);

  void push_back(PoolWaiter& waiter);
  void push_in_turn(PoolWaiter& waiter);
  PoolWaiter* pop_front();
  void erase(PoolWaiter& waiter);
  // Leaves the queue empty.
  std::deque<PoolWaiter*> take_all();

  // The newcomer, or one that waits already: of the address that most of those who may be refused came from, and of its last
  // few, who has asked most often of late, then who came last.
  PoolWaiter& whom_to_refuse(PoolWaiter& newcomer) const;

 private:
  struct Sender {
    std::uint32_t waiting = 0, sheds = 0;
    std::uint64_t turn = 0;  // of its last one
  };
  void note_in(PoolWaiter& waiter);
  void note_out(const PoolWaiter& waiter);

  std::deque<PoolWaiter*> waiters_;  // by turn
  std::uint64_t turn_ = 0;           // of who was served last
  bool counting_ = false;
  std::unordered_map<std::uint64_t, Sender> senders_;  // of those who wait, if counting_
};

}  // namespace howdah::proxy
