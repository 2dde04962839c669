// A session as part of a deadlock over several shards: see deadlock_watch.h.
#include <algorithm>

#include "proxy/core/errors.h"
#include "proxy/core/lock_graph.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

const std::string& Session::database_name() const { return pools_->database->config().name; }

bool Session::waits_for_server(SteadyTime since) const {
  if (request_at_ > since || committing_) return false;
  return std::any_of(links_.begin(), links_.end(), [](const ServerConn* conn) { return conn->link.owed > 0; });
}

std::optional<LockHolder> Session::lock_holder(const std::string& database) const {
  if (links_.empty() || pools_ == nullptr || closing_ || database_name() != database) return std::nullopt;
  LockHolder holder;
  holder.client = pid_;
  holder.request = request_at_;
  holder.since = SteadyTime::max();
  if (waiting_in != nullptr) {
    holder.wants = &waiting_in->budget();
    holder.queued = waiting_since;
  }
  for (const ServerConn* conn : links_) {
    if (conn->lost()) continue;
    holder.links.push_back({conn->pool().target().shard, conn->link.replica ? 0 : conn->backend_pid, &conn->pool().budget(), conn->link.owed > 0});
    holder.since = std::min(holder.since, conn->linked_since);
  }
  // Whoever holds one connection and waits for no other is its server's to judge.
  holder.may_yield = !committing_ && tx_.active() && holder.links.size() + (waiting_in != nullptr ? 1 : 0) > 1;
  return holder;
}

// Still in the wait that `as` tells of: this transaction gives up. Its servers roll it back at once, whenever the client
// sends its ROLLBACK.
void Session::end_deadlock(const LockHolder& as) {
  const auto now = lock_holder(database_name());
  if (!now || !now->may_yield || now->request != as.request || now->queued != as.queued || now->wants != as.wants || now->links != as.links) return;
  if (waiting_in != nullptr) {
    deadlocked_ = true;
    return wake();
  }
  WorkerCounters::add(worker_.counters.deadlocks);
  const auto links = links_;
  for (ServerConn* conn : links) {
    if (conn->lost()) continue;
    if (conn->link.owed > 0) {
      conn->link.deadlocked = true;
      worker_.send_cancel(*conn);
    } else if (tx_.explicit_block() && conn->link.in_transaction && !conn->link.pins.any()) {
      conn->link.error_forwarded = true;  // the client hears of it from the one that waits
      conn->fail(make_error(ErrorCode::kDeadlock, "deadlock detected"));
    }
  }
}

}  // namespace howdah::proxy
