// COMMIT, ROLLBACK and savepoints over the servers that take part.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/listening.h"
#include "proxy/core/extended.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Verb;

std::string begin_statement(const sql::TransactionOptions& options) {
  using Isolation = sql::TransactionOptions::Isolation;
  std::string out = "BEGIN";
  switch (options.isolation) {
    case Isolation::kDefault: break;
    case Isolation::kReadUncommitted: out += " ISOLATION LEVEL READ UNCOMMITTED"; break;
    case Isolation::kReadCommitted: out += " ISOLATION LEVEL READ COMMITTED"; break;
    case Isolation::kRepeatableRead: out += " ISOLATION LEVEL REPEATABLE READ"; break;
    case Isolation::kSerializable: out += " ISOLATION LEVEL SERIALIZABLE"; break;
  }
  if (options.read_only) out += *options.read_only ? " READ ONLY" : " READ WRITE";
  if (options.deferrable) out += *options.deferrable ? " DEFERRABLE" : " NOT DEFERRABLE";
  return out;
}

// The same statement on several connections at once. False when any failed; their errors stay in their LinkState.
// `statuses`: their ParameterStatus messages go to the client.
Task<bool> Session::on_links(std::span<ServerConn* const> conns, std::string_view statement, bool statuses) {
  std::string message;
  pgwire::append_query(message, statement);
  for (ServerConn* conn : conns) {
    if (conn->lost()) continue;
    conn->link.error = conn->link.error_forwarded = false;
    conn->link.tag.clear();
    conn->owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = false, .forward_status = statuses,
               .owner = this});
    conn->flush(message);
  }
  bool ok = true;
  for (ServerConn* conn : conns) ok = co_await wait_owed(*conn) && ok;
  co_return ok;
}

Task<bool> Session::commit(bool chain) {
  const auto answer = [&](std::string_view tag) {
    worker_.scratch.clear();
    pgwire::append_command_complete(worker_.scratch, tag);
    send(worker_.scratch);
  };
  if (!tx_.explicit_block()) {
    if (chain) {
      co_return fail_statement(
          make_error(ErrorCode::kNoActiveTransaction, "COMMIT AND CHAIN can only be used in transaction blocks"));
    }
    warn("25P01", "there is no transaction in progress");
    if (tx_.active() && !co_await end_implicit(false)) co_return false;
    answer("COMMIT");
    co_return true;
  }
  if (client_status() == pgwire::TxStatus::kFailed) {
    // The tag ROLLBACK is no error to most drivers. Who has not heard of the failure yet must hear of it now.
    for (ServerConn* conn : links_) {
      if (!conn->lost() || !conn->link.in_transaction || conn->link.error_forwarded) continue;
      const Error reason = conn->lost_reason();
      co_await rollback_links();
      if (closing_) co_return false;
      end_transaction(false);
      send_error(reason);
      co_return false;
    }
    co_return co_await rollback(chain);
  }
  const auto options = tx_.options;
  if (!co_await hold_cursors()) {
    if (closing_) co_return false;
    co_await rollback_links();
    if (closing_) co_return false;
    end_transaction(false);
    co_return false;
  }
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction) joined.push_back(conn);
  }
  bool committed = true;
  if (listening_ && !co_await prepare_listens()) {
    if (!closing_) {
      co_await rollback_links();
      end_transaction(false);
    }
    co_return false;
  }
  ServerConn* claimed = nullptr;
  for (ServerConn* conn : joined) {
    if (conn->link.notified && claim_notify(*conn)) claimed = conn;
  }
  if (joined.size() == 1) {
    ServerConn& conn = *joined[0];
    std::string message;
    pgwire::append_query(message, "COMMIT");
    // A failed COMMIT rolls back, and then there may be more to report before ReadyForQuery.
    const bool nothing_to_report = tx_.report_at_end.empty() && tx_.report_at_rollback.empty();
    const bool wrote = conn.link.wrote;
    committed = co_await run_query(conn, message, relay_ready_ && !chain && nothing_to_report && claimed == nullptr && !listening_);
    if (closing_) co_return false;
    // What became visible only now counts as written now; a transaction that only read leaves replicas usable.
    Plan done;
    done.read_only = !wrote;
    note_done(conn, done);
    if (conn.lost()) {
      if (!conn.link.error_forwarded || conn.lost_reason().code == ErrorCode::kServerLost) {
        send_error(make_error(ErrorCode::kOutcomeUnknown, "the server connection was lost during COMMIT",
                              "check whether the transaction's changes are there before repeating it",
                              conn.lost_reason().detail));
      }
      committed = false;
    } else {
      ++conn.pool().counters.transactions;
    }
  } else if (!joined.empty()) {
    committed = co_await commit_links(true);
    if (closing_) co_return false;
    if (committed) answer("COMMIT");
  } else {
    answer("COMMIT");
  }
  WorkerCounters::add(worker_.counters.transactions);
  end_transaction(committed);
  if (claimed != nullptr) co_await settle_notify(*claimed);
  if (closing_) co_return false;
  if (catalog_changed_) co_await refresh_catalog();
  if (chain && settle_) co_await settle();  // what the first transaction set, the next one's ROLLBACK keeps
  if (chain && committed) {
    tx_.kind = Transaction::Kind::kExplicit;
    tx_.options = options;
    tx_.settings_at_begin = settings_;
  }
  co_return committed;
}

Task<bool> Session::rollback(bool chain) {
  if (!tx_.explicit_block() && !chain) {
    warn("25P01", "there is no transaction in progress");
  } else if (!tx_.explicit_block()) {
    co_return fail_statement(
        make_error(ErrorCode::kNoActiveTransaction, "ROLLBACK AND CHAIN can only be used in transaction blocks"));
  }
  // After a failure the characteristics are gone, too: the next transaction has the default ones.
  const auto options = client_status() == pgwire::TxStatus::kFailed ? sql::TransactionOptions{} : tx_.options;
  const bool was_active = tx_.active();
  // What is still to be reported comes before ReadyForQuery.
  relay_ready_ = relay_ready_ && !chain && tx_.report_at_end.empty() && tx_.report_at_rollback.empty();
  const bool answered = co_await rollback_one();
  if (!answered) co_await rollback_links();
  if (closing_) co_return false;
  statement_failed_ = false;
  if (was_active) {
    end_transaction(false);
    catalog_changed_ = false;
  }
  if (chain) {
    tx_.kind = Transaction::Kind::kExplicit;
    tx_.options = options;
    tx_.settings_at_begin = settings_;
  }
  if (answered) co_return true;
  worker_.scratch.clear();
  pgwire::append_command_complete(worker_.scratch, "ROLLBACK");
  send(worker_.scratch);
  co_return true;
}

// ROLLBACK on the one server that takes part, with its own answer. False: it is to be answered here.
Task<bool> Session::rollback_one() {
  ServerConn* only = nullptr;
  for (ServerConn* conn : links_) {
    if (!conn->link.in_transaction) continue;
    if (only != nullptr || conn->lost()) co_return false;
    only = conn;
  }
  if (only == nullptr) co_return false;
  std::string message;
  pgwire::append_query(message, "ROLLBACK");
  co_return co_await run_query(*only, message, relay_ready_);
}

Task<> Session::rollback_links() {
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction) joined.push_back(conn);
  }
  if (joined.empty()) co_return;
  co_await on_links(joined, "ROLLBACK");
  for (ServerConn* conn : joined) {
    // What cannot be rolled back in an orderly way is closed: the server rolls back by itself.
    if (!conn->lost() && conn->tx_status != pgwire::TxStatus::kIdle) {
      conn->fail(make_error(ErrorCode::kServerLost, "a transaction could not be rolled back"));
    }
  }
}

void Session::end_transaction(bool committed) {
  if (std::exchange(spanning_, false)) worker_.spans.remove(*this);
  for (ServerConn* conn : links_) {
    if (!conn->link.in_transaction) continue;
    conn->link.in_transaction = conn->link.wrote = conn->link.notified = false;
    if (!committed && conn->link.settings_at_begin) conn->settings = conn->link.settings_at_begin;
    conn->link.settings_at_begin.reset();
  }
  if (!committed && tx_.settings_at_begin) settings_ = tx_.settings_at_begin;
  if (tx_.hints_changed) end_hints(committed);
  if (!committed && notes_) notes_->configs.clear();  // taken back by the servers
  end_cursors(committed);
  if (listening_) finish_listens(committed);
  if (!tx_.report_at_end.empty()) send(tx_.report_at_end);
  if (!committed && !tx_.report_at_rollback.empty()) send(tx_.report_at_rollback);
  tx_.clear();
  if (ext_) {
    drop_portals();
    ext_->local_scope = 0;
  }
}

// A statement of the proxy's wording, answered to the client by the server.
Task<bool> Session::relay(ServerConn& conn, std::string_view statement) {
  std::string message;
  pgwire::append_query(message, statement);
  co_return co_await run_query(conn, message, false);
}

Task<bool> Session::savepoint(const Plan& plan) {
  const auto name_of = [](Verb verb) {
    return verb == Verb::kSavepoint ? "SAVEPOINT" : verb == Verb::kRelease ? "RELEASE SAVEPOINT" : "ROLLBACK TO SAVEPOINT";
  };
  if (!tx_.explicit_block()) {
    co_return fail_statement(make_error(ErrorCode::kNoActiveTransaction,
                                        std::string(name_of(plan.verb)) + " can only be used in transaction blocks"));
  }
  if (tx_.lost) co_return fail_statement(failed_transaction());  // no savepoint brings back what went with a server
  auto& replay = tx_.replay;
  auto at = std::find_if(replay.rbegin(), replay.rend(),
                         [&](const auto& step) { return step.savepoint && step.text == plan.name; });
  if (plan.verb != Verb::kSavepoint && at == replay.rend()) {
    // The server fails with it: settings that come back by that are reported behind the error.
    ServerConn* only = links_.size() == 1 && links_[0]->link.in_transaction && !links_[0]->lost() ? links_[0] : nullptr;
    const std::string unknown = std::string(name_of(plan.verb)) + " " + quote_identifier(plan.name);
    if (only != nullptr && (co_await relay(*only, unknown) || closing_ || only->link.error_forwarded)) co_return false;
    co_return fail_statement(
        make_error(ErrorCode::kUnknownSavepoint, "savepoint \"" + plan.name + "\" does not exist"));
  }
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (!conn->link.in_transaction) continue;
    // A savepoint brings back the settings of its time: every connection has them before it is set.
    if (plan.verb == Verb::kSavepoint && !conn->settings->same(*settings_) && !co_await bring_settings(*conn, settings_)) co_return false;
    joined.push_back(conn);
  }
  const std::string quoted = quote_identifier(plan.name);
  const std::string statement = std::string(name_of(plan.verb)) + " " + quoted;
  // On one server its own answer is the client's: settings that come back are reported behind it.
  const bool relayed = plan.verb == Verb::kRollbackTo && joined.size() == 1;
  if (!(relayed ? co_await relay(*joined[0], statement) : co_await on_links(joined, statement, joined.size() == 1))) {
    if (closing_) co_return false;
    if (relayed && joined[0]->link.error_forwarded) co_return false;
    for (ServerConn* conn : joined) {
      if (conn->lost()) co_return fail_statement(conn->lost_reason());
    }
    co_return fail_statement(make_error(ErrorCode::kInternal, "a shard refused " + statement));
  }
  if (plan.verb == Verb::kSavepoint) {
    replay.push_back({true, plan.name, settings_, tx_.local, hints_, tx_.hints_changed ? tx_.kept_hints : hints_, listening_ ? listening_->actions.size() : 0});
  } else {
    const auto index = static_cast<std::size_t>(replay.rend() - at) - 1;
    if (plan.verb == Verb::kRelease) {
      // Savepoints set later go, too; what was SET LOCAL since stays.
      for (std::size_t i = replay.size(); i-- > index;) {
        if (replay[i].savepoint) replay.erase(replay.begin() + static_cast<std::ptrdiff_t>(i));
      }
    } else {
      replay.erase(replay.begin() + static_cast<std::ptrdiff_t>(index) + 1, replay.end());
      settings_ = replay[index].settings;
      tx_.local = replay[index].local;
      if (tx_.hints_changed) {
        hints_ = replay[index].hints;
        tx_.kept_hints = replay[index].kept_hints;
      }
      undo_cursors(index);
      if (listening_) listening_->actions.resize(std::min(listening_->actions.size(), replay[index].listens));
      for (ServerConn* conn : joined) {
        conn->settings = conn->link.replayed_at_join > index ? conn->link.settings_at_begin : settings_;
      }
      tx_.failed = false;
    }
  }
  if (relayed) co_return true;
  worker_.scratch.clear();
  pgwire::append_command_complete(worker_.scratch, plan.verb == Verb::kSavepoint ? "SAVEPOINT"
                                                   : plan.verb == Verb::kRelease ? "RELEASE"
                                                                                 : "ROLLBACK");
  send(worker_.scratch);
  co_return true;
}

// Ends the transaction that the messages since the last Sync made on several shards. False: it is not committed, and the client
// was told why.
Task<bool> Session::end_implicit(bool failed) {
  bool committed = false;
  if (failed || tx_.failed) {
    co_await rollback_links();
  } else {
    committed = co_await commit_links(true);
  }
  if (closing_) co_return false;
  end_transaction(committed);
  co_return committed;
}

// Commits on all that joined. False: nothing is committed (or the outcome is unknown), and the client has been told.
Task<bool> Session::commit_links(bool) {
  if (!co_await hold_cursors()) {
    if (!closing_) co_await rollback_links();
    co_return false;
  }
  ServerConn* claimed = nullptr;
  for (ServerConn* conn : links_) {
    const bool known = notes_ && notes_->notifier != nullptr;
    if (!known && conn->link.in_transaction && conn->link.notified && !conn->lost() && claim_notify(*conn)) claimed = conn;
  }
  const bool committed = co_await commit_parts();
  if (claimed != nullptr && !closing_) co_await settle_notify(*claimed);
  co_return committed && !closing_;
}

Task<bool> Session::commit_parts() {
  std::vector<ServerConn*> writers, readers;
  for (ServerConn* conn : links_) {
    if (!conn->link.in_transaction) continue;
    (conn->link.wrote ? writers : readers).push_back(conn);
  }
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction && conn->lost()) {
      co_await rollback_links();
      if (!closing_) send_error(conn->lost_reason());
      co_return false;
    }
  }
  if (writers.size() >= 2) {
    if (!co_await two_phase(std::move(writers))) co_return false;
  } else if (writers.size() == 1) {
    ServerConn& conn = *writers[0];
    const bool ok = co_await own_query(conn, "COMMIT", true);
    if (closing_) co_return false;
    note_done(conn, Plan{});
    if (!ok) {
      if (!conn.lost()) co_await rollback_links();
      co_return false;
    }
    if (conn.link.tag != "COMMIT") {
      co_await rollback_links();
      if (!closing_) send_error(make_error(ErrorCode::kSerializationFailure, "the transaction was rolled back by the server"));
      co_return false;
    }
  }
  // Those that only read: their outcome changes nothing, and a failure to commit is only a lost connection.
  co_await on_links(readers, "COMMIT");
  co_return !closing_;
}

}  // namespace howdah::proxy
