// What /ready says.
#pragma once

#include <string>
#include <vector>

#include "proxy/admin/snapshot.h"

namespace howdah::admin {

struct NotReady {
  std::string database, shard, server, reason;
};

// Shards without a primary that is known to take writes; empty: ready. Servers of a database without a control
// account are not watched: they count as ready once the proxy listens.
std::vector<NotReady> not_ready(Proxy& proxy);
// {"ready": bool, "draining": bool, "reasons": [{"database", "shard", "server", "reason"}]}
std::string readiness_json(const std::vector<NotReady>& reasons, bool draining);

}  // namespace howdah::admin
