#include "sharding/sql/ddl.h"

#include <algorithm>

#include "sharding/sql/placement.h"
#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

std::string quoted_name(const schema::Relation& relation) {
  std::string out;
  for (const std::string* part : {&relation.schema, &relation.name}) {
    out += out.empty() ? "\"" : ".\"";
    for (const char c : *part) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
  return out;
}

// Creating what is there already ends with PostgreSQL's own words, whatever else the definition says. What the shards are sent
// says them, too, and cannot create anything should it be gone by now: it is made from itself.
bool exists_already(const StatementInput& input, const TreeNode* node, std::string_view what, bool as_query, StatementPlan& plan) {
  const TreeNode* range_var = kid(node, 0);
  const bool if_not_exists = has(node, TREE_FLAG_ALL);
  const auto* catalog = input.context.catalog;
  if (range_var == nullptr || catalog == nullptr) return false;
  std::string schema(qualifier_of(range_var));
  if (schema.empty()) schema = catalog->creation_schema(input.context.search_path);
  if (schema.empty()) return false;
  const schema::Relation* relation = catalog->relation(schema, text_of(range_var), {});
  if (relation == nullptr || relation->schema != schema) return false;
  const bool table = relation->kind == schema::RelationKind::kTable || relation->kind == schema::RelationKind::kPartitioned;
  if (!table && (as_query || !if_not_exists)) return false;
  const std::string name = quoted_name(*relation);
  plan.stand_in = "CREATE " + std::string(what) + (if_not_exists ? " IF NOT EXISTS " : " ") + name +
                  (as_query ? " AS SELECT FROM " + name : " (LIKE " + name + ")");
  return true;
}

// Names of ReindexObjectType in parsenodes.h: schemas and whole databases are done table by table.
constexpr int kReindexTable = 1;

Error no_rule(const NamedTable& table) {
  return unsupported(
      "table " + table.shown() + " has no sharding rule",
      "Add sharding.tables." + table.shown() + " to the configuration, then create the table.");
}

// What a CREATE without a schema makes is temporary, too, where pg_temp leads the search path.
bool is_temporary(const StatementInput& input, const TreeNode* range_var) {
  if (range_var == nullptr) return false;
  const auto schema = qualifier_of(range_var);
  const auto& path = input.context.search_path;
  return range_var->number == 't' || schema == "pg_temp" || (schema.empty() && !path.empty() && path.front() == "pg_temp");
}

// Functions, types and operators can be made in pg_temp as well: a word of the text is enough to ask the server.
bool mentions_pg_temp(const StatementInput& input, const StatementPlan& plan) {
  const auto text = input.sql.substr(plan.begin, plan.end - plan.begin);
  constexpr std::string_view word = "pg_temp";
  const auto found = std::search(text.begin(), text.end(), word.begin(), word.end(),
                                 [](char a, char b) { return lower_ascii(a) == b; });
  const auto& path = input.context.search_path;
  return found != text.end() || (!path.empty() && path.front() == "pg_temp");
}

bool refuse_temporary(const StatementInput& input, const TreeNode* range_var, StatementPlan& plan) {
  if (!is_temporary(input, range_var)) return false;
  plan.pin = PinReason::kTemporaryTable;
  plan.notifies = true;
  if (!input.context.sharded()) return false;
  refuse(plan, unsupported("temporary tables are not supported with several shards", "Use a WITH query."));
  return true;
}

// serial, identity, and what LIKE may bring of it.
bool makes_sequence(const TreeNode* element) {
  if (is(element, TREE_LIKE)) return true;
  if (!is(element, TREE_COLUMN_DEF)) return false;
  return gives_values(element);
}

void check_table(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  const TreeNode* relation = kid(node, 0);
  const TreeNode* partition_of = kid(node, 3);
  const TreeNode* inherits = kid(node, 2);
  NamedTable table = find_table(input.context, relation);
  if (partition_of != nullptr) {
    table = find_table(input.context, kid(partition_of, 0));
  } else if (inherits != nullptr) {
    const NamedTable parent = find_table(input.context, kid(inherits, 0));
    if (inherits->count > 1 || parent.rule == nullptr ||
        (table.rule != nullptr && !(*table.rule == *parent.rule))) {
      return refuse(plan, unsupported("INHERITS needs one parent with the same sharding rule",
                                      "Name one parent, or use partitions.", "The child's rows live where the parent's do."));
    }
    table.rule = parent.rule;
  }
  if (table.rule == nullptr) return refuse(plan, no_rule(table));
  const bool own_columns = partition_of == nullptr && inherits == nullptr;
  if (own_columns && has(node, TREE_FLAG_IS) && table.rule->kind == TableRuleKind::kHash) {
    return refuse(plan, unsupported("CREATE TABLE ... OF a type is not supported for sharded tables",
                                    "Write out its columns."));
  }
  TableCheck check(input.context, table, plan.refusal);
  std::optional<Error> fault;
  if (own_columns) {
    fault = check.create(kid(node, 1), kid(node, 4));
  } else {
    // The parent has the key; what the child adds must hold on its shard alone.
    fault = check.add(kid(node, 1));
    if (!fault) fault = check.add(kid(node, 4));
  }
  if (fault) refuse(plan, std::move(*fault));
  const auto elements = kids(kid(node, 1));
  plan.splits_sequences = std::any_of(elements.begin(), elements.end(), [](const TreeNode* element) { return makes_sequence(element); });
}

void create_table(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.drops_at_commit = node->number != 0;
  if (refuse_temporary(input, kid(node, 0), plan) || !input.context.sharded()) return;
  check_table(input, node, plan);
  if (plan.refusal && exists_already(input, node, "TABLE", false, plan)) {
    plan.where = Where::kAllShards;
    plan.refusal.reset();
  }
}

void create_table_as(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.drops_at_commit = node->number != 0;
  const bool view = has(node, TREE_FLAG_IS);
  if (refuse_temporary(input, kid(node, 0), plan) || !input.context.sharded()) return;
  if (exists_already(input, node, view ? "MATERIALIZED VIEW" : "TABLE", true, plan)) return;
  refuse(plan, unsupported(view ? "materialized views are not supported with several shards"
                                : "CREATE TABLE AS is not supported with several shards",
                           "Create the table first, then INSERT into it.",
                           "Its rows would have to be distributed over the shards."));
}

void create_index(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.no_transaction = has(node, TREE_FLAG_ALL);
  if (!input.context.sharded()) return;
  const NamedTable table = find_table(input.context, kid(node, 0));
  if (table.rule == nullptr || !has(node, TREE_FLAG_IS)) return;
  if (auto fault = TableCheck(input.context, table, plan.refusal).unique_index(kid(node, 1)))
    refuse(plan, std::move(*fault));
}

void alter_table(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  const NamedTable table = find_table(input.context, kid(node, 0));
  for (std::uint32_t i = 1; i < node->count; ++i) {
    const TreeNode* command = kid(node, i);
    const bool sequence = command->op == TREE_ALTER_ADD_IDENTITY || command->op == TREE_ALTER_OTHER || makes_sequence(kid(command, 0));
    if (input.context.sharded() && sequence) plan.splits_sequences = true;
    if (command->op == TREE_ALTER_DETACH_CONCURRENTLY) plan.no_transaction = true;
    if (!input.context.sharded() || table.rule == nullptr || plan.where == Where::kRefused) continue;
    if (auto fault = TableCheck(input.context, table, plan.refusal).alter(command)) refuse(plan, std::move(*fault));
  }
}

void rename(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  if (!input.context.sharded() || kid(node, 0) == nullptr) return;
  const NamedTable table = find_table(input.context, kid(node, 0));
  if (table.rule == nullptr) return;
  const bool of_partition = table.relation != nullptr && table.relation->name != table.name;
  const bool key = node->number == TREE_OBJ_COLUMN && table.rule->kind == TableRuleKind::kHash &&
                   text_of(kid(node, 1)) == table.rule->column;
  if (key || (node->number == TREE_OBJ_TABLE && !of_partition)) {
    refuse(plan, unsupported(std::string(key ? "the sharding key of table " : "table ") + table.shown() +
                                 " cannot be renamed or moved",
                             std::string("Create a new table with the ") + (key ? "key's new name" : "new name") +
                                 ", add its rule to the configuration, and copy the rows.",
                             "Its sharding rule names it."));
  }
}

void maintenance(const StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.verb = Verb::kMaintenance;
  plan.changes_catalog = false;
  const TreeNode* relation = kid(node, 0);
  const NamedTable table = find_table(input.context, relation);
  const bool partitioned =
      table.relation != nullptr && (table.relation->kind == schema::RelationKind::kPartitioned ||
                                    table.relation->kind == schema::RelationKind::kPartitionedIndex);
  switch (node->op) {
    case TREE_U_VACUUM:
      plan.no_transaction = has(node, TREE_FLAG_IS);
      break;
    case TREE_U_REINDEX:
      plan.no_transaction = has(node, TREE_FLAG_IS) || node->number > kReindexTable || partitioned;
      break;
    case TREE_U_CLUSTER:
      plan.no_transaction = relation == nullptr || partitioned;
      break;
    default:
      break;
  }
}

bool is_maintenance(const TreeNode* node) {
  return node->op == TREE_U_VACUUM || node->op == TREE_U_REINDEX || node->op == TREE_U_CLUSTER ||
         node->op == TREE_U_REFRESH || node->op == TREE_U_CHECKPOINT;
}

}  // namespace

void plan_ddl(StatementInput& input, const TreeNode* node, StatementPlan& plan) {
  plan.verb = Verb::kDdl;
  plan.writes = true;
  plan.changes_catalog = true;
  const bool sharded = input.context.sharded();
  plan.where = sharded ? Where::kAllShards : Where::kHome;
  if (is_maintenance(node)) return maintenance(input, node, plan);
  switch (node->op) {
    case TREE_U_CREATE_TABLE:
      return create_table(input, node, plan);
    case TREE_U_CREATE_TABLE_AS:
      return create_table_as(input, node, plan);
    case TREE_U_INDEX:
      return create_index(input, node, plan);
    case TREE_U_ALTER_TABLE:
      return alter_table(input, node, plan);
    case TREE_U_RENAME:
      return rename(input, node, plan);
    case TREE_U_SEQUENCE:
      plan.splits_sequences = sharded;
      [[fallthrough]];
    case TREE_U_VIEW:
      refuse_temporary(input, kid(node, 0), plan);
      return;
    case TREE_U_RULE:
      if (sharded && find_table(input.context, kid(node, 0)).rule != nullptr) {
        refuse(plan, unsupported("rewrite rules are not supported with several shards", "Use a trigger."));
      }
      return;
    case TREE_U_DROP:
      plan.no_transaction = has(node, TREE_FLAG_IS);
      return;
    case TREE_U_DDL_ALONE:
    case TREE_U_SERVER:
      plan.no_transaction = true;
      return;
    case TREE_U_OTHER:
      plan.verb = Verb::kDdl;
      if (sharded)
        refuse(plan, unsupported("this statement is not supported with several shards",
                                 "Create the schema first, then what is in it."));
      return;
    case TREE_U_DDL:
      if (!mentions_pg_temp(input, plan)) return;
      plan.pin = PinReason::kTemporaryTable;
      plan.notifies = true;
      if (sharded) {
        refuse(plan, unsupported("temporary objects are not supported with several shards", "Create them in a schema."));
      }
      return;
    default:
      return;
  }
}

}  // namespace howdah::sharding::sql
