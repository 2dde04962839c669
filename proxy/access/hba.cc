#include "proxy/access/hba.h"

#include <algorithm>

namespace howdah::access {

namespace {

bool type_fits(HbaType type, const HbaClient& client) {
  switch (type) {
    case HbaType::kLocal: return client.local;
    case HbaType::kHost: return !client.local;
    case HbaType::kHostSsl: return !client.local && client.tls;
    case HbaType::kHostNoSsl: return !client.local && !client.tls;
  }
  return false;
}

bool database_fits(const Field& names, const HbaClient& client) {
  return std::any_of(names.begin(), names.end(), [&](const Token& name) {
    if (client.replication) return name.is("replication");
    if (name.is("all")) return true;
    if (name.is("sameuser")) return client.database == client.user;
    return !name.is("replication") && name.text == client.database;
  });
}

bool user_fits(const Field& names, const HbaClient& client) {
  return std::any_of(names.begin(), names.end(),
                     [&](const Token& name) { return name.is("all") || name.text == client.user; });
}

bool range_fits(const HbaRange& range, const IpAddress& address, const std::vector<Interface>& interfaces) {
  switch (range.kind) {
    case HbaRange::kAll:
      return true;
    case HbaRange::kMask:
      return in_range(address, range.address, range.mask);
    case HbaRange::kSameHost:
      return std::any_of(interfaces.begin(), interfaces.end(), [&](const Interface& own) { return own.address == address; });
    case HbaRange::kSameNet:
      return std::any_of(interfaces.begin(), interfaces.end(),
                         [&](const Interface& own) { return in_range(address, own.address, own.mask); });
  }
  return false;
}

}  // namespace

const HbaRule* find_rule(const std::vector<HbaRule>& rules, const HbaClient& client,
                         const std::vector<Interface>& interfaces) {
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const HbaRule& rule) {
    return type_fits(rule.type, client) && (client.local || range_fits(rule.range, client.address, interfaces)) &&
           database_fits(rule.databases, client) && user_fits(rule.users, client);
  });
  return found == rules.end() ? nullptr : &*found;
}

Error refusal(const HbaRule* rule, const HbaClient& client) {
  std::string text = rule != nullptr ? "pg_hba.conf rejects " : "no pg_hba.conf entry for ";
  if (client.replication) {
    text += rule != nullptr ? "replication connection for host" : "replication connection from host";
  } else {
    text += rule != nullptr ? "connection for host" : "host";
  }
  text += " \"" + (client.local ? std::string("[local]") : client.address.to_string()) + "\", user \"" + std::string(client.user) + "\"";
  if (!client.replication) text += ", database \"" + std::string(client.database) + "\"";
  text += client.tls ? ", SSL encryption" : ", no encryption";
  return make_error(ErrorCode::kAuthRejected, std::move(text));
}

std::string_view to_string(HbaMethod method) {
  switch (method) {
    case HbaMethod::kTrust: return "trust";
    case HbaMethod::kReject: return "reject";
    case HbaMethod::kScram: return "scram-sha-256";
    case HbaMethod::kMd5: return "md5";
    case HbaMethod::kPassword: return "password";
    case HbaMethod::kCert: return "cert";
    case HbaMethod::kPeer: return "peer";
  }
  return "";
}

}  // namespace howdah::access
