// Cursors of DECLARE with several shards: each is on one of them, and all their names are one space, portals included.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/part_bind.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

using sharding::sql::PinReason;
using sharding::sql::Verb;

ServerConn* Session::cursor_conn(std::string_view name) const {
  if (!notes_) return nullptr;
  for (const auto& cursor : notes_->cursors) {
    if (cursor.name == name) return cursor.conn;
  }
  return nullptr;
}

// The shard's own server judges its own names.
std::optional<Error> Session::taken_cursor(std::string_view name, ShardId shard) const {
  const auto elsewhere = [&](const ServerConn* conn) { return conn != nullptr && conn->pool().target().shard != shard; };
  const bool taken = elsewhere(cursor_conn(name)) ||
                     (ext_ && std::any_of(ext_->portals.begin(), ext_->portals.end(), [&](const Portal& portal) {
                        return portal.name == name && (portal.on_all || elsewhere(portal.conn));
                      }));
  if (!taken && many_cursor(name) == nullptr) return std::nullopt;
  return make_error(ErrorCode::kDuplicateCursor, "cursor \"" + std::string(name) + "\" already exists");
}

// DECLARE or CLOSE succeeded on `conn`.
void Session::note_cursor(ServerConn& conn, const Plan& plan) {
  if (!pools_->database->sharded()) return;
  if (plan.verb == Verb::kDeclareCursor) {
    if (!notes_) notes_ = std::make_unique<StateNotes>();
    notes_->cursors.push_back({plan.name, &conn, plan.pin == PinReason::kHoldCursor, !tx_.active(), tx_.replay.size()});
  } else if (notes_) {
    std::erase_if(notes_->cursors, [&](const auto& cursor) { return plan.name.empty() ? cursor.conn == &conn : cursor.name == plan.name; });
  }
}

// ROLLBACK TO step `index` of the transaction.
void Session::undo_cursors(std::size_t index) {
  if (!pools_->database->sharded()) return;
  if (ext_) std::erase_if(ext_->portals, [&](const Portal& portal) { return (portal.on_all || !portal.name.empty()) && portal.steps > index; });
  if (!notes_) return;
  std::erase_if(notes_->cursors, [&](const auto& cursor) { return !cursor.committed && cursor.steps > index; });
}

void Session::end_cursors(bool committed) {
  if (!notes_) return;
  std::erase_if(notes_->cursors, [&](const auto& cursor) { return !cursor.committed && !(committed && cursor.hold); });
  for (auto& cursor : notes_->cursors) cursor.committed = true;
}

// CLOSE ALL on several servers. False: the client was told.
Task<bool> Session::close_all_cursors(const Plan& plan) {
  const std::vector<ServerConn*> conns = links_;
  for (ServerConn* conn : conns) {
    if (conn->lost()) co_return fail_statement(conn->lost_reason());
    if (!co_await own_query(*conn, "CLOSE ALL", true)) {
      if (tx_.active()) tx_.failed = true;
      co_return false;
    }
    note_cursor(*conn, plan);
    if (conn->link.pins.any()) note_state(*conn, plan, true);
  }
  if (notes_) std::erase_if(notes_->cursors, [](const auto& cursor) { return cursor.many != nullptr; });
  if (ext_) std::erase_if(ext_->portals, [](const Portal& portal) { return portal.stream != nullptr || portal.rows != nullptr; });
  answer("CLOSE CURSOR ALL");
  co_return true;
}

std::shared_ptr<ManyCursor> Session::many_cursor(std::string_view name) const {
  if (!notes_) return nullptr;
  for (const auto& cursor : notes_->cursors) {
    if (cursor.many && (name.empty() || cursor.name == name)) return cursor.many;
  }
  return nullptr;
}

// What the cursors of this session hold in memory.
std::size_t Session::cursor_bytes() const {
  std::size_t bytes = 0;
  if (!notes_) return bytes;
  for (const auto& cursor : notes_->cursors) bytes += cursor.many ? cursor.many->bytes() : 0;
  return bytes;
}

// `held`: the answer waits there for the string's commit.
Task<bool> Session::declare_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal, std::string* held) {
  const Plan& statement = plan->statements[index];
  const bool hold = statement.pin == PinReason::kHoldCursor;
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  const auto tell_bound = [&] {
    if (portal == nullptr || std::exchange(portal->bound, true)) return;
    std::string told;
    pgwire::append_bind_complete(told);
    if (portal->described) pgwire::append_no_data(told);
    send(told);
  };
  if (!hold && !(portal == nullptr ? tx_.active() : tx_.explicit_block())) {
    tell_bound();
    co_return fail_statement(make_error(ErrorCode::kNoActiveTransaction, "DECLARE CURSOR can only be used in transaction blocks"));
  }
  if (const auto taken = taken_cursor(statement.name, ShardId(0xffff))) {
    tell_bound();
    co_return fail_statement(*taken);
  }
  if (const auto refusal = hold ? refused_state(statement) : std::nullopt) co_return fail_statement(*refusal);
  const bool own = !tx_.active();
  if (own) begin_implicit();
  const bool open = co_await open_cursor(plan, index, route, std::string(whole), portal);
  if (closing_) co_return false;
  // The extended protocol's Sync ends it otherwise.
  if (own && portal == nullptr) {
    const bool committed = open && co_await commit_links(true);
    if (closing_) co_return false;
    if (!committed) co_await rollback_links();
    if (closing_) co_return false;
    end_transaction(committed);
    if (!committed) co_return false;
  }
  if (!open) co_return false;
  tell_bound();
  std::string told;
  pgwire::append_command_complete(told, "DECLARE CURSOR");
  if (held != nullptr) {
    *held = std::move(told);
  } else {
    send(told);
  }
  co_return true;
}

Task<bool> Session::open_cursor(PlanPtr plan, std::size_t index, sharding::Route route, std::string whole, Portal* portal) {
  const Plan& statement = plan->statements[index];
  sharding::sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  const std::string_view text = std::string_view(whole).substr(statement.begin, statement.end - statement.begin);
  const auto at = read_declare(text, options);
  if (!at) co_return fail_statement(make_error(ErrorCode::kInternal, "the query of a cursor was not found"));
  const int before = pgwire::characters(std::string_view(whole).substr(0, statement.begin + at->query));
  const std::string query(text.substr(at->query));
  const auto scroll = at->scroll ? ManyCursor::Scroll::kYes : at->no_scroll ? ManyCursor::Scroll::kNo : ManyCursor::Scroll::kUnsaid;
  const std::size_t steps = tx_.replay.size();
  // Clients that want all they get in binary say so here, too, where PostgreSQL takes it for nothing.
  auto formats = portal == nullptr ? std::vector<std::int16_t>() : result_formats(portal->bind_tail);
  if (formats.size() != 1) formats.clear();
  std::shared_ptr<ManyCursor> cursor;
  if (statement.spread->gathers) {
    // Its result is one server's, and kept here.
    std::string spool, out;
    Portal asked;
    if (portal != nullptr) {
      asked = *portal;
      asked.described = true;
      asked.bind_tail = with_result_formats(asked.bind_tail, formats);
    }
    spool_ = &spool;
    const bool ok = co_await run_many(plan, index, route, query, portal == nullptr ? nullptr : &asked);
    spool_ = nullptr;
    if (closing_) co_return false;
    cursor = std::make_shared<ManyCursor>(statement.name, scroll, formats, spool, out);
    send_moved(out, before);
    if (!ok) co_return false;
  } else {
    auto source = co_await ShardPortals::open(*this, {.statement = statement, .route = route, .text = query, .before = before, .portal = portal,
                                                      .name = statement.name, .kind = ShardPortals::Kind::kCursor});
    if (!source || !co_await source->settle(*this)) co_return false;
    cursor = std::make_shared<ManyCursor>(statement.name, scroll, formats, std::move(source));
  }
  if (!notes_) notes_ = std::make_unique<StateNotes>();
  notes_->cursors.push_back({statement.name, nullptr, statement.pin == PinReason::kHoldCursor, false, steps, std::move(cursor)});
  co_return true;
}

// Before COMMIT: cursors WITH HOLD keep their rows. False: the client was told.
Task<bool> Session::hold_cursors() {
  if (!notes_) co_return true;
  std::vector<std::shared_ptr<ManyCursor>> held;
  for (const auto& cursor : notes_->cursors) {
    if (cursor.many && cursor.hold && !cursor.committed) held.push_back(cursor.many);
  }
  for (const auto& cursor : held) {
    if (!co_await cursor->hold(*this)) co_return false;
  }
  co_return true;
}

bool Session::holds_cursors() const {
  return notes_ && std::any_of(notes_->cursors.begin(), notes_->cursors.end(), [](const auto& cursor) { return cursor.many != nullptr; });
}

// Errors and notices about a part of the client's text, `offset` characters into it.
void Session::send_moved(Bytes messages, int offset) {
  std::string out;
  pgwire::Header header;
  while (pgwire::peek_header(messages, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && messages.size() >= header.total) {
    const Bytes body = messages.substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize);
    pgwire::ErrorFields fields;
    if (header.type == pgwire::be::kErrorResponse && decode(body, fields) && fields.position > 0) {
      pgwire::append_with_position(out, header.type, body, fields.position + offset);
    } else {
      out.append(messages.substr(0, header.total));
    }
    messages.remove_prefix(header.total);
  }
  send(out);
}

// FETCH and MOVE of a cursor over several shards. `portal`: by the extended protocol.
Task<bool> Session::fetch_many(const Plan& plan, std::string_view text, const Portal* portal) {
  sharding::sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  const auto command = read_fetch(text.substr(plan.begin, plan.end - plan.begin), options);
  if (!command) co_return fail_statement(make_error(ErrorCode::kInternal, "this FETCH was not understood"));
  const auto cursor = many_cursor(plan.name);
  if (!cursor) co_return fail_statement(make_error(ErrorCode::kUnknownCursor, "cursor \"" + plan.name + "\" does not exist"));
  const auto formats = portal == nullptr ? std::vector<std::int16_t>() : result_formats(portal->bind_tail);
  co_return co_await cursor->fetch(*this, *command, formats, portal == nullptr);
}

}  // namespace howdah::proxy
