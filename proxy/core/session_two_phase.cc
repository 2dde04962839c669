// Two-phase commit with the decision in the database (docs/adr/0004-decision-in-the-database.md).
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
    const bool failed = decider.link.error;
    co_await own_query_quietly(decider, "ROLLBACK");
    decider.link.error_body = body;
    decider.link.error = failed;  // what the client is told
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
    if (!closing_) warn("01000", "the transaction is committed, but shard " + shard_name(*conn) + " could not be told yet");
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
    // The decision is a row, and only a transaction that still may write can write it.
    if (fields.sqlstate == "25006") {
      send_error(make_error(ErrorCode::kUnsupported, "a transaction that was made READ ONLY after it wrote cannot be committed on several shards",
                            "leave transaction_read_only as it is", "the commit itself has to write"));
      co_return;
    }
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
