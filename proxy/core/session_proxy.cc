// Statements that the proxy answers itself, or that act on the session rather than on one server.
#include <algorithm>
#include <cctype>

#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/sql_prepare.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Verb;

namespace {

bool starts_with_word(std::string_view text, std::string_view word) {
  if (text.size() < word.size()) return false;
  return std::equal(word.begin(), word.end(), text.begin(), [](char w, char c) {
    return w == std::tolower(static_cast<unsigned char>(c));
  });
}

}  // namespace

// Whether the proxy reads keys as the servers do under this setting.
bool Session::keeps_routes(const std::string& name, const std::string& value) {
  if (name == "transform_null_equals" || name == "array_nulls") return false;
  if (name != "client_encoding" && name != "standard_conforming_strings") return true;
  std::string plain;
  for (const char c : value) {
    if (std::isalnum(static_cast<unsigned char>(c))) plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (name == "standard_conforming_strings") {
    return plain.empty() || plain == "on" || plain == "true" || plain == "yes" || plain == "1";
  }
  // Without conversion the server takes the bytes as they are, and so does the proxy.
  return plain.empty() || plain == "utf8" || plain == "unicode" || plain == "sqlascii";
}

bool Session::proxy_handles(const Plan& plan) const {
  switch (plan.verb) {
    case Verb::kBegin:
    case Verb::kCommit:
    case Verb::kRollback:
    case Verb::kSavepoint:
    case Verb::kRelease:
    case Verb::kRollbackTo:
    case Verb::kDeallocate:
    case Verb::kPrepare:
      return true;
    case Verb::kSetTransaction:
      return tx_.explicit_block() && !plan.refusal && (links_.empty() || pools_->database->sharded());
    case Verb::kShow:
      return is_howdah(plan.name);
    case Verb::kExplain:
      return plan.explained != nullptr;
    case Verb::kSet:
      return is_howdah(plan.set.name) || resets_to_login(*base_settings_, plan.set) ||
             (pools_->database->sharded() && !keeps_routes(plan.set.name, plan.set.value));
    case Verb::kCloseCursor:
      return (plan.name.empty() && (links_.size() > 1 || !tx_.portals.empty())) || many_cursor(plan.name) != nullptr;
    case Verb::kFetch:
      return many_cursor(plan.name) != nullptr;
    case Verb::kListen:
    case Verb::kUnlisten:
      return shares_listener();
    case Verb::kDiscard:
      return plan.name != "plans";  // which no client can tell from others
    default:
      return false;
  }
}

bool Session::fail_statement(const Error& error) {
  if (tx_.active()) tx_.failed = true;
  send_error(error);
  return false;
}

// As far as the client wants to hear of it: client_min_messages.
void Session::warn(std::string_view state, std::string_view message) {
  const auto* least = setting("client_min_messages");
  if (least != nullptr && least->value.size() == 5 && starts_with_word(least->value, "error")) return;
  worker_.scratch.clear();
  append_warning(worker_.scratch, state, message);
  send(worker_.scratch);
}

void Session::answer(std::string_view tag) {
  worker_.scratch.clear();
  pgwire::append_command_complete(worker_.scratch, tag);
  send(worker_.scratch);
}

// SET TRANSACTION, for the servers that take part and those that join later.
Task<bool> Session::set_transaction(const Plan& plan, std::string_view text) {
  const std::string statement(text.substr(plan.begin, plan.end - plan.begin));
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction) joined.push_back(conn);
  }
  for (ServerConn* conn : joined) {
    if (co_await own_query(*conn, statement, true)) continue;
    tx_.failed = statement_failed_ = true;
    co_return false;
  }
  take_options(plan);
  answer("SET");
  co_return true;
}

// For the servers that join from here on; behind a savepoint, ROLLBACK TO takes it back.
void Session::take_options(const Plan& plan) {
  const auto& wanted = plan.transaction;
  if (!tx_.replay.empty()) {
    tx_.replay.push_back({.text = "SET TRANSACTION" + begin_statement(wanted).substr(std::string_view("BEGIN").size())});
    return;
  }
  if (wanted.isolation != sql::TransactionOptions::Isolation::kDefault) tx_.options.isolation = wanted.isolation;
  if (wanted.read_only) tx_.options.read_only = wanted.read_only;
  if (wanted.deferrable) tx_.options.deferrable = wanted.deferrable;
}

// BEGIN inside a block warns, and its options are those of SET TRANSACTION. https://www.postgresql.org/docs/15/sql-begin.html
Task<bool> Session::begin_again(const Plan& plan, std::string_view text) {
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction) joined.push_back(conn);
  }
  if (joined.size() > 1) {
    co_return fail_statement(make_error(ErrorCode::kUnsupported, "BEGIN with options inside a transaction on several shards is not supported",
                                        "give the options with the first BEGIN"));
  }
  const std::string statement(text.substr(plan.begin, plan.end - plan.begin));
  if (joined.empty() && !tx_.replay.empty()) {
    // Behind a savepoint it is PostgreSQL's to judge.
    ServerConn* conn = co_await link(shard_for({sharding::Route::Kind::kHome, ShardId(0)}, plan), plan);
    if (conn == nullptr) co_return false;
    joined.push_back(conn);
  }
  if (joined.empty()) {
    warn("25001", "there is already a transaction in progress");
    answer(starts_with_word(statement, "start") ? "START TRANSACTION" : "BEGIN");
  } else if (!co_await relay(*joined[0], statement)) {
    if (closing_) co_return false;
    if (joined[0]->lost() && !joined[0]->link.error_forwarded) send_lost(*joined[0]);
    tx_.failed = statement_failed_ = true;
    co_return false;
  }
  take_options(plan);
  co_return true;
}

Task<bool> Session::run_in_proxy(const Plan& plan, std::string_view text) {
  const auto tag = [this](std::string_view value) { answer(value); };
  const bool failed = client_status() == pgwire::TxStatus::kFailed;
  const bool ends = plan.verb == Verb::kCommit || plan.verb == Verb::kRollback || plan.verb == Verb::kRollbackTo;
  if (failed && !ends) {
    co_return fail_statement(failed_transaction());
  }
  switch (plan.verb) {
    case Verb::kBegin: {
      if (tx_.explicit_block()) {
        if (plan.transaction != sql::TransactionOptions()) co_return co_await begin_again(plan, text);
        warn("25001", "there is already a transaction in progress");
      } else {
        if (!tx_.active()) {
          tx_.settings_at_begin = settings_;
        } else if (plan.transaction != sql::TransactionOptions()) {
          co_return fail_statement(make_error(ErrorCode::kUnsupported, "BEGIN with options behind other statements of its transaction is not supported",
                                              "send BEGIN first, or Sync before it", "the statements before it have begun the transaction"));
        }
        tx_.kind = Transaction::Kind::kExplicit;
        tx_.options = plan.transaction;
      }
      tag(starts_with_word(text.substr(plan.begin, plan.end - plan.begin), "start") ? "START TRANSACTION" : "BEGIN");
      co_return true;
    }
    case Verb::kCommit:
      co_return co_await commit(plan.transaction.chain);
    case Verb::kRollback:
      co_return co_await rollback(plan.transaction.chain);
    case Verb::kSavepoint:
    case Verb::kRelease:
    case Verb::kRollbackTo:
      co_return co_await savepoint(plan);
    case Verb::kSetTransaction: {
      co_return co_await set_transaction(plan, text);
    }
    case Verb::kPrepare: {
      // A simple query of its own would end what is not synced yet.
      if (loose_group() && ext_->conn->link.executed) {
        co_return fail_statement(make_error(ErrorCode::kUnsupported, "PREPARE behind statements without Sync is not supported",
                                            "send Sync first"));
      }
      if (ext_ && ext_->active && !co_await leave_group_conn()) co_return false;
      const std::string kept(text);
      SqlPrepare prepare(*this, plan, kept);
      co_return co_await prepare.prepare();
    }
    case Verb::kDeallocate: {
      if (plan.name.empty()) {
        if (ext_) ext_->named.clear();
        tag("DEALLOCATE ALL");
        co_return true;
      }
      if (!ext_ || ext_->named.erase(plan.name) == 0) {
        co_return fail_statement(
            make_error(ErrorCode::kUnknownStatement, "prepared statement \"" + plan.name + "\" does not exist"));
      }
      tag("DEALLOCATE");
      co_return true;
    }
    case Verb::kDiscard:
      co_return co_await discard(plan);
    case Verb::kFetch:
      co_return co_await fetch_many(plan, text, nullptr);
    case Verb::kCloseCursor:
      if (plan.name.empty()) co_return co_await close_all_cursors(plan);
      std::erase_if(notes_->cursors, [&](const auto& cursor) { return cursor.name == plan.name; });
      tag("CLOSE CURSOR");
      co_return true;
    case Verb::kListen:
    case Verb::kUnlisten:
      co_return co_await run_listen(plan);
    case Verb::kShow:
      if (plan.name == "howdah.token") co_return co_await show_token();
      co_return plan.name == "howdah.route" ? show_route() : show_howdah(plan);
    case Verb::kExplain:
      co_return explain_route(plan, text, nullptr);
    case Verb::kSet:
      if (plan.set.name == "howdah.token") co_return set_token(plan);
      if (is_howdah(plan.set.name)) co_return set_howdah(plan);
      if (resets_to_login(*base_settings_, plan.set)) {
        co_return co_await reset_setting(plan, text.substr(plan.begin, plan.end - plan.begin));
      }
      co_return co_await refuse_setting(plan);
    default:
      co_return fail_statement(make_error(ErrorCode::kInternal, "the proxy does not answer this statement"));
  }
}

Task<bool> Session::refuse_setting(const Plan& plan) {
  co_return fail_statement(make_error(ErrorCode::kUnsupported,
                                      "setting " + plan.set.name + " to \"" + plan.set.value + "\" is not supported with several shards",
                                      plan.set.name == "client_encoding" ? "use UTF8" : "leave it at its default",
                                      "sharding keys would be read differently by the proxy and by the servers"));
}

}  // namespace howdah::proxy
