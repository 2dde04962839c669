#include <algorithm>

#include "sharding/sql/ddl.h"
#include "sharding/sql/findings.h"
#include "sharding/sql/names.h"

namespace howdah::sharding::sql {

namespace {

using Fault = std::optional<Error>;

std::vector<std::string_view> names_of(const TreeNode* list) {
  std::vector<std::string_view> names;
  for (const TreeNode* name : kids(list)) names.push_back(text_of(name));
  return names;
}

// Anything beyond literals, operators and casts may give another value on another shard.
bool is_constant(const TreeNode* node) {
  if (node == nullptr) return true;
  if (node->kind == TREE_FUNC || node->kind == TREE_SQL_VALUE || node->kind == TREE_SUBLINK) return false;
  if (node->kind == TREE_CAST && (is_clock_type(text_of(kid(node, 1))) || is_reg_type(text_of(kid(node, 1)))))
    return false;
  return std::all_of(kids(node).begin(), kids(node).end(),
                     [](const TreeNode* item) { return is_constant(item); });
}

Error sequence_fault(std::string_view column) {
  return unsupported("column " + std::string(column) + " takes its values from a sequence",
                     "Add the column without a default, and set its values.",
                     "The copies of a reference table would get different values.");
}

// No column of it is unique on each shard only.
bool unique_by_key(const NamedTable& table) {
  if (table.relation == nullptr) return true;
  const auto& keys = table.relation->unique_keys;
  return std::all_of(keys.begin(), keys.end(), [&](const auto& key) { return std::find(key.begin(), key.end(), table.rule->column) != key.end(); });
}

}  // namespace

bool is_serial(const TreeNode* type) {
  const auto name = text_of(type);
  return name == "serial" || name == "bigserial" || name == "smallserial" || name == "serial4" ||
         name == "serial8" || name == "serial2";
}

bool gives_values(const TreeNode* column) {
  const auto constraints = kids(kid(column, 1));
  return is_serial(kid(column, 0)) ||
         std::any_of(constraints.begin(), constraints.end(), [](const TreeNode* item) { return item->op == TREE_CON_IDENTITY; });
}

Fault TableCheck::create(const TreeNode* elements, const TreeNode* constraints) {
  const std::string key = hashed() ? table_.rule->column : std::string();
  bool key_found = false, unseen = false;
  for (const TreeNode* element : kids(elements)) {
    Fault fault;
    switch (element->kind) {
      case TREE_COLUMN_DEF:
        fault = column(element);
        if (text_of(element) == key) {
          key_found = true;
          if (!fault && hashed()) fault = key_type(kid(element, 0));
        }
        break;
      case TREE_CONSTRAINT:
        fault = constraint(element, {});
        break;
      default:
        unseen = true;
        break;  // LIKE brings columns and indexes that are not told here
    }
    if (fault) return fault;
  }
  for (const TreeNode* element : kids(constraints)) {
    if (auto fault = constraint(element, {})) return fault;
  }
  if (!hashed()) return {};
  if (unseen) {
    return unsupported("CREATE TABLE ... (LIKE ...) is not supported for sharded table " + table_.shown(),
                       "Write out its columns.");
  }
  if (!key_found) {
    return unsupported(
        "table " + table_.shown() + " has no column " + key + ", its sharding key",
        "Add the column, or change sharding.tables." + table_.shown() + " in the configuration.");
  }
  return {};
}

Fault TableCheck::add(const TreeNode* elements) {
  for (const TreeNode* element : kids(elements)) {
    Fault fault;
    if (element->kind == TREE_COLUMN_DEF) fault = column(element);
    if (element->kind == TREE_CONSTRAINT) fault = constraint(element, {});
    if (fault) return fault;
  }
  return {};
}

Fault TableCheck::key_type(const TreeNode* type) const {
  const auto name = text_of(type);
  const bool plain = type->number == 0 && !has(type, TREE_FLAG_SETOF);
  if (plain && (is_serial(type) || name == "varchar" || (key_cast_type(name) != 0 && name != "numeric"))) return {};
  return unsupported("sharding key " + table_.rule->column + " of table " + table_.shown() + " has type " +
                         std::string(name),
                     "The key must be smallint, integer, bigint, uuid, text or varchar.");
}

Fault TableCheck::column(const TreeNode* column) {
  for (const TreeNode* item : kids(kid(column, 1))) {
    if (auto fault = constraint(item, text_of(column))) return fault;
  }
  return {};
}

Fault TableCheck::constraint(const TreeNode* constraint, std::string_view column) {
  std::vector<std::string_view> columns = names_of(kid(constraint, 1));
  if (columns.empty() && !column.empty()) columns.push_back(column);
  switch (constraint->op) {
    case TREE_CON_PRIMARY:
    case TREE_CON_UNIQUE:
      if (has(constraint, TREE_FLAG_IS)) return {};  // USING INDEX: the index was checked when it was made
      return unique(columns, constraint->op == TREE_CON_PRIMARY ? "a primary key" : "a unique constraint");
    case TREE_CON_EXCLUSION:
      if (!hashed()) return {};
      return unsupported("exclusion constraints are not supported on sharded table " + table_.shown(),
                         "Use a unique constraint that contains " + table_.rule->column + ", or a check constraint.",
                         "They cannot be enforced across shards.");
    case TREE_CON_FOREIGN:
      return foreign_key(constraint, column);
    default:
      return {};
  }
}

Fault TableCheck::unique(const std::vector<std::string_view>& columns, std::string_view what) {
  if (!hashed() || std::find(columns.begin(), columns.end(), table_.rule->column) != columns.end()) return {};
  if (!per_shard_) {
    per_shard_ = unsupported(std::string(what) + " of sharded table " + table_.shown() + " does not contain its sharding key " + table_.rule->column,
                             "Add " + table_.rule->column + " to its columns; or, if each shard may have a value once, SET howdah.uniqueness = per_shard.",
                             "It cannot be enforced across shards.");
  }
  return {};
}

Fault TableCheck::unique_index(const TreeNode* elements) {
  std::vector<std::string_view> columns;
  for (const TreeNode* element : kids(elements)) {
    if (element->text != nullptr) columns.push_back(text_of(element));
  }
  return unique(columns, "a unique index");
}

Fault TableCheck::foreign_key(const TreeNode* constraint, std::string_view column) const {
  NamedTable to = find_table(context_, kid(constraint, 2));
  std::vector<std::string_view> from_columns = names_of(kid(constraint, 1));
  if (from_columns.empty()) from_columns.push_back(column);
  std::vector<std::string_view> to_columns = names_of(kid(constraint, 3));
  const std::string shown = to.shown();
  if (to.rule == nullptr) {
    return unsupported("foreign key to table " + shown + ", which has no sharding rule",
                       "Add sharding.tables." + shown + " to the configuration.");
  }
  if (to.rule->kind == TableRuleKind::kReference) return {};
  if (to.rule->kind == TableRuleKind::kHash && hashed()) return colocated(to, from_columns, to_columns);
  if (to.rule->kind == TableRuleKind::kLocal && *to.rule == *table_.rule) return {};
  return unsupported(
      "foreign key from table " + table_.shown() + " to table " + shown + " would cross shards",
      "A foreign key may lead to a reference table, or from a sharded table to one with the same key.");
}

// The key of this table must refer to the key of the other one: then both rows are on one shard.
Fault TableCheck::colocated(const NamedTable& to, const std::vector<std::string_view>& from_columns,
                            const std::vector<std::string_view>& to_columns) const {
  std::vector<std::string_view> targets = to_columns;
  if (targets.empty()) {
    // The primary key is meant. Where it must hold the sharding key, one of a single column is the key.
    if (from_columns.size() == 1 && unique_by_key(to)) targets.push_back(to.rule->column);
    if (to.relation != nullptr && from_columns.size() > 1) {
      for (const auto& unique : to.relation->unique_keys) {
        if (unique.size() == from_columns.size()) targets.assign(unique.begin(), unique.end());
      }
    }
  }
  for (std::size_t i = 0; i < from_columns.size() && i < targets.size(); ++i) {
    if (from_columns[i] == table_.rule->column && targets[i] == to.rule->column) return {};
  }
  return unsupported("foreign key from table " + table_.shown() + " to table " + to.shown() +
                         " does not pair their sharding keys",
                     "Reference " + to.shown() + " by columns that pair " + table_.rule->column + " with " +
                         to.rule->column + ".",
                     "The referenced row could be on another shard.");
}

Fault TableCheck::alter(const TreeNode* command) {
  const bool about_key = hashed() && text_of(command) == table_.rule->column;
  const TreeNode* definition = kid(command, 0);
  const auto key_fault = [this](std::string_view what) {
    return unsupported("sharding key " + table_.rule->column + " of table " + table_.shown() + " cannot be " + std::string(what),
                       "Create a new table with the key that it shall have, add its rule to the configuration, and copy the rows.",
                       "The key's value decides on which shard a row is.");
  };
  switch (command->op) {
    case TREE_ALTER_ADD_COLUMN: {
      if (table_.rule->kind == TableRuleKind::kReference) {
        for (const TreeNode* item : kids(kid(definition, 1))) {
          if (item->op != TREE_CON_DEFAULT || is_constant(kid(item, 0))) continue;
          return unsupported(
              "the default of the new column may differ between the copies of reference table " +
                  table_.shown(),
              "Add the column without it, then update the rows.");
        }
        if (is_serial(kid(definition, 0))) return sequence_fault(text_of(definition));
      }
      if (hashed() && gives_values(definition)) {
        return unsupported("column " + std::string(text_of(definition)) + " takes its values from a new sequence",
                           "CREATE SEQUENCE first, then add the column with DEFAULT nextval(...) of it.",
                           "The rows that are there would get the same values on all shards.");
      }
      return column(definition);
    }
    case TREE_ALTER_ADD_CONSTRAINT:
      return constraint(definition, {});
    case TREE_ALTER_DROP_COLUMN:
      if (about_key) return key_fault("dropped");
      return {};
    case TREE_ALTER_COLUMN_TYPE:
      if (about_key) return key_fault("changed to another type");
      return {};
    case TREE_ALTER_DROP_NOT_NULL:
      if (about_key) return key_fault("made nullable");
      return {};
    case TREE_ALTER_INHERIT:
      return unsupported("ALTER TABLE ... INHERIT is not supported with several shards", "Use partitions.",
                         "The child's rows are where its own rule put them.");
    case TREE_ALTER_ATTACH: {
      const NamedTable child = find_table(context_, definition);
      if (child.rule != nullptr && *child.rule == *table_.rule) return {};
      return unsupported("table " + child.shown() + " is not sharded as " + table_.shown() + " is",
                         "Create it with PARTITION OF.");
    }
    default:
      return {};
  }
}

}  // namespace howdah::sharding::sql
