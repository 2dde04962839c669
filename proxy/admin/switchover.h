// SWITCHOVER: another server of a shard becomes its primary on purpose, and nobody's statement fails for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "proxy/admin/table.h"

namespace howdah::proxy {
class Proxy;
}

namespace howdah::admin {

struct SwitchoverOrder {
  std::string database;
  std::string shard;
  std::string to;         // "host:port"; empty: the replica that is least behind
  bool dry_run = false;   // only checks
};

// Blocks until all is done, or undone: an error before the promotion leaves everything as it was. To the server that is the
// primary already it lifts a fence that a switchover left behind which did not end. Not from a worker's or the control thread.
Result<Table> switch_over(proxy::Proxy& proxy, const SwitchoverOrder& order);

}  // namespace howdah::admin
