// Who may log in, and by what: the part of the configuration about it made ready for use, shared by all workers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "drivers/net/tls.h"
#include "proxy/access/ip_address.h"
#include "proxy/config/config.h"
#include "proxy/core/identity.h"
#include "proxy/core/tls_upgrade.h"
#include "proxy/core/user_lookup.h"

namespace howdah::proxy {

// What one configuration means for logins. Immutable.
struct AccessSnapshot {
  std::unordered_map<std::string, IdentityPtr> users;
  net::TlsContext client_tls;                             // toward clients; null: off
  std::map<std::string, net::TlsContext> server_tls;      // toward servers, by their files
  std::map<std::string, std::shared_ptr<UserLookup>> lookups;  // by database
  std::string mock_secret;
  int mock_iterations = pgwire::kScramDefaultIterations;  // as most users have
  bool mock_md5 = false;                                  // method md5: what an unknown user is asked by
};
using AccessPtr = std::shared_ptr<const AccessSnapshot>;

// Owned by the Proxy. Thread-safe.
class AccessControl {
 public:
  AccessControl();

  // Makes a configuration ready: certificates are read, plain passwords hashed (1.6 ms each, those already known are
  // kept). On an error, nothing has changed. From the main thread.
  Result<void> apply(const config::Config& config);
  // Whether the certificates of a configuration can be used at all; for --check.
  static Result<void> check(const config::Config& config);
  // For a login. Costs a lock; not for the data path.
  AccessPtr current() const;
  // Before apply(). Where the first shard's primary of a database is today; nothing: where the configuration says.
  using Primaries = std::function<std::optional<config::Server>(const std::string& database)>;
  void set_primaries(Primaries primaries) { primaries_ = std::move(primaries); }
  // Before the workers stop, to whom look-ups answer.
  void stop();

 private:
  IdentityPtr make_identity(config::User user, const AccessSnapshot& next, const AccessSnapshot& old) const;
  static Result<void> read_certificates(const config::Config& config, AccessSnapshot& next);
  static void choose_mocks(AccessSnapshot& next);

  const std::string random_secret_;
  Primaries primaries_;
  mutable std::mutex mutex_;
  AccessPtr current_;
};

// A user's verifier, or one that no password fits but that looks the same each time.
pgwire::ScramVerifier verifier_of(const AccessSnapshot& access, const Identity* identity, const std::string& name);

// What a user's server connections log in with: a password or its md5 hash; empty when only a SCRAM verifier is known.
std::string server_secret(const config::User& user);

// How connections to `server` are encrypted.
ServerTlsTarget tls_target(const AccessSnapshot& access, const config::Server& server);

// The address of the peer of a TCP connection, and this machine's own addresses.
access::IpAddress address_of(int fd);
std::vector<access::Interface> own_interfaces();

}  // namespace howdah::proxy
