#include "proxy/admin/admin.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

Admin::Admin(Proxy& proxy)
    : proxy_(proxy), console_(proxy), handler_(proxy),
      executor_([this] { console_.note_stats(); }, kStatsPeriod, [this] { return console_.poll(); }) {
  proxy_.set_admin(this);
}

Admin::~Admin() {
  stop();
  if (http_fd_ >= 0) close(http_fd_);
}

Result<void> Admin::start() {
  executor_.start();
  const auto config = proxy_.config();
  if (!config->http.enabled || config->http.port == 0) return {};
  const std::string name = "http " + config->http.address + ":" + std::to_string(config->http.port);
  if (auto started = start_http(proxy_.takeover().inherited(name)); !started) return started;
  http_fd_ = http_->listening_socket();
  if (http_fd_ >= 0) proxy_.takeover().offer_listener(name, http_fd_);
  spdlog::info("http address={} port={}", config->http.address, http_->port());
  return {};
}

// `fd`: a listening socket, or -1 to make one.
Result<void> Admin::start_http(int fd) {
  const auto config = proxy_.config();
  HttpServer::Settings settings;
  settings.address = config->http.address;
  settings.port = config->http.port;
  settings.listening_socket = fd;
  http_ = std::make_unique<HttpServer>(settings, [this](std::string_view target) { return handler_.get(target); });
  return http_->start();
}

void Admin::stop() {
  if (http_) http_->stop();
  executor_.stop();
}

// On the takeover's thread, between start() and stop().
void Admin::on_handover(bool away) {
  if (http_fd_ < 0) return;
  if (away) return http_.reset();
  if (auto started = start_http(dup(http_fd_)); !started) spdlog::error("{}", started.error().message);
}

void Admin::submit(proxy::AdminRequest request) {
  auto done = request.done;
  const bool taken = executor_.submit([this, request = std::move(request)] { console_.begin(request); });
  if (taken) return;
  std::string messages;
  proxy::append_error_response(messages, make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
  pgwire::append_ready_for_query(messages, pgwire::TxStatus::kIdle);
  done(std::move(messages));
}

}  // namespace howdah::admin
