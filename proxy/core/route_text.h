// What EXPLAIN (HOWDAH) and SHOW howdah.route say of a plan, in words.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"
#include "sharding/router.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

// Why a statement runs where it does.
const char* reason_of(const sharding::sql::StatementPlan& plan);
// How the parts of several shards become one answer: "merge: order by 2 desc; limit 10". `bound`: the counts of `route` are known.
std::string merge_text(const sharding::sql::Spread& spread, const sharding::Route& route, bool bound = true);
// What is done over several shards.
std::string many_text(const sharding::sql::StatementPlan& plan, const sharding::Route& route, bool bound = true);
// The parameters that decide on the shard and have no value, "by $1, $3"; empty when there are none.
std::string undecided(const sharding::sql::StatementPlan& plan, std::size_t bound);
// ... and what is done once they have one.
std::string undecided_text(const sharding::sql::StatementPlan& plan);
// Of a refusal: its message with the reason, its SQLSTATE with the hint.
std::string refused_reason(const Error& refusal);
std::string refused_plan(const Error& refusal);

}  // namespace howdah::proxy
