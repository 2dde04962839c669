#include <algorithm>
#include <fstream>

#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

bool is_verifier(const std::string& password) {
  if (password.starts_with("SCRAM-SHA-256$")) return true;
  return password.size() == 35 && password.starts_with("md5") &&
         password.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
}

void check_user(const User& user, const std::vector<User>& others, Reader& reader, const Entry& entry) {
  if (user.name.size() > 63) reader.fault(entry.line, entry.path + ": a name has at most 63 bytes");
  if (!user.name.empty() &&
      std::any_of(others.begin(), others.end(), [&](const User& o) { return o.name == user.name; })) {
    reader.fault(entry.line, entry.path + ": user " + quoted(user.name) + " is given twice");
  }
  if (is_verifier(user.password) && user.server_password.empty() && !user.admin) {
    reader.fault(
        entry.line,
        entry.path + ": password is a verifier, so server_password is needed to log in to the servers");
  }
  if (is_verifier(user.server_password)) {
    reader.fault(entry.line, entry.path + ": server_password must be the password itself, not a verifier");
  }
}

void require_readable(Reader& reader, const Entry& entry, const char* key, std::string& path) {
  if (path.empty()) {
    reader.fault(entry.line, entry.path + ": " + key + " is needed unless mode is disable");
    return;
  }
  path = reader.resolve(path);
  if (!std::ifstream(path).is_open())
    reader.fault(entry.line, entry.path + "." + key + ": cannot read file " + path);
}

}  // namespace

void read_users(Config& config, Reader& reader, const Entry& entry) {
  const auto items = reader.take_list(entry);
  if (!items) return;
  if (items->empty()) reader.fault(entry.line, entry.path + ": at least one user is needed");
  for (const auto& item : *items) {
    User user;
    read_section(reader, user_section(), item, user);
    check_user(user, config.users, reader, item);
    config.users.push_back(std::move(user));
  }
}

void read_tls(Listen& listen, Reader& reader, const Entry& entry) {
  read_section(reader, tls_section(), entry, listen.tls);
  if (listen.tls.mode == TlsMode::kDisable) return;
  require_readable(reader, entry, "cert", listen.tls.cert);
  require_readable(reader, entry, "key", listen.tls.key);
}

}  // namespace howdah::config
