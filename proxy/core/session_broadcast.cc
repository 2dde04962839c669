// Statements that run on every shard: DDL and writes to reference tables, atomically; maintenance one by one.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/sequence_split.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;

// Shard 0 goes first and alone: whoever holds its locks is the only one to go on to the others, so two such
// statements cannot wait for each other on different shards.
Task<bool> Session::run_everywhere(PlanPtr plan, std::size_t index, std::string_view text, Portal* portal) {
  const Plan& statement = plan->statements[index];
  const std::string kept(statement.stand_in.empty() ? text : std::string_view(statement.stand_in));
  if (client_status() == pgwire::TxStatus::kFailed) {
    co_return fail_statement(failed_transaction());
  }
  if (statement.verb == sql::Verb::kLock && !tx_.active()) {
    co_return fail_statement(make_error(ErrorCode::kNoActiveTransaction, "LOCK TABLE can only be used in transaction blocks"));
  }
  // Inside a transaction the server says what is wrong with it.
  if (statement.no_transaction && !tx_.active()) co_return co_await run_one_by_one(statement, kept, portal);
  const bool own = !tx_.active();
  if (own && statement.verb == sql::Verb::kOther) warn("25P01", "SET CONSTRAINTS can only be used in transaction blocks");
  if (own) {
    tx_.kind = Transaction::Kind::kImplicit;
    tx_.settings_at_begin = settings_;
  }
  WorkerCounters::add(worker_.counters.all_shard_statements);
  note_many(statement, {sharding::Route::Kind::kAllShards, ShardId()});
  EditedPtr clocked;
  if (!statement.clock.empty()) {
    const auto times = co_await read_clock(statement, ShardId(0));
    if (closing_) co_return false;
    if (times) clocked = put_clock(statement, kept, *times);
  }
  bool ok = (clocked || statement.clock.empty()) && co_await run_on_shards(statement, clocked ? clocked->text() : kept, portal, clocked.get());
  if (closing_) co_return false;
  std::string held;
  if (ServerConn* first = linked(ShardId(0))) held = std::exchange(first->link.collected, {});
  for (ServerConn* conn : links_) {
    conn->link.collect = false;
    conn->link.collected.clear();
  }
  if (!ok) {
    tx_.failed = true;
    if (own) {
      co_await rollback_links();
      end_transaction(false);
    }
    statement_failed_ = true;
    co_return false;
  }
  if (statement.changes_catalog) catalog_changed_ = true;
  if (own) {
    ok = co_await commit_links(true);
    if (closing_) co_return false;
    end_transaction(ok);
    WorkerCounters::add(worker_.counters.transactions);
    if (ok && std::exchange(catalog_changed_, false)) co_await refresh_catalog();
  }
  if (ok) send(held);
  co_return ok;
}

// Runs on shard 0, then on all others at once; replies stay in LinkState::collected. False: the client was told.
Task<bool> Session::run_on_shards(const Plan& statement, const std::string& text, Portal* portal,
                                  const sharding::EditedText* clocked) {
  const auto shards = pools_->primaries.size();
  // The rows that a snapshot shows must be those under the lock.
  const bool begun = std::any_of(links_.begin(), links_.end(), [](const ServerConn* conn) { return conn->link.in_transaction; });
  if (statement.reference_write && begun && in_snapshot_transaction()) {
    co_return fail_statement(make_error(ErrorCode::kUnsupported, "a write to a reference table has to be the first statement of a REPEATABLE READ or SERIALIZABLE transaction",
                                        "write it first, without now(), or use READ COMMITTED", "Its copies could become different: each shard has a snapshot of its own."));
  }
  std::string lock;
  for (const auto& table : statement.lock_tables) lock += (lock.empty() ? "LOCK TABLE " : ", ") + table;
  if (!lock.empty()) lock += " IN SHARE ROW EXCLUSIVE MODE";
  std::vector<ServerConn*> all;
  std::string first_tag;
  for (std::size_t round = 0; round < 2; ++round) {
    std::vector<ServerConn*> now;
    for (std::size_t i = round; i < (round == 0 ? 1 : shards); ++i) {
      ServerConn* conn = co_await link(ShardId(static_cast<std::uint16_t>(i)), statement);
      if (conn == nullptr) co_return false;
      now.push_back(conn);
    }
    if (!lock.empty() && !co_await on_links(now, lock)) co_return tell_failure(now);
    if (closing_) co_return false;
    for (ServerConn* conn : now) {
      conn->link.error = conn->link.error_forwarded = false;
      conn->link.collect = true;
      conn->link.collected.clear();
      conn->link.tag.clear();
      send_everywhere(*conn, text, portal);
    }
    bool ok = true;
    for (ServerConn* conn : now) {
      ok = co_await wait_owed(*conn) && ok;
      if (closing_) co_return false;
      apply_effect(*conn, statement, text, false);
    }
    if (!ok) co_return tell_failure(now, clocked);
    if (statement.splits_sequences) {
      for (ServerConn* conn : now) {
        const bool split = co_await own_query(*conn, sharding::split_sequences(conn->pool().target().shard.value()), false);
        if (closing_) co_return false;
        if (!split) co_return tell_failure(now);
      }
    }
    if (round == 0) first_tag = now[0]->link.tag;
    for (ServerConn* conn : now) {
      if (statement.reference_write && conn->link.tag != first_tag) {
        send_error(make_error(ErrorCode::kInternal, "the copies of a reference table differ between shards",
                              "compare the table's rows on all shards",
                              "shard 0 answered " + first_tag + ", another one " + conn->link.tag));
        co_return false;
      }
    }
  }
  co_return true;
}

// The first failure of these becomes the client's error.
bool Session::tell_failure(std::span<ServerConn* const> conns, const sharding::EditedText* clocked) {
  for (ServerConn* conn : conns) {
    if (!conn->lost() && !conn->link.error) continue;
    pgwire::ErrorFields fields;
    if (conn->link.error && decode(Bytes(conn->link.error_body), fields)) {
      worker_.scratch.clear();
      if (fields.severity == "FATAL" || fields.severity == "PANIC") fields.severity = fields.localized_severity = "ERROR";
      if (clocked != nullptr) fields.position = clocked->client_position(fields.position);
      append_error(worker_.scratch, fields);
      send(worker_.scratch);
    } else {
      send_error(conn->lost_reason());
    }
    statement_failed_ = true;
    return false;
  }
  send_error(make_error(ErrorCode::kInternal, "a shard failed without an error"));
  return false;
}

void Session::send_everywhere(ServerConn& conn, std::string_view text, Portal* portal) {
  std::string out;
  if (portal == nullptr) {
    pgwire::append_query(out, text);
    conn.owe({.kind = OwedKind::kQuery, .forward_ready = false, .owner = this});
  } else {
    // Always the unnamed statement: it need not be remembered, and such statements are rare.
    std::vector<Oid> room;
    pgwire::append_parse(out, "", text, types_here(portal->statement->types, conn.pool().object_ids(), room));
    conn.owe({.kind = OwedKind::kParse, .forward = false, .owner = this});
    conn.statements.unnamed = 0;
    pgwire::append_bind_renamed(out, "", "", portal->bind_tail);
    localize_bind(conn, out, portal->bind_tail.size(), *portal->statement);
    conn.owe({.kind = OwedKind::kBind, .forward = !portal->bound, .owner = this});
    if (portal->described) {
      pgwire::append_describe(out, 'P', "");
      conn.owe({.kind = OwedKind::kDescribePortal, .owner = this});
    }
    pgwire::append_execute(out, "");
    conn.owe({.kind = OwedKind::kExecute, .owner = this});
    pgwire::append_sync(out);
    conn.owe({.kind = OwedKind::kSync, .forward_ready = false, .owner = this});
  }
  conn.flush(out);
}

// What PostgreSQL refuses inside a transaction block: each shard by itself; the error says how far it came.
Task<bool> Session::run_one_by_one(const Plan& statement, const std::string& text, Portal* portal) {
  const auto& shards = pools_->database->config().shards;
  std::string done, held;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    ServerConn* conn = co_await link(ShardId(static_cast<std::uint16_t>(i)), statement);
    if (conn == nullptr) co_return false;
    conn->link.error = conn->link.error_forwarded = false;
    conn->link.collect = true;
    conn->link.collected.clear();
    send_everywhere(*conn, text, portal);
    const bool ok = co_await wait_owed(*conn);
    if (closing_) co_return false;
    std::string collected = std::exchange(conn->link.collected, {});
    conn->link.collect = false;
    note_done(*conn, statement);
    if (!ok) {
      pgwire::ErrorFields fields;
      std::string body = conn->link.error_body;
      if (!conn->link.error || !decode(Bytes(body), fields)) {
        send_error(conn->lost_reason());
        co_return false;
      }
      const std::string detail = "done on: " + (done.empty() ? "no shard" : done) + "; failed on: " + shards[i].name +
                                 (i + 1 < shards.size() ? "; not tried on the rest" : "") +
                                 (fields.detail.empty() ? "" : ". " + std::string(fields.detail));
      fields.detail = detail;
      worker_.scratch.clear();
      append_error(worker_.scratch, fields);
      send(worker_.scratch);
      statement_failed_ = true;
      co_return false;
    }
    if (i == 0) held = std::move(collected);
    done += (done.empty() ? "" : ", ") + shards[i].name;
    if (!conn->link.pins.any()) release(*conn);
  }
  if (statement.changes_catalog) co_await refresh_catalog();
  send(held);
  co_return true;
}

// Waits until the new catalog is published, so that the client's next statement finds its table.
Task<> Session::refresh_catalog() {
  catalog_changed_ = false;
  const auto& database = pools_->database->config();
  if (database.control.user.empty()) co_return;
  auto done = std::make_shared<bool>(false);
  const std::int32_t pid = pid_;
  worker_.proxy().control().refresh_catalog(database.name, [done, pid, &worker = worker_](Result<std::uint64_t>) {
    worker.reactor().post([done, pid, &worker] {
      *done = true;
      if (Session* session = worker.find_session(pid)) session->wake();
    });
  });
  while (!*done) co_await suspend();
}

}  // namespace howdah::proxy
