// INSERT, UPDATE, DELETE and MERGE: which rows they store and change.
#include <algorithm>

#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

namespace {

constexpr std::string_view kChoosesShard = "The key chooses the shard of a row before the row is there.";

Error key_refusal(const TableUse& use, std::string_view why, std::string_view hint, std::string_view detail = kChoosesShard) {
  const auto name = display_name(*use.relation);
  return unsupported("sharding key " + use.key->name + " of table " + name + " " + std::string(why),
                     std::string(hint), std::string(detail));
}

constexpr int kOverridingUserValue = 1;  // OVERRIDING_USER_VALUE in primnodes.h

constexpr std::string_view kMoveByHand = "Delete the row and insert it with its new key.";
constexpr std::string_view kGiveKey = "Give the key as a constant or a parameter.";

}  // namespace

std::size_t QueryWalker::target(const TreeNode* node, Scope& scope, Targets& entries) {
  findings_.read_only = findings_.harmless = false;
  const std::size_t use = findings_.tables.size();
  NamespaceItem item = relation_item(node, true);
  include(entries, item.entry);
  offer(kid(node, 0), std::move(item), scope);
  return findings_.tables.size() > use ? use : kNoUse;
}

QueryWalker::Output QueryWalker::returning(const TreeNode* list, const Scope& scope, WithScope* with) {
  Output output;
  output.columns = targets(list, scope, with);
  output.transparent.assign(output.columns.list.size(), false);
  return output;
}

QueryWalker::Output QueryWalker::insert(const TreeNode* node, const Outer& outer) {
  Outer inner{nullptr, outer.with, nullptr};
  if (kid(node, TREE_INSERT_WITH) != nullptr) {
    inner.with = &with_scopes_.emplace_back();
    inner.with->parent = outer.with;
    with_clause(kid(node, TREE_INSERT_WITH), nullptr, *inner.with);
  }
  Scope scope;
  Targets entries;
  const std::size_t use = target(kid(node, TREE_INSERT_RELATION), scope, entries);
  if (use != kNoUse) findings_.tables[use].only_inserted = true;
  if (node == top_write_.node) top_write_.use = use;
  const TreeNode* columns = kid(node, TREE_INSERT_COLUMNS);
  if (const TableUse* table = table_use(use); table != nullptr && node->number == kOverridingUserValue && table->key != nullptr) {
    findings_.refuse(key_refusal(*table, "may not be the value that is given", "Leave out OVERRIDING USER VALUE."));
  }
  inserted_rows(columns, kid(node, TREE_INSERT_SOURCE), use, inner);

  const TreeNode* conflict = kid(node, TREE_INSERT_CONFLICT);
  if (conflict != nullptr) {
    if (const TableUse* table = table_use(use)) {
      check_conflict(conflict, *table);
      check_assignments(kid(conflict, 2), *table);
    }
    // `excluded` has the table's columns; nothing is concluded from their values.
    NamespaceItem excluded;
    excluded.name = "excluded";
    excluded.columns_visible = false;
    excluded.columns = scope.items.front().columns;
    for (auto& column : excluded.columns.list) column.term = -1;
    Scope with_excluded;
    with_excluded.parent = &scope;
    with_excluded.items.push_back(excluded);
    walk_all(kid(conflict, 0), &scope, inner.with);
    walk(kid(conflict, 1), &scope, inner.with);
    walk_all(kid(conflict, 2), &with_excluded, inner.with);
    walk(kid(conflict, 3), &with_excluded, inner.with);
  }
  return returning(kid(node, TREE_INSERT_RETURNING), scope, inner.with);
}

// Where the key stands among the values: by the column list, else by the table's own order. -1: not given.
int QueryWalker::key_position(const TreeNode* columns, const TableUse& use) const {
  if (columns == nullptr) {
    return static_cast<int>(use.key - use.relation->columns.data());
  }
  for (std::uint32_t i = 0; i < columns->count; ++i) {
    if (text_of(kid(columns, i)) == use.key->name) return static_cast<int>(i);
  }
  return -1;
}

void QueryWalker::inserted_rows(const TreeNode* columns, const TreeNode* source, std::size_t use,
                                const Outer& outer) {
  const TableUse* table = table_use(use);
  const bool hashed = table != nullptr && table->rule->kind == TableRuleKind::kHash;
  const int key = hashed ? key_position(columns, *table) : -1;
  const TreeNode* rows = is(source, TREE_SELECT) ? kid(source, TREE_SELECT_VALUES) : nullptr;
  if (table != nullptr && table->rule->kind == TableRuleKind::kReference)
    check_defaults(columns, rows, *table);
  const auto missing = [&] {
    if (hashed && key < 0) findings_.refuse(key_refusal(*table, "is missing from INSERT", kGiveKey));
  };
  if (source == nullptr) {
    if (hashed) findings_.refuse(key_refusal(*table, "is missing from INSERT", kGiveKey));
    return;
  }

  const bool bare_values = rows != nullptr && kid(source, TREE_SELECT_WITH) == nullptr &&
                           kid(source, TREE_SELECT_SORT) == nullptr &&
                           kid(source, TREE_SELECT_LIMIT) == nullptr &&
                           kid(source, TREE_SELECT_OFFSET) == nullptr;
  if (bare_values) {
    for (const TreeNode* row : kids(rows)) walk_all(row, outer.scope, outer.with);
    if (source == kid(top_write_.node, TREE_INSERT_SOURCE) && outer.with == nullptr) top_write_.rows = rows;
    if (hashed && top_write_.rows == rows && takes_default(rows, key, use)) {
      findings_.defaulted = DefaultedKey{use, key};
      return;
    }
    missing();
    if (key >= 0) inserted_values(rows, static_cast<std::size_t>(key), use);
    return;
  }
  missing();
  const Output output = query(source, outer);
  if (key < 0) return;
  const auto position = static_cast<std::size_t>(key);
  const bool known = output.columns.complete || position < output.columns.list.size();
  // Columns before an unknown one keep their place only if the list up to there is complete.
  const int term = known && output.columns.complete && position < output.columns.list.size()
                       ? output.columns.list[position].term
                       : -1;
  inserted_term(term, use);
}

// Every row has the default of the key's column. A domain's own default is not known.
bool QueryWalker::takes_default(const TreeNode* rows, int position, std::size_t use) const {
  const TableUse& table = findings_.tables[use];
  const schema::Column& key = *table.key;
  if (key.default_text.empty() || key.is_domain || key.generated || table.relation->oid != context_.catalog->root_of(*table.relation).oid) return false;
  if (position < 0) return true;
  return std::all_of(kids(rows).begin(), kids(rows).end(),
                     [&](const TreeNode* row) { return is(kid(row, static_cast<std::uint32_t>(position)), TREE_DEFAULT); });
}

void QueryWalker::inserted_term(int term, std::size_t use) {
  const TableUse& table = findings_.tables[use];
  if (term < 0 || key_family(facts_.type(term)) != key_family(table.key->type)) {
    findings_.refuse(key_refusal(table, "is not known for the rows that this statement stores", kGiveKey));
    return;
  }
  findings_.inserted.push_back(InsertedKey{use, {}, {term}});
}

// Storing into text formats a number: only what is stored as it reads. Into an integer it rounds one, as the router does.
bool QueryWalker::inserted_constant(const TreeNode* value, const TableUse& table, InsertedKey& out) {
  const auto source = keys_.value(value);
  if (!source) return false;
  const bool null = source->kind == KeySource::Kind::kNull;
  if (null ? !table.key->not_null : !KeyReader::comparable(table.key->type, *source)) return false;
  if (source->kind == KeySource::Kind::kParam && source->type == ValueType::kColumn) {
    ++typed_params_[{source->index, table.key->type}];
  }
  out.values.push_back(*source);
  return true;
}

void QueryWalker::inserted_values(const TreeNode* rows, std::size_t key, std::size_t use) {
  const TableUse& table = findings_.tables[use];
  InsertedKey inserted{use, {}, {}};
  for (const TreeNode* row : kids(rows)) {
    const TreeNode* value = kid(row, static_cast<std::uint32_t>(key));
    if (value == nullptr) {
      findings_.refuse(key_refusal(table, "is missing from INSERT", kGiveKey));
      return;
    }
    if (!inserted_constant(value, table, inserted)) {
      const auto source = keys_.value(value);
      const bool other_type = source && source->kind != KeySource::Kind::kNull;
      findings_.refuse(other_type ? key_refusal(table, "is given as a value of another type", "Give it as a string, or with the key's own type.",
                                                "Storing the value converts it, in ways that are the server's.")
                                  : key_refusal(table, value->kind == TREE_DEFAULT ? "has the value DEFAULT" : "is computed or NULL", kGiveKey));
      return;
    }
  }
  // Its rows, as RETURNING gives them, have one of these keys. A number that is rounded is not the key.
  const bool rounded = std::any_of(inserted.values.begin(), inserted.values.end(),
                                   [](const KeySource& source) { return source.type == ValueType::kNumeric; });
  if (const auto family = key_family(table.key->type); family && !rounded) {
    facts_.pin(table.key_term, ValueSet{*family, table.key->type, inserted.values});
  }
  findings_.inserted.push_back(std::move(inserted));
}

// A default is evaluated on each copy of a reference table: what it gives there is not known to agree.
void QueryWalker::check_defaults(const TreeNode* columns, const TreeNode* rows, const TableUse& use) {
  const std::size_t given = rows != nullptr && rows->count > 0 ? kids(kid(rows, 0)).size() : 0;
  const auto& all = use.relation->columns;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].has_default) continue;
    bool listed = columns == nullptr && (rows == nullptr || i < given);
    std::size_t position = i;
    for (std::uint32_t c = 0; columns != nullptr && c < columns->count; ++c) {
      if (text_of(kid(columns, c)) != all[i].name) continue;
      listed = true;
      position = c;
    }
    for (const TreeNode* row : kids(rows)) {
      listed = listed && !is(kid(row, static_cast<std::uint32_t>(position)), TREE_DEFAULT);
    }
    if (!listed) findings_.set_not_immutable("the default of column " + all[i].name);
  }
}

void QueryWalker::check_conflict(const TreeNode* conflict, const TableUse& use) {
  if (use.rule->kind != TableRuleKind::kHash) return;
  const TreeNode* columns = kid(conflict, 0);
  for (const TreeNode* column : kids(columns)) {
    if (text_of(column) == use.key->name) return;
  }
  // No target, a constraint's name, or one without the key: safe when every unique index contains the key.
  const auto& keys = use.relation->unique_keys;
  const bool all = columns == nullptr && std::all_of(keys.begin(), keys.end(), [&use](const auto& key) {
                     return std::find(key.begin(), key.end(), use.key->name) != key.end();
                   });
  if (all) return;
  findings_.refuse(key_refusal(use, "is not part of the ON CONFLICT target",
                               "Use a unique index that contains the sharding key.",
                               "A conflict with a row of another shard would not be seen."));
}

void QueryWalker::check_assignments(const TreeNode* list, const TableUse& use, bool may_move) {
  for (const TreeNode* assignment : kids(list)) {
    if (use.rule->kind == TableRuleKind::kHash && text_of(assignment) == use.key->name) {
      InsertedKey stored{static_cast<std::size_t>(&use - findings_.tables.data()), {}, {}};
      const TreeNode* value = kid(assignment, 0);
      const bool plain = may_move && kids(kid(assignment, 1)).empty() && value != nullptr;
      if (plain && inserted_constant(value, use, stored)) {
        findings_.inserted.push_back(std::move(stored));
      } else if (plain && value->kind != TREE_DEFAULT && value->kind != TREE_MULTI_ASSIGN && !keys_.value(value)) {
        findings_.computed_key = true;
      } else {
        findings_.refuse(key_refusal(use, "cannot be changed by this UPDATE", kMoveByHand, "The row would have to move to another shard."));
      }
    }
    if (use.rule->kind == TableRuleKind::kReference && is(kid(assignment, 0), TREE_DEFAULT)) {
      findings_.set_not_immutable("the default of column " + std::string(text_of(assignment)));
    }
  }
}

QueryWalker::Output QueryWalker::update(const TreeNode* node, const Outer& outer) {
  Outer inner{nullptr, outer.with, nullptr};
  if (kid(node, TREE_UPDATE_WITH) != nullptr) {
    inner.with = &with_scopes_.emplace_back();
    inner.with->parent = outer.with;
    with_clause(kid(node, TREE_UPDATE_WITH), nullptr, *inner.with);
  }
  Scope scope;
  Targets entries;
  const std::size_t use = target(kid(node, TREE_UPDATE_RELATION), scope, entries);
  if (node == top_write_.node) top_write_.use = use;
  from_list(kid(node, TREE_UPDATE_FROM), scope, inner, entries);
  if (const TableUse* table = table_use(use)) {
    check_assignments(kid(node, TREE_UPDATE_SET), *table, node == top_write_.node);
    // Of several matching rows any one may be taken.
    if (kid(node, TREE_UPDATE_FROM) != nullptr) findings_.depends_on_order();
  }
  condition(kid(node, TREE_UPDATE_WHERE), Here{&scope, inner.with, entries});
  walk_all(kid(node, TREE_UPDATE_SET), &scope, inner.with);
  return returning(kid(node, TREE_UPDATE_RETURNING), scope, inner.with);
}

QueryWalker::Output QueryWalker::delete_from(const TreeNode* node, const Outer& outer) {
  Outer inner{nullptr, outer.with, nullptr};
  if (kid(node, TREE_DELETE_WITH) != nullptr) {
    inner.with = &with_scopes_.emplace_back();
    inner.with->parent = outer.with;
    with_clause(kid(node, TREE_DELETE_WITH), nullptr, *inner.with);
  }
  Scope scope;
  Targets entries;
  const std::size_t use = target(kid(node, TREE_DELETE_RELATION), scope, entries);
  if (node == top_write_.node) top_write_.use = use;
  from_list(kid(node, TREE_DELETE_USING), scope, inner, entries);
  condition(kid(node, TREE_DELETE_WHERE), Here{&scope, inner.with, entries});
  return returning(kid(node, TREE_DELETE_RETURNING), scope, inner.with);
}

QueryWalker::Output QueryWalker::merge(const TreeNode* node, const Outer& outer) {
  Outer inner{nullptr, outer.with, nullptr};
  if (kid(node, TREE_MERGE_WITH) != nullptr) {
    inner.with = &with_scopes_.emplace_back();
    inner.with->parent = outer.with;
    with_clause(kid(node, TREE_MERGE_WITH), nullptr, *inner.with);
  }
  Scope scope;
  Targets entries;
  const std::size_t use = target(kid(node, TREE_MERGE_RELATION), scope, entries);
  const Targets only_target = entries;
  from_item(kid(node, TREE_MERGE_SOURCE), scope, inner, true, entries);
  if (node == top_write_.node) {
    top_write_.use = use;
    top_write_.source = entries;
    for (std::size_t i = 0; i < only_target.size(); ++i) {
      if (only_target[i]) top_write_.source[i] = false;
    }
  }
  const TreeNode* actions = kid(node, TREE_MERGE_ACTIONS);
  const bool keeps_source =
      std::any_of(kids(actions).begin(), kids(actions).end(),
                  [](const TreeNode* action) { return !has(action, TREE_FLAG_MATCHED); });
  // With WHEN NOT MATCHED, ON keeps every row of the source, as an outer join does.
  condition(kid(node, TREE_MERGE_ON), Here{&scope, inner.with, keeps_source ? only_target : entries});
  for (const TreeNode* action : kids(actions)) {
    walk(kid(action, 0), &scope, inner.with);
    walk_all(kid(action, 1), &scope, inner.with);
    walk_all(kid(action, 2), &scope, inner.with);
    const TableUse* table = table_use(use);
    if (table == nullptr) continue;
    if (action->op == TREE_MERGE_UPDATE) check_assignments(kid(action, 1), *table);
    if (action->op != TREE_MERGE_INSERT) continue;
    if (table->rule->kind == TableRuleKind::kReference) check_defaults(kid(action, 1), nullptr, *table);
    if (table->rule->kind != TableRuleKind::kHash) continue;
    const int key = key_position(kid(action, 1), *table);
    const TreeNode* value = key < 0 ? nullptr : kid(kid(action, 2), static_cast<std::uint32_t>(key));
    InsertedKey inserted{use, {}, {}};
    if (value != nullptr && inserted_constant(value, *table, inserted)) {
      findings_.inserted.push_back(std::move(inserted));
      continue;
    }
    inserted_term(value == nullptr ? -1 : output_term(value, scope), use);
  }
  return {};
}

}  // namespace howdah::sharding::sql
