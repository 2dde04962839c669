// What an operator may close: databases as a whole, for new logins or for new statements.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace howdah::proxy {

class Proxy;

struct GateStates {
  std::vector<std::string> paused, disabled;  // names of databases
};

// Each acts on every worker and returns when all of them have acted: not from a worker's thread. `database`: empty
// means all. A worker that does not answer for seconds acts when it comes round; the error names it.

// No client gets a server connection any more, unless it is in the middle of a transaction or a pipeline. Connections
// are closed as they become free.
Result<void> pause(Proxy& proxy, const std::string& database);
Result<void> resume(Proxy& proxy, const std::string& database);
// The same for the acting primary of one shard, and for users who come meanwhile.
Result<void> pause_shard(Proxy& proxy, const std::string& database, ShardId shard);
Result<void> resume_shard(Proxy& proxy, const std::string& database);
// Server connections to the acting primary of one shard. An error while a worker does not answer.
Result<std::size_t> count_shard_connections(Proxy& proxy, const std::string& database, ShardId shard);
// Every connection there is now is closed when it becomes free.
Result<void> reconnect(Proxy& proxy, const std::string& database);
// Ends all clients at once, and their server connections with them. Those in a two-phase commit end after it.
Result<void> kill_clients(Proxy& proxy, const std::string& database);
// Logins are refused, or allowed again.
Result<void> set_disabled(Proxy& proxy, const std::string& database, bool disabled);

GateStates gate_states(Proxy& proxy);

struct OpenConnections {
  std::size_t all = 0;
  std::size_t closing = 0;  // of those: closed when they become free
};
// An error while a worker does not answer.
Result<OpenConnections> count_connections(Proxy& proxy, const std::string& database);

}  // namespace howdah::proxy
