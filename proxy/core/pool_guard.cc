// What a pool does when its queue is too long, or its server sick.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "proxy/core/breaker.h"
#include "proxy/core/errors.h"
#include "proxy/core/pool.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

constexpr auto kCalm = seconds(5);  // without a refusal until an overload is taken to be over

std::int64_t nanoseconds(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// Says something about the server, and not about this proxy, its clients or an administrator's wishes.
bool is_sickness(const Error& reason) {
  if (!reason.sqlstate.empty()) return false;
  if (reason.code == ErrorCode::kServerUnavailable || reason.code == ErrorCode::kServerDown) return true;
  return reason.code == ErrorCode::kServerLost && reason.message == "server connection lost" && reason.detail != "the client left";
}

bool owes_an_answer(ServerConn& conn) {
  bool owes = false;
  conn.pipeline.for_each([&](const ServerEntry& entry) {
    owes = owes || entry.kind == pgwire::OwedKind::kQuery || entry.kind == pgwire::OwedKind::kSync || entry.kind == pgwire::OwedKind::kFunctionCall;
  });
  return owes;
}

// A primary that is waited for while it is down, or while another server takes its place: its going and coming are no breaker's business,
// and who waits for it must not be turned away.
bool is_waited_for(const ServerTarget& target) { return !target.replica && target.patience.count() > 0; }

bool is_gone(const Pool& pool, const DatabaseView* view) {
  if (!is_waited_for(pool.target())) return false;
  if (pool.outage() != nullptr) return true;
  return view != nullptr && view->health() != nullptr && !view->health()->at(pool.target().server).up.load(std::memory_order_relaxed);
}

}  // namespace

// False: the queue is too long, and the newcomer is the one that leaves.
bool Pool::enter_queue(PoolWaiter& newcomer) {
  const SteadyTime now = worker_.reactor().now();
  if (now - newcomer.lately_since >= seconds(1)) {
    newcomer.lately = 0;
    newcomer.lately_since = now;
  }
  ++newcomer.lately;
  waiters_.count_senders(true);  // limits may change while clients wait
  if (waiters_.empty()) queue.began(now);
  // While connections are being opened, the queue will be faster than it was.
  if (newcomer.may_be_shed() && connecting_ == 0 && outage() == nullptr && queue.overloaded(waiters_.size() + 1, now)) {
    PoolWaiter& leaves = waiters_.whom_to_refuse(newcomer);
    make_room(newcomer, leaves);
    if (&leaves == &newcomer) return false;
  }
  // In a queue that is long, one address must not stand in front of all others.
  if (queue.expected_wait(waiters_.size(), now) > queue.limit() / 2) {
    waiters_.push_in_turn(newcomer);
  } else {
    waiters_.push_back(newcomer);
  }
  return true;
}

void Pool::make_room(PoolWaiter& newcomer, PoolWaiter& leaves) {
  const SteadyTime now = worker_.reactor().now();
  const auto expected = std::chrono::duration_cast<milliseconds>(queue.expected_wait(waiters_.size() + 1, now)).count();
  const Error reason = make_error(ErrorCode::kWaitTimeout, "too many clients wait for a server connection",
                                  "Repeat it later, after a pause that grows from time to time. If the servers can bear more, raise pool.size; "
                                  "if clients can wait longer, pool.queue_time.",
                                  "The last in the queue for " + target_.describe() + " would wait about " + std::to_string(expected) +
                                      " ms, and pool.queue_time is " + std::to_string(queue.limit().count()) + " ms.");
  note_shed(now);
  leaves.waiting_in = nullptr;
  if (&leaves != &newcomer) {
    waiters_.erase(leaves);
    publish_wait();
  }
  leaves.on_pool(nullptr, &reason);
}

void Pool::note_shed(SteadyTime now) {
  ++counters.shed;
  last_shed_ = now;
  if (shed_since_ == 0) {
    spdlog::warn("queue overloaded database={} user={} server={} waiting={}", target_.database_name, target_.user, target_.describe(), waiters_.size());
  }
  ++shed_since_;
}

void Pool::note_calm(SteadyTime now) {
  if (shed_since_ == 0 || now - last_shed_ < kCalm) return;
  spdlog::info("queue no longer overloaded database={} user={} server={} refused={}", target_.database_name, target_.user, target_.describe(),
               std::exchange(shed_since_, 0));
}

// A primary that is away is waited for.
bool Pool::leaves_alone() {
  return breaker != nullptr && !breaker->closed() && !held() && !is_gone(*this, view) && !breaker->admit(nanoseconds(worker_.reactor().now()));
}

bool Pool::is_left_alone() const {
  return breaker != nullptr && !breaker->may_admit(nanoseconds(worker_.reactor().now()));
}

Error Pool::breaker_error() const {
  const auto wait = std::chrono::nanoseconds(breaker->until_probe(nanoseconds(worker_.reactor().now())));
  return make_error(ErrorCode::kBreakerOpen, "server " + target_.describe() + " is left alone for a while: it does not answer as it should",
                    "Repeat it in " + std::to_string(std::chrono::duration_cast<milliseconds>(wait).count() + 1) +
                        " ms. SHOW BREAKERS on the admin console says more.",
                    "Its circuit breaker is open: too many connections failed, were lost, or did not answer in time.");
}

void Pool::note_failure(const Error& reason) {
  if (breaker != nullptr && is_sickness(reason) && !is_waited_for(target_)) breaker->failed(worker_.index(), nanoseconds(worker_.reactor().now()));
}

void Pool::note_success() {
  if (breaker != nullptr) breaker->succeeded(worker_.index(), nanoseconds(worker_.reactor().now()));
}

// All that was owed came.
void Pool::note_answer(ServerConn& conn) {
  if (conn.late_since == conn.owing_since) return;  // counted when it was late
  note_success();
}

void Pool::look_for_late(SteadyTime now) {
  if (breaker == nullptr) return;
  const std::int64_t limit = breaker->late_after();
  for (const auto& conn : conns_) {
    if (limit == 0 || conn->state() != ServerConn::State::kLinked || conn->pipeline.empty() || conn->late_since == conn->owing_since) continue;
    // A client that does not read, or does not send, is not the server's fault.
    if (conn->reading_paused() || conn->link.copy_in || conn->link.raw) continue;
    if (nanoseconds(now) - nanoseconds(std::max(conn->owing_since, conn->heard_at)) <= limit || !owes_an_answer(*conn)) continue;
    conn->late_since = conn->owing_since;
    breaker->failed(worker_.index(), nanoseconds(now));
  }
  const std::uint64_t opened = breaker->opened();
  if (std::exchange(opened_seen_, opened) == opened || waiters_.empty() || breaker->closed() || is_gone(*this, view)) return;
  // Whoever waited for this server hears of it now, as those who ask next.
  const Error reason = breaker_error();
  const auto refused = waiters_.take_all();
  publish_wait();
  for (PoolWaiter* waiter : refused) {
    waiter->waiting_in = nullptr;
    waiter->on_pool(nullptr, &reason);
  }
}

}  // namespace howdah::proxy
