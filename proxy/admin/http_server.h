// The HTTP endpoint's thread: a few small GET requests a minute, bounded in size, time and number.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "proxy/admin/http_handler.h"

namespace howdah::admin {

class HttpServer {
 public:
  struct Settings {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;                       // 0: a free one
    int listening_socket = -1;                    // taken instead of making one
    std::size_t request_bytes = 16 * 1024;        // header and body
    std::size_t connections = 64;                 // more are closed at once
    std::chrono::milliseconds timeout{10'000};    // for one request to come or one answer to go; also keep-alive
  };
  using Get = std::function<HttpReply(std::string_view target)>;

  HttpServer(Settings settings, Get get);
  ~HttpServer();  // stops

  // kConfig when the address cannot be had. Serves from then on.
  Result<void> start();
  // Closes all connections and ends the thread, after the answer at hand.
  void stop();
  std::uint16_t port() const;
  // A copy of the listening socket, the caller's; -1 when descriptors ran out.
  int listening_socket() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace howdah::admin
