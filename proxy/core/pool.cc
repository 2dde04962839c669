#include "proxy/core/pool.h"

#include <algorithm>

#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

std::int64_t nanoseconds(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::uint64_t elapsed_us(SteadyTime from, SteadyTime to) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(to - from).count());
}

// A server that is starting up or out of slots will take the login later; others will not.
bool worth_waiting(const Error& reason) {
  return reason.code == ErrorCode::kTooManyClients || reason.code == ErrorCode::kStaleMap || reason.sqlstate == "57P03";
}

// How often a queue looks for another way to be served, and how long it leaves a server alone that refused a login.
constexpr auto kQueueTick = milliseconds(100);
constexpr auto kLoginPause = milliseconds(200);
// An idle connection that was used a moment ago will be used again.
constexpr auto kSurplus = milliseconds(50);
constexpr std::size_t kAskAtOnce = 4;

}  // namespace

Pool::Pool(Worker& worker, ServerTarget target, std::shared_ptr<Budget> budget)
    : worker_(worker), target_(std::move(target)), budget_(std::move(budget)), queue_timer_(*this) {
  budget_->pools[worker_.index()].store(this);
}

Pool::~Pool() {
  budget_->pools[worker_.index()].store(nullptr);
  for (std::size_t i = 0; i < conns_.size(); ++i) budget_->caps.give_back(*budget_);
}

ServerConn* Pool::acquire(PoolWaiter& waiter) {
  if (!idle_.empty() && waiters_.empty()) {
    ServerConn* conn = idle_.back();
    idle_.pop_back();
    counters.waits.note(0);
    return conn;
  }
  waiter.waiting_in = this;
  waiter.waiting_since = worker_.reactor().now();
  if (paused_ && !waiter.passes_pause()) {
    held_.push_back(&waiter);
    return nullptr;
  }
  if (!queue.active()) {
    waiters_.push_back(waiter);
  } else if (!enter_queue(waiter)) {
    return nullptr;
  }
  publish_wait();
  if (!queue_timer_.armed()) queue_timer_.arm(worker_.reactor(), waiter.waiting_since + kQueueTick);
  if (connecting_ < waiters_.size() && !held()) {
    if (budget_->try_take()) {
      start_connection();
    } else {
      // Other pools may hold idle connections under a limit that is shared: each asking frees one. A long queue is served
      // by what comes back, and by on_timer().
      if (waiters_.size() <= kAskAtOnce && !budget_->spent()) worker_.ask_rivals(*budget_);
      // Other workers may hold idle connections of this budget.
      for (std::size_t i = 0; i < worker_.count(); ++i) {
        if (i != worker_.index()) worker_.post_to(i, [budget = budget_, i] {
          if (Pool* other = budget->pools[i].load()) other->feed_others();
        });
      }
    }
  }
  return nullptr;
}

void Pool::give_up(PoolWaiter& waiter) {
  if (waiter.waiting_in != this) return;
  waiter.waiting_in = nullptr;
  waiters_.erase(waiter);
  std::erase(held_, &waiter);
  publish_wait();
}

void Pool::publish_wait() {
  auto& mine = budget_->oldest_wait[worker_.index()];
  const std::int64_t now = waiters_.empty() ? 0 : nanoseconds(waiters_.front()->waiting_since);
  const std::int64_t before = mine.exchange(now);
  if ((before == 0) != (now == 0)) now == 0 ? budget_->hungry.fetch_sub(1) : budget_->hungry.fetch_add(1);
}

void Pool::grant(ServerConn& conn) {
  PoolWaiter* waiter = waiters_.pop_front();
  if (queue.active()) queue.served(worker_.reactor().now());
  waiter->waiting_in = nullptr;
  publish_wait();
  conn.set_state(ServerConn::State::kLinked);
  waiter->on_pool(&conn, nullptr);
}

void Pool::release(ServerConn& conn) {
  const bool unclean = conn.link.unclean || conn.link.pins.any() || conn.listens;
  // A library that was loaded stays: https://www.postgresql.org/docs/15/sql-load.html
  const bool spoiled = conn.link.pins.has(sharding::sql::PinReason::kLoad);
  const bool clean = conn.clean();  // before unlink() forgets what was left unsynced
  if (breaker != nullptr && conn.lost()) note_failure(conn.lost_reason());
  conn.unlink();
  const auto now = worker_.reactor().now();
  counters.busy_us += elapsed_us(conn.linked_since, now);
  const bool old = target_.lifetime.count() > 0 && now - conn.created > target_.lifetime;
  // A reload may have made the pool smaller; and the reserve is there for those who wait only.
  const auto used = budget_->used.load(std::memory_order_relaxed);
  const auto limit = budget_->limit.load(std::memory_order_relaxed);
  const bool too_many = used > limit && (waiters_.empty() || used > limit + budget_->reserve.load(std::memory_order_relaxed));
  if (!clean || spoiled || old || too_many || conn.recycle || conn.close_needed || worker_.draining()) {
    if (!conn.lost()) conn.set_state(ServerConn::State::kIdle);
    return forget(conn);
  }
  conn.last_used = now;
  conn.reset_needed = unclean;
  conn.cancel_again = false;
  if (conn.cancels_in_flight > 0) {
    // A cancel on its way would hit the next client: the connection waits for its end (see on_cancels_done).
    conn.awaits_cancel = true;
    return;
  }
  if (unclean) return reset_.begin(conn, ConnectionReset::Depth::kFull);
  make_available(conn);
}

void Pool::on_cancels_done(ServerConn& conn) {
  if (!conn.awaits_cancel) conn.cancels_over();
  if (!conn.awaits_cancel || conn.lost()) return;
  conn.awaits_cancel = false;
  if (conn.recycle) {
    conn.set_state(ServerConn::State::kIdle);
    return forget(conn);
  }
  // One empty round trip takes up a signal that was sent but not yet delivered.
  reset_.begin(conn, conn.reset_needed ? ConnectionReset::Depth::kFull : ConnectionReset::Depth::kEmpty);
}

void Pool::on_reset(ServerConn& conn, bool ok) {
  conn.unlink();
  if (ok && conn.clean() && !conn.close_needed) return make_available(conn);
  if (!conn.lost()) conn.set_state(ServerConn::State::kIdle);
  forget(conn);
}

void Pool::make_available(ServerConn& conn) {
  conn.set_state(ServerConn::State::kIdle);
  if (budget_->caps.pressed() && yield(conn, false)) return;
  if (feed_hungriest(conn)) return;
  if (!waiters_.empty()) return grant(conn);
  idle_.push_back(&conn);
}

// Gives the connection's place to another pool that deserves it more.
bool Pool::yield(ServerConn& conn, bool surplus) {
  auto next = budget_->caps.transfer(*budget_, surplus, worker_.reactor().now());
  if (next == nullptr) return false;
  close(conn);
  worker_.post_to_hungriest(std::move(next), true);
  return true;
}

void Pool::yield_idle() {
  if (idle_.empty() || !budget_->caps.pressed()) return;
  ServerConn* conn = idle_.front();
  idle_.erase(idle_.begin());
  if (!yield(*conn, worker_.reactor().now() - conn->last_used >= kSurplus)) idle_.insert(idle_.begin(), conn);
}

void Pool::start_in_place() {
  if (connecting_ < waiters_.size() && !held()) return start_connection();
  // Whoever waited has been served, or has left.
  worker_.give_back(*budget_);
}

// Hands `conn` to another worker whose first client waits longer than ours.
bool Pool::feed_hungriest(ServerConn& conn) {
  if (budget_->hungry.load(std::memory_order_relaxed) == 0) return false;
  std::size_t hungriest = worker_.index();
  std::int64_t since = waiters_.empty() ? INT64_MAX : nanoseconds(waiters_.front()->waiting_since);
  for (std::size_t i = 0; i < worker_.count(); ++i) {
    const auto theirs = budget_->oldest_wait[i].load(std::memory_order_relaxed);
    if (i != worker_.index() && theirs != 0 && theirs < since) {
      hungriest = i;
      since = theirs;
    }
  }
  if (hungriest == worker_.index()) return false;
  // Not at once: the connection's own calls may be on the stack, and must end before another thread has it.
  if (auto moved = take(conn)) worker_.hand_over(hungriest, std::move(moved), budget_);
  return true;
}

void Pool::adopt(std::shared_ptr<ServerConn> conn) {
  ServerConn& adopted = *conn;
  conns_.push_back(std::move(conn));
  adopted.set_state(ServerConn::State::kIdle);
  adopted.attach(*this, worker_.reactor());
  if (adopted.lost()) return;
  if (refusal_of(adopted)) return forget(adopted);  // roles changed while it was on its way
  adopted.close_needed = adopted.close_needed || paused_;
  if (!waiters_.empty()) return grant(adopted);
  if (adopted.close_needed) return forget(adopted);
  if (feed_hungriest(adopted)) return;
  idle_.push_back(&adopted);
}

void Pool::feed_others() {
  while (!idle_.empty() && waiters_.empty()) {
    ServerConn* conn = idle_.front();
    idle_.erase(idle_.begin());
    if (!feed_hungriest(*conn)) {
      idle_.push_back(conn);
      return;
    }
    // One connection per call: the worker that waits asks again for each further client.
    return;
  }
}

void Pool::retry() {
  if (connecting_ >= waiters_.size()) return;
  const SteadyTime now = worker_.reactor().now();
  if (now - last_failure_ < kLoginPause || held()) return;
  if (failing_ && !worker_.may_repeat()) return;
  auto most = budget_->limit.load(std::memory_order_relaxed);
  const auto reserve = budget_->reserve.load(std::memory_order_relaxed);
  if (reserve > 0 && now - waiters_.front()->waiting_since >= target_.reserve_timeout) most += reserve;
  if (budget_->try_take(most)) return start_connection();
  if (!budget_->spent()) worker_.ask_rivals(*budget_);
}

void Pool::on_timer() {
  if (waiters_.empty()) return;
  end_overdue_waits();
  retry();
  if (!waiters_.empty()) queue_timer_.arm(worker_.reactor(), worker_.reactor().now() + kQueueTick);
}

void Pool::fill() {
  const auto least = std::min(budget_->minimum.load(std::memory_order_relaxed), budget_->limit.load(std::memory_order_relaxed));
  if (paused_ || worker_.reactor().now() - last_failure_ < kLoginPause || held()) return;
  while (budget_->used.load(std::memory_order_relaxed) < least && budget_->try_take(least)) start_connection();
}

void Pool::start_connection() {
  auto conn = std::make_shared<ServerConn>(*this, worker_.reactor());
  conn->id = worker_.next_server_id();
  conns_.push_back(conn);
  ++connecting_;
  ++counters.connects;
  conn->connect();
}

void Pool::on_connected(ServerConn& conn) {
  --connecting_;
  if (auto refused = refusal_of(conn)) {
    note_outage(std::move(*refused));
    return forget(conn);
  }
  failing_ = false;
  note_success();
  outage_.reset();
  conn.close_needed = conn.close_needed || paused_;
  if (conn.close_needed && waiters_.empty()) return forget(conn);
  if (feed_hungriest(conn)) return;
  if (!waiters_.empty()) return grant(conn);
  idle_.push_back(&conn);
}

void Pool::on_lost(ServerConn& conn, ServerConn::State before) {
  const Error reason = conn.lost_reason();
  if (before == ServerConn::State::kIdle) std::erase(idle_, &conn);
  if (before == ServerConn::State::kConnecting) {
    --connecting_;
    ++counters.failures;
    last_failure_ = worker_.reactor().now();
    failing_ = true;
    note_failure(reason);
  }
  forget(conn);
  if (before != ServerConn::State::kConnecting || waiters_.empty()) return;
  if (may_wait(reason)) return note_outage(reason);
  if (worth_waiting(reason) && target_.startup.empty()) {
    // Whoever waits is served by the connections that exist or by a later login, or gives up at its own timeout.
    if (reason.code == ErrorCode::kStaleMap) worker_.refresh_map(target_.database_name);
    return;
  }
  const auto failed = waiters_.take_all();
  publish_wait();
  for (PoolWaiter* waiter : failed) {
    waiter->waiting_in = nullptr;
    waiter->on_pool(nullptr, &reason);
  }
}

std::uint64_t Pool::map_epoch() {
  if (view == nullptr) return 0;
  view->refresh();
  return view->snapshot().map->epoch().value();
}

const schema::ObjectIds* Pool::object_ids() {
  if (view == nullptr || target_.shard.value() == 0 || !view->sharded()) return nullptr;
  view->refresh();
  const auto& ids = view->snapshot().ids;
  return ids == nullptr ? nullptr : (*ids)[target_.shard.value()].get();
}

std::shared_ptr<ServerConn> Pool::take(ServerConn& conn) {
  auto at = std::find_if(conns_.begin(), conns_.end(), [&](const auto& owned) { return owned.get() == &conn; });
  if (at == conns_.end()) return nullptr;
  std::shared_ptr<ServerConn> taken = std::move(*at);
  *at = std::move(conns_.back());
  conns_.pop_back();
  return taken;
}

// Out of the pool and closed; destroyed once no call of its own is on the stack.
void Pool::close(ServerConn& conn) {
  conn.retire();
  if (auto taken = take(conn)) worker_.bury(std::move(taken));
}

void Pool::forget(ServerConn& conn) {
  conn.retire();
  auto taken = take(conn);
  if (taken == nullptr) return;
  worker_.bury(std::move(taken));
  worker_.give_back(*budget_);
  if (!waiters_.empty()) retry();
  if (budget_->hungry.load(std::memory_order_relaxed) == 0) return;
  for (std::size_t i = 0; i < worker_.count(); ++i) {
    if (i == worker_.index() || budget_->oldest_wait[i].load(std::memory_order_relaxed) == 0) continue;
    worker_.post_to(i, [budget = budget_, i] {
      if (Pool* other = budget->pools[i].load()) other->retry();
    });
  }
}

void Pool::sweep(SteadyTime now, bool everything) {
  note_calm(now);
  std::vector<ServerConn*> old;
  for (ServerConn* conn : idle_) {
    const bool idle_long = target_.idle_timeout.count() > 0 && now - conn->last_used > target_.idle_timeout;
    const bool lived_long = target_.lifetime.count() > 0 && now - conn->created > target_.lifetime;
    const bool too_many = budget_->used.load() > budget_->limit.load() + old.size();
    const bool needed = budget_->used.load() <= budget_->minimum.load() + old.size();
    if (everything || lived_long || too_many || (idle_long && !needed)) old.push_back(conn);
  }
  for (ServerConn* conn : old) {
    std::erase(idle_, conn);
    forget(*conn);
  }
}

void Pool::reconfigure(const ServerTarget& target) {
  const bool elsewhere = target.password != target_.password;
  target_ = target;
  if (elsewhere) scram_keys.reset();
}

void Pool::pause() {
  paused_ = true;
  for (PoolWaiter* waiter : waiters_.take_all()) {
    if (waiter->passes_pause()) {
      waiters_.push_back(*waiter);
    } else {
      held_.push_back(waiter);
    }
  }
  publish_wait();
  close_all();
}

void Pool::resume() {
  if (!paused_) return;
  paused_ = false;
  // Who is in waiters_ now passed the pause: in the middle of something, and so first.
  for (PoolWaiter* waiter : std::exchange(held_, {})) waiters_.push_back(*waiter);
  publish_wait();
  while (connecting_ < waiters_.size() && !held() && budget_->try_take()) start_connection();
  if (!waiters_.empty() && !queue_timer_.armed()) queue_timer_.arm(worker_.reactor(), worker_.reactor().now() + kQueueTick);
}

void Pool::close_all() {
  for (const auto& conn : conns_) conn->close_needed = true;
  const auto idle = std::exchange(idle_, {});
  for (ServerConn* conn : idle) forget(*conn);
}

std::size_t Pool::closing() const {
  return static_cast<std::size_t>(std::count_if(conns_.begin(), conns_.end(), [](const auto& conn) { return conn->close_needed; }));
}

}  // namespace howdah::proxy
