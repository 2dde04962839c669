#include "proxy/control/bootstrap.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proxy/control/control_log.h"
#include "proxy/control/control_params.h"
#include "proxy/control/shard_roles.h"
#include "proxy/control/placement_check.h"
#include "proxy/control/shard_schema.h"

namespace howdah::control {

namespace asio = boost::asio;

struct Bootstrap::Shard {
  Shard(asio::io_context& io, const config::Shard& shard) : config(shard), connection(io) {}
  const config::Shard& config;
  pq::AsyncConnection connection;
  ServerFacts facts;
  ShardState state;
  std::string reason;  // why it is not reachable
};

namespace {

constexpr std::chrono::milliseconds kRetry{100};

Error stopped() {
  return make_error(ErrorCode::kShuttingDown, "stopped during start-up");
}

// Waiting does not help against these. libpq gives no SQLSTATE for a failed login.
bool is_permanent(const std::string& message) {
  for (const char* text : {"password authentication failed", "no password supplied", "does not exist",
                           "no pg_hba.conf entry", "is not permitted to log in", "permission denied"}) {
    if (message.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Bootstrap::Bootstrap(asio::io_context& io, std::string cluster, const config::Database& database,
                     Settings settings)
    : cluster_(std::move(cluster)), database_(database), settings_(settings), timer_(io) {
  for (const auto& shard : database.shards) shards_.push_back(std::make_unique<Shard>(io, shard));
}

Bootstrap::~Bootstrap() = default;

void Bootstrap::stop() {
  stopping_ = true;
  timer_.cancel();
  for (auto& shard : shards_) shard->connection.stop();
}

SteadyTime Bootstrap::deadline() const {
  return std::chrono::steady_clock::now() + settings_.statement_timeout;
}

bool Bootstrap::needs_schema() const {
  if (shards_.size() > 1) return true;
  return shards_.front()->state.map.has_value();  // it was a shard among others once: the map decides
}

asio::awaitable<Result<sharding::ShardMap>> Bootstrap::run() {
  auto connected = co_await connect_all();
  if (!connected) co_return connected.error();
  auto checked = check_facts();
  if (!checked) co_return checked.error();
  if (!needs_schema()) {
    co_return sharding::ShardMap::initial(database_.rules.buckets, 1, database_.rules.hash);
  }
  auto map = co_await settle_map();
  co_return map;
}

// Then the proxy can serve the others: a shard that is down fails only what needs it.
bool Bootstrap::knows_whole_map() const {
  for (const auto& shard : shards_) {
    if (shard->state.map && shard->state.map->complete) return true;
  }
  return false;
}

// Round after round, so that one missing server costs the others nothing.
asio::awaitable<Result<void>> Bootstrap::connect_all() {
  const auto began = std::chrono::steady_clock::now();
  for (;;) {
    bool all = true;
    for (auto& shard : shards_) {
      if (shard->state.reachable) continue;
      bool connected = co_await connect(*shard);
      if (stopping_) co_return stopped();
      if (!connected) {
        if (is_permanent(shard->reason)) {
          co_return make_error(ErrorCode::kConfig,
                               describe(shard->config, primary_of(*shard)) + ": " + shard->reason,
                               "check the control account and the server's address in the configuration");
        }
        all = false;
        continue;
      }
      auto inspected = co_await inspect(*shard);
      if (!inspected && inspected.error().code != ErrorCode::kServerUnavailable) co_return inspected.error();
      shard->state.reachable = inspected.has_value();
      if (inspected) continue;
      shard->reason = inspected.error().message;
      all = false;
    }
    if (all) co_return Result<void>();
    if (stopping_) co_return stopped();
    const auto patience = knows_whole_map() ? settings_.degraded_timeout : settings_.bootstrap_timeout;
    if (std::chrono::steady_clock::now() + kRetry >= began + patience) break;
    timer_.expires_after(kRetry);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  for (auto& shard : shards_) {
    if (shard->state.reachable) continue;
    control_log().warn("database={} server={} unreachable={}", database_.name,
                       describe(shard->config, primary_of(*shard)), shard->reason);
  }
  co_return Result<void>();
}

// Found by the monitor before; the configured one while nobody answers.
const config::Server& Bootstrap::primary_of(const Shard& shard) const {
  return acting_server(settings_.roles.get(), database_, shard.config);
}

asio::awaitable<bool> Bootstrap::connect(Shard& shard) {
  auto params = control_params(database_, primary_of(shard), settings_);
  auto answer = co_await shard.connection.connect(
      std::move(params), std::chrono::steady_clock::now() + settings_.connect_timeout);
  if (!answer) shard.reason = answer.error().message;
  co_return answer.has_value();
}

asio::awaitable<Result<void>> Bootstrap::inspect(Shard& shard) {
  auto facts = co_await read_facts(shard.connection, shard.config.name, deadline());
  if (!facts) co_return facts.error();
  shard.facts = std::move(*facts);
  auto map = co_await read_map(shard.connection, shard.config.name, deadline());
  if (!map) co_return map.error();
  shard.state.map = std::move(*map);
  co_return Result<void>();
}

Result<void> Bootstrap::check_facts() const {
  const Shard* first = nullptr;
  for (const auto& shard : shards_) {
    if (!shard->state.reachable) continue;
    if (auto checked = check_server(shard->config.name, shard->facts, needs_schema()); !checked)
      return checked;
    if (first == nullptr) first = shard.get();
    auto agreed = check_agreement(first->config.name, first->facts, shard->config.name, shard->facts);
    if (!agreed) return agreed;
  }
  return {};
}

// Where rows are already decides; an empty cluster is dealt out evenly.
asio::awaitable<Result<StoredMap>> Bootstrap::new_map() {
  std::vector<pq::AsyncConnection*> connections;
  for (auto& shard : shards_) connections.push_back(&shard->connection);
  auto map = co_await choose_first_map(database_, connections);
  if (!map) co_return map.error();
  co_return to_stored(cluster_, database_, *map);
}

std::vector<ShardState> Bootstrap::states() const {
  std::vector<ShardState> all;
  for (const auto& shard : shards_) all.push_back(shard->state);
  return all;
}

asio::awaitable<Result<void>> Bootstrap::reread_maps() {
  for (auto& shard : shards_) {
    if (!shard->state.reachable) continue;
    auto map = co_await read_map(shard->connection, shard->config.name, deadline());
    if (!map) co_return map.error();
    shard->state.map = std::move(*map);
  }
  co_return Result<void>();
}

asio::awaitable<Result<sharding::ShardMap>> Bootstrap::settle_map() {
  auto plan = plan_bootstrap(cluster_, database_, states());
  if (!plan) {
    // The shards were read one after another while another proxy may have been at work: only what still holds
    // when all are read again is true.
    auto read = co_await reread_maps();
    if (!read) co_return read.error();
    plan = plan_bootstrap(cluster_, database_, states());
  }
  if (!plan) co_return plan.error();
  if (!plan->map) {
    auto made = co_await new_map();
    if (!made) co_return made.error();
    plan->map = std::move(*made);
  }
  for (std::size_t index : plan->install) {
    auto& shard = *shards_[index];
    auto held = co_await install_map(shard.connection, shard.config.name, *plan->map, deadline());
    if (!held) co_return held.error();
    // Another proxy may have been faster: its map must be the same, and this server the shard we take it for.
    shard.state.map = std::move(*held);
    control_log().info("database={} shard={} map_epoch={} installed", database_.name, shard.config.name,
                       plan->map->epoch);
  }
  auto settled = plan_bootstrap(cluster_, database_, states());
  if (!settled) co_return settled.error();
  if (settled->mark_complete) {
    for (auto& shard : shards_) {
      if (!shard->state.reachable) continue;
      auto marked = co_await mark_complete(shard->connection, shard->config.name, deadline());
      if (!marked) co_return marked.error();
    }
  }
  co_return to_shard_map(database_, *settled->map);
}

}  // namespace howdah::control
