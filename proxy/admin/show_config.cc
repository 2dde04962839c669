// SHOW CONFIG.
#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"
#include "proxy/config/sections.h"

namespace howdah::admin {

namespace {

template <class T>
void add_section(Table& table, const std::string& prefix, const config::Section<T>& section, const T& values) {
  for (const auto& field : section) {
    if (!field.show || field.type == "secret") continue;
    table.rows.push_back({prefix + field.name, field.show(values), field.required ? "" : field.show(T()),
                          field.effect == config::Effect::kReload ? "yes" : "no"});
  }
}

template <class Time>
std::string whole_seconds(Time time) {
  return std::to_string(std::chrono::duration_cast<seconds>(time).count());
}

}  // namespace

Table show_config(const config::Config& config) {
  Table table(kConfigColumns);
  const config::Config defaults;
  const auto add = [&](const char* key, auto value, bool changeable) {
    table.rows.push_back({key, value(config), value(defaults), changeable ? "yes" : "no"});
  };
  using C = const config::Config&;
  add("conffile", [](C c) { return c.path; }, false);
  add("listen_addr", [](C c) { return c.listen.address; }, false);
  add("listen_port", [](C c) { return std::to_string(c.listen.port); }, false);
  add("pool_mode", [](C c) { return std::string(pool_mode_name(c.pool.mode)); }, true);
  add("default_pool_size", [](C c) { return std::to_string(c.pool.size); }, true);
  add("max_client_conn", [](C c) { return std::to_string(c.limits.clients); }, true);
  add("min_pool_size", [](C c) { return std::to_string(c.pool.min_size); }, true);
  add("reserve_pool_size", [](C c) { return std::to_string(c.pool.reserve_size); }, true);
  add("reserve_pool_timeout", [](C c) { return whole_seconds(c.pool.reserve_timeout); }, true);
  add("max_db_connections", [](C c) { return std::to_string(c.limits.server_connections_per_database); }, true);
  add("max_user_connections", [](C c) { return std::to_string(c.limits.server_connections_per_user); }, true);
  add("max_db_client_connections", [](C c) { return std::to_string(c.limits.clients_per_database); }, true);
  add("max_user_client_connections", [](C c) { return std::to_string(c.limits.clients_per_user); }, true);
  add("query_timeout", [](C c) { return whole_seconds(c.limits.query_timeout); }, true);
  add("transaction_timeout", [](C c) { return whole_seconds(c.limits.transaction_timeout); }, true);
  add("query_wait_notify", [](C c) { return whole_seconds(c.pool.wait_notice); }, true);
  add("query_wait_timeout", [](C c) { return whole_seconds(c.pool.wait_timeout); }, true);
  add("server_connect_timeout", [](C c) { return whole_seconds(c.pool.connect_timeout); }, true);
  add("server_idle_timeout", [](C c) { return whole_seconds(c.pool.idle_timeout); }, true);
  add("server_lifetime", [](C c) { return whole_seconds(c.pool.lifetime); }, true);
  add("client_login_timeout", [](C c) { return whole_seconds(c.limits.login_timeout); }, true);
  add("client_idle_timeout", [](C c) { return whole_seconds(c.limits.idle_timeout); }, true);
  add("idle_transaction_timeout", [](C c) { return whole_seconds(c.limits.idle_in_transaction_timeout); }, true);

  add_section(table, "", config::top_section(), config);
  add_section(table, "listen.", config::listen_section(), config.listen);
  add_section(table, "listen.tls.", config::tls_section(), config.listen.tls);
  add_section(table, "http.", config::http_section(), config.http);
  add_section(table, "pool.", config::pool_section(), config.pool);
  add_section(table, "limits.", config::limits_section(), config.limits);
  add_section(table, "restart.", config::restart_section(), config.restart);
  add_section(table, "logging.", config::logging_section(), config.logging);
  for (const auto& [name, database] : config.databases) {
    add_section(table, "databases." + name + ".", config::database_section(), database);
    add_section(table, "databases." + name + ".breaker.", config::breaker_section(), database.breaker);
  }
  return table;
}

}  // namespace howdah::admin
