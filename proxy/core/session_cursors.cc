// Cursors of DECLARE with several shards: each is on one of them, and all their names are one space, portals included.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"

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
  if (!taken && cursor_rows(name) == nullptr) return std::nullopt;
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
  if (ext_) std::erase_if(ext_->portals, [&](const Portal& portal) { return !portal.name.empty() && portal.steps > index; });
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
  if (notes_) std::erase_if(notes_->cursors, [](const auto& cursor) { return cursor.rows != nullptr; });
  answer("CLOSE CURSOR ALL");
  co_return true;
}

CursorRows* Session::cursor_rows(std::string_view name) const {
  if (!notes_) return nullptr;
  for (const auto& cursor : notes_->cursors) {
    if (cursor.rows && (name.empty() || cursor.name == name)) return cursor.rows.get();
  }
  return nullptr;
}

// Reads all rows at once, which is the snapshot that a cursor has. `held`: the answer waits there for the string's commit.
Task<bool> Session::declare_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, std::string* held) {
  const Plan& statement = plan->statements[index];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  if (!tx_.active()) {
    co_return fail_statement(make_error(ErrorCode::kNoActiveTransaction, "DECLARE CURSOR can only be used in transaction blocks"));
  }
  if (const auto taken = taken_cursor(statement.name, ShardId(0xffff))) co_return fail_statement(*taken);
  sharding::sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  const std::string_view text = whole.substr(statement.begin, statement.end - statement.begin);
  const auto at = declared_query(text, options);
  if (!at) co_return fail_statement(make_error(ErrorCode::kInternal, "the query of a cursor was not found"));
  const auto before = whole.substr(0, statement.begin + *at);
  const int offset = static_cast<int>(std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  const std::string query(text.substr(*at));
  std::string spool, out;
  spool_ = &spool;
  const bool ok = co_await run_many(plan, index, route, query, nullptr);
  spool_ = nullptr;
  if (closing_) co_return false;
  const auto rows = std::make_shared<CursorRows>(spool, out);
  send_moved(out, offset);
  if (!ok) co_return false;
  if (!notes_) notes_ = std::make_unique<StateNotes>();
  notes_->cursors.push_back({statement.name, nullptr, false, false, tx_.replay.size(), rows});
  std::string told;
  pgwire::append_command_complete(told, "DECLARE CURSOR");
  if (held != nullptr) {
    *held = std::move(told);
  } else {
    send(told);
  }
  co_return true;
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

// FETCH and MOVE of a cursor over several shards.
bool Session::fetch_many(const Plan& plan, std::string_view text) {
  sharding::sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  const std::string_view statement = text.substr(plan.begin, plan.end - plan.begin);
  const auto count = fetch_count(statement, options);
  if (!count) {
    return fail_statement(make_error(ErrorCode::kUnsupported, "a cursor over several shards only goes forwards",
                                     "Use FETCH or MOVE with NEXT, FORWARD, ALL or a number."));
  }
  const bool move = statement.size() > 0 && (statement[0] == 'm' || statement[0] == 'M');
  if (!move && ext_ && ext_->active) {
    return fail_statement(make_error(ErrorCode::kUnsupported, "FETCH from a cursor over several shards is not supported by the extended protocol",
                                     "Send it as a simple query, or give the query a fetch size."));
  }
  CursorRows* rows = cursor_rows(plan.name);
  std::string out = move ? std::string() : rows->description();
  const std::uint64_t taken = rows->take(*count, move ? nullptr : &out);
  pgwire::append_command_complete(out, (move ? "MOVE " : "FETCH ") + std::to_string(taken));
  send(out);
  return true;
}

}  // namespace howdah::proxy
