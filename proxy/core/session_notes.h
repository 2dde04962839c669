// What a session has still to ask its servers about, between a statement and the end of its transaction.
#pragma once

#include <string>
#include <vector>

#include "proxy/core/server_conn.h"

namespace howdah::proxy {

struct StateNotes {
  // A parameter that may have been set by other means than SET.
  struct Config {
    ServerConn* conn = nullptr;
    std::string name;
    bool local = false;  // SET LOCAL; only for shards that join later
  };
  std::vector<Config> configs;
  ServerConn* notifier = nullptr;  // claimed for NOTIFY: see Session::claim_notify()
};

}  // namespace howdah::proxy
