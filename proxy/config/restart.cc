#include "proxy/config/restart.h"

#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

using Paths = std::vector<std::string>;

template <class T>
void compare(const Section<T>& section, const std::string& prefix, const T& old, const T& now, Paths& which) {
  for (const auto& field : section) {
    if (field.show && field.effect == Effect::kRestart && field.show(old) != field.show(now))
      which.push_back(prefix + field.name);
  }
}

bool same_servers(const Shard& a, const Shard& b) {
  return a.name == b.name && a.primary == b.primary && a.replicas == b.replicas;
}

void compare_database(const std::string& prefix, const Database& old, const Database& now, Paths& which) {
  compare(account_section(), prefix + "control.", old.control, now.control, which);
  compare(database_section(), prefix, old, now, which);
  compare(breaker_section(), prefix + "breaker.", old.breaker, now.breaker, which);
  if (!std::equal(old.shards.begin(), old.shards.end(), now.shards.begin(), now.shards.end(), same_servers)) {
    which.push_back(prefix + "shards");
  }
  Sharding old_rules{old.rules};
  Sharding new_rules{now.rules};
  compare(sharding_section(), prefix + "sharding.", old_rules, new_rules, which);
}

}  // namespace

bool needs_restart(const Config& old, const Config& now, std::vector<std::string>& which) {
  const auto before = which.size();
  compare(top_section(), "", old, now, which);
  compare(listen_section(), "listen.", old.listen, now.listen, which);
  compare(tls_section(), "listen.tls.", old.listen.tls, now.listen.tls, which);
  compare(unix_socket_section(), "listen.unix_socket.", old.listen.unix_socket, now.listen.unix_socket, which);
  compare(http_section(), "http.", old.http, now.http, which);
  compare(pool_section(), "pool.", old.pool, now.pool, which);
  compare(limits_section(), "limits.", old.limits, now.limits, which);
  compare(restart_section(), "restart.", old.restart, now.restart, which);
  compare(logging_section(), "logging.", old.logging, now.logging, which);
  for (const auto& [name, database] : old.databases) {
    const auto found = now.databases.find(name);
    if (found != now.databases.end()) compare_database("databases." + name + ".", database, found->second, which);
  }
  return which.size() > before;
}

}  // namespace howdah::config
