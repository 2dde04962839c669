// From a statement's text to the server connection that runs it.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/proxy.h"
#include "proxy/core/route_text.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/sql/analyzer.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sharding::ReadFrom;
using sql::Verb;

namespace {

// "a, \"B c\", $user" -> names as the catalog has them.
std::vector<std::string> split_path(std::string_view path, const std::string& user) {
  std::vector<std::string> names;
  std::string name;
  bool quoted = false, any = false;
  const auto finish = [&] {
    if (any) names.push_back(name == "$user" ? user : name);
    name.clear();
    any = false;
  };
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '"') {
      if (quoted && i + 1 < path.size() && path[i + 1] == '"') {
        name += '"';
        ++i;
      } else {
        quoted = !quoted;
        any = true;
      }
    } else if (!quoted && c == ',') {
      finish();
    } else if (quoted || !std::isspace(static_cast<unsigned char>(c))) {
      name += quoted ? c : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      any = true;
    }
  }
  finish();
  return names;
}

}  // namespace

std::vector<std::string> Session::search_path() const {
  const auto* set = setting("search_path");
  const std::string& path = set != nullptr ? set->value : pools_->default_search_path;
  const auto* role = setting("role");
  return split_path(path.empty() ? "\"$user\", public" : path, role != nullptr ? role->value : user_name_);
}

std::uint64_t Session::scope() {
  DatabaseView& database = *pools_->database;
  database.refresh();
  // Snapshots are counted, rules have a hash for their version: what changes either changes this.
  const std::uint64_t version = database.version() ^ database.config().rules.version;
  if (scope_ != 0 && scope_version_ == version && scope_settings_ == settings_ && scope_local_ == tx_.local) return scope_;
  std::string key = database.config().name;
  for (const auto& name : search_path()) key.append(1, '\0').append(name);
  key.append(1, '\1').append(std::to_string(database.version()));
  key.append(1, '\1').append(std::to_string(database.config().rules.version));
  for (const auto* name : {"standard_conforming_strings", "role", "session_authorization"}) {
    const auto* entry = setting(name);
    key.append(1, '\1').append(entry == nullptr ? "" : entry->value);
  }
  scope_ = worker_.intern_scope(key);
  scope_version_ = version;
  scope_settings_ = settings_;
  scope_local_ = tx_.local;
  return scope_;
}

bool Session::standard_conforming_strings() const {
  const auto* entry = setting("standard_conforming_strings");
  return entry == nullptr || (entry->value != "off" && entry->value != "false" && entry->value != "0" && entry->value != "no");
}

sharding::Values Session::values_of(Bytes text, std::span<const sql::Slot> slots,
                                    std::span<const sharding::BoundParam> params) const {
  sharding::Values values{text, slots, params};
  values.standard_conforming_strings = standard_conforming_strings();
  return values;  // with several shards the client's encoding is UTF-8: see keeps_routes()
}

Result<Session::PlanPtr> Session::plan_text(Bytes text, std::span<const Oid> types) {
  const std::uint64_t in_scope = scope();
  sql::LexerOptions lexer;
  lexer.standard_conforming_strings = standard_conforming_strings();
  sql::tokenize(text, lexer, worker_.tokens);
  if (const PlanPtr* known = worker_.plans.find(text, worker_.tokens, types, in_scope)) {
    WorkerCounters::add(worker_.counters.plan_hits);
    return *known;
  }
  WorkerCounters::add(worker_.counters.plan_misses);
  const DatabaseView& database = *pools_->database;
  sql::AnalyzeContext context;
  context.catalog = database.snapshot().catalog.get();
  context.rules = &database.config().rules;
  context.drift = database.snapshot().drift.get();
  context.search_path = search_path();
  context.lexer = lexer;
  auto analysis = sql::analyze(text, worker_.tokens, types, context);
  if (!analysis) return analysis.error();
  return worker_.plans.insert(text, worker_.tokens, types, in_scope, std::move(*analysis));
}

bool Session::names_unknown_table(const sql::Plan& plan) const {
  const auto unknown = [](const Plan& statement) { return statement.refusal && statement.refusal->code == ErrorCode::kUndefinedTable; };
  // A table of this transaction's own is in nobody else's catalog yet.
  return !catalog_changed_ && std::any_of(plan.statements.begin(), plan.statements.end(), unknown);
}

Task<bool> Session::plan_anew(Bytes text, std::span<const Oid> types, Result<PlanPtr>& plan) {
  co_await refresh_catalog();
  if (closing_) co_return false;
  plan = plan_text(text, types);
  co_return true;
}

// Side effects without a table (advisory locks, NOTIFY) must meet those of all other sessions: on one fixed shard.
bool Session::has_shared_effect(const Plan& plan) {
  if (plan.verb == Verb::kSet) return false;
  return plan.writes || plan.unlocks || (plan.pin != sql::PinReason::kNone && plan.pin != sql::PinReason::kSetConfig) ||
         plan.verb == Verb::kListen || plan.verb == Verb::kUnlisten || plan.verb == Verb::kNotify;
}

ShardId Session::shard_for(const sharding::Route& route, const Plan& plan) const {
  using Kind = sharding::Route::Kind;
  if (route.kind == Kind::kShard) return route.shard;
  if (route.kind == Kind::kCanonical) return ShardId(0);
  if (plan.verb == Verb::kFetch || plan.verb == Verb::kCloseCursor) {
    if (const ServerConn* conn = cursor_conn(plan.name)) return conn->pool().target().shard;
  }
  if (route.kind == Kind::kHome && has_shared_effect(plan)) {
    for (const ServerConn* conn : links_) {
      if (conn->link.pins.any()) return conn->pool().target().shard;
    }
    if (plan.verb != Verb::kFetch && plan.verb != Verb::kCloseCursor) return ShardId(0);
  }
  if (!links_.empty()) return links_.front()->pool().target().shard;
  return ShardId(static_cast<std::uint16_t>(static_cast<std::uint32_t>(pid_) % pools_->primaries.size()));
}

ServerConn* Session::linked(ShardId shard) const {
  for (ServerConn* conn : links_) {
    if (conn->pool().target().shard == shard) return conn;
  }
  return nullptr;
}

// Where another server becomes the shard's primary meanwhile, the wait goes on there.
Task<ServerConn*> Session::acquire(Pool& from, bool tell) {
  for (Pool* pool = &from;; pool = &pools_->pool(pools_->primaries[from.target().shard.value()])) {
    granted_ = nullptr;
    pool_error_.reset();
    cancel_ = timed_out_ = false;
    if (pool->breaker != nullptr && pool->leaves_alone()) {
      if (tell && tx_.active()) tx_.failed = true;
      if (tell) send_error(pool->breaker_error());
      co_return nullptr;
    }
    if (ServerConn* conn = pool->acquire(*this)) {
      conn->link_to(*this);
      links_.push_back(conn);
      co_return conn;
    }
    flush_client();
    const Waited waited = co_await wait_in_queue(*pool);
    if (ServerConn* conn = std::exchange(granted_, nullptr)) {
      links_.push_back(conn);
      co_return conn;
    }
    pool->give_up(*this);
    if (closing_) co_return nullptr;
    if (!cancel_ && pool_error_ && pool_error_->code == ErrorCode::kPrimaryMoved) continue;
    if (!tell) co_return nullptr;
    const Error error = queue_error(*pool, waited);
    if (waited == Waited::kDeadlock) give_way();
    if (tx_.active()) tx_.failed = true;
    send_error(error);
    co_return nullptr;
  }
}

namespace {

Error no_replica() {
  return make_error(ErrorCode::kServerUnavailable, "no replica can answer this statement now",
                    "SET howdah.consistency = eventual to read what a replica has, or let the primary answer: RESET howdah.role, or SET it to primary.",
                    "None is up and shows all that this client has written and seen.");
}

}  // namespace

Task<ServerConn*> Session::link(ShardId shard, const Plan& plan) {
  if (!tx_.portals.empty()) close_dropped();
  route_reason_ = reason_of(plan);
  auto wish = std::exchange(read_from_, ReadFrom::kDefault);
  if (plan.pin != sql::PinReason::kNone) {
    if (const auto refusal = refused_state(plan)) {
      fail_statement(*refusal);
      co_return nullptr;
    }
  }
  if (plan.verb == Verb::kDeclareCursor && (tx_.active() || plan.pin == sql::PinReason::kHoldCursor)) {
    if (const auto taken = taken_cursor(plan.name, shard)) {
      fail_statement(*taken);
      co_return nullptr;
    }
  }
  if (ServerConn* conn = linked(shard)) {
    route_server_ = conn->pool().target().server.value();
    if (conn->lost()) {
      const Error reason = conn->lost_reason();
      release(*conn);
      if (tx_.active()) tx_.failed = true;
      send_error(reason);
      co_return nullptr;
    }
    if ((wish != ReadFrom::kDefault || conn->link.eventual) && (plan.read_only || plan.verb == Verb::kSelect)) {
      if (const auto refusal = refused_wish(*conn, wish)) {
        fail_statement(*refusal);
        co_return nullptr;
      }
    }
    if (conn->link.replica && !plan.read_only && plan.where != sql::Where::kProxy && plan.verb != Verb::kFetch &&
        plan.verb != Verb::kCloseCursor && plan.verb != Verb::kDeclareCursor && plan.verb != Verb::kSet &&
        plan.verb != Verb::kSetTransaction && plan.verb != Verb::kShow) {
      if (tx_.active()) tx_.failed = true;
      send_error(make_error(ErrorCode::kReadOnlyTransaction,
                            "cannot execute this statement in a read-only transaction that runs on a replica",
                            "begin the transaction with READ WRITE, or run it on the primary"));
      co_return nullptr;
    }
    if (!conn->settings->same(*settings_) && !co_await bring_settings(*conn, settings_for(plan))) co_return nullptr;
    conn->reported == nullptr || conn->reported != told_ ? tell_params(*conn) : void(conn->link.told = true);
    if (tx_.active() && !conn->link.in_transaction) begin_on(*conn);
    co_return conn;
  }
  if (tx_.explicit_block() && !links_.empty() && in_snapshot_transaction() && !relaxed_isolation()) {
    tx_.failed = true;
    send_error(make_error(ErrorCode::kUnsupported, "a REPEATABLE READ or SERIALIZABLE transaction cannot reach a second shard",
                          "use READ COMMITTED, keep the transaction to one sharding key, or SET howdah.multi_shard_isolation = relaxed",
                          "the shards have no common snapshot"));
    co_return nullptr;
  }
  if (wish == ReadFrom::kDefault) wish = wish_by_policy(shard, plan);
  if (wish != ReadFrom::kPrimary && is_withheld(shard, plan)) {
    fail_statement(make_error(ErrorCode::kServerUnavailable, "all replicas of shard " + pools_->database->config().shards[shard.value()].name + " are down",
                              "Repeat it when a replica is back, or SET howdah.role = primary.", "The database's primary_reads is false."));
    co_return nullptr;
  }
  ServerId server = wish == ReadFrom::kDefault ? server_for(shard, plan) : wished_server(shard, plan, wish);
  ServerId primary = pools_->primaries[shard.value()];
  const Epoch routed = pools_->database->snapshot().map->epoch();
  ServerConn* conn = nullptr;
  bool canceled = false;
  if (handover_ != kNoServer) {
    cancel_ = false;
    conn = co_await hand_over_reads(shard);
    canceled = conn == nullptr && cancel_;
    if (primary != pools_->primaries[shard.value()]) server = primary = pools_->primaries[shard.value()];  // it waited for one
  }
  const bool eventual = wish == ReadFrom::kEventual || wish == ReadFrom::kEventualReplica;
  const bool demanded = wish == ReadFrom::kReplica || wish == ReadFrom::kEventualReplica;
  if (conn == nullptr && !canceled && !closing_ && !(demanded && server == primary)) {
    conn = co_await acquire(pools_->pool(server), server == primary);
  }
  if (conn != nullptr && server != primary && !eventual && !continues_on(*conn)) {
    release(*conn);
    conn = nullptr;
  }
  if (conn == nullptr && demanded && !closing_ && (server == primary ? !canceled : !cancel_)) {
    fail_statement(no_replica());
    co_return nullptr;
  }
  if (conn == nullptr && (server != primary || canceled) && !closing_) {
    // The replica cannot be had: the primary can do all that it could.
    if (cancel_) {
      fail_statement(make_error(ErrorCode::kQueryCanceled, "canceling statement due to user request"));
      co_return nullptr;
    }
    conn = co_await acquire(pools_->pool(pools_->primaries[shard.value()]));  // perhaps another one by now
  }
  if (conn == nullptr) co_return nullptr;
  // Buckets may have moved while this waited. A statement on its own is routed again by who asked for the connection.
  if (routed != pools_->database->snapshot().map->epoch() && (tx_.active() || (ext_ && ext_->active))) {
    release(*conn);
    if (tx_.active()) tx_.failed = true;
    send_error(make_error(ErrorCode::kStaleMap, "the shard map changed while the statement waited for a server connection",
                          "repeat the transaction"));
    co_return nullptr;
  }
  const ServerTarget& target = conn->pool().target();
  conn->link.replica = target.replica;
  conn->link.eventual = eventual && target.replica;
  route_server_ = target.server.value();
  if (!unfinished_.empty() && !co_await await_unfinished(*conn)) {
    release(*conn);
    co_return nullptr;
  }
  if (!conn->settings->same(*settings_) && !co_await bring_settings(*conn, settings_for(plan))) {
    if (!conn->lost()) conn->fail(make_error(ErrorCode::kServerLost, "settings could not be carried over"));
    release(*conn);
    co_return nullptr;
  }
  conn->reported == nullptr || conn->reported != told_ ? tell_params(*conn) : void(conn->link.told = true);
  if (tx_.active()) begin_on(*conn);
  co_return conn;
}

bool Session::in_snapshot_transaction() const {
  using Isolation = sql::TransactionOptions::Isolation;
  switch (tx_.options.isolation) {
    case Isolation::kRepeatableRead:
    case Isolation::kSerializable:
      return true;
    case Isolation::kDefault:
      return default_isolation_is_snapshot();
    default:
      return false;
  }
}

bool Session::default_isolation_is_snapshot() const {
  const auto* set = settings_->find("default_transaction_isolation");
  return set != nullptr && set->value != "read committed";
}

// A transaction of this session's is committed, but this shard may not have heard: what it wrote must be seen.
Task<bool> Session::await_unfinished(ServerConn& conn) {
  const ShardId shard = conn.pool().target().shard;
  for (std::size_t i = 0; i < unfinished_.size();) {
    if (unfinished_[i].shard != shard) {
      ++i;
      continue;
    }
    // Waits on the server for the transaction's own end; recovery is already on its way.
    const std::string wait =
        "DO $$ BEGIN FOR i IN 1..200 LOOP EXIT WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE gid = " +
        quote_literal(unfinished_[i].gid) +
        "); PERFORM pg_catalog.pg_sleep(0.05); IF i = 200 THEN RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = "
        "'an earlier transaction of this client is not finished on this shard yet'; END IF; END LOOP; END $$";
    if (!co_await own_query(conn, wait, true)) co_return false;
    unfinished_.erase(unfinished_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  co_return true;
}

// Each string of statements is one transaction of its own: it takes effect as a whole, or not at all.
Task<bool> Session::bring_settings(ServerConn& conn, SettingsPtr wanted) {
  if (wanted != settings_ && !conn.link.in_transaction) {
    // All of the client's, if that can be: what the server reports is then what the client was told.
    const auto [lexing, rest] = settings_->transition_from(*conn.settings);
    const bool begun = lexing.empty() || co_await own_query(conn, lexing, false);
    if (begun && (rest.empty() || co_await own_query(conn, rest, false))) {
      conn.settings = settings_;
      co_return true;
    }
    if (closing_) co_return false;
    if (begun && !lexing.empty() && !conn.lost()) conn.fail(make_error(ErrorCode::kServerLost, "settings could not be carried over"));
    if (conn.lost()) {
      send_lost(conn);
      co_return false;
    }
  }
  const auto [lexing, rest] = wanted->transition_from(*conn.settings);
  const bool first = lexing.empty() || co_await own_query(conn, lexing, true);
  if (!first || (!rest.empty() && !co_await own_query(conn, rest, true))) {
    if (tx_.active()) tx_.failed = true;
    // Half way between two states.
    if (first && !lexing.empty() && !conn.lost()) conn.fail(make_error(ErrorCode::kServerLost, "settings could not be carried over"));
    co_return false;
  }
  conn.settings = std::move(wanted);
  co_return true;
}

// What a connection needs before `plan` runs there: not the parameter that it sets anyway, which may be one that the server
// does not take any more.
SettingsPtr Session::settings_for(const Plan& plan) const {
  if (plan.verb != Verb::kSet || plan.set.local || plan.set.name.empty()) return settings_;
  return settings_->find(plan.set.name) == nullptr ? settings_ : settings_->without(plan.set.name);
}

// As it holds in the transaction at hand.
const Settings::Entry* Session::setting(std::string_view name) const {
  const auto* local = tx_.local == nullptr ? nullptr : tx_.local->find(name);
  return local != nullptr ? local : settings_->find(name);
}

void Session::begin_on(ServerConn& conn) {
  if (links_.size() > 1 && !std::exchange(spanning_, true)) worker_.spans.add(*this);
  conn.link.settings_at_begin = conn.settings;
  conn.link.in_transaction = true;
  conn.link.replayed_at_join = tx_.replay.size();
  const auto inject = [&](const std::string& statement) {
    worker_.scratch.clear();
    pgwire::append_query(worker_.scratch, statement);
    conn.queue(worker_.scratch);
    conn.owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = true, .owner = this});
  };
  inject(begin_statement(tx_.options));
  for (const auto& step : tx_.replay) {
    inject(step.savepoint ? "SAVEPOINT " + quote_identifier(step.text) : step.text);
  }
}

void Session::release(ServerConn& conn) {
  std::erase(links_, &conn);
  if (notes_) forget_notes(conn);
  if (conn.reported == nullptr && conn.link.told && !conn.link.withheld) told_ = conn.reported = worker_.reported.intern(conn.params);
  if (ext_) {
    if (ext_->conn == &conn) ext_->conn = nullptr;
    std::erase_if(ext_->portals, [&](const Portal& portal) { return portal.conn == &conn; });
  }
  conn.pool().release(conn);
}

void Session::release_all_idle() {
  const bool session_mode = worker_.config()->pool.mode == config::PoolMode::kSession && !pools_->database->sharded();
  for (std::size_t i = links_.size(); i-- > 0;) {
    ServerConn& conn = *links_[i];
    if (conn.lost()) {
      // What was lost with it, the client hears of at its next statement.
      if (!tx_.active() && !conn.link.pins.any()) release(conn);
    } else if (!tx_.active() && conn.link.owed == 0 && !conn.link.unsynced && !conn.link.pins.any() && !session_mode &&
               (!ext_ || ext_->conn != &conn)) {
      release(conn);
    }
  }
}

void Session::note_done(ServerConn& conn, const Plan& plan) {
  if (plan.writes) conn.link.wrote = true;
  if (views_.empty() || conn.link.eventual) return;  // what it showed binds no later read
  ShardView& view = views_[conn.pool().target().shard.value()];
  const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
  if (!plan.read_only) {
    view.mark = now;
  }
  view.last_read = now;
  view.last_server = conn.pool().target().server.value();
}

// What a statement that ended changes in the session's picture of itself and of the server connection.
void Session::apply_effect(ServerConn& conn, const Plan& plan, Bytes text, bool ok) {
  note_done(conn, plan);
  ++conn.pool().counters.statements;
  WorkerCounters::add(worker_.counters.statements);
  if (plan.pin != sql::PinReason::kNone || conn.link.pins.any()) note_state(conn, plan, ok);
  if (plan.notifies) conn.link.notified = true;
  if (!ok) return;
  if (plan.changes_catalog) catalog_changed_ = true;
  switch (plan.verb) {
    case Verb::kSet: {
      const Bytes statement = text.substr(plan.begin, plan.end - plan.begin);
      note_set(&conn, plan, statement);
      break;
    }
    case Verb::kListen:
    case Verb::kUnlisten:
      conn.listens = true;
      break;
    case Verb::kDeclareCursor:
    case Verb::kCloseCursor:
      note_cursor(conn, plan);
      break;
    default:
      break;
  }
}

// Why a statement is not run in a transaction that failed: the first time the true reason, where the client has not
// heard of it.
Error Session::failed_transaction() {
  for (ServerConn* conn : links_) {
    if (!conn->lost()) continue;
    Error reason = conn->lost_reason();
    const bool told = conn->link.error_forwarded;
    release(*conn);
    if (!told) return reason;
    break;
  }
  return make_error(ErrorCode::kInFailedTransaction,
                    "current transaction is aborted, commands ignored until end of transaction block");
}

}  // namespace howdah::proxy
