// What must be the same on all shards of a database: facts about the server, and the definitions of users' objects.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "drivers/pq/connection.h"

namespace howdah::admin {

struct DriftFact {
  std::string value;
  std::string table;  // whose part the object is; else empty
};
// By kind (server, setting, table, column, index, constraint, trigger, policy, view, type, function, sequence, extension) and name.
using DriftFacts = std::map<std::pair<std::string, std::string>, DriftFact>;

// Of one shard, in one snapshot. Names are written with their schemas. REQUIRES: a control connection, whose search_path is pinned.
pq::Answer<DriftFacts> read_drift_facts(pq::Connection& connection, SteadyTime deadline);

}  // namespace howdah::admin
