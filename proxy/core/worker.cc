#include "proxy/core/worker.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "drivers/net/socket.h"
#include "drivers/net/thread_signals.h"
#include "proxy/core/access_control.h"
#include "proxy/core/cancel.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/session_state.h"

namespace howdah::proxy {

namespace {

// In every client's number, and in no server process's: whoever is notified tells the two apart.
constexpr std::uint32_t kNoProcess = 0x40000000;
static_assert(kMaxWorkers <= 64);
constexpr auto kHousekeeping = std::chrono::seconds(1);

// An address that does not resolve stays as it is: connecting to it then says so.
std::string resolved(const std::string& host) {
  auto address = net::resolve(host);
  return address ? *address : host;
}

const config::Server* server_at(const config::Database& database, ServerId id) {
  for (const auto& shard : database.shards) {
    if (shard.primary.id == id) return &shard.primary;
    for (const auto& replica : shard.replicas) {
      if (replica.id == id) return &replica;
    }
  }
  return nullptr;
}

std::string pool_key(std::string_view database, std::string_view user) {
  std::string key(database);
  key.append(1, '\0').append(user);
  return key;
}

}  // namespace

Worker::Worker(Proxy& proxy, std::size_t index, config::ConfigPtr config)
    : rules(proxy.guards().rules()), proxy_(proxy), index_(index), config_(std::move(config)), housekeeping_(*this) {
  for (const auto& [name, database] : config_->databases) {
    databases_.emplace(name, std::make_unique<DatabaseView>(database, proxy_.control().database(name)));
  }
}

Worker::~Worker() = default;

void Worker::clear() {
  run();
  const auto sessions = std::exchange(all_sessions_, {});
  by_pid_.clear();
  for (Session* session : sessions) delete session;
  cancels_.clear();
  dead_pools_.clear();
  pools_.clear();
  dead_conns_.clear();
}

std::size_t Worker::count() const { return proxy_.worker_count(); }

void Worker::start() {
  thread_ = std::thread([this] {
    net::block_signals();
    reactor_.refresh_now();
    housekeeping_.arm(reactor_, reactor_.now() + kHousekeeping);
    reactor_.run();
  });
}

void Worker::stop() { reactor_.stop(); }

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::post_to(std::size_t worker, std::function<void()> call) {
  proxy_.worker(worker).reactor().post(std::move(call));
}

void Worker::adopt_client(int fd, std::string peer) {
  WorkerCounters::add(counters.clients_accepted);
  auto* session = new Session(*this, fd, std::move(peer));
  all_sessions_.insert(session);
  if (handover_ != 0) session->hand_over();
  session->start();
}

bool Worker::adopt_session(int fd, const SessionState& state) {
  WorkerCounters::add(counters.clients_accepted);
  auto session = std::make_unique<Session>(*this, fd, state.peer);
  if (draining_ || !session->restore(state)) {
    WorkerCounters::add(counters.clients_closed);
    return false;
  }
  all_sessions_.insert(session.release());
  return true;
}

void Worker::begin_handover(std::uint32_t handover) {
  handover_ = handover;
  const auto sessions = all_sessions_;
  for (Session* session : sessions) session->hand_over();
}

void Worker::end_handover() {
  handover_ = 0;
  const auto sessions = all_sessions_;
  for (Session* session : sessions) session->keep();
}

void Worker::on_timer() {
  const SteadyTime now = reactor_.now();
  drop_removed();
  for (auto& [key, pools] : pools_) {
    for (auto& pool : pools->by_server) {
      pool->sweep(now, draining_ || handover_ != 0);
      if (!draining_ && handover_ == 0) pool->fill();
    }
  }
  spans.look(now, proxy_.deadlocks());
  if (cancels_.empty() && dead_conns_.empty()) dead_pools_.clear();
  housekeeping_.arm(reactor_, now + kHousekeeping);
}

// Destroys what was given up while its own code was still on the stack.
void Worker::run() {
  std::vector<std::shared_ptr<ServerConn>> conns;
  conns.swap(dead_conns_);
  std::vector<Session*> sessions;
  sessions.swap(dead_sessions_);
  for (Session* session : sessions) {
    remove_session(*session);
    delete session;
  }
  std::vector<HandOver> hand_overs;
  hand_overs.swap(hand_overs_);
  for (auto& [worker, conn, budget] : hand_overs) {
    if (conn->lost()) {
      give_back(*budget);
      continue;
    }
    conn->detach();
    post_to(worker, [budget = std::move(budget), worker = worker, conn = std::move(conn)] {
      Pool* pool = budget->pools[worker].load();
      if (pool != nullptr) {
        pool->adopt(conn);
      } else {
        budget->caps.give_back(*budget);
      }
    });
  }
}

void Worker::hand_over(std::size_t worker, std::shared_ptr<ServerConn> conn, std::shared_ptr<Budget> budget) {
  hand_overs_.push_back({worker, std::move(conn), std::move(budget)});
  reactor_.enqueue(*this);
}

void Worker::bury(std::shared_ptr<ServerConn> conn) {
  dead_conns_.push_back(std::move(conn));
  reactor_.enqueue(*this);
}

void Worker::bury(std::unique_ptr<Pool> pool) { dead_pools_.push_back(std::move(pool)); }

void Worker::bury(Session& session) {
  dead_sessions_.push_back(&session);
  reactor_.enqueue(*this);
}

std::int32_t Worker::add_session(Session& session) {
  // The worker's number is in the key's upper bits, so that any worker can find the client of a cancel request.
  // The three bits below differ between a process and the one that takes over from it: sessions keep their ids there.
  const std::uint32_t generation = proxy_.takeover().generation() << 21;
  std::int32_t pid;
  do {
    next_pid_ = (next_pid_ + 1) & 0x1fffff;
    pid = static_cast<std::int32_t>(kNoProcess | (index_ << 24) | generation | next_pid_);
  } while (next_pid_ == 0 || by_pid_.contains(pid));
  by_pid_.emplace(pid, &session);
  return pid;
}

bool Worker::add_session(Session& session, std::int32_t pid) { return by_pid_.emplace(pid, &session).second; }

void Worker::remove_session(Session& session) {
  WorkerCounters::add(counters.clients_closed);
  all_sessions_.erase(&session);
  spans.remove(session);
  if (session.logged_in()) WorkerCounters::add(counters.clients, std::int64_t{-1});
  if (session.counted()) proxy_.clients().fetch_sub(1);
  if (session.pid() != 0) by_pid_.erase(session.pid());
}

void Worker::route_cancel(std::int32_t pid, const std::string& key, Takeover::Origin from) {
  // A process with more workers may have handed the session over.
  const auto worker = worker_of(pid) % count();
  post_to(worker, [&target = proxy_.worker(worker), pid, key, from] { target.cancel(pid, key, from); });
}

void Worker::cancel(std::int32_t pid, const std::string& key, Takeover::Origin from) {
  Session* session = find_session(pid);
  if (session == nullptr) return proxy_.takeover().forward_cancel(pid, key, from);
  if (key.size() != session->cancel_key().size() ||
      CRYPTO_memcmp(key.data(), session->cancel_key().data(), key.size()) != 0) {
    return;
  }
  session->on_cancel();
}

void Worker::send_cancel(ServerConn& conn) {
  if (conn.lost() || conn.backend_key.empty()) return;
  // One at a time: however many ask, the server hears of one, and of the next when that is over.
  if (conn.cancels_in_flight > 0) {
    conn.cancel_again = true;
    return;
  }
  const auto& owned = conn.pool().connections();
  const auto at = std::find_if(owned.begin(), owned.end(), [&](const auto& c) { return c.get() == &conn; });
  if (at == owned.end()) return;
  conn.cancel_again = false;
  auto request = std::make_unique<CancelRequest>(*this, *at);
  if (request->start()) cancels_.push_back(std::move(request));
}

void Worker::end_cancel(CancelRequest& request) {
  const auto at = std::find_if(cancels_.begin(), cancels_.end(), [&](const auto& c) { return c.get() == &request; });
  if (at == cancels_.end()) return;
  const std::shared_ptr<ServerConn> target = request.target();
  cancels_.erase(at);
  // Still the same client's, and still at work.
  const bool again = std::exchange(target->cancel_again, false);
  if (again && target->state() == ServerConn::State::kLinked && target->link.owed > 0 && !target->awaits_cancel) {
    send_cancel(*target);
  }
}

void Worker::give_back(Budget& budget) {
  if (auto next = budget.caps.give_back(budget)) post_to_hungriest(std::move(next), false);
}

void Worker::post_to_hungriest(std::shared_ptr<Budget> budget, bool in_place) {
  std::size_t hungriest = index_;
  std::int64_t since = INT64_MAX;
  for (std::size_t i = 0; i < count(); ++i) {
    const auto theirs = budget->oldest_wait[i].load(std::memory_order_relaxed);
    if (theirs == 0 || theirs >= since) continue;
    hungriest = i;
    since = theirs;
  }
  post_to(hungriest, [&worker = proxy_.worker(hungriest), budget = std::move(budget), in_place] {
    Pool* pool = budget->pools[worker.index()].load();
    if (pool != nullptr && in_place) return pool->start_in_place();
    if (pool != nullptr) return pool->retry();
    if (in_place) worker.give_back(*budget);  // its clients have all left
  });
}

void Worker::ask_rivals(const Budget& budget) {
  for (auto& rival : budget.caps.rivals(budget)) {
    for (std::size_t i = 0; i < count(); ++i) {
      if (rival->pools[i].load() == nullptr) continue;
      post_to(i, [rival, i] {
        if (Pool* pool = rival->pools[i].load()) pool->yield_idle();
      });
    }
  }
}

void Worker::refresh_map(const std::string& database) {
  if (!refreshing_.insert(database).second) return;
  proxy_.control().refresh_map(database, [this, database](Result<Epoch>) {
    reactor_.post([this, database] {
      refreshing_.erase(database);
      if (DatabaseView* view = this->database(database)) view->refresh();
    });
  });
}

std::uint64_t Worker::intern_scope(const std::string& key) {
  // Scopes of old catalog versions are never asked for again.
  if (scopes_.size() > 10'000) scopes_.clear();
  auto [at, added] = scopes_.try_emplace(key, next_scope_);
  if (added) ++next_scope_;
  return at->second;
}

SettingsPtr Worker::intern_settings(const SettingsPtr& settings) {
  if (settings->empty()) return Settings::none();
  for (const auto& known : login_settings_) {
    if (known->same(*settings)) return known;
  }
  if (login_settings_.size() >= 256) login_settings_.erase(login_settings_.begin());
  login_settings_.push_back(settings);
  return settings;
}

DatabaseView* Worker::database(std::string_view name) {
  const auto found = databases_.find(name);
  return found == databases_.end() ? nullptr : found->second.get();
}

UserPools* Worker::pools_for(const config::Database& database, const config::User& user) {
  auto& pools = pools_[pool_key(database.name, user.name)];
  if (!pools) pools = make_pools(database, user);
  return pools.get();
}

std::unique_ptr<UserPools> Worker::make_pools(const config::Database& database, const config::User& user) {
  auto pools = std::make_unique<UserPools>();
  pools->database = this->database(database.name);
  const AccessPtr access = proxy_.access().current();
  pools->limits = config::effective(*config_, database, user);
  const auto add = [&](const config::Server& server, std::size_t shard, bool replica) {
    ServerTarget target;
    target.host = resolved(server.host);
    target.port = server.port;
    target.database_name = database.name;
    target.database = server.dbname.empty() ? database.name : server.dbname;
    target.user = user.name;
    target.password = server_secret(user);
    target.tls = tls_target(*access, server);
    target.server = ServerId(static_cast<std::uint16_t>(pools->by_server.size()));
    target.shard = ShardId(static_cast<std::uint16_t>(shard));
    target.replica = replica;
    target.cluster = config_->cluster;
    target.shard_name = database.shards[shard].name;
    target.proxy_name = proxy_.name();
    target.stamp = database.shards.size() > 1;
    target.proves_role = !database.shards[shard].replicas.empty() && !database.control.user.empty();
    target.patience = database.failover_wait;
    target.connect_timeout = config_->pool.connect_timeout;
    target.idle_timeout = config_->pool.idle_timeout;
    target.lifetime = config_->pool.lifetime;
    target.reserve_timeout = config_->pool.reserve_timeout;
    auto budget = proxy_.budget(database.name, user.name, target, pools->limits);
    const ServerId id = target.server;
    pools->by_server.push_back(std::make_unique<Pool>(*this, std::move(target), std::move(budget)));
    pools->by_server.back()->prepared_limit = config_->pool.prepared_statements;
    pools->by_server.back()->view = pools->database;
    pools->by_server.back()->queue.set_limit(config_->pool.queue_time);
    watch_breaker(*pools->by_server.back(), database, server);
    if (pools->database->paused) pools->by_server.back()->pause();
    return id;
  };
  for (std::size_t shard = 0; shard < database.shards.size(); ++shard) {
    pools->primaries.push_back(add(database.shards[shard].primary, shard, false));
    auto& replicas = pools->replicas.emplace_back();
    for (const auto& replica : database.shards[shard].replicas) replicas.push_back(add(replica, shard, true));
  }
  follow_roles(*pools);
  return pools;
}

void Worker::apply_databases() {
  for (auto& [name, view] : databases_) {
    if (const auto found = config_->databases.find(name); found != config_->databases.end()) {
      view->set_config(found->second);
    } else if (!view->removed) {
      view->removed = true;
      for (const auto& [pid, session] : by_pid_) {
        if (session->pools() != nullptr && session->pools()->database == view.get()) session->drain();
      }
    }
  }
  for (const auto& [name, database] : config_->databases) {
    auto& view = databases_[name];
    if (!view) view = std::make_unique<DatabaseView>(database, proxy_.control().database(name));
  }
}

// Databases that left the configuration, once their last client is gone.
void Worker::drop_removed() {
  for (auto at = databases_.begin(); at != databases_.end();) {
    const DatabaseView* view = at->second.get();
    const auto uses = [view](const auto& entry) {
      return entry.second->pools() != nullptr && entry.second->pools()->database == view;
    };
    // A cancel on its way refers to its pool.
    if (!view->removed || !cancels_.empty() || std::any_of(by_pid_.begin(), by_pid_.end(), uses)) {
      ++at;
      continue;
    }
    std::erase_if(pools_, [view](const auto& entry) { return entry.second->database == view; });
    at = databases_.erase(at);
  }
}

void Worker::watch_breaker(Pool& pool, const config::Database& database, const config::Server& server) {
  pool.breaker = proxy_.guards().breaker(database, server);
  if (pool.breaker != nullptr) late_watch_.arm();
}

bool Worker::may_repeat() {
  const auto& limits = config_->limits;
  return retries.take(reactor_.now(), counters.statements.load(std::memory_order_relaxed), limits.retry_percentage, limits.retry_minimum);
}

void Worker::apply_config(config::ConfigPtr config) {
  rules = proxy_.guards().rules();
  const config::ConfigPtr before = std::exchange(config_, std::move(config));
  for (auto& [name, view] : databases_) {
    if (!view->removed && !config_->databases.contains(name)) view->keep_config(before);
  }
  apply_databases();
  const AccessPtr access = proxy_.access().current();
  for (auto& [key, pools] : pools_) {
    const std::string user_name = key.substr(key.find('\0') + 1);
    const config::User* user = config_->user(user_name);
    const config::Database& database = pools->database->config();
    if (user != nullptr) pools->limits = config::effective(*config_, database, *user);
    for (auto& pool : pools->by_server) {
      ServerTarget target = pool->target();
      if (const auto* server = server_at(pools->database->config(), target.server)) target.tls = tls_target(*access, *server);
      target.connect_timeout = config_->pool.connect_timeout;
      target.idle_timeout = config_->pool.idle_timeout;
      target.lifetime = config_->pool.lifetime;
      target.reserve_timeout = config_->pool.reserve_timeout;
      target.patience = database.failover_wait;
      if (user != nullptr) {
        target.password = server_secret(*user);
        proxy_.set_limits(pool->budget(), database.name, user_name, target, pools->limits);
      }
      pool->reconfigure(target);
      pool->prepared_limit = config_->pool.prepared_statements;
      pool->queue.set_limit(config_->pool.queue_time);
      if (const auto* server = server_at(database, target.server)) watch_breaker(*pool, database, *server);
    }
  }
  for (Session* session : all_sessions_) session->apply_limits();
}

void Worker::begin_drain() {
  draining_ = true;
  for (auto& [key, pools] : pools_) {
    for (auto& pool : pools->by_server) pool->resume();  // whoever waits at a pause gets its answer first
  }
  const auto sessions = all_sessions_;
  for (Session* session : sessions) session->drain();
}

}  // namespace howdah::proxy
