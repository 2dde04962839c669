// Bind: which server the values lead to, and what it has to know there.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/extended_rules.h"
#include "proxy/core/many_cursor.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/part_bind.h"
#include "proxy/core/session.h"
#include "proxy/core/sql_prepare.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;
using sql::Verb;
using Kind = Extended::Effect::Kind;

bool Session::answers_itself(const sql::Plan& plan) const {
  return !plan.statements.empty() && proxy_handles(plan.statements[0]);
}

Task<> Session::on_bind(Bytes body, const pgwire::BindMessage* decoded) {
  Extended& e = ext();
  e.active = true;
  if (e.failed) co_return;
  if (e.unanswered && !co_await settle_bound()) co_return;
  pgwire::BindMessage bind;
  if (decoded != nullptr) {
    bind = *decoded;
  } else if (!decode(body, bind)) {
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
  ++(*plan)->runs;
  // The $n of a PREPARE are those of the statement in it.
  const bool inner = !(*plan)->statements.empty() && (*plan)->statements[0].verb == Verb::kPrepare;
  const std::size_t wanted = std::max<std::size_t>(inner ? 0 : (*plan)->params, statement->types.size());
  if (bind.params.count != wanted && bind.formats.fits(bind.params.count)) {
    co_await fail_group(make_error(
        ErrorCode::kProtocolViolation, "bind message supplies " + std::to_string(bind.params.count) + " parameters, but prepared statement \"" +
                                           std::string(bind.statement) + "\" requires " + std::to_string(wanted)));
    co_return;
  }
  if (client_status() == pgwire::TxStatus::kFailed && !exits_transaction(**plan, wanted)) {
    co_await fail_group(failed_transaction());
    co_return;
  }
  if (bind.portal.empty()) {
    if (Portal* old = find_portal({})) {
      // It is there again when the server skips this Bind.
      if (tx_.active()) e.replaced.push_back(std::move(*old));
      e.replaced_by_bind = tx_.active();
      std::erase_if(e.portals, [](const Portal& portal) { return portal.name.empty(); });
    }
  } else if (const Portal* known = find_portal(bind.portal); known != nullptr && (known->conn == nullptr || answers_itself(**plan))) {
    // One that a server has is the server's to judge: ROLLBACK TO may have taken it.
    co_await fail_group(make_error(ErrorCode::kDuplicateCursor, "cursor \"" + std::string(bind.portal) + "\" already exists"));
    co_return;
  }
  if (!co_await bound_effects()) co_return;
  co_await bind_somewhere(bind, statement, *plan);
}

// A parameter that cannot be sent to one of the shards.
std::optional<Error> Session::unknown_parameter(const Portal& portal) const {
  for (const ServerId primary : pools_->primaries) {
    const auto* ids = pools_->pool(primary).object_ids();
    if (ids == nullptr) continue;
    std::string tail = portal.bind_tail;
    if (auto error = ids::make_bind_local(tail.data(), tail.size(), portal.statement->types, portal.statement->described_types, *ids)) return error;
  }
  return std::nullopt;
}

// The end of `out` is what stands behind a Bind's names: its values become those of this server. unknown_parameter() has been asked.
void Session::localize_bind(ServerConn& conn, std::string& out, std::size_t tail, const Statement& statement) {
  const auto* ids = conn.pool().object_ids();
  if (ids != nullptr) ids::make_bind_local(out.data() + out.size() - tail, tail, statement.types, statement.described_types, *ids);
}

// Outside a transaction block the unnamed portal does not outlive the messages that the server may skip.
std::uint16_t Session::bind_effect(const std::string& name) {
  Extended& e = *ext_;
  if (name.empty() && !tx_.active()) return 0;
  e.effects.push_back({.kind = Kind::kBind, .name = name});
  if (std::exchange(e.replaced_by_bind, false)) e.effects.back().id = e.replaced.size();
  return static_cast<std::uint16_t>(e.effects.size());
}

Task<bool> Session::bind_somewhere(const pgwire::BindMessage& bind, const StatementPtr& statement, PlanPtr plan) {
  Extended& e = *ext_;
  Portal portal;
  portal.name = bind.portal;
  portal.plan = plan;
  portal.statement = statement;
  portal.steps = tx_.replay.size();
  portal.in_failed = client_status() == pgwire::TxStatus::kFailed;
  if (!bind.statement.empty()) portal.client = e.named.find(bind.statement)->second;
  const Plan* what = plan->statements.empty() ? nullptr : &plan->statements[0];
  if (what != nullptr && proxy_handles(*what)) {
    const auto cursor = what->verb == Verb::kFetch && what->returns_rows ? many_cursor(what->name) : nullptr;
    if (const auto unfit = cursor ? cursor->check_formats(result_formats(bind.after_names)) : std::nullopt) {
      co_await fail_group(*unfit);
      co_return false;
    }
    if (!co_await settle_pending()) co_return false;
    fabricate(pgwire::be::kBindComplete, bind_effect(portal.name));
    if (what->explained || what->verb == Verb::kFetch) portal.bind_tail = bind.after_names;
    e.portals.push_back(std::move(portal));
    co_return true;
  }
  StatementPtr target, sent = statement;
  sharding::Route route;
  Plan nothing, resolved;
  nothing.where = sql::Where::kHome;
  nothing.writes = false;
  std::vector<std::string> configs;
  std::string executed;  // the arguments of an EXECUTE on several shards
  if (what != nullptr && SqlPrepare(*this, *what, statement->text).executes()) {
    const SqlPrepare execute(*this, *what, statement->text);
    auto found = SqlPrepare(*this, *what, statement->text).resolve();
    if (!found) {
      co_await fail_group(found.error());
      co_return false;
    }
    if (worker_.rules != nullptr && found->target && e.repeat.times == 0) {
      if (const auto refusal = refused_by_rules(found->plan->statements[0], found->target->text)) {
        co_await fail_group(*refusal);
        co_return false;
      }
    }
    route = found->route;
    target = found->target;
    // A name that no client's statement has on any server stands for one that does not exist.
    if (!target) e.missing = found->at.name;
    sent = StatementRegistry::make_unnamed(
        execute.rewritten(found->at, target ? target->server_name() : Statement::server_name_of(0)), {});
    if (target && what->verb == Verb::kExecute) {
      portal.plan = found->plan;
      portal.statement = target;
    }
    resolved = found->run;
    executed = found->values;
    what = &resolved;
    portal.client.reset();
  } else if (what != nullptr) {
    auto& params = worker_.params;
    params.clear();
    std::size_t i = 0;
    for (const pgwire::Value value : bind.params) {
      params.push_back({value.bytes, value.null, bind.formats.of(i) == pgwire::kBinaryFormat,
                        i < statement->types.size() ? statement->types[i] : 0});
      ++i;
    }
    if (!what->configs.empty()) configs = config_names(*what);
    if (std::any_of(configs.begin(), configs.end(), is_howdah)) {
      co_await fail_group(make_error(ErrorCode::kUnsupported, "set_config of a howdah parameter is not supported", "use SET howdah.name = value"));
      co_return false;
    }
    const sharding::Values values = values_of(statement->text, statement->slots, params);
    // A group that is repeated was let in when it came.
    const auto blocked = worker_.rules == nullptr || e.repeat.times > 0 ? std::nullopt : refused_by_rules(*what, statement->text);
    auto found = blocked ? Result<sharding::Route>(*blocked) : route_of(*what, values, statement->hint());
    if (!found) {
      // PostgreSQL looks at the text first.
      if (is_refused_query(*what, found.error())) {
        ServerConn* conn = co_await any_conn();
        if (e.failed || closing_) co_return false;
        if (conn != nullptr) ensure_parsed(*conn, statement, 0);
      }
      co_await fail_group(found.error());
      co_return false;
    }
    route = *found;
  } else {
    what = &nothing;
  }
  const bool on_all = route.kind == sharding::Route::Kind::kAllShards || route.kind == sharding::Route::Kind::kManyShards;
  const ShardId shard = on_all ? ShardId(0xffff) : shard_for(route, *what);
  if (const auto taken = bind.portal.empty() ? std::nullopt : taken_cursor(bind.portal, shard)) {
    co_await fail_group(*taken);
    co_return false;
  }
  if (on_all) {
    portal.on_all = true;
    portal.route = route;
    portal.bind_tail = executed.empty() ? std::string(bind.after_names) : executed + std::string(formats_of(bind.after_names));
    if (auto error = bind.formats.count == 0 || !executed.empty() ? std::nullopt : unknown_parameter(portal)) {
      co_await fail_group(*error);
      co_return false;
    }
    e.unanswered = portal.name;
    e.portals.push_back(std::move(portal));
    co_return true;
  }
  note_route(shard);
  ServerConn* conn = linked(shard);
  const bool elsewhere = e.conn != nullptr && (e.conn != conn || conn->lost());
  if (elsewhere) {
    if (!co_await leave_group_conn()) co_return false;
    // What was set there is needed here.
    if (settle_ && pools_->database->sharded()) co_await settle();
    if (closing_) co_return false;
  }
  if (!tx_.active() && what->writes && pools_->database->sharded() && more_binds_may_follow()) {
    // A batch that may reach several shards: one transaction around it, committed at Sync.
    if (e.conn != nullptr && !co_await leave_group_conn()) co_return false;
    begin_implicit();
  }
  // A replica that served this group's reads cannot take its writes.
  if (conn != nullptr && conn->link.replica && !what->read_only && !tx_.active() && !conn->link.pins.any()) {
    if (e.conn == conn && !co_await leave_group_conn()) co_return false;
    release(*conn);
  }
  if (conn != nullptr && (route.read_from != sharding::ReadFrom::kDefault || conn->link.eventual) && !tx_.active() &&
      !conn->link.pins.any() && refused_wish(*conn, route.read_from)) {
    if (e.conn == conn && !co_await leave_group_conn()) co_return false;
    release(*conn);
  }
  read_from_ = route.read_from;
  conn = co_await link(shard, *what);
  if (conn == nullptr) {
    e.failed = true;
    spoil_group();
    co_return false;
  }
  use(*conn);
  if (!configs.empty()) note_configs(*conn, *what, std::move(configs));
  if (portal.client) note_risk(portal.client);
  if (target) ensure_parsed(*conn, target, 0);
  ensure_parsed(*conn, sent, 0);
  auto& out = worker_.scratch;
  out.clear();
  if (e.large_rest == 0) {
    pgwire::append_bind_renamed(out, bind.portal, sent->server_name(), bind.after_names);
  } else {
    begin_large_bind(out, bind.portal, sent->server_name(), e.large_rest);
    e.large_conn = conn;
    e.risk.uses += 2;
  }
  if (const auto* ids = bind.formats.count == 0 ? nullptr : conn->pool().object_ids()) {
    const std::size_t tail = bind.after_names.size();
    if (auto error = ids::make_bind_local(out.data() + out.size() - tail, tail, sent->types, sent->described_types, *ids)) {
      co_await fail_group(*error);
      co_return false;
    }
  }
  portal.binary = bind.result_formats.any_binary();
  conn->queue(out);
  conn->owe({.kind = OwedKind::kBind, .effect = bind_effect(portal.name), .owner = this});
  conn->link.unsynced = true;
  portal.conn = conn;
  e.portals.push_back(std::move(portal));
  if (e.large_rest == 0 && (what == &nothing || (what != &resolved && what->read_only))) ++e.repeat.plain;
  co_return true;
}

}  // namespace howdah::proxy
