// A query over several shards: each runs its part at once, and the rows go to the client as they come, in order.
#include <algorithm>
#include <bit>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/proxy.h"
#include "proxy/core/extended.h"
#include "proxy/core/gather_query.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/part_bind.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/merge/row_merge.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;
using sharding::RowMerge;

namespace {

constexpr std::size_t kBatch = 32 * 1024;        // given to the client at once
constexpr std::size_t kHeldEnough = 256 * 1024;  // of one shard's rows: then it waits
constexpr std::size_t kHeldFew = 64 * 1024;      // then it goes on
constexpr std::size_t kOutEnough = 256 * 1024;   // that the client has not taken yet

ShardId first_of(std::uint64_t mask) { return ShardId(static_cast<std::uint16_t>(std::countr_zero(mask))); }

}  // namespace

// Called in between the client's coroutine: notes that there is more, and holds back a shard that is ahead of the others.
void Session::gathered(ServerConn& from) {
  if (from.link.collected.size() > kHeldEnough) from.pause_reading();
  wake();
}

Task<bool> Session::run_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view query, Portal* portal) {
  const Plan& statement = plan->statements[index];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  if (statement.spread->gathers) {
    std::optional<sharding::ClockTimes> times;
    if (!statement.clock.empty()) {
      read_from_ = route.read_from;
      times = co_await read_clock(statement, first_of(route.mask));
      if (!times) co_return false;
    }
    const EditedPtr clocked = times ? put_clock(statement, query, sharding::kSymbolicTimes) : nullptr;
    if (times && !clocked) co_return false;
    const std::string kept(clocked ? clocked->text() : query);
    co_return co_await GatherQuery(*this, statement, route, kept, portal, {clocked, times.value_or(sharding::ClockTimes{})}).run();
  }
  const auto text = co_await part_text(statement, route, query);
  if (!text) co_return false;
  WorkerCounters::add(worker_.counters.all_shard_statements);
  note_many(statement, route);
  std::vector<ServerConn*> conns;
  if (!co_await link_parts(statement, route, conns)) co_return false;
  for (ServerConn* conn : conns) {
    conn->link.error = conn->link.error_forwarded = false;
    conn->link.collect = conn->link.gather = true;
    conn->link.collected.clear();
    send_part(*conn, *text, statement, portal);
  }
  const bool autocommit = !tx_.active();
  const bool ok = co_await merge_rows(conns, statement, route, *text, portal);
  if (closing_) co_return false;
  end_parts(conns, statement, query, ok, autocommit);
  co_return ok;
}

// What each shard runs of `query`, with the time in it if it reads the clock. Empty: the client was told.
Task<std::optional<sharding::ShardText>> Session::part_text(const Plan& statement, const sharding::Route& route, std::string_view query) {
  EditedPtr clocked;
  if (!statement.clock.empty()) {
    read_from_ = route.read_from;
    const auto times = co_await read_clock(statement, first_of(route.mask));
    if (!times) co_return std::nullopt;
    clocked = put_clock(statement, query, *times);
    if (!clocked) co_return std::nullopt;
    query = clocked->text();
  }
  sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  auto text = sharding::shard_text(query, *statement.spread, route.limit, route.offset, options);
  if (!text) {
    fail_statement(text.error());
    co_return std::nullopt;
  }
  text->clocked = clocked;
  co_return std::move(*text);
}

// The servers that take part, in the order of the shards, so that two such statements cannot wait for each other's connections.
// False: the client was told.
Task<bool> Session::link_parts(const Plan& statement, const sharding::Route& route, std::vector<ServerConn*>& conns) {
  for (std::size_t i = 0; i < pools_->primaries.size(); ++i) {
    if ((route.mask >> (i & 63u) & 1u) == 0) continue;
    read_from_ = route.read_from;
    ServerConn* conn = co_await link(ShardId(static_cast<std::uint16_t>(i)), statement);
    if (conn == nullptr) co_return false;
    conns.push_back(conn);
  }
  co_return true;
}

// `text`: the statement's.
void Session::end_parts(std::span<ServerConn* const> conns, const Plan& statement, std::string_view text, bool ok, bool autocommit) {
  for (ServerConn* conn : conns) {
    conn->link.collect = conn->link.gather = conn->link.hide_position = false;
    conn->link.collected = {};
    apply_effect(*conn, statement, text, false);
  }
  if (!ok && !autocommit) tx_.failed = true;
  if (!autocommit) return;
  WorkerCounters::add(worker_.counters.transactions);
  for (ServerConn* conn : conns) {
    if (conn->lost()) release(*conn);
  }
}

void Session::send_part(ServerConn& conn, const sharding::ShardText& text, const Plan& statement, Portal* portal) {
  std::string out;
  if (portal == nullptr) {
    pgwire::append_query(out, text.text);
    conn.owe({.kind = OwedKind::kQuery, .forward_ready = false, .owner = this});
  } else {
    const sql::Spread& spread = *statement.spread;
    std::vector<Oid> room;
    pgwire::append_parse(out, "", text.text, types_here(part_types(*portal, spread), conn.pool().object_ids(), room));
    conn.owe({.kind = OwedKind::kParse, .forward = false, .owner = this});
    conn.statements.unnamed = 0;
    const std::string tail = with_formats(portal->bind_tail, hidden_columns(spread));
    pgwire::append_bind_renamed(out, "", "", tail);
    localize_bind(conn, out, tail.size(), *portal->statement);
    conn.owe({.kind = OwedKind::kBind, .forward = !portal->bound, .owner = this});
    pgwire::append_describe(out, 'P', "");
    conn.owe({.kind = OwedKind::kDescribePortal, .owner = this});
    pgwire::append_execute(out, "");
    conn.owe({.kind = OwedKind::kExecute, .typed = true, .owner = this});
    pgwire::append_sync(out);
    conn.owe({.kind = OwedKind::kSync, .forward_ready = false, .owner = this});
  }
  conn.flush(out);
}

// False: the client was told. Afterwards no connection owes anything.
Task<bool> Session::merge_rows(std::span<ServerConn* const> conns, const Plan& statement, const sharding::Route& route,
                               const sharding::ShardText& text, Portal* portal) {
  RowMerge::Options options;
  options.sort = statement.spread->sort;
  options.limit = route.limit;
  options.offset = route.offset;
  options.describe = portal == nullptr || portal->described;
  options.bytewise_collation = statement.spread->bytewise_collation;
  std::vector<std::string*> streams;
  for (ServerConn* conn : conns) streams.push_back(&conn->link.collected);
  RowMerge merge(std::move(streams), std::move(options));
  const auto held = [&] {
    std::size_t size = 0;
    for (const ServerConn* conn : conns) size += conn->link.collected.size() + (conn->lost() ? 1 : 0);
    return size;
  };
  bool ok = false;
  for (;;) {
    worker_.scratch.clear();
    const auto step = merge.run(worker_.scratch, kBatch);
    send(worker_.scratch);
    if (spool_is_full()) break;
    if (step == RowMerge::Step::kDone) {
      ok = true;
      break;
    }
    if (step == RowMerge::Step::kFailed) {
      if (merge.failed_stream() < 0) {
        send_error(merge.error());
      } else {
        tell_part_failure(*conns[static_cast<std::size_t>(merge.failed_stream())], text);
      }
      break;
    }
    flush_client();
    if (closing_) co_return false;
    while (out_.size() > kOutEnough && !closing_) co_await suspend();
    if (closing_) co_return false;
    const auto lost = std::find_if(conns.begin(), conns.end(), [](const ServerConn* conn) { return conn->lost(); });
    if (lost != conns.end() && step == RowMerge::Step::kWait) {
      tell_part_failure(**lost, text);
      break;
    }
    const std::size_t before = held();
    for (std::size_t i = 0; i < conns.size(); ++i) {
      // One row may be more than what is held otherwise.
      const bool wanted = conns[i]->link.collected.size() < kHeldFew || (step == RowMerge::Step::kWait && merge.waits_for(i));
      if (wanted && !conns[i]->lost()) conns[i]->resume_reading();
    }
    // Reading on may have brought more at once: nobody else will wake this up for it.
    if (step == RowMerge::Step::kWait && held() == before) co_await suspend();
    if (closing_) co_return false;
  }
  co_await drop_parts(conns);
  co_return ok && !closing_;
}

// The first shard's error cancels the others, and what they still send is dropped.
Task<> Session::drop_parts(std::span<ServerConn* const> conns) {
  for (ServerConn* conn : conns) {
    if (conn->link.owed > 0 && !conn->lost() && statement_failed_) worker_.send_cancel(*conn);
  }
  for (ServerConn* conn : conns) {
    while (conn->link.owed > 0 && !conn->lost() && !closing_) {
      conn->link.collected.clear();
      const std::uint32_t owed = conn->link.owed;
      conn->resume_reading();
      // With more held, gathered() may have paused it again: nobody else would wake this up.
      if (conn->link.owed == owed && conn->link.collected.empty() && !conn->lost()) co_await suspend();
    }
    conn->resume_reading();  // for whatever comes next: all of this answer may have been read before it paused
    conn->link.error_forwarded = conn->link.error_forwarded || statement_failed_;
  }
  co_await await_cancels(conns);
}

// Until none can hit what the client does next: when the server closes its connection, the signal was sent, and whatever comes
// afterwards finds the backend between two statements.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/tcop/postgres.c (ProcessInterrupts)
Task<> Session::await_cancels(std::span<ServerConn* const> conns) {
  for (ServerConn* conn : conns) {
    while (!closing_ && conn->cancels_in_flight > 0 && !conn->lost()) co_await suspend();
  }
}

// As the client's text has its positions.
bool Session::tell_part_failure(ServerConn& conn, const sharding::ShardText& text) {
  pgwire::ErrorFields fields;
  const std::string body = conn.link.error_body;
  if (!conn.link.error || !decode(Bytes(body), fields)) {
    send_lost(conn);
    return false;
  }
  if (fields.severity == "FATAL" || fields.severity == "PANIC") fields.severity = fields.localized_severity = "ERROR";
  fields.position = std::max(fields.position - text.before_here, 0);
  const int at = pgwire::characters(std::string_view(text.text).substr(0, text.inserted_at));
  const int inserted = pgwire::characters(std::string_view(text.text).substr(text.inserted_at, text.inserted));
  if (inserted > 0 && fields.position > at) fields.position = fields.position > at + inserted ? fields.position - inserted : 0;
  if (text.clocked) fields.position = text.clocked->client_position(fields.position);
  if (fields.position > 0) fields.position += text.before_there;
  std::string where(fields.where);
  if (const auto named = text.portal_here.empty() ? std::string::npos : where.find(text.portal_here); named != std::string::npos) {
    where.replace(named, text.portal_here.size(), text.portal_there);
    fields.where = where;
  }
  worker_.scratch.clear();
  append_error(worker_.scratch, fields);
  send(worker_.scratch);
  statement_failed_ = true;
  conn.link.error_forwarded = true;
  return false;
}

}  // namespace howdah::proxy
