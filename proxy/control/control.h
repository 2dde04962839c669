// Everything the proxy does over its control accounts: bootstrap, probes, catalog, recovery of two-phase
// commits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "proxy/config/config.h"
#include "proxy/control/database_state.h"
#include "proxy/control/lock_watch.h"
#include "proxy/control/settings.h"
#include "proxy/control/transaction_outcome.h"

namespace howdah::control {

// Owns one thread and all control connections. Callable from any thread; callbacks run on the control thread
// and must be short (post to your own executor). After stop() no callback runs any more; those pending got
// kShuttingDown.
class Control {
 public:
  explicit Control(config::ConfigPtr config, Settings settings = {});
  ~Control();  // stops
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Connects, checks, installs schema howdah and the bucket map where a database has several shards, reads
  // the catalogs; then starts the thread. Blocks up to Settings::bootstrap_timeout. kConfig or kWrongServer
  // when a server contradicts the configuration, kServerUnavailable when a map cannot be had. A server that
  // is down is no error while another shard knows the map.
  Result<void> start();
  // Also ends a start() that waits in another thread. Returns when the thread has ended (milliseconds).
  void stop();

  // After start(): begins with a database of `config` as start() does, and blocks as that. kConfig when one of that name
  // is there, or has not ended yet.
  Result<void> add(config::ConfigPtr config, const std::string& name);
  // Ends what runs for it; its last published state stays valid for who holds it.
  void remove(const std::string& name);

  // Null when the configuration has no such database. Valid after start().
  std::shared_ptr<const DatabaseState> database(std::string_view name) const;

  // Reads the catalog again now (after DDL that went through the proxy) and publishes it before `done` runs
  // with its version. Requests that arrive while a read is under way share the next one.
  using CatalogCallback = std::function<void(Result<std::uint64_t>)>;
  void refresh_catalog(const std::string& database, CatalogCallback done);

  // Looks for a newer bucket map now (a server said ZH001) and publishes it before `done` runs with the epoch
  // in use.
  using MapCallback = std::function<void(Result<Epoch>)>;
  void refresh_map(const std::string& database, MapCallback done);

  // The outcome of a transaction whose decision connection broke: decides 'abort' unless 'commit' stands.
  // An error means in doubt (kOutcomeUnknown), nothing else. Participants still prepared are finished soon
  // after.
  using OutcomeCallback = std::function<void(Result<Outcome>)>;
  void resolve(const std::string& database, ShardId commit_point, const std::string& token_hash_hex,
               SteadyTime deadline, OutcomeCallback done);

  // Looks for prepared transactions now instead of at the next interval. `token_hash_hex` not empty: the
  // caller has given this one up or knows it decided; it is finished whatever its age.
  void kick_recovery(const std::string& database, const std::string& token_hash_hex = {});

  // Who waits for locks on the primaries of all shards, now. kUnsupported for a database of one shard. Ask again for the
  // same database only when this one has been answered.
  using LockWaitsCallback = std::function<void(Result<std::vector<LockWait>>)>;
  void lock_waits(const std::string& database, LockWaitsCallback done);

  // The same with what other proxies' clients hold, in two steps: a stamp is taken before the caller looks at its own clients; then these are
  // shown to the other proxies. See lock_watch.h.
  using LockStampCallback = std::function<void(Result<std::int64_t>)>;
  void lock_stamp(const std::string& database, LockStampCallback done);
  using LockExchangeCallback = std::function<void(Result<LockExchange>)>;
  void exchange_locks(const std::string& database, ShownLocks mine, LockExchangeCallback done);

  // Prepared transactions of this cluster that were not finished when last looked for.
  std::vector<InDoubt> in_doubt() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::control
