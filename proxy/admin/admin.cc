#include "proxy/admin/admin.h"

#include <spdlog/spdlog.h>

#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"

namespace howdah::admin {

Admin::Admin(Proxy& proxy)
    : proxy_(proxy), console_(proxy), handler_(proxy), executor_([this] { console_.note_stats(); }, kStatsPeriod) {
  proxy_.set_admin(this);
}

Admin::~Admin() { stop(); }

Result<void> Admin::start() {
  executor_.start();
  const auto config = proxy_.config();
  if (!config->http.enabled || config->http.port == 0) return {};
  HttpServer::Settings settings;
  settings.address = config->http.address;
  settings.port = config->http.port;
  http_ = std::make_unique<HttpServer>(settings, [this](std::string_view target) { return handler_.get(target); });
  if (auto started = http_->start(); !started) return started;
  spdlog::info("http address={} port={}", settings.address, http_->port());
  return {};
}

void Admin::stop() {
  if (http_) http_->stop();
  executor_.stop();
}

void Admin::submit(std::string sql, std::string user, std::function<void(std::string messages)> done) {
  const bool taken = executor_.submit([this, sql = std::move(sql), user = std::move(user), done] {
    done(console_.execute(sql, user));
  });
  if (taken) return;
  std::string messages;
  proxy::append_error_response(messages, make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
  pgwire::append_ready_for_query(messages, pgwire::TxStatus::kIdle);
  done(std::move(messages));
}

}  // namespace howdah::admin
