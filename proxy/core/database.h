// What a worker holds per database, and per user of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/config/effective.h"
#include "proxy/control/database_state.h"
#include "proxy/core/pool.h"

namespace howdah::proxy {

// The worker's view of a database: the latest snapshot, taken again only when its version moved.
class DatabaseView {
 public:
  DatabaseView(const config::Database& config, std::shared_ptr<const control::DatabaseState> state)
      : config_(&config), state_(std::move(state)) {
    refresh();
  }

  // Cheap: one atomic load when nothing changed.
  void refresh() {
    if (state_ == nullptr || version_ == state_->version()) return;
    version_ = state_->version();
    snapshot_ = state_->snapshot();
  }
  const config::Database& config() const { return *config_; }
  void set_config(const config::Database& config) { config_ = &config; }
  // `config` is what config() is part of: no newer one will know the database.
  void keep_config(config::ConfigPtr config) { kept_ = std::move(config); }
  const control::DatabaseSnapshot& snapshot() const { return *snapshot_; }
  // Null without a control account.
  control::ShardRoles* roles() const { return state_ == nullptr ? nullptr : state_->roles(); }
  const control::HealthTable* health() const { return state_ == nullptr ? nullptr : &state_->health(); }
  std::uint64_t version() const { return version_; }
  bool sharded() const { return config_->shards.size() > 1; }

  bool paused = false;    // by PAUSE or KILL: pools hold their clients back
  bool disabled = false;  // by DISABLE: no logins
  bool removed = false;   // from the configuration: no logins, clients leave at the end of their transactions

 private:
  const config::Database* config_;
  config::ConfigPtr kept_;
  std::shared_ptr<const control::DatabaseState> state_;
  std::shared_ptr<const control::DatabaseSnapshot> snapshot_;
  std::uint64_t version_ = 0;
};

// The pools of one (database, user) on one worker, by ServerId.
struct UserPools {
  DatabaseView* database = nullptr;
  const config::User* user = nullptr;
  config::Effective limits;
  std::vector<std::unique_ptr<Pool>> by_server;
  std::vector<ServerId> primaries;               // by shard: the acting ones
  std::vector<std::vector<ServerId>> replicas;   // by shard: all others
  std::string default_search_path;               // of the login role, as the first connection told

  Pool& pool(ServerId server) { return *by_server[server.value()]; }
};

}  // namespace howdah::proxy
