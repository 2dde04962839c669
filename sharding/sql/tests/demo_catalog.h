// The demo schema of a wealth-management app as a catalog, and what every analyzer test needs around it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "schema/catalog.h"
#include "sharding/rules.h"
#include "sharding/sql/analyzer.h"

namespace howdah::sharding::sql::testing {

// users (hash id), accounts and transactions (hash user_id; transactions partitioned), events (hash user_id,
// uuid), profiles (hash handle, text), categories and currencies (reference), settings (local, shard 2),
// unruled (no rule), user_view, a sequence, pg_class, and some functions.
schema::Catalog demo_catalog();
Rules demo_rules(std::uint16_t shards);

// Analyzes against the demo schema with search_path public. Fails the test when the text does not parse.
struct Analyzed {
  TokenStream tokens;
  Analysis analysis;
  const StatementPlan& plan() const { return analysis.plan.statements.front(); }
};
struct AnalyzeOptions {
  std::uint16_t shards = 4;
  std::vector<Oid> param_types;
  std::vector<std::string> search_path = {"public"};
  bool with_catalog = true;
};
Analyzed analyzed(std::string_view sql, const AnalyzeOptions& options = {});

// A plan as text, for tables of expectations: "any", "home", "all", "canonical", "proxy", "shard 2",
// "gathered", "many" and how it merges, "refused", or for keys "keys " and the pins, each as its values: "5", "$1", "NULL", "[3]" (slot list),
// "a,b".
std::string where(std::string_view sql, const AnalyzeOptions& options = {});

struct Placed {
  const char* sql;
  const char* where;
};
// Each text's where(), as an expectation.
void expect(std::initializer_list<Placed> cases);

}  // namespace howdah::sharding::sql::testing
