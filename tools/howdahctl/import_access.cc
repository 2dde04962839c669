// Who may connect, and how that is proven: https://www.pgbouncer.org/config.html#authentication-settings
#include <algorithm>

#include "tools/howdahctl/importer.h"

namespace howdah::ctl {

// The users stay in auth_file, which both read; here are those of whom more is to be said.
Result<bool> Importer::users(const ReadFile& read) {
  if (const IniSetting* file = find("auth_file"); file != nullptr && !file->value.empty()) {
    const auto text = read(absolute(file->value));
    if (!text) return text.error();
    auto list = access::parse_userlist(*text, absolute(file->value));
    for (const auto& fault : list.faults) warn(fault.file + ":" + std::to_string(fault.line), "auth_file", fault.message);
    std::size_t hashes = 0;
    for (auto& listed : list.users) {
      hashes += listed.secret.starts_with("md5") && access::is_verifier(listed.secret) ? 1 : 0;
      secrets_.emplace(std::move(listed.name), std::move(listed.secret));
    }
    if (hashes > 0) {
      warn(*file, std::to_string(hashes) + " users have an md5 hash only: servers that ask them for SCRAM refuse the proxy; give them a server_password in users, or SCRAM verifiers");
    }
  }
  for (const std::string& name : parse_names(value("admin_users", ""))) user(name)["admin"] = Yaml::flag(true);
  if (const IniSetting* stats = find("stats_users"); stats != nullptr) {
    for (const std::string& name : parse_names(stats->value)) {
      if (known_.contains("users[].stats")) {
        user(name)["stats"] = Yaml::flag(true);
      } else {
        warn(*stats, "\"" + name + "\" cannot enter the console: users[] has no stats here; admin: true would let it change things");
      }
    }
  }
  return true;
}

void Importer::access() {
  const std::string type = value("auth_type", "md5");
  const IniSetting* setting = find("auth_type");
  const std::string place = setting == nullptr ? "" : setting->place();
  const std::string tls = value("client_tls_sslmode", "disable");
  const std::string certificate = tls == "verify-full" ? " clientcert=verify-full" : tls == "verify-ca" ? " clientcert=verify-ca" : "";
  const std::string from = certificate.empty() ? "host" : "hostssl";
  if (type == "hba") {
    if (find("auth_hba_file") == nullptr) warn(place, "auth_type", "hba without auth_hba_file: name the rules' file as hba.file");
    if (!certificate.empty()) warn(place, "client_tls_sslmode", "add" + certificate + " to the hostssl rules of auth_hba_file");
    return;
  }
  // auth_hba_file counts for auth_type = hba only.
  if (const Yaml* hba = yaml_.find("hba"); hba != nullptr && hba->find("file") != nullptr) {
    yaml_["hba"] = Yaml();
    warn(place, "auth_hba_file", "not used by PgBouncer with auth_type = " + type + ", and so left out");
  }
  std::string method;
  if (type == "trust") {
    method = "trust";
  } else if (type == "cert") {
    out_.hba = "hostssl all all all cert\n";
  } else if (type == "peer") {
    out_.hba = "local all all peer\n";
  } else if (type == "any") {
    method = "trust";
    warn(place, "auth_type", "any takes every name for a forced user; here clients must name a user that exists, and are trusted");
  } else if (type == "pam" || type == "ldap") {
    warn(place, "auth_type", type + " has no counterpart: store SCRAM verifiers in users_file, or look users up by auth_query");
  } else if (type == "plain") {
    method = "password";
  }
  if (!method.empty()) out_.hba = "local all all " + method + "\n" + from + " all all all " + method + certificate + "\n";
  if (out_.hba.empty() && !certificate.empty()) out_.hba = "local all all scram-sha-256\nhostssl all all all scram-sha-256" + certificate + "\n";
  if (out_.hba.empty()) return;
  if (!known_.contains("hba.file")) {
    warn(place, "auth_type", "this Howdah has no access rules");
    out_.hba.clear();
    return;
  }
  out_.hba = "# Stands for PgBouncer's auth_type = " + type + (certificate.empty() ? "" : ", client_tls_sslmode = " + tls) + "\n" + out_.hba;
  yaml_["hba"]["file"] = Yaml::text(hba_path_);
}

void Importer::auth_query(Yaml& database, const std::vector<Word>& words) {
  const auto given = [&](std::string_view key) {
    std::string out = value(key, "");
    for (const auto& word : words) {
      if (word.key == key) out = word.value;
    }
    return out;
  };
  const std::string name = given("auth_user");
  if (name.empty()) return;
  const IniSetting* setting = find("auth_user");
  const std::string place = setting == nullptr ? "" : setting->place();
  if (!known_.contains("databases.NAME.auth_query")) return warn(place, "auth_user", "this Howdah does not look users up: list them in users_file");
  Yaml& section = database["auth_query"];
  section["user"] = Yaml::text(name);
  const auto secret = secrets_.find(name);
  if (secret != secrets_.end() && !secret->second.empty() && !access::is_verifier(secret->second)) {
    section["password"] = Yaml::text(secret->second);
  } else {
    warn(place, "auth_user", "the password of \"" + name + "\" is not in auth_file in clear: set auth_query.password, unless its server trusts the proxy");
  }
  if (const std::string dbname = given("auth_dbname"); !dbname.empty()) section["dbname"] = Yaml::text(dbname);
  if (const std::string query = given("auth_query"); !query.empty()) {
    section["query"] = Yaml::text(query);
    warn(place, "auth_query", "runs with search_path = pg_catalog: write the schema of its functions and tables out");
  }
}

}  // namespace howdah::ctl
