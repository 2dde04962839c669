#include "proxy/admin/switchover.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "drivers/pq/connection.h"
#include "proxy/admin/columns.h"
#include "proxy/control/control_params.h"
#include "proxy/control/shard_roles.h"
#include "proxy/core/gates.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(3);
constexpr auto kPoll = milliseconds(2);
// A promotion that was asked for comes, sooner or later: there is no taking it back.
constexpr int kPromoteSeconds = 60;

constexpr const char* kPrimarySql =
    "SELECT pg_is_in_recovery(), current_setting('is_superuser'), "
    "(SELECT count(*) FROM pg_file_settings WHERE name = 'default_transaction_read_only' AND sourcefile LIKE '%postgresql.auto.conf')";
constexpr const char* kTargetSql =
    "SELECT pg_is_in_recovery(), coalesce((SELECT status FROM pg_stat_wal_receiver), 'none'), "
    "coalesce((SELECT received_tli FROM pg_stat_wal_receiver), 0)";
constexpr const char* kFenceSql = "ALTER SYSTEM SET default_transaction_read_only = on";
constexpr const char* kLiftSql = "ALTER SYSTEM RESET default_transaction_read_only";
constexpr const char* kReloadSql = "SELECT pg_reload_conf()";
// All clients but this one: what they have not committed must not be committed after the last position is taken.
constexpr const char* kEndOthersSql =
    "SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
// Its commit flushes all that was written before.
constexpr const char* kFlushSql = "SELECT pg_logical_emit_message(true, 'howdah', 'switchover')";
constexpr const char* kLastSql = "SELECT pg_current_wal_flush_lsn()";

std::string address_of(const config::Server& server) { return server.host + ":" + std::to_string(server.port); }

Error refused(std::string message, std::string hint = {}, std::string detail = {}) {
  return make_error(ErrorCode::kUnsupported, std::move(message), std::move(hint), std::move(detail));
}

class Switchover {
 public:
  Switchover(proxy::Proxy& proxy, const SwitchoverOrder& order) : proxy_(proxy), order_(order), began_(Clock::now()), table_(kSwitchoverColumns) {}

  Result<Table> run() {
    if (auto found = find(); !found) return found.error();
    if (auto checked = check_primary(); !checked) return checked.error();
    if (target_ == acting_) return lift_left_over();
    if (auto checked = check_target(); !checked) return checked.error();
    if (order_.dry_run) return std::move(table_);
    if (auto done = move(); !done) {
      undo();
      spdlog::warn("switchover database={} shard={} failed=\"{}\"", order_.database, order_.shard, done.error().message);
      return done.error();
    }
    return std::move(table_);
  }

 private:
  using Conn = std::unique_ptr<pq::Connection>;

  void note(const std::string& step, const std::string& detail) {
    const auto ms = std::chrono::duration_cast<milliseconds>(Clock::now() - began_).count();
    Row row;
    row << step << detail << static_cast<std::int64_t>(ms);
    table_.rows.push_back(row.take());
    if (!order_.dry_run) spdlog::info("switchover database={} shard={} step=\"{}\" detail=\"{}\" ms={}", order_.database, order_.shard, step, detail, ms);
  }

  const config::Server& server(ServerId id) const { return control::server_at(*shard_, static_cast<std::size_t>(id.value()) - roles_->first(index_).value()); }

  Result<void> find() {
    config_ = proxy_.config();
    const auto found = config_->databases.find(order_.database);
    if (found == config_->databases.end()) return make_error(ErrorCode::kUnknownDatabase, "no such database: " + order_.database, "SHOW DATABASES lists them");
    database_ = &found->second;
    for (index_ = 0; index_ < database_->shards.size() && database_->shards[index_].name != order_.shard;) ++index_;
    if (index_ == database_->shards.size()) return make_error(ErrorCode::kInvalidValue, "no such shard: " + order_.shard, "SHOW SHARDS lists them");
    shard_ = &database_->shards[index_];
    state_ = proxy_.control().database(order_.database);
    roles_ = state_ == nullptr ? nullptr : state_->roles();
    if (roles_ == nullptr) return refused("a switchover needs a control account", "set databases." + order_.database + ".control");
    id_ = ShardId(static_cast<std::uint16_t>(index_));
    acting_ = roles_->acting(id_);
    if (!roles_->open(id_)) return refused("shard " + order_.shard + " has no primary that is known to be one", "SHOW REPLICAS says more", roles_->reason(id_));
    return choose();
  }

  // Named, or the replica that is least behind.
  Result<void> choose() {
    std::optional<ServerId> best;
    for (std::size_t i = 0; i < roles_->servers(index_); ++i) {
      const ServerId id(static_cast<std::uint16_t>(roles_->first(index_).value() + i));
      if (!order_.to.empty()) {
        if (address_of(server(id)) == order_.to) best = id;
        continue;
      }
      const auto& health = state_->health().at(id);
      if (id == acting_ || !health.up.load() || health.caught_up_to.load() == 0) continue;
      if (!best || health.lag_bytes.load() < state_->health().at(*best).lag_bytes.load()) best = id;
    }
    if (!best && !order_.to.empty()) return make_error(ErrorCode::kInvalidValue, "shard " + order_.shard + " has no server " + order_.to, "SHOW REPLICAS lists them");
    if (!best) return refused("shard " + order_.shard + " has no replica that is up and streams", "SHOW REPLICAS says more");
    target_ = *best;
    return {};
  }

  Result<Conn> connect(ServerId id) {
    auto conn = pq::Connection::connect(control::control_params(*database_, server(id), {}), pq::within(kPatience));
    if (!conn) return refused("server " + address_of(server(id)) + " cannot be reached: " + conn.error().message);
    return std::move(*conn);
  }

  Result<pq::PgResult> ask(pq::Connection& conn, const std::string& sql, std::chrono::milliseconds patience = kPatience) {
    auto rows = conn.exec(sql, {}, pq::within(patience));
    if (!rows) return refused(std::string(rows.error().message), "", sql);
    return std::move(*rows);
  }

  Result<void> check_primary() {
    auto conn = connect(acting_);
    if (!conn) return conn.error();
    primary_ = std::move(*conn);
    const auto rows = ask(*primary_, kPrimarySql);
    if (!rows) return rows.error();
    if (rows->flag(0, 0)) return refused("the primary " + address_of(server(acting_)) + " is in recovery");
    if (rows->text(0, 1) != "on") return refused("the control account must be a superuser for a switchover: it fences the old primary by ALTER SYSTEM");
    left_fence_ = rows->integer(0, 2) > 0;
    if (left_fence_ && target_ != acting_) {
      return refused("default_transaction_read_only is set on " + address_of(server(acting_)) + " by ALTER SYSTEM",
                     "SWITCHOVER " + order_.database + " " + order_.shard + " TO " + address_of(server(acting_)) + " lifts the fence that a switchover left behind");
    }
    note("primary", address_of(server(acting_)) + " timeline " + std::to_string(roles_->timeline(id_)));
    return {};
  }

  Result<Table> lift_left_over() {
    if (!left_fence_) {
      note("nothing to do", address_of(server(acting_)) + " is the primary, and not fenced");
      return std::move(table_);
    }
    if (order_.dry_run) {
      note("fence", "default_transaction_read_only is set by ALTER SYSTEM and would be reset");
      return std::move(table_);
    }
    for (const char* sql : {kLiftSql, kReloadSql}) {
      if (auto done = ask(*primary_, sql); !done) return done.error();
    }
    note("fence lifted", address_of(server(acting_)));
    return std::move(table_);
  }

  Result<void> check_target() {
    auto conn = connect(target_);
    if (!conn) return conn.error();
    replica_ = std::move(*conn);
    const auto rows = ask(*replica_, kTargetSql);
    if (!rows) return rows.error();
    const std::string name = address_of(server(target_));
    if (!rows->flag(0, 0)) return refused("server " + name + " is no replica");
    if (rows->text(0, 1) != "streaming") return refused("replica " + name + " does not stream", "", "its WAL receiver: " + rows->text(0, 1));
    if (rows->integer(0, 2) != roles_->timeline(id_)) return refused("replica " + name + " follows another timeline");
    if (!state_->health().at(target_).up.load()) return refused("replica " + name + " is down");
    for (const auto& paused : proxy::gate_states(proxy_).paused) {
      if (paused == order_.database) return refused("database " + order_.database + " is paused", "RESUME it first");
    }
    note("target", name + " streams");
    return {};
  }

  Result<void> move() {
    const auto limit = database_->switchover_timeout;
    pause_began_ = Clock::now();
    paused_ = true;
    if (auto held = proxy::pause_shard(proxy_, order_.database, id_); !held) return held.error();
    const auto deadline = pause_began_ + limit;
    for (;;) {
      const auto open = proxy::count_shard_connections(proxy_, order_.database, id_);
      if (!open) return open.error();
      if (*open == 0) break;
      if (Clock::now() >= deadline) {
        return refused("transactions did not end in time", "end them, or raise databases." + order_.database + ".switchover_timeout",
                       std::to_string(*open) + " server connections are still in use after " + std::to_string(limit.count()) +
                           " ms: transactions, or clients that keep theirs (SHOW CLIENTS, column pinned)");
      }
      std::this_thread::sleep_for(kPoll);
    }
    note("drained", "no transaction is open, new ones wait");
    if (auto fenced = fence(); !fenced) return fenced;
    if (auto replayed = await_replay(deadline); !replayed) return replayed;
    return promote();
  }

  Result<void> fence() {
    fenced_ = true;
    for (const char* sql : {kFenceSql, kReloadSql, kEndOthersSql, kEndOthersSql}) {
      if (auto done = ask(*primary_, sql, std::chrono::seconds(5)); !done) return done.error();
    }
    note("fenced", address_of(server(acting_)) + ": default_transaction_read_only = on, sessions ended");
    return {};
  }

  Result<void> await_replay(SteadyTime deadline) {
    if (auto flushed = ask(*primary_, kFlushSql); !flushed) return flushed.error();
    const auto last = ask(*primary_, kLastSql);
    if (!last) return last.error();
    const std::string lsn = last->text(0, 0);
    for (;;) {
      const auto there = ask(*replica_, "SELECT pg_last_wal_replay_lsn() >= '" + lsn + "'::pg_lsn");
      if (!there) return there.error();
      if (there->flag(0, 0)) break;
      if (Clock::now() >= deadline) return refused("replica " + address_of(server(target_)) + " did not replay " + lsn + " in time");
      std::this_thread::sleep_for(kPoll);
    }
    note("replayed", lsn);
    return {};
  }

  // From here on there is no way back: whoever is promoted late must not find another primary that writes.
  Result<void> promote() {
    promoting_ = true;
    const auto done = ask(*replica_, "SELECT pg_promote(true, " + std::to_string(kPromoteSeconds) + ")", std::chrono::seconds(kPromoteSeconds + 5));
    if (!done) return done.error();
    if (!done->flag(0, 0)) return refused("the promotion of " + address_of(server(target_)) + " was asked for, and has not happened yet");
    note("promoted", address_of(server(target_)));
    const auto deadline = Clock::now() + database_->switchover_timeout;
    roles_->suspect(target_);
    while (roles_->acting(id_) != target_ || !roles_->open(id_)) {
      if (Clock::now() >= deadline) return refused("server " + address_of(server(target_)) + " was promoted, but is not seen as the primary", "SHOW REPLICAS says why", roles_->reason(id_));
      std::this_thread::sleep_for(kPoll);
    }
    if (auto open = resume(); !open) return open;
    note("resumed", "timeline " + std::to_string(roles_->timeline(id_)));
    note("pause", std::to_string(std::chrono::duration_cast<milliseconds>(Clock::now() - pause_began_).count()) + " ms");
    note("left to do", "the old primary " + address_of(server(acting_)) + " stays fenced: stop it, pg_rewind it or copy it anew, and start it as a standby");
    return {};
  }

  Result<void> resume() {
    if (!std::exchange(paused_, false)) return {};
    return proxy::resume_shard(proxy_, order_.database);
  }

  void undo() {
    if (fenced_ && !promoting_) {
      bool lifted = true;
      for (const char* sql : {kLiftSql, kReloadSql}) lifted = ask(*primary_, sql).has_value() && lifted;
      if (!lifted) spdlog::error("switchover database={} shard={}: the fence on {} could not be lifted", order_.database, order_.shard, address_of(server(acting_)));
    }
    if (auto resumed = resume(); !resumed) spdlog::error("switchover database={}: {}", order_.database, resumed.error().message);
  }

  proxy::Proxy& proxy_;
  const SwitchoverOrder order_;
  const SteadyTime began_;
  Table table_;
  config::ConfigPtr config_;
  const config::Database* database_ = nullptr;
  const config::Shard* shard_ = nullptr;
  std::shared_ptr<const control::DatabaseState> state_;
  control::ShardRoles* roles_ = nullptr;
  std::size_t index_ = 0;
  ShardId id_{0};
  ServerId acting_{0}, target_{0};
  Conn primary_, replica_;
  SteadyTime pause_began_;
  bool left_fence_ = false, paused_ = false, fenced_ = false, promoting_ = false;
};

}  // namespace

Result<Table> switch_over(proxy::Proxy& proxy, const SwitchoverOrder& order) { return Switchover(proxy, order).run(); }

}  // namespace howdah::admin
