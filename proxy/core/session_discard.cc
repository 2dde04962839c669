// RESET and DISCARD: back to what the client logged in with, which is not what a server connection would go back to.
// https://www.postgresql.org/docs/15/sql-reset.html, sql-discard.html
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;

namespace {

// Whether a client can have heard of a parameter in which the two differ.
bool differ_in_reported(const Settings& a, const Settings& b, const ReportedParams& reported) {
  const auto shows = [&](const Settings& in, const Settings& other) {
    return std::any_of(in.entries().begin(), in.entries().end(), [&](const Settings::Entry& entry) {
      const auto* there = other.find(entry.name);
      return (there == nullptr || !(*there == entry)) &&
             (reported.contains(entry.name) || entry.name == "role");  // is_superuser follows the role
    });
  };
  return shows(a, b) || shows(b, a);
}

}  // namespace

Task<bool> Session::reset_setting(const Plan& plan, std::string_view text) {
  const char* tag = plan.set.kind == sql::SetCommand::Kind::kDefault ? "SET" : "RESET";
  if (!plan.set.local) {
    const bool done = co_await become(apply(settings_, base_settings_, plan, text), tag);
    if (done && plan.set.kind == sql::SetCommand::Kind::kResetAll) reset_hints();
    co_return done;
  }
  // SET LOCAL ... TO DEFAULT
  if (!tx_.active()) {
    warn("25P01", "SET LOCAL can only be used in transaction blocks");
    answer(tag);
    co_return true;
  }
  const auto* login = base_settings_->find(plan.set.name);
  const std::string statement = local_statement(login->name, login->value);
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction) joined.push_back(conn);
  }
  if (!co_await on_links(joined, statement, true)) {
    if (!closing_) fail_statement(make_error(ErrorCode::kServerLost, "the parameter could not be set on a server"));
    co_return false;
  }
  tx_.replay.push_back({.text = statement});
  answer(tag);
  co_return true;
}

// The client's settings are `wanted` from here on. Reported values that change with them are told behind the tag.
Task<bool> Session::become(SettingsPtr wanted, std::string_view tag) {
  const SettingsPtr before = settings_;
  if (links_.empty() && differ_in_reported(*before, *wanted, *told_)) {
    Plan anywhere;
    anywhere.where = sql::Where::kHome;
    anywhere.writes = false;
    anywhere.verb = sql::Verb::kShow;
    // A transaction has to hold the old ones to give them back; else they may be what no server takes any more.
    if (!tx_.active()) settings_ = wanted;
    const ReportedPtr told = std::exchange(told_, nullptr);  // nothing is told before the tag
    const ServerConn* conn = co_await link(shard_for({sharding::Route::Kind::kHome, ShardId(0)}, anywhere), anywhere);
    told_ = told;
    if (conn == nullptr) {
      settings_ = before;
      co_return false;
    }
  }
  settings_ = std::move(wanted);
  const std::vector<ServerConn*> links = links_;
  for (ServerConn* conn : links) {
    if (conn->lost() || conn->settings->same(*settings_)) continue;
    if (!co_await bring_settings(*conn, settings_)) {
      settings_ = before;
      co_return false;
    }
  }
  answer(tag);
  for (ServerConn* conn : links_) {
    if (!conn->lost() && conn->reported != told_) tell_params(*conn);
  }
  co_return true;
}

Task<bool> Session::discard(const Plan& plan) {
  const bool all = plan.name == "all";
  if (all && tx_.active()) {
    co_return fail_statement(make_error(ErrorCode::kActiveTransaction, "DISCARD ALL cannot run inside a transaction block"));
  }
  if (all && ext_ && ext_->ran) {
    co_return fail_statement(make_error(ErrorCode::kActiveTransaction, "DISCARD ALL cannot be executed within a pipeline"));
  }
  std::string what = plan.name;
  std::transform(what.begin(), what.end(), what.begin(), [](unsigned char c) { return std::toupper(c); });
  std::vector<ServerConn*> held;
  for (ServerConn* conn : links_) {
    if (!conn->lost()) held.push_back(conn);
  }
  if (!held.empty() && !co_await on_links(held, "DISCARD " + what)) {
    if (closing_) co_return false;
    for (ServerConn* conn : held) {
      if (conn->lost()) co_return fail_statement(conn->lost_reason());
    }
    co_return fail_statement(make_error(ErrorCode::kInternal, "a server refused DISCARD " + what));
  }
  for (ServerConn* conn : held) {
    conn->link.suspected.add(conn->link.pins);
    settle_ = true;
    if (!all) continue;
    conn->statements.clear();
    conn->settings = Settings::none();
    conn->listens = false;
    // These cannot be asked for; DISCARD ALL ends all but a library.
    conn->link.pins.remove(sql::PinReason::kSetConfig);
    conn->link.suspected.remove(sql::PinReason::kSetConfig);
    conn->link.any_code = false;
  }
  if (!all) {
    answer("DISCARD " + what);
    co_return true;
  }
  if (ext_) {
    ext_->named.clear();
    drop_portals();
  }
  if (notes_) {
    notes_->configs.clear();
    std::erase_if(notes_->cursors, [](const auto& cursor) { return cursor.many != nullptr; });
  }
  reset_hints();
  stop_listening();
  co_return co_await become(base_settings_, "DISCARD ALL");
}

}  // namespace howdah::proxy
