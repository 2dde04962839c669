#include "sharding/sql/spread.h"

#include <algorithm>
#include <set>

#include "sharding/sort_types.h"
#include "sharding/sql/anchor.h"
#include "sharding/sql/assemble.h"

namespace howdah::sharding::sql {

namespace {

// Looks for the anchor: a table of the outermost FROM, or of a subquery there whose own result has each row on one shard.
class Search {
 public:
  Search(const QueryWalker& walker, const Facts& facts, const Findings& findings)
      : walker_(walker), facts_(facts), findings_(findings), end_(findings.tables.size()) {}
  // Of one branch of a set operation.
  Search(const QueryWalker& walker, const Facts& facts, const Findings& findings, const QueryWalker::Leaf& branch)
      : walker_(walker), facts_(facts), findings_(findings), first_(branch.first_table), end_(branch.end_table) {}

  const TableUse* find(const Targets& entries) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const int entry = static_cast<int>(i);
      if (!entries[i] || contains(walker_.nullable(), entry)) continue;
      for (std::size_t table = first_; table < end_; ++table) {
        const TableUse& use = findings_.tables[table];
        if (use.entry != entry || use.rule->kind != TableRuleKind::kHash) continue;
        if (!anchors(facts_, findings_, use, first_, end_, by_anchor_)) continue;
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
    const auto has_key = [&](int term) { return is_key(leaf, term); };
    if (kid(leaf.node, TREE_SELECT_DISTINCT_ON) != nullptr) return false;
    for (const auto& partition : leaf.partitions) {
      if (std::none_of(partition.begin(), partition.end(), has_key)) return false;
    }
    if (leaf.has_aggregate || kid(leaf.node, TREE_SELECT_GROUP) != nullptr) {
      if (leaf.grouping_sets || std::none_of(leaf.grouped.begin(), leaf.grouped.end(), has_key)) return false;
    }
    return !has(leaf.node, TREE_FLAG_DISTINCT) || std::any_of(leaf.outputs.begin(), leaf.outputs.end(), has_key);
  }

  // The anchor's key, in every row of this query.
  bool is_key(const QueryWalker::Leaf& leaf, int term) const {
    return term >= 0 && is_any_value(by_anchor_.values(term)) && contains(leaf.entries, facts_.entry(term)) &&
           !contains(walker_.nullable(), facts_.entry(term));
  }
  static bool counts_rows(const TreeNode* node) {
    return kid(node, TREE_SELECT_LIMIT) != nullptr || kid(node, TREE_SELECT_OFFSET) != nullptr || kid(node, TREE_SELECT_LOCKING) != nullptr;
  }

 private:
  const QueryWalker& walker_;
  const Facts& facts_;
  const Findings& findings_;
  std::size_t first_ = 0, end_ = 0;
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
  Merge(QueryWalker& walker, Spread& out) : Merge(walker, walker.top(), out) {}
  Merge(QueryWalker& walker, const QueryWalker::TopLevel& top, Spread& out) : walker_(walker), top_(top), out_(out) {}

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
      const Oid type = !key.hidden ? output_type(key.column) : key.item < top_.sort_types.size() ? top_.sort_types[key.item] : 0;
      // Of another type the servers' rows are put in order by one of them.
      if (type != 0 ? !is_sortable(type, out_.bytewise_collation) : !out_.bytewise_collation) {
        return unsupported("ORDER BY a value of this type is not supported over several shards",
                           "Order by a number, a time, a uuid, or by text in a database with collation C.",
                           "The proxy does not know the order of its values.");
      }
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
  Oid output_type(std::size_t position) const {
    return position < top_.outputs.list.size() ? top_.outputs.list[position].type : 0;
  }
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

// Each shard locks its rows of the result: all of them, whatever the others have. Empty: it may.
std::string cannot_lock(const QueryWalker& walker, const Findings& findings) {
  constexpr int kSkipLocked = 1;  // LockWaitSkip in lockoptions.h
  const auto& top = walker.top();
  const TreeNode* locking = kid(top.node, TREE_SELECT_LOCKING);
  if (locking == nullptr) return "A subquery locks rows.";
  if (kid(top.node, TREE_SELECT_LIMIT) != nullptr || kid(top.node, TREE_SELECT_OFFSET) != nullptr) return "It locks rows and counts them.";
  for (const TreeNode* clause : kids(locking)) {
    if (clause->number == kSkipLocked) return "It skips locked rows.";
  }
  for (const auto& use : findings.tables) {
    if (!use.locked) continue;
    if (use.rule->kind != TableRuleKind::kHash) return "It locks rows of a reference table, of which each shard has a copy.";
    if (!contains(top.entries, use.entry)) return "It locks rows of a subquery.";
  }
  return {};
}

// What would make the shards' answers differ from one server's, whatever the merge does.
std::optional<Error> forbidden(const QueryWalker& walker, const Findings& findings) {
  const auto cannot = [](std::string why) {
    return unsupported("this query is not supported over several shards", "Name one value of the sharding key.", std::move(why));
  };
  const auto& top = walker.top();
  if (top.node == nullptr && walker.top_set().node == nullptr) return cannot("It is no SELECT.");
  for (const auto& use : findings.tables) {
    if (use.written) return cannot("It writes.");
  }
  if (findings.locks) {
    if (auto why = cannot_lock(walker, findings); !why.empty()) return cannot(why);
  }
  if (!findings.user_function.empty()) return cannot("Function " + findings.user_function + " may read tables.");
  if (!findings.varies.empty()) return cannot("The result of " + findings.varies + " may differ from shard to shard.");
  if (!findings.harmless) return cannot("It is not proven to be free of side effects.");
  if (findings.system_column) return cannot("System columns mean nothing outside of one shard.");
  if (findings.reads_catalog || findings.reads_unknown) return cannot("It reads relations that differ between shards.");
  return std::nullopt;
}

// UNION, INTERSECT and EXCEPT run on each shard as they are when a row of the result, with all rows equal to it, is made of rows of
// one shard: each branch has its rows apart, and unless all is UNION ALL, the key stands at the same place in each.
class SetProof {
 public:
  SetProof(QueryWalker& walker, const Findings& findings) : walker_(walker), facts_(walker.solved()), findings_(findings) {}

  // Empty: proven.
  std::string find() {
    const auto& set = walker_.top_set();
    if (findings_.locks) return "It locks rows.";
    if (auto why = take(set.node, true); !why.empty()) return why;
    for (const auto& use : findings_.tables) {
      if (use.rule->kind == TableRuleKind::kHash && !read_.contains(&use)) return "A WITH query of the whole reads a sharded table.";
    }
    if (all_rows_) return {};
    for (std::size_t i = 0; i < families_.front().size(); ++i) {
      const auto family = families_.front()[i];
      const bool all = std::all_of(families_.begin(), families_.end(),
                                   [&](const auto& branch) { return i < branch.size() && branch[i] && branch[i] == family; });
      if (all) return {};
    }
    return "The sharding key is not selected at the same place in each branch, and equal rows may be on different shards.";
  }

 private:
  // Many branches are one long left spine: in a loop, not by recursion.
  std::string take(const TreeNode* node, bool outermost) {
    for (;; node = kid(node, TREE_SELECT_LEFT), outermost = false) {
      if (!is(node, TREE_SELECT)) return "A branch is no SELECT.";
      if (!outermost && Search::counts_rows(node)) return "A branch counts its rows.";
      if (node->op == TREE_LEAF) return branch(node);
      all_rows_ = all_rows_ && node->op == TREE_UNION && has(node, TREE_FLAG_ALL);
      if (auto why = take(kid(node, TREE_SELECT_RIGHT), false); !why.empty()) return why;
    }
  }

  std::string branch(const TreeNode* node) {
    if (families_.size() == kMostBranches) return "It has too many branches.";
    const QueryWalker::Leaf* leaf = walker_.leaf_of(node);
    if (leaf == nullptr) return "A branch is no plain SELECT.";
    Search search(walker_, facts_, findings_, *leaf);
    if (search.find(leaf->entries) == nullptr) return "The sharded tables of a branch are not joined on their keys, or it has none.";
    if (!search.keeps_apart(*leaf)) return "A branch needs the rows of all shards.";
    for (std::size_t i = leaf->first_table; i < leaf->end_table; ++i) read_.insert(&findings_.tables[i]);
    auto& families = families_.emplace_back();
    for (const int term : leaf->outputs) {
      families.push_back(search.is_key(*leaf, term) ? key_family(facts_.type(term)) : std::nullopt);
    }
    return {};
  }

  static constexpr std::size_t kMostBranches = 64;  // each is a proof of its own

  QueryWalker& walker_;
  const Facts& facts_;
  const Findings& findings_;
  bool all_rows_ = true;
  std::set<const TableUse*> read_;
  std::vector<std::vector<std::optional<schema::KeyFamily>>> families_;  // by branch and column: that of the key
};

std::variant<std::shared_ptr<const Spread>, Error> spread_set(QueryWalker& walker, const AnalyzeContext& context) {
  const Findings& findings = walker.findings();
  const auto cannot = [](std::string why) {
    return unsupported("this query is not supported over several shards", "Name one value of the sharding key, or send the branches one by one.", std::move(why));
  };
  if (auto why = SetProof(walker, findings).find(); !why.empty()) return cannot(why);
  auto out = std::make_shared<Spread>();
  out->bytewise_collation = context.catalog != nullptr && context.catalog->bytewise_collation() && !findings.collates;
  if (auto error = Merge(walker, walker.top_set(), *out).read()) return *error;
  if (std::any_of(out->sort.begin(), out->sort.end(), [](const SortKey& key) { return key.hidden; })) {
    return cannot("It is ordered by something else than its columns.");
  }
  return std::shared_ptr<const Spread>(std::move(out));
}

}  // namespace

namespace {

std::shared_ptr<const Spread> assembled(std::optional<ShardId> last_step) {
  auto out = std::make_shared<Spread>();
  out->gathers = out->assembles = true;
  out->last_step = last_step;
  return out;
}

// Only the shards that have rows of a table, when it is known of each which those are.
std::shared_ptr<const Spread> assembled_of_keys(QueryWalker& walker) {
  auto out = std::make_shared<Spread>(*assembled(std::nullopt));
  const Facts& facts = walker.solved();
  for (const auto& use : walker.findings().tables) {
    if (use.rule->kind != TableRuleKind::kHash) continue;
    const ValueSet* values = facts.values(use.key_term);
    if (values == nullptr) return assembled(std::nullopt);
    Pin pin{values->family, values->read_as, false, false, values->any_of};
    walker.mark_params(pin.any_of, values->read_as);
    if (std::find(out->pins.begin(), out->pins.end(), pin) == out->pins.end()) out->pins.push_back(std::move(pin));
  }
  return out;
}

Error far_from_rows(const Findings& findings) {
  return unsupported("this query is not supported over several shards", "Name one value of the sharding key, or declare the function IMMUTABLE if it reads no tables.",
                     "The last step needs all rows together on one server, and function " + findings.shard_local + " may read rows of their shards.");
}

// Each shard runs it, and what they give is put together.
std::variant<std::shared_ptr<const Spread>, Error> spread_whole(QueryWalker& walker, const AnalyzeContext& context) {
  const Findings& findings = walker.findings();
  if (findings.copies_order) {
    return unsupported("this query is not supported over several shards", "Name one value of the sharding key.",
                       "A part of it depends on the order of rows of a table that each shard has a copy of.");
  }
  if (walker.top_set().node != nullptr) return spread_set(walker, context);
  const auto& top = walker.top();
  const Facts& facts = walker.solved();
  Search search(walker, facts, findings);
  const TableUse* anchor = search.find(top.entries);
  if (anchor == nullptr) return no_anchor(findings);
  const bool gathers = !search.keeps_apart(walker.top_leaf());
  if (gathers && !findings.shard_local.empty()) return far_from_rows(findings);
  auto out = std::make_shared<Spread>();
  out->bytewise_collation = context.catalog != nullptr && context.catalog->bytewise_collation() && !findings.collates;
  if (findings.locks && (gathers || Merge(walker, *out).read())) {
    return unsupported("this query is not supported over several shards", "Lock the rows first, then ask for the rest.",
                       "It locks rows, and its last step needs all of them together.");
  }
  *out = Spread{.bytewise_collation = out->bytewise_collation};
  // What cannot be merged can still be put in order, and counted, all together.
  if (gathers || Merge(walker, *out).read()) {
    if (!findings.shard_local.empty()) return far_from_rows(findings);
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

}  // namespace

std::variant<std::shared_ptr<const Spread>, Error> spread(QueryWalker& walker, const AnalyzeContext& context) {
  if (auto error = forbidden(walker, walker.findings())) return *error;
  auto proof = spread_whole(walker, context);
  if (std::holds_alternative<Error>(proof) && walker.findings().shard_local.empty() && cannot_assemble(walker).empty()) return assembled_of_keys(walker);
  return proof;
}

std::variant<std::shared_ptr<const Spread>, Error> spread_beside(QueryWalker& walker, ShardId local) {
  if (auto error = forbidden(walker, walker.findings())) return *error;
  if (!walker.findings().shard_local.empty()) return far_from_rows(walker.findings());
  if (auto why = cannot_assemble(walker); !why.empty()) {
    return unsupported("this query is not supported over several shards", "Read the tables in separate statements.", std::move(why));
  }
  return assembled(local);
}

}  // namespace howdah::sharding::sql
