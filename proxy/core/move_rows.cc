#include "proxy/core/move_rows.h"

#include <algorithm>
#include <unordered_set>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "sharding/router.h"

namespace howdah::proxy {

namespace be = pgwire::be;
using pgwire::OwedKind;

namespace {

constexpr std::size_t kBatchRows = 500;  // of INSERTs in one write
constexpr std::size_t kBatchBytes = 128 * 1024;

const std::string kNoParams(6, '\0');  // a Bind's tail of a simple query: all results as text
const std::string kAllBinary("\0\1\0\1", 4);

void put2(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

// The first `count` values of a DataRow, as they stand there.
Bytes first_values(Bytes body, std::size_t count) {
  pgwire::DataRow row;
  if (!decode(body, row)) return {};
  std::size_t at = 0;
  for (const pgwire::Value value : row.values) {
    if (count-- == 0) break;
    at += 4 + value.bytes.size();
  }
  return row.values.raw.substr(0, at);
}

}  // namespace

MoveRows::MoveRows(Session& session, const sharding::sql::StatementPlan& statement, std::vector<WritePart>& parts, const std::string& text,
                   const Portal* portal, std::optional<ShardId> to)
    : session_(session),
      statement_(statement),
      parts_(parts),
      text_(text),
      portal_(portal),
      to_(to),
      taken_(session.worker_.config()->limits.gather_bytes) {}

Task<bool> MoveRows::run(std::string& answer) {
  sharding::sql::LexerOptions options;
  options.standard_conforming_strings = session_.standard_conforming_strings();
  if (!read_bind()) co_return false;
  auto texts = sharding::move_text(text_, *statement_.many_write->move, bind_.params, options);
  if (!texts) co_return fail(texts.error());
  texts_ = std::move(*texts);
  const bool ok = co_await link_parts() && co_await describe() && co_await take() && co_await put();
  if (session_.closing_) co_return false;
  finish();
  if (!ok) co_return false;
  reply_->finish(answer);
  co_return true;
}

bool MoveRows::read_bind() {
  bind_.whole = std::string(2, '\0') + (portal_ == nullptr ? kNoParams : portal_->bind_tail);
  pgwire::BindMessage bind;
  if (!decode(Bytes(bind_.whole), bind)) return fail(make_error(ErrorCode::kProtocolViolation, "invalid message format"));
  bind_.params = bind.params.count;
  if (!bind.formats.fits(bind_.params)) {
    return fail(make_error(ErrorCode::kProtocolViolation, "bind message has " + std::to_string(bind.formats.count) + " parameter formats but " +
                                                              std::to_string(bind_.params) + " parameters"));
  }
  for (std::size_t i = 0; i < bind_.params; ++i) bind_.formats.push_back(bind.formats.of(i));
  bind_.values = bind.params.raw;
  bind_.result_formats = Bytes(bind_.whole).substr(bind_.whole.size() - 2 - 2 * std::size_t{bind.result_formats.count});
  return true;
}

bool MoveRows::fail(const Error& error) {
  session_.send_error(error);
  return false;
}

bool MoveRows::refuse(std::string detail) {
  return fail(make_error(ErrorCode::kUnsupported, "this UPDATE of the sharding key is not supported over several shards",
                         "Delete the rows and insert them with their new keys.", std::move(detail)));
}

// All connections first: no row is locked while this waits for one.
Task<bool> MoveRows::link_parts() {
  Session& s = session_;
  const Epoch routed = s.pools_->database->snapshot().map->epoch();
  s.route_mask_ = 0;
  for (WritePart& part : parts_) {
    part.conn = co_await s.link(part.shard, statement_);
    if (part.conn == nullptr) co_return false;
    s.route_mask_ |= std::uint64_t{1} << (part.shard.value() & 63u);
  }
  if (routed == s.pools_->database->snapshot().map->epoch()) co_return true;
  co_return fail(make_error(ErrorCode::kStaleMap, "the shard map changed while the statement waited for a server connection",
                            "repeat the transaction"));
}

// --- messages

// Errors are collected, too, whatever they are an answer to.
void MoveRows::owe(ServerConn& conn, OwedKind kind, bool forward) {
  conn.owe({.kind = kind, .forward = forward, .forward_ready = false, .owner = &session_});
}

void MoveRows::parse(std::string& out, ServerConn& conn, std::string_view text, std::span<const Oid> types) {
  std::vector<Oid> room;
  pgwire::append_parse(out, "", text, types_here(types, conn.pool().object_ids(), room));
  conn.statements.unnamed = 0;
  owe(conn, OwedKind::kParse, false);
}

// The client's values, and `more` of them in binary behind.
void MoveRows::execute(std::string& out, ServerConn& conn, Bytes more, std::size_t more_count, Bytes result_formats) {
  std::string tail;
  const std::size_t params = bind_.params + more_count;
  put2(tail, params);
  for (const auto format : bind_.formats) put2(tail, static_cast<std::size_t>(format));
  for (std::size_t i = 0; i < more_count; ++i) put2(tail, 1);
  put2(tail, params);
  tail.append(bind_.values).append(more).append(result_formats);
  pgwire::append_bind_renamed(out, "", "", tail);
  // The client's values have the numbers of types that it knows.
  const auto* ids = conn.pool().object_ids();
  if (ids != nullptr) ids::make_bind_local(out.data() + out.size() - tail.size(), tail.size(), params_, {}, *ids);
  owe(conn, OwedKind::kBind, false);
  pgwire::append_execute(out, "");
  owe(conn, OwedKind::kExecute, true);
}

void MoveRows::sync(std::string& out, ServerConn& conn) {
  pgwire::append_sync(out);
  owe(conn, OwedKind::kSync, false);
}

// Until the shard owes nothing. `own_text`: of the client's own text, so that positions hold. False: the client was told.
Task<bool> MoveRows::take_reply(WritePart& part, sharding::ReplyJoin& reply, bool own_text) {
  Session& s = session_;
  ServerConn& conn = *part.conn;
  conn.link.hide_position = !own_text;
  const bool ok = co_await s.take_reply(conn, reply);
  if (s.closing_) co_return false;
  if (!ok && reply.error().message.empty()) {
    s.tell_write_failure(part, text_);
  } else if (!ok) {
    s.send_error(reply.error());
  } else if (conn.lost()) {
    s.send_lost(conn);
  }
  const bool done = ok && !conn.lost();
  conn.link.error_forwarded = conn.link.error_forwarded || !done;
  s.apply_effect(conn, statement_, text_, false);
  co_return done;
}

void MoveRows::begin_reply(ServerConn& conn) {
  conn.link.error = conn.link.error_forwarded = false;
  conn.link.collect = conn.link.gather = true;
  conn.link.collected.clear();
}

// --- describe

Error MoveRows::wrong_params(std::size_t wanted) const {
  Error error = make_error(ErrorCode::kProtocolViolation, "bind message supplies " + std::to_string(bind_.params) +
                                                              " parameters, but prepared statement \"\" requires " + std::to_string(wanted));
  if (portal_ != nullptr) return error;
  error.message = "there is no parameter $1";
  error.sqlstate = "42P02";
  return error;
}

Task<bool> MoveRows::describe_text(ServerConn& conn, std::string_view text, std::span<const Oid> types, Described& out) {
  std::string message;
  conn.link.error = conn.link.error_forwarded = conn.link.gather = false;
  conn.link.collect = true;
  conn.link.collected.clear();
  parse(message, conn, text, types);
  pgwire::append_describe(message, 'S', "");
  owe(conn, OwedKind::kDescribeStatement, true);
  sync(message, conn);
  conn.flush(message);
  const bool ok = co_await session_.wait_owed(conn);
  const std::string replies = std::exchange(conn.link.collected, {});
  pgwire::Frame frame;
  for (Bytes rest = replies; pgwire::next_frame(rest, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk;
       rest.remove_prefix(frame.whole.size())) {
    if (frame.type == be::kRowDescription) out.rows = frame.body;
    pgwire::ParameterDescription params;
    if (frame.type != be::kParameterDescription || !decode(frame.body, params)) continue;
    for (std::size_t i = 0; i < params.count; ++i) out.params.push_back(params.type(i));
  }
  co_return ok;
}

Task<bool> MoveRows::describe() {
  Session& s = session_;
  WritePart& part = parts_.front();
  Described client, taken, stored;
  const std::vector<Oid> types = portal_ == nullptr ? std::vector<Oid>() : portal_->statement->types;
  part.conn->link.hide_position = false;
  if (!co_await describe_text(*part.conn, text_, types, client)) {
    if (!s.closing_) s.tell_write_failure(part, text_);
    co_return false;
  }
  if (client.params.size() != bind_.params) co_return fail(wrong_params(client.params.size()));
  params_ = std::move(client.params);
  if (!make_head(client)) co_return false;
  const auto cannot = [&] {
    if (s.closing_) return false;
    if (!part.conn->lost()) return refuse("It cannot be taken apart into what is deleted and what is inserted.");
    s.send_lost(*part.conn);
    return false;
  };
  part.conn->link.hide_position = true;
  if (!co_await describe_text(*part.conn, texts_.take, params_, taken)) co_return cannot();
  put_params_ = params_;
  pgwire::RowDescription description;
  pgwire::FieldDescription field;
  decode(Bytes(taken.rows), description);
  Bytes fields = description.fields;
  for (const auto& carried : texts_.carried) {
    if (!pgwire::RowDescription::next(fields, field)) co_return cannot();
    // An old value's type is the column's own, whatever the shard calls that.
    put_params_.push_back(carried.column ? Oid{0} : field.type);
  }
  if (!co_await describe_text(*part.conn, texts_.put, put_params_, stored)) co_return cannot();
  co_return true;
}

// What comes before the first row, as the client's own text has it.
bool MoveRows::make_head(const Described& client) {
  std::string head;
  const bool told = portal_ != nullptr && portal_->bound;
  if (portal_ != nullptr && !told) pgwire::append_bind_complete(head);
  const bool described = !told && (portal_ == nullptr || portal_->described);
  std::vector<pgwire::FieldDescription> fields;
  pgwire::BindMessage bind;
  decode(Bytes(bind_.whole), bind);
  if (!client.rows.empty()) {
    pgwire::RowDescription description;
    decode(Bytes(client.rows), description);
    pgwire::FieldDescription field;
    for (Bytes rest = description.fields; pgwire::RowDescription::next(rest, field);) {
      field.format = bind.result_formats.of(fields.size());
      if (field.format != 0 && field.type >= schema::ObjectIds::kFirstUserOid) {
        return fail(make_error(ErrorCode::kUnsupported, "a user's type in binary format is not supported in RETURNING over several shards",
                               "Ask for text format, or cast the column to a type of PostgreSQL's own.",
                               "Its values may hold OIDs, which are others on each shard."));
      }
      fields.push_back(field);
    }
    if (described) pgwire::append_row_description(head, fields);
  } else if (described && portal_ != nullptr) {
    pgwire::append_no_data(head);
  }
  reply_.emplace(std::move(head));
  return true;
}

// --- take

Task<bool> MoveRows::take() {
  if (computed() && !co_await probe(parts_.front())) co_return false;
  for (WritePart& part : parts_) {
    // No row can have a key without a shard: the server's error is the client's.
    const bool stays = !computed() && (!to_ || part.shard == *to_);
    if (!(stays ? co_await run_here(part) : co_await take_from(part))) co_return false;
  }
  co_return true;
}

// Whether the client may update at all is to be asked: it could be allowed to delete and insert.
Task<bool> MoveRows::probe(WritePart& part) {
  reply_->expect(1);
  return run_on(part, texts_.probe, bind_.result_formats, *reply_);
}

// The rows here stay here.
Task<bool> MoveRows::run_here(WritePart& part) {
  reply_->expect(1);
  return run_on(part, text_, bind_.result_formats, *reply_);
}

Task<bool> MoveRows::take_from(WritePart& part) { return run_on(part, texts_.take, kAllBinary, taken_); }

// `text` once, with the client's values.
Task<bool> MoveRows::run_on(WritePart& part, std::string_view text, Bytes result_formats, sharding::ReplyJoin& reply) {
  std::string out;
  ServerConn& conn = *part.conn;
  begin_reply(conn);
  parse(out, conn, text, params_);
  execute(out, conn, {}, 0, result_formats);
  sync(out, conn);
  conn.flush(out);
  co_return co_await take_reply(part, reply, text.data() == text_.data());
}

// --- put

Task<bool> MoveRows::put() {
  Session& s = session_;
  std::vector<std::vector<std::uint32_t>> by_shard(s.pools_->primaries.size());
  if (!deal_out(by_shard)) co_return false;
  for (std::size_t i = 0; i < by_shard.size(); ++i) {
    if (by_shard[i].empty()) continue;
    const ShardId shard(static_cast<std::uint16_t>(i));
    auto part = std::find_if(parts_.begin(), parts_.end(), [shard](const WritePart& each) { return each.shard == shard; });
    if (part == parts_.end()) {
      ServerConn* conn = co_await s.link(shard, statement_);
      if (conn == nullptr) co_return false;
      s.route_mask_ |= std::uint64_t{1} << (i & 63u);
      WritePart more{shard, conn, {}, parts_.front().position_offset, {}};
      more.edited = parts_.front().edited;
      part = parts_.insert(parts_.end(), std::move(more));
    }
    if (!co_await put_on(*part, by_shard[i])) co_return false;
  }
  co_return true;
}

// The rows' new shards. Which of two rows comes first decides in PostgreSQL whether one may take the other's old key: rows that
// give their keys to each other are refused.
bool MoveRows::deal_out(std::vector<std::vector<std::uint32_t>>& by_shard) {
  const auto& rows = taken_.rows();
  if (!computed()) {
    for (std::uint32_t i = 0; i < rows.size(); ++i) by_shard[to_->value()].push_back(i);
    return true;
  }
  const auto snapshot = session_.pools_->database->snapshot();
  std::unordered_set<std::string_view> old_keys, new_keys;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    pgwire::DataRow row;
    decode(taken_.body(rows[i]), row);
    const pgwire::Value key = row.values.at(texts_.carried.size());
    const pgwire::Value old_key = row.values.at(texts_.carried.size() + 1);
    const auto shard = sharding::route_key(statement_.many_write->move->stored, key.bytes, key.null, true, *snapshot.map);
    if (!shard) return fail(shard.error());
    by_shard[shard->value_or(parts_.front().shard).value()].push_back(i);
    if (!old_key.null) old_keys.insert(old_key.bytes);
    if (!key.null) new_keys.insert(key.bytes);
  }
  const bool trades = rows.size() > 1 && std::any_of(new_keys.begin(), new_keys.end(), [&](std::string_view key) { return old_keys.contains(key); });
  if (!trades) return true;
  return fail(make_error(ErrorCode::kUnsupported, "an UPDATE over several shards cannot give a row the old key of another row that it changes",
                         "Change the rows one by one, or leave those whose key stays out of WHERE.",
                         "Whether such keys collide depends on the order in which one server would change the rows."));
}

Task<bool> MoveRows::put_on(WritePart& part, std::span<const std::uint32_t> rows) {
  ServerConn& conn = *part.conn;
  std::string out;
  std::size_t statements = 0;
  if (conn.lost()) {
    session_.send_lost(conn);
    co_return false;
  }
  begin_reply(conn);
  parse(out, conn, texts_.put, put_params_);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Bytes values = first_values(taken_.body(taken_.rows()[rows[i]]), texts_.carried.size());
    execute(out, conn, values, texts_.carried.size(), bind_.result_formats);
    ++statements;
    if (i + 1 < rows.size() && statements < kBatchRows && out.size() < kBatchBytes) continue;
    sync(out, conn);
    conn.flush(out);
    out.clear();
    reply_->expect(std::exchange(statements, 0));
    if (!co_await take_reply(part, *reply_, false)) co_return false;
  }
  co_return true;
}

void MoveRows::finish() {
  for (const WritePart& part : parts_) {
    if (part.conn == nullptr) continue;
    part.conn->link.collect = part.conn->link.gather = part.conn->link.hide_position = false;
    part.conn->link.collected = {};
  }
}

}  // namespace howdah::proxy
