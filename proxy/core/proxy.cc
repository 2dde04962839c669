#include "proxy/core/proxy.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <set>
#include <thread>

#include "drivers/net/socket.h"
#include "proxy/config/change.h"
#include "proxy/config/restart.h"
#include "proxy/core/errors.h"
#include "proxy/control/control_params.h"
#include "proxy/control/database_control.h"

namespace howdah::proxy {

namespace {

constexpr int kAcceptsPerTurn = 8;

std::string random_hex(std::size_t bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string raw(bytes, '\0'), out;
  RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes));
  for (const unsigned char c : raw) {
    out += digits[c >> 4];
    out += digits[c & 15];
  }
  return out;
}

// Descriptors for as many clients as configured, their server connections and some to spare.
Result<void> raise_descriptor_limit(std::uint32_t clients) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = clients + 2000;
  if (limit.rlim_cur >= wanted) return {};
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) {
    limit.rlim_max = wanted;  // works for root
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
    return make_error(ErrorCode::kConfig,
                      "limits.clients is " + std::to_string(clients) + ", more than this process may have descriptors for",
                      "raise the hard limit (ulimit -n " + std::to_string(wanted) + "), or lower limits.clients");
  }
  limit.rlim_cur = wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return make_error(ErrorCode::kConfig, std::string("cannot raise the descriptor limit: ") + std::strerror(errno));
  }
  return {};
}

}  // namespace

Proxy::Proxy(config::ConfigPtr config)
    : config_(std::move(config)), name_("howdah-" + random_hex(4)),
      started_(std::chrono::steady_clock::now()) {
  guards_.configure(*config_);
}

Proxy::~Proxy() { stop(); }

config::ConfigPtr Proxy::config() const {
  std::lock_guard lock(mutex_);
  return config_;
}

Result<void> Proxy::start() {
  if (auto raised = raise_descriptor_limit(config_->limits.clients); !raised) return raised;
  access_.set_primaries([this](const std::string& database) -> std::optional<config::Server> {
    const auto running = config();
    const auto found = running->databases.find(database);
    const auto state = control_ == nullptr ? nullptr : control_->database(database);
    if (found == running->databases.end() || !state) return std::nullopt;
    return control::acting_server(state->roles(), found->second, found->second.shards.front());
  });
  if (auto applied = access_.apply(*config_); !applied) return applied;
  control_ = std::make_unique<control::Control>(config_);
  if (auto ready = control_->start(); !ready) return ready;
  // Last: whoever reaches the port is served.
  const std::string name = "tcp " + config_->listen.address + ":" + std::to_string(config_->listen.port);
  listen_fd_ = takeover_.inherited(name);
  if (listen_fd_ < 0) {
    auto fd = net::listen_tcp(config_->listen.address, config_->listen.port, config_->listen.backlog);
    if (!fd) return fd.error();
    listen_fd_ = *fd;
  }
  takeover_.offer_listener(name, listen_fd_);
  port_ = net::local_port(listen_fd_);
  if (auto listening = listen_unix(); !listening) return listening;
  reserve_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::size_t workers = config_->workers;
  if (workers == 0) workers = std::max(1u, std::thread::hardware_concurrency());
  workers = std::min(workers, kMaxWorkers);
  // All exist before any runs: they look each other up by number.
  for (std::size_t i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>(*this, i, config_));
  workers_[0]->reactor().add_level_triggered(listen_fd_, *this, EPOLLIN);
  if (unix_door_) workers_[0]->reactor().add_level_triggered(unix_door_->listener->fd(), *unix_door_, EPOLLIN);
  for (auto& worker : workers_) worker->start();
  for (const auto& [database, settings] : config_->databases) follow_roles(database);
  spdlog::info("listening address={} port={} workers={} databases={}", config_->listen.address, port_, workers,
               config_->databases.size());
  return {};
}

Result<void> Proxy::listen_unix() {
  const config::UnixSocket& socket = config_->listen.unix_socket;
  if (socket.directory.empty()) return {};
  const std::string name = "unix " + socket.directory;
  const int inherited = takeover_.inherited(name);
  auto listener = inherited >= 0 ? net::UnixListener::adopt(inherited, socket.directory, config_->listen.port)
                                 : net::UnixListener::open({.directory = socket.directory, .port = config_->listen.port, .mode = socket.mode,
                                           .group = socket.group, .backlog = config_->listen.backlog});
  if (!listener) return listener.error();
  unix_door_ = std::make_unique<UnixDoor>(*this, std::move(*listener));
  takeover_.offer_listener(name, unix_door_->listener->fd());
  return {};
}

void Proxy::on_io(std::uint32_t) { accept_from(listen_fd_); }

// On worker 0: clients are dealt out in turn. A few at a time, so that a storm of logins does not hold up what runs.
void Proxy::accept_from(int listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE) turn_away(listener);
      return;
    }
    if (draining_.load()) {
      close(fd);
      continue;
    }
    const std::size_t index = next_worker_++ % workers_.size();
    Worker& worker = *workers_[index];
    auto peer = net::peer_name(fd);
    if (index == 0) {
      worker.adopt_client(fd, std::move(peer));
    } else {
      worker.reactor().post([&worker, fd, peer = std::move(peer)] { worker.adopt_client(fd, peer); });
    }
  }
}

namespace {

// The limits that a pool shares with others, by name: of the server, of the user there, of the database there.
ServerCaps::Names shared_names(const std::string& database, const std::string& user, const ServerTarget& target) {
  const std::string at = "@" + target.describe();
  return {at, "user " + user + at, "database " + database + at};
}

}  // namespace

std::shared_ptr<Budget> Proxy::budget(const std::string& database, const std::string& user, const ServerTarget& target,
                                      const config::Effective& limits) {
  std::lock_guard lock(mutex_);
  auto& budget = budgets_[database + '\0' + user + '\0' + std::to_string(target.server.value())];
  if (!budget) {
    budget = std::make_shared<Budget>(caps_, limits.pool_size);
    caps_.join(budget, shared_names(database, user, target));
  }
  set_limits(*budget, database, user, target, limits);
  return budget;
}

void Proxy::set_limits(Budget& budget, const std::string& database, const std::string& user, const ServerTarget& target,
                       const config::Effective& limits) {
  budget.limit.store(limits.pool_size);
  budget.reserve.store(limits.reserve_pool_size);
  budget.minimum.store(limits.min_pool_size);
  const auto names = shared_names(database, user, target);
  caps_.set_limit(names[0], limits.server_connections);
  caps_.set_limit(names[1], limits.user_server_connections);
  caps_.set_limit(names[2], limits.database_server_connections);
}

// Out of descriptors: without one the client could not even be told, and the queue would stay full.
void Proxy::turn_away(int listener) {
  ::close(reserve_fd_);
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    std::string message;
    append_error_response(message, make_error(ErrorCode::kTooManyClients, "sorry, too many clients already",
                                              "raise the proxy's descriptor limit (ulimit -n)"), "FATAL");
    [[maybe_unused]] const auto sent = ::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
    // What the client sent is read, else closing would be a reset, and take the message along.
    char unread[4096];
    ::shutdown(fd, SHUT_WR);
    while (::recv(fd, unread, sizeof unread, 0) > 0) {
    }
    ::close(fd);
  }
  reserve_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ++turned_away_;
  const auto now = std::chrono::steady_clock::now();
  if (now - turned_away_logged_ < std::chrono::seconds(1)) return;
  turned_away_logged_ = now;
  spdlog::error("out of file descriptors: clients turned away count={}", std::exchange(turned_away_, 0));
}

std::shared_ptr<const Proxy::Welcome> Proxy::welcome(const std::string& key) const {
  std::lock_guard lock(mutex_);
  const auto found = welcomes_.find(key);
  return found == welcomes_.end() ? nullptr : found->second;
}

std::shared_ptr<const Proxy::Welcome> Proxy::keep_welcome(const std::string& key, Welcome welcome) {
  std::lock_guard lock(mutex_);
  if (welcomes_.size() > 10'000) welcomes_.clear();
  return welcomes_[key] = std::make_shared<const Welcome>(std::move(welcome));
}

ListenerHub& Proxy::listener(const std::string& database) {
  std::lock_guard lock(mutex_);
  auto& hub = listeners_[database];
  if (hub) return *hub;
  const auto post = [this](std::size_t worker, std::function<void(Listeners&)> call) {
    Worker& target = *workers_[worker];
    target.reactor().post([&target, call = std::move(call)] { call(target.listeners); });
  };
  ListenerHub::Callbacks callbacks;
  callbacks.params = [this, database]() -> pq::ConnectParams {
    const auto running = config();
    const auto found = running->databases.find(database);
    if (found == running->databases.end()) return {};
    const auto state = control_->database(database);
    auto params = control::control_params(found->second, control::acting_server(state ? state->roles() : nullptr, found->second, found->second.shards[0]), {});
    for (auto& [name, value] : params) {
      if (name == "application_name") value = "howdah listener";
    }
    params.insert(params.end(), {{"keepalives_idle", "10"}, {"keepalives_interval", "5"}, {"keepalives_count", "3"}});
    return params;
  };
  callbacks.answer = [post](std::size_t worker, std::uint64_t id, const Error* error) {
    post(worker, [id, error = error == nullptr ? std::nullopt : std::optional<Error>(*error)](Listeners& listeners) {
      listeners.answered(id, error ? &*error : nullptr);
    });
  };
  callbacks.deliver = [post, database](std::size_t worker, const pq::Notification& notification) {
    post(worker, [database, notification](Listeners& listeners) { listeners.deliver(database, notification); });
  };
  callbacks.gap = [post, database](std::size_t worker, const std::string& channel) {
    post(worker, [database, channel](Listeners& listeners) { listeners.gap(database, channel); });
  };
  hub = std::make_unique<ListenerHub>(database, std::move(callbacks));
  return *hub;
}

// Workers hear of every change from here on, and of those that came before.
void Proxy::follow_roles(const std::string& database) {
  const auto state = control_->database(database);
  if (!state || state->roles() == nullptr) return;
  const auto tell = [this, database] {
    for (auto& worker : workers_) worker->reactor().post([&target = *worker, database] { target.apply_roles(database); });
    std::lock_guard lock(mutex_);
    if (const auto hub = listeners_.find(database); hub != listeners_.end()) hub->second->look_again();
  };
  state->roles()->set_listener(tell);
  tell();
}

void Proxy::on_each_worker(const std::function<void(Worker&)>& call) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t left = workers_.size();
  for (auto& worker : workers_) {
    worker->reactor().post([&, target = worker.get()] {
      call(*target);
      std::lock_guard lock(mutex);
      --left;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return left == 0; });
}

std::vector<std::size_t> Proxy::on_each_worker(std::function<void(Worker&)> call, Duration patience) {
  struct Shared {
    std::function<void(Worker&)> call;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<bool> done;
    std::size_t left = 0;
  };
  auto shared = std::make_shared<Shared>();
  shared->call = std::move(call);
  shared->left = workers_.size();
  shared->done.resize(workers_.size());
  for (auto& worker : workers_) {
    worker->reactor().post([shared, target = worker.get()] {
      shared->call(*target);
      std::lock_guard lock(shared->mutex);
      shared->done[target->index()] = true;
      --shared->left;
      shared->changed.notify_one();
    });
  }
  std::unique_lock lock(shared->mutex);
  shared->changed.wait_for(lock, patience, [&] { return shared->left == 0; });
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < shared->done.size(); ++i) {
    if (!shared->done[i]) missing.push_back(i);
  }
  return missing;
}

void Proxy::stop_accepting() {
  workers_[0]->reactor().post([this] {
    workers_[0]->reactor().remove(listen_fd_, *this);
    if (unix_door_) workers_[0]->reactor().remove(unix_door_->listener->fd(), *unix_door_);
  });
}

void Proxy::start_accepting() {
  workers_[0]->reactor().post([this] {
    workers_[0]->reactor().add_level_triggered(listen_fd_, *this, EPOLLIN);
    if (!unix_door_) return;
    // The lock file names the process that had the socket meanwhile.
    const std::string directory = config()->listen.unix_socket.directory;
    const int copy = fcntl(unix_door_->listener->fd(), F_DUPFD_CLOEXEC, 0);
    auto again = net::UnixListener::adopt(copy, directory, port_);
    if (again) {
      unix_door_->listener->leave_files();
      unix_door_->listener = std::move(*again);
      takeover_.offer_listener("unix " + directory, unix_door_->listener->fd());
    }
    workers_[0]->reactor().add_level_triggered(unix_door_->listener->fd(), *unix_door_, EPOLLIN);
  });
}

std::uint64_t Proxy::sessions() const {
  std::uint64_t open = 0;
  for (const auto& worker : workers_) {
    // Closed first: a session counted as closed was counted as accepted.
    const auto closed = worker->counters.clients_closed.load();
    open += worker->counters.clients_accepted.load() - closed;
  }
  return open;
}

void Proxy::publish(config::ConfigPtr next) {
  {
    std::lock_guard lock(mutex_);
    config_ = next;
    welcomes_.clear();
  }
  spdlog::set_level(spdlog::level::from_str(next->logging.level));
  guards_.configure(*next);
  on_each_worker([next](Worker& worker) { worker.apply_config(next); });
}

void Proxy::apply_guards() {
  on_each_worker([rules = guards_.rules()](Worker& worker) { worker.rules = rules; });
}

Result<void> Proxy::change_setting(const std::string& key, const std::string& value) {
  std::lock_guard one_at_a_time(reload_mutex_);
  auto changed = config::change_setting(*config(), key, value);
  if (!changed) return changed.error();
  publish(std::move(*changed));
  return {};
}

namespace {

// Databases that `one` has and `other` has not.
std::vector<std::string> only_in(const config::Config& one, const config::Config& other) {
  std::vector<std::string> names;
  for (const auto& [name, database] : one.databases) {
    if (!other.databases.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace

std::vector<std::string> Proxy::reload() {
  std::lock_guard one_at_a_time(reload_mutex_);
  const auto running = config();
  auto loaded = config::load_file(running->path);
  std::vector<std::string> said;
  if (!loaded.config) {
    for (const auto& fault : loaded.faults) said.push_back(fault.to_string());
    spdlog::error("reload refused: the configuration has {} faults; the running one stays in force", said.size());
    for (const auto& line : said) spdlog::error("{}", line);
    return said;
  }
  std::vector<std::string> restart;
  if (config::needs_restart(*running, *loaded.config, restart)) {
    for (const auto& key : restart) said.push_back(key + " changed: takes effect after a restart");
    for (const auto& line : said) spdlog::warn("reload: {}", line);
    if (!restart.empty()) return said;
  }
  const auto added = only_in(*loaded.config, *running);
  std::set<std::string> draining;
  std::mutex draining_mutex;
  on_each_worker([&](Worker& worker) {
    std::lock_guard lock(draining_mutex);
    for (const auto& name : added) {
      if (worker.databases().contains(name)) draining.insert(name);
    }
  });
  for (const auto& name : draining) {
    said.push_back("databases." + name + " was taken out a moment ago and still has clients: repeat it when they have gone");
  }
  if (!said.empty()) return said;
  for (std::size_t i = 0; i < added.size(); ++i) {
    auto begun = control_->add(loaded.config, added[i]);
    if (begun) continue;
    said.push_back("databases." + added[i] + ": " + begun.error().message);
    spdlog::error("reload refused: {}", said.back());
    for (std::size_t j = 0; j < i; ++j) control_->remove(added[j]);
    return said;
  }
  if (auto applied = access_.apply(*loaded.config); !applied) {
    said.push_back(running->path + ": " + applied.error().message);
    spdlog::error("reload refused: {}; the running configuration stays in force", applied.error().message);
    for (const auto& name : added) control_->remove(name);
    return said;
  }
  publish(loaded.config);
  for (const auto& name : added) follow_roles(name);
  for (const auto& name : only_in(*running, *loaded.config)) control_->remove(name);
  for (const auto& [name, database] : loaded.config->databases) {
    const auto state = control_->database(name);
    const auto catalog = state == nullptr ? nullptr : state->snapshot()->catalog;
    if (catalog != nullptr) control::warn_unknown_functions(database, *catalog);
  }
  spdlog::info("configuration reloaded path={}", running->path);
  return said;
}

void Proxy::drain(Duration limit, const std::function<bool()>& given_up) {
  if (draining_.exchange(true)) return;
  spdlog::info("draining clients={}", clients_.load());
  on_each_worker([](Worker& worker) { worker.begin_drain(); });
  const auto began = std::chrono::steady_clock::now();
  while (clients_.load() > 0 && !given_up()) {
    if (limit > Duration::zero() && std::chrono::steady_clock::now() - began >= limit) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void Proxy::await_clients(const std::function<bool()>& given_up) {
  draining_.store(true);
  stop_accepting();
  while (clients_.load() > 0 && !given_up()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

void Proxy::stop() {
  takeover_.stop();
  if (control_) control_->stop();
  access_.stop();
  for (auto& [name, hub] : listeners_) hub->stop();
  for (auto& worker : workers_) worker->stop();
  for (auto& worker : workers_) worker->join();
  // Workers refer to each other: none goes before all have ended.
  for (auto& worker : workers_) worker->clear();
  workers_.clear();
  unix_door_.reset();
  listeners_.clear();
  control_.reset();
  if (listen_fd_ >= 0) close(listen_fd_);
  if (reserve_fd_ >= 0) close(reserve_fd_);
  listen_fd_ = reserve_fd_ = -1;
}

}  // namespace howdah::proxy
