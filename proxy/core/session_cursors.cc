// Cursors of DECLARE with several shards: each is on one of them, and all their names are one space, portals included.
#include <algorithm>

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
  if (!taken) return std::nullopt;
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
  answer("CLOSE CURSOR ALL");
  co_return true;
}

}  // namespace howdah::proxy
