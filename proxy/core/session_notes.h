// What a session has still to ask its servers about, between a statement and the end of its transaction.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/core/many_cursor.h"
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
  // A cursor of DECLARE, with several shards.
  struct Cursor {
    std::string name;
    ServerConn* conn = nullptr;
    bool hold = false;
    bool committed = false;   // the transaction of its DECLARE is over
    std::size_t steps = 0;    // Transaction::replay's size at DECLARE
    std::shared_ptr<ManyCursor> many;  // over several shards: `conn` is null
  };
  std::vector<Cursor> cursors;
  ServerConn* notifier = nullptr;  // claimed for NOTIFY: see Session::claim_notify()
};

}  // namespace howdah::proxy
