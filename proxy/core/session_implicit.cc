// The implicit transaction that the messages since the last Sync run in, outside of BEGIN and COMMIT: transaction control
// and simple queries in the midst of it act on what was done before, as in PostgreSQL.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/extended_rules.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;
using sql::Verb;

// Whether a server holds work of this group that no Sync has ended, outside a transaction block.
bool Session::loose_group() const {
  return !tx_.active() && ext_ && ext_->conn != nullptr && ext_->conn->link.unsynced && !ext_->conn->lost();
}

// Transaction control behind unsynced work. False: the client has its error. REQUIRES: loose_group(), nothing owed.
Task<bool> Session::control_loose_group(const Plan& plan, std::string text) {
  Extended& e = *ext_;
  ServerConn& conn = *e.conn;
  e.risk.uses += 2;
  if (plan.verb == Verb::kBegin) {
    // The work so far becomes part of the block; reads on a replica may as well be over.
    if (conn.link.replica) {
      if (!co_await leave_group_conn()) co_return false;
      co_return co_await run_in_proxy(plan, text);
    }
    // The server's own BEGIN: it knows what the group has made impossible, such as another isolation level.
    const bool ok = co_await relay(conn, std::string_view(text).substr(plan.begin, plan.end - plan.begin));
    if (closing_) co_return false;
    if (conn.lost()) {
      if (!conn.link.error_forwarded) send_lost(conn);
      co_return false;
    }
    if (!ok) {
      conn.link.unsynced = conn.link.executed = conn.link.wrote = false;
      co_return false;
    }
    tx_.kind = Transaction::Kind::kExplicit;
    tx_.options = plan.transaction;
    tx_.settings_at_begin = group_settings_ ? group_settings_ : settings_;
    if (!group_settings_) conn.link.settings_at_begin = conn.settings;
    group_settings_.reset();
    conn.link.in_transaction = true;
    conn.link.replayed_at_join = 0;
    co_return true;
  }
  const bool ends = (plan.verb == Verb::kCommit || plan.verb == Verb::kRollback) && !plan.transaction.chain;
  if (!ends) co_return co_await run_in_proxy(plan, text);
  // PostgreSQL warns that there is no transaction block, and ends the implicit transaction all the same.
  const bool ok = co_await relay(conn, std::string_view(text).substr(plan.begin, plan.end - plan.begin));
  if (closing_) co_return false;
  if (conn.lost()) {
    if (!conn.link.error_forwarded) send_lost(conn);
    co_return false;
  }
  conn.link.unsynced = conn.link.executed = conn.link.wrote = false;
  note_done(conn, Plan{});
  end_group_settings(!ok || plan.verb == Verb::kRollback);
  e.portals.clear();
  e.local_scope = 0;
  e.conn = nullptr;
  co_return ok;
}

// From here to Sync, what this group does on several shards is one transaction, committed there.
void Session::begin_implicit() {
  tx_.kind = Transaction::Kind::kImplicit;
  tx_.settings_at_begin = settings_;
}

// Before a simple query (or a function call: `plan` null) behind unsynced work, which it ends and shares its fate with.
// False: it was answered. REQUIRES: nothing owed.
Task<bool> Session::query_amid_group(const sql::Plan* plan, Bytes text) {
  Extended& e = *ext_;
  if (!loose_group()) co_return true;
  ServerConn& conn = *e.conn;
  const bool sharded = pools_->database->sharded();
  if (plan != nullptr) {
    const auto& statements = plan->statements;
    if (statements.size() == 1 && is_transaction_control(statements[0].verb)) {
      if (!co_await control_loose_group(statements[0], std::string(text))) statement_failed_ = true;
      co_return false;
    }
    const bool control = std::any_of(statements.begin(), statements.end(),
                                     [&](const auto& statement) { return is_transaction_control(statement.verb); });
    if (control && conn.link.executed) {
      fail_statement(make_error(ErrorCode::kUnsupported,
                                "transaction control in a string of statements behind messages without Sync is not supported",
                                "send Sync first"));
      co_return false;
    }
    if (!control && !sharded && !conn.link.replica) co_return true;
  } else if (!conn.link.replica) {
    co_return true;
  }
  // Elsewhere: exact only where nothing was written, which leaving checks.
  if (!co_await leave_group_conn()) {
    statement_failed_ = true;
    co_return false;
  }
  if (conn.link.replica) release(conn);
  co_return true;
}

// A transaction that failed by an error of the proxy's fails on a server, too, so that PostgreSQL can say what it says of a
// text that may be no statement at all. With one shard only. False: there is no such server, or the client was told.
Task<bool> Session::fail_on_server() {
  if (pools_->database->sharded() || links_.size() > 1 || (!links_.empty() && links_[0]->lost())) co_return false;
  Plan anywhere;
  anywhere.where = sql::Where::kHome;
  ServerConn* conn = co_await link(ShardId(0), anywhere);
  if (conn == nullptr) co_return false;
  if (conn->tx_status != pgwire::TxStatus::kFailed) co_await own_query_quietly(*conn, "howdah: the transaction failed");
  co_return !closing_ && !conn->lost();
}

// The query is the group's Sync as well.
Task<> Session::end_query_amid_group() {
  Extended& e = *ext_;
  if (statement_failed_) e.failed = true;
  if (ServerConn* conn = e.conn; conn != nullptr && conn->link.unsynced && !conn->lost()) {
    if (statement_failed_) spoil_group();
    worker_.scratch.clear();
    pgwire::append_sync(worker_.scratch);
    conn->queue(worker_.scratch);
    conn->owe({.kind = OwedKind::kSync, .forward = false, .forward_status = true, .owner = this});
    conn->flush();
    co_await wait_owed(*conn);
  }
  if (closing_) co_return;
  if (tx_.kind == Transaction::Kind::kImplicit && !co_await end_implicit(e.failed)) e.failed = true;
  if (closing_) co_return;
  end_group_settings(e.failed);
  end_group();
}

}  // namespace howdah::proxy
