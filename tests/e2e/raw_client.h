// A client below every driver: raw bytes out, whole messages in. Blocking, with a limit on every wait.
#pragma once

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "drivers/pgwire/tests/wire_connection.h"

namespace howdah::e2e {

using pgwire::testing::Message;

// Who logs in where, and what else the startup packet says.
struct Login {
  std::string user = "app";
  std::string password = "app";
  std::string database = "app";
  std::vector<std::pair<std::string, std::string>> params;
  int minor = 0;  // of protocol 3
};

class RawClient {
 public:
  // Connects. A refused connection shows as the peer's end at the first read.
  explicit RawClient(std::uint16_t port) : RawClient(pgwire::testing::WireConnection::connect_to(port), 0) {}

  // Sends the startup packet and answers SCRAM. All messages up to ReadyForQuery, an error, or the end.
  std::vector<Message> log_in(const Login& login = {});
  // True when the last log_in() ended with ReadyForQuery.
  bool logged_in() const { return logged_in_; }
  std::int32_t pid() const { return pid_; }
  const std::string& key() const { return key_; }

  void send(Bytes bytes) { wire_.send(bytes); }
  // One write per byte; Nagle's algorithm is off.
  void send_split(Bytes bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) wire_.send(bytes.substr(i, 1));
  }
  // The next message; nothing at the end, or after half a minute of silence.
  std::optional<Message> next() { return wire_.next(); }
  // Messages up to and including the `count`th of this type, or up to the end.
  std::vector<Message> until(char type, int count = 1);
  // All messages up to the end. closed() tells the end from silence.
  std::vector<Message> until_closed();
  // Whether the peer has ended the connection, as far as was read.
  bool closed() const { return wire_.closed(); }
  // A simple query: all messages up to ReadyForQuery.
  std::vector<Message> query(Bytes sql);
  // What is read from a socket that has no messages: the answer to SSLRequest. Nothing at the end.
  std::optional<char> next_byte();
  // Sends RST instead of FIN when the connection is closed: the peer of a client that crashed.
  void abort_on_close();
  // Ends the sending half: the peer reads the end, and may still answer.
  void half_close() { shutdown(fd_, SHUT_WR); }

 private:
  RawClient(int fd, int) : fd_(fd), wire_(fd) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  int fd_;
  pgwire::testing::WireConnection wire_;
  bool logged_in_ = false;
  std::int32_t pid_ = 0;
  std::string key_;
};

// SQLSTATE of the first ErrorResponse among the messages; empty when there is none.
std::string first_sqlstate(const std::vector<Message>& messages);

}  // namespace howdah::e2e
