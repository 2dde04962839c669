// From one statement's tree to its plan.
//
// statement.cc  queries, and the utility statements that hold or resemble one
// session.cc    statements about transactions, settings, prepared statements and cursors
// copy.cc       COPY of tables on several shards
// ddl.cc        statements that change the catalog
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sharding/sql/analyzer.h"
#include "sharding/sql/constants.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {

struct StatementInput {
  std::string_view sql;
  const AnalyzeContext& context;
  SlotUse& slots;
  std::span<const Oid> param_types;
  bool too_complex = false;  // set when queries nest too deep
};

// Fills all of `plan` but its byte range; begin and end must be set already.
void plan_statement(StatementInput& input, const TreeNode* node, StatementPlan& plan);

// True when `node` was a statement of the session (session.cc).
bool plan_session(StatementInput& input, const TreeNode* node, StatementPlan& plan);
// REQUIRES: `node` is a TREE_UTILITY that changes the catalog, or maintains what is in it.
void plan_ddl(StatementInput& input, const TreeNode* node, StatementPlan& plan);

// Where a statement about named tables runs when each table's shards all take part: LOCK, TRUNCATE,
// maintenance. `with_catalog`: also system catalogs are fine.
void place_on_tables(const StatementInput& input, const TreeNode* relations, StatementPlan& plan);
// The rule of the relation that a TREE_RANGE_VAR names: by the catalog, else by the schema that it would be
// created in.
struct NamedTable {
  const schema::Relation* relation = nullptr;
  const TableRule* rule = nullptr;
  std::string schema, name;  // of the rule, or as it would be created
  bool has_triggers = false; // of the rule's table
  std::string shown() const { return schema == "public" ? name : schema + "." + name; }
};
NamedTable find_table(const AnalyzeContext& context, const TreeNode* range_var);

// COPY of a hash table, or FROM into a reference table (copy.cc).
void plan_many_copy(const TreeNode* node, const NamedTable& table, StatementPlan& plan);
// COPY (query) TO STDOUT; null when its options are not understood, or nothing is known of its values.
std::shared_ptr<const ManyCopy> copy_of_query(const TreeNode* node);

// Text of a constant: strings as they are, numbers as written.
std::string constant_text(const TreeNode* constant);

}  // namespace howdah::sharding::sql
