// A write over several shards: each does its part, one after the other, in one transaction.
//
// In the order of the shards, so that two such writes never wait for each other's rows: whoever is first on a shard both write to
// is first on all later ones.
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/move_rows.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"
#include "proxy/core/write_part.h"
#include "schema/types.h"
#include "sharding/write/default_key.h"
#include "sharding/write/insert_rows.h"
#include "sharding/write/write_reply.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using pgwire::OwedKind;
using sharding::WriteReply;

namespace {

constexpr std::size_t kBatch = 32 * 1024;        // given to the client at once
constexpr std::size_t kOutEnough = 256 * 1024;   // that the client has not taken yet

std::string_view statement_text(const sql::StatementPlan& statement, std::string_view whole) {
  return whole.substr(statement.begin, statement.end - statement.begin);
}

}  // namespace

void read_params(const Portal& portal, std::span<const Oid> types, std::vector<sharding::BoundParam>& out) {
  const std::string whole = std::string(2, '\0') + portal.bind_tail;
  pgwire::BindMessage bind;
  if (!decode(Bytes(whole), bind)) return;
  std::size_t i = 0;
  for (const pgwire::Value value : bind.params) {
    const auto at = static_cast<std::size_t>(value.null ? 0 : value.bytes.data() - whole.data() - 2);
    out.push_back({Bytes(portal.bind_tail).substr(at, value.bytes.size()), value.null, bind.formats.of(i) == pgwire::kBinaryFormat,
                   i < types.size() ? types[i] : 0});
    ++i;
  }
}

Error Session::needs_read_committed() {
  return make_error(ErrorCode::kUnsupported, "a write over several shards needs READ COMMITTED",
                    "SET default_transaction_isolation = 'read committed', or howdah.multi_shard_isolation = relaxed", "the shards have no common snapshot");
}

// Before anything is awaited: the values are those of the message at hand.
Result<std::vector<WritePart>> Session::split_write(const Plan& statement, const sharding::Route& route, std::string_view text,
                                                    const Portal* portal) {
  std::vector<WritePart> parts;
  if (!statement.many_write->by_rows) {
    for (std::size_t i = 0; i < pools_->primaries.size(); ++i) {
      if ((route.mask >> (i & 63u) & 1u) != 0) parts.push_back({ShardId(static_cast<std::uint16_t>(i)), nullptr, {}, 0, {}});
    }
    return parts;
  }
  sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  std::vector<sharding::BoundParam> params;
  if (portal != nullptr) {
    read_params(*portal, portal->statement->types, params);
  } else {
    sql::tokenize(text, options, worker_.tokens);
  }
  const std::span<const sql::Slot> slots = portal != nullptr ? portal->statement->slots : worker_.tokens.slots;
  const auto shards = sharding::route_rows(*statement.many_write, values_of(text, slots, params), *pools_->database->snapshot().map);
  if (!shards) return shards.error();
  text = statement_text(statement, text);
  const auto rows = sharding::find_rows(text, shards->size(), options);
  if (!rows) return rows.error();
  std::vector<std::vector<std::uint32_t>> by_shard(pools_->primaries.size());
  for (std::size_t i = 0; i < shards->size(); ++i) by_shard[(*shards)[i].value()].push_back(static_cast<std::uint32_t>(i));
  for (std::size_t i = 0; i < by_shard.size(); ++i) {
    if (by_shard[i].empty()) continue;
    auto part = sharding::part_of(text, *rows, by_shard[i]);
    parts.push_back({ShardId(static_cast<std::uint16_t>(i)), nullptr, std::move(by_shard[i]), 0, std::move(part)});
  }
  return parts;
}

// Before anything is awaited, as above. See sharding::move_target().
Result<std::optional<ShardId>> Session::split_move(const Plan& statement, std::string_view text, const Portal* portal) {
  if (!statement.many_write->move) return std::optional<ShardId>();
  std::vector<sharding::BoundParam> params;
  if (portal != nullptr) {
    read_params(*portal, portal->statement->types, params);
  } else {
    sql::tokenize(text, {standard_conforming_strings()}, worker_.tokens);
  }
  const std::span<const sql::Slot> slots = portal != nullptr ? portal->statement->slots : worker_.tokens.slots;
  return sharding::move_target(*statement.many_write, values_of(text, slots, params), *pools_->database->snapshot().map);
}

// Each shard's rows, of a text that is not the client's. False: the client was told.
bool Session::cut_edited(std::vector<WritePart>& parts, const Plan& statement, const sharding::EditedText& edited) {
  for (WritePart& part : parts) part.edited = &edited;
  if (!statement.many_write->by_rows) return true;
  sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  std::size_t count = 0;
  for (const WritePart& part : parts) count += part.rows.size();
  const auto rows = sharding::find_rows(edited.text(), count, options);
  if (!rows) return fail_statement(rows.error());
  for (WritePart& part : parts) part.insert = sharding::part_of(edited.text(), *rows, part.rows);
  return true;
}

// Null: the client was told.
Session::EditedPtr Session::edit_write(const Plan& statement, std::string_view text, const std::optional<sharding::ClockTimes>& times,
                                       std::span<const std::string> keys) {
  sql::LexerOptions options;
  options.standard_conforming_strings = standard_conforming_strings();
  std::vector<sharding::Edit> edits;
  if (times) {
    auto clock = sharding::clock_edits(text, statement.clock, *times, options);
    if (!clock) return fail_statement(clock.error()), nullptr;
    edits = std::move(*clock);
  }
  if (statement.many_write->key_default) {
    auto more = sharding::key_edits(text, *statement.many_write->key_default, keys, options);
    if (!more) return fail_statement(more.error()), nullptr;
    edits.insert(edits.end(), more->begin(), more->end());
  }
  return std::make_shared<const sharding::EditedText>(text, std::move(edits));
}

// The values of the key's default, one for each row, by the first shard: a sequence then counts there. Empty: the client was told.
Task<std::optional<std::vector<std::string>>> Session::ask_keys(const Plan& statement) {
  const sql::KeyDefault& key = *statement.many_write->key_default;
  ServerConn* conn = co_await link(ShardId(0), statement);
  if (conn == nullptr) co_return std::nullopt;
  conn->link.error = conn->link.error_forwarded = false;
  conn->link.collect = true;
  conn->link.collected.clear();
  std::string message;
  pgwire::append_query(message, "SELECT (" + key.expression + ")::pg_catalog.text FROM pg_catalog.generate_series(1, " + std::to_string(key.rows) + ")");
  conn->owe({.kind = OwedKind::kQuery, .forward_error = false, .forward_ready = false, .owner = this});
  conn->flush(message);
  const bool ok = co_await wait_owed(*conn);
  conn->link.collect = false;
  const std::string replies = std::exchange(conn->link.collected, {});
  if (closing_) co_return std::nullopt;
  ServerConn* const only[] = {conn};
  if (!ok) {
    if (conn->lost()) send_lost(*conn);
    if (!conn->lost()) tell_failure(only);
    conn->link.error_forwarded = true;
    co_return std::nullopt;
  }
  std::vector<std::string> keys;
  Bytes rest = replies;
  pgwire::Header header;
  while (pgwire::peek_header(rest, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && rest.size() >= header.total) {
    const Bytes body = rest.substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize);
    rest.remove_prefix(header.total);
    pgwire::DataRow row;
    if (header.type != pgwire::be::kDataRow || !decode(body, row)) continue;
    for (const pgwire::Value value : row.values) {
      if (!value.null) keys.emplace_back(value.bytes);
    }
  }
  if (keys.size() == key.rows) co_return keys;
  fail_statement(make_error(ErrorCode::kUnsupported, "the default of the sharding key is NULL", "Give the key as a constant or a parameter."));
  co_return std::nullopt;
}

Result<std::vector<WritePart>> Session::split_by_keys(const Plan& statement, std::span<const std::string> keys) {
  std::vector<std::vector<std::uint32_t>> by_shard(pools_->primaries.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto shard = sharding::route_key(statement.many_write->pins[0], keys[i], false, false, *pools_->database->snapshot().map);
    if (!shard) return shard.error();
    by_shard[shard->value_or(ShardId(0)).value()].push_back(static_cast<std::uint32_t>(i));
  }
  std::vector<WritePart> parts;
  for (std::size_t i = 0; i < by_shard.size(); ++i) {
    if (!by_shard[i].empty()) parts.push_back({ShardId(static_cast<std::uint16_t>(i)), nullptr, std::move(by_shard[i]), 0, {}});
  }
  return parts;
}

Task<bool> Session::run_on_many(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal,
                                std::string* held) {
  const Plan& statement = plan->statements[index];
  if (statement.verb == sql::Verb::kExplain) co_return co_await run_explain(plan, index, route, whole, portal, held);
  if (statement.verb == sql::Verb::kDeclareCursor) co_return co_await declare_many(plan, index, route, whole, portal, held);
  if (statement.many_copy && statement.many_copy->in) co_return co_await run_copy_shards(plan, index, whole, portal);
  if (statement.many_copy) co_return co_await run_copy_out(plan, index, route, whole, portal);
  if (statement.many_write) co_return co_await run_many_write(plan, index, route, whole, portal, held);
  co_return co_await run_many(plan, index, route, statement_text(statement, whole), portal);
}

// `whole` is the string that the statement is a part of. `held`: the answer waits there for the string's commit.
Task<bool> Session::run_many_write(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal,
                                   std::string* held) {
  const Plan& statement = plan->statements[index];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  const bool by_default = statement.many_write->key_default.has_value();
  auto parts = by_default ? std::vector<WritePart>() : split_write(statement, route, whole, portal);
  if (!parts) co_return fail_statement(parts.error());
  const auto moved_to = split_move(statement, whole, portal);
  if (!moved_to) co_return fail_statement(moved_to.error());
  const std::string text(statement_text(statement, whole));
  const int offset = pgwire::characters(whole.substr(0, statement.begin));
  const bool own = !tx_.active();
  if (own && refuses_default_isolation()) {
    co_return fail_statement(needs_read_committed());
  }
  std::vector<std::string> keys;
  if (by_default) {
    // Before a transaction of its own begins: what a sequence has given is not taken back.
    auto asked = co_await ask_keys(statement);
    if (closing_) co_return false;
    if (!asked) {
      statement_failed_ = true;
      if (!own) tx_.failed = true;
      co_return false;
    }
    keys = std::move(*asked);
    parts = split_by_keys(statement, keys);
    if (!parts) co_return fail_statement(parts.error());
  }
  if (own) {
    tx_.kind = Transaction::Kind::kImplicit;
    tx_.settings_at_begin = settings_;
  }
  WorkerCounters::add(worker_.counters.all_shard_statements);
  note_many(statement, route);
  WriteReply reply({.describe = portal == nullptr || portal->described,
                    .in_order = statement.many_write->by_rows && statement.returns_rows});
  for (WritePart& part : *parts) part.position_offset = offset;
  EditedPtr edited;
  bool ok = true;
  std::optional<sharding::ClockTimes> times;
  if (!statement.clock.empty() && !parts->empty()) {
    times = co_await read_clock(statement, parts->front().shard);
    if (closing_) co_return false;
    ok = times.has_value();
  }
  if (ok && (times || by_default)) {
    edited = edit_write(statement, text, times, keys);
    ok = edited && cut_edited(*parts, statement, *edited);
  }
  std::string answer;
  if (statement.many_write->move) {
    const std::string sent(edited ? edited->text() : text);
    MoveRows move(*this, statement, *parts, sent, portal, *moved_to);
    ok = ok && co_await move.run(answer);
  } else {
    ok = ok && co_await write_parts(*parts, statement, edited ? edited->text() : text, portal, reply);
  }
  if (closing_) co_return false;
  for (const WritePart& part : *parts) {
    if (part.conn == nullptr) continue;
    part.conn->link.collect = part.conn->link.gather = false;
    part.conn->link.collected = {};
  }
  if (!ok) {
    statement_failed_ = tx_.failed = true;
    if (own) {
      co_await rollback_links();
      if (!closing_) end_transaction(false);
    }
    co_return false;
  }
  if (!statement.many_write->move) {
    reply.give_rows(answer);
    pgwire::append_command_complete(answer, reply.tag());
  }
  if (own) {
    ok = co_await commit_links(true);
    if (closing_) co_return false;
    end_transaction(ok);
    WorkerCounters::add(worker_.counters.transactions);
    if (!ok) co_return false;
  }
  if (held != nullptr) {
    *held = std::move(answer);
  } else {
    send(answer);
  }
  co_return true;
}

// False: the client was told.
Task<bool> Session::write_parts(std::vector<WritePart>& parts, const Plan& statement, const std::string& text, Portal* portal,
                                WriteReply& reply) {
  const Epoch routed = pools_->database->snapshot().map->epoch();
  std::uint64_t mask = 0;
  // All connections first: no row is locked while this waits for one.
  for (WritePart& part : parts) {
    part.conn = co_await link(part.shard, statement);
    if (part.conn == nullptr) co_return false;
    mask |= std::uint64_t{1} << (part.shard.value() & 63u);
  }
  route_mask_ = mask;
  if (routed != pools_->database->snapshot().map->epoch()) {
    send_error(make_error(ErrorCode::kStaleMap, "the shard map changed while the statement waited for a server connection",
                          "repeat the transaction"));
    co_return false;
  }
  for (WritePart& part : parts) {
    ServerConn& conn = *part.conn;
    if (conn.lost()) {
      send_lost(conn);
      co_return false;
    }
    conn.link.error = conn.link.error_forwarded = false;
    conn.link.collect = conn.link.gather = true;
    conn.link.collected.clear();
    reply.begin(std::move(part.rows));
    send_write(part, statement, text, portal);
    const bool ok = co_await take_write_reply(part, text, reply);
    if (closing_) co_return false;
    apply_effect(conn, statement, text, false);
    if (!ok) co_return false;
  }
  co_return true;
}

void Session::send_write(const WritePart& part, const Plan& statement, const std::string& text, Portal* portal) {
  ServerConn& conn = *part.conn;
  const std::string& own = part.insert ? part.insert->text : text;
  std::string out;
  if (portal == nullptr) {
    pgwire::append_query(out, own);
    conn.owe({.kind = OwedKind::kQuery, .forward_ready = false, .owner = this});
  } else {
    std::vector<Oid> types = portal->statement->types;
    if (part.insert) {
      // A parameter without a use has no type that could be inferred, and no value.
      types.resize(std::max<std::size_t>(types.size(), portal->plan->params));
      for (std::size_t i = 0; i < types.size(); ++i) {
        const bool used = i < part.insert->uses.size() && part.insert->uses[i];
        if (!used && (types[i] == 0 || types[i] == schema::kUnknownOid)) types[i] = schema::kTextOid;
      }
    }
    std::vector<Oid> room;
    pgwire::append_parse(out, "", own, types_here(types, conn.pool().object_ids(), room));
    conn.owe({.kind = OwedKind::kParse, .forward = false, .owner = this});
    conn.statements.unnamed = 0;
    const std::string tail = part.insert ? sharding::part_bind(portal->bind_tail, *part.insert) : portal->bind_tail;
    pgwire::append_bind_renamed(out, "", "", tail);
    localize_bind(conn, out, tail.size(), *portal->statement);
    conn.owe({.kind = OwedKind::kBind, .forward = !portal->bound, .owner = this});
    const bool describes = portal->described || statement.returns_rows;
    if (describes) {
      pgwire::append_describe(out, 'P', "");
      conn.owe({.kind = OwedKind::kDescribePortal, .owner = this});
    }
    pgwire::append_execute(out, "");
    conn.owe({.kind = OwedKind::kExecute, .typed = describes, .owner = this});
    pgwire::append_sync(out);
    conn.owe({.kind = OwedKind::kSync, .forward_ready = false, .owner = this});
  }
  conn.flush(out);
}

// Until the shard owes nothing. False: the client was told.
Task<bool> Session::take_write_reply(const WritePart& part, const std::string& text, WriteReply& reply) {
  ServerConn& conn = *part.conn;
  bool ok = co_await take_reply(conn, reply);
  if (closing_) co_return false;
  if (!ok && reply.error().message.empty()) {
    tell_write_failure(part, text);
  } else if (!ok) {
    send_error(reply.error());
  } else if (conn.lost()) {
    send_lost(conn);
    ok = false;
  }
  conn.link.error_forwarded = conn.link.error_forwarded || !ok;
  co_return ok;
}

// Hands one shard's answer to the client as it comes, no faster than that takes it, until the shard owes nothing.
// False: it failed, or is lost; the client is to be told.
Task<bool> Session::take_reply(ServerConn& conn, sharding::ReplyJoin& reply) {
  using Step = sharding::ReplyJoin::Step;
  if (deadlines_) watch_deadlines();
  Step step = Step::kWait;
  while (step != Step::kDone && step != Step::kFailed) {
    worker_.scratch.clear();
    step = reply.run(conn.link.collected, worker_.scratch, kBatch);
    send(worker_.scratch);
    if (step == Step::kWait && conn.lost()) step = Step::kFailed;
    if (step == Step::kDone || step == Step::kFailed) break;
    flush_client();
    while (out_.size() > kOutEnough && !closing_) co_await suspend();
    if (closing_) co_return false;
    if (step == Step::kFull) continue;
    const std::size_t before = conn.link.collected.size();
    conn.resume_reading();
    // Reading on may have brought more at once: nobody else will wake this up for it.
    if (conn.link.collected.size() == before && !conn.lost()) co_await suspend();
    if (closing_) co_return false;
  }
  if (step == Step::kFailed && conn.link.owed > 0 && !conn.lost() && !conn.link.error) worker_.send_cancel(conn);
  while (conn.link.owed > 0 && !conn.lost() && !closing_) {
    conn.link.collected.clear();
    const std::uint32_t owed = conn.link.owed;
    conn.resume_reading();
    if (conn.link.owed == owed && !conn.lost()) co_await suspend();
  }
  conn.resume_reading();  // for whatever comes next: all of this answer may have been read before it paused
  ServerConn* const only[] = {&conn};
  if (step == Step::kFailed) co_await await_cancels(only);
  co_return step == Step::kDone && !closing_;
}

// As the client's text has its positions.
void Session::tell_write_failure(const WritePart& part, const std::string& text) {
  ServerConn& conn = *part.conn;
  pgwire::ErrorFields fields;
  const std::string body = conn.link.error_body;
  if (conn.lost() || !conn.link.error || !decode(Bytes(body), fields)) return send_lost(conn);
  if (fields.severity == "FATAL" || fields.severity == "PANIC") fields.severity = fields.localized_severity = "ERROR";
  if (conn.link.hide_position) fields.position = 0;
  if (part.insert) fields.position = part.insert->client_position(text, fields.position);
  if (part.edited != nullptr) fields.position = part.edited->client_position(fields.position);
  if (fields.position > 0) fields.position += part.position_offset;
  worker_.scratch.clear();
  append_error(worker_.scratch, fields);
  send(worker_.scratch);
  statement_failed_ = true;
}

}  // namespace howdah::proxy
