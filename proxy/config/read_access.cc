// Files that the configuration names: access rules, user lists, certificates; and what they must have in common.
#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "proxy/access/userlist.h"
#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

constexpr std::size_t kMaxFileBytes = 16 * 1024 * 1024;

std::optional<std::string> content_of(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || std::filesystem::file_size(path, error) > kMaxFileBytes) return std::nullopt;
  std::ifstream input(path, std::ios::binary);
  if (!input.is_open()) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(input), {});
}

// The file's path seen from the configuration's folder, and its content.
std::optional<std::string> read_named(Reader& reader, const Entry& entry, const std::string& key, std::string& path) {
  path = reader.resolve(path);
  auto text = content_of(path);
  if (!text) reader.fault(entry.line, entry.path + key + ": cannot read file " + path);
  return text;
}

void require_readable(Reader& reader, const Entry& entry, const std::string& key, std::string& path) {
  path = reader.resolve(path);
  if (!std::ifstream(path).is_open()) reader.fault(entry.line, entry.path + key + ": cannot read file " + path);
}

// Whether others than the owner can get at a private key, by libpq's measure: 0600, or 0640 when it is root's.
bool is_exposed(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return false;
  return (info.st_mode & (info.st_uid == 0 ? 0137 : 0177)) != 0;
}

void take_faults(Reader& reader, const std::vector<access::FileFault>& faults) {
  for (const auto& fault : faults) reader.fault_in(fault.file, fault.line, fault.message);
}

bool knows_users(const Config& config) {
  return !config.users.empty() || !config.users_file.empty() ||
         std::any_of(config.databases.begin(), config.databases.end(),
                     [](const auto& item) { return !item.second.auth_query.user.empty(); });
}

void check_rule(const Config& config, const access::HbaRule& rule, Reader& reader) {
  const auto fault = [&](const std::string& text) { reader.fault_in(config.hba.file, rule.line, text); };
  const Listen& listen = config.listen;
  if (rule.type == access::HbaType::kHostSsl && listen.tls.mode == TlsMode::kDisable)
    fault("hostssl can never match: listen.tls.mode is disable");
  else if (rule.client_cert != access::ClientCert::kNotAsked && listen.tls.client_ca.empty())
    fault("clients' certificates cannot be verified: listen.tls.client_ca is not set");
  if (rule.type == access::HbaType::kLocal && listen.unix_socket.directory.empty())
    reader.warn(0, config.hba.file + ":" + std::to_string(rule.line) + ": local can never match: listen.unix_socket is not set");
  const auto& names = config.hba.names;
  if (!rule.map.empty() && std::none_of(names.begin(), names.end(), [&](const auto& entry) { return entry.map == rule.map; }))
    fault("no line of hba.ident_file has the map " + config::quoted(rule.map));
}

}  // namespace

void read_hba(Config& config, Reader& reader, const Entry& entry) {
  Hba& hba = config.hba;
  read_section(reader, hba_section(), entry, hba);
  if (!hba.file.empty()) {
    if (const auto text = read_named(reader, entry, ".file", hba.file)) {
      auto parsed = access::parse_hba(*text, hba.file, content_of);
      take_faults(reader, parsed.faults);
      hba.rules = std::move(parsed.rules);
      hba.needs_interfaces = parsed.needs_interfaces;
    }
  }
  if (!hba.ident_file.empty()) {
    if (const auto text = read_named(reader, entry, ".ident_file", hba.ident_file)) {
      auto parsed = access::parse_ident(*text, hba.ident_file, content_of);
      take_faults(reader, parsed.faults);
      hba.names = std::move(parsed.entries);
    }
  }
}

void read_users_file(Config& config, Reader& reader, const Entry& entry) {
  const auto named = reader.take_text(entry);
  if (!named) return;
  config.users_file = *named;
  const auto text = read_named(reader, entry, "", config.users_file);
  if (!text) return;
  auto list = access::parse_userlist(*text, config.users_file);
  take_faults(reader, list.faults);
  for (auto& listed : list.users) {
    const auto known = std::find_if(config.users.begin(), config.users.end(), [&](const User& user) { return user.name == listed.name; });
    if (known == config.users.end()) {
      config.users.push_back({.name = std::move(listed.name), .password = std::move(listed.secret)});
    } else if (known->password.empty()) {
      known->password = std::move(listed.secret);
    } else {
      reader.fault_in(config.users_file, listed.line, "user " + config::quoted(listed.name) + " has a password in users already");
    }
  }
}

void read_tls(Listen& listen, Reader& reader, const Entry& entry) {
  read_section(reader, tls_section(), entry, listen.tls);
  Tls& tls = listen.tls;
  if (tls.mode == TlsMode::kDisable) return;
  for (const auto& [key, path] : {std::pair{"cert", &tls.cert}, std::pair{"key", &tls.key}}) {
    if (path->empty()) {
      reader.fault(entry.line, entry.path + ": " + key + " is needed unless mode is disable");
    } else {
      require_readable(reader, entry, std::string(".") + key, *path);
    }
  }
  if (is_exposed(tls.key)) reader.warn(entry.line, entry.path + ".key: others can read " + tls.key + "; chmod 0600 keeps it private");
  if (!tls.client_ca.empty()) require_readable(reader, entry, ".client_ca", tls.client_ca);
}

void read_unix_socket(Listen& listen, Reader& reader, const Entry& entry) {
  UnixSocket& socket = listen.unix_socket;
  read_section(reader, unix_socket_section(), entry, socket);
  if (socket.directory.empty()) return;
  const auto fault = [&](const std::string& text) { reader.fault(entry.line, entry.path + text); };
  std::error_code error;
  if (!socket.directory.starts_with('/')) {
    fault(".directory: " + config::quoted(socket.directory) + " is not an absolute path");
  } else if (!std::filesystem::is_directory(socket.directory, error)) {
    fault(".directory: " + socket.directory + " is not a folder");
  } else if (socket.directory.size() > 80) {
    fault(".directory: longer than the 80 bytes that a socket's path has room for");
  }
  if (!socket.group.empty() && getgrnam(socket.group.c_str()) == nullptr) fault(".group: there is no group " + config::quoted(socket.group));
}

void read_auth_query(Database& database, Reader& reader, const Entry& entry) {
  read_section(reader, auth_query_section(), entry, database.auth_query);
  if (database.auth_query.query.find("$1") == std::string::npos)
    reader.fault(entry.line, entry.path + ".query: the user's name is asked for as $1, which is not in it");
}

void check_server_tls(ServerTls& tls, Reader& reader, const Entry& entry) {
  const auto fault = [&](const std::string& text) { reader.fault(entry.line, entry.path + ": " + text); };
  const bool verifies = tls.mode == SslMode::kVerifyCa || tls.mode == SslMode::kVerifyFull;
  if (tls.mode == SslMode::kDisable && (!tls.root_cert.empty() || !tls.cert.empty() || !tls.key.empty())) {
    fault("certificates are given, but sslmode is disable; say require, verify-ca or verify-full");
  }
  if (verifies && tls.root_cert.empty()) fault("sslmode verifies certificates, so sslrootcert is needed");
  if (tls.cert.empty() != tls.key.empty()) fault("sslcert and sslkey belong together");
  if (tls.require_binding && tls.mode < SslMode::kRequire) fault("channel_binding=require needs sslmode=require or more");
  if (!tls.root_cert.empty()) require_readable(reader, entry, ".sslrootcert", tls.root_cert);
  if (!tls.cert.empty()) require_readable(reader, entry, ".sslcert", tls.cert);
  if (!tls.key.empty()) require_readable(reader, entry, ".sslkey", tls.key);
  // libpq refuses it on the control connections.
  if (is_exposed(tls.key)) fault("others can read sslkey " + tls.key + "; chmod 0600 keeps it private");
}

void check_access(const Config& config, Reader& reader) {
  if (!knows_users(config)) reader.fault(1, "nobody could log in: give users, users_file or an auth_query");
  for (const auto& rule : config.hba.rules) check_rule(config, rule, reader);
}

}  // namespace howdah::config
