#include "proxy/control/catalog_watch.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "proxy/control/catalog_loader.h"
#include "proxy/control/control_log.h"
#include "proxy/control/control_params.h"
#include "proxy/control/shard_roles.h"

namespace howdah::control {

namespace asio = boost::asio;

CatalogWatch::CatalogWatch(asio::io_context& io, const config::Database& database, Settings settings,
                           Publish publish)
    : io_(io),
      database_(database),
      settings_(settings),
      publish_(std::move(publish)),
      connection_(io),
      timer_(io) {}

void CatalogWatch::start() {
  asio::co_spawn(io_, run(), asio::detached);
}

void CatalogWatch::stop() {
  stopping_ = true;
  connection_.stop();
  timer_.cancel();
}

void CatalogWatch::refresh(Done done) {
  if (stopping_) return done(make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
  waiting_.push_back(std::move(done));
  timer_.cancel();
}

asio::awaitable<void> CatalogWatch::run() {
  while (!stopping_) {
    auto waiting = std::exchange(waiting_, {});
    auto version = co_await check();
    if (!version && !stopping_) {
      control_log().warn("database={} catalog={}", database_.name, version.error().message);
    }
    for (auto& done : waiting) done(version);
    if (!waiting_.empty() || stopping_) continue;
    // Until there is a first catalog nothing can be routed.
    timer_.expires_after(version_ == 0 ? settings_.reconnect_max : database_.catalog_interval);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  for (auto& done : std::exchange(waiting_, {})) {
    done(make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
  }
}

asio::awaitable<Result<void>> CatalogWatch::open() {
  const auto& shard = database_.shards.front();
  const auto generation = role_generation(settings_.roles.get(), database_, shard);
  if (connection_.is_open() && generation == generation_) co_return Result<void>();
  connection_.disconnect();
  generation_ = generation;
  const config::Server primary = acting_server(settings_.roles.get(), database_, shard);
  auto connected = co_await connection_.connect(control_params(database_, primary, settings_),
                                                std::chrono::steady_clock::now() + settings_.connect_timeout);
  if (!connected) co_return pq::to_error(connected.error(), describe(shard, primary));
  co_return Result<void>();
}

asio::awaitable<Result<std::uint64_t>> CatalogWatch::check() {
  const auto deadline = std::chrono::steady_clock::now() + settings_.statement_timeout;
  auto opened = co_await open();
  if (!opened) co_return opened.error();
  if (version_ != 0) {
    auto fingerprint = co_await catalog_fingerprint(connection_, deadline);
    if (!fingerprint) co_return fingerprint.error();
    if (*fingerprint == fingerprint_) co_return version_;
  }
  auto loaded = co_await load_catalog(connection_, version_ + 1, deadline);
  if (!loaded) co_return loaded.error();
  ++version_;
  fingerprint_ = std::move(loaded->fingerprint);
  control_log().info("database={} catalog_version={} relations={}", database_.name, version_,
                     loaded->catalog->relation_count());
  publish_(std::move(loaded->catalog));
  co_return version_;
}

}  // namespace howdah::control
