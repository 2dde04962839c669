#include "proxy/core/wait_queue.h"

#include <algorithm>
#include <utility>

namespace howdah::proxy {

namespace {

// How far from its end a queue is looked through: a refusal must stay cheap when there are thousands a second.
constexpr std::size_t kChoice = 64;
constexpr std::size_t kSteps = 1'024;

}  // namespace

void WaitQueue::count_senders(bool on) {
  if (on == counting_) return;
  counting_ = on;
  senders_.clear();
  for (PoolWaiter* waiter : waiters_) note_in(*waiter);
}

void WaitQueue::note_in(PoolWaiter& waiter) {
  if (!counting_) return;
  waiter.sheds = waiter.may_be_shed();
  Sender& sender = senders_[waiter.sender];
  ++sender.waiting;
  sender.sheds += waiter.sheds ? 1 : 0;
  sender.turn = std::max(sender.turn, waiter.turn);
}

void WaitQueue::note_out(const PoolWaiter& waiter) {
  if (!counting_) return;
  const auto at = senders_.find(waiter.sender);
  if (at == senders_.end()) return;
  at->second.sheds -= waiter.sheds ? 1 : 0;
  if (--at->second.waiting == 0) senders_.erase(at);
}

void WaitQueue::push_back(PoolWaiter& waiter) {
  waiter.turn = waiters_.empty() ? turn_ : waiters_.back()->turn;
  waiters_.push_back(&waiter);
  note_in(waiter);
}

void WaitQueue::push_in_turn(PoolWaiter& waiter) {
  const auto own = senders_.find(waiter.sender);
  waiter.turn = std::max(turn_, own == senders_.end() ? 0 : own->second.turn) + 1;
  const auto place = std::upper_bound(waiters_.begin(), waiters_.end(), waiter.turn, [](std::uint64_t turn, const PoolWaiter* other) { return turn < other->turn; });
  waiters_.insert(place, &waiter);
  note_in(waiter);
}

PoolWaiter* WaitQueue::pop_front() {
  PoolWaiter* waiter = waiters_.front();
  waiters_.pop_front();
  turn_ = std::max(turn_, waiter->turn);
  note_out(*waiter);
  return waiter;
}

void WaitQueue::erase(PoolWaiter& waiter) {
  const auto at = std::find(waiters_.begin(), waiters_.end(), &waiter);
  if (at == waiters_.end()) return;
  waiters_.erase(at);
  note_out(waiter);
}

std::deque<PoolWaiter*> WaitQueue::take_all() {
  senders_.clear();
  return std::exchange(waiters_, {});
}

PoolWaiter& WaitQueue::whom_to_refuse(PoolWaiter& newcomer) const {
  const auto own = senders_.find(newcomer.sender);
  std::uint32_t most = 1 + (own == senders_.end() ? 0 : own->second.sheds);
  std::uint64_t heaviest = newcomer.sender;
  for (const auto& [address, sender] : senders_) {
    if (sender.sheds <= most) continue;
    most = sender.sheds;
    heaviest = address;
  }
  PoolWaiter* worst = newcomer.sender == heaviest ? &newcomer : nullptr;
  std::size_t choice = 0, steps = 0;
  for (auto at = waiters_.rbegin(); at != waiters_.rend() && choice < kChoice && steps < kSteps; ++at, ++steps) {
    PoolWaiter* waiter = *at;
    if (waiter->sender != heaviest || !waiter->sheds) continue;
    ++choice;
    if (worst == nullptr || waiter->lately > worst->lately) worst = waiter;
  }
  return worst == nullptr ? newcomer : *worst;
}

}  // namespace howdah::proxy
