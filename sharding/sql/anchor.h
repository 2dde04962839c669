// The core of every proof over several shards: if one table's key equaled one value, would all else stay on that value's shard?
#pragma once

#include "sharding/sql/facts.h"
#include "sharding/sql/findings.h"

namespace howdah::sharding::sql {

// Stands the term for the one unknown value of the anchor's key?
bool is_any_value(const ValueSet* values);

// Would the statement stay on one shard if this table's key equaled one value? Then every row of every sharded table that it
// reads has the anchor row's key. `solved` gets the facts of that case; a table that is only inserted into is left to the caller.
bool anchors(const Facts& facts, const Findings& findings, const TableUse& anchor, Facts& solved);
// The same of the tables [first, end) alone: one branch of a set operation.
bool anchors(const Facts& facts, const Findings& findings, const TableUse& anchor, std::size_t first, std::size_t end, Facts& solved);

}  // namespace howdah::sharding::sql
