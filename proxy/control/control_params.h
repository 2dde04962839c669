// How control connections log in.
#pragma once

#include <string>

#include "drivers/pq/link.h"
#include "proxy/config/config.h"
#include "proxy/control/settings.h"

namespace howdah::control {

// Where a server is and how connections to it are encrypted.
pq::ConnectParams server_params(const config::Server& server);

// For one server with the database's control account. The session's settings are pinned, so that neither the
// role's nor the database's defaults change what our statements mean.
pq::ConnectParams control_params(const config::Database& database, const config::Server& server,
                                 const Settings& settings);

// "s0@127.0.0.1:5501", for logs.
std::string log_name(const config::Shard& shard, const config::Server& server);

// "shard s0 (host=127.0.0.1 port=5501)", for messages.
std::string describe(const config::Shard& shard, const config::Server& server);

}  // namespace howdah::control
