#include "proxy/control/replica_monitor.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "drivers/pq/async_connection.h"
#include "proxy/control/control_log.h"
#include "proxy/control/control_params.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// The insert position, never the write or flush position: a session's own asynchronous commit lies beyond
// those. The timeline of the primary comes from the name of the WAL file it inserts into, because the control
// file's lags behind a promotion.
// https://www.postgresql.org/docs/15/functions-admin.html#FUNCTIONS-ADMIN-BACKUP
constexpr const char* kProbeSql =
    "SELECT r.standby, "
    "CASE WHEN r.standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn, "
    "CASE WHEN r.standby THEN (SELECT received_tli FROM pg_stat_wal_receiver) "
    "ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END, "
    "(SELECT system_identifier FROM pg_control_system()), "
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, "
    "current_setting('wal_block_size'), pg_size_bytes(current_setting('wal_segment_size')), "
    "CASE WHEN r.standby THEN 0 ELSE pg_current_wal_flush_lsn() - '0/0'::pg_lsn END "
    "FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS r";

// Reads write WAL too, by pruning. While nobody commits, such records stay in the primary's memory until its background
// writer logs a snapshot, up to 15 s later, and replicas seem to lag. A commit that changed nothing has the WAL writer send
// them; its own commit is asynchronous, so it waits for no disk and no standby.
constexpr const char* kSendSql = "SELECT txid_current()";
constexpr auto kSendPause = std::chrono::seconds(1);

std::int64_t now_ns() {
  return to_steady_ns(std::chrono::steady_clock::now());
}

}  // namespace

struct ReplicaMonitor::ShardWatch {
  explicit ShardWatch(std::size_t replicas) : tracker(replicas) {}
  SampleTracker tracker;
  Lsn insert;  // of the last sample; 0 none
  std::int64_t sampled = 0;  // when that was asked for
  SteadyTime send_again{};
  std::vector<ServerHealth*> replicas;
};

struct ReplicaMonitor::Watch {
  Watch(asio::io_context& io, ShardWatch& shard_watch, ServerHealth& server_health)
      : connection(io), timer(io), shard(shard_watch), health(server_health) {}
  bool is_primary() const { return replica < 0; }

  pq::AsyncConnection connection;
  asio::steady_timer timer;
  ShardWatch& shard;
  ServerHealth& health;
  pq::ConnectParams params;
  std::string name;  // for logs
  int replica = -1;  // index within the shard; -1 the primary
  std::chrono::milliseconds interval{0};
  bool known = false;  // has answered or failed once
};

struct ReplicaMonitor::Reading {
  bool in_recovery;
  Lsn lsn;
  ServerIdentity identity;
  Lsn flushed;  // of a primary
};

ReplicaMonitor::ReplicaMonitor(asio::io_context& io, const config::Database& config, HealthTable& health,
                               Settings settings)
    : io_(io), settings_(settings) {
  std::uint16_t next = 0;
  for (const auto& shard : config.shards) {
    auto& shard_watch = *shards_.emplace_back(std::make_unique<ShardWatch>(shard.replicas.size()));
    auto add = [&](const config::Server& server, int replica) {
      auto& health_of = health.at(ServerId(next++));
      auto& watch = *watches_.emplace_back(std::make_unique<Watch>(io, shard_watch, health_of));
      watch.params = control_params(config, server, settings);
      watch.name = config.name + "/" + log_name(shard, server);
      watch.replica = replica;
      bool used = !shard.replicas.empty();
      watch.interval = used ? config.probe_interval : std::max(config.probe_interval, kSlowProbe);
      if (replica >= 0) shard_watch.replicas.push_back(&health_of);
    };
    add(shard.primary, -1);
    for (std::size_t i = 0; i < shard.replicas.size(); ++i) add(shard.replicas[i], static_cast<int>(i));
  }
}

ReplicaMonitor::~ReplicaMonitor() = default;

void ReplicaMonitor::start(std::function<void()> first_round) {
  first_round_ = std::move(first_round);
  unknown_ = watches_.size();
  for (auto& watch : watches_) asio::co_spawn(io_, run(*watch), asio::detached);
}

void ReplicaMonitor::known(Watch& watch) {
  if (std::exchange(watch.known, true) || --unknown_ > 0) return;
  if (first_round_) std::exchange(first_round_, {})();
}

void ReplicaMonitor::stop() {
  stopping_ = true;
  for (auto& watch : watches_) {
    watch->connection.stop();
    watch->timer.cancel();
  }
}

asio::awaitable<void> ReplicaMonitor::sleep_until(Watch& watch, SteadyTime until) {
  if (stopping_) co_return;
  watch.timer.expires_at(until);
  co_await watch.timer.async_wait(kAwait);
}

asio::awaitable<void> ReplicaMonitor::run(Watch& watch) {
  auto backoff = settings_.reconnect_min;
  while (!stopping_) {
    const auto began = std::chrono::steady_clock::now();
    bool alive = co_await probe(watch);
    if (stopping_) break;
    if (alive) {
      known(watch);
      backoff = settings_.reconnect_min;
      co_await sleep_until(watch, began + watch.interval);
      continue;
    }
    set_unusable(watch);
    // A lost connection alone does not make a server down: perhaps someone ended just this one.
    bool reopened = co_await open(watch);
    if (reopened || stopping_) continue;
    known(watch);
    if (watch.health.up.exchange(false)) control_log().warn("server={} state=down", watch.name);
    co_await sleep_until(watch, std::chrono::steady_clock::now() + backoff);
    backoff = std::min(backoff * 2, settings_.reconnect_max);
  }
  known(watch);
}

asio::awaitable<bool> ReplicaMonitor::open(Watch& watch) {
  const auto deadline = std::chrono::steady_clock::now() + settings_.probe_timeout;
  auto connected = co_await watch.connection.connect(watch.params, deadline);
  if (!connected) {
    control_log().debug("server={} connect={}", watch.name, connected.error().message);
    co_return false;
  }
  auto prepared = co_await watch.connection.prepare("probe", kProbeSql, deadline);
  if (!prepared) {
    control_log().warn("server={} probe={}", watch.name, prepared.error().message);
    watch.connection.disconnect();
    co_return false;
  }
  co_return true;
}

asio::awaitable<bool> ReplicaMonitor::probe(Watch& watch) {
  if (!watch.connection.is_open()) co_return false;
  const auto sent =
      std::chrono::steady_clock::now();  // before the question leaves: the guarantee rests on it
  auto rows = co_await watch.connection.exec_prepared("probe", sent + settings_.probe_timeout);
  if (!rows || rows->rows() != 1 || rows->is_null(0, 1)) {
    if (!rows) control_log().debug("server={} probe={}", watch.name, rows.error().message);
    watch.connection.disconnect();
    co_return false;
  }
  Reading reading{rows->flag(0, 0), Lsn(static_cast<std::uint64_t>(rows->integer(0, 1))), {}, {}};
  if (!reading.in_recovery) {
    reading.lsn = end_of_last_record(reading.lsn, static_cast<std::uint64_t>(rows->integer(0, 5)),
                                     static_cast<std::uint64_t>(rows->integer(0, 6)));
  }
  reading.identity.timeline = static_cast<std::uint32_t>(rows->integer(0, 2));
  reading.identity.system = static_cast<std::uint64_t>(rows->integer(0, 3));
  reading.identity.started = rows->integer(0, 4);
  reading.flushed = Lsn(static_cast<std::uint64_t>(rows->integer(0, 7)));
  const bool unsent = watch.is_primary() && !reading.in_recovery && !watch.shard.replicas.empty() &&
                      reading.flushed < watch.shard.insert && sent >= watch.shard.send_again;
  apply(watch, to_steady_ns(sent), reading);
  if (!unsent) co_return true;
  watch.shard.send_again = sent + kSendPause;
  auto committed = co_await watch.connection.exec(kSendSql, sent + settings_.probe_timeout);
  if (!committed) control_log().debug("server={} send_wal={}", watch.name, committed.error().message);
  co_return committed.has_value();
}

void ReplicaMonitor::apply(Watch& watch, std::int64_t sent, const Reading& reading) {
  auto& health = watch.health;
  health.in_recovery.store(reading.in_recovery);
  health.lsn.store(reading.lsn.value());
  health.last_seen.store(now_ns());
  if (watch.is_primary()) {
    apply_primary(watch, sent, reading);
  } else {
    apply_replica(watch, reading);
  }
  // Who reads a new timeline of the primary here finds what its replicas showed of the old one set aside.
  health.timeline.store(reading.identity.timeline, std::memory_order_release);
  if (!health.up.load() && watch.known) health.recovered.store(now_ns());
  if (!health.up.exchange(true))
    control_log().info("server={} state=up in_recovery={}", watch.name, reading.in_recovery);
}

void ReplicaMonitor::apply_primary(Watch& watch, std::int64_t sent, const Reading& reading) {
  auto& shard = watch.shard;
  bool voided = true;
  if (reading.in_recovery) {
    shard.tracker.on_primary_lost();
  } else {
    voided = shard.tracker.on_sample(sent, reading.identity, reading.lsn);
    shard.insert = reading.lsn;
    shard.sampled = sent;
  }
  if (!voided) return;
  for (auto* replica : shard.replicas) replica->set_aside();
}

void ReplicaMonitor::apply_replica(Watch& watch, const Reading& reading) {
  if (!reading.in_recovery) return set_unusable(watch);  // promoted: it is nobody's replica
  auto& shard = watch.shard;
  auto caught_up_to =
      shard.tracker.on_replay(static_cast<std::size_t>(watch.replica), reading.identity, reading.lsn);
  watch.health.caught_up_to.store(caught_up_to, std::memory_order_release);
  watch.health.shows.store(caught_up_to == 0 ? 0 : reading.lsn.value(), std::memory_order_release);
  if (caught_up_to != 0) watch.health.note_lag(std::max<std::int64_t>(shard.sampled - caught_up_to, 0) / 1000);
  auto lag = static_cast<std::int64_t>(shard.insert.value() - reading.lsn.value());
  watch.health.lag_bytes.store(shard.insert == Lsn() ? -1 : std::max<std::int64_t>(lag, 0));
}

void ReplicaMonitor::set_unusable(Watch& watch) {
  if (watch.is_primary()) return;
  watch.shard.tracker.on_replica_lost(static_cast<std::size_t>(watch.replica));
  watch.health.set_aside();
  watch.health.lag_bytes.store(-1);
}

}  // namespace howdah::control
