#include "proxy/control/decisions.h"

#include <boost/asio/use_awaitable.hpp>

namespace howdah::control {

namespace asio = boost::asio;

namespace {

// Waits for a decide() under way: its row is the same key.
// https://www.postgresql.org/docs/15/sql-insert.html#SQL-ON-CONFLICT
constexpr const char* kAbortSql =
    "INSERT INTO howdah.decisions (token_hash, outcome, participants) VALUES (decode($1, 'hex'), 'abort', "
    "'{}') "
    "ON CONFLICT (token_hash) DO NOTHING";

// Reads the row and writes it: when this commit has been confirmed, so has every earlier one that the row
// depends on.
constexpr const char* kConfirmSql =
    "UPDATE howdah.decisions SET checked_at = clock_timestamp() WHERE token_hash = decode($1, 'hex') "
    "RETURNING outcome";

// Sessions that hide their state (track_activities off) count as open forever.
constexpr const char* kCollectAbortsSql =
    "WITH horizon AS MATERIALIZED ("
    "  SELECT least(clock_timestamp(), min(CASE WHEN coalesce(state, 'disabled') = 'disabled' "
    "    THEN '-infinity' ELSE xact_start END)) - $1::int * interval '1 second' AS at "
    "  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "    AND backend_type = 'client backend') "
    "DELETE FROM howdah.decisions USING horizon WHERE outcome = 'abort' AND decided_at < horizon.at";

constexpr const char* kCollectConnectionsSql =
    "DELETE FROM howdah.connections c WHERE NOT EXISTS ("
    "SELECT FROM pg_stat_activity a WHERE a.pid = c.pid AND a.backend_start = c.backend_start)";

constexpr std::string_view kUndefinedObject = "42704";

}  // namespace

asio::awaitable<Result<Outcome>> settle_outcome(ShardSession& commit_point, std::string token_hash) {
  pq::Params token;
  token.emplace_back(std::move(token_hash));
  auto aborted = co_await commit_point.exec(kAbortSql, token);
  if (!aborted) co_return aborted.error();
  auto row = co_await commit_point.exec(kConfirmSql, token);
  if (!row) co_return row.error();
  if (row->rows() != 1) {
    co_return make_error(ErrorCode::kOutcomeUnknown, "the decision was collected while it was read");
  }
  co_return row->get(0, 0) == "commit" ? Outcome::kCommit : Outcome::kAbort;
}

asio::awaitable<Result<void>> finish_prepared(ShardSession& participant, std::string gid, std::string owner,
                                              Outcome outcome) {
  auto role = co_await participant.exec("SET ROLE " + pq::quote_identifier(owner));
  if (!role) co_return role.error();
  const std::string verb = outcome == Outcome::kCommit ? "COMMIT PREPARED " : "ROLLBACK PREPARED ";
  auto finished = co_await participant.exec(verb + pq::quote_literal(gid));
  const bool gone = participant.last_sqlstate() == kUndefinedObject;
  auto reset = co_await participant.exec("RESET ROLE");
  if (!reset) participant.close();
  if (!finished && !gone) co_return finished.error();
  co_return Result<void>();
}

asio::awaitable<Result<std::int64_t>> collect_aborts(ShardSession& commit_point,
                                                     std::chrono::seconds margin) {
  pq::Params params;
  params.emplace_back(std::to_string(margin.count()));
  auto deleted = co_await commit_point.exec(kCollectAbortsSql, params);
  if (!deleted) co_return deleted.error();
  co_return deleted->affected();
}

asio::awaitable<Result<void>> collect_connections(ShardSession& shard) {
  auto deleted = co_await shard.exec(kCollectConnectionsSql);
  if (!deleted) co_return deleted.error();
  co_return Result<void>();
}

}  // namespace howdah::control
