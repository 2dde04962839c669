// The extended query protocol's messages, one function each.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/extended_rules.h"
#include "proxy/core/many_cursor.h"
#include "proxy/core/part_bind.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/sql_prepare.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;
using sql::Verb;

using Kind = Extended::Effect::Kind;

Task<> Session::on_parse(Bytes body) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  if (e.unanswered && !co_await settle_bound()) co_return;
  pgwire::ParseMessage parse;
  if (!decode(body, parse)) {
    co_await fail_group(malformed(body, 2, 2));
    co_return;
  }
  const bool unnamed = parse.name.empty();
  auto& types = worker_.parse_types;
  types.resize(parse.type_count);
  for (std::size_t i = 0; i < types.size(); ++i) types[i] = parse.type(i);
  StatementPtr statement = unnamed ? parsed_unnamed(parse.query, types)
                                   : worker_.statements.intern(parse.query, types, statement_scope());
  // The unnamed statement goes before PostgreSQL looks at the new text.
  StatementPtr before = unnamed ? std::move(e.unnamed) : nullptr;
  if (unnamed) e.unnamed = nullptr;
  auto plan = plan_statement(*statement);
  if (plan && names_unknown_table(**plan)) {
    if (!co_await plan_anew(statement->text, statement->types, plan)) co_return;
    plan = plan_statement(*statement);
  }
  const bool syntax = !plan && plan.error().code == ErrorCode::kSyntaxError;
  if (plan && (*plan)->statements.size() > 1) {
    co_await fail_group(
        make_error(ErrorCode::kSyntaxError, "cannot insert multiple commands into a prepared statement"));
    co_return;
  }
  if (client_status() == pgwire::TxStatus::kFailed && !syntax && (!plan || !ends_transaction(**plan))) {
    statement_failed_ = false;
    const bool known = plan && (*plan)->statements[0].verb != Verb::kOther;
    if (known || !co_await fail_on_server()) {
      if (!statement_failed_) co_await fail_group(failed_transaction());
      e.failed = true;
      co_return;
    }
    e.pending.push_back({std::move(statement), std::string(parse.name), std::move(before)});
    if (co_await settle_pending()) co_await drain_group();
    co_return;
  }
  if (!plan) {
    co_await fail_group(plan.error());
    co_return;
  }
  if (!unnamed) {
    if (worker_.config()->pool.prepared_statements == 0 && worker_.config()->pool.mode != config::PoolMode::kSession) {
      co_await fail_group(make_error(ErrorCode::kUnsupported, "named prepared statements are switched off",
                                     "set pool.prepared_statements above 0, or use unnamed statements"));
      co_return;
    }
    if (const auto too_many = too_many_statements(); too_many && find_client(parse.name) == nullptr) {
      co_await fail_group(*too_many);
      co_return;
    }
    if (find_client(parse.name) != nullptr) {
      const std::string name(parse.name);
      // PostgreSQL looks at the text first.
      ServerConn* conn = proxy_knows(*statement) ? nullptr : co_await any_conn();
      if (e.failed || closing_) co_return;
      if (conn != nullptr) ensure_parsed(*conn, statement, 0);
      co_await fail_group(
          make_error(ErrorCode::kDuplicateStatement, "prepared statement \"" + name + "\" already exists"));
      co_return;
    }
  }
  if (!co_await bound_effects()) co_return;
  if (unnamed) {
    e.unnamed = statement;
    e.spare = before;
  } else {
    // Its columns are those of the cursor at this Parse: shared with nobody.
    if (!(*plan)->statements.empty() && (*plan)->statements[0].verb == Verb::kFetch) worker_.statements.retire(*statement);
    e.named.emplace(parse.name, std::make_shared<ClientStatement>(ClientStatement{statement}));
  }
  e.pending.push_back({std::move(statement), std::string(parse.name), std::move(before)});
  ++e.repeat.plain;
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
  const bool of_unanswered = describe.kind == 'P' && e.unanswered && *e.unanswered == describe.name;
  if (e.unanswered && !of_unanswered && !co_await settle_bound()) co_return;
  if (describe.kind == 'S') {
    const StatementPtr statement = find_statement(describe.name);
    if (statement == nullptr) {
      co_await fail_group(no_statement(describe.name));
    } else {
      if (!co_await bound_effects()) co_return;
      co_await describe_statement(statement, describe.name.empty() ? nullptr : e.named.find(describe.name)->second);
    }
    co_return;
  }
  Portal* portal = find_portal(describe.name);
  if (portal == nullptr && !describe.name.empty() && many_cursor(describe.name)) {
    if (!co_await settle_pending() || !co_await drain_group()) co_return;
    send(many_cursor(describe.name)->description({}));
  } else if (portal == nullptr) {
    worker_.scratch.clear();
    pgwire::append_describe(worker_.scratch, 'P', describe.name);
    if (!may_be_on_server(describe.name) || !co_await ask_server(OwedKind::kDescribePortal, std::string(worker_.scratch))) {
      co_await fail_group(no_portal(describe.name));
    }
  } else if (client_status() == pgwire::TxStatus::kFailed && !portal->plan->statements.empty() &&
             portal->plan->statements[0].returns_rows) {
    co_await fail_group(failed_transaction());
  } else if (portal->on_all && !portal->bound) {
    portal->described = true;
  } else if (portal->on_all) {
    co_await describe_bound(*portal);
  } else if (portal->conn == nullptr) {
    if (!co_await drain_group()) co_return;
    worker_.scratch.clear();
    describe_proxy_statement(portal->plan->statements[0], portal);
    send(worker_.scratch);
  } else {
    ServerConn& conn = *portal->conn;
    if (e.conn != &conn && !co_await leave_group_conn()) co_return;
    use(conn);
    std::uint16_t effect = 0;
    if (portal->client) {
      e.risk.described = true;
      e.effects.push_back({.kind = Kind::kDescribe, .client = portal->client});
      effect = static_cast<std::uint16_t>(e.effects.size());
    }
    worker_.scratch.clear();
    pgwire::append_describe(worker_.scratch, 'P', describe.name);
    ++e.repeat.plain;
    conn.queue(worker_.scratch);
    conn.owe({.kind = OwedKind::kDescribePortal, .effect = effect, .owner = this});
    conn.link.unsynced = true;
  }
}

// Appends what Describe answers for a statement of the proxy's own.
void Session::describe_proxy_statement(const Plan& plan, const Portal* portal) {
  if (plan.explained || (plan.verb == Verb::kShow && plan.name == "howdah.route")) {
    pgwire::append_text_row_description(worker_.scratch, {"shards", "server", "reason", "plan"});
  } else if (plan.verb == Verb::kShow) {
    pgwire::append_text_row_description(worker_.scratch, {plan.name});
  } else if (const auto cursor = plan.verb == Verb::kFetch && plan.returns_rows ? many_cursor(plan.name) : nullptr) {
    worker_.scratch.append(cursor->description(portal == nullptr ? std::vector<std::int16_t>() : result_formats(portal->bind_tail)));
  } else {
    pgwire::append_no_data(worker_.scratch);
  }
}

Task<> Session::describe_statement(StatementPtr statement, std::shared_ptr<ClientStatement> client) {
  Extended& e = *ext_;
  const auto plan = plan_statement(*statement);
  if (!plan) {
    co_await fail_group(plan.error());
    co_return;
  }
  // A server that failed, too, can only tell of what it has.
  const bool failed = client_status() == pgwire::TxStatus::kFailed && !failed_server_has(*statement);
  if (!(*plan)->statements.empty() &&
      (proxy_handles((*plan)->statements[0]) || (failed && describes_itself(**plan, statement->types)))) {
    if (!co_await settle_pending() || !co_await drain_group()) co_return;
    worker_.scratch.clear();
    std::vector<Oid> types = statement->types;
    if (const auto& explained = (*plan)->statements[0].explained) {
      types.resize(std::max<std::size_t>(types.size(), (*plan)->params));
      types = explained_types(*explained, types);
    }
    pgwire::append_parameter_description(worker_.scratch, types);
    describe_proxy_statement((*plan)->statements[0], nullptr);
    send(worker_.scratch);
    co_return;
  }
  if (!(*plan)->statements.empty()) {
    SqlPrepare execute(*this, (*plan)->statements[0], statement->text);
    if (execute.executes()) {
      const auto found = execute.resolve();
      if (!found) {
        co_await fail_group(found.error());
        co_return;
      }
      // An EXECUTE of nothing has no columns, says PostgreSQL.
      ServerConn* conn = co_await any_conn();
      if (conn == nullptr) co_return;
      if (found->target) ensure_parsed(*conn, found->target, 0);
      statement = StatementRegistry::make_unnamed(
          execute.rewritten(found->at, found->target ? found->target->server_name() : Statement::server_name_of(0)), {});
      client.reset();
    }
  }
  if (failed && !(*plan)->statements.empty() && (*plan)->statements[0].returns_rows) {
    co_await fail_group(failed_transaction());
    co_return;
  }
  // A FETCH has the columns of its cursor, which one server knows.
  if (e.conn == nullptr && !(*plan)->statements.empty() && (*plan)->statements[0].verb == Verb::kFetch) {
    if (ServerConn* holder = cursor_conn((*plan)->statements[0].name)) use(*holder);
  }
  ServerConn* conn = co_await any_conn();
  if (conn == nullptr) co_return;
  if (client) {
    note_risk(client);
    e.risk.described = true;
  }
  ensure_parsed(*conn, statement, 0);
  std::uint16_t effect = 0;
  if (client || pools_->database->sharded()) {
    e.effects.push_back({.kind = Kind::kDescribe, .statement = statement, .client = std::move(client)});
    effect = static_cast<std::uint16_t>(e.effects.size());
  }
  worker_.scratch.clear();
  pgwire::append_describe(worker_.scratch, 'S', statement->server_name());
  ++e.repeat.plain;
  conn->queue(worker_.scratch);
  conn->owe({.kind = OwedKind::kDescribeStatement, .effect = effect, .owner = this});
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
  if (e.unanswered && *e.unanswered != execute.portal && !co_await settle_bound()) co_return;
  e.unanswered.reset();
  if (!co_await bound_effects()) co_return;
  Portal* portal = find_portal(execute.portal);
  if (portal == nullptr) {
    worker_.scratch.clear();
    pgwire::append_execute(worker_.scratch, execute.portal, execute.max_rows);
    if (!may_be_on_server(execute.portal) || !co_await ask_server(OwedKind::kExecute, std::string(worker_.scratch))) {
      co_await fail_group(no_portal(execute.portal));
    }
    co_return;
  }
  if (client_status() == pgwire::TxStatus::kFailed && (!portal->in_failed || !exits_transaction(*portal->plan, 0))) {
    co_await fail_group(failed_transaction());
    co_return;
  }
  const auto cannot_run_again = [this, &e](const std::string& name) {
    pgwire::ErrorFields fields;
    const std::string message = "portal \"" + name + "\" cannot be run";
    fields.severity = "ERROR";
    fields.sqlstate = "55000";
    fields.message = message;
    worker_.scratch.clear();
    pgwire::append_error(worker_.scratch, fields);
    send(worker_.scratch);
    statement_failed_ = e.failed = true;
    if (tx_.active()) tx_.failed = true;
    spoil_group();
  };
  if (portal->on_all) {
    const Plan& what = portal->plan->statements[0];
    const bool reads = what.spread != nullptr && !what.writes && what.verb == Verb::kSelect;
    const std::uint32_t most = what.returns_rows ? static_cast<std::uint32_t>(std::max(execute.max_rows, 0)) : 0;
    if (std::exchange(portal->done, true) && portal->rows == nullptr && portal->stream == nullptr) {
      const std::string name = portal->name;
      if (!co_await settle_pending() || !co_await drain_group()) co_return;
      if (!reads) {
        cannot_run_again(name);
        co_return;
      }
      worker_.scratch.clear();
      pgwire::append_command_complete(worker_.scratch, "SELECT 0");
      send(worker_.scratch);
      co_return;
    }
    if (!co_await settle_pending() || !co_await leave_group_conn()) co_return;
    Portal kept = *find_portal(execute.portal);
    statement_failed_ = false;
    if (kept.route.kind == sharding::Route::Kind::kManyShards) {
      const bool several = what.many_write || what.many_copy || what.verb == Verb::kExplain;
      if (!tx_.active() && several && what.writes && more_binds_may_follow()) begin_implicit();
      if (!co_await run_portal(kept.name, most)) e.failed = true;
      co_return;
    }
    if (!tx_.active() && !what.no_transaction && what.verb != Verb::kLock && more_binds_may_follow()) begin_implicit();
    if (!co_await run_everywhere(kept.plan, 0, kept.statement->text, &kept)) e.failed = true;
    co_return;
  }
  if (portal->conn == nullptr) {
    const PlanPtr plan = portal->plan;
    const StatementPtr statement = portal->statement;
    if (!co_await drain_group()) co_return;
    portal = find_portal(execute.portal);
    if (portal->rows) {
      std::string out;
      portal->rows->give(static_cast<std::uint32_t>(std::max(execute.max_rows, 0)), out);
      send(out);
      co_return;
    }
    if (portal->done) {
      cannot_run_again(portal->name);
      co_return;
    }
    portal->done = true;
    const Plan& what = plan->statements[0];
    if (what.verb == Verb::kFetch) {
      if (!co_await leave_group_conn()) co_return;
      if (!co_await run_fetch(std::string(execute.portal), static_cast<std::uint32_t>(std::max(execute.max_rows, 0)))) e.failed = true;
      co_return;
    }
    const bool control = is_transaction_control(what.verb);
    const bool refused = what.verb == Verb::kDiscard && what.name == "all" && e.ran;
    const bool resets = (what.verb == Verb::kDiscard && !refused) || what.verb == Verb::kSet || what.verb == Verb::kSetTransaction;
    bool ok = false;
    if (control && loose_group()) {
      ok = co_await control_loose_group(what, statement->text);
    } else {
      // Simple queries of the proxy's own follow on these connections.
      const bool begins = what.verb == Verb::kBegin && what.transaction == sql::TransactionOptions();
      const bool ends = control && !begins && tx_.active();
      if ((ends || resets) && !co_await leave_group_conn()) co_return;
      ok = what.explained ? explain_route(what, statement->text, portal) : co_await run_in_proxy(what, statement->text);
    }
    if (closing_) co_return;
    e.ran = !control && !(what.verb == Verb::kDiscard && what.name == "all");
    // With or without a block: COMMIT and ROLLBACK end a transaction, and that ends its portals.
    if ((what.verb == Verb::kCommit || what.verb == Verb::kRollback) && !tx_.active()) drop_portals();
    if (ok) co_return;
    e.failed = true;
    spoil_group();
    co_return;
  }
  ServerConn& conn = *portal->conn;
  if (conn.lost()) {
    co_await fail_group(conn.lost_reason());
    co_return;
  }
  const std::uint64_t id = portal->statement->unnamed ? 0 : portal->statement->id;
  const bool binary = portal->binary;
  e.effects.push_back({.kind = Kind::kExecute, .plan = portal->plan, .statement = portal->statement});
  const auto effect = static_cast<std::uint16_t>(e.effects.size());
  bool wait = false;
  if (!portal->plan->statements.empty()) {
    const Plan& what = portal->plan->statements[0];
    if (what.writes) conn.link.wrote = true;
    note_code(what);
    // COPY takes the client's messages from here on, and after SET texts may be read differently.
    wait = what.verb == Verb::kCopyIn || what.verb == Verb::kSet;
    if (what.notifies && !tx_.active()) {
      claim_notify(conn);
      e.risk.uses += 2;  // not to be sent again
    }
  }
  if (e.conn != &conn && !co_await leave_group_conn()) co_return;
  use(conn);
  worker_.scratch.clear();
  const bool typed = binary && !conn.statements.is_plain(id) && describe_rows(conn, execute.portal, id);
  pgwire::append_execute(worker_.scratch, execute.portal, execute.max_rows);
  conn.queue(worker_.scratch);
  conn.owe({.kind = OwedKind::kExecute, .typed = typed, .effect = effect, .owner = this});
  conn.link.unsynced = conn.link.executed = e.ran = true;
  if (portal->plan->statements.empty() || portal->plan->statements[0].read_only) ++e.repeat.plain;
  if (wait) {
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
  if (e.unanswered && !co_await settle_bound()) co_return;
  if (close_message.kind == 'S') {
    if (!co_await settle_pending() || !co_await bound_effects()) co_return;
    Extended::Effect effect{.kind = Kind::kClose, .name = std::string(close_message.name)};
    if (close_message.name.empty()) {
      effect.before = std::exchange(e.unnamed, nullptr);
    } else if (const auto found = e.named.find(close_message.name); found != e.named.end()) {
      effect.client = found->second;
      e.named.erase(found);
    }
    e.effects.push_back(std::move(effect));
    fabricate(pgwire::be::kCloseComplete, static_cast<std::uint16_t>(e.effects.size()));
    co_return;
  }
  const Portal* portal = find_portal(close_message.name);
  ServerConn* conn = portal == nullptr ? nullptr : portal->conn;
  const bool known = portal != nullptr;
  if (!known && many_cursor(close_message.name) && !close_message.name.empty()) {
    std::erase_if(notes_->cursors, [&](const auto& cursor) { return cursor.many && cursor.name == close_message.name; });
  }
  std::erase_if(e.portals, [&](const Portal& p) { return p.name == close_message.name; });
  if (conn == nullptr || conn->lost()) {
    worker_.scratch.clear();
    pgwire::append_close(worker_.scratch, 'P', close_message.name);
    if (!known && may_be_on_server(close_message.name) && co_await ask_server(OwedKind::kClose, std::string(worker_.scratch))) co_return;
    if (closing_ || !co_await settle_pending()) co_return;
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

// An unnamed portal that the proxy does not know is what is left of something that failed; the server may still have one
// that statements answered by the proxy have replaced since.
bool Session::may_be_on_server(Bytes portal) const {
  return !portal.empty() || client_status() == pgwire::TxStatus::kFailed;
}

// Appends to `scratch` what makes the server tell the types of the rows that follow: it may have numbers of its own for them. `id`: of the
// statement, to be remembered if there are none in its rows; or 0.
bool Session::describe_rows(ServerConn& conn, Bytes portal, std::uint64_t id) {
  const auto* ids = conn.pool().object_ids();
  if (ids == nullptr || !ids->types_differ()) return false;
  pgwire::append_describe(worker_.scratch, 'P', portal);
  conn.owe({.kind = OwedKind::kDescribePortal, .forward = false, .described = id, .owner = this});
  ext_->risk.uses += 2;  // not to be sent again: its answer is not the client's
  return true;
}

// A portal that only the server may know: a cursor of DECLARE, or what is left of a simple query. False: the client has no
// server, or more than one.
Task<bool> Session::ask_server(pgwire::OwedKind kind, std::string message) {
  if (links_.size() != 1 || links_[0]->lost()) co_return false;
  ServerConn& conn = *links_[0];
  if (!conn.link.in_transaction && !conn.link.pins.any()) co_return false;
  if (tx_.active() && !conn.link.in_transaction) begin_on(conn);
  if (client_status() == pgwire::TxStatus::kFailed && conn.tx_status != pgwire::TxStatus::kFailed) {
    co_await own_query_quietly(conn, "howdah: the transaction failed");
    if (closing_ || conn.lost()) co_return false;
  }
  use(conn);
  worker_.scratch.clear();
  const bool typed = kind == OwedKind::kExecute && describe_rows(conn, Bytes(message.c_str() + pgwire::kHeaderSize), 0);
  worker_.scratch += message;
  conn.queue(worker_.scratch);
  conn.owe({.kind = kind, .typed = typed, .owner = this});
  conn.link.unsynced = true;
  if (kind == OwedKind::kExecute) conn.link.executed = conn.link.wrote = true;
  co_return true;
}

Task<> Session::on_flush() {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  if (e.unanswered && !co_await settle_bound()) co_return;
  if (!co_await settle_pending()) co_return;
  co_await drain_group();
  flush_client();
}

Task<> Session::on_sync() {
  Extended& e = ext();
  statement_failed_ = false;
  if (!e.failed && e.unanswered) co_await settle_bound();
  if (!e.failed) co_await settle_pending();
  bool ready = false, answered = true;
  if (ServerConn* conn = e.conn; conn != nullptr && !closing_) {
    const bool claimed = notes_ && notes_->notifier == conn;
    const bool forward_ready = tx_.kind != Transaction::Kind::kImplicit && !tx_.failed && !conn->lost() && !claimed;
    if (!conn->lost()) {
      worker_.scratch.clear();
      pgwire::append_sync(worker_.scratch);
      conn->queue(worker_.scratch);
      if (!e.failed) conn->link.error = conn->link.error_forwarded = false;
      conn->owe({.kind = OwedKind::kSync, .forward_ready = forward_ready, .owner = this});
      flush_group(*conn);
      co_await wait_owed(*conn);
      if (e.risk.stale && !closing_) answered = co_await heal(*conn, true);
    }
    if (claimed && !closing_) co_await settle_notify(*conn);
    if (closing_) co_return;
    if (conn->lost()) {
      if (may_repeat_group(*conn)) {
        repeat_group(*conn);
        co_return;
      }
      if (!e.failed && !conn->link.error_forwarded) send_lost(*conn);
      if (tx_.active()) tx_.failed = true;
      e.failed = true;
    } else {
      ready = forward_ready && answered;
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
  if (tx_.kind == Transaction::Kind::kImplicit) co_await end_implicit(e.failed);
  if (closing_) co_return;
  const bool catalog = catalog_changed_ && !tx_.active();
  const bool failed = e.failed;
  end_group_settings(failed);
  end_group();
  e.repeat.times = 0;
  avoided_ = ServerId(kNoServer);
  if (listening_) finish_statement_listens(failed);
  if (catalog) co_await refresh_catalog();
  if (settle_) co_await settle();
  if (closing_) co_return;
  release_all_idle();
  if (listening_) hand_out_notifications();
  if (!ready) send_ready();
}

}  // namespace howdah::proxy
