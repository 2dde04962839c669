// What CREATE TABLE, CREATE INDEX and ALTER TABLE must keep to so that every shard can enforce it alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sharding/sql/statement.h"

namespace howdah::sharding::sql {

// serial and its like.
bool is_serial(const TreeNode* type);

// A column's definition makes a sequence: serial or identity.
bool gives_values(const TreeNode* column);

// Checks definitions of one table against its rule.
class TableCheck {
 public:
  // `per_shard` takes the first unique key that would hold on each shard only: no fault by itself.
  TableCheck(const AnalyzeContext& context, const NamedTable& table, std::optional<Error>& per_shard)
      : context_(context), table_(table), per_shard_(per_shard) {}

  // CREATE TABLE: elements and table constraints. The first fault found, if any.
  std::optional<Error> create(const TreeNode* elements, const TreeNode* constraints);
  // Columns and constraints that a partition or child adds to what its parent has.
  std::optional<Error> add(const TreeNode* elements);
  std::optional<Error> unique_index(const TreeNode* elements);
  std::optional<Error> alter(const TreeNode* command);

 private:
  bool hashed() const { return table_.rule->kind == TableRuleKind::kHash; }
  std::optional<Error> column(const TreeNode* column);
  std::optional<Error> constraint(const TreeNode* constraint, std::string_view column);
  std::optional<Error> unique(const std::vector<std::string_view>& columns, std::string_view what);
  std::optional<Error> foreign_key(const TreeNode* constraint, std::string_view column) const;
  std::optional<Error> colocated(const NamedTable& to, const std::vector<std::string_view>& from_columns,
                                 const std::vector<std::string_view>& to_columns) const;
  std::optional<Error> key_type(const TreeNode* type) const;

  const AnalyzeContext& context_;
  const NamedTable& table_;
  std::optional<Error>& per_shard_;
};

}  // namespace howdah::sharding::sql
