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
  TableCheck(const AnalyzeContext& context, const NamedTable& table) : context_(context), table_(table) {}

  // CREATE TABLE: elements and table constraints. The first fault found, if any.
  std::optional<Error> create(const TreeNode* elements, const TreeNode* constraints) const;
  // Columns and constraints that a partition or child adds to what its parent has.
  std::optional<Error> add(const TreeNode* elements) const;
  std::optional<Error> unique_index(const TreeNode* elements) const;
  std::optional<Error> alter(const TreeNode* command) const;

 private:
  bool hashed() const { return table_.rule->kind == TableRuleKind::kHash; }
  std::optional<Error> column(const TreeNode* column) const;
  std::optional<Error> constraint(const TreeNode* constraint, std::string_view column) const;
  std::optional<Error> unique(const std::vector<std::string_view>& columns, std::string_view what) const;
  std::optional<Error> foreign_key(const TreeNode* constraint, std::string_view column) const;
  std::optional<Error> colocated(const NamedTable& to, const std::vector<std::string_view>& from_columns,
                                 const std::vector<std::string_view>& to_columns) const;
  std::optional<Error> key_type(const TreeNode* type) const;

  const AnalyzeContext& context_;
  const NamedTable& table_;
};

}  // namespace howdah::sharding::sql
