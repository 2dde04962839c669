// The proof that a query may run on several shards at once, and what its merge has to do: see Spread in plan.h.
#pragma once

#include <memory>
#include <variant>

#include "base/error.h"
#include "sharding/sql/findings.h"
#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

// The proof, or the reason why there is none. `walker` has walked the statement and was solved().
std::variant<std::shared_ptr<const Spread>, Error> spread(QueryWalker& walker,
                                                           const AnalyzeContext& context);

// The same of a query that also reads tables which are local to one shard.
std::variant<std::shared_ptr<const Spread>, Error> spread_beside(QueryWalker& walker, ShardId local);

}  // namespace howdah::sharding::sql
