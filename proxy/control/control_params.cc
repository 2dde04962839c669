#include "proxy/control/control_params.h"

namespace howdah::control {

namespace {

const char* word(config::SslMode mode) {
  switch (mode) {
    case config::SslMode::kDisable: return "disable";
    case config::SslMode::kPrefer: return "prefer";
    case config::SslMode::kRequire: return "require";
    case config::SslMode::kVerifyCa: return "verify-ca";
    case config::SslMode::kVerifyFull: return "verify-full";
  }
  return "";
}

}  // namespace

pq::ConnectParams server_params(const config::Server& server) {
  pq::ConnectParams params = {{"port", std::to_string(server.port)}, {"gssencmode", "disable"}, {"sslmode", word(server.tls.mode)}};
  if (server.name.empty()) {
    params.emplace_back("host", server.host);
  } else {
    params.emplace_back("host", server.name);
    params.emplace_back("hostaddr", server.host);
  }
  // A given file only: the defaults in the home of the process's user are not the proxy's business.
  const auto add = [&](const char* keyword, const std::string& value) {
    if (!value.empty()) params.emplace_back(keyword, value);
  };
  add("sslrootcert", server.tls.root_cert);
  add("sslcert", server.tls.cert);
  add("sslkey", server.tls.key);
  if (server.tls.require_binding) params.emplace_back("channel_binding", "require");
  return params;
}

pq::ConnectParams control_params(const config::Database& database, const config::Server& server,
                                 const Settings& settings) {
  const std::string options =
      "-c search_path=pg_catalog,pg_temp -c default_transaction_read_only=off "
      "-c default_transaction_isolation=read\\ committed -c statement_timeout=0 -c idle_session_timeout=0 "
      "-c idle_in_transaction_session_timeout=0 -c bytea_output=hex -c DateStyle=ISO -c jit=off "
      "-c lock_timeout=" +
      std::to_string(settings.lock_timeout.count());
  auto params = server_params(server);
  params.insert(params.end(), {{"dbname", server.dbname.empty() ? database.name : server.dbname},
                               {"user", database.control.user},
                               {"password", database.control.password},
                               {"application_name", "howdah control"},
                               {"client_encoding", "UTF8"},
                               {"options", options}});
  return params;
}

std::string log_name(const config::Shard& shard, const config::Server& server) {
  return shard.name + "@" + server.host + ":" + std::to_string(server.port);
}

std::string describe(const config::Shard& shard, const config::Server& server) {
  return "shard " + shard.name + " (host=" + server.host + " port=" + std::to_string(server.port) + ")";
}

}  // namespace howdah::control
