// Until when a client's statement and transaction must be over. Made for clients that have such limits.
#pragma once

#include <optional>
#include <utility>

#include "drivers/net/reactor.h"

namespace howdah::proxy {

class DeadlineOwner {
 public:
  // A statement took too long; and it is still not over, a while after that was said.
  virtual void on_statement_timeout() = 0;
  virtual void on_statement_stuck() = 0;
  virtual void on_transaction_timeout() = 0;

 protected:
  ~DeadlineOwner() = default;
};

// Owned by a session, on its worker's thread. A statement that ends in time costs no change of the timer: the timer
// finds out when it fires.
class Deadlines final : private net::TimerHandler {
 public:
  Deadlines(DeadlineOwner& owner, net::Reactor& reactor) : owner_(owner), reactor_(reactor), timer_(*this) {}

  // True when a statement begins, false while one is under way. Zero: no limit.
  bool begin_statement(Duration limit);
  void begin_transaction(Duration limit);
  void end_statement() { statement_.reset(); }
  void end_transaction() { transaction_.reset(); }

 private:
  static constexpr auto kStuck = std::chrono::seconds(5);
  void on_timer() override;
  void arm(SteadyTime at);

  DeadlineOwner& owner_;
  net::Reactor& reactor_;
  net::Timer timer_;
  SteadyTime armed_for_;
  std::optional<SteadyTime> statement_, transaction_;
  bool told_ = false;  // statement_ is when it counts as stuck
};

}  // namespace howdah::proxy
