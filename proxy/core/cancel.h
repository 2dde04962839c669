// A cancel request on its way to a server: a connection of its own, outside pools and limits.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.10
#pragma once

#include <memory>

#include "drivers/net/reactor.h"
#include "drivers/net/stream.h"
#include "proxy/core/server_conn.h"
#include "proxy/core/tls_upgrade.h"

namespace howdah::proxy {

class Worker;

// Owned by its worker; the server connection it is about is not reused before the server has closed this one, so that
// the cancel cannot hit another client's statement.
class CancelRequest final : public net::IoHandler, public net::TimerHandler {
 public:
  CancelRequest(Worker& worker, std::shared_ptr<ServerConn> target);
  ~CancelRequest();
  // False when it could not even begin.
  bool start();
  const std::shared_ptr<ServerConn>& target() const { return target_; }

  void on_io(std::uint32_t events) override;
  void on_timer() override;

 private:
  Worker& worker_;
  std::shared_ptr<ServerConn> target_;
  std::string packet_;
  // As the connection it is about: a key that was told in TLS is not told in the clear.
  const ServerTlsTarget tls_;
  std::optional<TlsUpgrade> upgrade_;
  net::Stream stream_;
  net::Timer timer_;
};

}  // namespace howdah::proxy
