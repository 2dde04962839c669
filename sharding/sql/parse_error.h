// What libpg_query says of a text that it cannot parse, as PostgreSQL says it: with SQLSTATE, detail and hint.
#pragma once

#include <string_view>

#include "base/error.h"
#include "sharding/sql/lexer.h"

namespace howdah::sharding::sql {

// `position`: in characters from 1, 0 unknown.
Error parse_error(std::string_view sql, const LexerOptions& options, std::string_view message, int position);

}  // namespace howdah::sharding::sql
