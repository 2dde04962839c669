// Everything the control thread runs for one database.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/control/bootstrap.h"
#include "proxy/control/catalog_watch.h"
#include "proxy/control/database_state.h"
#include "proxy/control/ids_watch.h"
#include "proxy/control/lock_watch.h"
#include "proxy/control/map_watch.h"
#include "proxy/control/replica_monitor.h"
#include "proxy/control/transaction_recovery.h"

namespace howdah::control {

// Tells the log what `sharding.functions` names and the database has not.
void warn_unknown_functions(const config::Database& database, const schema::Catalog& catalog);

// Lives on the control thread; state() and in_doubt() may be called from any thread once begin() has
// answered.
class DatabaseControl {
 public:
  // The references outlive it.
  DatabaseControl(boost::asio::io_context& io, const std::string& cluster, const config::Database& database,
                  const Settings& settings);

  // Bootstrap, then the loops; answers when the first catalog was read and every server was probed, or could
  // not be.
  boost::asio::awaitable<Result<void>> begin();
  // Everything ends soon after, on the io_context.
  void stop();

  std::shared_ptr<const DatabaseState> state() const { return state_; }
  std::size_t shards() const { return database_.shards.size(); }
  // Null without a control account.
  CatalogWatch* catalog() { return catalog_ ? &*catalog_ : nullptr; }
  // Null in an unsharded database, as recovery(), locks() and ids().
  MapWatch* map() { return map_ ? &*map_ : nullptr; }
  TransactionRecovery* recovery() { return recovery_ ? &*recovery_ : nullptr; }
  LockWatch* locks() { return locks_ ? &*locks_ : nullptr; }
  IdsWatch* ids() { return ids_ ? &*ids_ : nullptr; }
  void append_in_doubt(std::vector<InDoubt>& out) const;

 private:
  Result<void> begin_unmonitored();
  boost::asio::awaitable<void> probe_all(DatabaseState& state);
  boost::asio::awaitable<void> start_loops();
  void start_sharded_loops();

  boost::asio::io_context& io_;
  const std::string& cluster_;
  const config::Database& database_;
  Settings settings_;
  std::shared_ptr<DatabaseState> beginning_;  // what the monitor writes to, from its start on
  std::shared_ptr<DatabaseState> state_;
  std::optional<Bootstrap> bootstrap_;
  std::optional<ReplicaMonitor> monitor_;
  std::optional<CatalogWatch> catalog_;
  std::optional<MapWatch> map_;
  std::optional<TransactionRecovery> recovery_;
  std::optional<LockWatch> locks_;
  std::optional<IdsWatch> ids_;
  bool stopping_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<InDoubt>> in_doubt_;  // by shard; guarded by mutex_
};

}  // namespace howdah::control
