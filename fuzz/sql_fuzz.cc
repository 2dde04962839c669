// Any text can be tokenized, analyzed, cached and routed; what is cached is found again by the same text.
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/support.h"
#include "sharding/router.h"
#include "sharding/sql/plan_cache.h"

namespace {

using namespace howdah;
using namespace howdah::sharding;
using namespace howdah::sharding::sql;

schema::Catalog make_catalog() {
  schema::Catalog catalog;
  Oid oid = 16384;
  for (const char* name : {"users", "accounts", "categories", "settings"}) {
    schema::Relation relation;
    relation.oid = oid++;
    relation.schema = "public";
    relation.name = name;
    relation.columns = {{"id", schema::kInt8Oid, false, true},
                        {"user_id", schema::kInt8Oid},
                        {"name", schema::kTextOid},
                        {"uid", schema::kUuidOid}};
    catalog.add(std::move(relation));
  }
  catalog.add(schema::Function{"pg_catalog", "count", schema::Volatility::kImmutable, true, true, false});
  catalog.add(schema::Function{"pg_catalog", "now", schema::Volatility::kStable, true, false, false});
  return catalog;
}

Rules make_rules() {
  Rules rules;
  rules.tables["public.users"] = TableRule{TableRuleKind::kHash, "id", ShardId()};
  rules.tables["public.accounts"] = TableRule{TableRuleKind::kHash, "user_id", ShardId()};
  rules.tables["public.categories"] = TableRule{TableRuleKind::kReference, "", ShardId()};
  rules.tables["public.settings"] = TableRule{TableRuleKind::kLocal, "", ShardId(1)};
  return rules;
}

void check_slots(std::string_view sql, const TokenStream& tokens, const LexerOptions& options) {
  std::uint32_t behind = 0;
  std::string value;
  for (const auto& slot : tokens.slots) {
    fuzz::require(slot.length > 0 && slot.offset >= behind && slot.offset + slot.length <= sql.size(),
                  "slots in order");
    behind = slot.offset + slot.length;
    value.clear();
    if (!slot.folded) literal_value(sql, slot, options, value);
    std::uint32_t at = slot.offset, count = 0;
    Slot item;
    while (next_literal(sql, slot, options, at, item)) ++count;
    fuzz::require(count == slot.count, "as many literals as the slot says");
  }
}

}  // namespace

// The first byte: bit 0 standard_conforming_strings off, bit 1 one shard. Then the text, up to a zero.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const schema::Catalog catalog = make_catalog();
  static Rules rules = make_rules();
  static const ShardMap map = ShardMap::initial(64, 4, HashKind::kPostgres);
  static TokenStream tokens;

  AnalyzeContext context;
  context.lexer.standard_conforming_strings = (data[0] & 1) == 0;
  rules.shards = (data[0] & 2) == 0 ? 4 : 1;
  context.catalog = &catalog;
  context.rules = &rules;
  context.search_path = {"public"};
  Bytes rest = fuzz::as_bytes(data + 1, size - 1);
  const std::string sql(rest.substr(0, rest.find('\0')));

  tokenize(sql, context.lexer, tokens);
  check_slots(sql, tokens, context.lexer);
  auto analysis = analyze(sql, tokens, {}, context);
  if (!analysis) return 0;
  fuzz::require(analysis->plan.statements.empty() || rules.shards > 1 ||
                    analysis->plan.statements[0].where != Where::kRefused,
                "one shard refuses nothing");
  PlanCache cache;
  const PlanPtr plan = cache.insert(sql, tokens, {}, 1, std::move(*analysis));
  if (tokens.complete && cache.size() == 1) {
    const PlanPtr* found = cache.find(sql, tokens, {}, 1);
    fuzz::require(found != nullptr && found->get() == plan.get(), "a cached text is found");
  }
  const std::vector<BoundParam> params = {
      BoundParam{rest.substr(0, 8), false, false, 0}, BoundParam{rest.substr(0, 8), false, true, 20},
      BoundParam{rest, false, true, 1016}, BoundParam{rest, false, false, 1009}};
  Values values{sql, tokens.slots, params};
  values.standard_conforming_strings = context.lexer.standard_conforming_strings;
  for (const auto& statement : plan->statements) {
    if (statement.end != kWholeText)
      fuzz::require(statement.begin <= statement.end && statement.end <= sql.size(), "ranges");
    (void)route(statement, values, map);
  }
  return 0;
}
