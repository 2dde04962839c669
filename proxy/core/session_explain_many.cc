// EXPLAIN of a statement over several shards: the plan of each shard, below a node of the proxy's that tells what becomes of them.
// https://www.postgresql.org/docs/15/sql-explain.html
#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/extended.h"
#include "proxy/core/route_text.h"
#include "proxy/core/session.h"
#include "proxy/core/state_questions.h"
#include "proxy/core/worker.h"
#include "proxy/core/write_part.h"
#include "sharding/merge/shard_text.h"
#include "sharding/sql/gather.h"
#include "sharding/sql/scan.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sharding::InsertPart;

namespace {

// Which parameters the text names.
std::vector<bool> params_in(std::string_view text, const sql::LexerOptions& options) {
  std::vector<bool> uses;
  sql::Scanner scanner(text, options);
  for (auto token = scanner.next(); token.kind != sql::TokenKind::kEnd; token = scanner.next()) {
    if (token.kind != sql::TokenKind::kParam) continue;
    const auto number = static_cast<std::size_t>(std::strtoul(text.data() + token.begin + 1, nullptr, 10));
    if (number == 0 || number > 65535) continue;
    if (uses.size() < number) uses.resize(number);
    uses[number - 1] = true;
  }
  return uses;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string json_names(std::string_view names) {
  std::string out = "[";
  for (std::size_t at = 0; at <= names.size();) {
    const std::size_t end = std::min(names.find(',', at), names.size());
    out += (at == 0 ? "" : ", ") + json_text(names.substr(at, end - at));
    at = end + 1;
  }
  return out + "]";
}

// The message of the one kind that a shard's answer has once.
std::string_view message_of(std::string_view replies, char type) {
  pgwire::Frame frame;
  while (pgwire::next_frame(replies, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    if (frame.type == type) return frame.whole;
    replies.remove_prefix(frame.whole.size());
  }
  return {};
}

void add_line(std::string& out, std::string_view line) {
  const std::optional<Bytes> row[] = {Bytes(line)};
  pgwire::append_data_row(out, row);
}

}  // namespace

// The text of each shard. Before anything is awaited: the values are those of the message at hand.
Result<std::vector<WritePart>> Session::split_explain(const Plan& statement, const sharding::Route& route, std::string_view whole,
                                                      const Portal* portal) {
  const sql::LexerOptions options{standard_conforming_strings()};
  const std::string_view prefix = whole.substr(statement.begin, statement.inner_begin - statement.begin);
  const std::string_view inner = whole.substr(statement.inner_begin, statement.inner_end - statement.inner_begin);
  if (statement.many_write) {
    if (!statement.many_write->by_rows) return split_write(statement, route, whole, portal);
    Plan own = statement;
    own.begin = statement.inner_begin;
    auto parts = split_write(own, route, whole, portal);
    if (!parts) return parts;
    for (WritePart& part : *parts) {
      for (auto& piece : part.insert->pieces) {
        piece.begin += static_cast<std::uint32_t>(prefix.size());
        piece.from += static_cast<std::uint32_t>(prefix.size());
      }
      part.insert->pieces.insert(part.insert->pieces.begin(), {0, 0});
      part.insert->text.insert(0, prefix);
    }
    return parts;
  }
  InsertPart text;
  text.pieces.push_back({0, 0});
  if (statement.spread->gathers) {
    sql::AnalyzeContext context;
    const auto snapshot = pools_->database->snapshot();
    context.catalog = snapshot.catalog.get();
    context.rules = &pools_->database->config().rules;
    context.search_path = search_path();
    context.lexer = options;
    const auto forms = sql::gather_forms(inner, *statement.spread, portal == nullptr ? std::vector<Oid>() : portal->statement->types, context);
    if (!forms) return forms.error();
    text.text = std::string(prefix) + forms->front().lower();
  } else {
    const auto part = sharding::shard_text(inner, *statement.spread, route.limit, route.offset, options);
    if (!part) return part.error();
    text.text = std::string(prefix) + part->text;
    const auto at = static_cast<std::uint32_t>(prefix.size()) + part->inserted_at;
    if (part->inserted > 0) text.pieces.push_back({at + part->inserted, at});
  }
  text.uses = params_in(text.text, options);
  std::vector<WritePart> parts;
  for (std::size_t i = 0; i < pools_->primaries.size(); ++i) {
    if ((route.mask >> (i & 63u) & 1u) != 0) parts.push_back({ShardId(static_cast<std::uint16_t>(i)), nullptr, {}, 0, text});
  }
  return parts;
}

// With ANALYZE the statement runs: a write in one transaction over all shards, as without EXPLAIN. `held`: the answer waits there for
// the string's commit.
Task<bool> Session::run_explain(PlanPtr plan, std::size_t index, sharding::Route route, std::string_view whole, Portal* portal,
                                std::string* held) {
  const Plan& statement = plan->statements[index];
  if (client_status() == pgwire::TxStatus::kFailed) co_return fail_statement(failed_transaction());
  auto parts = split_explain(statement, route, whole, portal);
  if (!parts) co_return fail_statement(parts.error());
  const std::string text(whole.substr(statement.begin, statement.end - statement.begin));
  const int offset = static_cast<int>(std::count_if(whole.begin(), whole.begin() + statement.begin, [](char c) { return (c & 0xc0) != 0x80; }));
  for (WritePart& part : *parts) part.position_offset = offset;
  const bool own = statement.writes && !tx_.active();
  if (own && refuses_default_isolation()) co_return fail_statement(needs_read_committed());
  if (own) begin_implicit();
  WorkerCounters::add(worker_.counters.all_shard_statements);
  note_many(statement, route);
  std::vector<std::string> replies;
  bool ok = co_await explain_parts(*parts, statement, text, portal, replies);
  if (closing_) co_return false;
  if (!ok) {
    statement_failed_ = true;
    if (tx_.active()) tx_.failed = true;
    if (own) {
      co_await rollback_links();
      if (!closing_) end_transaction(false);
    }
    co_return false;
  }
  const std::string answer = explained(*parts, statement, many_text(statement, route), replies, portal);
  if (own) {
    ok = co_await commit_links(true);
    if (closing_) co_return false;
    end_transaction(ok);
    if (!ok) co_return false;
  }
  if (held != nullptr) {
    *held = answer;
  } else {
    send(answer);
  }
  co_return true;
}

// One shard after the other, in their order. False: the client was told.
Task<bool> Session::explain_parts(std::vector<WritePart>& parts, const Plan& statement, const std::string& text, Portal* portal,
                                  std::vector<std::string>& replies) {
  const Epoch routed = pools_->database->snapshot().map->epoch();
  for (WritePart& part : parts) {
    part.conn = co_await link(part.shard, statement);
    if (part.conn == nullptr) co_return false;
  }
  if (routed != pools_->database->snapshot().map->epoch()) {
    co_return fail_statement(make_error(ErrorCode::kStaleMap, "the shard map changed while the statement waited for a server connection",
                                        "repeat the transaction"));
  }
  for (WritePart& part : parts) {
    ServerConn& conn = *part.conn;
    if (conn.lost()) {
      send_lost(conn);
      co_return false;
    }
    conn.link.error = conn.link.error_forwarded = false;
    conn.link.collect = true;
    conn.link.collected.clear();
    send_write(part, statement, text, portal);
    const bool ok = co_await wait_owed(conn);
    if (closing_) co_return false;
    conn.link.collect = false;
    replies.push_back(std::exchange(conn.link.collected, {}));
    apply_effect(conn, statement, text, false);
    if (ok) continue;
    // Positions in a text of the proxy's own mean nothing to the client.
    if (statement.spread && statement.spread->gathers) conn.link.hide_position = true;
    tell_write_failure(part, text);
    conn.link.hide_position = false;
    conn.link.error_forwarded = true;
    co_return false;
  }
  co_return true;
}

// The answer's messages.
std::string Session::explained(std::span<const WritePart> parts, const Plan& statement, const std::string& what,
                               const std::vector<std::string>& replies, const Portal* portal) const {
  std::string out;
  if (portal != nullptr && !portal->bound) out.append("2\0\0\0\4", 5);  // BindComplete, which waited for this
  if (portal == nullptr || portal->described) out += message_of(replies.front(), pgwire::be::kRowDescription);
  std::uint64_t mask = 0;
  for (const WritePart& part : parts) mask |= std::uint64_t{1} << (part.shard.value() & 63u);
  const auto& shards = pools_->database->config().shards;
  const bool json = statement.explain_format == sql::ExplainFormat::kJson;
  std::string document = "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Howdah\",\n      \"Route\": " + json_text(reason_of(statement)) +
                         ",\n      \"Shards\": " + json_names(shard_names(mask)) + ",\n      \"Combine\": " + json_text(what) + ",\n      \"Plans\": [";
  if (!json) {
    add_line(out, "Howdah");
    add_line(out, std::string("  Route: ") + reason_of(statement) + " (" + shard_names(mask) + ")");
    add_line(out, "  Combine: " + what);
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string& shard = shards[parts[i].shard.value()].name;
    const std::string server = server_name(parts[i].conn->pool().target().server);
    if (!json) add_line(out, "  ->  Shard " + shard + " (" + server + ")");
    document += std::string(i == 0 ? "" : ",") + "\n        {\n          \"Node Type\": \"Shard\",\n          \"Shard\": " + json_text(shard) +
                ",\n          \"Server\": " + json_text(server) + ",\n          \"Explain\": ";
    for (const auto& row : rows_of(replies[i])) {
      if (row.empty() || !row[0]) continue;
      if (json) {
        document += *row[0];
      } else {
        add_line(out, "        " + *row[0]);
      }
    }
    document += "\n        }";
  }
  if (json) add_line(out, document + "\n      ]\n    }\n  }\n]");
  pgwire::append_command_complete(out, "EXPLAIN");
  return out;
}

}  // namespace howdah::proxy
