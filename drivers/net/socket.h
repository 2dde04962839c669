// Making sockets: listening, and connecting without blocking.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace howdah::net {

// A listening, non-blocking socket; `port` 0 takes a free one. kConfig with the reason when it cannot be had.
Result<int> listen_tcp(const std::string& address, std::uint16_t port, int backlog);
std::uint16_t local_port(int fd);

// Begins to connect; the descriptor turns writable when the connection stands or failed (see connect_error).
// `host`: a numeric address, or a folder with PostgreSQL's unix socket when it begins with '/'.
Result<int> start_connect(const std::string& host, std::uint16_t port);
// 0 when the connection stands.
int connect_error(int fd);
// Small writes go out at once: requests and replies are whole messages already.
void set_no_delay(int fd);
// A numeric address for `host`; names are resolved when the configuration is applied, never on the data path.
Result<std::string> resolve(const std::string& host);
// "address:port" or "unix" of the peer.
std::string peer_name(int fd);

}  // namespace howdah::net
