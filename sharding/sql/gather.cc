#include "sharding/sql/gather.h"

#include <algorithm>
#include <optional>

#include "sharding/sql/assemble.h"
#include "sharding/sql/query_text.h"

namespace howdah::sharding::sql {

namespace {

using Piece = Gather::Piece;
using Kind = Gather::Piece::Kind;

// Aggregates of which partial results combine by the same aggregate.
bool combines_with_itself(std::string_view name) {
  static constexpr std::string_view kNames[] = {"min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Aggregates that give the same when equal rows come once.
bool ignores_repetition(const TreeNode* call) {
  return has(call, TREE_FLAG_DISTINCT) || (combines_with_itself(text_of(call)) && text_of(call) != "bit_xor");
}

bool is_star(const TreeNode* node) {
  return is(node, TREE_COLUMN) && is(kid(node, node->count - 1), TREE_STAR);
}

// Equal in form: what the tree does not hold is compared by its tokens.
bool same_shape(const TreeNode* a, const TreeNode* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->kind != b->kind || a->op != b->op || a->flags != b->flags || a->number != b->number || a->count != b->count ||
      text_of(a) != text_of(b) || qualifier_of(a) != qualifier_of(b)) {
    return false;
  }
  for (std::uint32_t i = 0; i < a->count; ++i) {
    if (!same_shape(a->kids[i], b->kids[i])) return false;
  }
  return true;
}

std::int32_t leftmost(const TreeNode* node) {
  std::int32_t out = -1;
  if (node == nullptr) return out;
  out = node->location;
  for (const TreeNode* item : kids(node)) {
    const std::int32_t location = leftmost(item);
    if (location >= 0 && (out < 0 || location < out)) out = location;
  }
  return out;
}

// Do two joined tables offer one column under both names?
bool merges_columns(const TreeNode* from) {
  if (from == nullptr) return false;
  if (is(from, TREE_JOIN) && (has(from, TREE_FLAG_NATURAL) || kid(from, 3) != nullptr || kid(from, 4) != nullptr)) return true;
  if (!is(from, TREE_LIST) && !is(from, TREE_JOIN)) return false;
  const auto items = kids(from);
  return std::any_of(items.begin(), items.end(), [](const TreeNode* item) { return merges_columns(item); });
}

// Of a statement that the server accepts, two references mean the same column when one is the end of the other: a name alone
// that several tables have would be ambiguous.
bool same_column(const TreeNode* a, const TreeNode* b, bool merged) {
  if (merged && a->count != b->count) return false;
  const std::uint32_t common = std::min(a->count, b->count);
  for (std::uint32_t i = 1; i <= common; ++i) {
    if (text_of(kid(a, a->count - i)) != text_of(kid(b, b->count - i))) return false;
  }
  return true;
}

class Builder {
 public:
  Builder(const QueryWalker& walker, const AnalyzeContext& context, const QueryText& text)
      : top_(walker.top()), context_(context), text_(text), merged_(merges_columns(kid(top_.node, TREE_SELECT_FROM))) {}

  // Partial aggregates below. Nothing when not every aggregate has a partial form.
  std::optional<Gather> partial();
  // The columns that the query uses, row by row; all the rest above.
  std::optional<Gather> rows(bool distinct);
  bool may_drop_equal_rows();
  const std::string& reason() const { return reason_; }

 private:
  struct Edit {
    TokenRange range;  // empty: an insertion
    Piece piece;
  };
  struct Target {
    const TreeNode* node = nullptr;  // TREE_TARGET
    TokenRange expression;
    const TreeNode* value() const { return kid(node, 0); }
  };
  struct Item {                      // of GROUP BY, DISTINCT ON, ORDER BY
    const TreeNode* node = nullptr;
    TokenRange range;                // of GROUP BY only
  };
  struct Group {
    const TreeNode* node = nullptr;
    TokenRange range;                // without parentheses around it
  };

  bool begin(Gather& out);
  bool read_targets();
  bool fail(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
    return false;
  }
  Gather finish(Gather out);
  bool is_aggregate(const TreeNode* node) const;

  bool read_groups();
  bool add_group(const TreeNode* node, TokenRange range);
  bool is_input(std::string_view name) const {
    return std::find(top_.input_names.begin(), top_.input_names.end(), name) != top_.input_names.end();
  }
  enum class Named { kOutput, kInput, kEither };
  Named meaning(std::string_view name) const;

  bool edit(const TreeNode* node);                 // everything of one clause
  bool edit_item(const TreeNode* item, bool group);  // one of GROUP BY, ORDER BY or DISTINCT ON
  bool edit_names(const TreeNode* name);
  std::optional<Edit> as_group(const TreeNode* node) const;
  bool edit_call(const TreeNode* node);
  bool edit_column(const TreeNode* node);
  std::optional<Piece> in_star(const TreeNode* node) const;
  TokenRange column_range(const TreeNode* node) const;
  std::uint16_t column(Gather::Column column);
  bool walk_clauses();
  bool repeats_matter(const TreeNode* node) const;
  std::string first_rows() const;
  bool may_give_sets(const TreeNode* node) const;
  std::string sort_item(const TreeNode* item, TokenRange range) const;

  const QueryWalker::TopLevel& top_;
  const AnalyzeContext& context_;
  const QueryText& text_;
  bool merged_;
  std::string reason_;
  std::vector<Target> targets_;
  bool partial_ = false;
  std::vector<Group> groups_;
  std::vector<const TreeNode*> rows_;  // the column references of `columns_`
  std::vector<Gather::Column> columns_;
  std::vector<Edit> edits_;
};

bool Builder::is_aggregate(const TreeNode* node) const {
  if (!is(node, TREE_FUNC)) return false;
  if (kid(node, 3) != nullptr || context_.catalog == nullptr) return false;
  const schema::Function* function = context_.catalog->function(qualifier_of(node), text_of(node), context_.search_path);
  return function != nullptr && function->is_aggregate;
}

bool Builder::begin(Gather& out) {
  rows_.clear();
  columns_.clear();
  edits_.clear();
  groups_.clear();
  if (!text_.is_plain()) return fail("It is written in parentheses or without FROM.");
  if (!read_targets()) return false;
  const auto source = text_.source();
  const std::uint32_t first = text_.begin_of(0);
  out.head = source.substr(first, text_.end_of(text_.select()) - first);
  out.tail = text_.text(text_.body());
  return true;
}

bool Builder::read_targets() {
  targets_.clear();
  const TreeNode* list = kid(top_.node, TREE_SELECT_TARGETS);
  const auto ranges = text_.items(text_.targets());
  if (ranges.size() != kids(list).size() || top_.widths.size() != ranges.size()) return fail("Its select list cannot be read.");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    Target target{kid(list, static_cast<std::uint32_t>(i)), ranges[i]};
    if (top_.widths[i] < 0) return fail("The columns behind * are not known.");
    if (target.node->text != nullptr) {
      // Behind the expression stand AS and the name; AS may be left out.
      if (target.expression.size() < 2 || text_.is_symbol(target.expression.end - 1, ")")) return fail("Its select list cannot be read.");
      --target.expression.end;
      if (target.expression.size() > 1 && text_.is_word(target.expression.end - 1, "as")) --target.expression.end;
    }
    targets_.push_back(target);
  }
  return true;
}

std::uint16_t Builder::column(Gather::Column column) {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found != columns_.end()) return static_cast<std::uint16_t>(found - columns_.begin());
  columns_.push_back(std::move(column));
  rows_.push_back(nullptr);
  return static_cast<std::uint16_t>(columns_.size() - 1);
}

TokenRange Builder::column_range(const TreeNode* node) const {
  const std::size_t begin = text_.at(node->location);
  const std::size_t end = begin + 2 * node->count - 1;
  return end <= text_.size() ? TokenRange{begin, end} : TokenRange{};
}

// --- groups

// What a single name in GROUP BY, ORDER BY or DISTINCT ON stands for, if the output columns come first.
Builder::Named Builder::meaning(std::string_view name) const {
  bool unnamed = false;
  for (const auto& output : top_.outputs.list) {
    if (output.name == name) return Named::kOutput;
    unnamed = unnamed || output.name.empty();
  }
  if (!is_input(name)) return Named::kOutput;
  return unnamed ? Named::kEither : Named::kInput;
}

bool Builder::add_group(const TreeNode* node, TokenRange range) {
  range = text_.unwrapped(range);
  if (range.empty() || is(node, TREE_ROW) || is_star(node)) return fail("GROUP BY has more than single values.");
  if (as_group(node)) return true;
  columns_.push_back({std::string(text_.text(range))});
  rows_.push_back(nullptr);
  groups_.push_back({node, range});
  return true;
}

bool Builder::read_groups() {
  const TreeNode* list = kid(top_.node, TREE_SELECT_GROUP);
  const auto ranges = text_.items(text_.group());
  if (ranges.size() != kids(list).size()) return fail("GROUP BY cannot be read.");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const TreeNode* item = kid(list, static_cast<std::uint32_t>(i));
    if (is(item, TREE_GROUPING_SET)) return fail("GROUP BY has grouping sets.");
    const Target* target = nullptr;
    if (is(item, TREE_CONST) && item->op == TREE_CONST_INT) {
      if (item->number < 1 || static_cast<std::size_t>(item->number) > targets_.size()) return fail("GROUP BY names no column.");
      target = &targets_[static_cast<std::size_t>(item->number - 1)];
    } else if (is(item, TREE_COLUMN) && item->count == 1 && !is_input(text_of(kid(item, 0)))) {
      for (const auto& candidate : targets_) {
        if (text_of(candidate.node) == text_of(kid(item, 0))) target = &candidate;
      }
      if (target == nullptr) return fail("GROUP BY names no column.");
    }
    if (!(target == nullptr ? add_group(item, ranges[i]) : add_group(target->value(), target->expression))) return false;
  }
  return true;
}

// --- edits

// The place of a group's value in the text.
std::optional<Builder::Edit> Builder::as_group(const TreeNode* node) const {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    const Piece piece{Kind::kColumn, static_cast<std::uint16_t>(g), 0, {}};
    if (is(node, TREE_COLUMN)) {
      if (!is(group.node, TREE_COLUMN) || is_star(node) || !same_column(node, group.node, merged_)) continue;
      const TokenRange range = column_range(node);
      if (!range.empty()) return Edit{range, piece};
      continue;
    }
    if (!same_shape(node, group.node)) continue;
    const std::size_t mark = text_.at(leftmost(group.node)), here = text_.at(leftmost(node));
    if (mark == text_.size() || here == text_.size() || mark < group.range.begin) continue;
    const std::size_t before = mark - group.range.begin;
    if (here < before) continue;
    const TokenRange range{here - before, here - before + group.range.size()};
    if (text_.same_tokens(range, group.range)) return Edit{range, piece};
  }
  return std::nullopt;
}

bool Builder::edit(const TreeNode* node) {
  if (node == nullptr) return true;
  if (partial_) {
    if (auto found = as_group(node)) {
      edits_.push_back(std::move(*found));
      return true;
    }
    if (is_aggregate(node)) return edit_call(node);
    if (is(node, TREE_FUNC) && kid(node, 3) != nullptr) return fail("It has window functions.");
  }
  if (is(node, TREE_FUNC) && text_of(node) == "pg_typeof") return fail("The type of a column may be lost on the way.");
  if (is(node, TREE_SUBLINK)) return fail("A subquery stands beside its aggregates.");
  if (is(node, TREE_COLUMN)) return edit_column(node);
  const auto items = kids(node);
  return std::all_of(items.begin(), items.end(), [this](const TreeNode* item) { return edit(item); });
}

bool Builder::edit_column(const TreeNode* node) {
  if (partial_) return fail("A column stands outside of the aggregates that GROUP BY does not name.");
  if (is_star(node)) return fail("It uses a whole row as one value.");
  const TokenRange range = column_range(node);
  if (range.empty()) return fail("A column's name cannot be read.");
  if (auto piece = in_star(node)) {
    edits_.push_back({range, *piece});
    return true;
  }
  std::size_t at = 0;
  while (at < rows_.size() && (rows_[at] == nullptr || !same_column(rows_[at], node, merged_))) ++at;
  if (at == rows_.size()) {
    columns_.push_back({std::string(text_.text(range))});
    rows_.push_back(node);
  }
  edits_.push_back({range, {Kind::kColumn, static_cast<std::uint16_t>(at), 0, {}}});
  return true;
}

// A column that a star of the select list gives, where FROM is one table: `SELECT DISTINCT ON (t.a) * FROM t ORDER BY a`.
std::optional<Piece> Builder::in_star(const TreeNode* node) const {
  const auto from = kids(kid(top_.node, TREE_SELECT_FROM));
  if (from.size() != 1 || is(*from.begin(), TREE_JOIN)) return std::nullopt;
  std::size_t output = 0;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const auto width = static_cast<std::size_t>(top_.widths[i]);
    if (is_star(targets_[i].value())) {
      std::optional<std::size_t> found;
      for (std::size_t c = 0; c < width; ++c) {
        if (top_.outputs.list[output + c].name != text_of(kid(node, node->count - 1))) continue;
        if (found) return std::nullopt;
        found = c;
      }
      const std::string text(text_.text(targets_[i].expression));
      const auto star = std::find_if(columns_.begin(), columns_.end(), [&](const Gather::Column& column) { return column.is_star && column.text == text; });
      if (!found || star == columns_.end()) return std::nullopt;
      return Piece{Kind::kColumn, static_cast<std::uint16_t>(star - columns_.begin()), static_cast<std::uint16_t>(*found), {}};
    }
    output += width;
  }
  return std::nullopt;
}

// A call of an aggregate that has a partial form: it moves into the lower part.
bool Builder::edit_call(const TreeNode* node) {
  const auto name = text_of(node);
  if (has(node, TREE_FLAG_DISTINCT) || kid(node, 1) != nullptr || has(node, TREE_FLAG_VARIADIC)) return fail("Aggregate " + std::string(name) + " needs all rows.");
  const std::size_t begin = text_.at(node->location);
  std::size_t open = begin;
  while (open < text_.size() && !text_.is_symbol(open, "(")) ++open;
  TokenRange range{begin, text_.behind_closing(open)};
  if (open >= text_.size()) return fail("A call cannot be read.");
  if (text_.is_word(range.end, "filter") && text_.is_symbol(range.end + 1, "(")) range.end = text_.behind_closing(range.end + 1);
  const auto arguments = std::string(text_.text({open, range.end}));
  Piece piece;
  if (name == "count") {
    piece = {Kind::kCount, column({"pg_catalog.count" + arguments}), 0, {}};
  } else if (name == "sum") {
    piece = {Kind::kSum, column({"pg_catalog.sum" + arguments}), 0, {}};
  } else if (name == "avg") {
    // Side by side: the count of this sum.
    columns_.push_back({"pg_catalog.sum" + arguments, false, 1, true});
    columns_.push_back({"pg_catalog.count" + arguments});
    rows_.resize(columns_.size());
    piece = {Kind::kAverage, static_cast<std::uint16_t>(columns_.size() - 2), 0, {}};
  } else if (combines_with_itself(name)) {
    piece = {Kind::kSame, column({"pg_catalog." + std::string(name) + arguments}), 0, std::string(name)};
  } else {
    return fail("Aggregate " + std::string(name) + " needs all rows.");
  }
  edits_.push_back({range, std::move(piece)});
  return true;
}

bool Builder::edit_names(const TreeNode* name) {
  const auto text = text_of(kid(name, 0));
  switch (meaning(text)) {
    case Named::kOutput:
      return true;
    case Named::kInput:
      return edit(name);
    case Named::kEither:
      break;
  }
  if (partial_ && !as_group(name)) return true;  // what is not grouped can only be an output column
  if (!edit(name)) return false;
  edits_.back().piece.kind = Kind::kSortName;
  edits_.back().piece.text = text;
  return true;
}

// https://www.postgresql.org/docs/15/sql-select.html#SQL-GROUPBY: in GROUP BY a name is FROM's column first.
bool Builder::edit_item(const TreeNode* item, bool group) {
  if (is(item, TREE_CONST)) return true;  // a position
  if (!is(item, TREE_COLUMN) || item->count != 1) return edit(item);
  if (!group) return edit_names(item);
  if (is_input(text_of(kid(item, 0)))) return edit(item);
  return top_.inputs_known || fail("The columns of a part of FROM are not known.");
}

bool Builder::walk_clauses() {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const Target& target = targets_[i];
    if (!is_star(target.value())) continue;
    if (partial_) return fail("It selects *.");
    const auto width = static_cast<std::uint16_t>(top_.widths[i]);
    const auto at = column({std::string(text_.text(target.expression)), true, width});
    edits_.push_back({target.expression, {Kind::kStar, at, 0, {}}});
  }
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const Target& target = targets_[i];
    if (is_star(target.value())) continue;
    if (!edit(target.value())) return false;
    if (target.node->text == nullptr) {
      edits_.push_back({{target.expression.end, target.expression.end}, {Kind::kName, static_cast<std::uint16_t>(i), 0, {}}});
    }
  }
  for (const TreeNode* item : kids(kid(top_.node, TREE_SELECT_DISTINCT_ON))) {
    if (!edit_item(item, false)) return false;
  }
  for (const TreeNode* item : kids(kid(top_.node, TREE_SELECT_GROUP))) {
    if (!edit_item(item, true)) return false;
  }
  for (const TreeNode* item : kids(kid(top_.node, TREE_SELECT_SORT))) {
    if (!edit_item(kid(item, 0), false)) return false;
  }
  return edit(kid(top_.node, TREE_SELECT_HAVING)) && edit(kid(top_.node, TREE_SELECT_WINDOWS));
}

Gather Builder::finish(Gather out) {
  if (columns_.empty() || (out.grouped && out.groups == 0)) {
    // Rows are counted, or groups of a constant made, all the same.
    columns_.insert(columns_.begin(), {"false"});
    for (auto& edit : edits_) edit.piece.column += edit.piece.kind != Kind::kName;
    if (out.grouped) out.groups = 1;
  }
  std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.range.begin < b.range.begin; });
  const auto source = text_.source();
  std::uint32_t at = text_.begin_of(text_.select());
  const auto copy = [&](std::uint32_t to) {
    if (to > at) out.upper.push_back({Kind::kText, 0, 0, std::string(source.substr(at, to - at))});
    at = std::max(at, to);
  };
  bool rows_given = false;
  const auto give_rows = [&] {
    if (rows_given) return;
    rows_given = true;
    copy(text_.end_of(text_.body().begin - 1));
    out.upper.push_back({Kind::kRows, 0, 0, {}});
    at = text_.body().end < text_.size() ? text_.begin_of(text_.body().end) : text_.end_of(text_.size() - 1);
  };
  for (auto& edit : edits_) {
    if (edit.range.begin >= text_.body().end) give_rows();
    const bool inserts = edit.range.empty();
    copy(inserts ? text_.end_of(edit.range.begin - 1) : text_.begin_of(edit.range.begin));
    out.upper.push_back(std::move(edit.piece));
    if (!inserts) at = text_.end_of(edit.range.end - 1);
  }
  give_rows();
  copy(text_.end_of(text_.size() - 1));
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    out.outputs.push_back({static_cast<std::uint16_t>(top_.widths[i]), is_star(targets_[i].value())});
  }
  out.columns = std::move(columns_);
  return out;
}

std::optional<Gather> Builder::partial() {
  Gather out;
  partial_ = true;
  if (!top_.has_aggregate && kid(top_.node, TREE_SELECT_GROUP) == nullptr) return std::nullopt;
  if (!begin(out) || !read_groups()) return std::nullopt;
  out.grouped = kid(top_.node, TREE_SELECT_GROUP) != nullptr;
  out.groups = static_cast<std::uint16_t>(groups_.size());
  if (!walk_clauses()) return std::nullopt;
  return finish(std::move(out));
}

std::optional<Gather> Builder::rows(bool distinct) {
  Gather out;
  partial_ = false;
  out.distinct = distinct;
  if (!begin(out) || !walk_clauses()) return std::nullopt;
  if (!distinct) out.order = first_rows();
  return finish(std::move(out));
}

// A row of the result is a row of FROM and WHERE: of these each shard gives as many as the result has, the first ones. Empty: all.
std::string Builder::first_rows() const {
  const auto one = [this](TokenRange range) { return range.size() == 1 && (text_.is_literal(range.begin) || text_.is_param(range.begin)); };
  const bool plain = !top_.has_aggregate && !top_.has_window && !has(top_.node, TREE_FLAG_DISTINCT) && !has(top_.node, TREE_FLAG_WITH_TIES) &&
                     kid(top_.node, TREE_SELECT_GROUP) == nullptr && kid(top_.node, TREE_SELECT_DISTINCT_ON) == nullptr;
  if (!plain || !one(text_.limit()) || (!text_.offset().empty() && !one(text_.offset()))) return {};
  for (const int part : {TREE_SELECT_TARGETS, TREE_SELECT_SORT}) {
    if (may_give_sets(kid(top_.node, static_cast<std::uint32_t>(part)))) return {};
  }
  std::string out;
  const TreeNode* list = kid(top_.node, TREE_SELECT_SORT);
  const auto ranges = text_.items(text_.sort());
  if (ranges.size() != kids(list).size()) return {};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const std::string item = sort_item(kid(list, static_cast<std::uint32_t>(i)), ranges[i]);
    if (item.empty()) return {};
    out += (out.empty() ? "\nORDER BY " : ", ") + item;
  }
  const std::string limit = "(" + std::string(text_.text(text_.limit())) + ")";
  if (text_.offset().empty()) return out + "\nLIMIT " + limit;
  // The sum of two that PostgreSQL takes must not leave the range of a bigint.
  const auto half = [](const std::string& value) { return "LEAST(" + value + ", 4611686018427387903)"; };
  return out + "\nLIMIT " + half(limit) + " + " + half("pg_catalog.int8 (" + std::string(text_.text(text_.offset())) + ")");
}

bool Builder::may_give_sets(const TreeNode* node) const {
  if (node == nullptr) return false;
  if (is(node, TREE_FUNC)) {
    const schema::Function* function =
        context_.catalog == nullptr ? nullptr : context_.catalog->function(qualifier_of(node), text_of(node), context_.search_path);
    if (function == nullptr || function->returns_set) return true;
  }
  const auto items = kids(node);
  return std::any_of(items.begin(), items.end(), [this](const TreeNode* item) { return may_give_sets(item); });
}

// As an expression over FROM, for the lower part. Empty: it is not known to be one.
std::string Builder::sort_item(const TreeNode* item, TokenRange range) const {
  if (item->op == TREE_SORT_USING) return {};
  TokenRange expression = range;
  while (expression.size() > 1) {
    const std::size_t last = expression.end - 1;
    const bool ends = text_.is_word(last, "asc") || text_.is_word(last, "desc") || text_.is_word(last, "nulls") ||
                      ((text_.is_word(last, "first") || text_.is_word(last, "last")) && text_.is_word(last - 1, "nulls"));
    if (!ends) break;
    --expression.end;
  }
  const TokenRange suffix{expression.end, range.end};
  const TreeNode* node = kid(item, 0);
  const Target* target = nullptr;
  if (is(node, TREE_CONST)) {
    for (const auto& one : targets_) {
      if (is_star(one.value())) return {};
    }
    if (node->op != TREE_CONST_INT || node->number < 1 || static_cast<std::size_t>(node->number) > targets_.size()) return {};
    target = &targets_[static_cast<std::size_t>(node->number - 1)];
  } else if (is(node, TREE_COLUMN) && node->count == 1) {
    const auto name = text_of(kid(node, 0));
    const Named named = meaning(name);
    if (named == Named::kEither) return {};
    if (named == Named::kOutput) {
      for (const auto& one : targets_) {
        const bool same = text_of(one.node) == name || (one.node->text == nullptr && is(one.value(), TREE_COLUMN) && !is_star(one.value()) &&
                                                        text_of(kid(one.value(), one.value()->count - 1)) == name);
        if (same && target != nullptr) return {};
        if (same) target = &one;
      }
      // Else a column of a star, or one whose name PostgreSQL makes.
      if (target == nullptr && !is_input(name)) return {};
    }
  }
  const std::string text(text_.text(target == nullptr ? expression : target->expression));
  return "(" + text + ")" + (suffix.empty() ? "" : " " + std::string(text_.text(suffix)));
}

bool Builder::repeats_matter(const TreeNode* node) const {
  if (node == nullptr) return false;
  if (is(node, TREE_FUNC) && kid(node, 3) != nullptr) return true;
  if (is_aggregate(node)) return !ignores_repetition(node);
  const auto items = kids(node);
  return std::any_of(items.begin(), items.end(), [this](const TreeNode* item) { return repeats_matter(item); });
}

// Rows that are equal in every column make no difference when they go into groups, or into DISTINCT, anyway.
bool Builder::may_drop_equal_rows() {
  const bool dedupes = top_.has_aggregate || has(top_.node, TREE_FLAG_DISTINCT) || kid(top_.node, TREE_SELECT_GROUP) != nullptr ||
                       kid(top_.node, TREE_SELECT_DISTINCT_ON) != nullptr;
  if (!dedupes || top_.has_window) return false;
  for (const int part : {TREE_SELECT_TARGETS, TREE_SELECT_HAVING, TREE_SELECT_SORT, TREE_SELECT_DISTINCT_ON}) {
    if (repeats_matter(kid(top_.node, static_cast<std::uint32_t>(part)))) return false;
  }
  return true;
}

}  // namespace

std::string Gather::lower() const {
  if (!inputs.empty()) return head;
  std::string out = head + (distinct ? " DISTINCT " : " ");
  for (std::size_t i = 0; i < columns.size(); ++i) out += (i > 0 ? ", " : "") + columns[i].text;
  out += "\n" + tail;
  for (std::uint16_t i = 0; grouped && i < groups; ++i) out += (i > 0 ? ", " : "\nGROUP BY ") + std::to_string(i + 1);
  return out + order;
}

std::variant<std::vector<Gather>, Error> gather_forms(const QueryWalker& walker, const AnalyzeContext& context, std::string_view sql,
                                                      bool assembles) {
  const auto cannot = [](std::string why) {
    return unsupported("this query is not supported over several shards", "Name one value of the sharding key.", std::move(why));
  };
  std::vector<Gather> forms;
  const QueryText text(sql, context.lexer);
  std::string reason;
  if (!assembles && (walker.collates() || uses_own_collation(walker))) {
    reason = "The order of its texts cannot be told.";
  } else if (!assembles) {
    Builder builder(walker, context, text);
    if (auto form = builder.partial()) forms.push_back(std::move(*form));
    if (builder.may_drop_equal_rows()) {
      if (auto form = builder.rows(true)) forms.push_back(std::move(*form));
    }
    if (auto form = builder.rows(false)) forms.push_back(std::move(*form));
    reason = builder.reason();
  }
  auto assembled = assemble(walker, text);
  if (auto* form = std::get_if<Gather>(&assembled)) {
    forms.push_back(std::move(*form));
  } else if (reason.empty()) {
    reason = std::get<std::string>(assembled);
  }
  if (forms.empty()) return cannot(reason);
  return forms;
}

Result<std::vector<Gather>> gather_forms(std::string_view sql, const Spread& spread, std::span<const Oid> param_types,
                                         const AnalyzeContext& context) {
  const std::string owned(sql);
  const ParsedTree tree(owned, context.lexer.standard_conforming_strings);
  if (tree->status != TREE_OK || tree->count != 1) return make_error(ErrorCode::kInternal, "a query over several shards cannot be read again");
  TokenStream tokens;
  tokenize(owned, context.lexer, tokens);
  SlotUse slots(owned, tokens, context.lexer);
  QueryWalker walker(context, slots, param_types);
  walker.statement(tree->statements[0].node);
  if (walker.too_complex() || (walker.top().node == nullptr && !spread.assembles)) {
    return make_error(ErrorCode::kInternal, "a query over several shards cannot be read again");
  }
  auto forms = gather_forms(walker, context, owned, spread.assembles);
  if (auto* error = std::get_if<Error>(&forms)) return *error;
  return std::move(std::get<std::vector<Gather>>(forms));
}

}  // namespace howdah::sharding::sql
