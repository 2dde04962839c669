#include "proxy/control/control.h"

#include <pthread.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "drivers/net/thread_signals.h"
#include "proxy/control/control_log.h"
#include "proxy/control/database_control.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

Error shutting_down() {
  return make_error(ErrorCode::kShuttingDown, "the proxy is shutting down");
}

Error unknown_database(const std::string& name) {
  return make_error(ErrorCode::kUnknownDatabase, "database " + name + " is not in the configuration");
}

}  // namespace

// Requests are counted while they are under way: the last loop to end ends the thread, not a forced stop that
// would drop callbacks.
class Control::Impl {
 public:
  Impl(config::ConfigPtr config, Settings settings) : config_(std::move(config)), settings_(settings) {
    for (const auto& [name, database] : config_->databases) {
      databases_.emplace(name, std::make_unique<DatabaseControl>(io_, config_->cluster, database, settings_));
    }
  }

  Result<void> start() {
    std::promise<Result<void>> began;
    auto answer = began.get_future();
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return shutting_down();
      if (thread_.joinable()) return make_error(ErrorCode::kInternal, "control was started before");
      work_.emplace(io_.get_executor());
      begin_all(began);
      thread_ = std::thread([this] {
        net::block_signals();  // also for the threads that this one starts (name look-ups)
        pthread_setname_np(pthread_self(), "control");
        io_.run();
      });
    }
    auto result = answer.get();
    if (!result) stop();
    return result;
  }

  void stop() {
    std::lock_guard one_at_a_time(stop_mutex_);
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(stopping_, true) || !thread_.joinable()) return;
      asio::post(io_, [this] {
        std::lock_guard stopping(mutex_);
        for (auto& [name, database] : databases_) database->stop();
        work_.reset();
      });
    }
    thread_.join();
  }

  Result<void> add(config::ConfigPtr config, const std::string& name) {
    std::promise<Result<void>> began;
    auto answer = began.get_future();
    DatabaseControl* added = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (stopping_ || !thread_.joinable()) return shutting_down();
      if (databases_.contains(name)) return make_error(ErrorCode::kConfig, "there is a database of that name");
      auto control = std::make_unique<DatabaseControl>(io_, config_->cluster, config->databases.at(name), settings_);
      added = databases_.emplace(name, std::move(control)).first->second.get();
      kept_.push_back(config);
      auto body = [](DatabaseControl& one, std::promise<Result<void>>& done) -> asio::awaitable<void> {
        done.set_value(co_await one.begin());
      };
      asio::co_spawn(io_, body(*added, began), asio::detached);
    }
    auto result = answer.get();
    if (!result) remove(name);
    return result;
  }

  void remove(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto found = databases_.find(name);
    if (found == databases_.end()) return;
    // Its loops refer to it until they have ended: it stays until the thread has.
    auto& ended = removed_.emplace_back(std::move(found->second));
    databases_.erase(found);
    if (!stopping_) asio::post(io_, [control = ended.get()] { control->stop(); });
  }

  DatabaseControl* find(std::string_view name) const {
    std::lock_guard lock(mutex_);
    auto found = databases_.find(name);
    return found == databases_.end() ? nullptr : found->second.get();
  }

  // Runs `call` on the control thread; false when that has been told to end.
  template <class Call>
  bool post(Call call) {
    std::lock_guard lock(mutex_);
    if (stopping_ || !thread_.joinable()) return false;
    asio::post(io_, std::move(call));
    return true;
  }

  asio::io_context& io() { return io_; }
  std::vector<InDoubt> in_doubt() const {
    std::lock_guard lock(mutex_);
    std::vector<InDoubt> all;
    for (const auto& [name, database] : databases_) database->append_in_doubt(all);
    return all;
  }

 private:
  // All databases at once; the first error is start()'s.
  void begin_all(std::promise<Result<void>>& began) {
    struct Pending {
      std::promise<Result<void>>& began;
      std::size_t left;
      Result<void> result;
    };
    auto pending = std::make_shared<Pending>(Pending{began, databases_.size(), {}});
    if (pending->left == 0) return began.set_value({});
    for (auto& [name, database] : databases_) {
      auto body = [](DatabaseControl& one, std::shared_ptr<Pending> shared) -> asio::awaitable<void> {
        auto result = co_await one.begin();
        if (!result && shared->result) shared->result = result;
        if (--shared->left == 0) shared->began.set_value(shared->result);
      };
      asio::co_spawn(io_, body(*database, pending), asio::detached);
    }
  }

  const config::ConfigPtr config_;
  const Settings settings_;
  asio::io_context io_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::vector<config::ConfigPtr> kept_;  // of databases that were added; guarded by mutex_
  std::map<std::string, std::unique_ptr<DatabaseControl>, std::less<>> databases_;  // guarded by mutex_
  std::vector<std::unique_ptr<DatabaseControl>> removed_;                           // guarded by mutex_
  std::mutex stop_mutex_;
  mutable std::mutex mutex_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // started under mutex_, joined under stop_mutex_
};

Control::Control(config::ConfigPtr config, Settings settings)
    : impl_(std::make_unique<Impl>(std::move(config), settings)) {}

Control::~Control() {
  stop();
}

Result<void> Control::start() {
  return impl_->start();
}

void Control::stop() {
  impl_->stop();
}

std::shared_ptr<const DatabaseState> Control::database(std::string_view name) const {
  auto* found = impl_->find(name);
  return found == nullptr ? nullptr : found->state();
}

void Control::refresh_catalog(const std::string& database, CatalogCallback done) {
  auto* found = impl_->find(database);
  if (found == nullptr) return done(unknown_database(database));
  auto shared = std::make_shared<CatalogCallback>(std::move(done));
  bool posted = impl_->post([found, shared] {
    if (found->catalog() != nullptr && found->ids() != nullptr) {
      return found->catalog()->refresh([found, shared](Result<std::uint64_t> version) {
        found->ids()->refresh([shared, version = std::move(version)] { (*shared)(version); });
      });
    }
    if (found->catalog() != nullptr) return found->catalog()->refresh(*shared);
    (*shared)(make_error(ErrorCode::kUnsupported, "the database has no control account"));
  });
  if (!posted) (*shared)(shutting_down());
}

void Control::refresh_map(const std::string& database, MapCallback done) {
  auto* found = impl_->find(database);
  if (found == nullptr) return done(unknown_database(database));
  auto shared = std::make_shared<MapCallback>(std::move(done));
  bool posted = impl_->post([found, shared] {
    if (found->map() != nullptr) return found->map()->refresh(*shared);
    (*shared)(found->state()->snapshot()->map->epoch());
  });
  if (!posted) (*shared)(shutting_down());
}

void Control::resolve(const std::string& database, ShardId commit_point, const std::string& token_hash_hex,
                      SteadyTime deadline, OutcomeCallback done) {
  auto* found = impl_->find(database);
  if (found == nullptr) return done(unknown_database(database));
  if (commit_point.value() >= found->shards())
    return done(make_error(ErrorCode::kInternal, "no such shard"));
  auto shared = std::make_shared<OutcomeCallback>(std::move(done));
  bool posted = impl_->post([this, found, shared, commit_point, token_hash_hex, deadline] {
    if (found->recovery() == nullptr)
      return (*shared)(make_error(ErrorCode::kUnsupported, "the database has one shard"));
    auto body = [](TransactionRecovery& recovery, ShardId shard, std::string token, SteadyTime until,
                   std::shared_ptr<OutcomeCallback> callback) -> asio::awaitable<void> {
      auto outcome = co_await recovery.resolve(shard, std::move(token), until);
      (*callback)(std::move(outcome));
    };
    asio::co_spawn(impl_->io(), body(*found->recovery(), commit_point, token_hash_hex, deadline, shared),
                   asio::detached);
  });
  if (!posted) (*shared)(shutting_down());
}

void Control::kick_recovery(const std::string& database, const std::string& token_hash_hex) {
  auto* found = impl_->find(database);
  if (found == nullptr) return;
  impl_->post([found, token_hash_hex] {
    if (found->recovery() != nullptr) found->recovery()->kick(token_hash_hex);
  });
}

void Control::lock_waits(const std::string& database, LockWaitsCallback done) {
  auto* found = impl_->find(database);
  if (found == nullptr) return done(unknown_database(database));
  auto shared = std::make_shared<LockWaitsCallback>(std::move(done));
  bool posted = impl_->post([this, found, shared] {
    if (found->locks() == nullptr) return (*shared)(make_error(ErrorCode::kUnsupported, "the database has one shard"));
    auto body = [](LockWatch& locks, std::shared_ptr<LockWaitsCallback> callback) -> asio::awaitable<void> {
      auto waits = co_await locks.look();
      (*callback)(std::move(waits));
    };
    asio::co_spawn(impl_->io(), body(*found->locks(), shared), asio::detached);
  });
  if (!posted) (*shared)(shutting_down());
}

void Control::lock_stamp(const std::string& database, LockStampCallback done) {
  auto* found = impl_->find(database);
  if (found == nullptr) return done(unknown_database(database));
  auto shared = std::make_shared<LockStampCallback>(std::move(done));
  bool posted = impl_->post([this, found, shared] {
    if (found->locks() == nullptr) return (*shared)(make_error(ErrorCode::kUnsupported, "the database has one shard"));
    auto body = [](LockWatch& locks, std::shared_ptr<LockStampCallback> callback) -> asio::awaitable<void> {
      auto stamp = co_await locks.stamp();
      (*callback)(std::move(stamp));
    };
    asio::co_spawn(impl_->io(), body(*found->locks(), shared), asio::detached);
  });
  if (!posted) (*shared)(shutting_down());
}

void Control::exchange_locks(const std::string& database, ShownLocks mine, LockExchangeCallback done) {
  auto* found = impl_->find(database);
  if (found == nullptr) return done(unknown_database(database));
  auto shared = std::make_shared<LockExchangeCallback>(std::move(done));
  auto shown = std::make_shared<ShownLocks>(std::move(mine));
  bool posted = impl_->post([this, found, shared, shown] {
    if (found->locks() == nullptr) return (*shared)(make_error(ErrorCode::kUnsupported, "the database has one shard"));
    auto body = [](LockWatch& locks, std::shared_ptr<ShownLocks> what, std::shared_ptr<LockExchangeCallback> callback) -> asio::awaitable<void> {
      auto exchanged = co_await locks.exchange(*what);
      (*callback)(std::move(exchanged));
    };
    asio::co_spawn(impl_->io(), body(*found->locks(), shown, shared), asio::detached);
  });
  if (!posted) (*shared)(shutting_down());
}

std::vector<InDoubt> Control::in_doubt() const {
  return impl_->in_doubt();
}

Result<void> Control::add(config::ConfigPtr config, const std::string& name) {
  return impl_->add(std::move(config), name);
}

void Control::remove(const std::string& name) {
  impl_->remove(name);
}

}  // namespace howdah::control
