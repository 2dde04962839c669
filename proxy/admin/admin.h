// Everything for those who run the proxy: console and HTTP endpoint, each on a thread of its own.
#pragma once

#include <memory>

#include "base/error.h"
#include "proxy/admin/admin_executor.h"
#include "proxy/admin/console.h"
#include "proxy/admin/http_handler.h"
#include "proxy/admin/http_server.h"
#include "proxy/core/admin_hook.h"

namespace howdah::admin {

// Owned by main. Registers itself with the proxy when made, before Proxy::start(). Its threads ask the workers, and
// sessions call it: stop() comes before Proxy::stop(), the destructor after.
class Admin final : public proxy::AdminHook {
 public:
  explicit Admin(Proxy& proxy);
  ~Admin() override;

  // After Proxy::start(). Commands that clients sent before wait for it. Opens the HTTP endpoint, unless the configuration turns it off; kConfig when it cannot.
  Result<void> start();
  void stop();

  void submit(proxy::AdminRequest request) override;
  void on_handover(bool away) override;

 private:
  Result<void> start_http(int fd);

  Proxy& proxy_;
  Console console_;
  int http_fd_ = -1;  // a copy of the endpoint's listening socket, for a process that takes over
  HttpHandler handler_;
  std::unique_ptr<HttpServer> http_;
  AdminExecutor executor_;  // last: its thread uses the others
};

}  // namespace howdah::admin
