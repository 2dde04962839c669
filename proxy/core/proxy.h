// The process: configuration, control thread, workers, listener, budgets; start, reload, drain.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/control/control.h"
#include "drivers/net/unix_listener.h"
#include "proxy/core/access_control.h"
#include "proxy/core/admin_hook.h"
#include "proxy/core/client_counts.h"
#include "proxy/core/guards.h"
#include "proxy/core/listener_hub.h"
#include "proxy/core/pool.h"
#include "proxy/core/takeover.h"
#include "proxy/core/wait_graph.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

// Owned by main; start() once, then reload() and drain() from the signal thread.
class Proxy final : private net::IoHandler {
 public:
  explicit Proxy(config::ConfigPtr config);
  ~Proxy();

  // Bootstraps the control thread, binds, starts the workers. An error says why the proxy cannot run.
  Result<void> start();
  // Applies a new configuration. Faults leave the running one in force; returns what was said about it.
  std::vector<std::string> reload();
  // Changes one reloadable setting until the next reload.
  Result<void> change_setting(const std::string& key, const std::string& value);
  // Stops accepting, lets transactions finish, at most `limit` (0: no limit); returns when all clients are gone, when it
  // passed, or when `given_up` says so.
  void drain(Duration limit, const std::function<bool()>& given_up);
  void stop();

  // How the main thread ends the process when it gets SIGTERM.
  enum class Ending : std::uint8_t {
    kDrain,        // transactions may finish for a while, idle clients are told to go
    kTransactions, // the same without a limit of time
    kClients,      // no new clients; those there are may stay until they go by themselves
  };
  void set_ending(Ending ending) { ending_.store(ending); }
  Ending ending() const { return ending_.load(); }
  // No new clients; returns when the last one has gone, or `given_up` says so.
  void await_clients(const std::function<bool()>& given_up);

  std::size_t worker_count() const { return workers_.size(); }
  Worker& worker(std::size_t index) { return *workers_[index]; }
  control::Control& control() { return *control_; }
  config::ConfigPtr config() const;
  std::shared_ptr<Budget> budget(const std::string& database, const std::string& user, const ServerTarget& target,
                                 const config::Effective& limits);
  // What `limits` say for this budget, and for the limits that it shares with others.
  void set_limits(Budget& budget, const std::string& database, const std::string& user, const ServerTarget& target,
                  const config::Effective& limits);
  ClientCounts& client_counts() { return client_counts_; }
  Guards& guards() { return guards_; }
  // Hands the rules to all workers; returns when all have them.
  void apply_guards();
  WaitGraph& wait_graph() { return wait_graph_; }
  DeadlockWatch& deadlocks() { return deadlocks_; }
  // Before start(), from main; null: no console.
  void set_admin(AdminHook* admin) { admin_ = admin; }
  AdminHook* admin() const { return admin_; }
  // What servers told about (database, user, login settings): ParameterStatus values, and the search path.
  struct Welcome {
    std::vector<std::pair<std::string, std::string>> params;
    std::string search_path;
  };
  std::shared_ptr<const Welcome> welcome(const std::string& key) const;
  std::shared_ptr<const Welcome> keep_welcome(const std::string& key, Welcome welcome);
  // The shared listener of a database; made when first asked for.
  ListenerHub& listener(const std::string& database);
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  std::atomic<std::int64_t>& clients() { return clients_; }
  AccessControl& access() { return access_; }
  const std::string& name() const { return name_; }
  std::uint16_t port() const { return port_; }
  SteadyTime started() const { return started_; }

  // Runs `call` on every worker's thread and returns when all have run. Not from a worker's thread.
  void on_each_worker(const std::function<void(Worker&)>& call);
  // The same, but does not wait longer than `patience`: returns those that have not run it yet. They will, and `call`
  // must own what it uses.
  std::vector<std::size_t> on_each_worker(std::function<void(Worker&)> call, Duration patience);

  Takeover& takeover() { return takeover_; }
  // Thread-safe. The listening sockets stay open meanwhile.
  void stop_accepting();
  void start_accepting();
  // Client connections of all kinds, logged in or not.
  std::uint64_t sessions() const;

 private:
  void publish(config::ConfigPtr next);
  void follow_roles(const std::string& database);
  void on_io(std::uint32_t events) override;
  void accept_from(int listener);
  void turn_away(int listener);
  Result<void> listen_unix();

  // Accepts from the unix socket, on worker 0.
  struct UnixDoor final : net::IoHandler {
    UnixDoor(Proxy& proxy_, std::unique_ptr<net::UnixListener> listener_) : proxy(proxy_), listener(std::move(listener_)) {}
    void on_io(std::uint32_t) override { proxy.accept_from(listener->fd()); }
    Proxy& proxy;
    std::unique_ptr<net::UnixListener> listener;
  };

  mutable std::mutex mutex_;
  config::ConfigPtr config_;  // guarded by mutex_
  DeadlockWatch deadlocks_{*this};  // outlives control_, which calls it
  std::unique_ptr<control::Control> control_;
  AdminHook* admin_ = nullptr;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::string, std::shared_ptr<const Welcome>> welcomes_;  // guarded by mutex_
  ServerCaps caps_;
  std::map<std::string, std::shared_ptr<Budget>> budgets_;  // guarded by mutex_
  ClientCounts client_counts_;
  Guards guards_;
  WaitGraph wait_graph_;
  std::map<std::string, std::unique_ptr<ListenerHub>> listeners_;  // guarded by mutex_
  std::atomic<std::int64_t> clients_{0};
  std::atomic<bool> draining_{false};
  AccessControl access_;
  std::atomic<Ending> ending_{Ending::kDrain};
  std::mutex reload_mutex_;  // one configuration at a time
  std::string name_;
  int listen_fd_ = -1;
  std::unique_ptr<UnixDoor> unix_door_;
  int reserve_fd_ = -1;  // given up for a moment when descriptors run out, so that a client can be told
  std::uint16_t port_ = 0;
  std::size_t next_worker_ = 0;
  std::uint64_t turned_away_ = 0;  // since it was last logged
  SteadyTime turned_away_logged_;
  SteadyTime started_;
  Takeover takeover_{*this};
};

}  // namespace howdah::proxy
