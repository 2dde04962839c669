// The server connections of one worker to one server as one user, and the clients that wait for one.
// The limit on their number spans all workers: a Budget. A worker whose clients wait while the budget is spent is
// handed idle connections by the others, longest waiter first.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/latency_histogram.h"
#include "drivers/net/reactor.h"
#include "drivers/pgwire/scram_verifier.h"
#include "proxy/core/budget.h"
#include "proxy/core/connection_reset.h"
#include "proxy/core/queue_guard.h"
#include "proxy/core/server_conn.h"
#include "proxy/core/tls_upgrade.h"
#include "proxy/core/wait_queue.h"
#include "schema/object_ids.h"

namespace howdah::proxy {

class DatabaseView;
class Worker;
class Breaker;
class Pool;

// Where and as whom a pool's connections log in.
struct ServerTarget {
  std::string host;  // numeric, or a unix socket's folder
  std::uint16_t port = 5432;
  std::string database;       // as the server knows it
  std::string database_name;  // as clients know it
  std::string user;
  std::string password;    // or its md5 hash; empty: only Pool::scram_keys
  ServerTlsTarget tls;
  ServerId server;
  ShardId shard;
  bool replica = false;
  std::string cluster;     // with several shards: howdah.stamp is called with these
  std::string shard_name;
  std::string proxy_name;
  bool stamp = false;
  bool proves_role = false;  // its shard has other servers: a login tells the timeline of who says it is the primary
  milliseconds patience{0};  // how long clients wait for a primary that is down
  // Of a replication connection: all that its startup packet says beside user and database.
  std::vector<std::pair<std::string, std::string>> startup;
  milliseconds connect_timeout{5'000};
  seconds idle_timeout{600};
  seconds lifetime{3'600};
  milliseconds reserve_timeout{5'000};
  std::string describe() const { return host + ":" + std::to_string(port); }
};

class Pool final : private net::TimerHandler {
 public:
  Pool(Worker& worker, ServerTarget target, std::shared_ptr<Budget> budget);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // A connection at once, or null and `waiter` stands in the queue.
  ServerConn* acquire(PoolWaiter& waiter);
  void give_up(PoolWaiter& waiter);
  // The session is done with it. Anything but a clean, young connection is closed.
  void release(ServerConn& conn);

  // From ServerConn.
  void note_lost(const ServerConn& conn, ServerConn::State before);
  void on_connected(ServerConn& conn);
  void on_lost(ServerConn& conn, ServerConn::State before);
  // And a moving average: each answer counts for a sixteenth.
  void note_latency(std::int64_t took_us) {
    const auto latest = static_cast<std::int64_t>(std::min<std::int64_t>(took_us, 60'000'000));
    counters.queries.note(took_us);
    latency_us = latency_us == 0 ? static_cast<std::uint32_t>(latest) : static_cast<std::uint32_t>(latency_us + (latest - latency_us) / 16);
  }
  // pool_guard.cc: a sick server is left alone.
  bool leaves_alone();         // the statement at hand is to fail, or to go elsewhere; else it may be the one that tries the server
  bool is_left_alone() const;  // the same question, from one who only asks
  Error breaker_error() const; // REQUIRES: breaker
  void note_answer(ServerConn& conn);
  void note_failure(const Error& reason);
  void look_for_late(SteadyTime now);
  // From ConnectionReset: as new, or beyond repair.
  void on_reset(ServerConn& conn, bool ok);
  // From CancelRequest: the last one for this connection is over.
  void on_cancels_done(ServerConn& conn);

  // On this worker's thread: another worker's clients wait, or room came into the budget.
  void feed_others();
  void retry();
  // The role of its server: session clients of a primary wait for it where it is down (pool_role.cc).
  void set_replica(bool replica) { target_.replica = replica; }
  // Another server is the primary now, or nobody knows which: whoever holds a connection loses it, whoever waits hears `reason`.
  void cut(const Error& reason);
  // The primary may be connected to again: for all who wait.
  void open_all();
  // Why nobody gets a connection to this primary; null while nothing is known against it.
  const Error* outage() const { return outage_ ? &outage_->reason : nullptr; }
  Error outage_error(SteadyTime waiting_since) const;
  // Two servers claim to be this primary.
  Error dispute_error() const;
  // Another pool's clients wait for a limit that both share: an idle connection goes.
  void yield_idle();
  // The place of a connection that another pool closed is this one's now.
  void start_in_place();
  // Opens what is missing to the pool's minimum.
  void fill();
  void adopt(std::shared_ptr<ServerConn> conn);

  // Closes connections idle or alive for too long, and all idle ones with `everything`.
  void sweep(SteadyTime now, bool everything);
  void reconfigure(const ServerTarget& target);

  // Of the newest shard map that this worker knows.
  std::uint64_t map_epoch();
  // How this shard's OIDs differ from the canonical shard's; null: they do not. Valid until the worker's next turn.
  const schema::ObjectIds* object_ids();
  // Nobody but who passes_pause() gets a connection any more; idle ones are closed, the others when they are released.
  void pause();
  // Those that came meanwhile are served in order.
  void resume();
  // Every connection there is now is closed, when it is released.
  void close_all();
  std::size_t closing() const;  // connections that wait for their release to be closed

  const ServerTarget& target() const { return target_; }
  Worker& worker() { return worker_; }
  Budget& budget() { return *budget_; }
  std::size_t idle() const { return idle_.size(); }
  std::size_t connecting() const { return connecting_; }
  std::size_t total() const { return conns_.size(); }
  std::size_t waiting() const { return waiters_.size() + held_.size(); }
  SteadyTime oldest_waiter() const {
    return !held_.empty() ? held_.front()->waiting_since : waiters_.empty() ? SteadyTime{} : waiters_.front()->waiting_since;
  }
  const std::vector<std::shared_ptr<ServerConn>>& connections() const { return conns_; }
  // SCRAM keys: those that a client proved to know, or of the last login here, which spares the next one the derivation.
  std::optional<pgwire::ScramKeys> scram_keys;

  struct Counters {
    std::uint64_t transactions = 0, statements = 0, wait_us = 0, bytes_in = 0, bytes_out = 0, connects = 0, failures = 0, shed = 0;
    std::uint64_t busy_us = 0;   // server connections held by clients
    std::uint64_t query_us = 0;  // ... while replies were owed
    LatencyHistogram waits;      // of clients for a connection, also those that got one at once
    LatencyHistogram queries;    // from the first thing owed to the last
    void add(const Counters& more) {
      transactions += more.transactions;
      statements += more.statements;
      wait_us += more.wait_us;
      bytes_in += more.bytes_in;
      bytes_out += more.bytes_out;
      connects += more.connects;
      failures += more.failures;
      shed += more.shed;
      busy_us += more.busy_us;
      query_us += more.query_us;
      waits.add(more.waits);
      queries.add(more.queries);
    }
  };
  Counters counters;
  std::uint32_t latency_us = 0;  // of late, from the first thing owed to the last; 0: not known
  std::uint64_t prepared_limit = 500;
  QueueGuard queue;
  Breaker* breaker = nullptr;    // of its server; null: none is configured
  DatabaseView* view = nullptr;  // of its database: the shard map that connections are stamped with

 private:
  void start_connection();
  bool held();
  bool may_wait(const Error& reason) const;
  std::optional<Error> refusal_of(const ServerConn& conn);
  void note_outage(Error reason);
  void end_overdue_waits();
  void grant(ServerConn& conn);
  void make_available(ServerConn& conn);
  bool feed_hungriest(ServerConn& conn);
  void publish_wait();
  std::shared_ptr<ServerConn> take(ServerConn& conn);
  void forget(ServerConn& conn);
  void close(ServerConn& conn);
  bool yield(ServerConn& conn, bool surplus);
  void on_timer() override;
  bool enter_queue(PoolWaiter& newcomer);
  void make_room(PoolWaiter& newcomer, PoolWaiter& leaves);
  void note_shed(SteadyTime now);
  void note_calm(SteadyTime now);
  void note_success();

  Worker& worker_;
  ServerTarget target_;
  std::shared_ptr<Budget> budget_;
  // Shared only because a connection on its way to another worker sits in a posted call.
  std::vector<std::shared_ptr<ServerConn>> conns_;
  std::vector<ServerConn*> idle_;  // most recently used last: the others age and are closed
  WaitQueue waiters_;
  std::deque<PoolWaiter*> held_;   // came while paused_
  bool paused_ = false;
  std::size_t connecting_ = 0;
  net::Timer queue_timer_;   // runs while clients wait
  SteadyTime last_failure_;  // of a login
  bool failing_ = false;     // the last login failed
  SteadyTime last_shed_;
  std::uint64_t shed_since_ = 0;   // refused in the overload at hand
  std::uint64_t opened_seen_ = 0;  // how often the breaker had opened
  struct Outage {
    Error reason;
  };
  std::unique_ptr<Outage> outage_;  // since the last login that failed because the server is down; null: none has
  ConnectionReset reset_;
};

}  // namespace howdah::proxy
