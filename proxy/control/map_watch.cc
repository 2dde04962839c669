#include "proxy/control/map_watch.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "proxy/control/bootstrap_plan.h"
#include "proxy/control/control_log.h"
#include "proxy/control/control_params.h"
#include "proxy/control/shard_roles.h"
#include "proxy/control/shard_schema.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr const char* kEpochSql = "SELECT map_epoch FROM howdah.cluster";

Error shutting_down() {
  return make_error(ErrorCode::kShuttingDown, "the proxy is shutting down");
}

}  // namespace

struct MapWatch::Source {
  Source(asio::io_context& io, const config::Shard& from) : shard(from), connection(io) {}
  const config::Shard& shard;
  pq::AsyncConnection connection;
  std::uint64_t generation = 0;  // of the shard's role, when it connected
};

MapWatch::MapWatch(asio::io_context& io, const std::string& cluster, const config::Database& database,
                   Settings settings, Epoch epoch, Publish publish)
    : io_(io),
      cluster_(cluster),
      database_(database),
      settings_(settings),
      publish_(std::move(publish)),
      epoch_(epoch),
      timer_(io) {
  for (const auto& shard : database.shards) sources_.push_back(std::make_unique<Source>(io, shard));
}

MapWatch::~MapWatch() = default;

void MapWatch::start() {
  asio::co_spawn(io_, run(), asio::detached);
}

void MapWatch::stop() {
  stopping_ = true;
  timer_.cancel();
  for (auto& source : sources_) source->connection.stop();
}

void MapWatch::refresh(Done done) {
  if (stopping_) return done(shutting_down());
  waiting_.push_back(std::move(done));
  timer_.cancel();
}

asio::awaitable<void> MapWatch::run() {
  while (!stopping_) {
    auto waiting = std::exchange(waiting_, {});
    auto epoch = co_await check();
    if (stopping_) epoch = shutting_down();
    for (auto& done : waiting) done(epoch);
    if (!waiting_.empty() || stopping_) continue;
    timer_.expires_after(database_.catalog_interval);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  for (auto& done : std::exchange(waiting_, {})) done(shutting_down());
}

asio::awaitable<Result<Epoch>> MapWatch::check() {
  Result<Epoch> result =
      make_error(ErrorCode::kServerUnavailable, "no shard can be asked for the bucket map");
  for (auto& source : sources_) {
    if (stopping_) co_return shutting_down();
    auto checked = co_await check(*source);
    if (checked) {
      result = epoch_;
      continue;
    }
    control_log().debug("database={} shard={} map={}", database_.name, source->shard.name,
                        checked.error().message);
    if (!result) result = checked.error();
  }
  co_return result;
}

asio::awaitable<Result<void>> MapWatch::check(Source& source) {
  const auto now = std::chrono::steady_clock::now();
  const auto generation = role_generation(settings_.roles.get(), database_, source.shard);
  if (std::exchange(source.generation, generation) != generation) source.connection.disconnect();
  const config::Server primary = acting_server(settings_.roles.get(), database_, source.shard);
  if (!source.connection.is_open()) {
    auto connected = co_await source.connection.connect(
        control_params(database_, primary, settings_), now + settings_.probe_timeout);
    if (!connected) co_return pq::to_error(connected.error(), describe(source.shard, primary));
  }
  auto rows = co_await source.connection.exec(kEpochSql, now + settings_.statement_timeout);
  if (!rows) co_return pq::to_error(rows.error(), describe(source.shard, primary));
  if (rows->rows() != 1 || static_cast<std::uint64_t>(rows->integer(0, 0)) <= epoch_.value())
    co_return Result<void>();
  auto adopted = co_await adopt(source);
  if (!adopted) {
    control_log().error("database={} shard={} newer_map_refused={}", database_.name, source.shard.name,
                        adopted.error().message);
  }
  co_return adopted;
}

asio::awaitable<Result<void>> MapWatch::adopt(Source& source) {
  const auto deadline = std::chrono::steady_clock::now() + settings_.statement_timeout;
  // Epoch and buckets of one moment.
  auto begun = co_await source.connection.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline);
  if (!begun) co_return pq::to_error(begun.error(), "shard " + source.shard.name);
  auto stored = co_await read_map(source.connection, source.shard.name, deadline);
  auto ended = co_await source.connection.exec("COMMIT", deadline);
  if (!ended) source.connection.disconnect();
  if (!stored) co_return stored.error();
  if (!*stored) co_return Result<void>();
  auto checked = check_stored_map(cluster_, database_, source.shard.name, **stored);
  if (!checked) co_return checked.error();
  auto map = to_shard_map(database_, **stored);
  if (!map) co_return map.error();
  if (map->epoch() <= epoch_) co_return Result<void>();
  epoch_ = map->epoch();
  control_log().info("database={} shard={} map_epoch={}", database_.name, source.shard.name, epoch_.value());
  publish_(std::make_shared<const sharding::ShardMap>(std::move(*map)));
  co_return Result<void>();
}

}  // namespace howdah::control
