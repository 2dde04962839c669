#include "proxy/core/deadlines.h"

#include <algorithm>

namespace howdah::proxy {

bool Deadlines::begin_statement(Duration limit) {
  if (statement_ || limit == Duration::zero()) return false;
  statement_ = reactor_.now() + limit;
  told_ = false;
  arm(*statement_);
  return true;
}

void Deadlines::begin_transaction(Duration limit) {
  if (transaction_ || limit == Duration::zero()) return;
  transaction_ = reactor_.now() + limit;
  arm(*transaction_);
}

void Deadlines::arm(SteadyTime at) {
  if (timer_.armed() && armed_for_ <= at) return;
  armed_for_ = at;
  timer_.arm(reactor_, at);
}

void Deadlines::on_timer() {
  const SteadyTime now = reactor_.now();
  if (transaction_ && *transaction_ <= now) {
    // Asked again later, in case it could not be ended now.
    transaction_ = now + std::chrono::seconds(1);
    owner_.on_transaction_timeout();
  }
  if (statement_ && *statement_ <= now) {
    statement_ = now + kStuck;
    const bool again = std::exchange(told_, true);
    again ? owner_.on_statement_stuck() : owner_.on_statement_timeout();
  }
  if (statement_) arm(*statement_);
  if (transaction_) arm(*transaction_);
}

}  // namespace howdah::proxy
