// What is known of a user when it logs in.
#pragma once

#include <memory>
#include <optional>

#include "drivers/pgwire/scram_verifier.h"
#include "proxy/config/config.h"

namespace howdah::proxy {

// Immutable; from the configuration, or looked up on a server.
struct Identity {
  config::User user;
  // Of the password, or the stored one; nothing for md5 hashes and users without a password.
  std::optional<pgwire::ScramVerifier> verifier;
  bool looked_up = false;

  // Whether a password may prove it at all. `now`: seconds since 1970.
  bool has_secret(std::int64_t now) const { return !user.password.empty() && now < user.expires; }
};
using IdentityPtr = std::shared_ptr<const Identity>;

}  // namespace howdah::proxy
