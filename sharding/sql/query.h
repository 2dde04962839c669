// Walks SELECT, INSERT, UPDATE, DELETE and MERGE: resolves names, gathers Facts and Findings. One object per
// statement.
//
// query.cc      query levels: WITH, set operations, target lists
// from.cc       FROM items and joins
// expression.cc what expressions call and contain
// condition.cc  facts out of WHERE and ON
// write.cc      the writing statements
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sharding/sql/constants.h"
#include "sharding/sql/facts.h"
#include "sharding/sql/findings.h"
#include "sharding/sql/scope.h"

namespace howdah::sharding::sql {

class QueryWalker {
 public:
  QueryWalker(const AnalyzeContext& context, SlotUse& slots, std::span<const Oid> param_types);

  // A SELECT, INSERT, UPDATE, DELETE or MERGE at the top level of a statement.
  void statement(const TreeNode* node);
  // An expression that stands alone: arguments of CALL and EXECUTE.
  void expression(const TreeNode* node);

  Findings& findings() { return findings_; }
  const Findings& findings() const { return findings_; }
  // The facts, solved; after the last statement() or expression().
  const Facts& solved();
  // Marks parameter sources whose type only the server knows: see KeySource::needs_type.
  void mark_params(std::vector<KeySource>& sources, Oid column_type) const;
  // Does a string literal hold a word that date and time types read as the current time? Makes all of them
  // guards.
  bool has_clock_words();
  bool too_complex() const { return too_complex_; }

  // The outermost query when it is one plain SELECT (WITH included), as its last step sees it.
  struct TopLevel {
    const TreeNode* node = nullptr;   // null: it is something else
    Targets entries;                  // of its own FROM
    Columns outputs;
    bool positions_known = true;      // `outputs` has one item per column of the result
    bool has_aggregate = false;
    bool has_window = false;
    std::vector<std::string_view> input_names;  // single names in GROUP BY, ORDER BY and DISTINCT ON that FROM offers
    bool inputs_known = true;         // all columns that FROM offers are known by name
    std::vector<int> widths;          // columns per item of the select list; -1: not known
    std::vector<Oid> sort_types;      // of the items of ORDER BY, as what FROM offers; 0: not known
  };
  const TopLevel& top() const { return top_; }
  // The outermost statement when it writes. Of INSERT ... SELECT, top() is the SELECT.
  struct TopWrite {
    const TreeNode* node = nullptr;    // null: it is a query
    std::size_t use = static_cast<std::size_t>(-1);  // the written table, of Findings::tables
    const TreeNode* rows = nullptr;    // INSERT ... VALUES without WITH: the rows
    Targets source;                    // MERGE: the entries of USING
  };
  const TopWrite& top_write() const { return top_write_; }
  // The slot of a plain constant.
  std::optional<SlotUse::Place> slot_of(const TreeNode* constant) const { return slots_.find(constant); }
  // One plain SELECT anywhere in the statement: what decides on which rows of its FROM go into one row of its result.
  struct Leaf {
    const TreeNode* node = nullptr;
    Targets entries;                  // of its own FROM
    std::vector<int> grouped, outputs;  // terms
    std::vector<std::vector<int>> partitions;  // of each window: terms of its PARTITION BY's plain columns
    bool has_aggregate = false;
    bool grouping_sets = false;
    std::size_t first_table = 0, end_table = 0;  // what it reads, of Findings::tables; without its WITH queries
  };
  // REQUIRES: top().node is not null.
  const Leaf& top_leaf() const { return leaves_.at(top_.node); }
  // The outermost query when that is a set operation; its `node` is null else. Only names and order of its columns are told.
  const TopLevel& top_set() const { return top_set_; }
  // Null: not a plain SELECT.
  const Leaf* leaf_of(const TreeNode* node) const {
    const auto found = leaves_.find(node);
    return found == leaves_.end() ? nullptr : &found->second;
  }
  // The query behind an entry in FROM: a subquery, or a WITH query that only this entry reads. Null for all else.
  const Leaf* behind(int entry) const;
  // Entries on the nullable side of an outer join.
  const Targets& nullable() const { return nullable_; }
  // It has COLLATE.
  bool collates() const { return findings_.collates; }
  // A condition on one table's columns alone: its other rows make no difference to the result.
  struct Restriction {
    int entry = -1;
    const TreeNode* condition = nullptr;
  };
  const std::vector<Restriction>& restrictions() const { return restrictions_; }
  // As Parse declared it; 0 when it did not.
  Oid param_type(std::uint32_t index) const { return keys_.param_type(index); }
  // The proof depends on this constant's value.
  void read_value(const TreeNode* constant) { slots_.read(constant); }
  // The slot or parameter of LIMIT or OFFSET; empty when it is neither. Null: no count.
  std::optional<RowCount> row_count(const TreeNode* node) const;

 private:
  // The outside of a query level.
  struct Outer {
    const Scope* scope = nullptr;  // whose columns it may refer to
    WithScope* with = nullptr;
    const Targets* implied =
        nullptr;  // entries further out that its conditions restrict as well (EXISTS, IN)
  };
  // What a query gives to the outside.
  struct Output {
    Columns columns;
    std::vector<bool> transparent;  // by column: a condition on it may be pushed into the query
  };
  // The level being walked.
  struct Level {
    bool has_window = false;
    bool has_aggregate = false;
    std::vector<const TreeNode*> windows;  // TREE_WINDOW of each call
    Level* parent = nullptr;
  };

  // query.cc
  Output query(const TreeNode* node, const Outer& outer);
  Output any_query(const TreeNode* node, const Outer& outer);
  Output leaf(const TreeNode* node, const Outer& outer);
  Output values(const TreeNode* node, const Outer& outer);
  Output set_operation(const TreeNode* node, const Outer& outer);
  Output combine(const TreeNode* node, Output left, Output right);
  void with_clause(const TreeNode* with, const Scope* scope, WithScope& out);
  void name_outputs(const TreeNode* names, Columns& columns);
  Columns targets(const TreeNode* list, const Scope& scope, WithScope* with);
  int output_term(const TreeNode* expression, const Scope& scope);
  // Of columns, casts, constants and arithmetic; of the latter two only that it is no text. 0: not known.
  Oid type_of(const TreeNode* expression, const Scope& scope) const;
  void note_leaf(const TreeNode* node, const Targets& entries, const Columns& outputs, const Scope& scope, const Level& level);
  std::vector<int> partition_terms(const TreeNode* window, const TreeNode* named, const Scope& scope) const;
  void note_top(const TreeNode* node, const Targets& entries, const Columns& outputs, const Scope& scope, const Level& level);
  std::vector<int> grouped_terms(const TreeNode* group, const Columns& columns, const Scope& scope);
  std::vector<bool> transparency(const TreeNode* node, const Columns& columns, const Scope& scope,
                                 const Level& level);
  void locking(const TreeNode* node, const Scope& scope, std::size_t first_table);
  void lock_item(const NamespaceItem& item, std::size_t first_table);
  bool plain_for_exists(const TreeNode* node) const;

  // from.cc
  void from_list(const TreeNode* list, Scope& scope, const Outer& outer, Targets& entries);
  void from_item(const TreeNode* node, Scope& scope, const Outer& outer, bool inner_path, Targets& entries);
  void join(const TreeNode* node, Scope& scope, const Outer& outer, bool inner_path, Targets& entries);
  void join_using(const TreeNode* node, Scope& scope, std::size_t left, std::size_t right,
                  const Targets& restricts, std::vector<ScopeColumn>& merged, bool& complete);
  void range_var(const TreeNode* node, Scope& scope, WithScope* with, Targets& entries);
  void subselect(const TreeNode* node, Scope& scope, const Outer& outer, Targets& entries);
  void range_function(const TreeNode* node, Scope& scope, const Outer& outer, Targets& entries);
  NamespaceItem relation_item(const TreeNode* node, bool written);
  // The view's own query in its place. False: it is not known.
  bool view(const schema::Relation& relation, NamespaceItem& item);
  void note_relation(const schema::Relation* relation, const TreeNode* node, bool written,
                     NamespaceItem& item);
  void note_unknown(const TreeNode* node);
  void note_table(const schema::Relation& relation, const TreeNode* node, bool written, NamespaceItem& item);
  const schema::Relation* find_relation(const TreeNode* node) const;
  void offer(const TreeNode* alias, NamespaceItem item, Scope& scope);
  int new_entry() { return entries_++; }
  Columns entry_columns(int entry, const Output& output);

  // expression.cc
  void walk(const TreeNode* node, const Scope* scope, WithScope* with);
  void walk_all(const TreeNode* list, const Scope* scope, WithScope* with);
  void call(const TreeNode* node, const Scope* scope);
  bool declared_shard_local(const TreeNode* node) const;
  void call_shard_local(const schema::Function& function);
  void note_user_code(const schema::Function* function);
  void note_aggregate(const TreeNode* node, const Scope* scope);
  void apply_trait(const TreeNode* node, std::string_view name);
  void note_set_config(const TreeNode* node);
  void note_clock(const TreeNode* node, ClockCall::Kind kind);
  void note_naming(const TreeNode* value);
  void check_operator(const TreeNode* node);
  void check_cast(const TreeNode* node);

  // condition.cc
  struct Here {  // where a condition stands
    const Scope* scope;
    WithScope* with;
    const Targets& restricts;  // the entries that it restricts
  };
  struct TermValues {
    int term = -1;
    ValueSet values;
  };
  void condition(const TreeNode* node, const Here& here);
  void equality(const TreeNode* left, const TreeNode* right, const Here& here);
  void sublink_condition(const TreeNode* node, const Here& here);
  bool plain_operator(const TreeNode* node, std::string_view name) const;
  std::vector<TermValues> pins_of(const TreeNode* node, const Scope* scope);
  void pins_of_equality(const TreeNode* left, const TreeNode* right, const Scope* scope,
                        std::vector<TermValues>& out);
  void pins_of_list(const TreeNode* node, const Scope* scope, std::vector<TermValues>& out);
  void pins_of_or(const TreeNode* node, const Scope* scope, std::vector<TermValues>& out);
  void add_pin(int term, std::vector<KeySource> sources, std::vector<TermValues>& out);
  int column_term(const TreeNode* node, const Scope* scope) const;
  void note_restriction(const TreeNode* condition, const Here& here);
  bool same_family(int a, int b) const;

  // write.cc
  Output insert(const TreeNode* node, const Outer& outer);
  Output update(const TreeNode* node, const Outer& outer);
  Output delete_from(const TreeNode* node, const Outer& outer);
  Output merge(const TreeNode* node, const Outer& outer);
  // The table that is written: its index in Findings::tables, or kNoUse when it has no rule of its own.
  static constexpr std::size_t kNoUse = static_cast<std::size_t>(-1);
  std::size_t target(const TreeNode* node, Scope& scope, Targets& entries);
  void inserted_rows(const TreeNode* columns, const TreeNode* source, std::size_t use, const Outer& outer);
  void inserted_values(const TreeNode* rows, std::size_t key, std::size_t use);
  bool takes_default(const TreeNode* rows, int position, std::size_t use) const;
  bool inserted_constant(const TreeNode* value, const TableUse& table, InsertedKey& out);
  void inserted_term(int term, std::size_t use);
  int key_position(const TreeNode* columns, const TableUse& use) const;
  void check_defaults(const TreeNode* columns, const TreeNode* rows, const TableUse& use);
  void check_conflict(const TreeNode* conflict, const TableUse& use);
  void check_assignments(const TreeNode* list, const TableUse& use, bool may_move = false);
  const TableUse* table_use(std::size_t use) const {
    return use < findings_.tables.size() ? &findings_.tables[use] : nullptr;
  }
  Output returning(const TreeNode* list, const Scope& scope, WithScope* with);

  const AnalyzeContext& context_;
  SlotUse& slots_;
  bool builtin_names_first_;  // pg_catalog is searched before all schemas of users
  KeyReader keys_;
  Facts facts_;
  Findings findings_;
  int entries_ = 0;
  int query_depth_ = 0;
  bool too_complex_ = false;
  Level* level_ = nullptr;
  struct BackFlow {  // from a reference to a WITH query, valid if it is the only one
    const WithQuery* query;
    std::vector<std::pair<int, int>> terms;
  };
  std::vector<BackFlow> back_flows_;
  std::deque<WithScope> with_scopes_;     // live until solved()
  std::deque<ParsedTree> views_;          // as long as names point into them
  TopLevel top_, top_set_;
  TopWrite top_write_;
  std::map<const TreeNode*, Leaf> leaves_;
  struct Behind {
    const TreeNode* body;
    const WithQuery* query;  // null: a subquery
  };
  std::map<int, Behind> behind_;          // by entry
  const TreeNode* root_ = nullptr;        // the statement, or what it inserts, when that is a plain SELECT
  Targets nullable_;
  std::vector<Restriction> restrictions_;
  std::vector<const TreeNode*> strings_;  // all string literals in expressions
  std::vector<const TreeNode*> named_;    // what reads the clock and may name an output column
  std::map<std::uint32_t, int> param_uses_;
  std::map<std::pair<std::uint32_t, Oid>, int> typed_params_;
};

// Columns that every table has; they are no columns of the catalog's list.
bool is_system_column(std::string_view name);

}  // namespace howdah::sharding::sql
