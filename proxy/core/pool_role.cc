// A pool and the role of its server: clients of a primary that is down wait for it, those of one that is none any more are sent
// away, and a connection counts only when it leads to the shard's acting primary.
#include "proxy/core/database.h"
#include "proxy/core/pool.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

bool is_down(const Error& reason) { return reason.code == ErrorCode::kServerDown || reason.code == ErrorCode::kServerLost; }

}  // namespace

// Whatever was lost may be the first sign that the server is gone.
void Pool::note_lost(const ServerConn& conn, ServerConn::State before) {
  control::ShardRoles* roles = view == nullptr ? nullptr : view->roles();
  if (roles == nullptr || !target_.startup.empty()) return;
  const Error& reason = conn.lost_reason();
  const bool ended = reason.code == ErrorCode::kServerLost || reason.code == ErrorCode::kShuttingDown;
  if (before == ServerConn::State::kConnecting ? is_down(reason) : ended) roles->suspect(target_.server);
}

// While nobody knows whether this server is still the primary, no connection is made: it might be one to a server that is
// not, any more.
bool Pool::held() {
  if (target_.replica || view == nullptr || !target_.startup.empty()) return false;
  const control::ShardRoles* roles = view->roles();
  if (roles == nullptr || !roles->has_choice(target_.shard)) return false;
  if (roles->acting(target_.shard) == target_.server && roles->open(target_.shard)) return false;
  if (!outage_) note_outage(make_error(ErrorCode::kServerDown, "the primary of shard " + target_.shard_name + " is not available"));
  return true;
}

bool Pool::may_wait(const Error& reason) const {
  return !target_.replica && target_.startup.empty() && target_.patience.count() > 0 && is_down(reason);
}

void Pool::note_outage(Error reason) {
  if (target_.replica || !target_.startup.empty()) return;
  outage_ = std::make_unique<Outage>(Outage{std::move(reason)});
  if (!waiters_.empty() && !queue_timer_.armed()) queue_timer_.arm(worker_.reactor(), worker_.reactor().now() + milliseconds(100));
}

// A login that was under way while roles changed, or while the server was replaced.
std::optional<Error> Pool::refusal_of(const ServerConn& conn) {
  if (!target_.startup.empty() || view == nullptr) return std::nullopt;
  if (conn.as_replica != target_.replica) return make_error(ErrorCode::kServerDown, "the role of server " + target_.describe() + " has changed");
  control::ShardRoles* roles = view->roles();
  if (target_.replica || roles == nullptr || !roles->has_choice(target_.shard)) return std::nullopt;
  const std::uint32_t timeline = roles->timeline(target_.shard);
  if (roles->acting(target_.shard) == target_.server && roles->open(target_.shard) && (timeline == 0 || conn.timeline == timeline) &&
      conn.server_started == roles->started(target_.shard)) {
    return std::nullopt;
  }
  roles->suspect(target_.server);
  return make_error(ErrorCode::kServerDown, "server " + target_.describe() + " is not known to be the primary of shard " + target_.shard_name);
}

Error Pool::outage_error(SteadyTime waiting_since) const {
  Error error = outage_ ? outage_->reason : make_error(ErrorCode::kServerDown, "the primary of shard " + target_.shard_name + " is not available");
  error.code = ErrorCode::kServerDown;
  const auto waited = std::chrono::duration_cast<milliseconds>(worker_.reactor().now() - waiting_since).count();
  const control::ShardRoles* roles = view == nullptr ? nullptr : view->roles();
  const std::string why = roles == nullptr || roles->open(target_.shard) ? "" : roles->reason(target_.shard);
  error.detail = "waited " + std::to_string(waited) + " ms for the primary of shard " + target_.shard_name + " at " + target_.describe() +
                 (why.empty() ? "" : ": " + why);
  error.hint = "nothing of this statement has run: repeat it once the primary is back, or another server has been promoted";
  return error;
}

Error Pool::dispute_error() const {
  Error error = make_error(ErrorCode::kServerDown, "writes to shard " + target_.shard_name + " are stopped: two servers claim to be its primary",
                           "stop one of them, or make it a standby of the other; SHOW REPLICAS on the admin console lists them",
                           view->roles()->reason(target_.shard));
  error.sqlstate = "57P03";
  return error;
}

void Pool::end_overdue_waits() {
  const bool down = held() || outage_ != nullptr;
  if (down && view != nullptr && view->roles() != nullptr && view->roles()->disputed(target_.shard)) return cut(dispute_error());
  if (!down || target_.replica || target_.patience.count() == 0) return;
  const SteadyTime now = worker_.reactor().now();
  while (!waiters_.empty() && now - waiters_.front()->waiting_since >= target_.patience) {
    PoolWaiter* waiter = waiters_.pop_front();
    const Error reason = outage_error(waiter->waiting_since);
    publish_wait();
    waiter->waiting_in = nullptr;
    waiter->on_pool(nullptr, &reason);
  }
}

void Pool::cut(const Error& reason) {
  // First of all those who wait: a connection that is closed makes room, and they must not be served by a login here any more.
  auto sent_away = waiters_.take_all();
  sent_away.insert(sent_away.end(), held_.begin(), held_.end());
  held_.clear();
  close_all();
  const auto conns = conns_;
  for (const auto& conn : conns) {
    if (conn->state() == ServerConn::State::kLinked && !conn->lost() && !conn->as_replica) conn->fail(make_error(ErrorCode::kServerLost, reason.message, reason.hint, reason.detail));
  }
  publish_wait();
  outage_.reset();
  for (PoolWaiter* waiter : sent_away) {
    waiter->waiting_in = nullptr;
    waiter->on_pool(nullptr, &reason);
  }
}

void Pool::open_all() {
  const control::ShardRoles* roles = view == nullptr ? nullptr : view->roles();
  if (held() || (roles != nullptr && !roles->open(target_.shard))) return;
  // What is known against it stays known until a login succeeds: a postmaster that hangs leaves probes their old connections.
  last_failure_ = {};
  failing_ = false;
  while (connecting_ < waiters_.size() && budget_->try_take()) start_connection();
}

}  // namespace howdah::proxy
