// What a client may use up: the wait for a server connection, the time of statements, transactions and silence.
#include <algorithm>
#include <optional>

#include "drivers/pgwire/backend.h"
#include "proxy/core/deadlock_watch.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

// How long transactions wait for each other's connections before it is looked whether they ever can be served.
constexpr auto kDeadlockCheck = milliseconds(200);
// How long a client that sends no more is taken for one that still reads.
constexpr auto kHungUpGrace = seconds(1);

// Leaves the graph whichever way the wait ends.
class InWaitGraph {
 public:
  InWaitGraph(WaitGraph& graph, const void* key, Holder holder) : graph_(graph), key_(key) {
    graph_.enter(key_, std::move(holder));
  }
  InWaitGraph(const InWaitGraph&) = delete;
  InWaitGraph& operator=(const InWaitGraph&) = delete;
  ~InWaitGraph() { graph_.leave(key_); }

 private:
  WaitGraph& graph_;
  const void* key_;
};

}  // namespace

// REQUIRES: stands in `pool`'s queue. kOver: granted_, pool_error_, cancel_ or closing_ say how.
Task<Session::Waited> Session::wait_in_queue(Pool& pool) {
  net::Reactor& reactor = worker_.reactor();
  const SteadyTime since = reactor.now();
  const auto& config = worker_.config()->pool;
  const auto limit = wait_limit(pool);
  SteadyTime end = limit.count() > 0 ? since + limit : SteadyTime::max();
  if (!logged_in_) end = std::min(end, connected_ + worker_.config()->limits.login_timeout);
  SteadyTime notice = logged_in_ && config.wait_notice.count() > 0 ? since + config.wait_notice : SteadyTime::max();
  SteadyTime check = SteadyTime::max(), hung_up = SteadyTime::max();
  std::optional<InWaitGraph> entered;
  if (!links_.empty()) {
    Holder holder{&pool.budget(), {}, SteadyTime::max()};
    for (const ServerConn* conn : links_) {
      if (conn->lost()) continue;
      holder.holds.push_back(&conn->pool().budget());
      holder.since = std::min(holder.since, conn->linked_since);
    }
    entered.emplace(worker_.proxy().wait_graph(), this, std::move(holder));
    check = since + kDeadlockCheck;
  }
  Waited waited = Waited::kOver;
  for (;;) {
    const SteadyTime next = std::min({end, notice, check, hung_up});
    if (next != SteadyTime::max()) timer_.arm(reactor, next);
    while (granted_ == nullptr && !pool_error_ && !cancel_ && !timed_out_ && !deadlocked_ && !closing_) {
      if (client_hung_up_ && !committing_ && hung_up == SteadyTime::max()) {
        hung_up = reactor.now() + kHungUpGrace;
        timer_.arm(reactor, std::min({end, notice, check, hung_up}));
      }
      co_await suspend();
    }
    if (granted_ != nullptr || pool_error_ || cancel_ || closing_) break;
    const SteadyTime now = reactor.now();
    if (std::exchange(deadlocked_, false)) {
      waited = Waited::kDeadlock;
      break;
    }
    if (now >= hung_up) {
      close();  // nobody is left to wait for the answer
      break;
    }
    if (now >= end) {
      waited = Waited::kTimedOut;
      break;
    }
    timed_out_ = false;
    if (now >= notice) {
      notice = SteadyTime::max();
      tell_waiting(pool);
    }
    if (now >= check) {
      if (worker_.proxy().wait_graph().must_yield(this)) {
        waited = Waited::kDeadlock;
        break;
      }
      if (now >= since + kDeadlockTimeout) worker_.proxy().deadlocks().suspect(database_name());
      check = now + kDeadlockCheck;
    }
  }
  timer_.cancel();
  if (!logged_in_) timer_.arm(reactor, connected_ + worker_.config()->limits.login_timeout);
  entered.reset();
  const auto took = std::chrono::duration_cast<microseconds>(reactor.now() - since).count();
  pool.counters.wait_us += static_cast<std::uint64_t>(took);
  pool.counters.waits.note(took);
  deadlocked_ = false;
  co_return waited;
}

// 0: none.
milliseconds Session::wait_limit(const Pool& pool) const {
  const auto limit = pools_->limits.wait_timeout;
  if (!pool.queue.active() || !may_be_shed() || pool.outage() != nullptr) return limit;
  return limit.count() == 0 ? 2 * pool.queue.limit() : std::min(limit, 2 * pool.queue.limit());
}

Error Session::queue_error(Pool& pool, Waited waited) {
  if (pool_error_) {
    Error error = *pool_error_;
    // The client's own login was checked already: this is about the proxy and its server.
    if (error.code == ErrorCode::kTooManyClients || error.code == ErrorCode::kStaleMap) error.code = ErrorCode::kServerUnavailable;
    return error;
  }
  if (cancel_) return make_error(ErrorCode::kQueryCanceled, "canceling statement due to user request");
  if (waited == Waited::kDeadlock) {
    WorkerCounters::add(worker_.counters.deadlocks);
    return make_error(ErrorCode::kDeadlock, "deadlock detected",
                      "repeat the transaction; if this happens often, raise pool.size",
                      "transactions over several shards hold the server connections that they wait for from each other, at " +
                          pool.target().describe());
  }
  WorkerCounters::add(worker_.counters.wait_timeouts);
  if (pool.outage() != nullptr) return pool.outage_error(worker_.reactor().now() - pools_->limits.wait_timeout);
  return make_error(ErrorCode::kWaitTimeout, "no server connection became free in time",
                    "raise pool.size, shorten transactions, or raise pool.wait_timeout (and pool.queue_time)",
                    "waited " + std::to_string(wait_limit(pool).count()) + " ms for a connection to " +
                        pool.target().describe());
}

// This transaction gives up, so that others may end: its servers roll it back, and their connections are free at once,
// whenever the client sends its ROLLBACK.
void Session::give_way() {
  const auto links = links_;
  for (ServerConn* conn : links) {
    if (!conn->link.in_transaction || conn->link.pins.any() || conn->lost()) continue;
    conn->link.error_forwarded = true;  // the client hears of it now
    conn->fail(make_error(ErrorCode::kDeadlock, "deadlock detected"));
    release(*conn);
  }
}

void Session::tell_waiting(Pool& pool) {
  const std::string hint = "pool.size is " + std::to_string(pool.budget().limit.load()) + "; SHOW POOLS on the admin console says more";
  const std::string detail = "All connections to " + pool.target().describe() + " that this user may have are in use.";
  pgwire::ErrorFields fields;
  fields.severity = fields.localized_severity = "NOTICE";
  fields.sqlstate = "00000";
  fields.message = "waiting for a server connection";
  fields.detail = detail;
  fields.hint = hint;
  worker_.scratch.clear();
  pgwire::append_notice(worker_.scratch, fields);
  send(worker_.scratch);
  flush_client();
}

void Session::apply_limits() {
  if (!logged_in_ || pools_ == nullptr || deadlines_) return;
  const auto& limits = pools_->limits;
  if (limits.query_timeout.count() == 0 && limits.transaction_timeout.count() == 0) return;
  deadlines_ = std::make_unique<Deadlines>(*this, worker_.reactor());
}

// A statement is at work on a server. The transaction's time counts from its first one.
void Session::watch_deadlines() {
  if (committing_) return;
  if (deadlines_->begin_statement(pools_->limits.query_timeout)) {
    for (ServerConn* conn : links_) conn->link.timed_out = false;
  }
  deadlines_->begin_transaction(pools_->limits.transaction_timeout);
}

void Session::on_statement_timeout() {
  if (committing_ || closing_) return;
  WorkerCounters::add(worker_.counters.query_timeouts);
  for (ServerConn* conn : links_) {
    if (conn->link.owed == 0 || conn->lost()) continue;
    conn->link.timed_out = true;
    worker_.send_cancel(*conn);
  }
}

void Session::on_statement_stuck() {
  if (committing_ || closing_) return;
  const auto links = links_;
  for (ServerConn* conn : links) {
    if (conn->link.owed == 0 || conn->lost()) continue;
    conn->fail(make_error(ErrorCode::kQueryCanceled, "canceling statement due to statement timeout", "",
                          "the server did not react to the cancel request"));
  }
}

void Session::on_transaction_timeout() {
  if (committing_ || closing_) return;
  WorkerCounters::add(worker_.counters.transaction_timeouts);
  const bool between = std::none_of(links_.begin(), links_.end(), [](const ServerConn* conn) { return conn->mid_message(); });
  // In the middle of a row there is no room for another message.
  if (between) fatal(make_error(ErrorCode::kTransactionTimeout, "terminating connection due to transaction timeout"));
  close();
  task_.active() ? wake() : run();
}

void Session::arm_idle_timer() {
  const auto& limits = worker_.config()->limits;
  const auto idle = pools_ == nullptr ? limits.idle_timeout : pools_->limits.idle_timeout;
  const auto in_transaction = pools_ == nullptr ? limits.idle_in_transaction_timeout : pools_->limits.idle_in_transaction_timeout;
  const auto limit = tx_.active() ? in_transaction : idle;
  if (limit.count() > 0) timer_.arm(worker_.reactor(), worker_.reactor().now() + limit);
}

}  // namespace howdah::proxy
