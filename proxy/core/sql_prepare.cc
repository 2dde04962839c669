#include "proxy/core/sql_prepare.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using Kind = Extended::Effect::Kind;
using pgwire::OwedKind;
using sql::Verb;

namespace {

Error no_such(const std::string& name) {
  return make_error(ErrorCode::kUnknownStatement, "prepared statement \"" + name + "\" does not exist");
}

bool on_several(const sharding::Route& route) {
  return route.kind == sharding::Route::Kind::kAllShards || route.kind == sharding::Route::Kind::kManyShards;
}

}  // namespace

bool SqlPrepare::executes() const {
  switch (plan_.verb) {
    case Verb::kExecute:
      return true;
    case Verb::kExplain:
    case Verb::kDdl:
    case Verb::kOther:
      return proxy::executes(text_, {session_.standard_conforming_strings()}, plan_).has_value();
    default:
      return false;
  }
}

std::string SqlPrepare::rewritten(const PreparedName& at, std::string_view server_name) const {
  std::string out(text_.substr(plan_.begin, at.begin - plan_.begin));
  out.append(server_name).append(text_.substr(at.end, std::min<std::size_t>(plan_.end, text_.size()) - at.end));
  return out;
}

// What is added to a position in the rewritten text to have it in the client's.
int SqlPrepare::moved_by(const PreparedName& at, std::string_view server_name) const {
  return pgwire::characters(text_.substr(0, plan_.begin)) + pgwire::characters(text_.substr(at.begin, at.end - at.begin)) -
         pgwire::characters(server_name);
}

void SqlPrepare::answer(std::string_view tag, std::string* held) {
  auto& out = session_.worker_.scratch;
  out.clear();
  pgwire::append_command_complete(out, tag);
  if (held != nullptr) {
    held->append(out);
  } else {
    session_.send(out);
  }
}

Task<bool> SqlPrepare::prepare(std::string* held) {
  Session& s = session_;
  Extended& e = s.ext();
  if (!e.active) e.effects.clear();
  const auto at = prepares(text_, {s.standard_conforming_strings()}, plan_);
  if (!at) {
    co_return s.fail_statement(make_error(ErrorCode::kUnsupported, "PREPARE with a name in U&\"\" is not supported",
                                          "write the name with plain letters"));
  }
  if (const auto too_many = s.too_many_statements(); too_many && s.find_client(at->name) == nullptr) {
    co_return s.fail_statement(*too_many);
  }
  const std::string_view tail = text_.substr(at->end, plan_.end - at->end);
  const std::string_view inner = text_.substr(plan_.inner_begin, plan_.inner_end - plan_.inner_begin);
  const StatementPtr statement = s.worker_.statements.intern_sql(tail, inner, s.statement_scope());
  const ClientStatement* taken = s.find_client(at->name);
  const auto plan = s.plan_statement(*statement);
  if (!plan) co_return s.fail_statement(plan.error());
  if (!(*plan)->statements.empty() && (*plan)->statements[0].refusal) {
    co_return s.fail_statement(*(*plan)->statements[0].refusal);
  }
  const bool known = statement->described && statement->verified_scope == statement->scope;
  if (!known || taken != nullptr) {
    sql::StatementPlan anywhere;
    anywhere.where = sql::Where::kHome;
    anywhere.writes = false;
    const StatementPtr in_its_place = taken == nullptr ? nullptr : s.find_statement(at->name);
    const ShardId shard = s.shard_for({sharding::Route::Kind::kHome, ShardId(0)}, anywhere);
    ServerConn* conn = co_await s.link(shard, anywhere);
    if (conn == nullptr || !co_await prepare_on(*conn, *at, statement, in_its_place, held)) co_return false;
  } else {
    answer("PREPARE", held);
  }
  e.named[at->name] = std::make_shared<ClientStatement>(ClientStatement{statement});
  co_return true;
}

// PREPARE on a server, in the client's words but for the name, and what types its parameters have. `taken`: the name is in
// use, which is PostgreSQL's to say: it looks at the statement first.
Task<bool> SqlPrepare::prepare_on(ServerConn& conn, const PreparedName& at, const StatementPtr& statement,
                                  const StatementPtr& taken, std::string* held) {
  Session& s = session_;
  if (taken && !co_await make_known(conn, taken)) co_return false;
  // A server that has it already (under another catalog) is asked for the types alone.
  const bool there = !taken && conn.statements.contains(statement->id);
  const std::string name = (taken ? taken : statement)->server_name();
  std::string out;
  if (!there) {
    if (!taken) {
      if (const std::uint64_t old = conn.statements.evict(conn.pool().prepared_limit)) {
        pgwire::append_close(out, 'S', Statement::server_name_of(old));
        conn.owe({.kind = OwedKind::kClose, .forward = false, .forward_error = false, .owner = &s});
      }
    }
    pgwire::append_query(out, rewritten(at, name));
    conn.owe({.kind = OwedKind::kQuery, .forward_ready = false, .owner = &s});
  }
  pgwire::append_describe(out, 'S', name);
  pgwire::append_sync(out);
  conn.owe({.kind = OwedKind::kDescribeStatement, .forward = false, .forward_error = false, .owner = &s});
  conn.owe({.kind = OwedKind::kSync, .forward = false, .owner = &s});
  conn.link.error = conn.link.error_forwarded = false;
  conn.link.types.clear();
  conn.link.position_offset = moved_by(at, name);
  conn.link.collect = held != nullptr;
  conn.flush(out);
  const bool ok = co_await s.wait_owed(conn);
  conn.link.position_offset = 0;
  conn.link.collect = false;
  if (s.closing_) co_return false;
  if (held != nullptr) held->append(std::exchange(conn.link.collected, {}));
  if (conn.lost()) {
    if (s.tx_.active()) s.tx_.failed = true;
    if (!conn.link.error_forwarded) s.send_lost(conn);
    co_return false;
  }
  conn.link.unsynced = false;
  pgwire::ParameterDescription types;
  if (!ok || taken || !decode(conn.link.types, types)) {
    if (!conn.link.error_forwarded) s.fail_statement(make_error(ErrorCode::kInternal, "a statement could not be described"));
    s.statement_failed_ = true;
    co_return false;
  }
  if (there) answer("PREPARE", held);
  conn.statements.add(statement->id);
  statement->types.resize(types.count);
  for (std::size_t i = 0; i < statement->types.size(); ++i) statement->types[i] = types.type(i);
  statement->described = true;
  statement->verified_scope = statement->scope;
  statement->plan.reset();
  s.note_done(conn, sql::StatementPlan{.read_only = true, .writes = false});
  co_return true;
}

// Parses it there, unseen. Part of the transaction at hand, as PostgreSQL's own look at the statement is.
Task<bool> SqlPrepare::make_known(ServerConn& conn, const StatementPtr& statement) {
  if (conn.statements.contains(statement->id)) co_return true;
  Session& s = session_;
  conn.link.error = conn.link.error_forwarded = false;
  s.ensure_parsed(conn, statement, 0);
  std::string out;
  pgwire::append_flush(out);
  conn.flush(out);
  const bool ok = co_await s.wait_owed(conn);
  if (s.closing_) co_return false;
  if (conn.lost()) {
    if (s.tx_.active()) s.tx_.failed = true;
    if (!conn.link.error_forwarded) s.send_lost(conn);
    co_return false;
  }
  if (!ok) {
    out.clear();
    pgwire::append_sync(out);
    conn.owe({.kind = OwedKind::kSync, .forward = false, .owner = &s});
    conn.flush(out);
    co_await s.wait_owed(conn);
    s.statement_failed_ = true;
  }
  co_return ok;
}

Result<ResolvedExecute> SqlPrepare::resolve() {
  Session& s = session_;
  s.ext();
  const sql::LexerOptions options{s.standard_conforming_strings()};
  const auto at = proxy::executes(text_, options, plan_);
  if (!at) {
    return make_error(ErrorCode::kUnsupported, "EXECUTE with a name in U&\"\" is not supported", "write the name with plain letters");
  }
  ResolvedExecute resolved;
  resolved.at = *at;
  resolved.run = plan_;
  resolved.target = at->name.empty() ? nullptr : s.find_statement(at->name);
  if (!resolved.target) return resolved;
  const auto plan = s.plan_statement(*resolved.target);
  if (!plan) return plan.error();
  resolved.plan = *plan;
  if ((*plan)->statements.empty() || s.proxy_handles((*plan)->statements[0])) {
    return make_error(ErrorCode::kUnsupported, "EXECUTE of a statement that the proxy answers is not supported",
                      "send the statement itself");
  }
  sql::StatementPlan run = (*plan)->statements[0];
  if (plan_.verb != Verb::kExecute) {
    run.read_only = false;
    run.writes = run.writes || plan_.verb != Verb::kExplain;
    if (s.pools_->database->sharded() && plan_.verb != Verb::kExplain) {
      return make_error(ErrorCode::kUnsupported, "CREATE TABLE AS EXECUTE is not supported with several shards",
                        "write the query itself");
    }
  }
  std::vector<sharding::BoundParam> params;
  std::optional<std::vector<std::optional<std::string>>> arguments;
  if (s.pools_->database->sharded()) {
    arguments = plain_arguments(text_, options, at->end, plan_.end);
    if (!arguments && run.where == sql::Where::kKeys) {
      return make_error(ErrorCode::kUnsupported, "EXECUTE with an expression as argument is not supported with several shards",
                        "write integers, strings, booleans or NULL", "the arguments decide on the shard");
    }
    if (arguments) {
      const auto& types = resolved.target->types;
      if (arguments->size() < types.size()) arguments->resize(types.size());  // the server refuses it
      for (std::size_t i = 0; i < arguments->size(); ++i) {
        const auto& value = (*arguments)[i];
        params.push_back({value ? Bytes(*value) : Bytes(), !value, false, i < types.size() ? types[i] : 0});
      }
    }
  }
  std::string_view hint = text_.find("howdah") == std::string_view::npos ? std::string_view() : sql::hint_before(text_, plan_.begin, options);
  if (hint.empty()) hint = resolved.target->hint();
  const auto route = s.route_of(run, s.values_of(resolved.target->text, resolved.target->slots, params), hint);
  if (!route) return route.error();
  const bool several = on_several(*route);
  if (several && plan_.verb != Verb::kExecute) {
    return make_error(ErrorCode::kUnsupported, "EXPLAIN EXECUTE of a statement that runs on several shards is not supported", "explain the statement itself");
  }
  resolved.run = std::move(run);
  resolved.route = *route;
  if (several) {
    if (const auto error = bind_values(resolved)) return *error;
  }
  return resolved;
}

// The arguments become the values of a Bind. Only those of which PostgreSQL makes the same value: a string is read by its parameter's
// type, a number might be cast to it.
std::optional<Error> SqlPrepare::bind_values(ResolvedExecute& resolved) const {
  constexpr Oid kNumbers[] = {20, 21, 23, 700, 701, 1700}, kBool = 16;
  const auto& types = resolved.target->types;
  std::vector<ArgumentKind> kinds;
  const auto arguments = plain_arguments(text_, {session_.standard_conforming_strings()}, resolved.at.end, plan_.end, &kinds);
  bool same = arguments.has_value();
  for (std::size_t i = 0; same && i < std::min(kinds.size(), types.size()); ++i) {
    if (kinds[i] == ArgumentKind::kBoolean) same = types[i] == kBool;
    if (kinds[i] == ArgumentKind::kNumber) same = std::find(std::begin(kNumbers), std::end(kNumbers), types[i]) != std::end(kNumbers);
  }
  if (!same) {
    return make_error(ErrorCode::kUnsupported, "EXECUTE on several shards with such an argument is not supported",
                      "Write it as a string, or send the statement itself.", "It may have to be computed, or cast to the parameter's type.");
  }
  if (arguments->size() != types.size()) {
    return make_error(ErrorCode::kSyntaxError, "wrong number of parameters for prepared statement \"" + resolved.at.name + "\"", "",
                      "Expected " + std::to_string(types.size()) + " parameters but got " + std::to_string(arguments->size()) + ".");
  }
  std::string& out = resolved.values;
  append_be(out, std::uint16_t{0});
  append_be(out, static_cast<std::uint16_t>(arguments->size()));
  for (const auto& value : *arguments) {
    append_be(out, value ? static_cast<std::uint32_t>(value->size()) : 0xffffffffU);
    out += value.value_or("");
  }
  return std::nullopt;
}

// By a simple query: as a portal would, but without a word of it.
Task<bool> SqlPrepare::execute_on_many(ResolvedExecute resolved) {
  Session& s = session_;
  if (s.tx_.active() && !s.tx_.explicit_block()) {
    co_return s.fail_statement(make_error(ErrorCode::kUnsupported, "EXECUTE on several shards beside other statements in one string is not supported",
                                          "send it as a string of its own"));
  }
  Portal portal;
  portal.plan = resolved.plan;
  portal.statement = resolved.target;
  portal.on_all = portal.bound = true;
  portal.described = resolved.run.returns_rows;
  portal.bind_tail = resolved.values;
  append_be(portal.bind_tail, std::uint16_t{0});
  portal.route = resolved.route;
  const std::string& text = resolved.target->text;
  if (resolved.route.kind == sharding::Route::Kind::kAllShards) co_return co_await s.run_everywhere(portal.plan, 0, text, &portal);
  co_return co_await s.run_on_many(portal.plan, 0, portal.route, text, &portal, nullptr);
}

Task<bool> SqlPrepare::execute(std::string* held) {
  Session& s = session_;
  Extended& e = s.ext();
  for (int attempt = 0;; ++attempt) {
    if (!e.active) e.effects.clear();
    const auto resolved = resolve();
    if (!resolved) co_return s.fail_statement(resolved.error());
    if (!resolved->target) co_return s.fail_statement(no_such(resolved->at.name));
    if (attempt == 0 && s.worker_.rules != nullptr) {
      if (const auto refusal = s.refused_by_rules(resolved->plan->statements[0], resolved->target->text)) co_return s.fail_statement(*refusal);
    }
    if (on_several(resolved->route)) co_return co_await execute_on_many(*resolved);
    const ShardId shard = s.shard_for(resolved->route, resolved->run);
    s.note_route(shard);
    s.read_from_ = resolved->route.read_from;
    ServerConn* conn = co_await s.link(shard, resolved->run);
    if (conn == nullptr || !co_await make_known(*conn, resolved->target)) co_return false;
    const std::string name = resolved->target->server_name();
    std::string message;
    pgwire::append_query(message, rewritten(resolved->at, name));
    const bool autocommit = !s.tx_.active();
    conn->link.forwarded = false;
    conn->link.position_offset = moved_by(resolved->at, name);
    conn->link.collect = held != nullptr;
    const auto found = e.named.find(resolved->at.name);
    e.executing = attempt == 0 && found != e.named.end() ? found->second : nullptr;
    const bool ok = co_await s.run_query(*conn, message, false);
    const ClientStatementPtr executing = std::exchange(e.executing, nullptr);
    conn->link.position_offset = 0;
    conn->link.collect = false;
    if (s.closing_) co_return false;
    conn->link.unsynced = false;
    if (std::exchange(e.risk.stale, false) && !conn->lost()) {
      // Outdated by DDL: prepared anew, once. The client sees its columns in the answer.
      const StatementPtr old = executing->statement;
      executing->statement = s.worker_.statements.intern(old->text, old->types, s.statement_scope());
      s.statement_failed_ = false;
      continue;
    }
    if (held != nullptr) held->append(std::exchange(conn->link.collected, {}));
    if (conn->lost()) {
      if (s.tx_.active()) s.tx_.failed = true;
      if (!conn->link.error_forwarded) s.send_lost(*conn);
      if (!s.tx_.active()) s.release(*conn);
      s.statement_failed_ = true;
      co_return false;
    }
    if (plan_.verb == Verb::kExecute) {
      s.apply_effect(*conn, resolved->run, resolved->target->text, ok);
    } else {
      s.apply_effect(*conn, plan_, text_, ok);
    }
    if (s.catalog_changed_ && !s.tx_.active()) co_await s.refresh_catalog();
    if (autocommit) {
      ++conn->pool().counters.transactions;
      WorkerCounters::add(s.worker_.counters.transactions);
    }
    co_return ok;
  }
}

}  // namespace howdah::proxy
