#include "proxy/admin/http_handler.h"

#include "proxy/admin/readiness.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

HttpReply HttpHandler::get(std::string_view target) const {
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text()};
  if (path == "/health") {
    const bool draining = proxy_.draining();
    return {draining ? 503 : 200, "text/plain; charset=utf-8", draining ? "draining\n" : "ok\n"};
  }
  if (path == "/ready") {
    const auto reasons = not_ready(proxy_);
    const bool draining = proxy_.draining();
    return {reasons.empty() && !draining ? 200 : 503, "application/json", readiness_json(reasons, draining)};
  }
  if (path == "/") return {200, "text/plain; charset=utf-8", "Howdah: /metrics /health /ready\n"};
  return {404, "text/plain; charset=utf-8", "not found; there are /metrics, /health and /ready\n"};
}

}  // namespace howdah::admin
