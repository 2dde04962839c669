// Packets with descriptors between two processes of the proxy on one machine.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"

namespace howdah::proxy {

// A packet owns the descriptors that came with it until somebody takes them.
struct HandoverPacket {
  char type = 0;
  std::string body;
  std::vector<int> fds;

  HandoverPacket() = default;
  HandoverPacket(char type_, std::string body_) : type(type_), body(std::move(body_)) {}
  HandoverPacket(HandoverPacket&& other) noexcept : type(other.type), body(std::move(other.body)), fds(std::move(other.fds)) {
    other.fds.clear();
  }
  HandoverPacket& operator=(HandoverPacket&& other) noexcept;
  ~HandoverPacket() { close_fds(); }
  int take_fd(std::size_t at);  // -1 when there is none
  void close_fds();
};

// One end of a SOCK_SEQPACKET connection, non-blocking; one thread. A body too large for a packet travels in a memory
// file. https://man7.org/linux/man-pages/man7/unix.7.html (SCM_RIGHTS)
class HandoverLink {
 public:
  explicit HandoverLink(int fd);
  ~HandoverLink();
  HandoverLink(const HandoverLink&) = delete;
  HandoverLink& operator=(const HandoverLink&) = delete;

  int fd() const { return fd_; }
  bool broken() const { return broken_; }
  bool wants_to_write() const { return !queue_.empty() && !broken_; }
  // `borrowed` are sent, not taken: they stay open until the packet is out. `sent` runs once the packet is in the
  // peer's socket (true), or the link is broken and it never will be.
  using Sent = std::function<void(bool)>;
  void send(char type, std::string body, std::vector<int> borrowed = {}, Sent sent = {});
  void flush();
  // False: nothing more now, or broken().
  bool receive(HandoverPacket& packet);
  // True when the peer runs as the same user as this process, or as root.
  bool peer_is_trusted() const;
  // Whether the peer's process ends within `patience`; for after the link broke.
  bool peer_has_ended(std::chrono::milliseconds patience) const;

 private:
  struct Outgoing {
    std::string bytes;
    std::vector<int> fds;
    int memory = -1;  // ours: the body's file, among `fds`, too
    Sent sent;
  };
  void drop_queue();

  int fd_;
  int process_ = -1;  // the peer's, as a descriptor
  bool broken_ = false;
  std::deque<Outgoing> queue_;
};

// The name is `path`, which appears whole or not at all: a file of that name is replaced. Only this user may connect.
Result<int> listen_handover(const std::string& path);
// -1: nobody listens there.
int connect_handover(const std::string& path);

}  // namespace howdah::proxy
