#include "tools/howdahctl/proxy_url.h"

#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>

namespace howdah::ctl {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Error connection_error(const pq::PgError& error) {
  return make_error(ErrorCode::kServerUnavailable, error.message, "Name the proxy with --url, or by HOWDAH_ADMIN_URL.");
}

// The keywords of a libpq URI.
pq::ConnectParams params_of(const std::string& url) {
  pq::ConnectParams params;
  char* fault = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &fault);
  for (PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr) params.emplace_back(option->keyword, option->val);
  }
  PQconninfoFree(options);
  PQfreemem(fault);
  return params;
}

}  // namespace

Result<std::unique_ptr<pq::Connection>> connect_console(const std::string& given) {
  const std::string url = given.empty() ? environment("HOWDAH_ADMIN_URL") : given;
  if (url.empty()) return make_error(ErrorCode::kConfig, "no proxy is named", "Use --url, or set HOWDAH_ADMIN_URL.");
  auto connection = pq::Connection::connect(url);
  if (!connection) return connection_error(connection.error());
  return std::move(*connection);
}

Result<std::unique_ptr<pq::Connection>> connect_database(const std::string& given, const std::string& database) {
  const std::string own = given.empty() ? environment("HOWDAH_URL") : given;
  const std::string url = own.empty() ? environment("HOWDAH_ADMIN_URL") : own;
  if (url.empty()) return make_error(ErrorCode::kConfig, "no proxy is named", "Use --url, or set HOWDAH_URL or HOWDAH_ADMIN_URL.");
  pq::ConnectParams params = params_of(url);
  const bool console = own.empty();
  if (console || !database.empty()) {
    std::erase_if(params, [](const auto& param) { return param.first == "dbname"; });
    params.emplace_back("dbname", database.empty() ? "app" : database);
  }
  auto connection = pq::Connection::connect(params);
  if (!connection) return connection_error(connection.error());
  return std::move(*connection);
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (code < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", code);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace howdah::ctl
