// From plain to TLS on a connection to a server, before its first message.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.12
#pragma once

#include <string>

#include "base/error.h"
#include "drivers/net/stream.h"
#include "drivers/net/tls.h"

namespace howdah::proxy {

// How a server's connections are encrypted.
struct ServerTlsTarget {
  net::TlsContext context;       // null: not at all
  std::string name;              // of the server, for its certificate
  bool must = false;             // plain is no way out when the server has no TLS
  bool verify_name = false;
  bool require_binding = false;  // the login must be bound to the server's certificate
};

class TlsUpgrade {
 public:
  // `target` must outlive it, and has a context.
  explicit TlsUpgrade(const ServerTlsTarget& target) : target_(target) {}

  enum class Step : std::uint8_t { kWait, kDone };
  // Once the socket stands, and at each of its events: kDone when the startup packet may follow, in TLS or (unless it
  // must be) in the clear. Errors: kServerUnavailable. What a server says in the clear instead of an answer is not
  // repeated: anybody on the way may have said it.
  Result<Step> step(net::Stream& stream);

 private:
  Result<Step> take_answer(net::Stream& stream);

  const ServerTlsTarget& target_;
  enum class State : std::uint8_t { kStart, kAsked, kHandshake } state_ = State::kStart;
};

}  // namespace howdah::proxy
