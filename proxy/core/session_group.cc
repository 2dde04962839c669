// The messages between two Syncs: kept in order whoever answers them, and skipped together after an error.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;
namespace sql = sharding::sql;
using pgwire::OwedKind;

namespace {

constexpr std::size_t kKeptEffects = 1024;

}  // namespace

// The group's messages go to `conn` from here on; what was parsed before goes there first.
void Session::use(ServerConn& conn) {
  Extended& e = *ext_;
  if (e.conn != &conn) {
    e.conn = &conn;
    conn.link.error = conn.link.error_forwarded = conn.link.forwarded = false;
  }
  for (auto& parsed : e.pending) {
    const bool knows = proxy_knows(*parsed.statement);
    auto& made = e.effects.emplace_back();
    made.kind = Extended::Effect::Kind::kParse;
    made.statement = parsed.statement;
    made.before = std::move(parsed.before);
    made.name = std::move(parsed.name);
    const auto effect = static_cast<std::uint16_t>(e.effects.size());
    if (knows) {
      fabricate(pgwire::be::kParseComplete, effect);
    } else {
      ensure_parsed(conn, parsed.statement, effect);
    }
  }
  e.pending.clear();
}

// Parsed, but skipped before any server was asked.
void Session::undo_pending() {
  Extended& e = *ext_;
  for (; !e.pending.empty(); e.pending.pop_back()) undo_parse(e.pending.back().name, e.pending.back().before);
}

// True for a statement whose Parse needs no server: the proxy's own, or one that a server has accepted already.
bool Session::proxy_knows(const Statement& statement) {
  if (statement.plan && !statement.plan->statements.empty() && proxy_handles(statement.plan->statements[0])) return true;
  return !statement.unnamed && statement.verified_scope == statement.scope && statement.scope != 0;
}

// Answers for statements parsed but sent nowhere yet. False: it failed, and the client was told.
Task<bool> Session::settle_pending() {
  Extended& e = *ext_;
  if (e.pending.empty()) co_return true;
  const bool all_known =
      std::all_of(e.pending.begin(), e.pending.end(), [&](const auto& parsed) { return proxy_knows(*parsed.statement); });
  if (!all_known) co_return co_await any_conn() != nullptr;
  if (e.conn != nullptr) {
    use(*e.conn);
  } else {
    for (std::size_t i = 0; i < e.pending.size(); ++i) fabricate(pgwire::be::kParseComplete);
    ++e.repeat.messages;  // nothing remembers how to undo it
    e.pending.clear();
  }
  co_return true;
}

// The group's connection, or one that can answer about any statement. Null: the client was told.
Task<ServerConn*> Session::any_conn() {
  Extended& e = *ext_;
  if (e.conn == nullptr) {
    Plan plan;
    plan.where = sql::Where::kHome;
    plan.writes = false;
    const sharding::Route route{sharding::Route::Kind::kHome, ShardId(0)};
    ServerConn* conn = co_await link(shard_for(route, plan), plan);
    if (conn == nullptr) {
      e.failed = true;
      undo_pending();
      co_return nullptr;
    }
    use(*conn);
  } else {
    use(*e.conn);
  }
  co_return e.conn;
}

// Notes are numbered with 16 bits: a group of very many messages is answered in parts.
Task<bool> Session::bound_effects() {
  if (ext_->effects.size() < 0x8000) co_return true;
  if (!co_await drain_group()) co_return false;
  ext_->effects.clear();
  ext_->replaced.clear();
  co_return true;
}

// Hands what is queued to the server; kept while it might have to be sent again.
void Session::flush_group(ServerConn& conn) {
  auto& risk = ext_->risk;
  if (risk.client != nullptr && risk.uses == 1) {
    conn.flush_into(risk.sent);
  } else {
    conn.flush();
  }
}

// A group longer than a buffer is handed on piece by piece, no faster than the server takes it.
Task<> Session::relieve_group() {
  ServerConn& conn = *ext_->conn;
  flush_group(conn);
  while (conn.congested() && !conn.lost() && !closing_) co_await suspend();
}

// Waits until all that was sent has been answered.
Task<bool> Session::drain_group() {
  Extended& e = *ext_;
  if (e.conn != nullptr && e.conn->link.owed > 0) {
    worker_.scratch.clear();
    pgwire::append_flush(worker_.scratch);
    e.conn->queue(worker_.scratch);
    ServerConn& conn = *e.conn;
    flush_group(conn);
    co_await wait_owed(conn);
    if (e.risk.stale && !closing_) co_await heal(conn, false);
    if (conn.lost() && !closing_ && !e.failed) {
      if (!conn.link.error_forwarded) send_lost(conn);
      if (tx_.active()) tx_.failed = true;
      e.failed = true;
    }
  }
  co_return !closing_ && !e.failed;
}

// An error of the proxy's own at this place in the order; messages up to Sync are skipped.
Task<> Session::fail_group(Error error) {
  if (!co_await settle_pending() || !co_await drain_group()) co_return;  // PostgreSQL would have failed there already
  fail_statement(error);
  ext_->failed = true;
  if (ext_->conn == nullptr && tx_.active() && links_.size() == 1 && links_[0]->link.in_transaction && !links_[0]->lost()) {
    use(*links_[0]);
    links_[0]->link.unsynced = true;
  }
  spoil_group();
}

// The server must undo what the group did so far, as PostgreSQL would: it is made to fail there, too.
void Session::spoil_group() {
  Extended& e = *ext_;
  if (e.conn == nullptr || !e.conn->link.unsynced || e.conn->lost()) return;
  worker_.scratch.clear();
  pgwire::append_execute(worker_.scratch, "howdah: the group failed");
  e.conn->queue(worker_.scratch);
  e.conn->owe({.kind = OwedKind::kExecute, .forward = false, .forward_error = false, .owner = this});
}

// Ends what was sent to the group's connection, so that another one can go on. Outside a transaction that is only the
// same thing when nothing was written there.
Task<bool> Session::leave_group_conn() {
  Extended& e = *ext_;
  if (e.conn == nullptr) co_return true;
  if (!co_await drain_group()) co_return false;
  ServerConn& conn = *e.conn;
  if (!tx_.active() && conn.link.executed && conn.link.wrote) {
    co_await fail_group(make_error(ErrorCode::kUnsupported, "writes on several shards between two Syncs",
                                   "put them between BEGIN and COMMIT",
                                   "the first write went to another shard outside a transaction block"));
    co_return false;
  }
  if (conn.link.unsynced) {
    worker_.scratch.clear();
    pgwire::append_sync(worker_.scratch);
    conn.queue(worker_.scratch);
    conn.owe({.kind = OwedKind::kSync, .forward = false, .owner = this});
    conn.flush();
    if (!co_await wait_owed(conn)) {
      if (closing_) co_return false;
      if (conn.lost()) send_lost(conn);
      if (tx_.active()) tx_.failed = true;
      e.failed = true;
      co_return false;
    }
    end_group_settings(false);
  }
  e.conn = nullptr;
  e.risk.uses += 2;
  ++e.repeat.messages;  // half of it was answered by another server
  co_return true;
}

// Whether another Bind may follow before Sync: one has arrived already, or the Sync has not.
bool Session::more_binds_may_follow() const {
  Bytes rest = in_.view().substr(message_size_);
  pgwire::Header header;
  while (pgwire::peek_header(rest, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk) {
    if (header.type == fe::kBind) return true;
    if (header.type == fe::kSync) return false;
    if (header.total > rest.size()) return true;
    rest.remove_prefix(header.total);
  }
  return true;
}

void Session::end_group() {
  Extended& e = *ext_;
  undo_pending();
  e.failed = e.active = e.ran = false;
  e.repeat = {.times = e.repeat.times};
  e.unanswered.reset();
  e.conn = nullptr;
  e.effects.clear();
  e.replaced.clear();
  e.replaced_by_bind = false;
  if (e.effects.capacity() > kKeptEffects) e.effects.shrink_to_fit();
  e.risk.clear();
  if (!tx_.active()) {
    e.portals.clear();
    e.local_scope = 0;
    for (ServerConn* conn : links_) conn->link.wrote = false;
  }
}

}  // namespace howdah::proxy
