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

}  // namespace howdah::control
