// What the HTTP endpoint answers: paths to statuses and bodies, without HTTP itself.
#pragma once

#include <string>
#include <string_view>

#include "proxy/admin/metrics.h"

namespace howdah::admin {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// On the HTTP thread; may block while workers answer.
class HttpHandler {
 public:
  explicit HttpHandler(Proxy& proxy) : proxy_(proxy), metrics_(proxy) {}
  // `target`: the request's path, with or without a query.
  HttpReply get(std::string_view target) const;

 private:
  Proxy& proxy_;
  Metrics metrics_;
};

}  // namespace howdah::admin
