// Logging in to a PostgreSQL server, as a state machine over its messages.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "drivers/pgwire/scram.h"
#include "proxy/core/server_conn.h"

namespace howdah::proxy {

struct ServerTarget;

// Lives while its ServerConn is kConnecting. Fills in the connection's parameters and cancel key.
class ServerLogin {
 public:
  ServerLogin(ServerConn& conn, const ServerTarget& target) : conn_(conn), target_(target) {}

  // The connecting socket.
  Result<int> open() const;
  bool connecting() const { return step_ == Step::kConnecting; }
  // The socket stands (or failed): queues the startup packet.
  Result<void> on_connected(int fd);
  // Errors carry the code that waiting clients should see; kTooManyClients means "later".
  Result<void> on_message(char type, Bytes body);
  bool done() const { return step_ == Step::kDone; }

 private:
  enum class Step : std::uint8_t { kConnecting, kAuthenticating, kStarting, kAsking, kDone };

  Result<void> on_authentication(Bytes body);
  Error from_server(Bytes body) const;
  // What is asked once logged in: the shard's identity and the parameters that the server does not report.
  void ask();

  ServerConn& conn_;
  const ServerTarget& target_;
  Step step_ = Step::kConnecting;
  std::optional<pgwire::ScramClient> scram_;
};

}  // namespace howdah::proxy
