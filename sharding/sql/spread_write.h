// The proof that a write may run on several shards at once: see ManyWrite in plan.h.
#pragma once

#include <memory>
#include <variant>

#include "base/error.h"
#include "sharding/sql/findings.h"
#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

// The proof, or the reason why there is none. `walker` has walked the statement and was solved().
std::variant<std::shared_ptr<const ManyWrite>, Error> spread_write(QueryWalker& walker, const AnalyzeContext& context);

}  // namespace howdah::sharding::sql
