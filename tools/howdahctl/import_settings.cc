// The section [pgbouncer]: https://www.pgbouncer.org/config.html#generic-settings
#include <algorithm>
#include <array>
#include <charconv>

#include "proxy/config/values.h"
#include "tools/howdahctl/importer.h"

namespace howdah::ctl {
namespace {

enum class Kind : std::uint8_t { kNumber, kDuration, kText, kPath };

// One to one, but for the form of the value.
struct Same {
  std::string_view from, section, key;
  Kind kind;
};
constexpr Same kSame[] = {
    {"listen_port", "listen", "port", Kind::kNumber},
    {"listen_backlog", "listen", "backlog", Kind::kNumber},
    {"unix_socket_dir", "listen.unix_socket", "directory", Kind::kPath},
    {"unix_socket_mode", "listen.unix_socket", "mode", Kind::kText},
    {"unix_socket_group", "listen.unix_socket", "group", Kind::kText},
    {"client_tls_key_file", "listen.tls", "key", Kind::kPath},
    {"client_tls_cert_file", "listen.tls", "cert", Kind::kPath},
    {"client_tls_ca_file", "listen.tls", "client_ca", Kind::kPath},
    {"auth_file", "", "users_file", Kind::kPath},
    {"auth_hba_file", "hba", "file", Kind::kPath},
    {"auth_ident_file", "hba", "ident_file", Kind::kPath},
    {"default_pool_size", "pool", "size", Kind::kNumber},
    {"min_pool_size", "pool", "min_size", Kind::kNumber},
    {"reserve_pool_size", "pool", "reserve_size", Kind::kNumber},
    {"reserve_pool_timeout", "pool", "reserve_timeout", Kind::kDuration},
    {"query_wait_timeout", "pool", "wait_timeout", Kind::kDuration},
    {"query_wait_notify", "pool", "wait_notice", Kind::kDuration},
    {"server_connect_timeout", "pool", "connect_timeout", Kind::kDuration},
    {"server_idle_timeout", "pool", "idle_timeout", Kind::kDuration},
    {"server_lifetime", "pool", "lifetime", Kind::kDuration},
    {"max_client_conn", "limits", "clients", Kind::kNumber},
    {"max_user_client_connections", "limits", "clients_per_user", Kind::kNumber},
    {"max_db_client_connections", "limits", "clients_per_database", Kind::kNumber},
    {"max_db_connections", "limits", "server_connections_per_database", Kind::kNumber},
    {"max_user_connections", "limits", "server_connections_per_user", Kind::kNumber},
    {"client_login_timeout", "limits", "login_timeout", Kind::kDuration},
    {"client_idle_timeout", "limits", "idle_timeout", Kind::kDuration},
    {"idle_transaction_timeout", "limits", "idle_in_transaction_timeout", Kind::kDuration},
    {"transaction_timeout", "limits", "transaction_timeout", Kind::kDuration},
    {"query_timeout", "limits", "query_timeout", Kind::kDuration},
    {"logfile", "logging", "file", Kind::kPath},
};

// Taken care of elsewhere in the import.
constexpr std::string_view kElsewhere[] = {"auth_type",   "auth_user",          "auth_query",        "auth_dbname",        "admin_users",
                                           "stats_users", "server_tls_sslmode", "server_tls_ca_file", "server_tls_key_file", "server_tls_cert_file"};

// Nothing is lost without them.
constexpr std::string_view kNeedless[] = {"ignore_startup_parameters", "track_extra_parameters", "server_check_query", "server_check_delay",
                                          "stats_period", "log_connections", "log_disconnections", "log_pooler_errors", "log_stats", "conffile",
                                          "service_name", "job_name", "pkt_buf", "sbuf_loopcnt", "so_reuseport", "cancel_wait_timeout",
                                          "suspend_timeout", "tcp_defer_accept", "disable_pqexec"};

struct Advice {
  std::string_view from, advice;
};
constexpr Advice kWithout[] = {
    {"user", "start Howdah as this user: User= of its systemd unit"},
    {"pidfile", "Howdah writes no pid file: let systemd keep track of it"},
    {"syslog", "Howdah logs to standard error or logging.file: systemd's journal takes it from there"},
    {"syslog_ident", "see syslog"},
    {"syslog_facility", "see syslog"},
    {"server_login_retry", "Howdah tries again as soon as a client needs the server"},
    {"server_fast_close", "PAUSE and RECONNECT wait for the transaction at hand"},
    {"server_round_robin", "Howdah prefers the connection used last, so that surplus ones age out"},
    {"server_reset_query_always", "Howdah knows what a client left behind, and undoes that"},
    {"application_name_add_host", "SHOW CLIENTS has the address; application_name reaches the server as the client set it"},
    {"max_packet_size", "set limits.message_bytes if large statements are to be refused"},
    {"client_tls_ciphers", "the system's OpenSSL configuration decides"},
    {"client_tls13_ciphers", "the system's OpenSSL configuration decides"},
    {"client_tls_ecdhcurve", "the system's OpenSSL configuration decides"},
    {"client_tls_dheparams", "the system's OpenSSL configuration decides"},
    {"server_tls_protocols", "the system's OpenSSL configuration decides"},
    {"server_tls_ciphers", "the system's OpenSSL configuration decides"},
    {"server_tls13_ciphers", "the system's OpenSSL configuration decides"},
    {"tcp_keepalive", "Howdah keeps TCP's defaults; net.ipv4.tcp_keepalive_* apply"},
    {"tcp_keepcnt", "see tcp_keepalive"},
    {"tcp_keepidle", "see tcp_keepalive"},
    {"tcp_keepintvl", "see tcp_keepalive"},
    {"tcp_user_timeout", "see tcp_keepalive"},
    {"tcp_socket_buffer", "net.ipv4.tcp_rmem and tcp_wmem apply"},
    {"dns_max_ttl", "server names are resolved by the system; give addresses where DNS must not be asked"},
    {"dns_nxdomain_ttl", "see dns_max_ttl"},
    {"dns_zone_check_period", "see dns_max_ttl"},
    {"resolv_conf", "see dns_max_ttl"},
    {"autodb_idle_timeout", "there are no automatic databases: name each in databases"},
    {"scram_iterations", "Howdah makes verifiers with 4096 iterations from plain passwords; store verifiers to choose"},
    {"auth_ldap_parameter", "there is no LDAP: store SCRAM verifiers, or look users up by auth_query"},
    {"peer_id", "cancel requests are not forwarded between proxies: let the load balancer keep a client's address on one proxy"},
};

template <class List>
bool contains(const List& list, std::string_view key) {
  return std::find(std::begin(list), std::end(list), key) != std::end(list);
}

}  // namespace

std::optional<std::string> whole_number(std::string_view text) {
  const auto number = config::parse_integer(text);
  return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

std::optional<std::string> duration_of(std::string_view seconds) {
  if (seconds.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
  const auto time = config::parse_duration(seconds);
  return time ? std::optional(config::show_duration(*time)) : std::nullopt;
}

void Importer::settings() {
  yaml_["listen"]["address"] = Yaml::text("127.0.0.1");  // stays first, whatever order the settings come in
  for (const auto& setting : settings_) {
    if (setting.section == "pgbouncer") take(setting);
  }
  defaults();
}

void Importer::take(const IniSetting& setting) {
  const std::string& key = setting.key;
  for (const auto& same : kSame) {
    if (same.from != key) continue;
    if (setting.value.empty()) return;  // empty: PgBouncer's default, which is none
    std::optional<std::string> text = setting.value;
    if (same.kind == Kind::kNumber) text = whole_number(setting.value);
    if (same.kind == Kind::kDuration) text = duration_of(setting.value);
    if (same.kind == Kind::kPath) text = absolute(setting.value);
    if (!text) return warn(setting, "\"" + setting.value + "\" is no number: set " + std::string(same.section) + "." + std::string(same.key) + " by hand");
    const bool quote = same.kind == Kind::kText || same.kind == Kind::kPath;
    return put(setting, same.section, same.key, quote ? Yaml::text(*text) : Yaml::plain(*text));
  }
  if (contains(kElsewhere, key) || contains(kNeedless, key)) return;
  if (key == "listen_addr") return listen_addresses(setting);
  if (key == "verbose") {
    if (setting.value != "0") put(setting, "logging", "level", Yaml::plain("debug"));
    return;
  }
  if (key == "pool_mode") {
    if (setting.value == "statement") warn(setting, "taken as transaction: BEGIN is then allowed, which statement mode refuses");
    return put(setting, "pool", "mode", Yaml::plain(setting.value == "session" ? "session" : "transaction"));
  }
  if (key == "max_prepared_statements") {
    // 0 lets PgBouncer pass them through unseen; for Howdah it would refuse them.
    if (setting.value != "0" && whole_number(setting.value)) put(setting, "pool", "prepared_statements", Yaml::plain(setting.value));
    return;
  }
  if (key == "server_reset_query") {
    if (setting.value != "DISCARD ALL") warn(setting, "Howdah finds out by itself what to undo, and needs no query for it");
    return;
  }
  if (key == "client_tls_sslmode") {
    std::string mode = setting.value;
    if (mode.starts_with("verify-")) mode = "require";  // access() asks for the certificate
    return put(setting, "listen.tls", "mode", Yaml::plain(mode));
  }
  if (key == "client_tls_protocols") {
    const bool newest = setting.value == "tlsv1.3";
    if (setting.value.find("tlsv1.0") != std::string::npos || setting.value.find("tlsv1.1") != std::string::npos || setting.value == "all") {
      warn(setting, "TLS below 1.2 is not spoken");
    }
    return put(setting, "listen.tls", "min_version", Yaml::plain(newest ? "TLSv1.3" : "TLSv1.2"));
  }
  for (const auto& without : kWithout) {
    if (without.from == key) return warn(setting, std::string(without.advice));
  }
  warn(setting, "no setting of PgBouncer that is known here: see docs/CONFIG.md for what is closest");
}

// PgBouncer listens on each address of a list; Howdah on one, or on all.
void Importer::listen_addresses(const IniSetting& setting) {
  const auto names = parse_names(setting.value);
  std::string address = names.empty() ? "127.0.0.1" : names[0];
  if (names.empty()) warn(setting, "without an address PgBouncer listens on its socket only; Howdah listens on 127.0.0.1, too");
  if (names.size() > 1) {
    address = "0.0.0.0";
    warn(setting, "several addresses: taken as all IPv4 addresses (0.0.0.0); narrow it with rules in hba.file or a firewall");
  }
  if (address == "*") address = "0.0.0.0";
  if (address == "localhost") address = "127.0.0.1";
  if (address.find_first_not_of("0123456789.:abcdefABCDEF") != std::string::npos) {
    warn(setting, "\"" + address + "\" is a name: listen.address takes an IP address; 127.0.0.1 is written");
    address = "127.0.0.1";
  }
  yaml_["listen"]["address"] = Yaml::text(address);
}

// Where PgBouncer's default differs from ours and somebody could notice, it is written out.
void Importer::defaults() {
  struct Default {
    std::string_view from, section, key;
    std::string_view value;
  };
  static constexpr Default kDefaults[] = {{"pool_mode", "pool", "mode", "session"},
                                          {"default_pool_size", "pool", "size", "20"},
                                          {"query_wait_timeout", "pool", "wait_timeout", "2m"},
                                          {"server_connect_timeout", "pool", "connect_timeout", "15s"},
                                          {"max_client_conn", "limits", "clients", "100"}};
  for (const auto& one : kDefaults) {
    if (find(one.from) == nullptr) yaml_[one.section][one.key] = Yaml::plain(std::string(one.value));
  }
  if (find("pool_mode") == nullptr) {
    warn("", "pool_mode", "not set, so PgBouncer pools by session, and so does this file; Howdah is made for pool.mode: transaction");
  }
  if (find("unix_socket_dir") == nullptr && known_.contains("listen.unix_socket")) {
    warn("", "unix_socket_dir", "not set: PgBouncer then has a socket in /tmp; set listen.unix_socket.directory if clients use it");
  }
  const Yaml* sockets = yaml_["listen"].find("unix_socket");
  if (sockets != nullptr && sockets->find("directory") == nullptr) yaml_["listen"]["unix_socket"]["directory"] = Yaml::text("/tmp");
}

void Importer::put(const IniSetting& setting, std::string_view section, std::string_view key, Yaml value) {
  const std::string name = (section.empty() ? "" : std::string(section) + ".") + std::string(key);
  if (!known_.contains(name)) return warn(setting, "this Howdah has no " + name);
  Yaml* target = &yaml_;
  for (std::string_view rest = section; !rest.empty();) {
    const auto dot = std::min(rest.find('.'), rest.size());
    target = &(*target)[rest.substr(0, dot)];
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  (*target)[key] = std::move(value);
}

}  // namespace howdah::ctl
