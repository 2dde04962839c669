#include "proxy/control/database_control.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proxy/control/control_log.h"
#include "sharding/sql/function_rules.h"

namespace howdah::control {

namespace asio = boost::asio;

void warn_unknown_functions(const config::Database& database, const schema::Catalog& catalog) {
  for (const auto& function : sharding::sql::unknown_functions(database.rules, catalog)) {
    control_log().warn("database={} sharding.functions: there is no function {}", database.name, function);
  }
}

DatabaseControl::DatabaseControl(asio::io_context& io, const std::string& cluster,
                                 const config::Database& database, const Settings& settings)
    : io_(io), cluster_(cluster), database_(database), settings_(settings) {
  if (!database_.control.user.empty()) settings_.roles = std::make_shared<ShardRoles>(database_);
}

asio::awaitable<Result<void>> DatabaseControl::begin() {
  if (database_.control.user.empty()) co_return begin_unmonitored();
  // First of all: which server of each shard is its primary today.
  auto state = beginning_ = std::make_shared<DatabaseState>(database_.name, database_.server_count(), DatabaseSnapshot{}, settings_.roles);
  co_await probe_all(*state);
  if (stopping_) co_return make_error(ErrorCode::kShuttingDown, "stopped during start-up");
  bootstrap_.emplace(io_, cluster_, database_, settings_);
  auto map = co_await bootstrap_->run();
  if (!map) {
    // start() fails: nobody else would end these.
    monitor_->stop();
    co_return map.error();
  }
  if (stopping_) co_return make_error(ErrorCode::kShuttingDown, "stopped during start-up");
  state->publish({nullptr, std::make_shared<const sharding::ShardMap>(std::move(*map)), nullptr, nullptr});
  state_ = std::move(state);
  co_await start_loops();
  co_return Result<void>();
}

Result<void> DatabaseControl::begin_unmonitored() {
  if (database_.shards.size() > 1) {
    return make_error(ErrorCode::kConfig,
                      "database " + database_.name + " has several shards but no control account",
                      "name one: databases." + database_.name + ".control");
  }
  auto map = sharding::ShardMap::initial(database_.rules.buckets, 1, database_.rules.hash);
  DatabaseSnapshot first{nullptr, std::make_shared<const sharding::ShardMap>(std::move(map))};
  state_ = std::make_shared<DatabaseState>(database_.name, database_.server_count(), std::move(first));
  state_->health().at(ServerId(0)).up.store(true);
  return {};
}

asio::awaitable<void> DatabaseControl::probe_all(DatabaseState& state) {
  asio::steady_timer answered(io_, SteadyTime::max());
  bool done = false;
  monitor_.emplace(io_, database_, state.health(), settings_);
  monitor_->start([&] {
    done = true;
    answered.cancel();
  });
  while (!done) co_await answered.async_wait(asio::as_tuple(asio::use_awaitable));
}

// What fails at first is logged and tried again by the loops: start-up does not depend on it.
asio::awaitable<void> DatabaseControl::start_loops() {
  asio::steady_timer first(io_, SteadyTime::max());
  int awaited = database_.shards.size() > 1 ? 2 : 1;
  auto arrived = [&] {
    if (--awaited == 0) first.cancel();
  };
  catalog_.emplace(io_, database_, settings_, [this](std::shared_ptr<const schema::Catalog> catalog) {
    const auto now = state_->snapshot();
    if (now->catalog == nullptr) warn_unknown_functions(database_, *catalog);
    state_->publish({std::move(catalog), now->map, now->ids, now->drift});
  });
  catalog_->refresh([&](const Result<std::uint64_t>&) { arrived(); });
  catalog_->start();
  if (database_.shards.size() > 1) {
    start_sharded_loops();
    ids_->refresh(arrived);
    ids_->start();
  }
  while (awaited > 0) co_await first.async_wait(asio::as_tuple(asio::use_awaitable));
}

void DatabaseControl::start_sharded_loops() {
  map_.emplace(io_, cluster_, database_, settings_, state_->snapshot()->map->epoch(),
               [this](std::shared_ptr<const sharding::ShardMap> map) {
                 const auto now = state_->snapshot();
                 state_->publish({now->catalog, std::move(map), now->ids, now->drift});
               });
  map_->start();
  recovery_.emplace(io_, cluster_, database_, settings_,
                    [this](const std::string& shard, std::vector<InDoubt> list) {
                      std::lock_guard lock(mutex_);
                      in_doubt_[shard] = std::move(list);
                    });
  recovery_->start();
  locks_.emplace(io_, cluster_, database_, settings_);
  ids_.emplace(io_, database_, settings_, [this](ShardIdsPtr ids, std::shared_ptr<const schema::Drift> drift) {
    const auto now = state_->snapshot();
    state_->publish({now->catalog, now->map, std::move(ids), std::move(drift)});
  });
}

void DatabaseControl::stop() {
  stopping_ = true;
  if (bootstrap_) bootstrap_->stop();
  if (monitor_) monitor_->stop();
  if (catalog_) catalog_->stop();
  if (map_) map_->stop();
  if (recovery_) recovery_->stop();
  if (locks_) locks_->stop();
  if (ids_) ids_->stop();
}

void DatabaseControl::append_in_doubt(std::vector<InDoubt>& out) const {
  std::lock_guard lock(mutex_);
  for (const auto& [shard, list] : in_doubt_) out.insert(out.end(), list.begin(), list.end());
}

}  // namespace howdah::control
