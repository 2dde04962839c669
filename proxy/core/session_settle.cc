// Session state that a statement may have left behind, by whatever means: parameters are read back and follow the client,
// what cannot follow keeps the connection with the client for as long as the server says that it is there.
#include <algorithm>

#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/state_questions.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::PinReason;
using sql::Verb;

namespace {

// Parameters that the proxy looks at itself: it reads and routes statements by them, and warns or does not.
bool is_looked_at(std::string_view name) {
  return name == "search_path" || name == "role" || name == "session_authorization" || name == "standard_conforming_strings" ||
         name == "client_min_messages";
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

}  // namespace

std::optional<Error> Session::refused_state(const Plan& plan) const {
  if (plan.pin == PinReason::kListen) {
    if (plan.verb == Verb::kListen || !shares_listener()) return std::nullopt;
    return make_error(ErrorCode::kUnsupported, "pg_listening_channels() is not supported in transaction pooling",
                      "keep the list of channels in the application", "the proxy listens for its clients on a connection of its own");
  }
  const auto& pool = worker_.config()->pool;
  const bool keeps_anyway = pool.mode == config::PoolMode::kSession && !pools_->database->sharded();
  if (pool.session_state == config::SessionState::kPin || keeps_anyway || plan.pin == PinReason::kUserCode) return std::nullopt;
  if (plan.pin == PinReason::kTemporaryTable && plan.drops_at_commit) return std::nullopt;
  return make_error(ErrorCode::kUnsupported, std::string(describe(plan.pin)) + " is refused: it would keep a server connection",
                    "use transaction-level state (ON COMMIT DROP, pg_advisory_xact_lock), or set pool.session_state to pin",
                    "pool.session_state is refuse");
}

// The parameters that the Bind at hand (or, without parameters, the statement alone) names for set_config.
std::vector<std::string> Session::config_names(const Plan& plan) const {
  std::vector<std::string> names;
  for (const auto& call : plan.configs) {
    if (!call.name.empty()) {
      names.push_back(call.name);
    } else if (call.param < worker_.params.size() && !worker_.params[call.param].is_null) {
      names.push_back(lower(worker_.params[call.param].value));  // text has one form, in text and in binary
    } else {
      names.emplace_back();
    }
  }
  return names;
}

void Session::note_config(ServerConn& conn, std::string name, bool local) {
  if (name.empty()) return;
  if (!notes_) notes_ = std::make_unique<StateNotes>();
  settle_ = true;
  if (!local) conn.link.unclean = true;  // until it is read back
  for (auto& known : notes_->configs) {
    if (known.conn != &conn || known.name != name) continue;
    known.local = known.local && local;
    return;
  }
  notes_->configs.push_back({&conn, std::move(name), local});
}

void Session::note_configs(ServerConn& conn, const Plan& plan, std::vector<std::string> names) {
  for (std::size_t i = 0; i < plan.configs.size() && i < names.size(); ++i) {
    const bool local = plan.configs[i].local;
    if (tx_.active() || (ext_ && ext_->active)) note_local_setting(names[i]);
    // What ends with the transaction matters to other shards only.
    if (local && (!pools_->database->sharded() || !tx_.active())) continue;
    note_config(conn, std::move(names[i]), local);
  }
}

// A SET or RESET that succeeded on `conn`; null: on one that it was only tried on.
void Session::note_set(ServerConn* conn, const Plan& plan, Bytes statement) {
  const auto& set = plan.set;
  if (set.kind == sql::SetCommand::Kind::kResetAll) reset_hints();
  if (tx_.active() && is_looked_at(set.name)) {
    if (set.local) {
      tx_.local = (tx_.local ? tx_.local : Settings::none())->with(set.name, {}, set.value);
    } else if (tx_.local) {
      tx_.local = tx_.local->without(set.name);
    }
  }
  if (set.local) {
    note_local_setting(set.name);
    if (tx_.active()) tx_.replay.push_back({.text = std::string(statement)});
    return;
  }
  if (conn != nullptr && !tx_.active() && ext_ && ext_->active && !group_settings_) {
    group_settings_ = settings_;
    conn->link.settings_at_begin = conn->settings;
  }
  // A text that gives something else elsewhere is replaced by the value that it gave. SET datestyle = ymd leaves the style.
  const bool relative = (statement.find('\\') != Bytes::npos && !standard_conforming_strings()) || set.name == "datestyle";
  if (conn != nullptr && relative) note_config(*conn, set.name, false);
  if (conn != nullptr && set.name == "client_encoding") {
    for (const auto& entry : settings_->entries()) {
      if (!is_ascii(entry.statement)) note_config(*conn, entry.name, false);
    }
  }
  settings_ = apply(settings_, base_settings_, plan, statement);
  if (conn == nullptr) return;
  const SettingsPtr on_server = apply(conn->settings, Settings::none(), plan, statement);
  conn->settings = on_server->same(*settings_) ? settings_ : on_server;
}

// The SETs between two Syncs are one transaction, where no BEGIN made another of them.
void Session::end_group_settings(bool failed) {
  if (!group_settings_) return;
  if (failed && !tx_.active()) settings_ = group_settings_;
  group_settings_.reset();
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction || !conn->link.settings_at_begin) continue;
    if (failed && !tx_.active()) conn->settings = conn->link.settings_at_begin;
    conn->link.settings_at_begin.reset();
  }
}

// A statement of a kind that leaves state, or one on a connection that is kept for some, has ended.
void Session::note_state(ServerConn& conn, const Plan& plan, bool ok) {
  if (worker_.config()->pool.mode == config::PoolMode::kSession && !pools_->database->sharded()) {
    conn.link.unclean = true;  // the connection is the client's until it leaves
    return;
  }
  if (plan.pin != PinReason::kNone && !(plan.pin == PinReason::kTemporaryTable && plan.drops_at_commit)) {
    conn.link.unclean = settle_ = true;
    conn.link.suspected.add(plan.pin);
    conn.link.any_code = conn.link.any_code || plan.verb == Verb::kDo || plan.verb == Verb::kOther;
    note_code(plan);
    // Neither can be asked for afterwards.
    if (plan.pin == PinReason::kLoad || (plan.pin == PinReason::kSetConfig && ok)) conn.link.pins.add(plan.pin);
  }
  if (!conn.link.pins.any()) return;
  switch (plan.verb) {
    case Verb::kDdl:
    case Verb::kDo:
    case Verb::kCall:
    case Verb::kOther:
    case Verb::kCloseCursor:
    case Verb::kDeallocate:
    case Verb::kUnlisten:
      settle_ = true;
      break;
    default:
      settle_ = settle_ || plan.unlocks;
  }
}

void Session::forget_notes(ServerConn& conn) {
  std::erase_if(notes_->configs, [&](const auto& config) { return config.conn == &conn; });
  std::erase_if(notes_->cursors, [&](const auto& cursor) { return cursor.conn == &conn; });
  if (notes_->notifier == &conn) unclaim_notify(conn);
}

// Asks the servers about everything noted, as soon as that can be told: what a transaction did may still be undone.
Task<> Session::settle() {
  const bool failed_before = statement_failed_;
  const std::vector<ServerConn*> links = links_;
  bool left = false;
  for (ServerConn* conn : links) {
    if (closing_) co_return;
    if (conn->lost()) continue;
    if (conn->link.owed > 0 || conn->link.unsynced) {
      left = true;
    } else if (conn->tx_status == pgwire::TxStatus::kIdle && !conn->link.in_transaction) {
      co_await settle_on(*conn);
    } else {
      left = true;
      if (pools_->database->sharded() && !tx_.failed) co_await settle_in_transaction(*conn);
    }
  }
  statement_failed_ = failed_before;
  settle_ = left || tx_.active();
  if (!settle_ && notes_) notes_->configs.clear();
}

Task<> Session::settle_on(ServerConn& conn) {
  Pins kinds = conn.link.suspected;
  const bool code = kinds.has(PinReason::kUserCode) || kinds.has(PinReason::kSetConfig);
  kinds.add(conn.link.pins);
  bool stays_unclean = false;
  std::vector<std::string> names;
  if (notes_) {
    for (const auto& config : notes_->configs) {
      if (config.conn == &conn) names.push_back(config.name);
    }
  }
  bool code_sets = false;
  if (code) {
    const auto* catalog = pools_->database->snapshot().catalog.get();
    const bool any = conn.link.any_code || catalog == nullptr;
    const schema::CodeState known = catalog == nullptr ? schema::CodeState{} : catalog->code_state();
    if (any || known.temporary) kinds.add(PinReason::kTemporaryTable);
    if (any || known.cursors) kinds.add(PinReason::kHoldCursor);
    if (any || known.locks) kinds.add(PinReason::kAdvisoryLock);
    code_sets = any || known.settings;
    // What its text does not show (a channel listened to, a prepared statement) ends with the connection's reset.
    stays_unclean = any || known.any();
    if (code_sets) {
      for (const auto& name : known.names) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      }
    }
  }
  const std::string question = state_question(names, kinds);
  if (!question.empty()) {
    std::string replies;
    if (!co_await ask_state(conn, question, replies)) {
      // Not silently: the client hears of the lost connection at its next statement.
      if (!names.empty()) conn.link.pins.add(PinReason::kSetConfig);
      co_return;
    }
    const auto rows = rows_of(replies);
    if (rows.empty() || rows[0].size() < names.size()) co_return;
    for (std::size_t i = 0; i < names.size(); ++i) took_setting(conn, names[i], rows[0][i]);
    std::size_t column = names.size();
    for (const auto reason : askable()) {
      if (!kinds.has(reason) || column >= rows[0].size()) continue;
      conn.link.pins.set(reason, rows[0][column++] == "t");
    }
  }
  if (code_sets && !co_await settle_code(conn)) co_return;
  conn.link.suspected = Pins();
  conn.link.any_code = false;
  conn.link.unclean = stays_unclean || conn.link.pins.any();
}

// Parameters of PostgreSQL's own that code has set. False: the connection cannot tell.
Task<bool> Session::settle_code(ServerConn& conn) {
  std::string replies;
  if (!co_await ask_state(conn, kSessionSettings, replies)) co_return false;
  const auto rows = rows_of(replies);
  for (const auto& row : rows) {
    if (row.size() == 2 && row[0] && row[1]) {
      const std::string name = lower(*row[0]);
      const auto* entry = settings_->find(name);
      if (entry == nullptr || entry->value != *row[1]) took_setting(conn, name, row[1]);
    }
  }
  // A parameter that the code has reset is not in the list any more. Custom ones, and who the session is, never are.
  const auto entries = settings_->entries();
  for (const auto& entry : entries) {
    if (entry.name.find('.') != std::string::npos || entry.name == "role" || entry.name == "session_authorization") continue;
    const bool there = std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row[0] && lower(*row[0]) == entry.name; });
    if (!there && conn.settings->find(entry.name) != nullptr) took_setting(conn, entry.name, std::nullopt);
  }
  co_return true;
}

// With several shards, those that join the transaction later need the parameter, too.
Task<> Session::settle_in_transaction(ServerConn& conn) {
  if (!notes_ || conn.tx_status != pgwire::TxStatus::kInTransaction) co_return;
  std::vector<std::string> names;
  std::vector<bool> local;
  for (const auto& config : notes_->configs) {
    if (config.conn != &conn) continue;
    names.push_back(config.name);
    local.push_back(config.local);
  }
  if (names.empty()) co_return;
  std::string replies;
  if (!co_await ask_state(conn, state_question(names, Pins()), replies)) co_return;
  const auto rows = rows_of(replies);
  if (rows.empty() || rows[0].size() < names.size()) co_return;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!local[i]) {
      took_setting(conn, names[i], rows[0][i]);
      continue;
    }
    if (!rows[0][i]) continue;
    const std::string statement = local_statement(names[i], *rows[0][i]);
    tx_.replay.push_back({.text = statement});
    std::vector<ServerConn*> others;
    for (ServerConn* other : links_) {
      if (other != &conn && other->link.in_transaction && !other->lost()) others.push_back(other);
    }
    if (!co_await on_links(others, statement)) tx_.failed = true;
    if (closing_) co_return;
  }
  std::erase_if(notes_->configs, [&](const auto& config) { return config.conn == &conn && config.local; });
}

void Session::took_setting(ServerConn& conn, const std::string& name, const std::optional<std::string>& value) {
  const auto taken = [&](const SettingsPtr& state) {
    if (value) return state->with(name, startup_statement(name, *value), *value);
    return state->find(name) == nullptr ? state : state->without(name);
  };
  const SettingsPtr on_server = taken(conn.settings);
  settings_ = taken(settings_);
  conn.settings = on_server->same(*settings_) ? settings_ : on_server;
}

// False: no answer; the connection is not to be trusted any more.
Task<bool> Session::ask_state(ServerConn& conn, std::string_view question, std::string& replies) {
  if (co_await ask(conn, question, replies)) co_return true;
  if (!closing_ && !conn.lost()) conn.fail(make_error(ErrorCode::kServerLost, "the state of the connection could not be told"));
  co_return false;
}

// The client hears of each reported parameter that is not what it was told. https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-ASYNC
void Session::tell_params(ServerConn& conn) {
  if (told_ == nullptr) return;
  const bool all_told = conn.link.told && !conn.link.withheld;
  if (conn.reported == nullptr) conn.reported = worker_.reported.intern(conn.params);
  conn.link.told = true;
  conn.link.withheld = false;
  if (!all_told && conn.reported != told_) {
    worker_.scratch.clear();
    append_changes(worker_.scratch, *told_, *conn.reported);
    if (!worker_.scratch.empty()) send(worker_.scratch);
  }
  told_ = conn.reported;
}

}  // namespace howdah::proxy
