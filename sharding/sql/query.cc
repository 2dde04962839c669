#include "sharding/sql/query.h"

#include "schema/types.h"
#include "sharding/sort_types.h"

#include <algorithm>

namespace howdah::sharding::sql {

namespace {

// Queries within queries; each costs several stack frames.
constexpr int kMaxQueryDepth = 40;
constexpr std::size_t kMaxPinnedRows = 4096;

struct Figured {
  std::string_view name;  // empty: not known
  bool weak = false;      // what is around it may have a better one
};

// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/parser/parse_target.c, FigureColnameInternal()
Figured figure_name(const TreeNode* value) {
  if (value == nullptr) return {};
  switch (value->kind) {
    case TREE_COLUMN:
      return {text_of(kid(value, value->count - 1))};
    case TREE_FUNC:
      return {text_of(value)};
    case TREE_EXPR:
      if (value->op == TREE_NULLIF) return {"nullif"};
      return {"?column?", true};
    case TREE_CONST:
    case TREE_PARAM:
    case TREE_BOOL:
    case TREE_NULL_TEST:
      return {"?column?", true};
    case TREE_ARRAY:
      return {"array"};
    case TREE_ROW:
      return {"row"};
    case TREE_COLLATE:
      return figure_name(kid(value, 0));
    case TREE_CAST: {
      const Figured inner = figure_name(kid(value, 0));
      return inner.weak ? Figured{text_of(kid(value, 1)), true} : inner;
    }
    case TREE_OTHER_EXPR: {
      if (text_of(value) != "case") return {text_of(value)};
      const TreeNode* otherwise = kid(value, 2);
      const Figured inner = otherwise == nullptr ? Figured{"case", true} : figure_name(otherwise);
      return inner.weak ? Figured{"case", true} : inner;
    }
    default:
      return {};
  }
}

std::string_view output_name(const TreeNode* target) {
  return target->text != nullptr ? text_of(target) : figure_name(kid(target, 0)).name;
}

bool is_star(const TreeNode* node) {
  return is(node, TREE_COLUMN) && is(kid(node, node->count - 1), TREE_STAR);
}

// The columns of a WITH query that may refer to itself: its first branch gives their names.
Columns names_of_first_branch(const TreeNode* cte) {
  Columns out;
  const TreeNode* query = kid(cte, 0);
  while (is(query, TREE_SELECT) && query->op != TREE_LEAF) query = kid(query, TREE_SELECT_LEFT);
  out.complete = is(query, TREE_SELECT) && kid(query, TREE_SELECT_VALUES) == nullptr && cte->number == 0;
  for (const TreeNode* target : kids(is(query, TREE_SELECT) ? kid(query, TREE_SELECT_TARGETS) : nullptr)) {
    const auto name = output_name(target);
    out.complete = out.complete && !name.empty() && !is_star(kid(target, 0));
    out.list.push_back({name});
  }
  std::size_t i = 0;
  for (const TreeNode* name : kids(kid(cte, 1))) {
    if (i < out.list.size()) out.list[i].name = text_of(name);
    ++i;
  }
  if (!out.complete) out.list.clear();
  return out;
}

// pg_catalog is searched first unless the path lists it later.
bool searches_builtins_first(const std::vector<std::string>& path) {
  const auto builtin = std::find(path.begin(), path.end(), "pg_catalog");
  return builtin == path.end() || builtin == path.begin();
}

}  // namespace

QueryWalker::QueryWalker(const AnalyzeContext& context, SlotUse& slots, std::span<const Oid> param_types)
    : context_(context),
      slots_(slots),
      builtin_names_first_(searches_builtins_first(context.search_path)),
      keys_(slots, param_types, builtin_names_first_) {}

void QueryWalker::statement(const TreeNode* node) {
  const TreeNode* query = is(node, TREE_INSERT) ? kid(node, TREE_INSERT_SOURCE) : node;
  if (is(query, TREE_SELECT) && query->op == TREE_LEAF && kid(query, TREE_SELECT_VALUES) == nullptr) root_ = query;
  if (!is(node, TREE_SELECT)) top_write_.node = node;
  const Output output = any_query(node, Outer{});
  if (!is(node, TREE_SELECT) || node->op == TREE_LEAF) return;
  top_set_.node = node;
  top_set_.outputs = output.columns;
  top_set_.positions_known = output.columns.complete;
}

const Facts& QueryWalker::solved() {
  for (const auto& back : back_flows_) {
    if (back.query->references.size() != 1) continue;
    for (const auto& [from, to] : back.terms) facts_.flow(from, to);
  }
  back_flows_.clear();
  facts_.solve();
  return facts_;
}

void QueryWalker::mark_params(std::vector<KeySource>& sources, Oid column_type) const {
  for (auto& source : sources) {
    if (source.kind != KeySource::Kind::kParam && source.kind != KeySource::Kind::kParamArray) continue;
    if (source.type != ValueType::kColumn) continue;
    const auto uses = param_uses_.find(source.index);
    const auto typed = typed_params_.find({source.index, column_type});
    source.needs_type =
        uses == param_uses_.end() || typed == typed_params_.end() || uses->second != typed->second;
  }
}

bool QueryWalker::has_clock_words() {
  bool found = false;
  for (const TreeNode* string : strings_) {
    slots_.read(string);
    std::string text(text_of(string));
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    for (const char* word : {"now", "today", "tomorrow", "yesterday"}) {
      found = found || text.find(word) != std::string::npos;
    }
  }
  return found;
}

QueryWalker::Output QueryWalker::any_query(const TreeNode* node, const Outer& outer) {
  if (node == nullptr) return {};
  switch (node->kind) {
    case TREE_SELECT:
      return query(node, outer);
    case TREE_INSERT:
      return insert(node, outer);
    case TREE_UPDATE:
      return update(node, outer);
    case TREE_DELETE:
      return delete_from(node, outer);
    case TREE_MERGE:
      return merge(node, outer);
    default:
      findings_.unproven();
      findings_.refuse(unsupported("this form of query is not supported across shards",
                                   "Write it as a SELECT.", "What it reads is not known."));
      return Output{Columns{{}, false}, {}};
  }
}

QueryWalker::Output QueryWalker::query(const TreeNode* node, const Outer& outer) {
  if (!is(node, TREE_SELECT)) return any_query(node, outer);
  if (query_depth_ >= kMaxQueryDepth) {
    too_complex_ = true;
    return Output{Columns{{}, false}, {}};
  }
  ++query_depth_;
  const std::size_t first_table = findings_.tables.size();
  const std::size_t order_uses = findings_.order_uses;
  Outer inner = outer;
  if (kid(node, TREE_SELECT_WITH) != nullptr) {
    inner.with = &with_scopes_.emplace_back();
    inner.with->parent = outer.with;
    with_clause(kid(node, TREE_SELECT_WITH), outer.scope, *inner.with);
  }
  Output output = node->op != TREE_LEAF                      ? set_operation(node, inner)
                  : kid(node, TREE_SELECT_VALUES) != nullptr ? values(node, inner)
                                                             : leaf(node, inner);
  if (kid(node, TREE_SELECT_LIMIT) != nullptr || kid(node, TREE_SELECT_OFFSET) != nullptr ||
      kid(node, TREE_SELECT_LOCKING) != nullptr) {
    std::fill(output.transparent.begin(), output.transparent.end(), false);
    if (kid(node, TREE_SELECT_LOCKING) == nullptr) findings_.depends_on_order();
  }
  if (findings_.order_uses > order_uses) {
    const auto from = findings_.tables.begin() + static_cast<std::ptrdiff_t>(first_table);
    findings_.copies_order = findings_.copies_order || std::none_of(from, findings_.tables.end(), [](const TableUse& use) {
                               return use.rule->kind == TableRuleKind::kHash;
                             });
  }
  --query_depth_;
  return output;
}

void QueryWalker::with_clause(const TreeNode* with, const Scope* scope, WithScope& out) {
  const bool recursive = has(with, TREE_FLAG_RECURSIVE);
  std::vector<WithQuery*> ahead;
  if (recursive) {
    // Each may refer to itself and to later ones; of what those give no more than names is known while walking the body.
    for (const TreeNode* cte : kids(with)) {
      WithQuery& query = out.queries.emplace_back();
      query.name = text_of(cte);
      query.columns = names_of_first_branch(cte);
      query.recursive = true;
      ahead.push_back(&query);
    }
  }
  std::size_t i = 0;
  for (const TreeNode* cte : kids(with)) {
    const TreeNode* body = kid(cte, 0);
    Output output = any_query(body, Outer{scope, &out, nullptr});
    name_outputs(kid(cte, 1), output.columns);
    if (cte->number != 0) output.columns.complete = false;  // SEARCH and CYCLE add columns
    if (recursive) {
      // A reference from within has not been connected to these columns: nothing flows back.
      ahead[i]->columns = output.columns;
      if (!ahead[i]->references.empty()) ahead[i]->references.push_back(-1);
    } else {
      WithQuery& query = out.queries.emplace_back();
      query.name = text_of(cte);
      query.columns = output.columns;
    }
    WithQuery& query = recursive ? *ahead[i] : out.queries.back();
    query.recursive = false;
    query.body = recursive ? nullptr : body;
    for (std::size_t c = 0; c < output.columns.list.size(); ++c) {
      query.outputs.push_back(output.columns.list[c].term);
      query.transparent.push_back(is(body, TREE_SELECT) && c < output.transparent.size() &&
                                  output.transparent[c]);
    }
    ++i;
  }
}

void QueryWalker::name_outputs(const TreeNode* names, Columns& columns) {
  std::size_t i = 0;
  for (const TreeNode* name : kids(names)) {
    if (i == columns.list.size()) {
      if (columns.complete) return;
      columns.list.push_back({});
    }
    columns.list[i].name = text_of(name);
    columns.list[i++].entry = -1;  // it is not called as its table calls it
  }
}

Oid QueryWalker::type_of(const TreeNode* expression, const Scope& scope) const {
  if (is(expression, TREE_COLUMN)) return is_star(expression) ? 0 : resolve_column(expression, &scope).type;
  if (is(expression, TREE_CONST)) {
    const bool number = expression->op == TREE_CONST_INT || expression->op == TREE_CONST_FLOAT;
    return number ? schema::kNumericOid : expression->op == TREE_CONST_BOOL ? schema::kBoolOid : 0;
  }
  if (is(expression, TREE_CAST)) {
    const TreeNode* type = kid(expression, 1);
    const bool builtin = qualifier_of(type) == "pg_catalog" || (qualifier_of(type).empty() && builtin_names_first_);
    return builtin && type->number == 0 ? sortable_type(text_of(type)) : 0;
  }
  // Of the built-in operators of these names none gives a text.
  const bool arithmetic = is(expression, TREE_EXPR) && expression->op == TREE_OP && builtin_names_first_ && qualifier_of(expression).empty() &&
                          text_of(expression).size() == 1 && std::string_view("+-*/%").find(text_of(expression)) != std::string_view::npos;
  return arithmetic ? schema::kNumericOid : 0;
}

int QueryWalker::output_term(const TreeNode* expression, const Scope& scope) {
  if (is(expression, TREE_COLUMN)) return column_term(expression, &scope);
  auto source = keys_.value(expression);
  if (!source || source->kind == KeySource::Kind::kNull) return -1;
  const Oid type = KeyReader::own_type(*source);
  const auto family = key_family(type);
  if (!family) return -1;
  const int term = facts_.add_term(-1, type);
  facts_.pin(term, ValueSet{*family, type, {*source}});
  return term;
}

Columns QueryWalker::targets(const TreeNode* list, const Scope& scope, WithScope* with) {
  Columns columns;
  for (const TreeNode* target : kids(list)) {
    const TreeNode* value = kid(target, 0);
    if (is_star(value)) {
      Columns all;
      expand_star(value, scope, all);
      if (list == kid(root_, TREE_SELECT_TARGETS)) {
        top_.positions_known = top_.positions_known && all.complete;
        top_.widths.push_back(all.complete ? static_cast<int>(all.list.size()) : -1);
      }
      columns.list.insert(columns.list.end(), all.list.begin(), all.list.end());
      columns.complete = columns.complete && all.complete;
      continue;
    }
    if (text_of(target).empty()) note_naming(value);
    walk(value, &scope, with);
    if (list == kid(root_, TREE_SELECT_TARGETS)) top_.widths.push_back(1);
    const auto name = output_name(target);
    if (name.empty()) columns.complete = false;
    columns.list.push_back({name, output_term(value, scope), -1, type_of(value, scope)});
  }
  return columns;
}

QueryWalker::Output QueryWalker::leaf(const TreeNode* node, const Outer& outer) {
  Level level;
  level.parent = level_;
  level_ = &level;
  Scope scope;
  scope.parent = outer.scope;
  const std::size_t first_table = findings_.tables.size();
  Outer from = outer;
  if (outer.implied != nullptr && !plain_for_exists(node)) from.implied = nullptr;
  Targets entries;
  from_list(kid(node, TREE_SELECT_FROM), scope, from, entries);
  if (from.implied != nullptr) {
    for (std::size_t i = 0; i < from.implied->size(); ++i) {
      if ((*from.implied)[i]) include(entries, static_cast<int>(i));
    }
  }
  condition(kid(node, TREE_SELECT_WHERE), Here{&scope, outer.with, entries});
  Output output;
  output.columns = targets(kid(node, TREE_SELECT_TARGETS), scope, outer.with);
  // GROUP BY and ORDER BY may name output columns, which are not to be taken for unknown ones.
  Scope with_outputs;
  with_outputs.parent = &scope;
  NamespaceItem item;
  item.names_visible = false;
  for (const auto& column : output.columns.list) {
    if (!column.name.empty()) item.columns.list.push_back({column.name, -1});
  }
  with_outputs.items.push_back(item);
  for (const int part : {TREE_SELECT_GROUP, TREE_SELECT_DISTINCT_ON, TREE_SELECT_SORT}) {
    walk_all(kid(node, static_cast<std::uint32_t>(part)), &with_outputs, outer.with);
  }
  walk(kid(node, TREE_SELECT_HAVING), &scope, outer.with);
  walk_all(kid(node, TREE_SELECT_WINDOWS), &scope, outer.with);
  walk(kid(node, TREE_SELECT_OFFSET), &scope, outer.with);
  walk(kid(node, TREE_SELECT_LIMIT), &scope, outer.with);
  if (kid(node, TREE_SELECT_DISTINCT_ON) != nullptr) findings_.depends_on_order();
  if (kid(node, TREE_SELECT_LOCKING) != nullptr) locking(kid(node, TREE_SELECT_LOCKING), scope, first_table);
  if (kid(node, TREE_SELECT_INTO) != nullptr) {
    findings_.unproven();
    findings_.refuse(unsupported("SELECT INTO is not supported with several shards",
                                 "Create the table first, then INSERT into it."));
  }
  output.transparent = transparency(node, output.columns, scope, level);
  note_leaf(node, entries, output.columns, scope, level);
  leaves_[node].first_table = first_table;
  leaves_[node].end_table = findings_.tables.size();
  if (node == root_) note_top(node, entries, output.columns, scope, level);
  level_ = level.parent;
  return output;
}

// OVER (PARTITION BY ...), or what the named window says that it refers to.
std::vector<int> QueryWalker::partition_terms(const TreeNode* window, const TreeNode* named, const Scope& scope) const {
  for (std::size_t hops = 0; hops <= kids(named).size(); ++hops) {
    std::vector<int> terms;
    for (const TreeNode* item : kids(kid(window, 0))) {
      if (is(item, TREE_COLUMN)) terms.push_back(column_term(item, &scope));
    }
    const auto name = kid(window, 0) != nullptr ? std::string_view() : window->qualifier != nullptr ? qualifier_of(window) : text_of(window);
    const auto list = kids(named);
    const auto found = std::find_if(list.begin(), list.end(), [&](const TreeNode* other) { return other != window && text_of(other) == name; });
    if (name.empty() || found == list.end()) return terms;
    window = *found;
  }
  return {};
}

void QueryWalker::note_leaf(const TreeNode* node, const Targets& entries, const Columns& outputs, const Scope& scope, const Level& level) {
  Leaf leaf{node, entries, grouped_terms(kid(node, TREE_SELECT_GROUP), outputs, scope), {}};
  for (const auto& output : outputs.list) leaf.outputs.push_back(output.term);
  leaf.has_aggregate = level.has_aggregate || kid(node, TREE_SELECT_HAVING) != nullptr;
  for (const TreeNode* window : level.windows) leaf.partitions.push_back(partition_terms(window, kid(node, TREE_SELECT_WINDOWS), scope));
  for (const TreeNode* item : kids(kid(node, TREE_SELECT_GROUP))) {
    if (is(item, TREE_GROUPING_SET)) leaf.grouping_sets = true;
  }
  leaves_[node] = std::move(leaf);
}

const QueryWalker::Leaf* QueryWalker::behind(int entry) const {
  const auto found = behind_.find(entry);
  if (found == behind_.end() || (found->second.query != nullptr && found->second.query->references.size() != 1)) return nullptr;
  const auto leaf = leaves_.find(found->second.body);
  return leaf == leaves_.end() ? nullptr : &leaf->second;
}

void QueryWalker::note_top(const TreeNode* node, const Targets& entries, const Columns& outputs, const Scope& scope, const Level& level) {
  top_.node = node;
  top_.entries = entries;
  top_.outputs = outputs;
  const Leaf& leaf = leaves_[node];
  top_.has_aggregate = leaf.has_aggregate;
  top_.has_window = level.has_window;
  for (const auto& item : scope.items) {
    if (item.columns_visible && !item.columns.complete) top_.inputs_known = false;
  }
  for (const int part : {TREE_SELECT_GROUP, TREE_SELECT_DISTINCT_ON, TREE_SELECT_SORT}) {
    for (const TreeNode* item : kids(kid(node, static_cast<std::uint32_t>(part)))) {
      const TreeNode* name = is(item, TREE_SORT_BY) ? kid(item, 0) : item;
      if (part == TREE_SELECT_SORT) top_.sort_types.push_back(type_of(name, scope));
      if (is(name, TREE_COLUMN) && name->count == 1 && resolve_column(name, &scope).found) {
        top_.input_names.push_back(text_of(kid(name, 0)));
      }
    }
  }
}

// Of the plain columns in GROUP BY, also by the names and positions of output columns.
std::vector<int> QueryWalker::grouped_terms(const TreeNode* group, const Columns& columns, const Scope& scope) {
  std::vector<int> grouped;
  for (const TreeNode* item : kids(group)) {
    if (is(item, TREE_COLUMN)) {
      grouped.push_back(column_term(item, &scope));
      if (item->count > 1 || resolve_column(item, &scope).found) continue;
      for (const auto& column : columns.list) {  // the name of an output column
        if (column.name == text_of(kid(item, 0))) grouped.push_back(column.term);
      }
    }
    if (is(item, TREE_CONST) && item->op == TREE_CONST_INT) {
      slots_.read(item);  // a position in the select list
      const auto position = static_cast<std::size_t>(item->number) - 1;
      if (position < columns.list.size() && columns.complete) grouped.push_back(columns.list[position].term);
    }
  }
  return grouped;
}

std::optional<RowCount> QueryWalker::row_count(const TreeNode* node) const {
  if (node == nullptr || (is(node, TREE_CONST) && node->op == TREE_CONST_NULL)) return RowCount{};
  if (is(node, TREE_PARAM)) {
    if (node->number <= 0) return std::nullopt;
    return RowCount{RowCount::Kind::kParam, static_cast<std::uint32_t>(node->number - 1)};
  }
  if (!is(node, TREE_CONST)) return std::nullopt;
  const auto place = slots_.find(node);
  if (!place || place->negate || slots_.folded(place->slot)) return std::nullopt;
  const LiteralClass literal = slots_.literal(place->slot);
  if (literal != LiteralClass::kInt4 && literal != LiteralClass::kInt8) return std::nullopt;
  return RowCount{RowCount::Kind::kSlot, place->slot};
}

std::vector<bool> QueryWalker::transparency(const TreeNode* node, const Columns& columns, const Scope& scope,
                                            const Level& level) {
  std::vector<bool> out(columns.list.size(), false);
  if (level.has_window || kid(node, TREE_SELECT_DISTINCT_ON) != nullptr) return out;
  const TreeNode* group = kid(node, TREE_SELECT_GROUP);
  if (group == nullptr) {
    // Without GROUP BY an aggregate makes one row of whatever remains, also of nothing.
    const bool one_row = level.has_aggregate || kid(node, TREE_SELECT_HAVING) != nullptr;
    std::fill(out.begin(), out.end(), !one_row);
    return out;
  }
  for (const TreeNode* item : kids(group)) {
    if (is(item, TREE_GROUPING_SET)) return out;
  }
  const std::vector<int> grouped = grouped_terms(group, columns, scope);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int term = columns.list[i].term;
    out[i] = term >= 0 && std::find(grouped.begin(), grouped.end(), term) != grouped.end();
  }
  return out;
}

bool QueryWalker::plain_for_exists(const TreeNode* node) const {
  if (node->op != TREE_LEAF || kid(node, TREE_SELECT_GROUP) != nullptr ||
      kid(node, TREE_SELECT_HAVING) != nullptr) {
    return false;
  }
  for (const TreeNode* target : kids(kid(node, TREE_SELECT_TARGETS))) {
    const TreeNode* value = kid(target, 0);
    if (!is(value, TREE_CONST) && !is(value, TREE_COLUMN) && !is(value, TREE_PARAM)) return false;
  }
  return true;
}

void QueryWalker::locking(const TreeNode* node, const Scope& scope, std::size_t first_table) {
  findings_.read_only = findings_.pure = false;
  findings_.locks = true;
  for (const TreeNode* clause : kids(node)) {
    if (clause->count == 0) {
      for (std::size_t i = first_table; i < findings_.tables.size(); ++i) findings_.tables[i].locked = true;
    }
    for (const TreeNode* name : kids(clause)) {
      for (const auto& item : scope.items) {
        if (item.name == text_of(name)) lock_item(item, first_table);
      }
    }
  }
}

void QueryWalker::lock_item(const NamespaceItem& item, std::size_t first_table) {
  auto& tables = findings_.tables;
  bool found = false;
  for (std::size_t i = first_table; i < tables.size(); ++i) {
    if (tables[i].entry == item.entry) tables[i].locked = found = true;
  }
  if (found) return;
  // A subquery: its tables are not told apart, all count as locked.
  for (std::size_t i = first_table; i < tables.size(); ++i) tables[i].locked = true;
}

QueryWalker::Output QueryWalker::values(const TreeNode* node, const Outer& outer) {
  const TreeNode* rows = kid(node, TREE_SELECT_VALUES);
  const std::size_t width = rows->count == 0 ? 0 : kids(kid(rows, 0)).size();
  static constexpr std::string_view kNames[] = {"column1", "column2", "column3", "column4",
                                                "column5", "column6", "column7", "column8"};
  Output output;
  std::vector<std::vector<KeySource>> sources(width);
  std::vector<bool> readable(width, rows->count <= kMaxPinnedRows);
  for (const TreeNode* row : kids(rows)) {
    for (std::uint32_t i = 0; i < row->count; ++i) {
      walk(kid(row, i), outer.scope, outer.with);
      if (i >= width || !readable[i]) continue;
      const auto source = keys_.value(kid(row, i));
      readable[i] = source.has_value();
      if (source && source->kind != KeySource::Kind::kNull) sources[i].push_back(*source);
    }
  }
  for (std::size_t i = 0; i < width; ++i) {
    int term = -1;
    Oid type = 0;
    if (readable[i] && !sources[i].empty()) {
      type = KeyReader::own_type(sources[i].front());
      for (const auto& source : sources[i]) {
        if (KeyReader::own_type(source) != type) type = 0;
      }
    }
    if (const auto family = key_family(type)) {
      term = facts_.add_term(-1, type);
      facts_.pin(term, ValueSet{*family, type, std::move(sources[i])});
    }
    output.columns.list.push_back({i < std::size(kNames) ? kNames[i] : std::string_view(), term});
  }
  output.columns.complete = width <= std::size(kNames);
  output.transparent.assign(width, true);
  walk_all(kid(node, TREE_SELECT_SORT), nullptr, nullptr);
  walk(kid(node, TREE_SELECT_OFFSET), outer.scope, outer.with);
  walk(kid(node, TREE_SELECT_LIMIT), outer.scope, outer.with);
  return output;
}

QueryWalker::Output QueryWalker::set_operation(const TreeNode* node, const Outer& outer) {
  // A UNION of many is one long left spine: walked in a loop, not by recursion.
  std::vector<const TreeNode*> spine;
  const TreeNode* at = node;
  const auto bare = [](const TreeNode* query) {
    return kid(query, TREE_SELECT_WITH) == nullptr && kid(query, TREE_SELECT_SORT) == nullptr &&
           kid(query, TREE_SELECT_LIMIT) == nullptr && kid(query, TREE_SELECT_OFFSET) == nullptr &&
           kid(query, TREE_SELECT_LOCKING) == nullptr;
  };
  while (at->op != TREE_LEAF && (at == node || bare(at))) {
    spine.push_back(at);
    at = kid(at, TREE_SELECT_LEFT);
  }
  const Outer branch{outer.scope, outer.with, nullptr};
  Output output = query(at, branch);
  for (auto step = spine.rbegin(); step != spine.rend(); ++step) {
    output = combine(*step, std::move(output), query(kid(*step, TREE_SELECT_RIGHT), branch));
  }
  Scope scope;
  scope.parent = outer.scope;
  NamespaceItem item;
  item.columns = output.columns;
  scope.items.push_back(item);
  walk_all(kid(node, TREE_SELECT_SORT), &scope, outer.with);
  walk(kid(node, TREE_SELECT_OFFSET), &scope, outer.with);
  walk(kid(node, TREE_SELECT_LIMIT), &scope, outer.with);
  if (kid(node, TREE_SELECT_LOCKING) != nullptr) findings_.unproven();
  return output;
}

QueryWalker::Output QueryWalker::combine(const TreeNode* node, Output left, Output right) {
  Output output;
  const bool known = left.columns.complete && right.columns.complete;
  output.columns.complete = left.columns.complete;
  for (std::size_t i = 0; i < left.columns.list.size(); ++i) {
    const int l = left.columns.list[i].term;
    const int r = known && i < right.columns.list.size() ? right.columns.list[i].term : -1;
    const bool transparent = known && i < left.transparent.size() && left.transparent[i] &&
                             i < right.transparent.size() && right.transparent[i];
    int term = -1;
    if (l >= 0 && r >= 0 && same_family(l, r)) {
      term = facts_.add_term(-1, facts_.type(l));
      if (node->op == TREE_UNION) {
        facts_.join({l, r}, term);
      } else {
        facts_.flow(l, term);
        if (node->op == TREE_INTERSECT) facts_.flow(r, term);
      }
      if (transparent) {
        facts_.flow(term, l);
        facts_.flow(term, r);
      }
    }
    const bool alike = known && i < right.columns.list.size() && left.columns.list[i].type == right.columns.list[i].type;
    output.columns.list.push_back({left.columns.list[i].name, term, -1, alike ? left.columns.list[i].type : 0});
    output.transparent.push_back(transparent && term >= 0);
  }
  return output;
}

}  // namespace howdah::sharding::sql
