// Looks from time to time for servers that owe answers for too long.
#pragma once

#include "drivers/net/reactor.h"

namespace howdah::proxy {

class Worker;

// Of one worker, on its thread. At rest while no breaker is configured.
class LateWatch final : private net::TimerHandler {
 public:
  explicit LateWatch(Worker& worker) : worker_(worker), timer_(*this) {}
  // After a new configuration, or with a new pool.
  void arm();

 private:
  void on_timer() override;

  Worker& worker_;
  net::Timer timer_;
};

}  // namespace howdah::proxy
