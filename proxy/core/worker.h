// One thread: its event loop, sessions, pools, caches and counters. Nothing mutable is shared with other workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "drivers/net/reactor.h"
#include "proxy/config/config.h"
#include "proxy/control/control.h"
#include "proxy/core/replica_choice.h"
#include "proxy/core/database.h"
#include "proxy/core/deadlock_watch.h"
#include "proxy/core/guards.h"
#include "proxy/core/late_watch.h"
#include "proxy/core/pool.h"
#include "proxy/core/prepared.h"
#include "proxy/core/takeover.h"
#include "proxy/core/reported.h"
#include "proxy/core/listeners.h"
#include "sharding/router.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan_cache.h"

namespace howdah::proxy {

class CancelRequest;
class Proxy;
class Session;
struct SessionState;

// Written by the worker's thread, read by others for SHOW and /metrics.
struct WorkerCounters {
  std::atomic<std::uint64_t> clients_accepted{0}, clients_closed{0}, login_failures{0};
  std::atomic<std::uint64_t> statements{0}, transactions{0}, errors{0}, refused{0};
  std::atomic<std::uint64_t> plan_hits{0}, plan_misses{0};
  std::atomic<std::uint64_t> bytes_from_clients{0}, bytes_to_clients{0};
  std::atomic<std::uint64_t> distributed_commits{0}, distributed_aborts{0}, all_shard_statements{0};
  std::atomic<std::uint64_t> wait_timeouts{0}, query_timeouts{0}, transaction_timeouts{0}, idle_timeouts{0}, deadlocks{0};
  std::atomic<std::int64_t> clients{0};

  // Cheaper than fetch_add: there is one writer.
  template <class Int>
  static void add(std::atomic<Int>& counter, Int more = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
};

// The worker that a client's number was given by: see Worker::add_session().
inline std::size_t worker_of(std::int32_t pid) { return static_cast<std::uint32_t>(pid) >> 24 & 63u; }

struct GatherParts;

class Worker final : private net::TimerHandler, private net::Runnable {
 public:
  Worker(Proxy& proxy, std::size_t index, config::ConfigPtr config);
  ~Worker();

  void start();
  void stop();  // thread-safe; ends the thread at once
  void join();
  // Destroys sessions and pools, once no worker runs any more.
  void clear();

  std::size_t index() const { return index_; }
  std::size_t count() const;
  net::Reactor& reactor() { return reactor_; }
  Proxy& proxy() { return proxy_; }
  const config::ConfigPtr& config() const { return config_; }
  void post_to(std::size_t worker, std::function<void()> call);

  // On this worker's thread.
  void adopt_client(int fd, std::string peer);
  void cancel(std::int32_t pid, const std::string& key, Takeover::Origin from);
  // Asks the server of `conn` to cancel; the connection is not reused before that is over.
  void send_cancel(ServerConn& conn);
  void end_cancel(CancelRequest& request);
  void apply_config(config::ConfigPtr config);
  // Of a database: another server may be a shard's primary now, or one may be connected to again (worker_roles.cc).
  void apply_roles(const std::string& database);
  void begin_drain();
  bool draining() const { return draining_; }
  // Of a client of another process: a session that does not read before begin_restored(). Takes `fd`. False: refused.
  bool adopt_session(int fd, const SessionState& state);
  // Another process serves from here on: sessions go there as they come to the end of their transactions.
  void begin_handover(std::uint32_t handover);
  void end_handover();
  std::uint32_t handover() const { return handover_; }
  // False: that process id is taken.
  bool add_session(Session& session, std::int32_t pid);

  UserPools* pools_for(const config::Database& database, const config::User& user);
  DatabaseView* database(std::string_view name);
  const std::map<std::string, std::unique_ptr<UserPools>>& all_pools() const { return pools_; }
  const std::map<std::string, std::unique_ptr<DatabaseView>, std::less<>>& databases() const { return databases_; }
  const std::unordered_map<std::int32_t, Session*>& sessions() const { return by_pid_; }

  Session* find_session(std::int32_t pid) const {
    const auto found = by_pid_.find(pid);
    return found == by_pid_.end() ? nullptr : found->second;
  }
  std::int32_t add_session(Session& session);
  void remove_session(Session& session);
  void bury(std::shared_ptr<ServerConn> conn);
  void bury(Session& session);
  // A server connection of this budget is gone: whoever waits for a limit that it counted against tries now.
  void give_back(Budget& budget);
  // On the worker whose client has waited longest for a connection of this budget.
  // `in_place`: it gets a place that another pool gave up.
  void post_to_hungriest(std::shared_ptr<Budget> budget, bool in_place);
  // Asks the pools that share a spent limit with this one for an idle connection's place.
  void ask_rivals(const Budget& budget);
  // A server said that the shard map moved on.
  void refresh_map(const std::string& database);
  // A replication client's, with its connection closed; kept until no cancel request refers to it.
  void bury(std::unique_ptr<Pool> pool);
  // To another worker's pool of the same budget, once the current handler has returned.
  void hand_over(std::size_t worker, std::shared_ptr<ServerConn> conn, std::shared_ptr<Budget> budget);
  // To the worker whose client has this key.
  // Thread-safe. To whoever has that session: a worker, or another process.
  void route_cancel(std::int32_t pid, const std::string& key, Takeover::Origin from = Takeover::Origin::kClient);
  // One object per distinct content: sessions with the same login settings compare by pointer.
  SettingsPtr intern_settings(const SettingsPtr& settings);
  std::uint64_t next_server_id() { return ++server_ids_ * kMaxWorkers + index_; }
  // A number for a combination that plans depend on; the same combination gives the same number.
  std::uint64_t intern_scope(const std::string& key);

  sharding::sql::PlanCache plans;
  ReplicaChoice replica_choice;
  sharding::sql::TokenStream tokens;  // of the statement at hand: not kept across a wait
  StatementRegistry statements;
  std::unordered_map<std::string, std::shared_ptr<const GatherParts>> gathers;  // by scope, types and text
  ReportedTable reported;
  Listeners listeners{*this};
  WorkerCounters counters;
  SpanWatch spans;
  GuardRulesPtr rules;                // null: none
  RetryBudget retries;
  // Whether the proxy may do something again by itself; counts it.
  bool may_repeat();
  void watch_breaker(Pool& pool, const config::Database& database, const config::Server& server);
  std::vector<sharding::BoundParam> params;  // of the Bind at hand: not kept across a wait
  std::vector<Oid> parse_types;       // of the Parse at hand: not kept across a wait
  std::string scratch;                // for encoding small messages: not kept across a wait

 private:
  void on_timer() override;
  void run() override;
  std::unique_ptr<UserPools> make_pools(const config::Database& database, const config::User& user);
  void follow_roles(UserPools& pools);
  void apply_databases();
  void drop_removed();

  Proxy& proxy_;
  const std::size_t index_;
  config::ConfigPtr config_;
  net::Reactor reactor_;
  net::Timer housekeeping_;
  LateWatch late_watch_{*this};
  std::thread thread_;
  bool draining_ = false;
  std::uint32_t handover_ = 0;  // 0: none is under way
  std::map<std::string, std::unique_ptr<DatabaseView>, std::less<>> databases_;
  std::map<std::string, std::unique_ptr<UserPools>> pools_;  // by "database\0user"
  std::unordered_set<Session*> all_sessions_;
  std::unordered_map<std::int32_t, Session*> by_pid_;  // those logged in
  std::vector<std::shared_ptr<ServerConn>> dead_conns_;
  std::vector<Session*> dead_sessions_;
  std::vector<std::unique_ptr<Pool>> dead_pools_;
  struct HandOver {
    std::size_t worker;
    std::shared_ptr<ServerConn> conn;
    std::shared_ptr<Budget> budget;
  };
  std::vector<HandOver> hand_overs_;
  std::unordered_map<std::string, std::uint64_t> scopes_;
  std::uint64_t next_scope_ = 1;
  std::uint64_t server_ids_ = 0;
  std::uint32_t next_pid_ = 0;
  std::vector<SettingsPtr> login_settings_;
  std::vector<std::unique_ptr<CancelRequest>> cancels_;
  std::unordered_set<std::string> refreshing_;  // databases whose shard map is being looked for
};

}  // namespace howdah::proxy
