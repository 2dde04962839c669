// now() over several shards: one server reads its clock, and all shards are told that time.
//
// A transaction keeps it. It is the time at which the first of its servers began it, which is what PostgreSQL promises; what runs on
// one shard alone reads that shard's own.
#include <algorithm>
#include <charconv>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace be = pgwire::be;
using sharding::sql::ClockCall;

namespace {

// Whole microseconds, whatever DateStyle and TimeZone are.
constexpr std::string_view kQuestion =
    "SELECT (EXTRACT(epoch FROM pg_catalog.transaction_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8, "
    "(EXTRACT(epoch FROM pg_catalog.statement_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8";

// The two numbers of the first row.
std::optional<sharding::ClockTimes> read_times(Bytes replies) {
  pgwire::Header header;
  while (pgwire::peek_header(replies, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && replies.size() >= header.total) {
    const Bytes body = replies.substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize);
    replies.remove_prefix(header.total);
    pgwire::DataRow row;
    if (header.type != be::kDataRow || !decode(body, row)) continue;
    std::int64_t values[2] = {};
    std::size_t count = 0;
    for (const pgwire::Value value : row.values) {
      const auto end = value.bytes.data() + value.bytes.size();
      if (value.null || count == 2 || std::from_chars(value.bytes.data(), end, values[count++]).ptr != end) return std::nullopt;
    }
    if (count == 2) return sharding::ClockTimes{values[0], values[1]};
  }
  return std::nullopt;
}

}  // namespace

// Empty: the client was told. `first`: a shard that takes part, asked if none has joined the transaction yet.
Task<std::optional<sharding::ClockTimes>> Session::read_clock(const Plan& statement, ShardId first) {
  const bool by_statement = std::any_of(statement.clock.begin(), statement.clock.end(),
                                        [](const ClockCall& call) { return call.kind == ClockCall::Kind::kStatementTimestamp; });
  if (tx_.active() && tx_.clock != 0 && !by_statement) co_return sharding::ClockTimes{tx_.clock, 0};
  const auto joined = std::find_if(links_.begin(), links_.end(), [](const ServerConn* conn) { return conn->link.in_transaction; });
  ServerConn* conn = joined != links_.end() ? *joined : co_await link(first, statement);
  if (conn == nullptr) co_return std::nullopt;
  auto times = co_await ask_clock(*conn);
  if (!times || !tx_.active()) co_return times;
  if (tx_.clock == 0) tx_.clock = times->transaction;
  times->transaction = tx_.clock;
  co_return times;
}

// The statement with the times in the place of what reads them. Null: the client was told.
Session::EditedPtr Session::put_clock(const Plan& statement, std::string_view text, const sharding::ClockTimes& times) {
  sharding::sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  auto edits = sharding::clock_edits(text, statement.clock, times, options);
  if (edits) return std::make_shared<const sharding::EditedText>(text, std::move(*edits));
  fail_statement(edits.error());
  return nullptr;
}

// Empty: the client was told.
Task<std::optional<sharding::ClockTimes>> Session::ask_clock(ServerConn& conn) {
  conn.link.error = conn.link.error_forwarded = false;
  conn.link.collect = true;
  conn.link.collected.clear();
  std::string message;
  pgwire::append_query(message, kQuestion);
  conn.owe({.kind = pgwire::OwedKind::kQuery, .forward_error = false, .forward_ready = false, .owner = this});
  conn.flush(message);
  const bool ok = co_await wait_owed(conn);
  conn.link.collect = false;
  const std::string replies = std::exchange(conn.link.collected, {});
  if (closing_) co_return std::nullopt;
  const auto times = ok ? read_times(replies) : std::nullopt;
  if (times) co_return times;
  ServerConn* const only[] = {&conn};
  if (conn.lost()) {
    send_lost(conn);
  } else {
    tell_failure(only);
  }
  conn.link.error_forwarded = true;
  statement_failed_ = true;
  if (tx_.active()) tx_.failed = true;
  co_return std::nullopt;
}

}  // namespace howdah::proxy
