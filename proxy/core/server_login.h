// Logging in to a PostgreSQL server, as a state machine over its messages.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "drivers/pgwire/authentication.h"
#include "drivers/pgwire/scram.h"
#include "proxy/core/server_conn.h"
#include "proxy/core/tls_upgrade.h"

namespace howdah::proxy {

struct ServerTarget;

// Lives while its ServerConn is kConnecting. Fills in the connection's parameters and cancel key.
class ServerLogin {
 public:
  ServerLogin(ServerConn& conn, const ServerTarget& target) : conn_(conn), target_(target) {}

  // The connecting socket.
  Result<int> open() const;
  // No message of the protocol may be read yet.
  bool connecting() const { return step_ == Step::kConnecting || step_ == Step::kUpgrading; }
  // The socket stands (or failed), or something came while it is made ready; false: call again at its next event.
  // Queues the startup packet once it is.
  Result<bool> on_connected(net::Stream& stream);
  // Errors carry the code that waiting clients should see; kTooManyClients means "later".
  Result<void> on_message(char type, Bytes body);
  bool done() const { return step_ == Step::kDone; }

 private:
  enum class Step : std::uint8_t { kConnecting, kUpgrading, kAuthenticating, kStarting, kAsking, kDone };

  void send_startup();
  Result<void> on_authentication(Bytes body);
  Result<void> begin_scram(const pgwire::Authentication& request, std::string& reply);
  Result<void> continue_scram(Bytes payload, std::string& reply);
  Error no_password(const char* method) const;
  Error from_server(Bytes body) const;
  // What is asked once logged in: the shard's identity and the parameters that the server does not report.
  void ask();

  ServerConn& conn_;
  const ServerTarget& target_;
  Step step_ = Step::kConnecting;
  std::optional<TlsUpgrade> upgrade_;
  std::optional<pgwire::ScramClient> scram_;
  bool bound_ = false;  // to the server's certificate
};

}  // namespace howdah::proxy
