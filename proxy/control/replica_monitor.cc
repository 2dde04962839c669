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
#include "proxy/control/patroni_watch.h"
#include "proxy/control/role_keeper.h"

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
    "CASE WHEN r.standby THEN 0 ELSE pg_current_wal_flush_lsn() - '0/0'::pg_lsn END, "
    "(SELECT timeline_id FROM pg_control_checkpoint()) "
    "FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS r";

// Reads write WAL too, by pruning. While nobody commits, such records stay in the primary's memory until its background
// writer logs a snapshot, up to 15 s later, and replicas seem to lag. A commit that changed nothing has the WAL writer send
// them; its own commit is asynchronous, so it waits for no disk and no standby.
constexpr const char* kSendSql = "SELECT txid_current()";
constexpr auto kSendPause = std::chrono::seconds(1);

// What SWITCHOVER sets on the old primary. Nobody but a superuser may read the files, and nobody else can set it.
// https://www.postgresql.org/docs/15/view-pg-file-settings.html
constexpr const char* kFenceSql =
    "SELECT count(*) FROM pg_file_settings WHERE name = 'default_transaction_read_only' AND sourcefile LIKE '%postgresql.auto.conf' AND "
    "lower(setting) !~ '^(of|off|f|fa|fal|fals|false|n|no|0)$'";
constexpr const char* kMaySeeFenceSql =
    "SELECT has_table_privilege('pg_file_settings', 'SELECT') AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')";
constexpr auto kFencePause = std::chrono::milliseconds(500);

// A shard that has been without a primary for longer is asked after without haste.
// Patroni itself looks every ten seconds, and acts at once when it must.
constexpr auto kPatroniInterval = std::chrono::milliseconds(250);

constexpr auto kUrgentFor = std::chrono::minutes(1);

std::int64_t now_ns() {
  return to_steady_ns(std::chrono::steady_clock::now());
}

}  // namespace

struct ReplicaMonitor::ShardWatch {
  ShardWatch(std::size_t servers, std::size_t at, std::string shard_name)
      : tracker(servers), keeper(servers), index(at), name(std::move(shard_name)) {}
  SampleTracker tracker;  // by position
  RoleKeeper keeper;
  const std::size_t index;
  const std::string name;  // for logs
  std::size_t unknown = 0;  // servers that neither answered nor failed yet
  std::uint64_t trusted = 0;  // number of the connection by which the acting primary was last found to be the only one
  SteadyTime closed_since{};  // when its primary was lost
  std::vector<Watch*> watches;  // by position
  Lsn insert;  // of the last sample; 0 none
  std::int64_t sampled = 0;  // when that was asked for
  SteadyTime send_again{};
};

struct ReplicaMonitor::Watch {
  Watch(asio::io_context& io, ShardWatch& shard_watch, ServerHealth& server_health)
      : connection(io), timer(io), shard(shard_watch), health(server_health) {}
  bool is_primary() const { return shard.keeper.acting() == position; }

  pq::AsyncConnection connection;
  asio::steady_timer timer;
  ShardWatch& shard;
  ServerHealth& health;
  pq::ConnectParams params;
  std::string name;  // for logs
  std::size_t position = 0;  // within the shard: 0 the configured primary
  ServerId id;
  std::chrono::milliseconds interval{0};
  bool known = false;  // has answered or failed once
  bool again = false;  // it is to be asked without a pause
  std::uint64_t number = 0;        // of its connection, over all servers; another one after each connect
  std::uint64_t suspicions = 0;    // of the shard, before its last answer was asked for
  SteadyTime claims_since{};       // answers by this connection that it is a primary; never: not its last answer
  SteadyTime asked{};              // when its last answer was asked for, or the last attempt to reach it had failed
  std::int64_t started = 0;        // its postmaster, as it said last
  std::unique_ptr<PatroniWatch> patroni;  // null: it has none
  SteadyTime fence_again{};        // when a fence that was seen is to be looked for again
  std::string last;                // what was last logged about it
};

struct ReplicaMonitor::Reading {
  bool in_recovery;
  Lsn lsn;
  ServerIdentity identity;
  Lsn flushed;  // of a primary
  std::uint32_t newest_timeline;  // that it knows of
};

ReplicaMonitor::ReplicaMonitor(asio::io_context& io, const config::Database& config, HealthTable& health,
                               Settings settings)
    : io_(io),
      settings_(settings),
      roles_(settings.roles ? settings.roles : std::make_shared<ShardRoles>(config)),
      database_(config.name) {
  std::uint16_t next = 0;
  for (const auto& shard : config.shards) {
    auto& shard_watch = *shards_.emplace_back(std::make_unique<ShardWatch>(1 + shard.replicas.size(), shards_.size(), shard.name));
    auto add = [&](const config::Server& server, std::size_t position) {
      const ServerId id(next++);
      auto& health_of = health.at(id);
      auto& watch = *watches_.emplace_back(std::make_unique<Watch>(io, shard_watch, health_of));
      watch.params = control_params(config, server, settings);
      watch.name = config.name + "/" + log_name(shard, server);
      watch.position = position;
      watch.id = id;
      shard_watch.watches.push_back(&watch);
      if (!server.patroni.empty()) {
        watch.patroni = std::make_unique<PatroniWatch>(io, server.patroni, kPatroniInterval, [this, &watch](const PatroniWord& said) { hear(watch, said); });
      }
      bool used = !shard.replicas.empty();
      watch.interval = used ? config.probe_interval : std::max(config.probe_interval, kSlowProbe);
    };
    for (std::size_t i = 0; i <= shard.replicas.size(); ++i) add(server_at(shard, i), i);
  }
}

ReplicaMonitor::~ReplicaMonitor() = default;

void ReplicaMonitor::start(std::function<void()> first_round) {
  first_round_ = std::move(first_round);
  unknown_ = watches_.size();
  for (auto& shard : shards_) shard->unknown = shard->watches.size();
  roles_->set_alarm([this](ServerId server) { asio::post(io_, [this, server] { look_at(server); }); });
  for (auto& watch : watches_) {
    if (watch->patroni) watch->patroni->start();
    asio::co_spawn(io_, run(*watch), asio::detached);
  }
}

void ReplicaMonitor::known(Watch& watch) {
  if (std::exchange(watch.known, true)) return;
  if (--watch.shard.unknown == 0) judge(watch.shard);
  if (--unknown_ > 0) return;
  if (first_round_) std::exchange(first_round_, {})();
}

void ReplicaMonitor::stop() {
  stopping_ = true;
  roles_->set_alarm({});
  for (auto& watch : watches_) {
    if (watch->patroni) watch->patroni->stop();
    watch->connection.stop();
    watch->timer.cancel();
  }
}

asio::awaitable<void> ReplicaMonitor::sleep_until(Watch& watch, SteadyTime until) {
  if (stopping_ || std::exchange(watch.again, false)) co_return;
  watch.timer.expires_at(until);
  co_await watch.timer.async_wait(kAwait);
}

asio::awaitable<void> ReplicaMonitor::run(Watch& watch) {
  auto backoff = settings_.reconnect_min;
  while (!stopping_) {
    watch.again = false;
    const auto began = std::chrono::steady_clock::now();
    const bool was_open = watch.connection.is_open();
    bool alive = co_await probe(watch);
    if (stopping_) break;
    if (alive) {
      known(watch);
      backoff = settings_.reconnect_min;
      co_await sleep_until(watch, began + (urgent(watch) ? std::min(watch.interval, kUrgentProbe) : watch.interval));
      continue;
    }
    set_unusable(watch);
    // It may be another server by the time it answers again, or no primary any more.
    watch.claims_since = {};
    if (was_open && watch.is_primary()) roles_->suspect(watch.id);
    // A lost connection alone does not make a server down: perhaps someone ended just this one.
    bool reopened = co_await open(watch);
    if (reopened || stopping_) continue;
    lost(watch);
    co_await sleep_until(watch, std::chrono::steady_clock::now() + (urgent(watch) ? std::min(backoff, 2 * kUrgentProbe) : backoff));
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
  watch.number = ++connections_;
  auto prepared = co_await watch.connection.prepare("probe", kProbeSql, deadline);
  if (!prepared) {
    control_log().warn("server={} probe={}", watch.name, prepared.error().message);
    watch.connection.disconnect();
    co_return false;
  }
  co_await look_for_fence(watch);
  co_return watch.connection.is_open();
}

// Whoever sets a fence ends all connections; so it is looked for on each new one, and as long as it stands.
asio::awaitable<void> ReplicaMonitor::look_for_fence(Watch& watch) {
  const auto now = std::chrono::steady_clock::now();
  watch.fence_again = now + kFencePause;
  const auto may = co_await watch.connection.exec(kMaySeeFenceSql, now + settings_.probe_timeout);
  if (!may || may->rows() != 1 || !may->flag(0, 0)) co_return;
  const auto rows = co_await watch.connection.exec(kFenceSql, now + settings_.probe_timeout);
  if (!rows || rows->rows() != 1) co_return;
  const bool fenced = rows->integer(0, 0) > 0;
  if (watch.health.fenced.exchange(fenced) == fenced) co_return;
  if (!fenced) {
    control_log().info("server={} fence=lifted", watch.name);
  } else {
    control_log().warn("server={} fence=\"default_transaction_read_only is set by ALTER SYSTEM\"", watch.name);
  }
}

asio::awaitable<bool> ReplicaMonitor::probe(Watch& watch) {
  roles_->begin_look(watch.id);
  const std::uint64_t suspicions = roles_->suspicions(watch.shard.index);  // that this answer speaks to
  if (!watch.connection.is_open()) co_return false;
  const auto sent =
      std::chrono::steady_clock::now();  // before the question leaves: the guarantee rests on it
  auto rows = co_await watch.connection.exec_prepared("probe", sent + settings_.probe_timeout);
  if (!rows || rows->rows() != 1 || rows->is_null(0, 1)) {
    if (!rows) control_log().debug("server={} probe={}", watch.name, rows.error().message);
    watch.connection.disconnect();
    co_return false;
  }
  Reading reading{rows->flag(0, 0), Lsn(static_cast<std::uint64_t>(rows->integer(0, 1))), {}, {}, static_cast<std::uint32_t>(rows->integer(0, 8))};
  if (!reading.in_recovery) {
    reading.lsn = end_of_last_record(reading.lsn, static_cast<std::uint64_t>(rows->integer(0, 5)),
                                     static_cast<std::uint64_t>(rows->integer(0, 6)));
  }
  reading.identity.timeline = static_cast<std::uint32_t>(rows->integer(0, 2));
  reading.identity.system = static_cast<std::uint64_t>(rows->integer(0, 3));
  reading.identity.started = rows->integer(0, 4);
  reading.flushed = Lsn(static_cast<std::uint64_t>(rows->integer(0, 7)));
  watch.asked = sent;
  watch.suspicions = suspicions;
  if (reading.in_recovery) {
    watch.claims_since = {};
  } else if (watch.claims_since == SteadyTime()) {
    watch.claims_since = std::chrono::steady_clock::now();
    wake_others(watch);
  }
  const bool unsent = watch.is_primary() && !reading.in_recovery && watch.shard.watches.size() > 1 &&
                      reading.flushed < watch.shard.insert && sent >= watch.shard.send_again;
  apply(watch, to_steady_ns(sent), reading);
  if (watch.health.fenced.load() && sent >= watch.fence_again) co_await look_for_fence(watch);
  // Its own question was answered: this is no sign against the server.
  if (!unsent || !watch.connection.is_open()) co_return true;
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
  auto& word = watch.shard.keeper.word(watch.position);
  word.answers = true;
  watch.started = reading.identity.started;
  word.in_recovery = reading.in_recovery;
  word.system = reading.identity.system;
  word.timeline = reading.in_recovery ? std::max(reading.identity.timeline, reading.newest_timeline) : reading.identity.timeline;
  if (watch.shard.unknown == 0) judge(watch.shard);
  if (watch.is_primary()) {
    apply_primary(watch, sent, reading);
  } else {
    apply_replica(watch, reading);
  }
  // Who reads a new timeline of the primary here finds what its replicas showed of the old one set aside.
  health.timeline.store(reading.identity.timeline, std::memory_order_release);
  if (!health.up.load() && watch.known) health.recovered.store(now_ns());
  health.up.store(true);
  show(watch);
}

void ReplicaMonitor::lost(Watch& watch) {
  watch.asked = std::chrono::steady_clock::now();
  watch.shard.keeper.word(watch.position).answers = false;
  watch.health.up.store(false);
  known(watch);
  if (watch.shard.unknown == 0) judge(watch.shard);
  show(watch);
}

// From what all servers of the shard said last.
void ReplicaMonitor::judge(ShardWatch& shard) {
  auto& keeper = shard.keeper;
  const std::size_t before = keeper.acting();
  keeper.decide();
  const ServerId first = roles_->first(shard.index);
  const ServerId acting(static_cast<std::uint16_t>(first.value() + keeper.acting()));
  const bool was_disputed = roles_->disputed(ShardId(static_cast<std::uint16_t>(shard.index)));
  const bool moved = keeper.acting() != before;
  if (moved) {
    // Nothing that was known about the old primary's WAL holds for the new one's.
    shard.tracker.on_primary_lost();
    shard.insert = {};
    for (Watch* watch : shard.watches) watch->health.caught_up_to.store(0, std::memory_order_release);
    control_log().warn("database={} shard={} primary={} timeline={} before={}", database_, shard.name,
                       shard.watches[keeper.acting()]->name, keeper.timeline(), shard.watches[before]->name);
  }
  if (keeper.disputed() && !was_disputed) {
    control_log().error("database={} shard={} writes=stopped reason=\"{}\"", database_, shard.name, keeper.reason());
  } else if (!keeper.disputed() && was_disputed) {
    control_log().warn("database={} shard={} writes=resumed primary={}", database_, shard.name, shard.watches[keeper.acting()]->name);
  }
  if (roles_->open(ShardId(static_cast<std::uint16_t>(shard.index)))) shard.closed_since = std::chrono::steady_clock::now();
  if (keeper.revoked() && !roles_->revoked(ShardId(static_cast<std::uint16_t>(shard.index)))) {
    control_log().error("database={} shard={} primary={} writes=stopped reason=\"{}\"", database_, shard.name, shard.watches[keeper.acting()]->name, keeper.reason());
  }
  roles_->publish(shard.index, {acting, keeper.timeline(), shard.watches[keeper.acting()]->started, keeper.writable(), keeper.disputed(), keeper.revoked(), keeper.reason()});
  try_open(shard);
  if (moved) {
    for (Watch* watch : shard.watches) show(*watch);
  }
}

// The acting primary's word counts when it is the same process as when it was last trusted, which nobody can have replaced
// unseen; else when all others were asked after it began to speak.
void ReplicaMonitor::try_open(ShardWatch& shard) {
  if (!shard.keeper.writable()) return;
  const Watch& acting = *shard.watches[shard.keeper.acting()];
  if (roles_->cleared(shard.index) >= acting.suspicions && shard.trusted == acting.number) return;
  if (shard.trusted != acting.number) {
    for (const Watch* other : shard.watches) {
      if (other != &acting && other->asked < acting.claims_since) return;
    }
    shard.trusted = acting.number;
  }
  roles_->clear(shard.index, acting.suspicions);
}

void ReplicaMonitor::look_at(ServerId server) {
  if (stopping_ || server.value() >= watches_.size()) return;
  Watch& watch = *watches_[server.value()];
  watch.again = true;
  if (watch.health.up.load() && watch.health.state.load() != ServerState::kSuspect) watch.health.state.store(ServerState::kSuspect);
  watch.timer.cancel();
}

// Its word names no primary, but it can say that a server is none. Either way it is the moment to look at all of them.
void ReplicaMonitor::hear(Watch& watch, const PatroniWord& said) {
  if (stopping_) return;
  control_log().info("server={} patroni={} timeline={}", watch.name, !said.answers ? "silent" : said.leader ? "leader" : "no leader", said.timeline);
  watch.shard.keeper.word(watch.position).vetoed = said.answers && !said.leader;
  for (Watch* each : watch.shard.watches) {
    each->again = true;
    each->timer.cancel();
  }
  if (watch.shard.unknown == 0) judge(watch.shard);
  show(watch);
}

void ReplicaMonitor::wake_others(Watch& watch) {
  for (Watch* other : watch.shard.watches) {
    if (other == &watch) continue;
    other->again = true;
    other->timer.cancel();
  }
}

bool ReplicaMonitor::urgent(const Watch& watch) const {
  return !roles_->open(ShardId(static_cast<std::uint16_t>(watch.shard.index))) &&
         std::chrono::steady_clock::now() < watch.shard.closed_since + kUrgentFor;
}

void ReplicaMonitor::show(Watch& watch) {
  if (watch.shard.unknown > 0) return;  // nobody has judged yet
  const auto& keeper = watch.shard.keeper;
  const Standing standing = keeper.standing(watch.position);
  auto& health = watch.health;
  ServerState state = ServerState::kUp;
  if (!health.up.load()) {
    state = ServerState::kDown;
  } else if (watch.is_primary() ? !keeper.writable() : standing == Standing::kReplica && health.caught_up_to.load() == 0) {
    state = ServerState::kRecovering;
  }
  const auto was = static_cast<Standing>(health.standing.exchange(static_cast<std::uint8_t>(standing)));
  const auto before = health.state.exchange(state);
  const std::string text = std::string("state=") + word_of(state) + " role=" + word_of(standing);
  if (before != ServerState::kSuspect && (was != standing || before != state)) health.since.store(now_ns());
  if (std::exchange(watch.last, text) == text) return;
  health.since.store(now_ns());
  const bool bad = state == ServerState::kDown || standing == Standing::kStale || standing == Standing::kRival || standing == Standing::kForeign;
  control_log().log(bad ? spdlog::level::warn : spdlog::level::info, "server={} {} timeline={}", watch.name, text, health.timeline.load());
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
  for (auto* replica : shard.watches) replica->health.caught_up_to.store(0, std::memory_order_release);
}

void ReplicaMonitor::apply_replica(Watch& watch, const Reading& reading) {
  if (!reading.in_recovery) return set_unusable(watch);  // promoted: it is nobody's replica
  auto& shard = watch.shard;
  auto caught_up_to =
      shard.tracker.on_replay(watch.position, reading.identity, reading.lsn);
  watch.health.caught_up_to.store(caught_up_to, std::memory_order_release);
  watch.health.shows.store(caught_up_to == 0 ? 0 : reading.lsn.value(), std::memory_order_release);
  if (caught_up_to != 0) watch.health.note_lag(std::max<std::int64_t>(shard.sampled - caught_up_to, 0) / 1000);
  auto lag = static_cast<std::int64_t>(shard.insert.value() - reading.lsn.value());
  watch.health.lag_bytes.store(shard.insert == Lsn() ? -1 : std::max<std::int64_t>(lag, 0));
}

void ReplicaMonitor::set_unusable(Watch& watch) {
  if (watch.is_primary()) return;
  watch.shard.tracker.on_replica_lost(watch.position);
  watch.health.caught_up_to.store(0, std::memory_order_release);
  watch.health.lag_bytes.store(-1);
}

}  // namespace howdah::control
