// What FROM offers: tables, WITH queries, subqueries, functions and joins of these.
// Source: https://www.postgresql.org/docs/15/queries-table-expressions.html#QUERIES-FROM
#include <algorithm>

#include "sharding/sql/clock_calls.h"
#include "sharding/sql/names.h"
#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

namespace {

constexpr std::size_t kMaxViews = 64;  // of one statement, those behind views included

bool is_system_schema(std::string_view schema) {
  return schema == "pg_catalog" || schema == "information_schema" || schema == "pg_toast";
}

}  // namespace

void QueryWalker::from_list(const TreeNode* list, Scope& scope, const Outer& outer, Targets& entries) {
  for (const TreeNode* item : kids(list)) from_item(item, scope, outer, true, entries);
}

void QueryWalker::from_item(const TreeNode* node, Scope& scope, const Outer& outer, bool inner_path,
                            Targets& entries) {
  if (node == nullptr) return;
  switch (node->kind) {
    case TREE_RANGE_VAR:
      range_var(node, scope, outer.with, entries);
      return;
    case TREE_JOIN:
      join(node, scope, outer, inner_path, entries);
      return;
    case TREE_RANGE_SUBSELECT:
      subselect(node, scope, outer, entries);
      return;
    case TREE_RANGE_FUNCTION:
    case TREE_RANGE_TABLE_FUNC:
      range_function(node, scope, outer, entries);
      return;
    case TREE_RANGE_SAMPLE:
      // A number of rows, for some methods: each shard would give so many.
      findings_.set_varies("TABLESAMPLE");
      walk_all(kid(node, 1), &scope, outer.with);
      from_item(kid(node, 0), scope, outer, inner_path, entries);
      return;
    default:
      findings_.unproven();
      findings_.refuse(unsupported("this item in FROM is not supported across shards",
                                   "Use a table, a subquery or a function.", "What it reads is not known."));
  }
}

// Adds an item under its alias, with the columns that the alias renames.
void QueryWalker::offer(const TreeNode* alias, NamespaceItem item, Scope& scope) {
  if (alias != nullptr) {
    item.name = text_of(alias);
    item.relation = nullptr;  // schema.table.column no longer refers to it
    name_outputs(alias, item.columns);
  }
  scope.items.push_back(std::move(item));
}

const schema::Relation* QueryWalker::find_relation(const TreeNode* node) const {
  if (context_.catalog == nullptr) return nullptr;
  return context_.catalog->relation(qualifier_of(node), text_of(node), context_.search_path);
}

void QueryWalker::range_var(const TreeNode* node, Scope& scope, WithScope* with, Targets& entries) {
  if (node->qualifier == nullptr) {
    if (WithQuery* query = find_with(text_of(node), with)) {
      const int entry = new_entry();
      include(entries, entry);
      query->references.push_back(entry);
      if (query->body != nullptr) behind_[entry] = {query->body, query};
      NamespaceItem item;
      item.name = text_of(node);
      item.entry = entry;
      item.columns.complete = query->columns.complete;
      BackFlow back{query, {}};
      for (std::size_t i = 0; i < query->columns.list.size(); ++i) {
        const int inner = i < query->outputs.size() ? query->outputs[i] : -1;
        const int term = facts_.add_term(entry, inner < 0 ? 0 : facts_.type(inner));
        if (inner >= 0) {
          facts_.flow(inner, term);
          if (query->transparent[i]) back.terms.emplace_back(term, inner);
        }
        item.columns.list.push_back({query->columns.list[i].name, term, -1, query->columns.list[i].type});
      }
      back_flows_.push_back(std::move(back));
      offer(kid(node, 0), std::move(item), scope);
      return;
    }
  }
  NamespaceItem item = relation_item(node, false);
  include(entries, item.entry);
  offer(kid(node, 0), std::move(item), scope);
}

bool QueryWalker::view(const schema::Relation& relation, NamespaceItem& item) {
  if (relation.definition.empty()) return false;
  if (views_.size() >= kMaxViews) {
    too_complex_ = true;
    return true;
  }
  ParsedTree& tree = views_.emplace_back(relation.definition, true);
  if (tree->status != TREE_OK || tree->count != 1 || !is(tree->statements[0].node, TREE_SELECT)) return false;
  tree.forget_places();
  const TreeNode* body = tree->statements[0].node;
  const Output output = query(body, Outer{});
  item.columns = entry_columns(item.entry, output);
  if (!item.columns.complete || item.columns.list.size() != relation.columns.size()) return false;
  for (std::size_t i = 0; i < relation.columns.size(); ++i) item.columns.list[i].name = relation.columns[i].name;
  behind_[item.entry] = {body, nullptr};
  return true;
}

NamespaceItem QueryWalker::relation_item(const TreeNode* node, bool written) {
  NamespaceItem item;
  item.name = text_of(node);
  item.entry = new_entry();
  const schema::Relation* relation = find_relation(node);
  item.relation = relation;
  const bool is_view = relation != nullptr && relation->kind == schema::RelationKind::kView && !is_system_schema(relation->schema);
  if (is_view && !written && !relation->has_rules && view(*relation, item)) {
    findings_.reads_relations = true;
    return item;
  }
  if (relation == nullptr) {
    item.columns.complete = false;
  } else {
    for (const auto& column : relation->columns) {
      const bool keylike = key_family(column.type) && column.deterministic_collation;
      item.columns.list.push_back({column.name, keylike ? facts_.add_term(item.entry, column.type) : -1, item.entry, column.type});
    }
  }
  note_relation(relation, node, written, item);
  return item;
}

void QueryWalker::note_relation(const schema::Relation* relation, const TreeNode* node, bool written,
                                NamespaceItem& item) {
  findings_.reads_relations = true;
  const bool sharded = context_.sharded();
  if (relation == nullptr) {
    findings_.reads_unknown = true;
    findings_.unproven();
    if (!sharded) return;
    if (context_.catalog == nullptr) {
      findings_.refuse(
          unsupported("the tables of this database are not known yet", "Try again in a moment."));
      return;
    }
    note_unknown(node);
    return;
  }
  if (is_system_schema(relation->schema)) {
    findings_.reads_catalog = true;
    findings_.read_only = false;
    if (written) {
      findings_.unproven();
      findings_.refuse(unsupported("system catalogs cannot be written with several shards",
                                   "Use the DDL statement for it.", "The catalogs of the shards would differ."));
    }
    if (is_shard_content_relation(relation->name)) {
      findings_.refuse(unsupported("relation " + relation->name + " differs from shard to shard",
                                   "Ask the shard itself, over a connection of its own."));
    }
    return;
  }
  if (relation->unlogged || relation->row_security) findings_.read_only = false;
  if (relation->row_security) findings_.harmless = findings_.pure = false;
  if (relation->temporary) {
    findings_.read_only = false;
    findings_.notifies = true;
  }
  const auto name = display_name(*relation);
  switch (relation->kind) {
    case schema::RelationKind::kTable:
    case schema::RelationKind::kPartitioned:
      break;
    case schema::RelationKind::kView:
      findings_.unproven();
      findings_.refuse(unsupported("view " + name + " is not supported with several shards",
                                   "Write the view's query in the statement itself, and write to tables."));
      return;
    case schema::RelationKind::kSequence:
      findings_.read_only = false;
      findings_.refuse(unsupported("sequence " + name + " is not supported with several shards",
                                   "Ask the shard itself, over a connection of its own.",
                                   "Each shard has sequences of its own."));
      return;
    case schema::RelationKind::kMaterializedView:
      findings_.refuse(unsupported("materialized view " + name + " is not supported with several shards",
                                   "Query the tables it is made from."));
      return;
    default:
      findings_.unproven();
      findings_.refuse(unsupported("relation " + name + " is not supported with several shards",
                                   "Use a table with a sharding rule.", "It is neither a table nor a partition."));
      return;
  }
  if (sharded) note_table(*relation, node, written, item);
}

// A name that the catalog does not know: the server says so, unless a rule shows that rows may be spread.
void QueryWalker::note_unknown(const TreeNode* node) {
  const auto name = std::string(text_of(node));
  std::vector<std::string> schemas = context_.search_path;
  if (node->qualifier != nullptr) schemas = {std::string(qualifier_of(node))};
  for (const auto& schema : schemas) {
    if (context_.rules->find(schema, name) == nullptr) continue;
    Error error = make_error(ErrorCode::kUndefinedTable, "relation \"" + name + "\" does not exist",
                             "A table that was just created can be used once its transaction has committed.");
    findings_.refuse(std::move(error));
  }
}

void QueryWalker::note_table(const schema::Relation& relation, const TreeNode* node, bool written, NamespaceItem& item) {
  const auto& root = context_.catalog->root_of(relation);
  const auto name = display_name(relation);
  TableUse use;
  use.relation = &relation;
  use.rule = context_.rules->find(root.schema, root.name);
  use.node = node;
  use.entry = item.entry;
  use.written = written;
  if (use.rule == nullptr) {
    findings_.refuse(unsupported("table " + name + " has no sharding rule",
                                 "Add sharding.tables." + display_name(root) + " to the configuration."));
    return;
  }
  if (relation.multiple_parents) {
    findings_.refuse(unsupported("table " + name + " inherits from several tables",
                                 "With several shards a table may have one parent."));
  }
  if (written && relation.has_rules) {
    findings_.refuse(unsupported("table " + name + " has rewrite rules", "Use triggers instead of rules."));
  }
  if (use.rule->kind == TableRuleKind::kHash) {
    for (std::size_t i = 0; i < relation.columns.size(); ++i) {
      if (relation.columns[i].name != use.rule->column) continue;
      use.key = &relation.columns[i];
      use.key_term = item.columns.list[i].term;
    }
    if (use.key == nullptr || use.key_term < 0) {
      findings_.refuse(
          unsupported("sharding key " + use.rule->column + " of table " + name + " cannot be used",
                      "The key must be a column of type smallint, integer, bigint, uuid, text or varchar "
                      "with a deterministic collation."));
      return;
    }
  }
  findings_.tables.push_back(use);
}

Columns QueryWalker::entry_columns(int entry, const Output& output) {
  Columns columns;
  columns.complete = output.columns.complete;
  for (std::size_t i = 0; i < output.columns.list.size(); ++i) {
    const int inner = output.columns.list[i].term;
    const int term = facts_.add_term(entry, inner < 0 ? 0 : facts_.type(inner));
    if (inner >= 0) {
      facts_.flow(inner, term);
      if (i < output.transparent.size() && output.transparent[i]) facts_.flow(term, inner);
    }
    columns.list.push_back({output.columns.list[i].name, term, -1, output.columns.list[i].type});
  }
  return columns;
}

void QueryWalker::subselect(const TreeNode* node, Scope& scope, const Outer& outer, Targets& entries) {
  const Scope* outside = has(node, TREE_FLAG_LATERAL) ? &scope : outer.scope;
  const Output output = query(kid(node, 0), Outer{outside, outer.with, nullptr});
  NamespaceItem item;
  item.entry = new_entry();
  include(entries, item.entry);
  item.columns = entry_columns(item.entry, output);
  behind_[item.entry] = {kid(node, 0), nullptr};
  if (kid(node, 1) == nullptr) item.names_visible = false;
  offer(kid(node, 1), std::move(item), scope);
}

void QueryWalker::range_function(const TreeNode* node, Scope& scope, const Outer& outer, Targets& entries) {
  // A constant can take the place of a value, not of a function in FROM.
  for (const TreeNode* call : kids(kid(node, 0))) {
    if (clock_kind(call)) findings_.set_varies("the clock in FROM");
  }
  walk_all(kid(node, 0), &scope, outer.with);
  NamespaceItem item;
  item.entry = new_entry();
  include(entries, item.entry);
  const TreeNode* alias = kid(node, 1);
  const TreeNode* definitions = kid(node, 2);
  if (definitions != nullptr) {
    for (const TreeNode* column : kids(definitions)) item.columns.list.push_back({text_of(column), -1});
    offer(alias, std::move(item), scope);
    return;
  }
  // A scalar result is one column named like the function or its alias; how many others there are is not
  // known.
  item.columns.complete = false;
  const TreeNode* call = kid(kid(node, 0), 0);
  if (is(call, TREE_FUNC)) item.name = text_of(call);
  item.columns.list.push_back({alias != nullptr ? text_of(alias) : item.name, -1});
  offer(alias, std::move(item), scope);
}

void QueryWalker::join(const TreeNode* node, Scope& scope, const Outer& outer, bool inner_path,
                       Targets& entries) {
  const bool inner = node->op == TREE_INNER;
  const std::size_t left_item = scope.items.size();
  Targets left, right;
  from_item(kid(node, 0), scope, outer, inner_path && inner, left);
  const std::size_t right_item = scope.items.size();
  from_item(kid(node, 1), scope, outer, inner_path && inner, right);

  // Which entries a row must match in: an outer join keeps the rows of its preserved side whatever ON says.
  Targets restricts;
  const auto add = [](Targets& to, const Targets& from) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i]) include(to, static_cast<int>(i));
    }
  };
  if (node->op == TREE_RIGHT || node->op == TREE_FULL) add(nullable_, left);
  if (node->op == TREE_LEFT || node->op == TREE_FULL) add(nullable_, right);
  if (inner || node->op == TREE_RIGHT) add(restricts, left);
  if (inner || node->op == TREE_LEFT) add(restricts, right);
  if (inner && inner_path && outer.implied != nullptr) add(restricts, *outer.implied);
  add(entries, left);
  add(entries, right);

  std::vector<ScopeColumn> merged;
  bool complete = true;
  join_using(node, scope, left_item, right_item, restricts, merged, complete);

  Scope sides;
  sides.parent = outer.scope;
  sides.view_of = &scope;
  sides.first = left_item;
  condition(kid(node, 2), Here{&sides, outer.with, restricts});

  // The join itself offers the merged columns once, then the others of both sides.
  const TreeNode* alias = kid(node, 4);
  NamespaceItem item;
  item.names_visible = alias != nullptr;
  item.columns.list = merged;
  item.columns.complete = complete;
  for (std::size_t i = left_item; i < scope.items.size(); ++i) {
    NamespaceItem& side = scope.items[i];
    if (side.columns_visible) {
      item.columns.complete = item.columns.complete && side.columns.complete;
      for (const auto& column : side.columns.list) {
        const bool is_merged = std::any_of(merged.begin(), merged.end(),
                                           [&column](const ScopeColumn& m) { return m.name == column.name; });
        if (!is_merged) item.columns.list.push_back(column);
      }
    }
    side.columns_visible = false;
    if (alias != nullptr) side.names_visible = false;
  }
  if (const TreeNode* using_alias = kid(node, 5)) {
    NamespaceItem only_merged;
    only_merged.columns.list = merged;
    only_merged.columns_visible = false;
    offer(using_alias, std::move(only_merged), scope);
  }
  offer(alias, std::move(item), scope);
}

void QueryWalker::join_using(const TreeNode* node, Scope& scope, std::size_t left, std::size_t right,
                             const Targets& restricts, std::vector<ScopeColumn>& merged, bool& complete) {
  const auto collect = [&scope, &complete](std::size_t from, std::size_t to) {
    std::vector<ScopeColumn> columns;
    for (std::size_t i = from; i < to; ++i) {
      if (!scope.items[i].columns_visible) continue;
      complete = complete && scope.items[i].columns.complete;
      const auto& list = scope.items[i].columns.list;
      columns.insert(columns.end(), list.begin(), list.end());
    }
    return columns;
  };
  const bool natural = has(node, TREE_FLAG_NATURAL);
  const TreeNode* using_list = kid(node, 3);
  if (!natural && using_list == nullptr) return;
  const auto lefts = collect(left, right);
  const auto rights = collect(right, scope.items.size());
  const auto find = [](const std::vector<ScopeColumn>& in, std::string_view name) -> const ScopeColumn* {
    for (const auto& column : in) {
      if (column.name == name) return &column;
    }
    return nullptr;
  };
  std::vector<std::string_view> names;
  for (const TreeNode* name : kids(using_list)) names.push_back(text_of(name));
  if (natural) {
    for (const auto& column : lefts) {
      if (!column.name.empty() && find(rights, column.name) != nullptr) names.push_back(column.name);
    }
  }
  for (const auto& name : names) {
    const ScopeColumn* l = find(lefts, name);
    const ScopeColumn* r = find(rights, name);
    int term = -1;
    const Oid type = l != nullptr && r != nullptr && l->type == r->type ? l->type : 0;
    if (l != nullptr && r != nullptr && l->term >= 0 && r->term >= 0) {
      if (builtin_names_first_ && same_family(l->term, r->term)) facts_.equate(l->term, r->term, restricts);
      // The merged column is the preserved side's; of a full join it is neither.
      term = node->op == TREE_RIGHT ? r->term : node->op == TREE_FULL ? -1 : l->term;
    }
    merged.push_back({name, term, -1, type});
  }
}

}  // namespace howdah::sharding::sql
