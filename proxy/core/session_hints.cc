// howdah.*: the client's wishes, and what becomes of a route under them.
#include <algorithm>
#include <bit>

#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/sql/constants.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sharding::ReadFrom;
using sharding::Route;
using sql::Verb;
using sql::Where;

namespace {

bool is_query(Verb verb) { return verb <= Verb::kMerge || verb == Verb::kCopyIn || verb == Verb::kCopyOut || verb == Verb::kExplain || verb == Verb::kDeclareCursor; }

// Statements about the session, its transaction and its cursors run where these are.
bool takes_hints(const sql::StatementPlan& plan) {
  switch (plan.verb) {
    case Verb::kLock:
    case Verb::kCall:
    case Verb::kDo:
    case Verb::kDdl:
    case Verb::kTruncate:
    case Verb::kMaintenance:
    case Verb::kShow:
    case Verb::kOther:
      return true;
    default:
      return is_query(plan.verb);
  }
}

Error refused(std::string message, std::string hint, std::string detail = {}) {
  return make_error(ErrorCode::kUnsupported, std::move(message), std::move(hint), std::move(detail));
}

Error contradicts(std::string_view what) {
  return refused("the statement's own sharding key contradicts " + std::string(what), "RESET " + std::string(what) + ", or give both the same key.",
                 "Its rows are elsewhere.");
}

Error not_on_one_shard(std::string_view what) {
  return refused("this statement has to run on every shard, and " + std::string(what) + " names one", "RESET " + std::string(what) + " first.",
                 "The shards would differ from then on.");
}

// Where a row could come to lie on a shard that is not its key's, or where nothing is known of what is written.
Error unproven_write(std::string_view what) {
  return refused(std::string(what) + " does not permit this statement", "Name the sharding key in the statement itself.",
                 "It could store rows on a shard that is not the one of their key.");
}

}  // namespace

HintDomain Session::hint_domain() const {
  HintDomain domain;
  for (const auto& shard : pools_->database->config().shards) domain.shards.push_back(shard.name);
  return domain;
}

// The key columns that a value may be meant for: those of the statement's tables, else of all hash tables.
std::vector<sql::KeyColumn> Session::hinted_columns(const Plan* statement) const {
  if (statement != nullptr && !statement->keys.empty()) return statement->keys;
  std::vector<sql::KeyColumn> columns;
  const auto snapshot = pools_->database->snapshot();
  if (snapshot.catalog == nullptr) return columns;
  for (const auto& [name, rule] : pools_->database->config().rules.tables) {
    if (rule.kind != sharding::TableRuleKind::kHash) continue;
    const auto dot = name.find('.');
    const auto* relation = snapshot.catalog->relation(name.substr(0, dot), name.substr(dot + 1), {});
    const auto* column = relation == nullptr ? nullptr : relation->column(rule.column);
    const auto family = column == nullptr ? std::nullopt : sql::key_family(column->type);
    if (!family) continue;
    const sql::KeyColumn key{*family, column->type};
    if (std::find(columns.begin(), columns.end(), key) == columns.end()) columns.push_back(key);
  }
  return columns;
}

// The shard of howdah.sharding_key, read as the key columns would read it.
Result<ShardId> Session::hinted_shard(const Plan* statement, const std::string& key) const {
  std::optional<ShardId> shard;
  for (const auto& column : hinted_columns(statement)) {
    sql::Pin pin;
    pin.family = column.family;
    pin.column_type = column.type;
    const auto found = sharding::route_key(pin, key, false, false, *pools_->database->snapshot().map);
    if (!found) return found.error();
    if (!*found) continue;  // no value of this type
    if (shard && *shard != **found) {
      return refused("howdah.sharding_key \"" + key + "\" belongs to several shards", "SET howdah.shard instead.",
                     "Read as keys of different types it is on different ones, and the statement does not tell which is meant.");
    }
    shard = *found;
  }
  if (shard) return *shard;
  return make_error(ErrorCode::kInvalidValue, "invalid value for parameter \"howdah.sharding_key\": \"" + key + "\"",
                    "Give a value of the sharding key's type.");
}

Result<Route> Session::route_of(const Plan& statement, const sharding::Values& values, std::string_view comment, const HintsPtr& hints) const {
  auto route = sharding::route(statement, values, *pools_->database->snapshot().map);
  if (hints == nullptr && comment.empty()) return route;
  if (!takes_hints(statement) || proxy_handles(statement)) return route;
  Hints wishes = hints == nullptr ? Hints{} : *hints;
  if (!comment.empty()) {
    if (auto error = read_hint_comment(comment, wishes, hint_domain())) return *error;
  }
  if (wishes == Hints{}) return route;
  return hinted_route(statement, values, wishes, std::move(route));
}

Result<Route> Session::hinted_route(const Plan& statement, const sharding::Values& values, const Hints& hints, Result<Route> route) const {
  if (pools_->database->sharded()) {
    if (hints.unique == Hints::Unique::kPerShard && statement.where == Where::kAllShards && statement.refusal) route = Route{Route::Kind::kAllShards, ShardId()};
    if (!hints.shard.empty()) {
      const auto& shards = pools_->database->config().shards;
      const auto at = std::find_if(shards.begin(), shards.end(), [&](const auto& shard) { return shard.name == hints.shard; });
      if (at == shards.end()) return make_error(ErrorCode::kInvalidValue, "howdah.shard \"" + hints.shard + "\" does not exist");
      const ShardId shard(static_cast<std::uint16_t>(at - shards.begin()));
      if (hints.sharding_key) {
        const auto keys = hinted_shard(&statement, *hints.sharding_key);
        if (!keys) return keys.error();
        if (*keys != shard) return refused("howdah.sharding_key and howdah.shard name different shards", "RESET one of them.");
      }
      route = shard_route(statement, "howdah.shard", shard, std::move(route));
    }
    if (route || statement.where == Where::kRefused) {
      if (hints.sharding_key) route = key_route(statement, values, *hints.sharding_key, std::move(route));
    }
  }
  if (!route) return route;
  if (!hints.scatter && route->kind == Route::Kind::kManyShards && std::popcount(route->mask) > 1) {
    return refused("this statement would run on several shards, and howdah.scatter is off", "Name one value of the sharding key, or SET howdah.scatter = on.");
  }
  if (statement.verb == Verb::kShow || statement.verb == Verb::kExplain) return route;
  route->read_from = hints.read_from();
  if (hints.role == Hints::Role::kReplica) {
    const bool reads = statement.read_only || (statement.verb == Verb::kSelect && !statement.changes_rows && !may_leave_state(statement));
    if (!reads) {
      return make_error(ErrorCode::kReadOnlyTransaction, "cannot execute this statement on a replica", "RESET howdah.role, or set it to primary.",
                        "howdah.role is replica.");
    }
    if (tx_.active() && tx_.options.read_only != true) {
      return refused("howdah.role = replica needs a read-only transaction", "BEGIN READ ONLY, or read outside of a transaction.",
                     "A transaction that may write is the primary's.");
    }
  }
  return route;
}

bool Session::may_leave_state(const Plan& plan) { return plan.pin != sql::PinReason::kNone || plan.unlocks || plan.notifies; }

// Under howdah.shard, or on the shard of howdah.sharding_key.
Result<Route> Session::shard_route(const Plan& statement, std::string_view name, ShardId shard, Result<Route> route) const {
  const Route here{Route::Kind::kShard, shard};
  if (statement.notifies && statement.where == Where::kHome) return route;  // who listens does so on the first shard
  switch (statement.where) {
    case Where::kProxy:
      return route;
    case Where::kHome:
    case Where::kAnyShard:
    case Where::kCanonical:
      return here;
    case Where::kShard:
      if (statement.shard != shard) return refused("the statement's table is on another shard than " + std::string(name) + " says", "RESET " + std::string(name) + ".");
      return here;
    case Where::kAllShards:
      if (statement.verb == Verb::kMaintenance || statement.verb == Verb::kLock) return here;
      return not_on_one_shard(name);
    case Where::kKeys:
    case Where::kManyShards:
      return pinned_route(statement, name, shard, std::move(route));
    case Where::kRefused:
      break;
  }
  const bool reads = (statement.verb == Verb::kSelect || statement.verb == Verb::kExplain || statement.verb == Verb::kDeclareCursor ||
                      statement.verb == Verb::kCopyOut) &&
                     !statement.changes_rows;
  if (!reads) return unproven_write(name);
  return here;
}

// Of a statement on hash tables: its own keys, where it has some, must all be on this shard.
Result<Route> Session::pinned_route(const Plan& statement, std::string_view name, ShardId shard, Result<Route> route) const {
  const Route here{Route::Kind::kShard, shard};
  const bool stores = statement.verb == Verb::kInsert || statement.verb == Verb::kCopyIn || statement.verb == Verb::kMerge || statement.changes_rows;
  if (statement.verb == Verb::kCopyIn) return unproven_write(name);
  if (!route) return stores ? route : Result<Route>(here);
  switch (route->kind) {
    case Route::Kind::kShard:
      if (route->shard != shard) return contradicts(name);
      return here;
    case Route::Kind::kManyShards: {
      if (statement.many_write && statement.many_write->move) return contradicts(name);
      const std::uint64_t bit = std::uint64_t{1} << (shard.value() & 63u);
      if (route->mask == ~std::uint64_t{0}) return statement.many_write && statement.many_write->by_rows ? contradicts(name) : Result<Route>(here);
      if (route->mask != bit) return contradicts(name);
      return here;
    }
    default:
      return here;  // its keys match no row
  }
}

// Under howdah.sharding_key: for statements that have no key of their own.
Result<Route> Session::key_route(const Plan& statement, const sharding::Values& values, const std::string& key, Result<Route> route) const {
  constexpr std::string_view kName = "howdah.sharding_key";
  switch (statement.where) {
    case Where::kProxy:
    case Where::kShard:
    case Where::kAllShards:
    case Where::kCanonical:
      return route;
    case Where::kHome:
      if (has_shared_effect(statement)) return route;  // must meet those of other sessions
      break;
    case Where::kKeys:
    case Where::kManyShards:
      if (statement.verb == Verb::kCopyIn) return unproven_write(kName);
      if (const auto same = sharding::own_keys_are(statement, values, key, *pools_->database->snapshot().map)) {
        if (!*same) return contradicts(kName);
        return route;
      }
      break;
    default:
      break;
  }
  const auto shard = hinted_shard(&statement, key);
  if (!shard) return shard.error();
  if (route && route->kind == Route::Kind::kShard && route->shard != *shard) return contradicts(kName);
  return shard_route(statement, kName, *shard, std::move(route));
}

// Each statement of a string under the hints that those before it set.
std::vector<Result<Route>> Session::routes_of(const sql::Plan& plan, Bytes text) {
  std::vector<Result<Route>> routes;
  const sharding::Values values = values_of(text, worker_.tokens.slots, {});
  HintsPtr hints = hints_;
  for (const auto& statement : plan.statements) {
    const bool set = statement.verb == Verb::kSet && is_howdah(statement.set.name);
    if (set || (statement.verb == Verb::kSet && statement.set.kind == sql::SetCommand::Kind::kResetAll)) {
      if (auto changed = changed_hints(hints, statement)) hints = *changed;
    }
    const std::string_view comment =
        text.find("howdah") == Bytes::npos ? std::string_view() : sql::hint_before(text, statement.begin, {standard_conforming_strings()});
    // Those of PREPARE's and EXECUTE's come to it in sql_prepare.cc.
    const bool by_name = statement.verb == Verb::kPrepare || statement.verb == Verb::kExecute;
    const auto refusal = worker_.rules == nullptr || by_name || proxy_handles(statement) ? std::nullopt : refused_by_rules(statement, text);
    routes.push_back(refusal ? Result<Route>(*refusal) : route_of(statement, values, comment, hints));
  }
  return routes;
}

// --- SET, RESET, SHOW

Result<HintsPtr> Session::changed_hints(const HintsPtr& from, const Plan& plan) const {
  using Kind = sql::SetCommand::Kind;
  if (plan.set.kind == Kind::kResetAll) return login_hints_;
  Hints hints = from == nullptr ? Hints{} : *from;
  std::optional<std::string> value = plan.set.value;
  if (plan.set.kind == Kind::kDefault || plan.set.kind == Kind::kReset) {
    value.reset();
    if (login_hints_ != nullptr) {
      for (const auto& [name, login] : hint_values(*login_hints_)) {
        if (name == plan.set.name) value = login;
      }
    }
  }
  if (auto error = set_hint(hints, plan.set.name, value ? std::optional<std::string_view>(*value) : std::nullopt, hint_domain())) return *error;
  if (auto error = check_hints(hints)) return *error;
  if (hints == Hints{}) return HintsPtr();
  return HintsPtr(std::make_shared<const Hints>(std::move(hints)));
}

// A key that no key column could have is refused at once.
std::optional<Error> Session::check_hints(const Hints& hints) const {
  if (!hints.sharding_key || !pools_->database->sharded() || hinted_columns(nullptr).empty()) return std::nullopt;
  const auto shard = hinted_shard(nullptr, *hints.sharding_key);
  if (!shard && shard.error().code == ErrorCode::kInvalidValue) return shard.error();
  return std::nullopt;
}

bool Session::set_howdah(const Plan& plan) {
  using Kind = sql::SetCommand::Kind;
  const auto changed = changed_hints(hints_, plan);
  if (!changed) return fail_statement(changed.error());
  const char* tag = plan.set.kind == Kind::kReset ? "RESET" : "SET";
  if (plan.set.local && !tx_.active()) {
    warn("25P01", "SET LOCAL can only be used in transaction blocks");
  } else {
    change_hints(plan, *changed);
  }
  answer(tag);
  return true;
}

// In a transaction, with what it takes to undo it.
void Session::change_hints(const Plan& plan, HintsPtr changed) {
  if (tx_.active() && !std::exchange(tx_.hints_changed, true)) tx_.hints_at_begin = tx_.kept_hints = hints_;
  if (tx_.active() && !plan.set.local) {
    if (const auto kept = changed_hints(tx_.kept_hints, plan)) tx_.kept_hints = *kept;
  }
  hints_ = std::move(changed);
}

// By RESET ALL or DISCARD ALL.
void Session::reset_hints() {
  if (hints_ == login_hints_) return;
  if (tx_.active() && !std::exchange(tx_.hints_changed, true)) tx_.hints_at_begin = hints_;
  hints_ = tx_.kept_hints = login_hints_;
}

void Session::end_hints(bool committed) {
  hints_ = committed ? tx_.kept_hints : tx_.hints_at_begin;
}

bool Session::show_howdah(const Plan& plan) {
  const auto value = show_hint(hints_ == nullptr ? Hints{} : *hints_, plan.name);
  if (!value) return fail_statement(value.error());
  worker_.scratch.clear();
  if (!ext_ || !ext_->active) pgwire::append_text_row_description(worker_.scratch, {Bytes(plan.name)});
  const std::optional<Bytes> row[] = {Bytes(*value)};
  pgwire::append_data_row(worker_.scratch, row);
  send(worker_.scratch);
  answer("SHOW");
  return true;
}

// Takes the howdah.* out of a login's settings.
std::optional<Error> Session::take_login_hints(std::vector<std::pair<std::string, std::string>>& settings) {
  Hints hints;
  std::optional<Error> error;
  std::erase_if(settings, [&](const auto& setting) {
    std::string name = setting.first;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!is_howdah(name)) return false;
    if (!error) error = name == "howdah.token" ? take_token(setting.second) : set_hint(hints, name, std::string_view(setting.second), hint_domain());
    return true;
  });
  if (!error) error = check_hints(hints);
  if (!error && hints != Hints{}) hints_ = login_hints_ = std::make_shared<const Hints>(std::move(hints));
  return error;
}

// --- which server

// `conn` is what the transaction, or the pipeline, has on the shard already.
std::optional<Error> Session::refused_wish(const ServerConn& conn, ReadFrom wish) {
  const bool eventual = wish == ReadFrom::kEventual || wish == ReadFrom::kEventualReplica;
  const bool demanded = wish == ReadFrom::kReplica || wish == ReadFrom::kEventualReplica;
  const bool other = (wish == ReadFrom::kPrimary && conn.link.replica) || (demanded && !conn.link.replica) || (conn.link.eventual && !eventual);
  if (!other) return std::nullopt;
  return refused("the transaction already reads another server of this shard", "Set howdah.role and howdah.consistency before its first statement.",
                 "A transaction is on one server of each shard.");
}

}  // namespace howdah::proxy
