// Facts out of WHERE, ON and USING: which columns must equal what for a row to count.
//
// Only top-level conjuncts are taken. An OR is taken when each arm pins the same column; NOT, CASE, FILTER
// and all else are walked for what they call, and prove nothing.
#include <algorithm>
#include <iterator>

#include "sharding/sql/query.h"

namespace howdah::sharding::sql {

namespace {
constexpr std::size_t kMaxValues = 4096;
}  // namespace

bool QueryWalker::plain_operator(const TreeNode* node, std::string_view name) const {
  if (text_of(node) != name) return false;
  const auto schema = qualifier_of(node);
  return schema == "pg_catalog" || (schema.empty() && builtin_names_first_);
}

int QueryWalker::column_term(const TreeNode* node, const Scope* scope) const {
  if (!is(node, TREE_COLUMN) || is(kid(node, node->count - 1), TREE_STAR)) return -1;
  return resolve_column(node, scope).term;
}

bool QueryWalker::same_family(int a, int b) const {
  const auto family = key_family(facts_.type(a));
  return family && family == key_family(facts_.type(b));
}

void QueryWalker::condition(const TreeNode* node, const Here& here) {
  if (node == nullptr) return;
  if (node->kind == TREE_BOOL && node->op == TREE_AND) {
    for (const TreeNode* arm : kids(node)) condition(arm, here);
    return;
  }
  if (node->kind == TREE_SUBLINK && (node->op == TREE_EXISTS || node->op == TREE_ANY)) {
    sublink_condition(node, here);
    return;
  }
  walk(node, here.scope, here.with);
  note_restriction(node, here);
  for (const auto& pin : pins_of(node, here.scope)) {
    if (contains(here.restricts, facts_.entry(pin.term))) facts_.pin(pin.term, pin.values);
  }
  if (node->kind == TREE_EXPR && node->op == TREE_OP && plain_operator(node, "=")) {
    equality(kid(node, 0), kid(node, 1), here);
  }
}

// The rows that an outer join adds are not there yet when the table is read: what WHERE says of its nullable side says of those, too.
void QueryWalker::note_restriction(const TreeNode* condition, const Here& here) {
  if (!context_.sharded() || !builtin_names_first_) return;
  int entry = -1;
  std::vector<const TreeNode*> open{condition};
  while (!open.empty()) {
    const TreeNode* at = open.back();
    open.pop_back();
    if (at == nullptr) continue;
    if (at->kind == TREE_SUBLINK || at->kind == TREE_FUNC) return;
    if (at->kind == TREE_COLUMN) {
      if (is(kid(at, at->count - 1), TREE_STAR)) return;
      const int of = resolve_column(at, here.scope).entry;
      if (of < 0 || (entry >= 0 && of != entry)) return;
      entry = of;
      continue;
    }
    for (const TreeNode* item : kids(at)) open.push_back(item);
  }
  if (contains(here.restricts, entry) && !contains(nullable_, entry)) restrictions_.push_back({entry, condition});
}

void QueryWalker::equality(const TreeNode* left, const TreeNode* right, const Here& here) {
  if (is(left, TREE_ROW) && is(right, TREE_ROW)) {
    if (left->count != right->count) return;
    for (std::uint32_t i = 0; i < left->count; ++i) equality(kid(left, i), kid(right, i), here);
    return;
  }
  const int a = column_term(left, here.scope);
  const int b = column_term(right, here.scope);
  if (a >= 0 && b >= 0 && same_family(a, b)) facts_.equate(a, b, here.restricts);
}

// EXISTS (...) and x IN (SELECT ...) as a conjunct: what holds inside for some row holds for the outer row as
// well.
void QueryWalker::sublink_condition(const TreeNode* node, const Here& here) {
  if (node->text != nullptr) check_operator(node);
  const TreeNode* test = kid(node, 0);
  walk(test, here.scope, here.with);
  const Output output = query(kid(node, 1), Outer{here.scope, here.with, &here.restricts});
  // Without an operator's name it is IN, which is "= ANY" of pg_catalog's search.
  if (node->op != TREE_ANY || (node->text != nullptr && !plain_operator(node, "=")) || !builtin_names_first_)
    return;
  if (!output.columns.complete) return;
  const auto match = [&](const TreeNode* item, std::size_t i) {
    if (i >= output.columns.list.size()) return;
    const int outside = column_term(item, here.scope);
    const int inside = output.columns.list[i].term;
    if (inside < 0) return;
    const bool transparent = i < output.transparent.size() && output.transparent[i];
    if (outside >= 0 && same_family(outside, inside)) {
      if (contains(here.restricts, facts_.entry(outside))) facts_.flow(inside, outside);
      if (transparent) facts_.flow(outside, inside);
      return;
    }
    std::vector<TermValues> pins;
    if (const auto value = keys_.value(item); value && transparent) add_pin(inside, {*value}, pins);
    for (const auto& pin : pins) facts_.pin(pin.term, pin.values);
  };
  if (is(test, TREE_ROW)) {
    for (std::uint32_t i = 0; i < test->count; ++i) match(kid(test, i), i);
  } else {
    match(test, 0);
  }
}

void QueryWalker::add_pin(int term, std::vector<KeySource> sources, std::vector<TermValues>& out) {
  if (term < 0 || sources.empty() || sources.size() > kMaxValues) return;
  const Oid type = facts_.type(term);
  const auto family = key_family(type);
  if (!family) return;
  for (const auto& source : sources) {
    if (!KeyReader::comparable(type, source)) return;
  }
  for (const auto& source : sources) {
    const bool param = source.kind == KeySource::Kind::kParam || source.kind == KeySource::Kind::kParamArray;
    if (param && source.type == ValueType::kColumn) ++typed_params_[{source.index, type}];
  }
  out.push_back(TermValues{term, ValueSet{*family, type, std::move(sources)}});
}

std::vector<QueryWalker::TermValues> QueryWalker::pins_of(const TreeNode* node, const Scope* scope) {
  std::vector<TermValues> out;
  if (node == nullptr) return out;
  if (node->kind == TREE_BOOL && node->op == TREE_AND) {
    for (const TreeNode* arm : kids(node)) {
      auto more = pins_of(arm, scope);
      std::move(more.begin(), more.end(), std::back_inserter(out));
    }
  } else if (node->kind == TREE_BOOL && node->op == TREE_OR) {
    pins_of_or(node, scope, out);
  } else if (node->kind == TREE_EXPR && plain_operator(node, "=")) {
    if (node->op == TREE_OP) pins_of_equality(kid(node, 0), kid(node, 1), scope, out);
    if (node->op == TREE_IN) pins_of_list(node, scope, out);
    if (node->op == TREE_OP_ANY) {
      if (auto values = keys_.array(kid(node, 1)))
        add_pin(column_term(kid(node, 0), scope), std::move(*values), out);
    }
  }
  return out;
}

void QueryWalker::pins_of_equality(const TreeNode* left, const TreeNode* right, const Scope* scope,
                                   std::vector<TermValues>& out) {
  if (is(left, TREE_ROW) && is(right, TREE_ROW)) {
    if (left->count != right->count) return;
    for (std::uint32_t i = 0; i < left->count; ++i) pins_of_equality(kid(left, i), kid(right, i), scope, out);
    return;
  }
  if (const auto value = keys_.value(right)) add_pin(column_term(left, scope), {*value}, out);
  if (const auto value = keys_.value(left)) add_pin(column_term(right, scope), {*value}, out);
}

void QueryWalker::pins_of_list(const TreeNode* node, const Scope* scope, std::vector<TermValues>& out) {
  const TreeNode* left = kid(node, 0);
  const TreeNode* list = kid(node, 1);
  if (!is(list, TREE_LIST)) return;
  // (a, b) IN ((1, 2), (3, 4)) restricts each of a and b by itself.
  const std::uint32_t width = is(left, TREE_ROW) ? left->count : 1;
  for (std::uint32_t i = 0; i < width; ++i) {
    const TreeNode* column = is(left, TREE_ROW) ? kid(left, i) : left;
    const int term = column_term(column, scope);
    if (term < 0) continue;
    std::vector<KeySource> sources;
    bool readable = true;
    for (const TreeNode* item : kids(list)) {
      if (is(left, TREE_ROW) && (!is(item, TREE_ROW) || item->count != width)) readable = false;
      const TreeNode* value = is(left, TREE_ROW) ? kid(item, i) : item;
      const auto source = readable ? keys_.value(value) : std::nullopt;
      if (!source) {
        readable = false;
        break;
      }
      // A folded list is one source, whatever number of literals another text has in its place.
      if (source->kind == KeySource::Kind::kSlot && slots_.folded(source->index)) {
        KeySource folded = *source;
        folded.kind = KeySource::Kind::kSlotList;
        if (sources.empty()) sources.push_back(folded);
        continue;
      }
      sources.push_back(*source);
    }
    if (!readable) continue;
    KeyReader::settle(sources);
    add_pin(term, std::move(sources), out);
  }
}

// The columns that every arm pins, with the values of all arms.
void QueryWalker::pins_of_or(const TreeNode* node, const Scope* scope, std::vector<TermValues>& out) {
  std::vector<TermValues> common;
  bool first = true;
  for (const TreeNode* arm : kids(node)) {
    auto pins = pins_of(arm, scope);
    if (first) {
      common = std::move(pins);
      first = false;
      continue;
    }
    std::vector<TermValues> both;
    for (auto& have : common) {
      for (const auto& pin : pins) {
        if (pin.term != have.term || have.values.any_of.size() + pin.values.any_of.size() > kMaxValues)
          continue;
        have.values.any_of.insert(have.values.any_of.end(), pin.values.any_of.begin(),
                                  pin.values.any_of.end());
        both.push_back(std::move(have));
        break;
      }
    }
    common = std::move(both);
    if (common.empty()) break;
  }
  std::move(common.begin(), common.end(), std::back_inserter(out));
}

}  // namespace howdah::sharding::sql
