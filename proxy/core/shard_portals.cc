#include "proxy/core/shard_portals.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/part_bind.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace be = pgwire::be;
namespace sql = sharding::sql;
using pgwire::OwedKind;
using sharding::RowMerge;

namespace {

constexpr std::size_t kGiven = 32 * 1024;        // given to the client at once
constexpr std::size_t kHeldFew = 64 * 1024;      // of one shard's rows: then it goes on
constexpr std::size_t kOutEnough = 256 * 1024;   // that the client has not taken yet
constexpr std::size_t kBatchBytes = 256 * 1024;  // what a batch should have
constexpr std::size_t kLeastBatch = 4 * 1024;
constexpr std::uint64_t kFirstRows = 16;         // ... as long as nobody knows how large a row is
constexpr std::uint64_t kMostRows = 10'000;

// What changes how values are written.
constexpr std::array<std::string_view, 8> kStyles = {"datestyle",          "intervalstyle", "timezone", "time zone", "bytea_output",
                                                     "extra_float_digits", "lc_monetary",   "xmloption"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

// The number at the end of "SELECT 3", if the tag begins like that.
std::optional<std::uint64_t> count_of(std::string_view tag, std::string_view verb) {
  std::uint64_t count = 0;
  if (!tag.starts_with(verb)) return std::nullopt;
  tag.remove_prefix(verb.size());
  const auto read = std::from_chars(tag.data(), tag.data() + tag.size(), count);
  if (read.ec != std::errc()) return std::nullopt;
  return count;
}

}  // namespace

Task<ShardPortalsPtr> ShardPortals::open(Session& s, Query query) {
  auto text = co_await s.part_text(query.statement, query.route, query.text);
  if (!text) co_return nullptr;
  WorkerCounters::add(s.worker_.counters.all_shard_statements);
  s.note_many(query.statement, query.route);
  sql::StatementPlan there = query.statement;
  there.pin = sql::PinReason::kNone;  // what a cursor holds beyond its transaction, the proxy holds
  std::vector<ServerConn*> conns;
  if (!co_await s.link_parts(there, query.route, conns)) co_return nullptr;
  const ShardPortalsPtr made(new ShardPortals(query, "howdah portal " + std::to_string(++s.tx_.portal_names)));
  ShardPortals& p = *made;
  p.text_ = std::move(*text);
  p.hidden_ = hidden_columns(*query.statement.spread);
  p.ordered_ = !query.statement.spread->sort.empty();
  p.writes_ = query.statement.writes;
  p.text_.before_there = query.before;
  p.text_.portal_here = "portal " + quoted(p.name_);
  p.text_.portal_there = query.name.empty() ? "unnamed portal" : "portal " + quoted(query.name);
  if (p.kind_ == Kind::kCursor) {
    const std::string head = "DECLARE " + quoted(p.name_) + " NO SCROLL CURSOR FOR ";
    p.text_.before_here = static_cast<int>(head.size());
    p.statement_ = head + p.text_.text;
  }
  p.parts_.resize(conns.size());
  RowMerge::Options options;
  options.sort = query.statement.spread->sort;
  options.limit = query.route.limit;
  options.offset = query.route.offset;
  options.describe = query.describe;
  options.bytewise_collation = query.statement.spread->bytewise_collation;
  options.batches = true;
  std::vector<std::string*> streams;
  for (std::size_t i = 0; i < conns.size(); ++i) {
    p.parts_[i].conn = conns[i];
    streams.push_back(&p.parts_[i].rows);
    p.send_open(s, p.parts_[i], query);
  }
  p.merge_ = std::make_unique<RowMerge>(std::move(streams), std::move(options));
  s.tx_.portals.push_back(made);
  co_return made;
}

void ShardPortals::send_open(Session& s, Part& part, const Query& query) {
  ServerConn& conn = *part.conn;
  const auto owe = [&](OwedKind kind, bool forward) { conn.owe({.kind = kind, .forward = forward, .forward_ready = false, .owner = &s}); };
  const std::string& tail = query.portal == nullptr ? kBindNothing : query.portal->bind_tail;
  const std::vector<Oid> types = query.portal == nullptr ? std::vector<Oid>() : part_types(*query.portal, *query.statement.spread);
  std::vector<Oid> room;
  std::string out;
  const bool cursor = kind_ == Kind::kCursor;
  pgwire::append_parse(out, "", cursor ? statement_ : text_.text, types_here(types, conn.pool().object_ids(), room));
  owe(OwedKind::kParse, false);
  conn.statements.unnamed = 0;
  const std::string bind = cursor ? tail : with_formats(tail, hidden_);
  pgwire::append_bind_renamed(out, cursor ? "" : name_, "", bind);
  if (query.portal != nullptr) Session::localize_bind(conn, out, bind.size(), *query.portal->statement);
  owe(OwedKind::kBind, !cursor);
  if (cursor) {
    pgwire::append_execute(out, "");
    owe(OwedKind::kExecute, false);
  }
  pgwire::append_describe(out, 'P', name_);
  owe(OwedKind::kDescribePortal, true);
  conn.queue(out);
}

// A batch of so many rows; kAll: to the end. None: only what was queued before.
void ShardPortals::send_fetch(Session& s, Part& part, std::uint64_t rows) {
  ServerConn& conn = *part.conn;
  std::string out;
  // Numbers of types in the rows may be this server's own: it has to tell where they are.
  const auto* ids = conn.pool().object_ids();
  const bool typed = ids != nullptr && ids->types_differ();
  const auto describe = [&](Bytes name) {
    if (!typed) return;
    pgwire::append_describe(out, 'P', name);
    conn.owe({.kind = OwedKind::kDescribePortal, .forward = false, .owner = &s});
  };
  if (rows > 0 && kind_ == Kind::kPortal) {
    describe(name_);
    pgwire::append_execute(out, name_, rows == kAll ? 0 : static_cast<std::int32_t>(rows));
    conn.owe({.kind = OwedKind::kExecute, .typed = typed, .owner = &s});
  } else if (rows > 0) {
    auto formats = formats_;
    if (formats.size() > 1) formats.resize(formats.size() + hidden_);
    pgwire::append_parse(out, "", "FETCH FORWARD " + std::to_string(rows) + " FROM " + quoted(name_));
    conn.owe({.kind = OwedKind::kParse, .forward = false, .owner = &s});
    conn.statements.unnamed = 0;
    pgwire::append_bind_renamed(out, "", "", bind_formats(formats));
    conn.owe({.kind = OwedKind::kBind, .forward = false, .owner = &s});
    describe("");
    pgwire::append_execute(out, "");
    conn.owe({.kind = OwedKind::kExecute, .typed = typed, .owner = &s});
  }
  pgwire::append_sync(out);
  conn.owe({.kind = OwedKind::kSync, .forward_ready = false, .owner = &s});
  conn.link.error = conn.link.error_forwarded = false;
  conn.link.collect = conn.link.gather = true;
  conn.link.collected.clear();
  conn.link.tag.clear();
  part.asked = rows;
  part.received = 0;
  part.flying = true;
  ++conn.pool().counters.statements;
  conn.flush(out);
}

Task<bool> ShardPortals::settle(Session& s) {
  if (s.deadlines_) s.watch_deadlines();
  for (Part& part : parts_) send_fetch(s, part, 0);
  opened_ = true;
  bool ok = co_await land(s, true);
  if (ok) {
    std::string out;
    ok = merge_->run(out, std::numeric_limits<std::size_t>::max()) != RowMerge::Step::kFailed;
    s.send(out);
    if (!ok) tell(s);
  }
  co_return finish(s, ok);
}

Task<bool> ShardPortals::take(Session& s, std::uint64_t most, Sink rows) {
  if (!usable(s)) co_return false;
  if (s.deadlines_) s.watch_deadlines();
  before_ = merge_->rows();
  merge_->stop_after(most);
  const bool ok = co_await run(s, most, rows);
  if (s.closing_) co_return false;
  bool landed = co_await land(s, ok);
  if (s.closing_) co_return false;
  const std::size_t room = s.worker_.config()->limits.gather_bytes;
  if (landed && bytes() > room) landed = s.fail_statement(too_large(room));
  co_return finish(s, landed);
}

// False: the client was told.
bool ShardPortals::usable(Session& s) {
  if (failed_) {
    Error error = make_error(ErrorCode::kInternal, "portal \"" + client_name_ + "\" cannot be run");
    error.sqlstate = "55000";
    return s.fail_statement(error);
  }
  for (const Part& part : parts_) {
    const bool linked = std::find(s.links_.begin(), s.links_.end(), part.conn) != s.links_.end();
    if (linked && !part.conn->lost()) continue;
    return s.fail_statement(linked ? part.conn->lost_reason() : make_error(ErrorCode::kServerLost, "server connection lost"));
  }
  if (bytes() > 0 && style_ != style_of(s)) {
    return s.fail_statement(make_error(ErrorCode::kUnsupported, "a setting of how values are written changed between two fetches",
                                       "Leave DateStyle, TimeZone and their like as they are while a portal or cursor over several shards is open.",
                                       "Some rows were read ahead, and are written as they were then."));
  }
  return true;
}

// The settings that values are written under, as far as they differ from the session's first ones.
std::string ShardPortals::style_of(const Session& s) {
  std::string out;
  for (const std::string_view name : kStyles) {
    if (const auto* entry = s.settings_->find(name)) out.append(name).append("=").append(entry->value).append(";");
  }
  for (const auto& step : s.tx_.replay) {
    if (step.savepoint) continue;
    const std::string text = lower(step.text);
    const bool styles = std::any_of(kStyles.begin(), kStyles.end(), [&](std::string_view name) { return text.find(name) != std::string::npos; });
    if (styles) out.append(step.text).append(";");
  }
  return out;
}

// False: the client was told.
Task<bool> ShardPortals::run(Session& s, std::uint64_t most, const Sink& rows) {
  for (;;) {
    std::string& out = s.worker_.scratch;
    out.clear();
    const auto step = merge_->run(out, kGiven);
    give(s, out, rows);
    if (step == RowMerge::Step::kRows || step == RowMerge::Step::kDone) co_return true;
    if (step == RowMerge::Step::kFailed) co_return tell(s);
    s.flush_client();
    while (s.out_.size() > kOutEnough && !s.closing_) co_await s.suspend();
    if (s.closing_) co_return false;
    if (step == RowMerge::Step::kFull) continue;
    refill(s, most == kAll ? kAll : most - taken());
    bool moved = false;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      Part& part = parts_[i];
      if (!part.flying) continue;
      // One row may be more than what is held otherwise.
      if (part.rows.size() >= kHeldFew && !merge_->waits_for(i)) continue;
      moved = receive(i) || moved;
      if (!part.flying) continue;
      if (part.conn->lost()) co_return s.tell_part_failure(*part.conn, text_);
      part.conn->resume_reading();
      moved = receive(i) || moved;
    }
    // What came at once, nobody else will wake this up for.
    if (!moved) co_await s.suspend();
    if (s.closing_) co_return false;
  }
}

// Asks the shards whose rows are used up for more, `most` in all.
void ShardPortals::refill(Session& s, std::uint64_t most) {
  // One that the merge has not looked at yet has rows left.
  const auto wants = [this](std::size_t i) { return !parts_[i].flying && parts_[i].rows.empty() && (!opened_ || merge_->waits_for(i)); };
  std::uint64_t wanted = 0;
  const std::size_t batch = std::clamp(s.worker_.config()->limits.gather_bytes / (2 * parts_.size()), kLeastBatch, kBatchBytes);
  for (std::size_t i = 0; i < parts_.size(); ++i) wanted += wants(i);
  if (wanted == 0) return;
  style_ = style_of(s);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    if (!wants(i)) continue;
    if (most == kAll && kind_ == Kind::kPortal) {
      send_fetch(s, part, kAll);
      continue;
    }
    // In order, all of them may come from one shard.
    const std::uint64_t share = ordered_ || most == kAll ? most : (most + wanted - 1) / wanted;
    const std::uint64_t fits = part.row_bytes == 0 ? kFirstRows : std::clamp<std::uint64_t>(batch / part.row_bytes, 1, kMostRows);
    send_fetch(s, part, std::clamp<std::uint64_t>(share, 1, fits));
  }
  opened_ = true;
}

// Takes what has come of part `i`. False: nothing has.
bool ShardPortals::receive(std::size_t i) {
  Part& part = parts_[i];
  ServerConn& conn = *part.conn;
  std::string& in = conn.link.collected;
  const bool moved = !in.empty() || conn.link.owed == 0;
  part.received += in.size();
  if (part.rows.empty()) {
    part.rows.swap(in);
  } else {
    part.rows.append(in);
  }
  in.clear();
  if (conn.link.owed > 0 || conn.lost()) return moved;
  part.flying = conn.link.collect = conn.link.gather = false;
  if (part.asked == 0 || conn.link.error) return true;
  const auto count = count_of(conn.link.tag, kind_ == Kind::kPortal ? "SELECT " : "FETCH ");
  part.row_bytes = part.received / std::max<std::uint64_t>(count.value_or(part.asked), 1) + 1;
  if (count && (kind_ == Kind::kPortal || *count < part.asked)) merge_->end(i);
  return true;
}

std::size_t ShardPortals::bytes() const {
  std::size_t size = 0;
  for (const Part& part : parts_) size += part.rows.size();
  return size;
}

// The rows of a run of messages to `rows`, the others to the client.
void ShardPortals::give(Session& s, Bytes messages, const Sink& rows) {
  std::size_t at = 0;
  pgwire::Frame frame;
  while (pgwire::next_frame(messages.substr(at), pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    if (frame.type == be::kDataRow) {
      at += frame.whole.size();
      continue;
    }
    if (at > 0) rows(messages.substr(0, at));
    s.send(frame.whole);
    messages.remove_prefix(at + frame.whole.size());
    at = 0;
  }
  if (at > 0) rows(messages.substr(0, at));
}

// What the merge found.
bool ShardPortals::tell(Session& s) {
  if (merge_->failed_stream() >= 0) return s.tell_part_failure(*parts_[static_cast<std::size_t>(merge_->failed_stream())].conn, text_);
  s.send_error(merge_->error());
  return false;
}

// Until nothing is under way. `ok`: what comes is kept, and an error is the client's.
Task<bool> ShardPortals::land(Session& s, bool ok) {
  if (!ok) {
    std::vector<ServerConn*> conns;
    for (Part& part : parts_) {
      if (part.flying) conns.push_back(part.conn);
    }
    co_await s.drop_parts(conns);
    co_return false;
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    while (part.flying && !part.conn->lost() && !s.closing_) {
      if (!receive(i)) {
        part.conn->resume_reading();
        if (!receive(i)) co_await s.suspend();
      }
    }
    if (s.closing_) co_return false;
    if (ok && (part.conn->lost() || part.conn->link.error)) ok = s.tell_part_failure(*part.conn, text_);
  }
  co_return ok;
}

bool ShardPortals::finish(Session& s, bool ok) {
  for (Part& part : parts_) {
    ServerConn& conn = *part.conn;
    part.flying = conn.link.collect = conn.link.gather = false;
    conn.link.collected = {};
    conn.resume_reading();
    if (writes_) conn.link.wrote = true;
  }
  if (ok) return true;
  failed_ = true;
  if (s.tx_.active()) s.tx_.failed = true;
  return false;
}

std::optional<Error> ShardPortals::set_formats(std::span<const std::int16_t> formats) {
  if (std::equal(formats.begin(), formats.end(), formats_.begin(), formats_.end())) return std::nullopt;
  if (bytes() > 0) return other_format();
  if (auto refused = merge_->set_formats(formats)) return refused;
  formats_.assign(formats.begin(), formats.end());
  return std::nullopt;
}

Error ShardPortals::other_format() {
  return make_error(ErrorCode::kUnsupported, "a cursor over several shards gives all its rows in one format",
                    "Ask for text each time, or for binary each time.", "Some rows were read ahead.");
}

Error ShardPortals::too_large(std::size_t most) {
  Error error = make_error(ErrorCode::kProgramLimit, "the rows of this portal take too much memory",
                           "Fetch fewer rows at a time, or raise limits.gather_bytes.",
                           "A portal or cursor over several shards may hold " + std::to_string(most) + " bytes.");
  error.sqlstate = "53200";
  return error;
}

void ShardPortals::close(Session& s) {
  for (Part& part : parts_) {
    ServerConn* const conn = part.conn;
    if (std::find(s.links_.begin(), s.links_.end(), conn) == s.links_.end() || conn->lost()) continue;
    std::string out;
    pgwire::append_close(out, 'P', name_);
    conn->owe({.kind = OwedKind::kClose, .forward = false, .forward_error = false, .owner = &s});
    // What stands before it without a Sync keeps waiting for its own.
    if (!conn->link.unsynced) {
      pgwire::append_sync(out);
      conn->owe({.kind = OwedKind::kSync, .forward = false, .owner = &s});
    }
    conn->flush(out);
  }
}

}  // namespace howdah::proxy
