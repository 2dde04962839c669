// The extended query protocol's messages, one function each.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;
using sql::Verb;

namespace {

// A body that should begin with `strings` strings, then hold at least `more` bytes: in PostgreSQL's words.
Error malformed(Bytes body, int strings, std::size_t more = 0) {
  for (int i = 0; i < strings; ++i) {
    const auto end = body.find('\0');
    if (end == Bytes::npos) return make_error(ErrorCode::kProtocolViolation, "invalid string in message");
    body.remove_prefix(end + 1);
  }
  return make_error(ErrorCode::kProtocolViolation,
                    body.size() < more ? "insufficient data left in message" : "invalid message format");
}

// As malformed(), for a kind and a name: the kind is looked at last.
Error malformed_target(Bytes body, const char* message) {
  const Bytes name = body.substr(std::min<std::size_t>(1, body.size()));
  if (name.find('\0') + 1 != name.size() || name.empty()) return malformed(name, 1);
  return make_error(ErrorCode::kProtocolViolation, std::string("invalid ") + message + " message subtype " +
                                                       std::to_string(static_cast<unsigned char>(body[0])));
}

Error no_statement(Bytes name) {
  return make_error(ErrorCode::kUnknownStatement,
                    name.empty() ? std::string("unnamed prepared statement does not exist")
                                 : "prepared statement \"" + std::string(name) + "\" does not exist");
}

Error no_portal(Bytes name) {
  return make_error(ErrorCode::kUnknownCursor, "portal \"" + std::string(name) + "\" does not exist");
}

bool ends_transaction(const sql::Plan& plan) {
  if (plan.statements.empty()) return true;
  const Verb verb = plan.statements[0].verb;
  return verb == Verb::kCommit || verb == Verb::kRollback || verb == Verb::kRollbackTo;
}

}  // namespace

Task<> Session::on_parse(Bytes body) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  pgwire::ParseMessage parse;
  if (!decode(body, parse)) {
    co_await fail_group(malformed(body, 2, 2));
    co_return;
  }
  const std::string name(parse.name);
  if (!name.empty() && e.named.contains(name)) {
    co_await fail_group(
        make_error(ErrorCode::kDuplicateStatement, "prepared statement \"" + name + "\" already exists"));
    co_return;
  }
  const auto most = worker_.config()->limits.statements;
  if (!name.empty() && most != 0 && e.named.size() >= most) {
    co_await fail_group(make_error(ErrorCode::kProgramLimit, "too many prepared statements: " + std::to_string(most),
                                   "close those that are not needed, or raise limits.statements in the proxy's configuration"));
    co_return;
  }
  std::vector<Oid> types(parse.type_count);
  for (std::size_t i = 0; i < types.size(); ++i) types[i] = parse.type(i);
  StatementPtr statement;
  if (name.empty()) {
    statement = StatementRegistry::make_unnamed(parse.query, std::move(types));
  } else {
    statement = worker_.statements.intern(parse.query, std::move(types));
  }
  const auto plan = plan_statement(*statement);
  const bool syntax = !plan && plan.error().code == ErrorCode::kSyntaxError;
  if (client_status() == pgwire::TxStatus::kFailed && !syntax && (!plan || !ends_transaction(**plan))) {
    co_await fail_group(failed_transaction());
    co_return;
  }
  if (!plan) {
    co_await fail_group(plan.error());
    co_return;
  }
  if ((*plan)->statements.size() > 1) {
    co_await fail_group(
        make_error(ErrorCode::kSyntaxError, "cannot insert multiple commands into a prepared statement"));
    co_return;
  }
  if (name.empty()) {
    e.unnamed = statement;
  } else {
    e.named.emplace(name, statement);
  }
  if (!co_await bound_effects()) co_return;
  e.pending.push_back(std::move(statement));
  e.pending_names.push_back(name);
}

Task<> Session::on_bind(Bytes body) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  pgwire::BindMessage bind;
  if (!decode(body, bind)) {
    co_await fail_group(malformed(body, 2, 2));
    co_return;
  }
  const StatementPtr statement = find_statement(bind.statement);
  if (statement == nullptr) {
    co_await fail_group(no_statement(bind.statement));
    co_return;
  }
  const auto plan = plan_statement(*statement);
  if (!plan) {
    co_await fail_group(plan.error());
    co_return;
  }
  if (client_status() == pgwire::TxStatus::kFailed && !ends_transaction(**plan)) {
    co_await fail_group(failed_transaction());
    co_return;
  }
  const std::size_t wanted = std::max<std::size_t>((*plan)->params, statement->types.size());
  if (bind.params.count != wanted) {
    co_await fail_group(make_error(
        ErrorCode::kProtocolViolation, "bind message supplies " + std::to_string(bind.params.count) + " parameters, but prepared statement \"" +
                                           std::string(bind.statement) + "\" requires " + std::to_string(wanted)));
    co_return;
  }
  const auto same_name = [&](const Portal& portal) { return portal.name == bind.portal && portal.statement != nullptr; };
  if (!bind.portal.empty() && std::any_of(e.portals.begin(), e.portals.end(), same_name)) {
    co_await fail_group(make_error(ErrorCode::kDuplicateCursor, "cursor \"" + std::string(bind.portal) + "\" already exists"));
    co_return;
  }
  std::erase_if(e.portals, [&](const Portal& portal) { return portal.name == bind.portal; });
  if (!co_await bound_effects()) co_return;
  co_await bind_somewhere(bind, statement, *plan);
}

Task<bool> Session::bind_somewhere(const pgwire::BindMessage& bind, const StatementPtr& statement, PlanPtr plan) {
  Extended& e = *ext_;
  Portal portal;
  portal.name = bind.portal;
  portal.plan = plan;
  portal.statement = statement;
  const Plan* what = plan->statements.empty() ? nullptr : &plan->statements[0];
  if (what != nullptr && proxy_handles(*what)) {
    if (!co_await settle_pending()) co_return false;
    fabricate(pgwire::be::kBindComplete);
    e.portals.push_back(std::move(portal));
    co_return true;
  }
  sharding::Route route;
  Plan nothing;
  nothing.where = sql::Where::kHome;
  nothing.writes = false;
  std::vector<std::string> configs;
  if (what != nullptr) {
    auto& params = worker_.params;
    params.clear();
    std::size_t i = 0;
    for (const pgwire::Value value : bind.params) {
      params.push_back({value.bytes, value.null, bind.formats.of(i) == pgwire::kBinaryFormat,
                        i < statement->types.size() ? statement->types[i] : 0});
      ++i;
    }
    if (!what->configs.empty()) configs = config_names(*what);
    const sharding::Values values = values_of(statement->text, statement->slots, params);
    auto found = sharding::route(*what, values, *pools_->database->snapshot().map);
    if (!found) {
      co_await fail_group(found.error());
      co_return false;
    }
    route = *found;
  } else {
    what = &nothing;
  }
  if (route.kind == sharding::Route::Kind::kAllShards || route.kind == sharding::Route::Kind::kManyShards) {
    portal.on_all = true;
    portal.route = route;
    portal.bind_tail = bind.after_names;
    e.portals.push_back(std::move(portal));
    co_return true;
  }
  const ShardId shard = shard_for(route, *what);
  route_mask_ = static_cast<std::uint16_t>(1u << (shard.value() & 15u));
  ServerConn* conn = linked(shard);
  const bool elsewhere = e.conn != nullptr && (e.conn != conn || conn->lost());
  if (elsewhere && !co_await leave_group_conn()) co_return false;
  if (!tx_.active() && what->writes && pools_->database->sharded() && more_binds_may_follow()) {
    // A batch that may reach several shards: one transaction around it, committed at Sync.
    if (e.conn != nullptr && !co_await leave_group_conn()) co_return false;
    tx_.kind = Transaction::Kind::kImplicit;
    tx_.settings_at_begin = settings_;
  }
  // A replica that served this group's reads cannot take its writes.
  if (conn != nullptr && conn->link.replica && !what->read_only && !tx_.active() && !conn->link.pins.any()) {
    if (e.conn == conn && !co_await leave_group_conn()) co_return false;
    release(*conn);
  }
  conn = co_await link(shard, *what);
  if (conn == nullptr) {
    e.failed = true;
    co_return false;
  }
  use(*conn);
  if (!configs.empty()) note_configs(*conn, *what, std::move(configs));
  ensure_parsed(*conn, statement, false, {});
  auto& out = worker_.scratch;
  out.clear();
  pgwire::append_bind_renamed(out, bind.portal, statement->server_name(), bind.after_names);
  conn->queue(out);
  conn->owe({.kind = OwedKind::kBind, .owner = this});
  conn->link.unsynced = true;
  portal.conn = conn;
  e.portals.push_back(std::move(portal));
  co_return true;
}

Task<> Session::on_describe(Bytes body) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  pgwire::DescribeMessage describe;
  if (!decode(body, describe)) {
    co_await fail_group(malformed_target(body, "DESCRIBE"));
    co_return;
  }
  if (describe.kind == 'S') {
    const StatementPtr statement = find_statement(describe.name);
    if (statement == nullptr) {
      co_await fail_group(no_statement(describe.name));
    } else {
      co_await describe_statement(statement);
    }
    co_return;
  }
  Portal* portal = find_portal(describe.name);
  if (portal == nullptr) {
    co_await fail_group(no_portal(describe.name));
  } else if (portal->on_all) {
    portal->described = true;
  } else if (portal->conn == nullptr) {
    if (!co_await drain_group()) co_return;
    worker_.scratch.clear();
    describe_proxy_statement(portal->plan->statements[0]);
    send(worker_.scratch);
  } else {
    ServerConn& conn = *portal->conn;
    worker_.scratch.clear();
    pgwire::append_describe(worker_.scratch, 'P', describe.name);
    if (e.conn != &conn && !co_await leave_group_conn()) co_return;
    use(conn);
    conn.queue(worker_.scratch);
    conn.owe({.kind = OwedKind::kDescribePortal, .owner = this});
    conn.link.unsynced = true;
  }
}

// Appends what Describe answers for a statement of the proxy's own.
void Session::describe_proxy_statement(const Plan& plan) {
  if (plan.verb == Verb::kShow) {
    pgwire::append_text_row_description(worker_.scratch, {"shards", "server", "reason", "plan"});
  } else {
    pgwire::append_no_data(worker_.scratch);
  }
}

Task<> Session::describe_statement(const StatementPtr& statement) {
  const auto plan = plan_statement(*statement);
  if (!plan) {
    co_await fail_group(plan.error());
    co_return;
  }
  if (!(*plan)->statements.empty() && proxy_handles((*plan)->statements[0])) {
    if (!co_await settle_pending() || !co_await drain_group()) co_return;
    worker_.scratch.clear();
    pgwire::append_parameter_description(worker_.scratch, {});
    describe_proxy_statement((*plan)->statements[0]);
    send(worker_.scratch);
    co_return;
  }
  ServerConn* conn = co_await any_conn();
  if (conn == nullptr) co_return;
  ensure_parsed(*conn, statement, false, {});
  worker_.scratch.clear();
  pgwire::append_describe(worker_.scratch, 'S', statement->server_name());
  conn->queue(worker_.scratch);
  conn->owe({.kind = OwedKind::kDescribeStatement, .owner = this});
  conn->link.unsynced = true;
}

Task<> Session::on_execute(Bytes body) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  pgwire::ExecuteMessage execute;
  if (!decode(body, execute)) {
    co_await fail_group(malformed(body, 1, 4));
    co_return;
  }
  if (!co_await bound_effects()) co_return;
  Portal* portal = find_portal(execute.portal);
  if (portal == nullptr) {
    co_await fail_group(no_portal(execute.portal));
    co_return;
  }
  if (portal->on_all) {
    const auto execute_rows = execute.max_rows;
    if (!co_await settle_pending() || !co_await leave_group_conn()) co_return;
    Portal kept = *find_portal(execute.portal);
    statement_failed_ = false;
    if (kept.route.kind == sharding::Route::Kind::kManyShards) {
      if (execute_rows > 0) {
        co_await fail_group(make_error(ErrorCode::kUnsupported, "a row limit of Execute is not supported for a query over several shards",
                                       "fetch all rows at once (fetch size 0), or use LIMIT"));
      } else if (!co_await run_many(kept.plan, 0, kept.route, kept.statement->text, &kept)) {
        e.failed = true;
      }
      co_return;
    }
    if (!co_await run_everywhere(kept.plan, 0, kept.statement->text, &kept)) e.failed = true;
    co_return;
  }
  if (portal->conn == nullptr) {
    const PlanPtr plan = portal->plan;
    const StatementPtr statement = portal->statement;
    if (!co_await drain_group()) co_return;
    const Plan& what = plan->statements[0];
    const bool ends = what.verb == Verb::kCommit || what.verb == Verb::kRollback || what.verb == Verb::kSavepoint ||
                      what.verb == Verb::kRelease || what.verb == Verb::kRollbackTo;
    const bool resets = what.verb == Verb::kDiscard || what.verb == Verb::kSet;
    // Simple queries of the proxy's own follow on these connections.
    if (((ends && tx_.active()) || resets) && !co_await leave_group_conn()) co_return;
    if (!co_await run_in_proxy(what, statement->text)) e.failed = true;
    co_return;
  }
  ServerConn& conn = *portal->conn;
  if (conn.lost()) {
    co_await fail_group(conn.lost_reason());
    co_return;
  }
  const std::uint16_t effect = note_effect(portal->plan, portal->statement, {});
  if (!portal->plan->statements.empty()) {
    const Plan& what = portal->plan->statements[0];
    if (what.writes) conn.link.wrote = true;
    if (what.notifies && !tx_.active()) claim_notify(conn);
  }
  if (e.conn != &conn && !co_await leave_group_conn()) co_return;
  use(conn);
  worker_.scratch.clear();
  pgwire::append_execute(worker_.scratch, execute.portal, execute.max_rows);
  conn.queue(worker_.scratch);
  conn.owe({.kind = OwedKind::kExecute, .effect = effect, .owner = this});
  conn.link.unsynced = conn.link.executed = true;
  if (!portal->plan->statements.empty() && portal->plan->statements[0].verb == Verb::kCopyIn) {
    // Nothing is sent behind it before it is known whether it is data: a COPY would swallow it.
    co_await drain_group();
    for (std::uint32_t syncs = std::exchange(e.copy_syncs, 0u); syncs > 0 && !closing_; --syncs) co_await on_sync();
  }
}

Task<> Session::on_close_message(Bytes body) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  pgwire::CloseMessage close_message;
  if (!decode(body, close_message)) {
    co_await fail_group(malformed_target(body, "CLOSE"));
    co_return;
  }
  if (close_message.kind == 'S') {
    if (!co_await settle_pending()) co_return;
    if (close_message.name.empty()) {
      e.unnamed.reset();
    } else {
      e.named.erase(std::string(close_message.name));
    }
    fabricate(pgwire::be::kCloseComplete);
    co_return;
  }
  Portal* portal = find_portal(close_message.name);
  ServerConn* conn = portal == nullptr ? nullptr : portal->conn;
  std::erase_if(e.portals, [&](const Portal& p) { return p.name == close_message.name; });
  if (conn == nullptr || conn->lost()) {
    if (!co_await settle_pending()) co_return;
    fabricate(pgwire::be::kCloseComplete);
    co_return;
  }
  if (e.conn != conn && !co_await leave_group_conn()) co_return;
  use(*conn);
  worker_.scratch.clear();
  pgwire::append_close(worker_.scratch, 'P', close_message.name);
  conn->queue(worker_.scratch);
  conn->owe({.kind = OwedKind::kClose, .owner = this});
  conn->link.unsynced = true;
}

Task<> Session::on_flush() {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  if (!co_await settle_pending()) co_return;
  co_await drain_group();
  flush_client();
}

Task<> Session::on_sync() {
  Extended& e = ext();
  statement_failed_ = false;
  if (!e.failed) co_await settle_pending();
  bool ready = false;
  if (ServerConn* conn = e.conn; conn != nullptr && !closing_) {
    const bool claimed = notes_ && notes_->notifier == conn;
    const bool forward_ready = tx_.kind != Transaction::Kind::kImplicit && !tx_.failed && !conn->lost() && !claimed;
    if (!conn->lost()) {
      worker_.scratch.clear();
      pgwire::append_sync(worker_.scratch);
      conn->queue(worker_.scratch);
      if (!e.failed) conn->link.error = conn->link.error_forwarded = false;
      conn->owe({.kind = OwedKind::kSync, .forward_ready = forward_ready, .owner = this});
      conn->flush();
      co_await wait_owed(*conn);
    }
    if (claimed && !closing_) co_await settle_notify(*conn);
    if (closing_) co_return;
    if (conn->lost()) {
      if (!e.failed && !conn->link.error_forwarded) send_lost(*conn);
      if (tx_.active()) tx_.failed = true;
      e.failed = true;
    } else {
      ready = forward_ready;
      if (tx_.explicit_block() && conn->link.in_transaction && conn->tx_status == pgwire::TxStatus::kIdle) {
        end_transaction(!e.failed);  // PREPARE TRANSACTION
      }
      if (!tx_.active()) {
        ++conn->pool().counters.transactions;
        WorkerCounters::add(worker_.counters.transactions);
      }
    }
  }
  if (closing_) co_return;
  if (tx_.kind == Transaction::Kind::kImplicit) {
    bool committed = false;
    if (e.failed || tx_.failed) {
      co_await rollback_links();
    } else {
      committed = co_await commit_links(true);
    }
    if (closing_) co_return;
    end_transaction(committed);
  }
  const bool catalog = catalog_changed_ && !tx_.active();
  const bool failed = e.failed;
  end_group_settings(failed);
  end_group();
  if (listening_) finish_statement_listens(failed);
  if (catalog) co_await refresh_catalog();
  if (settle_) co_await settle();
  if (closing_) co_return;
  release_all_idle();
  if (listening_) hand_out_notifications();
  if (!ready) send_ready();
}

}  // namespace howdah::proxy
