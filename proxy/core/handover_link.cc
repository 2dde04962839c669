#include "proxy/core/handover_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace howdah::proxy {

namespace {

constexpr std::size_t kInlineBytes = 32 * 1024;
constexpr std::size_t kMostFds = 64;
constexpr off_t kMostBytes = 1 << 30;
constexpr char kInline = 'i', kInMemory = 'm';

bool fill(sockaddr_un& address, const std::string& path) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

int memory_file(const std::string& body) {
  const int fd = memfd_create("howdah", MFD_CLOEXEC);
  if (fd < 0) return -1;
  std::size_t at = 0;
  while (at < body.size()) {
    const ssize_t put = pwrite(fd, body.data() + at, body.size() - at, static_cast<off_t>(at));
    if (put <= 0) {
      close(fd);
      return -1;
    }
    at += static_cast<std::size_t>(put);
  }
  return fd;
}

bool read_memory_file(int fd, std::string& body) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || info.st_size < 0 || info.st_size > kMostBytes) return false;
  body.resize(static_cast<std::size_t>(info.st_size));
  std::size_t at = 0;
  while (at < body.size()) {
    const ssize_t got = pread(fd, body.data() + at, body.size() - at, static_cast<off_t>(at));
    if (got <= 0) return false;
    at += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

HandoverPacket& HandoverPacket::operator=(HandoverPacket&& other) noexcept {
  if (this == &other) return *this;
  close_fds();
  type = other.type;
  body = std::move(other.body);
  fds = std::exchange(other.fds, {});
  return *this;
}

int HandoverPacket::take_fd(std::size_t at) { return at < fds.size() ? std::exchange(fds[at], -1) : -1; }

void HandoverPacket::close_fds() {
  for (const int fd : fds) {
    if (fd >= 0) close(fd);
  }
  fds.clear();
}

HandoverLink::HandoverLink(int fd) : fd_(fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid > 0) {
    process_ = static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
  }
}

HandoverLink::~HandoverLink() {
  drop_queue();
  close(fd_);
  if (process_ >= 0) close(process_);
}

bool HandoverLink::peer_has_ended(std::chrono::milliseconds patience) const {
  if (process_ < 0) return true;  // it had ended before it could be looked at
  pollfd ended{process_, POLLIN, 0};
  return poll(&ended, 1, static_cast<int>(patience.count())) == 1;
}

void HandoverLink::drop_queue() {
  broken_ = true;
  const auto dropped = std::exchange(queue_, {});
  for (const Outgoing& packet : dropped) {
    if (packet.memory >= 0) close(packet.memory);
    if (packet.sent) packet.sent(false);
  }
}

void HandoverLink::send(char type, std::string body, std::vector<int> borrowed, Sent sent) {
  Outgoing packet;
  packet.fds = std::move(borrowed);
  packet.sent = std::move(sent);
  packet.bytes = {type, kInline};
  if (body.size() <= kInlineBytes) {
    packet.bytes += body;
  } else {
    packet.memory = memory_file(body);
    if (packet.memory < 0) {
      if (packet.sent) packet.sent(false);
      return drop_queue();
    }
    packet.bytes[1] = kInMemory;
    packet.fds.push_back(packet.memory);
  }
  if (broken_) {
    if (packet.memory >= 0) close(packet.memory);
    if (packet.sent) packet.sent(false);
    return;
  }
  queue_.push_back(std::move(packet));
  flush();
}

void HandoverLink::flush() {
  while (!queue_.empty() && !broken_) {
    Outgoing& packet = queue_.front();
    iovec part{packet.bytes.data(), packet.bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
    if (!packet.fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(packet.fds.size() * sizeof(int));
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(packet.fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), packet.fds.data(), packet.fds.size() * sizeof(int));
    }
    const ssize_t put = sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS) return;
      return drop_queue();
    }
    if (packet.memory >= 0) close(packet.memory);
    auto sent = std::move(packet.sent);
    queue_.pop_front();
    if (sent) sent(true);
  }
}

bool HandoverLink::receive(HandoverPacket& packet) {
  std::string bytes(kInlineBytes + 2, '\0');
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(fd_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  packet.close_fds();
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); got >= 0 && header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    packet.fds.resize((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(packet.fds.data(), CMSG_DATA(header), packet.fds.size() * sizeof(int));
  }
  const bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  if (got < 2 || cut || (bytes[1] == kInMemory && packet.fds.empty())) {
    broken_ = true;
    return false;
  }
  packet.type = bytes[0];
  if (bytes[1] == kInMemory) {
    const int memory = packet.fds.back();
    packet.fds.pop_back();
    broken_ = !read_memory_file(memory, packet.body);
    close(memory);
    return !broken_;
  }
  packet.body.assign(bytes, 2, static_cast<std::size_t>(got) - 2);
  return true;
}

bool HandoverLink::peer_is_trusted() const {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

Result<int> listen_handover(const std::string& path) {
  const auto failed = [&](const std::string& what) {
    return make_error(ErrorCode::kConfig, "restart.socket: cannot listen on " + path + ": " + what,
                      "the folder must exist and be writable, and the path be under 100 bytes");
  };
  const std::string fresh = path + "." + std::to_string(getpid());
  sockaddr_un address;
  if (!fill(address, fresh)) return failed("the path is too long");
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(std::strerror(errno));
  unlink(fresh.c_str());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || chmod(fresh.c_str(), 0600) != 0 ||
      listen(fd, 16) != 0 || rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(fresh.c_str());
    close(fd);
    return failed(std::strerror(error));
  }
  return fd;
}

int connect_handover(const std::string& path) {
  sockaddr_un address;
  if (!fill(address, path)) return -1;
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

}  // namespace howdah::proxy
