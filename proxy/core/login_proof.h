// What a login has found out: by which rule it is judged, who it is, and what it proved to know.
#pragma once

#include <optional>

#include "proxy/access/hba.h"
#include "proxy/core/access_control.h"
#include "proxy/core/database.h"

namespace howdah::proxy {

// Lives in the login's coroutine.
struct LoginProof {
  config::ConfigPtr config;             // that the login began under
  AccessPtr access;
  const access::HbaRule* rule = nullptr;  // of `config`; null: there is no file of rules
  IdentityPtr identity;                 // null: nobody of that name
  UserLookup* lookup = nullptr;         // that was asked; of `access`
  std::optional<pgwire::ScramKeys> keys;  // that the client showed: they log in to servers, too
};

// Gives the user's pools what this login proved, and what is known of the user by now.
void arm_pools(UserPools& pools, const LoginProof& proof);

}  // namespace howdah::proxy
