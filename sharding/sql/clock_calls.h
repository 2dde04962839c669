// What reads the clock that PostgreSQL starts a transaction or statement with: the same value wherever it stands.
#pragma once

#include <optional>

#include "sharding/sql/plan.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {

// Of now(), CURRENT_DATE and their like; empty for all else, clock_timestamp() too. The name of a function is not looked up.
std::optional<ClockCall::Kind> clock_kind(const TreeNode* node);

// A cast's argument that is surely a time: what reads the clock, also with an interval added.
bool is_clock_value(const TreeNode* node);

}  // namespace howdah::sharding::sql
