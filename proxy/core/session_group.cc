// The messages between two Syncs: kept in order whoever answers them, and skipped together after an error.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;
namespace sql = sharding::sql;
using pgwire::OwedKind;

Extended& Session::ext() {
  if (!ext_) ext_ = std::make_unique<Extended>();
  return *ext_;
}

StatementPtr Session::find_statement(Bytes name) {
  if (name.empty()) return ext_->unnamed;
  const auto found = ext_->named.find(std::string(name));
  return found == ext_->named.end() ? nullptr : found->second;
}

Portal* Session::find_portal(Bytes name) {
  for (auto& portal : ext_->portals) {
    if (portal.name == name) return &portal;
  }
  // A cursor of DECLARE is a portal, too: only the server that may have it can say. It has no statement of ours.
  if (name.empty() || links_.size() != 1 || links_[0]->lost()) return nullptr;
  ext_->portals.push_back({.name = std::string(name), .plan = std::make_shared<const sql::Plan>(), .conn = links_[0]});
  return &ext_->portals.back();
}

void Session::drop_portals() { ext_->portals.clear(); }

Result<Session::PlanPtr> Session::plan_statement(Statement& statement) {
  if (statement.plan && statement.scope == scope()) return statement.plan;
  auto plan = plan_text(statement.text, statement.types);
  if (!plan) return plan.error();
  statement.plan = *plan;
  statement.slots = worker_.tokens.slots;
  statement.scope = scope();
  return *plan;
}

std::uint16_t Session::note_effect(PlanPtr plan, StatementPtr statement, std::string name) {
  auto& effects = ext_->effects;
  effects.push_back({.plan = std::move(plan), .statement = std::move(statement), .name = std::move(name)});
  return static_cast<std::uint16_t>(effects.size());
}

// A reply of the proxy's own, behind whatever is still owed.
void Session::fabricate(char type) {
  if (ext_->conn != nullptr && ext_->conn->link.owed > 0) {
    ext_->conn->owe({.kind = OwedKind::kFabricated, .fabricated = type, .owner = this});
  } else {
    const char message[] = {type, 0, 0, 0, 4};
    send(Bytes(message, sizeof message));
  }
}

// Makes sure that the server knows the statement; `forward`: the client awaits this ParseComplete.
void Session::ensure_parsed(ServerConn& conn, const StatementPtr& statement, bool forward, std::string name) {
  const bool known = statement->unnamed ? conn.statements.unnamed == statement->id : conn.statements.contains(statement->id);
  if (known) {
    if (forward) fabricate(pgwire::be::kParseComplete);
    return;
  }
  auto& out = worker_.scratch;
  out.clear();
  if (!statement->unnamed) {
    if (const std::uint64_t old = conn.statements.evict(conn.pool().prepared_limit)) {
      pgwire::append_close(out, 'S', Statement::server_name_of(old));
      const std::uint16_t effect = note_effect(nullptr, nullptr, {});
      ext_->effects[effect - 1u].evicted = old;
      conn.owe({.kind = OwedKind::kClose, .forward = false, .forward_error = false, .effect = effect, .owner = this});
    }
    conn.statements.add(statement->id);
  } else {
    conn.statements.unnamed = statement->id;
  }
  pgwire::append_parse(out, statement->server_name(), statement->text, statement->types);
  conn.owe({.kind = OwedKind::kParse, .forward = forward, .effect = note_effect(nullptr, statement, std::move(name)),
            .owner = this});
  conn.queue(out);
  conn.link.unsynced = true;
}

// The group's messages go to `conn` from here on; what was parsed before goes there first.
void Session::use(ServerConn& conn) {
  Extended& e = *ext_;
  if (e.conn != &conn) {
    e.conn = &conn;
    conn.link.error = conn.link.error_forwarded = conn.link.forwarded = false;
  }
  for (std::size_t i = 0; i < e.pending.size(); ++i) {
    if (proxy_knows(*e.pending[i])) {
      fabricate(pgwire::be::kParseComplete);
    } else {
      ensure_parsed(conn, e.pending[i], true, e.pending_names[i]);
    }
  }
  e.pending.clear();
  e.pending_names.clear();
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
  const bool all_known = std::all_of(e.pending.begin(), e.pending.end(), [&](const auto& s) { return proxy_knows(*s); });
  if (all_known) {
    for (std::size_t i = 0; i < e.pending.size(); ++i) fabricate(pgwire::be::kParseComplete);
    e.pending.clear();
    e.pending_names.clear();
    co_return true;
  }
  co_return co_await any_conn() != nullptr;
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
  co_return true;
}

// Waits until all that was sent has been answered.
Task<bool> Session::drain_group() {
  Extended& e = *ext_;
  if (e.conn != nullptr && e.conn->link.owed > 0) {
    worker_.scratch.clear();
    pgwire::append_flush(worker_.scratch);
    e.conn->queue(worker_.scratch);
    e.conn->flush();
    ServerConn& conn = *e.conn;
    co_await wait_owed(conn);
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
  Extended& e = *ext_;
  for (std::size_t i = 0; i < e.pending.size(); ++i) fabricate(pgwire::be::kParseComplete);
  e.pending.clear();
  e.pending_names.clear();
  if (!co_await drain_group()) co_return;
  fail_statement(error);
  e.failed = true;
  if (e.conn != nullptr && e.conn->link.unsynced && !e.conn->lost()) {
    // The server must undo what the group did so far, as PostgreSQL would: make it fail there, too.
    worker_.scratch.clear();
    pgwire::append_execute(worker_.scratch, "howdah: the group failed");
    e.conn->queue(worker_.scratch);
    e.conn->owe({.kind = OwedKind::kExecute, .forward = false, .forward_error = false, .owner = this});
  }
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
  e.failed = e.active = false;
  e.conn = nullptr;
  e.pending.clear();
  e.pending_names.clear();
  e.effects.clear();
  if (!tx_.active()) {
    e.portals.clear();
    for (ServerConn* conn : links_) conn->link.wrote = false;
  }
}

}  // namespace howdah::proxy
