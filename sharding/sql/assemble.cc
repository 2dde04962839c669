#include "sharding/sql/assemble.h"

#include <algorithm>
#include <set>

namespace howdah::sharding::sql {

namespace {

using Piece = Gather::Piece;

constexpr std::size_t kMostInputs = 64;

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string table_name(const TableUse& use) {
  const bool only = !has(use.node, TREE_FLAG_INHERIT);
  return (only ? "ONLY " : "") + quoted(use.relation->schema) + "." + quoted(use.relation->name);
}

// What the statement calls by name, and how.
struct Names {
  std::set<std::string_view> columns;  // also those of USING; or whole rows
  std::set<std::string_view> aliases;  // of anything in FROM
  bool all = false;                    // of stars and NATURAL: every column
  bool types = false;                  // pg_typeof

  // Many branches of a UNION are one deep tree: in a loop, not by recursion.
  explicit Names(const TreeNode* statement) {
    std::vector<const TreeNode*> open{statement};
    while (!open.empty()) {
      const TreeNode* node = open.back();
      open.pop_back();
      if (node == nullptr) continue;
      if (node->kind == TREE_COLUMN) {
        read_column(node);
        continue;
      }
      if (node->kind == TREE_JOIN) {
        // Names for a join's columns stand in their order.
        all = all || has(node, TREE_FLAG_NATURAL) || (kid(node, 4) != nullptr && kid(node, 4)->count > 0);
        for (const TreeNode* name : kids(kid(node, 3))) columns.insert(text_of(name));
      }
      if (node->kind == TREE_FUNC && text_of(node) == "pg_typeof") types = true;
      if (node->kind == TREE_ALIAS || node->kind == TREE_RANGE_VAR) aliases.insert(text_of(node));
      for (const TreeNode* item : kids(node)) open.push_back(item);
    }
  }

 private:
  void read_column(const TreeNode* node) {
    if (is(kid(node, node->count - 1), TREE_STAR)) {
      all = true;
      return;
    }
    columns.insert(text_of(kid(node, node->count - 1)));
  }
};

// Conditions that are short to say again: columns compared with constants and parameters.
class Condition {
 public:
  explicit Condition(const QueryText& text) : text_(text) {}

  // Empty: it is none of these.
  std::string say(const TreeNode* node) const {
    if (node == nullptr) return {};
    if (node->kind == TREE_BOOL) return boolean(node);
    if (node->kind == TREE_NULL_TEST) {
      const std::string argument = operand(kid(node, 0));
      return argument.empty() ? argument : argument + (node->op == 1 ? " IS NOT NULL" : " IS NULL");
    }
    if (node->kind != TREE_EXPR || !qualifier_of(node).empty()) return {};
    const std::string left = operand(kid(node, 0));
    if (left.empty()) return {};
    switch (node->op) {
      case TREE_OP:
      case TREE_LIKE_OP: {
        const auto name = std::find(std::begin(kOperators), std::end(kOperators), text_of(node));
        const std::string right = operand(kid(node, 1));
        return name == std::end(kOperators) || right.empty() ? std::string() : left + " " + std::string(*name) + " " + right;
      }
      case TREE_IN:
        return in_list(node, left);
      case TREE_BETWEEN_OP: {
        const std::string low = operand(kid(kid(node, 1), 0)), high = operand(kid(kid(node, 1), 1));
        const bool known = text_of(node) == "BETWEEN" || text_of(node) == "NOT BETWEEN";
        return !known || low.empty() || high.empty() ? std::string() : left + " " + std::string(text_of(node)) + " " + low + " AND " + high;
      }
      default:
        return {};
    }
  }

 private:
  static constexpr std::string_view kOperators[] = {"=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*"};

  std::string boolean(const TreeNode* node) const {
    std::string out;
    for (const TreeNode* argument : kids(node)) {
      const std::string part = say(argument);
      if (part.empty()) return {};
      out += (out.empty() ? "" : node->op == TREE_OR ? " OR " : " AND ") + ("(" + part + ")");
    }
    return node->op == TREE_NOT ? "NOT " + out : out;
  }

  std::string in_list(const TreeNode* node, const std::string& left) const {
    std::string list;
    for (const TreeNode* item : kids(kid(node, 1))) {
      const std::string value = operand(item);
      if (value.empty()) return {};
      list += (list.empty() ? "" : ", ") + value;
    }
    return list.empty() ? list : left + (text_of(node) == "<>" ? " NOT IN (" : " IN (") + list + ")";
  }

  std::string operand(const TreeNode* node) const {
    if (node == nullptr) return {};
    switch (node->kind) {
      case TREE_COLUMN:
        return quoted(text_of(kid(node, node->count - 1)));
      case TREE_PARAM:
        return node->number > 0 ? "$" + std::to_string(node->number) : std::string();
      case TREE_CONST:
        return constant(node);
      case TREE_CAST: {
        const TreeNode* type = kid(node, 1);
        const std::string value = is(kid(node, 0), TREE_CAST) || is(kid(node, 0), TREE_COLUMN) ? std::string() : operand(kid(node, 0));
        if (value.empty() || type == nullptr || type->count > 0 || type->number != 0) return {};
        return "(" + value + ")::" + (type->qualifier != nullptr ? quoted(qualifier_of(type)) + "." : "") + quoted(text_of(type));
      }
      default:
        return {};
    }
  }

  // As the client wrote it.
  std::string constant(const TreeNode* node) const {
    if (node->op == TREE_CONST_BOOL) return node->number != 0 ? "true" : "false";
    if (node->op != TREE_CONST_INT && node->op != TREE_CONST_FLOAT && node->op != TREE_CONST_STRING) return {};
    if (node->op == TREE_CONST_STRING && reads_clock(text_of(node))) return {};
    std::size_t at = text_.at(node->location);
    std::string sign;
    if (text_.is_symbol(at, "-")) {
      sign = "-";
      ++at;
    }
    if (!text_.is_literal(at) || text_.is_word(at + 1, "uescape")) return {};
    const std::string value(text_.token(at));
    return sign.empty() ? value : "(" + sign + value + ")";
  }

  // Read on each server for itself, it would be another time.
  static bool reads_clock(std::string_view text) {
    std::string lower;
    for (const char c : text) lower += lower_ascii(c);
    const auto says = [&lower](const char* word) { return lower.find(word) != std::string::npos; };
    return says("now") || says("today") || says("tomorrow") || says("yesterday");
  }

  const QueryText& text_;
};

const TreeNode* statement_of(const QueryWalker& walker) {
  return walker.top().node != nullptr ? walker.top().node : walker.top_set().node;
}

// A row as one value has all columns, also that of a join which has been given a name.
bool needs_all_columns(const Names& names) {
  if (names.all) return true;
  return std::any_of(names.aliases.begin(), names.aliases.end(), [&](std::string_view name) { return names.columns.contains(name); });
}

// A value that came as a parameter has the database's collation.
bool uses_own_collation(const QueryWalker& walker, const Names& names) {
  for (const auto& use : walker.findings().tables) {
    const bool all = names.all || use.node == nullptr || use.node->location < 0;
    const TreeNode* alias = kid(use.node, 0);
    for (const auto& column : use.relation->columns) {
      if (column.own_collation && (all || (alias != nullptr && alias->count > 0) || names.columns.contains(column.name))) return true;
    }
  }
  return false;
}

// Empty: nothing is in the way.
std::string obstacle(const QueryWalker& walker, const Names& names) {
  if (names.types) return "The type of a column may be lost on the way.";
  std::size_t tables = 0;
  for (const auto& use : walker.findings().tables) {
    if (use.written || use.locked) return "It writes or locks rows.";
    if (use.rule->kind != TableRuleKind::kHash) continue;
    if (use.node == nullptr || use.node->location < 0) return "It reads a view whose rows do not belong together by the sharding key.";
    if (++tables > kMostInputs) return "It reads too many tables.";
  }
  if (tables == 0) return "It reads no sharded table.";
  return uses_own_collation(walker, names) ? "A column has a collation of its own." : std::string();
}

class Assembler {
 public:
  Assembler(const QueryWalker& walker, const QueryText& text)
      : walker_(walker), text_(text), condition_(text), names_(statement_of(walker)), all_(needs_all_columns(names_)) {}

  // Empty: it is done.
  std::string run(Gather& out) {
    if (auto why = obstacle(walker_, names_); !why.empty()) return why;
    for (const auto& use : walker_.findings().tables) {
      if (use.rule->kind == TableRuleKind::kHash && !take(use)) return "A table's name cannot be read.";
    }
    write_lower(out);
    write_upper(out);
    return {};
  }

 private:
  struct Input {
    std::string table, where;
    std::vector<std::string> columns;
  };
  struct Place {
    std::uint32_t begin, end;  // of the table's name in the text
    std::string alias;         // to be added
    std::uint16_t input;
  };

  bool take(const TableUse& use) {
    const TreeNode* alias = kid(use.node, 0);
    Place place;
    std::size_t at = text_.at(use.node->location);
    if (at == text_.size()) return false;
    std::size_t end = at + 1;
    while (text_.is_symbol(end, ".")) end += 2;
    if (!has(use.node, TREE_FLAG_INHERIT)) {
      if (at == 0 || !text_.is_word(at - 1, "only")) return false;
      --at;
    }
    if (text_.is_symbol(end, "*") || end > text_.size()) return false;
    place.begin = text_.begin_of(at);
    place.end = text_.end_of(end - 1);
    if (alias == nullptr) place.alias = " AS " + quoted(text_of(use.node));
    Input input{table_name(use), conditions(use), {}};
    const bool all = all_ || (alias != nullptr && alias->count > 0);
    for (const auto& column : use.relation->columns) {
      if (all || names_.columns.contains(column.name)) input.columns.push_back(column.name);
    }
    place.input = static_cast<std::uint16_t>(add(std::move(input)));
    places_.push_back(std::move(place));
    return true;
  }

  // One table that is read twice in the same way comes once.
  std::size_t add(Input input) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i].table == input.table && inputs_[i].where == input.where && inputs_[i].columns == input.columns) return i;
    }
    inputs_.push_back(std::move(input));
    return inputs_.size() - 1;
  }

  std::string conditions(const TableUse& use) const {
    std::string out;
    for (const auto& restriction : walker_.restrictions()) {
      if (restriction.entry != use.entry) continue;
      const std::string text = condition_.say(restriction.condition);
      if (!text.empty()) out += (out.empty() ? "(" : " AND (") + text + ")";
    }
    return out;
  }

  // Columns of other inputs are NULL, in the first branch of their types.
  void write_lower(Gather& out) {
    out.columns.push_back({"input"});
    for (const auto& input : inputs_) {
      Gather::Input described{static_cast<std::uint16_t>(out.columns.size()), input.columns};
      if (input.columns.empty()) out.columns.push_back({"false"});
      for (const auto& column : input.columns) out.columns.push_back({quoted(column)});
      out.inputs.push_back(std::move(described));
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      out.head += (i > 0 ? "\nUNION ALL SELECT " : "SELECT ") + std::to_string(i) + "::pg_catalog.int4 AS input";
      for (std::size_t j = 0; j < inputs_.size(); ++j) add_columns(i, j, out.head);
      out.head += " FROM " + inputs_[i].table;
      if (!inputs_[i].where.empty()) out.head += " WHERE " + inputs_[i].where;
    }
  }

  void add_columns(std::size_t branch, std::size_t of, std::string& out) const {
    const Input& input = inputs_[of];
    if (input.columns.empty()) out += branch == of ? ", false" : branch == 0 ? ", NULL::pg_catalog.bool" : ", NULL";
    for (const auto& column : input.columns) {
      if (branch == of) {
        out += ", " + quoted(column);
      } else if (branch == 0) {
        out += ", (SELECT " + quoted(column) + " FROM " + input.table + " LIMIT 0)";
      } else {
        out += ", NULL";
      }
    }
  }

  void write_upper(Gather& out) {
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
    const auto source = text_.source();
    std::uint32_t at = text_.begin_of(0);
    const auto copy = [&](std::uint32_t to, std::string more) {
      std::string text(source.substr(at, to - at));
      out.upper.push_back({Piece::Kind::kText, 0, 0, std::move(more) + text});
    };
    std::string alias;
    for (auto& place : places_) {
      copy(place.begin, std::move(alias));
      out.upper.push_back({Piece::Kind::kInput, place.input, 0, {}});
      alias = std::move(place.alias);
      at = place.end;
    }
    copy(text_.end_of(text_.size() - 1), std::move(alias));
  }

  const QueryWalker& walker_;
  const QueryText& text_;
  Condition condition_;
  Names names_;
  bool all_;
  std::vector<Input> inputs_;
  std::vector<Place> places_;
};

}  // namespace

bool uses_own_collation(const QueryWalker& walker) {
  const TreeNode* statement = statement_of(walker);
  return statement != nullptr && uses_own_collation(walker, Names(statement));
}

std::string cannot_assemble(const QueryWalker& walker) {
  const TreeNode* statement = statement_of(walker);
  return statement == nullptr ? "It is no SELECT." : obstacle(walker, Names(statement));
}

std::variant<Gather, std::string> assemble(const QueryWalker& walker, const QueryText& text) {
  if (statement_of(walker) == nullptr || text.size() == 0) return std::string("It is no SELECT.");
  Gather out;
  if (auto why = Assembler(walker, text).run(out); !why.empty()) return why;
  return out;
}

}  // namespace howdah::sharding::sql
