// Which server of a shard a read goes to: a replica that shows all that this client has written and seen, else the primary.
// https://www.postgresql.org/docs/15/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL
#include <algorithm>
#include <charconv>

#include "proxy/control/sample_tracker.h"
#include "proxy/core/session.h"
#include "proxy/core/state_questions.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

using sharding::ReadFrom;
using sharding::sql::Verb;

namespace {

constexpr std::int64_t kFirstPause = 50'000'000;  // nanoseconds
constexpr std::int64_t kLongestPause = 800'000'000;

const char* const kInsertPosition =
    "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0'), "
    "pg_catalog.current_setting('wal_block_size'), "
    "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))";
const char* const kReplayPosition =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0')";

const config::Server* server_of(const config::Shard& shard, ServerId id) {
  if (shard.primary.id == id) return &shard.primary;
  for (const auto& replica : shard.replicas) {
    if (replica.id == id) return &replica;
  }
  return nullptr;
}

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Null as no text; nothing when the answer has no row.
std::vector<std::string> first_row(std::string_view replies) {
  std::vector<std::string> values;
  const auto rows = rows_of(replies);
  if (rows.empty()) return values;
  for (const auto& value : rows[0]) values.push_back(value.value_or(""));
  return values;
}

}  // namespace

// May a replica answer it, were it to show all that there is?
bool Session::is_replicas_work(ShardId shard, bool reads) const {
  if (!reads || views_.empty() || pools_->replicas[shard.value()].empty() || pools_->database->health() == nullptr) return false;
  return !tx_.active() || (tx_.explicit_block() && tx_.options.read_only == true &&
                           tx_.options.isolation != sharding::sql::TransactionOptions::Isolation::kSerializable);
}

// What the user's and the database's policy makes of a read without a wish of its own.
ReadFrom Session::wish_by_policy(ShardId shard, const Plan& plan) const {
  const bool only = pools_->limits.replica_reads == config::ReplicaReads::kOnly;
  return only && is_replicas_work(shard, plan.read_only) ? ReadFrom::kReplica : ReadFrom::kDefault;
}

// All replicas are down, and the primary is not to do their work.
bool Session::is_withheld(ShardId shard, const Plan& plan) const {
  if (pools_->database->config().primary_reads || pools_->limits.replica_reads == config::ReplicaReads::kOff) return false;
  if (!is_replicas_work(shard, plan.read_only)) return false;
  const auto& replicas = pools_->replicas[shard.value()];
  return std::none_of(replicas.begin(), replicas.end(), [this](ServerId replica) { return pools_->database->health()->at(replica).up.load(std::memory_order_relaxed); });
}

ServerId Session::server_for(ShardId shard, const Plan& plan) {
  handover_ = kNoServer;
  const ServerId primary = pools_->primaries[shard.value()];
  if (!is_replicas_work(shard, plan.read_only) || pools_->limits.replica_reads == config::ReplicaReads::kOff) return primary;
  const ShardView& view = views_[shard.value()];
  // The one read last cannot go back. To another server it counts as a write at the time of the last read.
  const std::int64_t mark = std::max(view.mark, view.last_read);
  const ServerId chosen = choose_replica(shard, [&](ServerId replica) { return replica.value() == view.last_server ? view.mark : mark; });
  if (chosen.value() != kNoServer) return chosen;
  if (view.last_server == primary.value() && control::to_steady_ns(worker_.reactor().now()) >= view.ask_again) {
    handover_ = choose_replica(shard, [&](ServerId) { return view.mark; }).value();
  }
  return primary;
}

// The position of a howdah.token: the timeline first, see ReplicaMonitor::apply().
bool Session::shows_floor(const control::ServerHealth& replica, ServerId primary) const {
  const WalFloor& floor = views_[pools_->pool(primary).target().shard.value()].floor;
  if (floor.lsn == 0) return true;
  return pools_->database->health()->at(primary).timeline.load(std::memory_order_acquire) >= floor.timeline &&
         replica.shows.load(std::memory_order_acquire) >= floor.lsn;
}

// Is it up, shows it all that was complete before `mark`, and is it not too far behind for anybody?
bool Session::may_read(ServerId replica, ServerId primary, std::int64_t mark, bool eventual) const {
  if (replica == avoided_) return false;
  const auto& state = pools_->database->health()->at(replica);
  if (!state.up.load(std::memory_order_relaxed) || !state.may_read(mark)) return false;
  if (!eventual && !shows_floor(state, primary)) return false;
  if (pools_->pool(replica).is_left_alone()) return false;
  const config::Database& config = pools_->database->config();
  if (config.max_lag.count() > 0) {
    // By the primary's last word: while it is away nobody falls further behind.
    const std::int64_t newest = pools_->database->health()->at(primary).last_seen.load(std::memory_order_relaxed);
    if (newest - state.caught_up_to.load(std::memory_order_relaxed) > 1'000'000 * config.max_lag.count()) return false;
  }
  return config.max_lag_bytes == 0 || state.lag_bytes.load(std::memory_order_relaxed) <= config.max_lag_bytes;
}

// `mark_for(replica)`: what the replica must show. `eventual`: a token does not count. kNoServer: none does.
template <class MarkFor>
ServerId Session::choose_replica(ShardId shard, MarkFor mark_for, bool eventual) {
  const config::Database& config = pools_->database->config();
  const auto& replicas = pools_->replicas[shard.value()];
  const auto& servers = config.shards[shard.value()];
  const std::string& zone = worker_.config()->zone;
  ReplicaChoice& choice = worker_.replica_choice;
  choice.begin();
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    if (!may_read(replicas[i], pools_->primaries[shard.value()], mark_for(replicas[i]), eventual)) continue;
    if (replicas.size() == 1) return replicas[i];
    ReplicaChoice::Candidate candidate{.server = replicas[i]};
    // Any of the shard's servers may be a replica today.
    if (const config::Server* server = server_of(servers, replicas[i])) {
      candidate.weight = server->weight;
      candidate.near = !zone.empty() && server->zone == zone;
    }
    candidate.warmth = warmth(replicas[i], config.slow_start);
    const Pool& pool = pools_->pool(replicas[i]);
    candidate.outstanding = static_cast<std::uint32_t>(pool.total() - pool.idle() + pool.waiting());
    candidate.latency_us = pool.latency_us;
    candidate.last = replicas[i].value() == views_[shard.value()].last_server;
    choice.add(candidate);
  }
  return choice.empty() ? ServerId(kNoServer) : choice.pick(config.balance);
}

// From when it came back on it gets more and more.
double Session::warmth(ServerId replica, std::chrono::milliseconds slow_start) const {
  const std::int64_t since = pools_->database->health()->at(replica).recovered.load(std::memory_order_relaxed);
  if (since == 0 || slow_start.count() == 0) return 1;
  const auto up = static_cast<double>(control::to_steady_ns(worker_.reactor().now()) - since);
  return std::clamp(up / (1e6 * static_cast<double>(slow_start.count())), 0.02, 1.0);
}

ServerId Session::wished_server(ShardId shard, const Plan& plan, ReadFrom wish) {
  handover_ = kNoServer;
  const ServerId primary = pools_->primaries[shard.value()];
  const bool demanded = wish == ReadFrom::kReplica || wish == ReadFrom::kEventualReplica;
  const bool reads = plan.read_only || (demanded && plan.verb == Verb::kSelect);
  if (wish == ReadFrom::kPrimary || !is_replicas_work(shard, reads)) return primary;
  if (!demanded && pools_->limits.replica_reads == config::ReplicaReads::kOff) return primary;
  const ShardView& view = views_[shard.value()];
  if (wish != ReadFrom::kReplica) {
    const ServerId any = choose_replica(shard, [](ServerId) { return std::int64_t{0}; }, true);
    return any.value() == kNoServer ? primary : any;
  }
  const std::int64_t mark = std::max(view.mark, view.last_read);
  const ServerId chosen = choose_replica(shard, [&](ServerId replica) { return replica.value() == view.last_server ? view.mark : mark; });
  if (chosen.value() != kNoServer) return chosen;
  // To be asked whether it shows all that the primary did.
  handover_ = choose_replica(shard, [&](ServerId) { return view.mark; }).value();
  return primary;
}

// False for the replica read last when this connection is younger than that read: the server may have been restarted in
// between, and what a standby shows after a crash is at times older than what it showed before.
bool Session::continues_on(const ServerConn& conn) const {
  const ServerTarget& target = conn.pool().target();
  const ShardView& view = views_[target.shard.value()];
  if (view.last_server != target.server.value() || control::to_steady_ns(conn.created) <= view.last_read) return true;
  return pools_->database->health()->at(target.server).may_read(std::max(view.mark, view.last_read));
}

// A client that reads on the primary without a pause never meets a sample taken after its last read there, so samples
// alone would keep it on the primary forever. It is asked directly: all that this session has seen is in the WAL up to
// the primary's position of now, and a replica that has replayed that shows it all. The linked replica; null when it has
// not, or cannot be asked: the primary answers, and the question is put again after a pause.
Task<ServerConn*> Session::hand_over_reads(ShardId shard) {
  const ServerId replica(std::exchange(handover_, kNoServer));
  ShardView& view = views_[shard.value()];
  view.pause = std::clamp(view.pause * 2, kFirstPause, kLongestPause);
  view.ask_again = control::to_steady_ns(worker_.reactor().now()) + view.pause;
  // Only connections that are there: a read does not queue for the right to be read elsewhere.
  Pool& reader = pools_->pool(replica);
  if (reader.waiting() > 0 || (reader.idle() == 0 && reader.total() > 0)) co_return nullptr;
  ServerConn* conn = co_await acquire(pools_->pool(pools_->primaries[shard.value()]), false);
  if (conn == nullptr) co_return nullptr;
  std::string replies;
  const bool told = co_await ask(*conn, kInsertPosition, replies);
  release(*conn);
  const auto position = first_row(replies);
  if (!told || position.size() != 3 || closing_) co_return nullptr;
  const Lsn seen = control::end_of_last_record(Lsn(number(position[0])), number(position[1]), number(position[2]));
  conn = co_await acquire(reader, false);
  if (conn == nullptr) co_return nullptr;
  const bool answered = co_await ask(*conn, kReplayPosition, replies);
  const auto replayed = first_row(replies);
  if (answered && !closing_ && replayed.size() == 2 && replayed[0] == "t" && Lsn(number(replayed[1])) >= seen) {
    view.pause = 0;
    // From here on it is the server read last, and newer than that read.
    view.last_server = replica.value();
    view.last_read = control::to_steady_ns(std::chrono::steady_clock::now());
    conn->link.error = conn->link.error_forwarded = conn->link.forwarded = false;
    co_return conn;
  }
  release(*conn);
  co_return nullptr;
}

}  // namespace howdah::proxy
