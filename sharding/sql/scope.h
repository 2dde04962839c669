// Names of one query level: which FROM entry, and which of its columns, a reference means.
// Source: https://www.postgresql.org/docs/15/queries-table-expressions.html
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/catalog.h"
#include "sharding/rules.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {

// One column that an entry of FROM, a join or a subquery offers.
struct ScopeColumn {
  std::string_view name;
  int term = -1;  // -1: a column of which nothing is known
  int entry = -1;  // of FROM, when it is a table's own column
  Oid type = 0;    // 0: not known
};

struct Columns {
  std::vector<ScopeColumn> list;
  bool complete = true;  // false: there may be more columns than those listed
};

// What a name in FROM stands for.
struct NamespaceItem {
  std::string_view name;  // alias, else the relation's name; empty for a join without alias
  const schema::Relation* relation = nullptr;  // set when schema.name.column may refer to it
  int entry = -1;
  Columns columns;
  bool names_visible = true;    // name.column refers to it
  bool columns_visible = true;  // column alone refers to it
};

struct Scope {
  const Scope* parent = nullptr;
  std::vector<NamespaceItem> items;
  // A view of the later items of another scope instead of items of its own: the two sides of a join.
  const Scope* view_of = nullptr;
  std::size_t first = 0;

  std::span<const NamespaceItem> visible() const {
    return view_of == nullptr ? std::span(items) : std::span(view_of->items).subspan(first);
  }
};

// A WITH query as its references see it.
struct WithQuery {
  std::string_view name;
  const TreeNode* body = nullptr;
  Columns columns;
  std::vector<int> outputs;       // term of each output column, -1 where nothing is known
  std::vector<bool> transparent;  // by column: a condition on it may be pushed into the query
  bool recursive = false;         // its body is being walked: nothing is known of its columns yet
  std::vector<int> references;    // entries in FROM that read it
};

struct WithScope {
  WithScope* parent = nullptr;
  std::deque<WithQuery> queries;  // a deque: references stay valid while later ones are added
};

struct Resolved {
  bool found = false;  // false: the server will refuse the name, or it is one of an entry not known in full
  int term = -1;
  int entry = -1;      // see ScopeColumn
  Oid type = 0;
};

// `column`: a TREE_COLUMN without a star.
Resolved resolve_column(const TreeNode* column, const Scope* scope);
// `column` is one name, and that of an entry in FROM: its row as one value. To be asked when resolve_column() found nothing.
bool names_row(const TreeNode* column, const Scope* scope);
// The innermost WITH query of that name, or null.
WithQuery* find_with(std::string_view name, WithScope* scope);
// Appends all columns that `*` (or `name.*` when `column` has a qualifier) stands for.
void expand_star(const TreeNode* column, const Scope& scope, Columns& out);

}  // namespace howdah::sharding::sql
