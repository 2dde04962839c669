// SHOW and SET howdah.token: what this client has written and seen, for another connection to see it, too.
#include <algorithm>
#include <charconv>

#include "drivers/pgwire/backend.h"
#include "proxy/control/sample_tracker.h"
#include "proxy/core/consistency_token.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/state_questions.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

constexpr std::string_view kToken = "howdah.token";

const char* const kPosition =
    "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0'), pg_catalog.current_setting('wal_block_size'), "
    "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')), "
    "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)";

template <class Number>
bool read_number(const std::optional<std::string>& text, Number& out, int base = 10) {
  return text && std::from_chars(text->data(), text->data() + text->size(), out, base).ec == std::errc();
}

Error not_of_here(std::string_view value, std::string detail) {
  return make_error(ErrorCode::kInvalidValue, "invalid value for parameter \"howdah.token\": \"" + std::string(value) + "\"",
                    "Give what SHOW howdah.token said on a connection to the same database.", std::move(detail));
}

}  // namespace

// All that the client did and saw so far is in the WAL up to the primary's position of now.
Task<bool> Session::show_token() {
  if (tx_.active()) {
    co_return fail_statement(make_error(ErrorCode::kActiveTransaction, "SHOW howdah.token cannot run inside a transaction block",
                                        "Ask for it when the transaction is committed.", "What is not committed is not in it."));
  }
  if (ext_ && ext_->active && !co_await leave_group_conn()) co_return false;
  ConsistencyToken token;
  token.cluster = worker_.config()->cluster;
  token.epoch = pools_->database->snapshot().map->epoch().value();
  const auto& shards = pools_->database->config().shards;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const bool untouched = !views_.empty() && views_[i].last_read == 0 && views_[i].floor.lsn == 0;
    if (untouched) continue;
    const auto position = co_await position_of(ShardId(static_cast<std::uint16_t>(i)));
    if (!position) co_return false;
    token.positions.push_back({shards[i].name, position->timeline, position->lsn});
  }
  const std::string text = token.text();
  worker_.scratch.clear();
  if (!ext_ || !ext_->active) pgwire::append_text_row_description(worker_.scratch, {Bytes(kToken)});
  const std::optional<Bytes> row[] = {Bytes(text)};
  pgwire::append_data_row(worker_.scratch, row);
  send(worker_.scratch);
  answer("SHOW");
  co_return true;
}

// Nothing: the client was told.
Task<std::optional<Session::WalFloor>> Session::position_of(ShardId shard) {
  const ServerId primary = pools_->primaries[shard.value()];
  ServerConn* conn = linked(shard);
  const bool own = conn == nullptr || conn->pool().target().server != primary;
  if (own) conn = co_await acquire(pools_->pool(primary));
  if (conn == nullptr) co_return std::nullopt;
  std::string replies;
  const bool told = co_await ask(*conn, kPosition, replies);
  const bool lost = conn->lost();
  const Error reason = lost ? conn->lost_reason() : Error();
  if (own) release(*conn);
  if (closing_) co_return std::nullopt;
  WalFloor floor;
  std::uint64_t block = 0, segment = 0;
  const auto rows = rows_of(replies);
  const bool read = told && rows.size() == 1 && rows[0].size() == 4 && read_number(rows[0][0], floor.lsn) && read_number(rows[0][1], block) &&
                    read_number(rows[0][2], segment) && read_number(rows[0][3], floor.timeline, 16);
  if (read) {
    floor.lsn = control::end_of_last_record(Lsn(floor.lsn), block, segment).value();
    co_return floor;
  }
  fail_statement(lost ? reason : make_error(ErrorCode::kServerUnavailable, "shard " + pools_->database->config().shards[shard.value()].name + " does not tell its WAL position"));
  co_return std::nullopt;
}

std::optional<Error> Session::take_token(std::string_view value) {
  const auto token = ConsistencyToken::parse(value);
  if (!token) return not_of_here(value, "It is no token.");
  if (token->cluster != worker_.config()->cluster) return not_of_here(value, "It is of cluster " + token->cluster + ".");
  const auto& shards = pools_->database->config().shards;
  std::vector<WalFloor> floors(shards.size());
  for (const auto& position : token->positions) {
    const auto at = std::find_if(shards.begin(), shards.end(), [&](const auto& shard) { return shard.name == position.shard; });
    if (at == shards.end()) return not_of_here(value, "There is no shard " + position.shard + ".");
    floors[static_cast<std::size_t>(at - shards.begin())] = {position.timeline, position.lsn};
  }
  if (views_.empty()) return std::nullopt;  // only primaries are read
  const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
  // Rows may have moved to shards of which the token says nothing.
  const bool moved = token->epoch != pools_->database->snapshot().map->epoch().value();
  for (std::size_t i = 0; i < views_.size(); ++i) {
    ShardView& view = views_[i];
    // A connection that is new shows what was there when it came; the token says better what its client needs.
    if (view.last_read == 0) view.mark = 0;
    if (moved) view.mark = now;
    if (floors[i] > view.floor) view.floor = floors[i];
  }
  return std::nullopt;
}

bool Session::set_token(const Plan& plan) {
  using Kind = sharding::sql::SetCommand::Kind;
  const bool gives = plan.set.kind != Kind::kReset && plan.set.kind != Kind::kDefault && !plan.set.value.empty();
  // What was seen stays seen: there is nothing to take back.
  if (gives) {
    if (const auto error = take_token(plan.set.value)) return fail_statement(*error);
  }
  answer(plan.set.kind == Kind::kReset ? "RESET" : "SET");
  return true;
}

}  // namespace howdah::proxy
