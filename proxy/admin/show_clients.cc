// SHOW CLIENTS and SHOW SERVERS.
#include <algorithm>
#include <ctime>

#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"

namespace howdah::admin {

using proxy::ServerConn;
using proxy::Session;

namespace {

// As PgBouncer writes times, in UTC.
std::string wall_clock(SteadyTime time) {
  const auto ago = std::chrono::steady_clock::now() - time;
  const auto wall = std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::seconds>(ago);
  const std::time_t seconds_since = std::chrono::system_clock::to_time_t(wall);
  std::tm parts{};
  gmtime_r(&seconds_since, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

// "address:port"; an IPv6 address has colons of its own.
std::pair<std::string, std::string> split_peer(const std::string& peer) {
  const auto colon = peer.rfind(':');
  if (colon == std::string::npos) return {peer, "0"};
  return {peer.substr(0, colon), peer.substr(colon + 1)};
}

std::string server_name(std::uint64_t id) { return "s" + std::to_string(id); }
std::string client_name(std::int32_t pid) { return "c" + std::to_string(pid); }

const char* activity(Session::ClientState state) {
  switch (state) {
    case Session::ClientState::kActive: return "active";
    case Session::ClientState::kIdle: return "idle";
    case Session::ClientState::kIdleInTransaction: return "idle in transaction";
    case Session::ClientState::kWaiting: return "waiting";
  }
  return "";
}

// PgBouncer's words. It calls a connection that logs in new.
const char* server_state(const ServerSample& server) {
  if (server.canceled) return "being_canceled";
  switch (server.state) {
    case ServerConn::State::kConnecting: return "new";
    case ServerConn::State::kIdle: return "idle";
    case ServerConn::State::kLinked: return "active";
    case ServerConn::State::kLost: return "new";
  }
  return "";
}

}  // namespace

Table show_clients(const Snapshot& snapshot, const config::Config& config, std::uint16_t port) {
  Table table(kClientColumns);
  for (const ClientSample& client : snapshot.client_list) {
    const auto [address, client_port] = split_peer(client.peer);
    const bool waiting = client.state == Session::ClientState::kWaiting;
    const auto wait = std::chrono::duration_cast<microseconds>(snapshot.now - client.waiting_since);
    const auto wait_us = waiting ? std::max<std::int64_t>(wait.count(), 0) : 0;
    std::string links;
    for (const std::uint64_t id : client.links) links += (links.empty() ? "" : " ") + server_name(id);
    Row row;
    row << "C" << client.key.second << client.key.first << (waiting ? "waiting" : "active") << address << client_port
        << config.listen.address << port << wall_clock(client.connected) << wall_clock(client.request)
        << wait_us / 1'000'000 << wait_us % 1'000'000 << 0 << client_name(client.pid)
        << (client.links.empty() ? "" : server_name(client.links.front())) << 0 << (client.tls ? "TLS" : "")
        << client.application_name;
    row << client.prepared << client.pid << activity(client.state) << client.pid << links << client.pinned;
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_servers(const Snapshot& snapshot) {
  Table table(kServerColumns);
  for (const ServerSample& server : snapshot.server_list) {
    if (server.state == ServerConn::State::kLost) continue;
    Row row;
    row << "S" << server.key.second << server.key.first << server_state(server) << server.host << server.port << "" << 0
        << wall_clock(server.created) << wall_clock(server.last_used) << 0 << 0 << (server.close_needed ? 1 : 0) << server_name(server.id)
        << (server.client_pid == 0 ? "" : client_name(server.client_pid)) << server.backend_pid
        << (server.tls ? "TLS" : "") << "";
    row << server.prepared << server.id << server.shard << (server.replica ? "replica" : "primary");
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_sockets(const Snapshot& snapshot, const config::Config& config, std::uint16_t port, bool active_only) {
  constexpr std::size_t kShared = 18;  // columns that SHOW CLIENTS and SHOW SERVERS begin with
  constexpr std::size_t kState = 3;
  Table table(kSocketColumns);
  const auto add = [&](const Table& from, const char* prefix) {
    for (const auto& row : from.rows) {
      if (active_only && row[kState] != "active" && row[kState] != "waiting") continue;
      auto& cells = table.rows.emplace_back(row.begin(), row.begin() + kShared);
      cells[kState] = prefix + cells[kState];
      cells.resize(table.columns.size(), "0");
    }
  };
  add(show_clients(snapshot, config, port), "cl_");
  add(show_servers(snapshot), "sv_");
  return table;
}

}  // namespace howdah::admin
