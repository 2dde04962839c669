// Proves where a statement may run, or refuses. Works on libpg_query's tree and a catalog snapshot.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "schema/catalog.h"
#include "schema/drift.h"
#include "sharding/rules.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding::sql {

// What a proof depends on besides the text. Borrowed for the call.
struct AnalyzeContext {
  const schema::Catalog* catalog = nullptr;   // null: unsharded without a control account; no read is proven read-only
  const Rules* rules = nullptr;
  const schema::Drift* drift = nullptr;       // null: all shards' tables are alike
  std::vector<std::string> search_path;       // resolved: "$user" replaced, missing schemas kept
  LexerOptions lexer;
  bool sharded() const { return rules != nullptr && rules->shards > 1; }
};

// A value of the text that the proof looked at: a cached plan is only used when it is the same again.
struct Guard {
  std::uint32_t slot = 0;
  std::string text;            // the literal as written
};

struct Analysis {
  Plan plan;
  std::vector<Guard> guards;
};

// `param_types`: the OIDs that Parse declared, 0 for unspecified ones.
// kSyntaxError with a position when libpg_query cannot parse it; kTooComplex beyond the nesting bound.
// A statement that is legal but unproven is no error here: its StatementPlan says kRefused and why.
// With one shard nothing is refused: the text that cannot be parsed becomes one kOther statement that goes home, pinned as
// kUserCode where it might leave state behind.
Result<Analysis> analyze(std::string_view sql, const TokenStream& tokens, std::span<const Oid> param_types,
                         const AnalyzeContext& context);

}  // namespace howdah::sharding::sql
