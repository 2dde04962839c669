#include "proxy/core/user_lookup.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <cstdlib>

#include "drivers/net/thread_signals.h"
#include "proxy/control/control_params.h"

namespace howdah::proxy {

namespace {

constexpr std::size_t kMostFound = 100'000;
constexpr std::size_t kMostMissing = 10'000;
constexpr std::size_t kMostWaiting = 10'000;  // names; beyond, a client is told to come back
constexpr auto kFresh = std::chrono::seconds(2);

SteadyTime now() { return std::chrono::steady_clock::now(); }

Error unavailable(std::string why) {
  return make_error(ErrorCode::kServerUnavailable, "could not look up the user on the server", {}, std::move(why));
}

// Nothing a client, the role's or the database's defaults say may change what the query means.
pq::ConnectParams params_of(const config::AuthQuery& settings, const config::Server& server) {
  auto params = control::server_params(server);
  params.insert(params.end(),
                {{"dbname", settings.dbname.empty() ? server.dbname : settings.dbname},
                 {"user", settings.user},
                 {"password", settings.password},
                 {"application_name", "howdah auth_query"},
                 {"client_encoding", "UTF8"},
                 {"options", "-c search_path=pg_catalog,pg_temp -c DateStyle=ISO -c extra_float_digits=1 -c jit=off -c "
                             "idle_session_timeout=0 -c idle_in_transaction_session_timeout=0 -c statement_timeout=" +
                                 std::to_string(settings.timeout.count())}});
  return params;
}

// Seconds since 1970; a date past all bounds never comes.
std::int64_t expiry_of(const std::string& text) {
  const double value = std::strtod(text.c_str(), nullptr);
  if (std::isnan(value) || value >= 9e18) return INT64_MAX;
  return value <= -9e18 ? INT64_MIN : static_cast<std::int64_t>(std::floor(value));
}

}  // namespace

UserLookup::UserLookup(config::AuthQuery settings, config::Server server, Complete complete, Where where)
    : settings_(std::move(settings)), server_(std::move(server)), complete_(std::move(complete)), where_(std::move(where)), connected_to_(server_),
      cache_(kMostFound, kMostMissing) {
  thread_ = std::thread([this] {
    net::block_signals();
    pthread_setname_np(pthread_self(), "auth_query");
    run();
  });
}

UserLookup::~UserLookup() { stop(); }

void UserLookup::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  stop_.request();
  changed_.notify_one();
  thread_.join();
}

void UserLookup::find(const std::string& name, Callback done) {
  std::optional<Result<IdentityPtr>> known;
  {
    std::lock_guard lock(mutex_);
    if (const auto cached = cache_.find(name, now(), settings_.cache)) {
      known = cached->value;
    } else if (stopping_ || waiting_.size() >= kMostWaiting) {
      known = unavailable("too many users are being looked up");
    } else {
      auto& callbacks = waiting_[name];
      callbacks.push_back(std::move(done));
      if (callbacks.size() == 1) queue_.push_back(name);
      changed_.notify_one();
      return;
    }
  }
  done(*known);
}

void UserLookup::doubt(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (!cache_.find(name, now(), kFresh)) cache_.forget(name);
}

void UserLookup::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::string name = std::move(queue_.front());
    queue_.pop_front();
    const bool stopping = stopping_;
    lock.unlock();
    const auto result = stopping ? Result<IdentityPtr>(unavailable("the proxy is shutting down")) : ask(name);
    answer(name, result);
    lock.lock();
  }
}

void UserLookup::answer(const std::string& name, const Result<IdentityPtr>& result) {
  std::vector<Callback> callbacks;
  {
    std::lock_guard lock(mutex_);
    if (result) cache_.keep(name, *result, now());
    callbacks = std::move(waiting_[name]);
    waiting_.erase(name);
  }
  for (const auto& done : callbacks) done(result);
}

Result<IdentityPtr> UserLookup::ask(const std::string& name) {
  // A connection that broke while idle is no reason to fail: once more on a new one.
  for (int attempt = 0;; ++attempt) {
    const SteadyTime deadline = now() + settings_.timeout;
    if (connection_ != nullptr && primary() != connected_to_) connection_.reset();
    const bool reused = connection_ != nullptr && connection_->is_open();
    if (!reused) {
      if (auto connected = connect(deadline); !connected) return connected.error();
    }
    const auto rows = connection_->exec(settings_.query, {name}, deadline);
    if (rows) return judge(name, *rows);
    if (rows.error().kind == pq::PgError::Kind::kServer) {
      spdlog::error("auth_query failed sqlstate={} message={}", rows.error().sqlstate, rows.error().message);
      return unavailable("auth_query failed; the proxy's log has the reason");
    }
    connection_.reset();
    if (!reused || attempt > 0) {
      spdlog::error("auth_query failed message={}", rows.error().message);
      return unavailable("the connection to the server broke");
    }
  }
}

config::Server UserLookup::primary() const {
  std::optional<config::Server> today = where_ ? where_() : std::nullopt;
  if (!today) return server_;
  if (today->dbname.empty()) today->dbname = server_.dbname;
  return *today;
}

Result<void> UserLookup::connect(SteadyTime deadline) {
  connected_to_ = primary();
  auto connected = pq::Connection::connect(params_of(settings_, connected_to_), deadline, &stop_);
  if (!connected) {
    spdlog::error("auth_query cannot connect host={} port={} user={} message={}", connected_to_.host, connected_to_.port, settings_.user,
                  connected.error().message);
    return unavailable("the server cannot be reached");
  }
  connection_ = std::move(*connected);
  return {};
}

// What is not exactly one user's row is no user: a query that answers more must let nobody in.
Result<IdentityPtr> UserLookup::judge(const std::string& name, const pq::PgResult& rows) {
  if (rows.rows() == 0) return IdentityPtr();
  if (rows.rows() > 1 || rows.columns() < 2) {
    spdlog::error("auth_query must answer one row with name and secret user={} rows={} columns={}", name, rows.rows(), rows.columns());
    return IdentityPtr();
  }
  if (rows.get(0, 0) != name) {
    spdlog::error("auth_query answered about another user user={} answer={}", name, rows.get(0, 0));
    return IdentityPtr();
  }
  config::User user;
  user.name = name;
  user.password = rows.text(0, 1);
  if (rows.columns() > 2 && !rows.is_null(0, 2)) user.expires = expiry_of(rows.text(0, 2));
  return complete_(std::move(user));
}

}  // namespace howdah::proxy
