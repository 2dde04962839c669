#include <algorithm>

#include "drivers/pgwire/scram_verifier.h"
#include "proxy/access/userlist.h"
#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

void check_user(const User& user, const std::vector<User>& others, Reader& reader, const Entry& entry) {
  if (user.name.size() > 63) reader.fault(entry.line, entry.path + ": a name has at most 63 bytes");
  if (!user.name.empty() &&
      std::any_of(others.begin(), others.end(), [&](const User& o) { return o.name == user.name; })) {
    reader.fault(entry.line, entry.path + ": user " + quoted(user.name) + " is given twice");
  }
  if (user.password.starts_with("SCRAM-SHA-256$") && !pgwire::ScramVerifier::parse(user.password)) {
    reader.fault(entry.line, entry.path + ": password begins like a SCRAM verifier, but is not a whole one");
  }
  if (access::is_verifier(user.server_password)) {
    reader.fault(entry.line, entry.path + ": server_password must be the password itself, not a verifier");
  }
}

}  // namespace

void read_users(Config& config, Reader& reader, const Entry& entry) {
  const auto items = reader.take_list(entry);
  if (!items) return;
  for (const auto& item : *items) {
    User user;
    read_section(reader, user_section(), item, user);
    check_user(user, config.users, reader, item);
    config.users.push_back(std::move(user));
  }
}

}  // namespace howdah::config
