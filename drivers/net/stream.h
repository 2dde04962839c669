// A non-blocking byte stream over a socket, in the clear or through TLS. Tries the I/O; waiting is the caller's.
#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace howdah::net {

enum class IoStatus : std::uint8_t { kOk, kWouldBlock, kEof, kError };

struct IoResult {
  IoStatus status = IoStatus::kOk;
  std::size_t count = 0;
  int error = 0;  // errno with kError
};

// Owns its descriptor. One thread at a time.
class Stream {
 public:
  Stream() = default;
  explicit Stream(int fd) : fd_(fd) {}
  Stream(Stream&& other) noexcept : fd_(other.fd_), ssl_(other.ssl_) {
    other.fd_ = -1;
    other.ssl_ = nullptr;
  }
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  bool is_tls() const { return ssl_ != nullptr; }

  IoResult read(char* into, std::size_t size);
  // Writes both parts with one system call where possible; `count` is the total over both.
  IoResult write(Bytes first, Bytes second = {});
  void close();

  // From here on all bytes go through TLS. Takes over `ssl`, which has its role set but no descriptor.
  void start_tls(SSL* ssl);
  // Continues the handshake: kOk when done, kWouldBlock to wait for the descriptor.
  IoResult handshake();
  SSL* ssl() const { return ssl_; }

 private:
  IoResult tls_result(int returned);
  IoResult tls_write(Bytes bytes);

  int fd_ = -1;
  SSL* ssl_ = nullptr;
};

}  // namespace howdah::net
