// COMMIT, ROLLBACK and savepoints over the servers that take part: one plainly, several by two-phase commit with the
// decision in the database (docs/adr/0004-decision-in-the-database.md).
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Verb;

namespace {

constexpr auto kResolveWithin = std::chrono::seconds(10);

std::string hex(const unsigned char* bytes, std::size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

}  // namespace

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
    worker_.scratch.clear();
    append_warning(worker_.scratch, "25P01", "there is no transaction in progress");
    send(worker_.scratch);
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
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (conn->link.in_transaction) joined.push_back(conn);
  }
  bool committed = true;
  if (joined.size() == 1) {
    ServerConn& conn = *joined[0];
    std::string message;
    pgwire::append_query(message, "COMMIT");
    // A failed COMMIT rolls back, and then there may be more to report before ReadyForQuery.
    const bool nothing_to_report = tx_.report_at_end.empty() && tx_.report_at_rollback.empty();
    committed = co_await run_query(conn, message, relay_ready_ && !chain && nothing_to_report);
    if (closing_) co_return false;
    note_done(conn, Plan{});
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
  if (catalog_changed_) co_await refresh_catalog();
  if (chain && committed) {
    tx_.kind = Transaction::Kind::kExplicit;
    tx_.options = options;
    tx_.settings_at_begin = settings_;
  }
  co_return committed;
}

Task<bool> Session::rollback(bool chain) {
  if (!tx_.explicit_block() && !chain) {
    worker_.scratch.clear();
    append_warning(worker_.scratch, "25P01", "there is no transaction in progress");
    send(worker_.scratch);
  } else if (!tx_.explicit_block()) {
    co_return fail_statement(
        make_error(ErrorCode::kNoActiveTransaction, "ROLLBACK AND CHAIN can only be used in transaction blocks"));
  }
  // After a failure the characteristics are gone, too: the next transaction has the default ones.
  const auto options = client_status() == pgwire::TxStatus::kFailed ? sql::TransactionOptions{} : tx_.options;
  const bool was_explicit = tx_.explicit_block();
  // What is still to be reported comes before ReadyForQuery.
  relay_ready_ = relay_ready_ && !chain && tx_.report_at_end.empty() && tx_.report_at_rollback.empty();
  const bool answered = co_await rollback_one();
  if (!answered) co_await rollback_links();
  if (closing_) co_return false;
  statement_failed_ = false;
  if (was_explicit) {
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
  for (ServerConn* conn : links_) {
    if (!conn->link.in_transaction) continue;
    conn->link.in_transaction = conn->link.wrote = conn->link.notified = false;
    if (!committed && conn->link.settings_at_begin) conn->settings = conn->link.settings_at_begin;
    conn->link.settings_at_begin.reset();
  }
  if (!committed && tx_.settings_at_begin) settings_ = tx_.settings_at_begin;
  if (!tx_.report_at_end.empty()) send(tx_.report_at_end);
  if (!committed && !tx_.report_at_rollback.empty()) send(tx_.report_at_rollback);
  tx_.clear();
  if (ext_) drop_portals();
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
  auto& replay = tx_.replay;
  auto at = std::find_if(replay.rbegin(), replay.rend(),
                         [&](const auto& step) { return step.savepoint && step.text == plan.name; });
  if (plan.verb != Verb::kSavepoint && at == replay.rend()) {
    co_return fail_statement(
        make_error(ErrorCode::kUnknownSavepoint, "savepoint \"" + plan.name + "\" does not exist"));
  }
  std::vector<ServerConn*> joined;
  for (ServerConn* conn : links_) {
    if (!conn->link.in_transaction) continue;
    // A savepoint brings back the settings of its time: every connection has them before it is set.
    if (plan.verb == Verb::kSavepoint && !conn->settings->same(*settings_) && !co_await bring_settings(*conn)) co_return false;
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
    replay.push_back({true, plan.name, settings_});
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

// Commits on all that joined. False: nothing is committed (or the outcome is unknown), and the client has been told.
Task<bool> Session::commit_links(bool) {
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

Task<bool> Session::two_phase(std::vector<ServerConn*> writers) {
  const auto& database = pools_->database->config();
  const auto& cluster = worker_.config()->cluster;
  // The commit point may hold what a prepared transaction cannot.
  auto special = std::find_if(writers.begin(), writers.end(), [](const ServerConn* conn) { return conn->link.notified; });
  if (special != writers.end()) std::rotate(writers.begin(), special, special + 1);
  if (std::count_if(writers.begin(), writers.end(), [](const ServerConn* conn) { return conn->link.notified; }) > 1) {
    co_await rollback_links();
    if (!closing_) {
      send_error(make_error(ErrorCode::kUnsupported, "NOTIFY, temporary tables or held cursors on two shards of one transaction",
                            "use them on one shard only"));
    }
    co_return false;
  }
  ServerConn& decider = *writers[0];
  const std::vector<ServerConn*> participants(writers.begin() + 1, writers.end());
  unsigned char token[16], digest[SHA256_DIGEST_LENGTH];
  RAND_bytes(token, sizeof token);
  SHA256(token, sizeof token, digest);
  const std::string token_hash = hex(digest, sizeof digest);
  const auto shard_name = [&](const ServerConn& conn) { return database.shards[conn.pool().target().shard.value()].name; };
  const std::string epoch = std::to_string(pools_->database->snapshot().map->epoch().value());
  const auto gid = [&](const ServerConn& conn) {
    return "howdah1:" + cluster + ":" + shard_name(conn) + ":" + shard_name(decider) + ":" + epoch + ":" + token_hash;
  };
  // From here on nothing is passed on: no cancel, no timeout, no disconnect (see committing_).
  committing_ = true;
  std::string names;
  for (ServerConn* conn : participants) {
    if (!names.empty()) names += ",";
    names += quote_literal(shard_name(*conn));
    conn->link.error = conn->link.error_forwarded = false;
    conn->link.tag.clear();
    std::string message;
    pgwire::append_query(message, "PREPARE TRANSACTION " + quote_literal(gid(*conn)));
    conn->owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = false, .owner = this});
    conn->flush(message);
  }
  bool prepared = true;
  for (ServerConn* conn : participants) {
    const bool ok = co_await wait_server(*conn);
    prepared = prepared && ok && conn->link.tag == "PREPARE TRANSACTION";
  }
  if (!prepared || decider.lost()) {
    co_await abort_prepared(participants, gid, token_hash);
    co_return false;
  }
  decider.link.error = decider.link.error_forwarded = false;
  decider.link.tag.clear();
  std::string decide;
  pgwire::append_query(decide,
                       "SELECT CASE WHEN pg_catalog.current_setting('synchronous_commit') <> 'remote_apply' THEN "
                       "pg_catalog.set_config('synchronous_commit', 'on', true) END;"
                       "SELECT howdah.decide('\\x" + hex(token, sizeof token) + "'::pg_catalog.bytea, ARRAY[" + names +
                           "]::pg_catalog.text[]);COMMIT");
  decider.owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = false, .owner = this});
  decider.flush(decide);
  const bool decided = co_await wait_server(decider);
  if (decider.lost()) {
    // The connection that carried the decision broke: the database knows whether it was made.
    const auto outcome = co_await resolve(database.name, decider.pool().target().shard, token_hash);
    if (!outcome) {
      committing_ = false;
      if (!closing_) {
        Error error = outcome.error();
        error.detail = "global transaction " + gid(decider);
        send_error(error);
      }
      co_return false;
    }
    if (*outcome == control::Outcome::kAbort) {
      co_await abort_prepared(participants, gid, token_hash);
      co_return false;
    }
  } else if (!decided || decider.link.tag != "COMMIT") {
    const std::string body = decider.link.error_body;
    co_await own_query_quietly(decider, "ROLLBACK");
    decider.link.error_body = body;
    co_await abort_prepared(participants, gid, token_hash);
    co_return false;
  }
  note_done(decider, Plan{});
  WorkerCounters::add(worker_.counters.distributed_commits);
  for (ServerConn* conn : participants) {
    if (conn->lost()) continue;
    conn->link.error = false;
    std::string message;
    pgwire::append_query(message, "COMMIT PREPARED " + quote_literal(gid(*conn)));
    conn->owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = false, .owner = this});
    conn->flush(message);
  }
  for (ServerConn* conn : participants) {
    const bool ok = co_await wait_server(*conn);
    note_done(*conn, Plan{});
    if (ok) continue;
    // Decided and durable: recovery finishes it there; this session does not look there before.
    unfinished_.push_back({conn->pool().target().shard, gid(*conn)});
    worker_.proxy().control().kick_recovery(database.name, token_hash);
    worker_.scratch.clear();
    append_warning(worker_.scratch, "01000",
                   "the transaction is committed, but shard " + shard_name(*conn) + " could not be told yet");
    if (!closing_) send(worker_.scratch);
  }
  committing_ = false;
  co_return true;
}

// Undoes what was prepared, rolls back the rest, and tells the client why.
Task<> Session::abort_prepared(std::vector<ServerConn*> participants, std::function<std::string(const ServerConn&)> gid,
                               std::string token_hash) {
  WorkerCounters::add(worker_.counters.distributed_aborts);
  std::string reason;
  bool kick = false;
  for (ServerConn* conn : links_) {
    if (reason.empty() && conn->link.error && !conn->lost()) reason = conn->link.error_body;
  }
  for (ServerConn* conn : participants) {
    if (conn->lost()) {
      kick = true;
    } else if (conn->link.tag == "PREPARE TRANSACTION") {
      if (!co_await own_query_quietly(*conn, "ROLLBACK PREPARED " + quote_literal(gid(*conn)))) kick = true;
    }
  }
  if (kick) worker_.proxy().control().kick_recovery(pools_->database->config().name, token_hash);
  std::vector<ServerConn*> open;
  for (ServerConn* conn : links_) {
    if (!conn->lost() && conn->tx_status != pgwire::TxStatus::kIdle) open.push_back(conn);
  }
  for (ServerConn* conn : open) co_await own_query_quietly(*conn, "ROLLBACK");
  committing_ = false;
  if (closing_) co_return;
  pgwire::ErrorFields fields;
  if (!reason.empty() && decode(Bytes(reason), fields)) {
    worker_.scratch.clear();
    append_error(worker_.scratch, fields);
    send(worker_.scratch);
    statement_failed_ = true;
  } else {
    send_error(make_error(ErrorCode::kSerializationFailure, "the distributed transaction was rolled back",
                          "repeat the transaction", "a shard could not prepare it"));
  }
}

// Like wait_owed(), but not ended by the client's leaving: a commit under way is finished.
Task<bool> Session::wait_server(ServerConn& conn) {
  while (conn.link.owed > 0 && !conn.lost()) co_await suspend();
  co_return !conn.lost() && !conn.link.error;
}

Task<bool> Session::own_query_quietly(ServerConn& conn, std::string_view statement) {
  if (conn.lost()) co_return false;
  conn.link.error = conn.link.error_forwarded = false;
  std::string message;
  pgwire::append_query(message, statement);
  conn.owe({.kind = pgwire::OwedKind::kQuery, .forward = false, .forward_error = false, .owner = this});
  conn.flush(message);
  co_return co_await wait_server(conn);
}

Task<Result<control::Outcome>> Session::resolve(std::string database, ShardId commit_point, std::string token_hash) {
  struct Answer {
    bool done = false;
    Result<control::Outcome> outcome = make_error(ErrorCode::kOutcomeUnknown, "");
  };
  auto answer = std::make_shared<Answer>();
  const std::int32_t pid = pid_;
  worker_.proxy().control().resolve(
      database, commit_point, token_hash, std::chrono::steady_clock::now() + kResolveWithin,
      [answer, pid, &worker = worker_](Result<control::Outcome> outcome) {
        worker.reactor().post([answer, outcome, pid, &worker] {
          answer->outcome = outcome;
          answer->done = true;
          if (Session* session = worker.find_session(pid)) session->wake();
        });
      });
  while (!answer->done) co_await suspend();
  co_return answer->outcome;
}

}  // namespace howdah::proxy
