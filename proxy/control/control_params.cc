#include "proxy/control/control_params.h"

namespace howdah::control {

pq::ConnectParams control_params(const config::Database& database, const config::Server& server,
                                 const Settings& settings) {
  const std::string options =
      "-c search_path=pg_catalog,pg_temp -c default_transaction_read_only=off "
      "-c default_transaction_isolation=read\\ committed -c statement_timeout=0 -c idle_session_timeout=0 "
      "-c idle_in_transaction_session_timeout=0 -c bytea_output=hex -c DateStyle=ISO -c jit=off "
      "-c lock_timeout=" +
      std::to_string(settings.lock_timeout.count());
  return {{"host", server.host},
          {"port", std::to_string(server.port)},
          {"dbname", server.dbname.empty() ? database.name : server.dbname},
          {"user", database.control.user},
          {"password", database.control.password},
          {"application_name", "howdah control"},
          {"client_encoding", "UTF8"},
          {"gssencmode", "disable"},
          {"options", options}};
}

std::string log_name(const config::Shard& shard, const config::Server& server) {
  return shard.name + "@" + server.host + ":" + std::to_string(server.port);
}

std::string describe(const config::Shard& shard, const config::Server& server) {
  return "shard " + shard.name + " (host=" + server.host + " port=" + std::to_string(server.port) + ")";
}

}  // namespace howdah::control
