// What the workers hold at one moment, copied so that any thread may look at it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "proxy/core/pool.h"
#include "proxy/core/session.h"

namespace howdah::proxy {
class Proxy;
}

namespace howdah::admin {

using proxy::Proxy;

// WorkerCounters, summed over the workers.
struct Totals {
  std::uint64_t clients_accepted = 0, clients_closed = 0, login_failures = 0;
  std::uint64_t statements = 0, transactions = 0, errors = 0, refused = 0;
  std::uint64_t plan_hits = 0, plan_misses = 0, plan_entries = 0;
  std::uint64_t bytes_from_clients = 0, bytes_to_clients = 0;
  std::uint64_t distributed_commits = 0, distributed_aborts = 0, all_shard_statements = 0, wait_timeouts = 0;
  std::uint64_t query_timeouts = 0, transaction_timeouts = 0, idle_timeouts = 0, deadlocks = 0;
  std::int64_t clients = 0;  // logged in, the console's included
};

struct ClientCounts {
  std::uint32_t active = 0, idle = 0, idle_in_transaction = 0, waiting = 0;
  std::uint32_t total() const { return active + idle + idle_in_transaction + waiting; }
};

using PoolKey = std::pair<std::string, std::string>;  // database and user

// The connections to one server as one user of one database, summed over the workers.
struct PoolSample {
  PoolKey key;
  ServerId server;
  std::string host;
  std::uint16_t port = 0;
  std::string shard;
  bool replica = false;
  std::uint32_t limit = 0;
  std::uint32_t active = 0, idle = 0, login = 0, canceled = 0, waiting = 0;
  microseconds longest_wait{0};
  proxy::Pool::Counters counters;
};

struct ServerSample {
  PoolKey key;
  std::string host, shard;
  std::uint16_t port = 0;
  bool replica = false, tls = false, canceled = false, close_needed = false;
  proxy::ServerConn::State state = proxy::ServerConn::State::kIdle;
  SteadyTime created, last_used;
  std::int32_t backend_pid = 0;
  std::uint64_t id = 0;
  std::int32_t client_pid = 0;  // who holds it; 0 nobody
  std::size_t prepared = 0;
};

struct ClientSample {
  PoolKey key;
  std::string peer, application_name, pinned;
  proxy::Session::ClientState state = proxy::Session::ClientState::kIdle;
  bool tls = false;
  std::int32_t pid = 0;
  std::size_t prepared = 0;
  SteadyTime connected, request, waiting_since;
  std::vector<std::uint64_t> links;  // ServerSample::id
};

struct Snapshot {
  SteadyTime now;
  Totals totals;
  std::map<PoolKey, ClientCounts> clients;  // the console's under database "howdah"
  std::map<std::pair<PoolKey, ServerId>, PoolSample> pools;
  std::vector<ServerSample> server_list;    // with Detail::kConnections
  std::vector<ClientSample> client_list;    // with Detail::kConnections
  std::set<std::string> paused, disabled;   // databases
  std::vector<std::size_t> missing;         // workers that did not answer in time: nothing of theirs is above
};

enum class Detail : std::uint8_t { kCounts, kConnections };

// How long an answer of a worker is waited for: each turn of its event loop takes well under a millisecond.
inline constexpr auto kWorkerPatience = std::chrono::seconds(2);

// Asks every worker, and blocks until all have answered or kWorkerPatience has passed: not from a worker's thread, and
// not once they stop.
Snapshot take_snapshot(Proxy& proxy, Detail detail);

}  // namespace howdah::admin
