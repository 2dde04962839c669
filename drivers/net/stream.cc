#include "drivers/net/stream.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace howdah::net {

namespace {

IoResult from_errno() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {IoStatus::kWouldBlock, 0, 0};
  return {IoStatus::kError, 0, errno};
}

}  // namespace

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.fd_;
    ssl_ = other.ssl_;
    other.fd_ = -1;
    other.ssl_ = nullptr;
  }
  return *this;
}

void Stream::close() {
  if (ssl_ != nullptr) {
    SSL_shutdown(ssl_);  // sends close_notify; the peer's answer is not waited for
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

IoResult Stream::read(char* into, std::size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    return tls_result(SSL_read(ssl_, into, static_cast<int>(std::min<std::size_t>(size, 1u << 30))));
  }
  const ssize_t got = ::recv(fd_, into, size, 0);
  if (got > 0) return {IoStatus::kOk, static_cast<std::size_t>(got), 0};
  if (got == 0) return {IoStatus::kEof, 0, 0};
  return from_errno();
}

IoResult Stream::write(Bytes first, Bytes second) {
  if (ssl_ != nullptr) {
    IoResult result = tls_write(first);
    if (result.status != IoStatus::kOk || result.count < first.size()) return result;
    IoResult more = tls_write(second);
    if (more.status == IoStatus::kOk) result.count += more.count;
    else if (result.count == 0 || more.status != IoStatus::kWouldBlock) return more;
    return result;
  }
  iovec parts[2];
  int count = 0;
  if (!first.empty()) parts[count++] = {const_cast<char*>(first.data()), first.size()};
  if (!second.empty()) parts[count++] = {const_cast<char*>(second.data()), second.size()};
  if (count == 0) return {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = static_cast<std::size_t>(count);
  // send() for one part: the kernel skips the vector's copy-in.
  const ssize_t put = count == 1 ? ::send(fd_, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                                 : ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (put >= 0) return {IoStatus::kOk, static_cast<std::size_t>(put), 0};
  return from_errno();
}

void Stream::start_tls(SSL* ssl) {
  ssl_ = ssl;
  SSL_set_fd(ssl_, fd_);
  SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

IoResult Stream::handshake() {
  ERR_clear_error();
  return tls_result(SSL_do_handshake(ssl_));
}

IoResult Stream::tls_write(Bytes bytes) {
  IoResult result;
  while (!bytes.empty()) {
    ERR_clear_error();
    // libpq reads at most 8 KiB at a time and stalls on larger records that it has only in part.
    const auto chunk = std::min<std::size_t>(bytes.size(), 8192);
    IoResult step = tls_result(SSL_write(ssl_, bytes.data(), static_cast<int>(chunk)));
    if (step.status != IoStatus::kOk) {
      if (step.status == IoStatus::kWouldBlock && result.count > 0) return result;
      return step;
    }
    result.count += step.count;
    bytes.remove_prefix(step.count);
  }
  return result;
}

IoResult Stream::tls_result(int returned) {
  if (returned > 0) return {IoStatus::kOk, static_cast<std::size_t>(returned), 0};
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return {IoStatus::kWouldBlock, 0, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStatus::kEof, 0, 0};
    default:
      return {IoStatus::kError, 0, errno != 0 ? errno : EPROTO};
  }
}

}  // namespace howdah::net
