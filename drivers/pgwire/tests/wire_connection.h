// A blocking socket that speaks in whole messages: what the codec is tried with against a real peer.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/startup.h"
#include "drivers/pgwire/types.h"

namespace howdah::pgwire::testing {

// A message with its bytes.
struct Message {
  char type = 0;
  std::string body;
};

class WireConnection {
 public:
  explicit WireConnection(int fd) : fd_(fd) {
    const timeval limit{30, 0};  // a peer that hangs fails the test instead of stopping it
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~WireConnection() { close(fd_); }
  WireConnection(const WireConnection&) = delete;
  WireConnection& operator=(const WireConnection&) = delete;

  static int connect_to(std::uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) perror("connect");
    return fd;
  }

  void send(Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the peer is gone: the next read says so
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // The next message; nothing when the peer closed, or sent nothing for ten seconds.
  std::optional<Message> next() {
    for (Frame frame; next_frame(in_, kMaxServerLength, frame) != FrameStatus::kOk;) {
      if (!read_more()) return std::nullopt;
    }
    Frame frame;
    next_frame(in_, kMaxServerLength, frame);
    Message message{frame.type, std::string(frame.body)};
    in_.erase(0, frame.whole.size());
    return message;
  }

  // All messages up to and including the first of this type, or up to the end.
  std::vector<Message> until(char type) {
    std::vector<Message> messages;
    while (auto message = next()) {
      messages.push_back(std::move(*message));
      if (messages.back().type == type) break;
    }
    return messages;
  }

  // Whether the peer has ended the connection, as far as was read.
  bool closed() const { return closed_; }

  // The next startup packet; the request's views live until the next call.
  bool next_startup_packet(StartupRequest& request) {
    in_.erase(0, std::exchange(consumed_, 0));
    while (next_startup(in_, request, consumed_) == FrameStatus::kNeedMore) {
      if (!read_more()) return false;
    }
    return consumed_ > 0;
  }
  void forget_startup_packet() { in_.erase(0, std::exchange(consumed_, 0)); }

 private:
  bool read_more() {
    char bytes[8192];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got > 0) in_.append(bytes, static_cast<std::size_t>(got));
    closed_ = got == 0 || (got < 0 && errno == ECONNRESET);
    return got > 0;
  }

  int fd_;
  std::string in_;
  std::size_t consumed_ = 0;
  bool closed_ = false;
};

}  // namespace howdah::pgwire::testing
