// What the text of a DO block, or one that PostgreSQL 15's grammar does not know, says about parameters that it sets.
#pragma once

#include <string_view>
#include <vector>

#include "sharding/sql/plan.h"

namespace howdah::sharding::sql {

// Appends the names that it sets by set_config('name', ...) and SET name.with.dot. False: it calls set_config with a name
// that is no literal. Words in comments and strings count: a name too many costs a question to the server, no more.
bool find_settings_in_code(std::string_view text, std::vector<ConfigCall>& names);

}  // namespace howdah::sharding::sql
