#include "proxy/control/lock_watch.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

namespace howdah::control {

namespace asio = boost::asio;

namespace {

// https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-INFO-SESSION
constexpr const char* kWaitsSql =
    "SELECT pid, (extract(epoch FROM waitstart) * 1000000)::bigint, array_to_string(pg_blocking_pids(pid), ',') "
    "FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL";

std::vector<std::int32_t> pids(std::string_view list) {
  std::vector<std::int32_t> out;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at < end) {
    std::int32_t pid = 0;
    const auto read = std::from_chars(at, end, pid);
    if (read.ec != std::errc()) break;
    out.push_back(pid);
    at = read.ptr + 1;
  }
  return out;
}

asio::awaitable<void> look_at(ShardSession& session, ShardId shard, std::vector<LockWait>& out) {
  if (!co_await session.open()) co_return;
  const auto rows = co_await session.exec(kWaitsSql);
  if (!rows) co_return;
  for (int i = 0; i < rows->rows(); ++i) {
    out.push_back({shard, static_cast<std::int32_t>(rows->integer(i, 0)), rows->integer(i, 1), pids(rows->text(i, 2))});
  }
}

// https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-PG-SNAPSHOT
constexpr const char* kStampSql = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
// Greater than every stamp taken before, and less than every later one.
constexpr const char* kCompleteSql = "SELECT pg_current_xact_id()::text::bigint";
constexpr const char* kTableSql =
    "CREATE UNLOGGED TABLE IF NOT EXISTS howdah.lock_holders (proxy text NOT NULL, stamp bigint NOT NULL, client int NOT NULL, request bigint NOT NULL, "
    "began_us bigint NOT NULL, may_yield boolean NOT NULL, links text NOT NULL, shown timestamptz NOT NULL DEFAULT clock_timestamp())";
// Of a proxy that died something may be left.
constexpr const char* kExchangeSql =
    "WITH old AS (DELETE FROM howdah.lock_holders WHERE proxy = $1 OR shown < clock_timestamp() - interval '1 minute'), "
    "mine AS (INSERT INTO howdah.lock_holders SELECT $1, $2::bigint, * FROM unnest($3::int[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[])) "
    "SELECT proxy, stamp, client, request, began_us, may_yield, links FROM howdah.lock_holders WHERE proxy <> $1";

// "0:4711:b 1:4712:-": shard, server process, busy or not.
std::string links_text(const std::vector<ShownHolder::Link>& links) {
  std::string out;
  for (const auto& link : links) {
    out += (out.empty() ? "" : " ") + std::to_string(link.shard.value()) + ":" + std::to_string(link.backend) + (link.busy ? ":b" : ":-");
  }
  return out;
}

std::vector<ShownHolder::Link> links_from(std::string_view text) {
  std::vector<ShownHolder::Link> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    std::uint16_t shard = 0;
    ShownHolder::Link link;
    auto read = std::from_chars(at, end, shard);
    if (read.ec != std::errc() || read.ptr == end) break;
    read = std::from_chars(read.ptr + 1, end, link.backend);
    if (read.ec != std::errc() || end - read.ptr < 2) break;
    link.shard = ShardId(shard);
    link.busy = read.ptr[1] == 'b';
    out.push_back(link);
    at = read.ptr + 3;
  }
  return out;
}

template <class Text>
std::string array_of(const std::vector<ShownHolder>& holders, Text text) {
  std::string out = "{";
  for (const auto& holder : holders) out += (out.size() > 1 ? "," : "") + ("\"" + text(holder) + "\"");
  return out + "}";
}

pq::Params params_of(const ShownLocks& mine) {
  pq::Params params;
  params.emplace_back(mine.proxy);
  params.emplace_back(std::to_string(mine.stamp));
  params.emplace_back(array_of(mine.holders, [](const auto& holder) { return std::to_string(holder.client); }));
  params.emplace_back(array_of(mine.holders, [](const auto& holder) { return std::to_string(holder.request); }));
  params.emplace_back(array_of(mine.holders, [](const auto& holder) { return std::to_string(holder.began_us); }));
  params.emplace_back(array_of(mine.holders, [](const auto& holder) { return std::string(holder.may_yield ? "t" : "f"); }));
  params.emplace_back(array_of(mine.holders, [](const auto& holder) { return links_text(holder.links); }));
  return params;
}

}  // namespace

LockWatch::LockWatch(asio::io_context& io, const std::string& cluster, const config::Database& database, const Settings& settings)
    : io_(io) {
  for (const auto& shard : database.shards) {
    sessions_.push_back(std::make_unique<ShardSession>(io, scope_, cluster, database, shard, settings));
  }
}

void LockWatch::stop() {
  scope_.stop();
}

asio::awaitable<std::vector<LockWait>> LockWatch::look() {
  struct Round {
    explicit Round(asio::io_context& io) : done(io, SteadyTime::max()) {}
    std::vector<LockWait> waits;
    std::size_t left = 0;
    asio::steady_timer done;
  };
  Round round(io_);
  round.left = sessions_.size();
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    auto body = [](Round& shared, ShardSession& session, std::size_t index) -> asio::awaitable<void> {
      co_await look_at(session, ShardId(static_cast<std::uint16_t>(index)), shared.waits);
      if (--shared.left == 0) shared.done.cancel();
    };
    asio::co_spawn(io_, body(round, *sessions_[i], i), asio::detached);
  }
  while (round.left > 0) co_await round.done.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::move(round.waits);
}

asio::awaitable<Result<std::int64_t>> LockWatch::stamp() {
  ShardSession& first = *sessions_.front();
  if (auto opened = co_await first.open(); !opened) co_return opened.error();
  const auto rows = co_await first.exec(kStampSql);
  if (!rows) co_return rows.error();
  co_return rows->integer(0, 0);
}

asio::awaitable<Result<LockExchange>> LockWatch::exchange(const ShownLocks& mine) {
  ShardSession& first = *sessions_.front();
  if (auto opened = co_await first.open(); !opened) co_return opened.error();
  auto rows = co_await first.exec(kExchangeSql, params_of(mine));
  if (!rows && first.last_sqlstate() == "42P01") {
    // Made when it is first needed. Another proxy may do so at the same moment: then this is seen next time.
    if (auto made = co_await first.exec(kTableSql); !made) co_return made.error();
    rows = co_await first.exec(kExchangeSql, params_of(mine));
  }
  if (!rows) co_return rows.error();
  LockExchange out;
  for (int i = 0; i < rows->rows(); ++i) {
    out.others.push_back({.proxy = rows->text(i, 0), .stamp = rows->integer(i, 1), .client = static_cast<std::int32_t>(rows->integer(i, 2)),
                          .request = rows->integer(i, 3), .began_us = rows->integer(i, 4), .may_yield = rows->flag(i, 5),
                          .links = links_from(rows->text(i, 6))});
  }
  out.waits = co_await look();
  const auto complete = co_await first.exec(kCompleteSql);
  if (!complete) co_return complete.error();
  out.complete = complete->integer(0, 0);
  co_return out;
}

}  // namespace howdah::control
