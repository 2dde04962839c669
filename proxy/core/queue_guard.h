// When a queue for server connections is too long.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace howdah::proxy {

// Of one pool of one worker. Learns from each client served how fast the queue moves. Pure: it is handed the time.
class QueueGuard {
 public:
  // 0: the queue may grow.
  void set_limit(milliseconds limit) { limit_ = limit; }
  bool active() const { return limit_.count() > 0; }
  milliseconds limit() const { return limit_; }

  // The first client began to wait.
  void began(SteadyTime now) { last_ = now; }
  // The first waiter was served.
  void served(SteadyTime now);

  // How long the last of `waiting` clients will have waited; zero while nothing is known.
  Duration expected_wait(std::size_t waiting, SteadyTime now) const;
  bool overloaded(std::size_t waiting, SteadyTime now) const { return active() && expected_wait(waiting, now) > limit_; }

 private:
  milliseconds limit_{0};
  SteadyTime last_;               // when the queue last moved, or began
  std::int64_t interval_ns_ = 0;  // between two clients served, of late; 0: not known
};

}  // namespace howdah::proxy
