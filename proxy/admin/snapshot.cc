#include "proxy/admin/snapshot.h"

#include <algorithm>

#include "proxy/core/proxy.h"
#include "proxy/core/worker.h"

namespace howdah::admin {

using proxy::Pool;
using proxy::ServerConn;
using proxy::Session;
using proxy::Worker;

namespace {

template <class Atomic>
auto load(const Atomic& counter) {
  return counter.load(std::memory_order_relaxed);
}

void add_totals(Totals& totals, const Worker& worker) {
  const auto& from = worker.counters;
  totals.clients_accepted += load(from.clients_accepted);
  totals.clients_closed += load(from.clients_closed);
  totals.login_failures += load(from.login_failures);
  totals.statements += load(from.statements);
  totals.transactions += load(from.transactions);
  totals.errors += load(from.errors);
  totals.refused += load(from.refused);
  totals.plan_hits += load(from.plan_hits);
  totals.plan_misses += load(from.plan_misses);
  totals.bytes_from_clients += load(from.bytes_from_clients);
  totals.bytes_to_clients += load(from.bytes_to_clients);
  totals.distributed_commits += load(from.distributed_commits);
  totals.distributed_aborts += load(from.distributed_aborts);
  totals.all_shard_statements += load(from.all_shard_statements);
  totals.wait_timeouts += load(from.wait_timeouts);
  totals.query_timeouts += load(from.query_timeouts);
  totals.transaction_timeouts += load(from.transaction_timeouts);
  totals.idle_timeouts += load(from.idle_timeouts);
  totals.deadlocks += load(from.deadlocks);
  totals.clients += load(from.clients);
}

PoolKey key_of(const proxy::UserPools* pools, const std::string& user) {
  return {pools == nullptr ? "howdah" : pools->database->config().name, user};
}

void count_client(Snapshot& snapshot, const Session& session) {
  ClientCounts& counts = snapshot.clients[key_of(session.pools(), session.user_name())];
  switch (session.client_state()) {
    case Session::ClientState::kActive: ++counts.active; break;
    case Session::ClientState::kIdle: ++counts.idle; break;
    case Session::ClientState::kIdleInTransaction: ++counts.idle_in_transaction; break;
    case Session::ClientState::kWaiting: ++counts.waiting; break;
  }
}

void list_client(Snapshot& snapshot, const Session& session, std::map<const ServerConn*, std::int32_t>& holders) {
  const Session::Info info = session.info();
  ClientSample client;
  client.key = key_of(session.pools(), info.user);
  client.peer = info.peer;
  client.application_name = info.application_name;
  client.pinned = info.pin_reason;
  client.state = session.client_state();
  client.tls = session.is_tls();
  client.pid = info.pid;
  client.prepared = info.prepared;
  client.connected = info.connected;
  client.request = info.request == SteadyTime{} ? info.connected : info.request;
  client.waiting_since = client.state == Session::ClientState::kWaiting ? session.waiting_since : snapshot.now;
  for (const ServerConn* conn : info.links) {
    client.links.push_back(conn->id);
    holders[conn] = info.pid;
  }
  snapshot.client_list.push_back(std::move(client));
}

void add_pool(Snapshot& snapshot, const PoolKey& key, Pool& pool) {
  const auto& target = pool.target();
  PoolSample& sample = snapshot.pools[{key, target.server}];
  sample.key = key;
  sample.server = target.server;
  sample.host = target.host;
  sample.port = target.port;
  sample.shard = target.shard_name;
  sample.replica = target.replica;
  sample.limit = pool.budget().limit.load(std::memory_order_relaxed);
  for (const auto& conn : pool.connections()) {
    switch (conn->state()) {
      case ServerConn::State::kConnecting: ++sample.login; break;
      case ServerConn::State::kIdle: ++sample.idle; break;
      case ServerConn::State::kLinked: ++sample.active; break;
      case ServerConn::State::kLost: break;
    }
    if (conn->cancels_in_flight > 0) ++sample.canceled;
  }
  sample.waiting += static_cast<std::uint32_t>(pool.waiting());
  if (pool.waiting() > 0) {
    const auto wait = std::chrono::duration_cast<microseconds>(snapshot.now - pool.oldest_waiter());
    sample.longest_wait = std::max(sample.longest_wait, wait);
  }
  sample.counters.add(pool.counters);
}

void list_servers(Snapshot& snapshot, const PoolKey& key, const Pool& pool,
                  const std::map<const ServerConn*, std::int32_t>& holders) {
  const auto& target = pool.target();
  for (const auto& conn : pool.connections()) {
    ServerSample server;
    server.key = key;
    server.host = target.host;
    server.port = target.port;
    server.shard = target.shard_name;
    server.replica = target.replica;
    server.tls = conn->is_tls();
    server.canceled = conn->cancels_in_flight > 0;
    server.close_needed = conn->close_needed;
    server.state = conn->state();
    server.created = conn->created;
    server.last_used = conn->last_used;
    server.backend_pid = conn->backend_pid;
    server.id = conn->id;
    const auto holder = holders.find(conn.get());
    server.client_pid = holder == holders.end() ? 0 : holder->second;
    server.prepared = conn->statements.size();
    snapshot.server_list.push_back(std::move(server));
  }
}

// On the worker's thread.
void take_part(Snapshot& snapshot, Worker& worker, Detail detail) {
  snapshot.totals.plan_entries = worker.plans.size();
  for (const auto& [name, view] : worker.databases()) {
    if (view->paused) snapshot.paused.insert(name);
    if (view->disabled) snapshot.disabled.insert(name);
  }
  std::map<const ServerConn*, std::int32_t> holders;
  for (const auto& [pid, session] : worker.sessions()) {
    if (!session->logged_in()) continue;
    count_client(snapshot, *session);
    if (detail != Detail::kConnections) continue;
    list_client(snapshot, *session, holders);
    if (const Pool* own = session->replication_pool()) list_servers(snapshot, snapshot.client_list.back().key, *own, holders);
  }
  for (const auto& [name, pools] : worker.all_pools()) {
    const PoolKey key{pools->database->config().name, name.substr(name.find('\0') + 1)};
    for (const auto& pool : pools->by_server) {
      add_pool(snapshot, key, *pool);
      if (detail == Detail::kConnections) list_servers(snapshot, key, *pool, holders);
    }
  }
}

template <class T>
void append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void merge(Snapshot& into, Snapshot& part) {
  for (const auto& [key, counts] : part.clients) {
    ClientCounts& sum = into.clients[key];
    sum.active += counts.active;
    sum.idle += counts.idle;
    sum.idle_in_transaction += counts.idle_in_transaction;
    sum.waiting += counts.waiting;
  }
  for (auto& [key, sample] : part.pools) {
    const auto [at, added] = into.pools.try_emplace(key, sample);
    if (added) continue;
    PoolSample& sum = at->second;
    sum.active += sample.active;
    sum.idle += sample.idle;
    sum.login += sample.login;
    sum.canceled += sample.canceled;
    sum.waiting += sample.waiting;
    sum.longest_wait = std::max(sum.longest_wait, sample.longest_wait);
    sum.counters.add(sample.counters);
  }
  into.paused.merge(part.paused);
  into.disabled.merge(part.disabled);
  append(into.server_list, part.server_list);
  append(into.client_list, part.client_list);
}

}  // namespace

Snapshot take_snapshot(Proxy& proxy, Detail detail) {
  Snapshot whole;
  whole.now = std::chrono::steady_clock::now();
  // Each worker fills its own part, on its own thread, all at the same time; one that is late fills it for nobody.
  const auto shared = std::make_shared<std::vector<Snapshot>>(proxy.worker_count());
  auto& parts = *shared;
  for (Snapshot& part : parts) part.now = whole.now;
  whole.missing = proxy.on_each_worker(
      [shared, detail](Worker& worker) { take_part((*shared)[worker.index()], worker, detail); }, kWorkerPatience);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    add_totals(whole.totals, proxy.worker(i));
    if (std::find(whole.missing.begin(), whole.missing.end(), i) != whole.missing.end()) continue;
    whole.totals.plan_entries += parts[i].totals.plan_entries;
    merge(whole, parts[i]);
  }
  return whole;
}

}  // namespace howdah::admin
