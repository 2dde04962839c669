#include "sharding/sql/spread_write.h"

#include <algorithm>

#include "sharding/sql/anchor.h"
#include "sharding/sql/clock_types.h"

namespace howdah::sharding::sql {

namespace {

class WriteProof {
 public:
  WriteProof(QueryWalker& walker, const AnalyzeContext& context)
      : walker_(walker), context_(context), findings_(walker.findings()), top_(walker.top_write()) {}

  // Empty: proven, see take().
  std::string find() {
    if (top_.node == nullptr || top_.use >= findings_.tables.size()) return "Writing WITH queries run on one shard only.";
    if (auto why = forbidden(); !why.empty()) return why;
    switch (top_.node->kind) {
      case TREE_INSERT:
        return top_.rows != nullptr ? values() : query();
      case TREE_MERGE:
        return merge();
      default:
        if (!findings_.inserted.empty() || findings_.computed_key) return key_move();
        if (!anchored(target())) return apart();
        if (is(top_.node, TREE_UPDATE)) note_assignments();
        return {};
    }
  }
  std::shared_ptr<const ManyWrite> take() { return std::move(out_); }

 private:
  const TableUse& target() const { return findings_.tables[top_.use]; }

  std::string forbidden() const {
    for (std::size_t i = 0; i < findings_.tables.size(); ++i) {
      if (findings_.tables[i].written && i != top_.use) return "It writes several tables.";
      if (findings_.tables[i].locked) return "It locks rows.";
    }
    const auto& root = context_.catalog->root_of(*target().relation);
    if (target().relation->has_triggers || root.has_triggers) return "Table " + display_name(root) + " has triggers.";
    if (!findings_.user_function.empty()) return "Function " + findings_.user_function + " may read tables.";
    if (!findings_.varies.empty()) return "The result of " + findings_.varies + " may differ from shard to shard.";
    if (!findings_.pure) return "It is not proven to be free of other side effects.";
    if (findings_.system_column) return "System columns mean nothing outside of one shard.";
    if (findings_.reads_catalog || findings_.reads_unknown) return "It reads relations that differ between shards.";
    if (findings_.copies_order) return "A part of it depends on the order of rows of a table that each shard has a copy of.";
    return sets_default();
  }

  // A default is evaluated on each shard; of one statement's rows it has to be the same.
  std::string sets_default() const {
    if (!is(top_.node, TREE_UPDATE)) return {};
    for (const TreeNode* assignment : kids(kid(top_.node, TREE_UPDATE_SET))) {
      if (is(kid(assignment, 0), TREE_DEFAULT)) return "SET ... = DEFAULT is not supported over several shards.";
    }
    return {};
  }

  std::string apart() const {
    std::string tables;
    for (const auto& use : findings_.tables) {
      if (use.rule->kind == TableRuleKind::kHash) tables += (tables.empty() ? "" : ", ") + display_name(*use.relation);
    }
    return "The sharded tables in it are not joined on their sharding keys: " + tables + ".";
  }

  // Everything has the key of this table's row, the rows to be stored included.
  bool anchored(const TableUse& anchor) {
    const Facts& facts = walker_.solved();
    // An outer join may make a key NULL, which every shard would store.
    if (!findings_.inserted.empty() && !target().key->not_null) return false;
    if (!anchors(facts, findings_, anchor, by_anchor_)) return false;
    for (const auto& inserted : findings_.inserted) {
      if (inserted.terms.empty()) return false;
      for (const int term : inserted.terms) {
        if (!is_any_value(by_anchor_.values(term))) return false;
      }
    }
    out_ = std::make_shared<ManyWrite>();
    restrict_to(anchor);
    return true;
  }

  void restrict_to(const TableUse& anchor) {
    const ValueSet* values = walker_.solved().values(anchor.key_term);
    if (values == nullptr) return;
    Pin pin{values->family, values->read_as, false, false, values->any_of};
    walker_.mark_params(pin.any_of, values->read_as);
    out_->pins.push_back(std::move(pin));
  }

  // Why a row may not be deleted and inserted instead of being updated.
  std::string moves_no_rows() const {
    const schema::Relation& table = *target().relation;
    const std::string name = display_name(table);
    if (kid(top_.node, TREE_UPDATE_WITH) != nullptr || kid(top_.node, TREE_UPDATE_FROM) != nullptr) {
      return "An UPDATE of the sharding key with WITH or FROM is not supported over several shards.";
    }
    if (findings_.tables.size() > 1 && std::count_if(findings_.tables.begin(), findings_.tables.end(), [](const TableUse& use) {
          return use.rule->kind == TableRuleKind::kHash;
        }) > 1) {
      return "It sets the sharding key, and reads a sharded table.";
    }
    if (table.referenced || context_.catalog->root_of(table).referenced) return "A foreign key refers to table " + name + ": the rows that refer to it would have to move, too.";
    if (table.has_children) return "Table " + name + " has children whose rows would move to it.";
    for (const auto& column : table.columns) {
      if (!column.generated && !column.portable) return "Column " + column.name + " has a type whose values cannot be carried from shard to shard.";
    }
    return {};
  }

  std::string key_move() {
    if (auto why = moves_no_rows(); !why.empty()) return why;
    const TableUse& table = target();
    KeyMove move;
    std::vector<std::string_view> names;
    for (const auto& column : table.relation->columns) {
      if (column.generated) continue;
      if (&column == table.key) move.key = static_cast<std::uint32_t>(names.size());
      names.push_back(column.name);
      move.columns.push_back(quoted(column.name));
    }
    move.stored = Pin{*key_family(table.key->type), table.key->type, true, table.key->not_null, {}};
    if (!findings_.inserted.empty()) move.stored.any_of = findings_.inserted[0].values;
    walker_.mark_params(move.stored.any_of, table.key->type);
    for (const TreeNode* assignment : kids(kid(top_.node, TREE_UPDATE_SET))) {
      const TreeNode* value = kid(assignment, 0);
      const auto column = std::find(names.begin(), names.end(), text_of(assignment));
      if (column == names.end() || value == nullptr) return "It sets a column that is not known.";
      if (!kids(kid(assignment, 1)).empty() || value->kind == TREE_MULTI_ASSIGN) {
        return "It sets the sharding key, and several columns at once or a part of one.";
      }
      const auto at = static_cast<std::uint32_t>(column - names.begin());
      const bool constant = at == move.key ? !move.stored.any_of.empty() : value->kind == TREE_CONST || value->kind == TREE_PARAM;
      move.items.push_back({at, constant});
    }
    if (!anchors(walker_.solved(), findings_, table, by_anchor_)) return apart();
    out_ = std::make_shared<ManyWrite>();
    out_->move = std::move(move);
    restrict_to(table);
    note_assignments();
    return {};
  }

  template <typename Fits>
  bool anchored_by(Fits fits) {
    return std::any_of(findings_.tables.begin(), findings_.tables.end(), [&](const TableUse& use) {
      return use.rule->kind == TableRuleKind::kHash && fits(use) && !contains(walker_.nullable(), use.entry) && anchored(use);
    });
  }

  // WHEN NOT MATCHED acts on every row of USING: these have to be on one shard each.
  std::string merge() {
    const auto& actions = kids(kid(top_.node, TREE_MERGE_ACTIONS));
    const bool keeps_source =
        std::any_of(actions.begin(), actions.end(), [](const TreeNode* action) { return !has(action, TREE_FLAG_MATCHED); });
    if (!keeps_source) return anchored(target()) ? std::string() : apart();
    return anchored_by([&](const TableUse& use) { return contains(top_.source, use.entry); }) ? std::string() : apart();
  }

  // INSERT ... SELECT: what the query gives on each shard is stored there.
  std::string query() {
    const auto& top = walker_.top();
    const TreeNode* node = top.node;
    if (node == nullptr) return "Its query is no plain SELECT.";
    if (kid(node, TREE_SELECT_LIMIT) != nullptr || kid(node, TREE_SELECT_OFFSET) != nullptr) return "Its query counts rows.";
    if (kid(node, TREE_SELECT_DISTINCT_ON) != nullptr) return "DISTINCT ON sees the rows of one shard only.";
    if (top.has_window) return "Window functions see the rows of one shard only.";
    if (kid(node, TREE_SELECT_LOCKING) != nullptr) return "It locks rows.";
    if (!anchored_by([&](const TableUse& use) { return &use != &target() && contains(top.entries, use.entry); })) return apart();
    const auto& leaf = walker_.top_leaf();
    const bool grouped = top.has_aggregate || kid(node, TREE_SELECT_GROUP) != nullptr;
    if (grouped && (leaf.grouping_sets || std::none_of(leaf.grouped.begin(), leaf.grouped.end(), [&](int term) { return has_key(term); }))) {
      return "Aggregates see the rows of one shard only, unless GROUP BY has the sharding key.";
    }
    // DISTINCT keeps rows apart by the key that is to be stored, which is among them.
    return {};
  }

  // Of a table whose rows are all there: the NULLs of an outer join's other side are on every shard.
  bool has_key(int term) const {
    return is_any_value(by_anchor_.values(term)) &&
           std::any_of(findings_.tables.begin(), findings_.tables.end(), [&](const TableUse& use) {
             return use.key_term == term && contains(walker_.top().entries, use.entry) && !contains(walker_.nullable(), use.entry);
           });
  }

  std::string values() {
    for (std::size_t i = 0; i < findings_.tables.size(); ++i) {
      if (i != top_.use && findings_.tables[i].rule->kind == TableRuleKind::kHash) return "It reads a sharded table.";
    }
    const auto rows = kids(top_.rows);
    if (findings_.defaulted) return defaulted_values();
    if (findings_.inserted.size() != 1 || findings_.inserted[0].values.size() != rows.size()) return "Its rows have no keys.";
    out_ = std::make_shared<ManyWrite>();
    out_->by_rows = true;
    const TableUse& table = target();
    Pin pin{*key_family(table.key->type), table.key->type, true, table.key->not_null, findings_.inserted[0].values};
    walker_.mark_params(pin.any_of, table.key->type);
    out_->pins.push_back(std::move(pin));
    out_->any_text = findings_.clock_text;
    return note_rows();
  }

  std::string note_rows() {
    for (const TreeNode* row : kids(top_.rows)) {
      if (row->count != kid(top_.rows, 0)->count) return "Its rows have different numbers of values.";
      for (std::uint32_t i = 0; i < row->count; ++i) note_value(kid(row, i), i);
    }
    note_texts(kid(top_.node, TREE_INSERT_CONFLICT));
    note_texts(kid(top_.node, TREE_INSERT_RETURNING));
    return {};
  }

  // The keys come first, of one shard: then it is an INSERT whose keys are known.
  std::string defaulted_values() {
    const auto rows = kids(top_.rows);
    const TableUse& table = target();
    const schema::Column& key = *table.key;
    const int position = findings_.defaulted->position;
    if (top_.node->number != 0) return "OVERRIDING is not supported beside a key that is generated.";
    const TreeNode* columns = kid(top_.node, TREE_INSERT_COLUMNS);
    if (position < 0 && columns == nullptr) return "The INSERT has no list of columns.";
    for (const TreeNode* row : rows) {
      if (position < 0 && row->count != columns->count) return "Its rows have another number of values than it names columns.";
    }
    out_ = std::make_shared<ManyWrite>();
    out_->by_rows = true;
    out_->pins.push_back({*key_family(key.type), key.type, true, key.not_null, {}});
    out_->key_default = KeyDefault{quoted(key.name), key.default_text, position, key.identity_always, static_cast<std::uint32_t>(rows.size())};
    out_->any_text = findings_.clock_text;
    return note_rows();
  }

  static std::string quoted(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + "\"";
  }

  const schema::Column* column_at(std::uint32_t position) const {
    const TreeNode* columns = kid(top_.node, TREE_INSERT_COLUMNS);
    const auto& all = target().relation->columns;
    if (columns == nullptr) return position < all.size() ? &all[position] : nullptr;
    return position < columns->count ? target().relation->column(text_of(kid(columns, position))) : nullptr;
  }

  void note_value(const TreeNode* value, std::uint32_t position) { note_value(value, column_at(position)); }

  // Texts in SET that are stored in columns of other types than times are no times, whatever they say.
  void note_assignments() {
    out_->any_text = findings_.clock_text;
    for (std::uint32_t i = 0; i < top_.node->count; ++i) {
      if (i != TREE_UPDATE_SET) note_texts(kid(top_.node, i));
    }
    for (const TreeNode* assignment : kids(kid(top_.node, TREE_UPDATE_SET))) {
      const bool whole = kids(kid(assignment, 1)).empty() && kid(assignment, 0) != nullptr;
      if (whole) note_value(kid(assignment, 0), target().relation->column(text_of(assignment)));
      if (!whole) note_texts(assignment);
    }
  }

  void note_value(const TreeNode* value, const schema::Column* column) {
    if (value->kind == TREE_DEFAULT) return;
    const bool safe = column != nullptr && reads_no_clock(column->type) && !may_be_time(is(value, TREE_CAST) ? kid(value, 0) : value);
    const bool cast = is(value, TREE_CAST) && (is(kid(value, 0), TREE_CONST) || is(kid(value, 0), TREE_PARAM));
    if (safe && (cast || is(value, TREE_PARAM) || is(value, TREE_CONST))) return;
    note_texts(value);
  }

  // A parameter that Parse declared as one is read as one, whatever it is stored in.
  bool may_be_time(const TreeNode* param) const {
    if (!is(param, TREE_PARAM) || param->number < 1) return false;
    const Oid type = walker_.param_type(static_cast<std::uint32_t>(param->number - 1));
    return type != 0 && type != schema::kUnknownOid && !reads_no_clock(type);
  }

  // Whatever text is in it may become a time.
  void note_texts(const TreeNode* node) {
    if (node == nullptr) return;
    if (is(node, TREE_PARAM) && node->number > 0) out_->clock_params.push_back(static_cast<std::uint32_t>(node->number - 1));
    if (is(node, TREE_CONST) && node->op == TREE_CONST_STRING) {
      const auto place = walker_.slot_of(node);
      if (place) out_->clock_slots.push_back(place->slot);
    }
    for (const TreeNode* part : kids(node)) note_texts(part);
  }

  QueryWalker& walker_;
  const AnalyzeContext& context_;
  const Findings& findings_;
  const QueryWalker::TopWrite& top_;
  Facts by_anchor_;
  std::shared_ptr<ManyWrite> out_;
};

}  // namespace

std::variant<std::shared_ptr<const ManyWrite>, Error> spread_write(QueryWalker& walker, const AnalyzeContext& context) {
  WriteProof proof(walker, context);
  if (auto why = proof.find(); !why.empty()) return unsupported(std::move(why), "Name one value of the sharding key.");
  return proof.take();
}

}  // namespace howdah::sharding::sql
