// COPY FROM STDIN into tables of several shards: the client's rows go to the shards of their keys (a reference table's to all), in
// one transaction; every shard has a COPY of its own.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-COPY
#include <algorithm>
#include <cstdio>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/copy_shards.h"
#include "proxy/core/errors.h"
#include "proxy/core/extended.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;
namespace sql = sharding::sql;
using pgwire::OwedKind;

namespace {

constexpr std::size_t kPart = 32 * 1024;  // of one CopyData

// The first message of this type among whole ones; empty when there is none.
Bytes find_message(Bytes messages, char type) {
  pgwire::Header header;
  while (pgwire::peek_header(messages, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && header.total <= messages.size()) {
    if (header.type == type) return messages.substr(0, header.total);
    messages.remove_prefix(header.total);
  }
  return {};
}

}  // namespace

void CopyShards::open(ServerConn& conn) { shares_.push_back({&conn, {}, {}, false}); }

std::optional<Error> CopyShards::distribute() {
  sharding::CopyRow row;
  while (rows_.next(row)) {
    if (row.names_the_present) {
      return make_error(ErrorCode::kUnsupported, "a text such as 'now' cannot be copied to several shards", "Send the time itself.",
                        "Each shard would read it as its own time; it is in line " + std::to_string(row.line) + ".");
    }
    if (row.kind == sharding::CopyRow::Kind::kForAll || plan_.reference) {
      for (CopyShare& share : shares_) give(share, row);
      continue;
    }
    std::size_t to = 0;  // what no server takes is any one's to refuse
    if (row.has_key) {
      const auto shard = sharding::route_key(plan_.key, row.key, row.key_is_null, plan_.format.kind == sharding::CopyKind::kBinary, map_);
      if (!shard) return shard.error();
      if (*shard) to = (*shard)->value();
    }
    shares_[to].used = true;
    give(shares_[to], row);
  }
  if (rows_.fault() != nullptr) return *rows_.fault();
  return std::nullopt;
}

void CopyShards::give(CopyShare& share, const sharding::CopyRow& row) {
  share.data.append(row.bytes).append(row.ending);
  share.lines.add(row.line, row.lines);
  if (plan_.reference) share.used = true;
  if (share.data.size() >= kPart) flush(share);
}

void CopyShards::flush(CopyShare& share) {
  if (share.data.empty()) return;
  message_.clear();
  pgwire::append_copy_data(message_, share.data);
  share.data.clear();
  share.conn->flush(message_);
}

void CopyShards::end() {
  for (CopyShare& share : shares_) {
    flush(share);
    message_.clear();
    pgwire::append_copy_done(message_);
    share.conn->link.copy_in = false;
    share.conn->flush(message_);
  }
}

void CopyShards::fail(std::string_view reason) {
  for (CopyShare& share : shares_) {
    if (!share.conn->link.copy_in || share.conn->lost()) continue;
    message_.clear();
    pgwire::append_copy_fail(message_, reason);
    share.conn->link.copy_in = false;
    share.conn->flush(message_);
  }
}

bool CopyShards::congested() const {
  return std::any_of(shares_.begin(), shares_.end(), [](const CopyShare& share) { return share.conn->congested(); });
}

CopyShare* CopyShards::failed() {
  const auto found = std::find_if(shares_.begin(), shares_.end(), [](const CopyShare& share) { return share.conn->lost() || share.conn->link.error; });
  return found == shares_.end() ? nullptr : &*found;
}

// Opens, in one transaction, a COPY on every shard; then serves it to its end.
Task<bool> Session::run_copy_shards(PlanPtr plan, std::size_t index, std::string_view whole, Portal* portal) {
  const Plan& statement = plan->statements[index];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  const std::string text(whole.substr(statement.begin, statement.end - statement.begin));
  const bool own = !tx_.active();
  if (own && refuses_default_isolation()) {
    co_return fail_statement(needs_read_committed());
  }
  if (own) {
    tx_.kind = Transaction::Kind::kImplicit;
    tx_.settings_at_begin = settings_;
  }
  WorkerCounters::add(worker_.counters.all_shard_statements);
  const auto map = pools_->database->snapshot().map;
  CopyShards copy(*statement.many_copy, *map);
  bool ok = co_await open_copies(copy, statement, text) && co_await serve_copies(copy, portal);
  if (closing_) co_return false;
  std::uint64_t rows = 0;
  for (auto& share : copy.shares()) {
    LinkState& link = share.conn->link;
    const std::size_t space = link.tag.rfind(' ');
    if (ok && space != std::string::npos) {
      const std::uint64_t here = std::stoull(link.tag.substr(space));
      rows = statement.many_copy->reference ? here : rows + here;
    }
    if (share.used) apply_effect(*share.conn, statement, text, false);
    link.collect = false;
    link.collected = {};
  }
  if (!ok) {
    statement_failed_ = tx_.failed = true;
    if (own) {
      co_await rollback_links();
      if (!closing_) end_transaction(false);
    }
    co_return false;
  }
  if (own) {
    ok = co_await commit_links(true);
    if (closing_) co_return false;
    end_transaction(ok);
    WorkerCounters::add(worker_.counters.transactions);
    if (!ok) co_return false;
  }
  worker_.scratch.clear();
  pgwire::append_command_complete(worker_.scratch, "COPY " + std::to_string(rows));
  send(worker_.scratch);
  co_return true;
}

// False: the client was told, and no COPY is open.
Task<bool> Session::open_copies(CopyShards& copy, const Plan& statement, const std::string& text) {
  const Epoch routed = pools_->database->snapshot().map->epoch();
  for (std::size_t i = 0; i < pools_->primaries.size(); ++i) {
    ServerConn* conn = co_await link(ShardId(static_cast<std::uint16_t>(i)), statement);
    if (conn == nullptr) co_return false;
    copy.open(*conn);
  }
  note_many(statement, {sharding::Route::Kind::kManyShards, ShardId(), ~std::uint64_t{0}});
  if (routed != pools_->database->snapshot().map->epoch()) {
    send_error(make_error(ErrorCode::kStaleMap, "the shard map changed while the statement waited for a server connection",
                          "repeat the transaction"));
    co_return false;
  }
  // Locks are taken in the order of the shards, as all who write to reference tables do.
  for (auto& share : copy.shares()) {
    ServerConn* const one[] = {share.conn};
    if (!statement.lock_tables.empty() && !co_await on_links(one, "LOCK TABLE " + statement.lock_tables[0] + " IN SHARE ROW EXCLUSIVE MODE")) {
      co_return !closing_ && tell_failure(one);
    }
  }
  for (auto& share : copy.shares()) {
    ServerConn& conn = *share.conn;
    conn.link.error = conn.link.error_forwarded = false;
    conn.link.collect = true;
    conn.link.collected.clear();
    conn.link.tag.clear();
    std::string message;
    pgwire::append_query(message, text);
    conn.owe({.kind = OwedKind::kQuery, .forward_ready = false, .owner = this});
    conn.flush(message);
  }
  if (deadlines_) watch_deadlines();
  for (auto& share : copy.shares()) {
    while (!share.conn->link.copy_in && share.conn->link.owed > 0 && !share.conn->lost() && !closing_) co_await suspend();
  }
  if (closing_) co_return false;
  auto* const failed = copy.failed();
  if (failed == nullptr) co_return true;
  ServerConn* const first[] = {failed->conn};
  if (!co_await close_copies(copy, "another shard failed")) co_return false;
  co_return tell_failure(first);
}

// What still copies is made to fail. False: the client left.
Task<bool> Session::close_copies(CopyShards& copy, std::string_view reason) {
  copy.fail(reason);
  for (auto& share : copy.shares()) {
    const bool had = share.conn->link.error;
    const std::string before = share.conn->link.error_body;
    while (share.conn->link.owed > 0 && !share.conn->lost() && !closing_) co_await suspend();
    if (had) share.conn->link.error_body = before;
    if (closing_) co_return false;
  }
  co_return true;
}

// From CopyInResponse to the end of the COPYs. False: the client was told, and no COPY is open.
Task<bool> Session::serve_copies(CopyShards& copy, Portal* portal) {
  worker_.scratch.clear();
  if (portal != nullptr && !portal->bound) {
    worker_.scratch.append("2\0\0\0\4", 5);  // BindComplete, which waited for this
    if (portal->described) pgwire::append_no_data(worker_.scratch);
  }
  worker_.scratch.append(find_message(copy.shares().front().conn->link.collected, pgwire::be::kCopyInResponse));
  send(worker_.scratch);
  in_.consume(std::exchange(message_size_, 0));  // the statement itself
  flush_client();
  std::optional<Error> refused;
  char unexpected = 0;
  std::string reason;
  const CopyEnd end = co_await pump_copies(copy, refused, unexpected, reason);
  if (closing_) co_return false;
  if (end == CopyEnd::kDone) {
    copy.end();
    if (deadlines_) watch_deadlines();
    for (auto& share : copy.shares()) {
      while (share.conn->link.owed > 0 && !share.conn->lost() && !closing_) co_await suspend();
      if (closing_) co_return false;
    }
    if (copy.failed() == nullptr) co_return true;
  }
  auto* const failed = copy.failed();
  if (!co_await close_copies(copy, end == CopyEnd::kFailed ? std::string_view(reason) : std::string_view("the COPY failed"))) co_return false;
  if (refused) {
    send_error(*refused);
  } else if (unexpected != 0) {
    char message[80];
    std::snprintf(message, sizeof message, "unexpected message type 0x%02X during COPY from stdin", static_cast<unsigned char>(unexpected));
    send_error(make_error(ErrorCode::kProtocolViolation, message));
    fatal(make_error(ErrorCode::kProtocolViolation, "terminating connection because protocol synchronization was lost"));
  } else {
    tell_copy_failure(failed != nullptr ? *failed : copy.shares().front(), end == CopyEnd::kFailed);
  }
  co_return false;
}

// Takes the client's messages until one ends the COPY, or a shard fails.
Task<Session::CopyEnd> Session::pump_copies(CopyShards& copy, std::optional<Error>& refused, char& unexpected, std::string& reason) {
  std::size_t rest = 0;  // of a CopyData
  while (!closing_) {
    const bool failed = refused || copy.failed() != nullptr;
    if (failed && rest == 0) co_return refused ? CopyEnd::kRefused : CopyEnd::kLost;
    if (!failed && copy.congested()) {
      co_await suspend();
      continue;
    }
    if (rest > 0) {
      if (in_.empty() && !read_client()) {
        if (!closing_) co_await suspend();
        continue;
      }
      const std::size_t part = std::min(rest, in_.size());
      if (!failed) {
        copy.feed(in_.view().substr(0, part));
        refused = copy.distribute();
      }
      in_.consume(part);
      rest -= part;
      continue;
    }
    pgwire::Header header;
    const auto status = pgwire::peek_header(in_.view(), pgwire::kMaxLargeLength, header);
    if (status == pgwire::FrameStatus::kMalformed) {
      fatal(make_error(ErrorCode::kProtocolViolation, "invalid message length"));
      co_return CopyEnd::kLost;
    }
    const bool whole = status == pgwire::FrameStatus::kOk && (header.type == fe::kCopyData || in_.size() >= header.total);
    if (!whole) {
      if (!read_client() && !closing_) co_await suspend();
      continue;
    }
    switch (header.type) {
      case fe::kCopyData:
        in_.consume(pgwire::kHeaderSize);
        rest = header.total - pgwire::kHeaderSize;
        continue;
      case fe::kCopyDone:
        in_.consume(header.total);
        copy.finish();
        if ((refused = copy.distribute())) co_return CopyEnd::kRefused;
        co_return CopyEnd::kDone;
      case fe::kCopyFail: {
        const Bytes body = in_.view().substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize);
        reason = body.substr(0, body.find('\0'));
        in_.consume(header.total);
        co_return CopyEnd::kFailed;
      }
      case fe::kSync:
      case fe::kFlush:
        in_.consume(header.total);  // nothing, as long as the COPY goes on
        continue;
      default:
        unexpected = header.type;
        co_return CopyEnd::kRefused;
    }
  }
  co_return CopyEnd::kLost;
}

// With the client's line in its context. `by_client`: it happened behind the last of the shard's lines.
void Session::tell_copy_failure(CopyShare& share, bool by_client) {
  pgwire::ErrorFields fields;
  const std::string body = share.conn->link.error_body;
  if (share.conn->lost() || !share.conn->link.error || !decode(Bytes(body), fields)) return send_lost(*share.conn);
  if (fields.severity == "FATAL" || fields.severity == "PANIC") fields.severity = fields.localized_severity = "ERROR";
  const std::string context = sharding::with_client_line(fields.where, by_client ? sharding::LineMap() : share.lines);
  fields.where = context;
  worker_.scratch.clear();
  append_error(worker_.scratch, fields);
  send(worker_.scratch);
  statement_failed_ = true;
}

}  // namespace howdah::proxy
