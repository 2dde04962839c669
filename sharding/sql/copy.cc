// COPY of tables whose rows live on several shards.
#include <algorithm>
#include <optional>

#include "sharding/sql/clock_types.h"
#include "sharding/sql/placement.h"
#include "sharding/sql/statement.h"

namespace howdah::sharding::sql {

namespace {

// A one-byte option's value; the server refuses others.
bool take_byte(const std::string& value, char& out) {
  if (value.size() != 1) return false;
  out = value[0];
  return true;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

bool is_off(const std::string& value) { return value == "false" || value == "off" || value == "0"; }

// https://www.postgresql.org/docs/15/sql-copy.html, the options of both of its forms.
class Options {
 public:
  // The name of an option that is not understood; empty when all are.
  std::string read(const TreeNode* list) {
    for (const TreeNode* option : kids(list)) {
      if (!take(std::string(text_of(option)), kid(option, 0))) return std::string(text_of(option));
    }
    return {};
  }
  CopyFormat format() const {
    CopyFormat out;
    out.kind = kind_;
    out.header = header_;
    const bool csv = kind_ == CopyKind::kCsv;
    out.delimiter = delimiter_.value_or(csv ? ',' : '\t');
    out.null = null_.value_or(csv ? "" : "\\N");
    out.quote = quote_.value_or('"');
    out.escape = escape_.value_or(out.quote);
    return out;
  }

 private:
  bool take(const std::string& name, const TreeNode* argument) {
    const std::string value = argument == nullptr ? "" : constant_text(argument);
    const std::string word = lower(value);
    if (name == "format") {
      kind_ = word == "csv" ? CopyKind::kCsv : word == "binary" ? CopyKind::kBinary : CopyKind::kText;
      return word == "csv" || word == "binary" || word == "text";
    }
    if (name == "delimiter") return take_byte(value, delimiter_.emplace());
    if (name == "quote") return take_byte(value, quote_.emplace());
    if (name == "escape") return take_byte(value, escape_.emplace());
    if (name == "null") {
      null_ = value;
      return true;
    }
    if (name == "header") {
      header_ = argument == nullptr || !is_off(word);
      return true;
    }
    if (name == "encoding") return word == "utf8" || word == "utf-8" || word == "unicode";
    return name == "freeze" || name == "force_quote";
  }

  CopyKind kind_ = CopyKind::kText;
  bool header_ = false;
  std::optional<char> delimiter_, quote_, escape_;
  std::optional<std::string> null_;
};

class CopyPlanner {
 public:
  CopyPlanner(const TreeNode* node, const NamedTable& table, StatementPlan& plan) : node_(node), table_(table), plan_(plan) {}

  void to() {
    auto copy = begin();
    if (copy == nullptr) return;
    if (table_.relation == nullptr) return cannot("The table is not known yet.");
    if (table_.relation->row_security) return cannot("Table " + table_.shown() + " has row-level policies.");
    if (holds_oids(copy->format, copied_columns())) return cannot(kHoldsOids);
    place(std::move(copy));
  }

  void from() {
    auto copy = begin();
    if (copy == nullptr) return;
    if (table_.relation == nullptr) return cannot("The table is not known yet.");
    const schema::Relation& relation = *table_.relation;
    if (kid(node_, 4) != nullptr) return cannot("It has a WHERE clause.");
    if (relation.has_triggers || table_.has_triggers) return cannot("Table " + table_.shown() + " has triggers.");
    if (relation.row_security) return cannot("Table " + table_.shown() + " has row-level policies.");
    const bool hashed = table_.rule->kind == TableRuleKind::kHash;
    const auto columns = copied_columns();
    if (holds_oids(copy->format, columns)) return cannot(kHoldsOids);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] == nullptr) return cannot("A column in its list is not known.");
      if (hashed && columns[i]->name == table_.rule->column) copy->format.key = i;
      if (!reads_no_clock(columns[i]->type)) copy->format.clocks.push_back(i);
    }
    if (hashed) {
      if (copy->format.key == CopyFormat::kNoKey) return cannot("Sharding key " + table_.rule->column + " is missing from its columns.");
      const schema::Column& key = *columns[copy->format.key];
      const auto family = key_family(key.type);
      if (!family || !key.deterministic_collation) return cannot("The sharding key cannot be used.");
      copy->key = Pin{*family, key.type, true, key.not_null, {}};
    } else {
      for (const auto& column : relation.columns) {
        if (!column.has_default || column.generated || std::find(columns.begin(), columns.end(), &column) != columns.end()) continue;
        return cannot("The default of column " + column.name + " may differ between shards.");
      }
      copy->reference = true;
    }
    copy->in = true;
    place(std::move(copy));
  }

 private:
  static constexpr const char* kHoldsOids = "Values of users' types in binary format may hold OIDs, which are others on each shard.";
  static constexpr Oid kFirstUserOid = 16384;

  static bool holds_oids(const CopyFormat& format, const std::vector<const schema::Column*>& columns) {
    return format.kind == CopyKind::kBinary &&
           std::any_of(columns.begin(), columns.end(), [](const auto* column) { return column != nullptr && column->type >= kFirstUserOid; });
  }

  void cannot(std::string why) {
    const bool from = has(node_, TREE_FLAG_IS);
    refuse(plan_, unsupported("COPY " + std::string(from ? "FROM" : "TO") + " is not supported here for table " + table_.shown() +
                                  " with several shards",
                              from ? "Use INSERT." : "COPY a query that names one value of the sharding key.", std::move(why)));
  }

  std::shared_ptr<ManyCopy> begin() {
    Options options;
    if (const auto unknown = options.read(kid(node_, 3)); !unknown.empty()) {
      cannot("Option " + unknown + " is not understood.");
      return nullptr;
    }
    auto copy = std::make_shared<ManyCopy>();
    copy->format = options.format();
    return copy;
  }

  void place(std::shared_ptr<ManyCopy> copy) {
    plan_.where = Where::kManyShards;
    if (copy->in && copy->reference) {
      plan_.lock_tables.push_back(quoted(table_.schema) + "." + quoted(table_.name));
      plan_.reference_write = true;
    }
    plan_.many_copy = std::move(copy);
  }

  static std::string quoted(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
  }

  // In the order of the data; without a list, all but generated ones. Null: unknown.
  std::vector<const schema::Column*> copied_columns() const {
    std::vector<const schema::Column*> out;
    const TreeNode* list = kid(node_, 2);
    for (const TreeNode* name : kids(list)) out.push_back(table_.relation->column(text_of(name)));
    if (list != nullptr && list->count > 0) return out;
    for (const auto& column : table_.relation->columns) {
      if (!column.generated) out.push_back(&column);
    }
    return out;
  }

  const TreeNode* node_;
  const NamedTable& table_;
  StatementPlan& plan_;
};

}  // namespace

void plan_many_copy(const TreeNode* node, const NamedTable& table, StatementPlan& plan) {
  CopyPlanner planner(node, table, plan);
  has(node, TREE_FLAG_IS) ? planner.from() : planner.to();
}

std::shared_ptr<const ManyCopy> copy_of_query(const TreeNode* node) {
  Options options;
  if (!options.read(kid(node, 3)).empty()) return nullptr;
  auto copy = std::make_shared<ManyCopy>();
  copy->format = options.format();
  // Values of users' types may hold OIDs, which are others on each shard; which types it gives is not known.
  return copy->format.kind == CopyKind::kBinary ? nullptr : copy;
}

}  // namespace howdah::sharding::sql
