#include "sharding/sql/spread.h"

#include <algorithm>

#include "sharding/sql/anchor.h"

namespace howdah::sharding::sql {

namespace {

// Looks for the anchor: a table of the outermost FROM, or of a subquery there whose own result has each row on one shard.
class Search {
 public:
  Search(const QueryWalker& walker, const Facts& facts, const Findings& findings) : walker_(walker), facts_(facts), findings_(findings) {}

  const TableUse* find(const Targets& entries) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const int entry = static_cast<int>(i);
      if (!entries[i] || contains(walker_.nullable(), entry)) continue;
      for (const auto& use : findings_.tables) {
        if (use.entry != entry || use.rule->kind != TableRuleKind::kHash) continue;
        if (!anchors(facts_, findings_, use, by_anchor_)) continue;
        if (std::all_of(inside_.begin(), inside_.end(), [this](const auto* leaf) { return keeps_apart(*leaf); })) return &use;
      }
      const QueryWalker::Leaf* leaf = walker_.behind(entry);
      if (leaf == nullptr || counts_rows(leaf->node)) continue;
      inside_.push_back(leaf);
      if (const TableUse* use = find(leaf->entries)) return use;
      inside_.pop_back();
    }
    return nullptr;
  }

  // Does each row of this query's result come from rows of one shard? A group, or a row of DISTINCT, does only if the key is part
  // of it: of an entry whose rows are all there, for the NULLs of an outer join's other side are on every shard.
  bool keeps_apart(const QueryWalker::Leaf& leaf) const {
    const auto has_key = [&](int term) {
      return term >= 0 && is_any_value(by_anchor_.values(term)) && contains(leaf.entries, facts_.entry(term)) &&
             !contains(walker_.nullable(), facts_.entry(term));
    };
    if (kid(leaf.node, TREE_SELECT_DISTINCT_ON) != nullptr) return false;
    for (const auto& partition : leaf.partitions) {
      if (std::none_of(partition.begin(), partition.end(), has_key)) return false;
    }
    if (leaf.has_aggregate || kid(leaf.node, TREE_SELECT_GROUP) != nullptr) {
      if (leaf.grouping_sets || std::none_of(leaf.grouped.begin(), leaf.grouped.end(), has_key)) return false;
    }
    return !has(leaf.node, TREE_FLAG_DISTINCT) || std::any_of(leaf.outputs.begin(), leaf.outputs.end(), has_key);
  }

 private:
  static bool counts_rows(const TreeNode* node) {
    return kid(node, TREE_SELECT_LIMIT) != nullptr || kid(node, TREE_SELECT_OFFSET) != nullptr || kid(node, TREE_SELECT_LOCKING) != nullptr;
  }

  const QueryWalker& walker_;
  const Facts& facts_;
  const Findings& findings_;
  Facts by_anchor_;
  std::vector<const QueryWalker::Leaf*> inside_;  // from the outermost on
};

Error no_anchor(const Findings& findings) {
  std::string tables;
  for (const auto& use : findings.tables) {
    if (use.rule->kind == TableRuleKind::kHash) tables += (tables.empty() ? "" : ", ") + display_name(*use.relation);
  }
  return unsupported("the sharded tables of this query are not joined on their sharding keys: " + tables,
                     "Join them on their keys, or name one value of the key.",
                     "Rows that belong together may live on different shards.");
}

// Equal in form, and without constants, whose values differ from one execution to the next.
bool same_expression(const TreeNode* a, const TreeNode* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->kind != b->kind || a->op != b->op || a->flags != b->flags || a->number != b->number || a->count != b->count ||
      text_of(a) != text_of(b) || qualifier_of(a) != qualifier_of(b) || a->kind == TREE_CONST || a->kind == TREE_PARAM) {
    return false;
  }
  for (std::uint32_t i = 0; i < a->count; ++i) {
    if (!same_expression(a->kids[i], b->kids[i])) return false;
  }
  return true;
}

class Merge {
 public:
  Merge(QueryWalker& walker, Spread& out) : walker_(walker), top_(walker.top()), out_(out) {}

  // ORDER BY and LIMIT; the reason when they cannot be done.
  std::optional<Error> read() {
    std::uint16_t item = 0, hidden = 0;
    for (const TreeNode* sort : kids(kid(top_.node, TREE_SELECT_SORT))) {
      SortKey key;
      key.item = item++;
      if (sort->op == TREE_SORT_USING) return unsupported("ORDER BY USING is not supported over several shards", "Use ASC or DESC.");
      key.descending = sort->op == TREE_SORT_DESC;
      key.nulls_first = sort->number == TREE_NULLS_DEFAULT ? key.descending : sort->number == TREE_NULLS_FIRST;
      if (auto error = find_column(kid(sort, 0), key)) return error;
      if (key.hidden) key.column = hidden++;
      out_.sort.push_back(key);
    }
    if (hidden > 0 && has(top_.node, TREE_FLAG_DISTINCT)) {
      return unsupported("for SELECT DISTINCT over several shards, ORDER BY expressions must appear in the select list",
                         "Select the expression, and order by its position.");
    }
    if (has(top_.node, TREE_FLAG_WITH_TIES)) return unsupported("WITH TIES is not supported over several shards", "Use LIMIT.");
    const auto limit = walker_.row_count(kid(top_.node, TREE_SELECT_LIMIT));
    const auto offset = walker_.row_count(kid(top_.node, TREE_SELECT_OFFSET));
    if (!limit || !offset) {
      return unsupported("LIMIT and OFFSET over several shards must be plain integers or parameters",
                         "Compute the number in the application.");
    }
    out_.limit = *limit;
    out_.offset = *offset;
    return std::nullopt;
  }

 private:
  // The expression of an output column; null when a star makes positions differ.
  const TreeNode* target(std::size_t position) const {
    const TreeNode* targets = kid(top_.node, TREE_SELECT_TARGETS);
    if (kids(targets).size() != top_.outputs.list.size()) return nullptr;
    return kid(kid(targets, static_cast<std::uint32_t>(position)), 0);
  }

  // https://www.postgresql.org/docs/15/sql-select.html#SQL-ORDERBY: an output column's name or number, else an expression.
  std::optional<Error> find_column(const TreeNode* expression, SortKey& key) {
    if (is(expression, TREE_CONST)) {
      if (expression->op != TREE_CONST_INT) return unsupported("ORDER BY a constant is not supported over several shards", "Order by a column.");
      walker_.read_value(expression);
      if (!top_.positions_known || expression->number < 1 ||
          static_cast<std::size_t>(expression->number) > top_.outputs.list.size()) {
        return unsupported("the position in ORDER BY is not known over several shards", "Name the column.");
      }
      key.column = static_cast<std::uint16_t>(expression->number - 1);
      return std::nullopt;
    }
    if (is(expression, TREE_COLUMN) && expression->count == 1) {
      const auto name = text_of(kid(expression, 0));
      int found = 0;
      bool unnamed = false, equal = true;
      for (std::size_t i = 0; i < top_.outputs.list.size(); ++i) {
        const auto& output = top_.outputs.list[i].name;
        unnamed = unnamed || output.empty();
        if (output != name) continue;
        equal = equal && (found == 0 || (target(i) != nullptr && same_expression(target(key.column), target(i))));
        ++found;
        key.column = static_cast<std::uint16_t>(i);
      }
      if (!equal || !top_.positions_known || (found == 0 && unnamed)) {
        return unsupported("ORDER BY " + std::string(name) + " is ambiguous over several shards",
                           "Give the columns of the select list names of their own, and order by those.");
      }
      if (found > 0) return std::nullopt;
    }
    if (top_.positions_known) {
      std::size_t position = 0;
      for (const TreeNode* target : kids(kid(top_.node, TREE_SELECT_TARGETS))) {
        const TreeNode* value = kid(target, 0);
        if (is(value, TREE_COLUMN) && is(kid(value, value->count - 1), TREE_STAR)) {
          position = top_.outputs.list.size();  // what follows a star has another position
          continue;
        }
        if (position < top_.outputs.list.size() && same_expression(value, expression)) {
          key.column = static_cast<std::uint16_t>(position);
          return std::nullopt;
        }
        ++position;
      }
    }
    key.hidden = true;
    return std::nullopt;
  }

  QueryWalker& walker_;
  const QueryWalker::TopLevel& top_;
  Spread& out_;
};

// What would make the shards' answers differ from one server's, whatever the merge does.
std::optional<Error> forbidden(const QueryWalker& walker, const Findings& findings) {
  const auto cannot = [](std::string why) {
    return unsupported("this query is not supported over several shards", "Name one value of the sharding key.", std::move(why));
  };
  const auto& top = walker.top();
  if (top.node == nullptr) return cannot("Set operations and writing statements run on one shard only.");
  for (const auto& use : findings.tables) {
    if (use.written) return cannot("It writes.");
    if (use.locked) return cannot("It locks rows.");
  }
  if (kid(top.node, TREE_SELECT_LOCKING) != nullptr) return cannot("It locks rows.");
  if (!findings.user_function.empty()) return cannot("Function " + findings.user_function + " may read tables.");
  if (!findings.varies.empty()) return cannot("The result of " + findings.varies + " may differ from shard to shard.");
  if (!findings.harmless) return cannot("It is not proven to be free of side effects.");
  if (findings.system_column) return cannot("System columns mean nothing outside of one shard.");
  if (findings.reads_catalog || findings.reads_unknown) return cannot("It reads relations that differ between shards.");
  if (findings.copies_order) return cannot("A part of it depends on the order of rows of a table that each shard has a copy of.");
  return std::nullopt;
}

}  // namespace

std::variant<std::shared_ptr<const Spread>, Error> spread(QueryWalker& walker, const AnalyzeContext& context) {
  const Findings& findings = walker.findings();
  if (auto error = forbidden(walker, findings)) return *error;
  const auto& top = walker.top();
  const Facts& facts = walker.solved();
  Search search(walker, facts, findings);
  const TableUse* anchor = search.find(top.entries);
  if (anchor == nullptr) return no_anchor(findings);
  const bool gathers = !search.keeps_apart(walker.top_leaf());
  auto out = std::make_shared<Spread>();
  out->bytewise_collation = context.catalog != nullptr && context.catalog->bytewise_collation() && !findings.collates;
  // What cannot be merged can still be put in order, and counted, all together.
  if (gathers || Merge(walker, *out).read()) {
    *out = Spread{};
    out->gathers = true;
  }
  if (const ValueSet* values = facts.values(anchor->key_term)) {
    Pin pin{values->family, values->read_as, false, false, values->any_of};
    walker.mark_params(pin.any_of, values->read_as);
    out->pins.push_back(std::move(pin));
  }
  return std::shared_ptr<const Spread>(std::move(out));
}

}  // namespace howdah::sharding::sql
