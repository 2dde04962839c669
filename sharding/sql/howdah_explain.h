// EXPLAIN (HOWDAH) statement: where the statement would run. Unlike PostgreSQL's EXPLAIN it takes every statement, so the grammar
// must not see it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding::sql {

// Byte range of one "EXPLAIN (HOWDAH)".
struct ExplainPrefix {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Those that begin a statement of the string, in order. Any other option in the parentheses makes it none of them.
std::vector<ExplainPrefix> explain_prefixes(std::string_view sql, const LexerOptions& options);

// Blanks them out: every other byte keeps its place.
void blank(std::string& sql, const std::vector<ExplainPrefix>& prefixes);

// `plan` is of the statement behind the prefix at plan.begin; it becomes that of the whole.
void wrap_explained(const std::string& blanked, const LexerOptions& options, StatementPlan& plan);

}  // namespace howdah::sharding::sql
