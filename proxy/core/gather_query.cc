#include "proxy/core/gather_query.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/errors.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace be = pgwire::be;
using pgwire::OwedKind;
using sharding::GatheredRows;

namespace {

std::uint32_t read_be(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

void put2(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

// The parts of a Bind behind its names. REQUIRES: it was decoded before.
struct BindTail {
  std::vector<std::int16_t> formats;  // one for each parameter
  std::size_t params = 0;
  Bytes before_results, values, result_formats;  // as they stand there; of the values without their count

  explicit BindTail(Bytes tail) {
    const std::size_t codes = read_be(tail, 0, 2);
    std::size_t at = 2 + 2 * codes;
    params = read_be(tail, at, 2);
    for (std::size_t i = 0; i < params; ++i) {
      const std::size_t code = codes == 1 ? 0 : i;
      formats.push_back(codes == 0 ? std::int16_t{0} : static_cast<std::int16_t>(read_be(tail, 2 + 2 * code, 2)));
    }
    at += 2;
    const std::size_t begin = at;
    for (std::size_t i = 0; i < params; ++i) {
      const std::uint32_t length = read_be(tail, at, 4);
      at += 4 + (length == 0xffffffff ? 0 : length);
    }
    values = tail.substr(begin, at - begin);
    before_results = tail.substr(0, at);
    result_formats = tail.substr(at);
  }
};

const std::string kNoParams(6, '\0');  // a Bind's tail of a simple query: all results as text

}  // namespace

void GatherQuery::owe(ServerConn& conn, OwedKind kind, bool forward) {
  conn.owe({.kind = kind, .forward = forward, .forward_error = false, .forward_ready = false, .owner = &session_});
}

Task<bool> GatherQuery::run() {
  Session& s = session_;
  WorkerCounters::add(s.worker_.counters.all_shard_statements);
  s.note_many(statement_, route_);
  if (!co_await link_shards()) co_return false;
  const bool autocommit = !s.tx_.active();
  const bool ok = co_await run_parts();
  if (s.closing_) co_return false;
  s.end_parts(conns_, statement_, query_, ok, autocommit);
  co_return ok;
}

Task<bool> GatherQuery::link_shards() {
  Session& s = session_;
  if (!co_await s.link_parts(statement_, route_, conns_)) co_return false;
  for (ServerConn* conn : conns_) {
    conn->link.error = conn->link.error_forwarded = false;
    conn->link.hide_position = true;
    conn->link.collected.clear();
  }
  // Each client's last steps are another server's work.
  upper_ = conns_[static_cast<std::uint32_t>(s.pid_) % conns_.size()];
  if (const auto shard = statement_.spread->last_step) {
    for (ServerConn* conn : conns_) {
      if (conn->pool().target().shard == *shard) upper_ = conn;
    }
  }
  co_return true;
}

Task<bool> GatherQuery::run_parts() {
  if (!co_await describe()) co_return false;
  if (!co_await collect()) co_return false;
  co_return co_await answer(*rows_);
}

bool GatherQuery::fail(const Error& error) {
  session_.send_error(error);
  return false;
}

// Tells the client what this server said. `own_text`: of the client's own text, so that the position holds.
bool GatherQuery::fail_on(ServerConn& conn, bool own_text) {
  Session& s = session_;
  if (s.closing_) return false;
  pgwire::ErrorFields fields;
  const std::string body = conn.link.error_body;
  if (!conn.link.error || !decode(Bytes(body), fields)) {
    s.send_lost(conn);
    return false;
  }
  if (fields.severity == "FATAL" || fields.severity == "PANIC") fields.severity = fields.localized_severity = "ERROR";
  if (!own_text) fields.position = 0;
  if (clock_.text) fields.position = clock_.text->client_position(fields.position);
  s.worker_.scratch.clear();
  append_error(s.worker_.scratch, fields);
  s.send(s.worker_.scratch);
  s.statement_failed_ = true;
  conn.link.error_forwarded = true;
  return false;
}

Task<bool> GatherQuery::exchange(std::string_view out, std::string& replies) {
  ServerConn& conn = *upper_;
  conn.link.error = false;
  conn.link.collect = true;
  conn.link.gather = false;
  conn.flush(out);
  const bool ok = co_await session_.wait_owed(conn);
  replies = std::exchange(conn.link.collected, {});
  conn.link.collect = false;
  co_return ok;
}

std::string GatherQuery::timed(const std::string& text) const {
  return clock_.text ? sharding::with_times(text, clock_.times) : text;
}

// --- collect

void GatherQuery::send_lower(ServerConn& conn) {
  const std::string& tail = portal_ == nullptr ? kNoParams : portal_->bind_tail;
  const BindTail client(tail);
  std::string bind;
  bind.append(client.before_results);  // also where the client's counts do not fit: the server says so
  put2(bind, parts_->columns.size());
  for (const auto& column : parts_->columns) put2(bind, column.as_text ? 0 : 1);
  std::string out;
  std::vector<Oid> room;
  pgwire::append_parse(out, "", timed(parts_->lower), types_here(parts_->params, conn.pool().object_ids(), room));
  conn.statements.unnamed = 0;
  owe(conn, OwedKind::kParse, false);
  pgwire::append_bind_renamed(out, "", "", bind);
  if (portal_ != nullptr) Session::localize_bind(conn, out, bind.size(), *portal_->statement);
  owe(conn, OwedKind::kBind, false);
  pgwire::append_describe(out, 'P', "");
  owe(conn, OwedKind::kDescribePortal, true);
  pgwire::append_execute(out, "");
  owe(conn, OwedKind::kExecute, true);
  pgwire::append_sync(out);
  owe(conn, OwedKind::kSync, false);
  conn.flush(out);
}

// What has come of one shard's rows. After kFailed without an error of the server's the client has been told.
GatherQuery::Took GatherQuery::take(ServerConn& conn, GatheredRows& rows) {
  std::string& in = conn.link.collected;
  const std::size_t most = session_.worker_.config()->limits.gather_bytes;
  const auto failed = [&](Error error) {
    fail(error);
    return Took::kFailed;
  };
  std::size_t at = 0;
  Took took = Took::kMore;
  while (took == Took::kMore) {
    const Bytes rest = Bytes(in).substr(at);
    pgwire::Header header;
    const auto status = pgwire::peek_header(rest, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kMalformed) return failed(make_error(ErrorCode::kServerLost, "a server sent a malformed message"));
    if (status == pgwire::FrameStatus::kNeedMore) break;
    if (rows.bytes() + header.total > most) {
      Error error = make_error(ErrorCode::kProgramLimit, "the rows that this query gathers from the shards take too much memory",
                               "Name one value of the sharding key, select fewer rows, or raise limits.gather_bytes.",
                               "Its last step needs all rows together, and may hold " + std::to_string(most) + " bytes.");
      error.sqlstate = "53200";
      return failed(std::move(error));
    }
    if (rest.size() < header.total) break;
    const Bytes body = rest.substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize);
    at += header.total;
    if (header.type == be::kDataRow) {
      if (!rows.add(body)) return failed(make_error(ErrorCode::kServerLost, "a server sent a malformed message"));
    } else if (header.type == be::kRowDescription) {
      pgwire::RowDescription description;
      std::size_t column = 0;
      bool same = decode(body, description) && description.count == parts_->columns.size();
      pgwire::FieldDescription field;
      for (Bytes fields = description.fields; same && pgwire::RowDescription::next(fields, field); ++column) {
        same = field.type == parts_->columns[column].type && field.name == parts_->columns[column].name;
      }
      if (!same) {
        session_.worker_.gathers.erase(cache_key());
        return failed(make_error(ErrorCode::kUnsupported, "the shards answered with different columns", "Repeat the query; if it fails again, compare the tables on all shards."));
      }
    } else if (header.type == be::kCommandComplete) {
      took = Took::kDone;
    } else if (header.type == be::kNoticeResponse) {
      session_.send(rest.substr(0, header.total));
    }
  }
  in.erase(0, at);
  return took;
}

Task<bool> GatherQuery::collect() {
  Session& s = session_;
  rows_ = std::make_unique<GatheredRows>(parts_->columns);
  for (ServerConn* conn : conns_) {
    conn->link.error = false;
    conn->link.collect = conn->link.gather = true;
    conn->link.collected.clear();
    send_lower(*conn);
  }
  if (s.deadlines_) s.watch_deadlines();
  std::vector<bool> done(conns_.size());
  bool ok = true;
  while (ok && !s.closing_) {
    std::size_t open = 0, held = 0;
    for (std::size_t i = 0; i < conns_.size() && ok; ++i) {
      if (done[i]) continue;
      ServerConn& conn = *conns_[i];
      switch (take(conn, *rows_)) {
        case Took::kFailed:
          ok = false;
          break;
        case Took::kDone:
          done[i] = true;
          break;
        case Took::kMore:
          if (conn.link.error || conn.lost()) ok = fail_on(conn, false);
          ++open;
          held += conn.link.collected.size();
      }
    }
    if (open == 0 || !ok) break;
    std::size_t after = 0;
    for (std::size_t i = 0; i < conns_.size(); ++i) {
      if (done[i]) continue;
      if (!conns_[i]->lost()) conns_[i]->resume_reading();
      after += conns_[i]->link.collected.size() + (conns_[i]->lost() || conns_[i]->link.error ? 1 : 0);
    }
    // Reading on may have brought more at once: nobody else will wake this up for it.
    if (after == held) co_await s.suspend();
  }
  co_await s.drop_parts(conns_);
  for (ServerConn* conn : conns_) {
    conn->link.collect = conn->link.gather = false;
    conn->link.collected.clear();
    conn->resume_reading();  // the last batch may have paused it
  }
  co_return ok && !s.closing_;
}

// --- answer

std::string GatherQuery::upper_message(GatheredRows& rows) const {
  const std::string& tail = portal_ == nullptr ? kNoParams : portal_->bind_tail;
  const BindTail client(tail);
  std::string bind;
  bind.reserve(rows.bytes() + tail.size() + 64 * rows.columns());
  const std::size_t params = client.params + rows.columns();
  put2(bind, params);
  for (const auto format : client.formats) put2(bind, static_cast<std::size_t>(format));
  for (std::size_t i = 0; i < rows.columns(); ++i) put2(bind, 1);
  put2(bind, params);
  bind += client.values;
  for (std::size_t i = 0; i < rows.columns(); ++i) rows.take(i, bind);
  bind += client.result_formats;
  std::string out;
  std::vector<Oid> room;
  pgwire::append_parse(out, "", timed(parts_->upper), types_here(parts_->upper_params, upper_->pool().object_ids(), room));
  pgwire::append_bind_renamed(out, "", "", bind);
  if (numbers_differ()) pgwire::append_describe(out, 'P', "");
  pgwire::append_execute(out, "");
  pgwire::append_sync(out);
  return out;
}

// The values of the last step may have types' numbers in them that are this server's own.
bool GatherQuery::numbers_differ() const {
  const auto* ids = upper_->pool().object_ids();
  return ids != nullptr && ids->types_differ();
}

// The columns as the client's own text has them.
void GatherQuery::tell_columns() {
  auto& out = session_.worker_.scratch;
  out.clear();
  if (portal_ != nullptr && !portal_->bound) pgwire::append_bind_complete(out);
  if (portal_ == nullptr || portal_->described) {
    const std::string& tail = portal_ == nullptr ? kNoParams : portal_->bind_tail;
    const Bytes formats = BindTail(tail).result_formats;
    const std::size_t codes = read_be(formats, 0, 2);
    pgwire::RowDescription description;
    decode(Bytes(parts_->description), description);
    std::vector<pgwire::FieldDescription> fields;
    pgwire::FieldDescription field;
    for (Bytes rest = description.fields; pgwire::RowDescription::next(rest, field);) {
      const std::size_t code = codes == 1 ? 0 : fields.size();
      field.format = code < codes ? static_cast<std::int16_t>(read_be(formats, 2 + 2 * code, 2)) : std::int16_t{0};
      fields.push_back(field);
    }
    pgwire::append_row_description(out, fields);
  }
  session_.send(out);
}

Task<bool> GatherQuery::answer(GatheredRows& rows) {
  Session& s = session_;
  ServerConn& conn = *upper_;
  std::string out = upper_message(rows);
  rows_.reset();
  tell_columns();
  conn.link.error = conn.link.error_forwarded = false;
  conn.statements.unnamed = 0;
  owe(conn, OwedKind::kParse, false);
  owe(conn, OwedKind::kBind, false);
  if (numbers_differ()) owe(conn, OwedKind::kDescribePortal, false);
  conn.owe({.kind = OwedKind::kExecute, .forward_ready = false, .typed = numbers_differ(), .owner = &s});
  owe(conn, OwedKind::kSync, false);
  conn.flush(out);
  out = std::string();
  const bool ok = co_await s.wait_owed(conn);
  if (s.closing_) co_return false;
  if (!ok && !conn.link.error_forwarded) fail_on(conn, false);
  if (!ok) s.statement_failed_ = true;
  co_return ok;
}

}  // namespace howdah::proxy
