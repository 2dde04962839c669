#include "sharding/sql/scope.h"

namespace howdah::sharding::sql {

namespace {

const ScopeColumn* find_column(const Columns& columns, std::string_view name) {
  for (const auto& column : columns.list) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

bool names_item(const NamespaceItem& item, std::string_view schema, std::string_view name) {
  if (!item.names_visible || item.name != name) return false;
  return schema.empty() || (item.relation != nullptr && item.relation->schema == schema);
}

// Splits a.b.c into its last name and the two before it.
struct Reference {
  std::string_view schema, table, column;
};
Reference parts(const TreeNode* column) {
  const auto n = column->count;
  return {n > 2 ? text_of(kid(column, n - 3)) : std::string_view(),
          n > 1 ? text_of(kid(column, n - 2)) : std::string_view(), text_of(kid(column, n - 1))};
}

}  // namespace

Resolved resolve_column(const TreeNode* column, const Scope* scope) {
  const Reference name = parts(column);
  for (; scope != nullptr; scope = scope->parent) {
    bool complete = true;
    for (const auto& item : scope->visible()) {
      if (name.table.empty() ? !item.columns_visible : !names_item(item, name.schema, name.table)) continue;
      const ScopeColumn* found = find_column(item.columns, name.column);
      if (found != nullptr) return {true, found->term, found->entry, found->type};
      complete = complete && item.columns.complete;
      // A qualified name is not looked for further out once its table is found.
      if (!name.table.empty()) return {};
    }
    if (!complete) return {};
  }
  return {};
}

// https://www.postgresql.org/docs/15/rowtypes.html#ROWTYPES-USAGE
bool names_row(const TreeNode* column, const Scope* scope) {
  if (column->count != 1) return false;
  const auto name = text_of(kid(column, 0));
  for (; scope != nullptr; scope = scope->parent) {
    for (const auto& item : scope->visible()) {
      // A function's result in FROM is one value, and it may have other columns of that name.
      if (item.names_visible && item.columns.complete && item.name == name) return true;
      if (item.columns_visible && !item.columns.complete) return false;
    }
  }
  return false;
}

WithQuery* find_with(std::string_view name, WithScope* scope) {
  for (; scope != nullptr; scope = scope->parent) {
    for (auto query = scope->queries.rbegin(); query != scope->queries.rend(); ++query) {
      if (query->name == name) return &*query;
    }
  }
  return nullptr;
}

void expand_star(const TreeNode* column, const Scope& scope, Columns& out) {
  std::string_view table, schema;
  if (column->count > 1) table = text_of(kid(column, column->count - 2));
  if (column->count > 2) schema = text_of(kid(column, column->count - 3));
  bool found = false;
  for (const Scope* at = &scope; at != nullptr && !found; at = at->parent) {
    for (const auto& item : at->visible()) {
      if (table.empty() ? !item.columns_visible : !names_item(item, schema, table)) continue;
      found = true;
      out.list.insert(out.list.end(), item.columns.list.begin(), item.columns.list.end());
      out.complete = out.complete && item.columns.complete;
    }
    if (table.empty()) return;
  }
  out.complete = out.complete && found;
}

}  // namespace howdah::sharding::sql
