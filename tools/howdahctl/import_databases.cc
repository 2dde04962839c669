// The sections [databases], [users] and [peers]: https://www.pgbouncer.org/config.html#section-databases
#include <algorithm>

#include "tools/howdahctl/importer.h"

namespace howdah::ctl {
namespace {

// A value of a connection string, quoted where it must be.
std::string conn_value(std::string_view text) {
  if (!text.empty() && text.find_first_of(" '\\") == std::string_view::npos) return std::string(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string_view word_of(const std::vector<Word>& words, std::string_view key) {
  for (const auto& word : words) {
    if (word.key == key) return word.value;
  }
  return {};
}

// Names of the sections become names of shards: 1 to 24 of a-z, 0-9, _. There is one server here, so any will do.
constexpr const char* kOnlyShard = "s0";

}  // namespace

void Importer::databases() {
  for (const auto& setting : settings_) {
    if (setting.section == "databases") database(setting);
    if (setting.section == "peers") warn(setting, "cancel requests are not forwarded between proxies: let the load balancer keep a client's address on one proxy");
  }
  if (yaml_.find("databases") == nullptr) warn("", "databases", "none is left: name at least one");
}

void Importer::database(const IniSetting& setting) {
  if (setting.key == "*") {
    return warn(setting, "there is no database for all other names: give each that clients use an entry of its own");
  }
  const auto words = parse_words(setting.value);
  if (!words) return warn(setting, "left out: " + words.error().message);
  if (setting.key == "howdah" || setting.key == "pgbouncer") return warn(setting, "left out: the name is the console's");
  Yaml& entry = yaml_["databases"][setting.key];
  Yaml shard;
  shard["name"] = Yaml::plain(kOnlyShard);
  shard["primary"] = Yaml::text(server(setting, *words));
  entry["shards"].add(std::move(shard));
  auth_query(entry, *words);
  overrides(entry, "databases.NAME", setting, *words);
  const std::string user_name(word_of(*words, "user"));
  const std::string password(word_of(*words, "password"));
  if (!user_name.empty()) {
    warn(setting, "user=" + user_name + ": PgBouncer logs every client in to the server as this role; Howdah logs each in as itself, so the clients' own roles must exist there");
  }
  if (!password.empty()) {
    if (user_name.empty()) {
      warn(setting, "password= without user=: give the users of this database a server_password each");
    } else {
      user(user_name)["server_password"] = Yaml::text(password);
    }
  }
  for (const auto& word : *words) {
    if (word.key == "connect_query") {
      warn(setting, "connect_query is not run: put what it sets into ALTER ROLE ... IN DATABASE ... SET, which also holds without a proxy");
    } else if (word.key == "client_encoding" || word.key == "datestyle" || word.key == "timezone" || word.key == "application_name") {
      warn(setting, word.key + "=" + word.value + ": use ALTER ROLE ... IN DATABASE ... SET " + word.key + ", or let clients ask for it");
    } else if (word.key == "load_balance_hosts") {
      warn(setting, "load_balance_hosts: replicas of a shard are named in shards[].replicas, and take reads that are proven read-only");
    }
  }
}

std::string Importer::server(const IniSetting& setting, const std::vector<Word>& words) {
  std::string host(word_of(words, "host"));
  if (const auto comma = host.find(','); comma != std::string::npos) {
    warn(setting, "host=" + host + ": only the first is taken; name streaming replicas in shards[].replicas");
    host.resize(comma);
  }
  if (host.empty()) host = value("unix_socket_dir", "/tmp");
  std::string out = "host=" + conn_value(host);
  const std::string_view port = word_of(words, "port");
  out += " port=" + conn_value(port.empty() ? "5432" : port);
  if (const auto dbname = word_of(words, "dbname"); !dbname.empty() && dbname != setting.key) out += " dbname=" + conn_value(dbname);
  std::string mode = value("server_tls_sslmode", "prefer");
  if (mode == "allow") mode = "prefer";
  if (mode != "disable" && !host.starts_with('/')) {
    out += " sslmode=" + conn_value(mode);
    static constexpr std::pair<const char*, const char*> kFiles[] = {
        {"server_tls_ca_file", "sslrootcert"}, {"server_tls_cert_file", "sslcert"}, {"server_tls_key_file", "sslkey"}};
    for (const auto& [from, to] : kFiles) {
      if (const std::string file = value(from, ""); !file.empty()) out += std::string(" ") + to + "=" + conn_value(absolute(file));
    }
  }
  return out;
}

void Importer::user_section() {
  for (const auto& setting : settings_) {
    if (setting.section != "users") continue;
    const auto words = parse_words(setting.value);
    if (!words) {
      warn(setting, "left out: " + words.error().message);
      continue;
    }
    Yaml more;
    overrides(more, "users[]", setting, *words);
    if (const Yaml* limits = more.find("limits")) user(setting.key)["limits"] = *limits;
    if (const Yaml* size = more.find("pool_size")) user(setting.key)["pool_size"] = *size;
  }
}

// What PgBouncer can set for one database or one user.
void Importer::overrides(Yaml& target, const std::string& section, const IniSetting& setting, const std::vector<Word>& words) {
  struct Override {
    std::string_view from, to;
    bool duration;
  };
  static constexpr Override kOverrides[] = {{"pool_size", "pool_size", false},
                                            {"min_pool_size", "min_pool_size", false},
                                            {"reserve_pool", "reserve_pool_size", false},
                                            {"reserve_pool_size", "reserve_pool_size", false},
                                            {"max_db_connections", "server_connections", false},
                                            {"max_user_connections", "server_connections", false},
                                            {"max_db_client_connections", "clients", false},
                                            {"max_user_client_connections", "clients", false},
                                            {"query_timeout", "query_timeout", true},
                                            {"transaction_timeout", "transaction_timeout", true},
                                            {"idle_transaction_timeout", "idle_in_transaction_timeout", true},
                                            {"client_idle_timeout", "idle_timeout", true}};
  static constexpr std::string_view kElsewhere[] = {"dbname", "host", "port", "user", "password", "auth_user", "auth_query", "auth_dbname",
                                                    "connect_query", "client_encoding", "datestyle", "timezone", "application_name",
                                                    "load_balance_hosts"};
  for (const auto& word : words) {
    if (std::find(std::begin(kElsewhere), std::end(kElsewhere), word.key) != std::end(kElsewhere)) continue;
    const auto* found = std::find_if(std::begin(kOverrides), std::end(kOverrides), [&](const auto& one) { return one.from == word.key; });
    const std::string what = word.key + "=" + word.value;
    if (word.key == "pool_mode") {
      const std::string whole = value("pool_mode", "session");
      if (word.value != whole) warn(setting, what + ": the mode is the same for all, pool.mode: " + (whole == "session" ? "session" : "transaction"));
      continue;
    }
    if (found == std::end(kOverrides)) {
      warn(setting, what + ": no counterpart for one " + (section == "users[]" ? "user" : "database") + "; see pool and limits in docs/CONFIG.md");
      continue;
    }
    const auto text = found->duration ? duration_of(word.value) : whole_number(word.value);
    if (!text) {
      warn(setting, what + " is no number");
    } else if (known_.contains(section + ".limits")) {
      target["limits"][found->to] = Yaml::plain(*text);
    } else if (found->to == "pool_size" && section == "users[]") {
      target["pool_size"] = Yaml::plain(*text);
    } else {
      warn(setting, what + ": this Howdah has no limits of its own for one " + (section == "users[]" ? "user" : "database"));
    }
  }
}

}  // namespace howdah::ctl
