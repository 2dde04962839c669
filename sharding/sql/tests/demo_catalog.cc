#include "sharding/sql/tests/demo_catalog.h"

#include <gtest/gtest.h>

namespace howdah::sharding::sql::testing {

namespace {

using schema::Column;
using schema::Relation;
using schema::RelationKind;

constexpr Oid kTimestamptz = 1184;
constexpr Oid kJsonb = 3802;
constexpr Oid kTextArray = 1009;

Column key(std::string name, Oid type) {
  return Column{std::move(name), type, false, true};
}
Column column(std::string name, Oid type) {
  return Column{std::move(name), type};
}

Relation table(Oid oid, std::string name, std::vector<Column> columns,
               std::vector<std::vector<std::string>> unique = {}) {
  Relation out;
  out.oid = oid;
  out.schema = "public";
  out.name = std::move(name);
  out.columns = std::move(columns);
  out.unique_keys = std::move(unique);
  return out;
}

void add_tables(schema::Catalog& catalog) {
  using namespace schema;
  catalog.add(
      table(16401, "users",
            {key("id", kInt8Oid), key("email", kTextOid), column("name", kTextOid),
             column("region", kTextOid), column("plan", kTextOid), column("created_at", kTimestamptz)},
            {{"id"}}));
  catalog.add(table(
      16402, "accounts",
      {key("id", kInt8Oid), key("user_id", kInt8Oid), column("kind", kTextOid),
       column("currency", kBpcharOid), column("balance", kNumericOid), column("opened_at", kTimestamptz)},
      {{"user_id", "id"}}));
  Relation transactions =
      table(16403, "transactions",
            {key("id", kInt8Oid), key("user_id", kInt8Oid), column("account_id", kInt8Oid),
             column("category_id", kInt4Oid), column("amount", kNumericOid), column("note", kTextOid),
             column("tags", kTextArray), key("created_at", kTimestamptz)},
            {{"user_id", "id", "created_at"}});
  transactions.kind = RelationKind::kPartitioned;
  Relation partition = transactions;
  partition.oid = 16404;
  partition.name = "transactions_2024_01";
  partition.kind = RelationKind::kTable;
  partition.parent = 16403;
  catalog.add(transactions);
  catalog.add(partition);
  catalog.add(table(16405, "categories",
                    {key("id", kInt4Oid), column("name", kTextOid), column("parent_id", kInt4Oid)},
                    {{"id"}}));
  catalog.add(table(16406, "settings", {key("key", kTextOid), column("value", kJsonb)}, {{"key"}}));
  catalog.add(table(16407, "events",
                    {key("id", kUuidOid), key("user_id", kUuidOid), column("body", kJsonb),
                     column("created_at", kTimestamptz)},
                    {{"user_id", "id"}}));
  catalog.add(table(16408, "profiles", {key("handle", kTextOid), column("bio", kTextOid)}, {{"handle"}}));
  Relation currencies =
      table(16409, "currencies",
            {key("code", kTextOid), column("name", kTextOid), column("since", kTimestamptz)}, {{"code"}});
  currencies.columns[2].has_default = true;
  catalog.add(currencies);
  catalog.add(table(16410, "unruled", {key("id", kInt8Oid)}));
  catalog.add(table(16411, "loose", {column("user_id", kInt4Oid), column("x", kInt4Oid)}));
  Relation view = table(16420, "user_view", {column("id", kInt8Oid)});
  view.kind = RelationKind::kView;
  catalog.add(view);
  Relation sequence = table(16421, "ids", {column("last_value", kInt8Oid)});
  sequence.kind = RelationKind::kSequence;
  catalog.add(sequence);
  Relation other = table(16430, "users", {key("id", kInt8Oid), column("x", kTextOid)}, {{"id"}});
  other.schema = "crm";
  catalog.add(other);
  for (const auto& [oid, name] :
       {std::pair<Oid, const char*>{1259, "pg_class"}, {2615, "pg_namespace"}, {12221, "pg_stat_activity"}}) {
    Relation system = table(oid, name, {column("oid", 26), column("relname", 19)});
    system.schema = "pg_catalog";
    catalog.add(system);
  }
}

void add_functions(schema::Catalog& catalog) {
  using schema::Volatility;
  const auto builtin = [&catalog](const char* name, Volatility volatility, bool aggregate = false) {
    const std::string_view called = name;
    catalog.add(schema::Function{"pg_catalog", name, volatility, true, aggregate, called == "generate_series" || called == "jsonb_each" || called == "unnest"});
  };
  for (const char* name :
       {"lower", "length", "abs", "generate_series", "jsonb_each", "unnest", "coalesce_text"}) {
    builtin(name, Volatility::kImmutable);
  }
  for (const char* name : {"count", "sum", "avg", "min", "max", "bool_or", "string_agg", "array_agg"})
    builtin(name, Volatility::kImmutable, true);
  for (const char* name :
       {"now", "current_setting", "pg_is_in_recovery", "pg_table_is_visible", "version", "txid_current"}) {
    builtin(name, Volatility::kStable);
  }
  for (const char* name :
       {"random", "nextval", "set_config", "pg_advisory_lock", "pg_advisory_unlock", "pg_advisory_unlock_all", "pg_listening_channels", "pg_advisory_xact_lock", "pg_notify",
        "clock_timestamp", "pg_relation_size", "gen_random_uuid", "query_to_xml", "lo_create"}) {
    builtin(name, Volatility::kVolatile);
  }
  builtin("row_number", Volatility::kImmutable);
  catalog.add(schema::Function{"public", "my_function", Volatility::kImmutable, false, false, false});
  catalog.add(schema::Function{"public", "abs", Volatility::kVolatile, false, false, false});
}

}  // namespace

schema::Catalog demo_catalog() {
  schema::Catalog catalog;
  add_tables(catalog);
  add_functions(catalog);
  catalog.set_bytewise_collation(true);
  return catalog;
}

Rules demo_rules(std::uint16_t shards) {
  Rules rules;
  rules.shards = shards;
  const auto hash = [](const char* column_name) {
    return TableRule{TableRuleKind::kHash, column_name, ShardId()};
  };
  rules.tables["public.users"] = hash("id");
  rules.tables["crm.users"] = hash("id");
  rules.tables["public.accounts"] = hash("user_id");
  rules.tables["public.transactions"] = hash("user_id");
  rules.tables["public.loose"] = hash("user_id");
  rules.tables["public.events"] = hash("user_id");
  rules.tables["public.profiles"] = hash("handle");
  rules.tables["public.planned"] = hash("user_id");
  rules.tables["public.categories"] = TableRule{TableRuleKind::kReference, "", ShardId()};
  rules.tables["public.currencies"] = TableRule{TableRuleKind::kReference, "", ShardId()};
  rules.tables["public.settings"] = TableRule{TableRuleKind::kLocal, "", ShardId(2)};
  return rules;
}

Analyzed analyzed(std::string_view sql, const AnalyzeOptions& options) {
  static const schema::Catalog catalog = demo_catalog();
  const Rules rules = demo_rules(options.shards);
  AnalyzeContext context;
  context.catalog = options.with_catalog ? &catalog : nullptr;
  context.rules = &rules;
  context.search_path = options.search_path;
  Analyzed out;
  tokenize(sql, context.lexer, out.tokens);
  auto analysis = analyze(sql, out.tokens, options.param_types, context);
  if (!analysis) {
    ADD_FAILURE() << sql << ": " << analysis.error().message;
    out.analysis.plan.statements.emplace_back();
  } else {
    out.analysis = std::move(*analysis);
  }
  if (out.analysis.plan.statements.empty()) out.analysis.plan.statements.emplace_back();
  return out;
}

namespace {

std::string shown(const KeySource& source, std::string_view sql, const TokenStream& tokens) {
  switch (source.kind) {
    case KeySource::Kind::kSlot:
      return (source.negate ? "-" : "") +
             std::string(sql.substr(tokens.slots[source.index].offset, tokens.slots[source.index].length));
    case KeySource::Kind::kSlotList:
      return "[" +
             std::string(sql.substr(tokens.slots[source.index].offset, tokens.slots[source.index].length)) +
             "]";
    case KeySource::Kind::kSlotArray:
      return "array " +
             std::string(sql.substr(tokens.slots[source.index].offset, tokens.slots[source.index].length));
    case KeySource::Kind::kParam:
      return "$" + std::to_string(source.index + 1) + (source.needs_type ? "?" : "");
    case KeySource::Kind::kParamArray:
      return "array $" + std::to_string(source.index + 1) + (source.needs_type ? "?" : "");
    case KeySource::Kind::kNull:
      return "NULL";
    case KeySource::Kind::kNow:
      break;
  }
  return "?";
}

}  // namespace

std::string where(std::string_view sql, const AnalyzeOptions& options) {
  const Analyzed result = analyzed(sql, options);
  const StatementPlan& plan = result.plan();
  switch (plan.where) {
    case Where::kProxy:
      return "proxy";
    case Where::kHome:
      return "home";
    case Where::kAnyShard:
      return "any";
    case Where::kAllShards:
      return "all";
    case Where::kCanonical:
      return "canonical";
    case Where::kShard:
      return "shard " + std::to_string(plan.shard.value());
    case Where::kRefused:
      return "refused";
    case Where::kManyShards: {
      if (plan.many_copy) return plan.many_copy->in ? "copy in" : "copy out";
      if (plan.many_write) return plan.many_write->pins.empty() ? "all write" : "many write";
      if (plan.spread->assembles) return "assembled";
      if (plan.spread->gathers) return "gathered";
      std::string out = "many";
      for (const auto& key : plan.spread->sort) {
        out += key.hidden ? " hidden" : " by " + std::to_string(key.column);
        if (key.descending) out += " desc";
        if (key.nulls_first != key.descending) out += key.nulls_first ? " nulls first" : " nulls last";
      }
      if (plan.spread->limit.kind != RowCount::Kind::kNone) out += " limit";
      if (plan.spread->offset.kind != RowCount::Kind::kNone) out += " offset";
      return out;
    }
    case Where::kKeys:
      break;
  }
  std::string out = "keys";
  for (const auto& pin : plan.pins) {
    out += ' ';
    for (std::size_t i = 0; i < pin.any_of.size(); ++i) {
      if (i > 0) out += ',';
      out += shown(pin.any_of[i], sql, result.tokens);
    }
  }
  return out;
}

void expect(std::initializer_list<Placed> cases) {
  for (const auto& c : cases) EXPECT_EQ(where(c.sql), c.where) << c.sql;
}

}  // namespace howdah::sharding::sql::testing
