#include "sharding/sql/clock_calls.h"

namespace howdah::sharding::sql {

namespace {

using Kind = ClockCall::Kind;

// Of SQLValueFunctionOp, in its order; behind these come CURRENT_ROLE and other names.
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/nodes/primnodes.h
constexpr Kind kValues[] = {Kind::kCurrentDate, Kind::kCurrentTime, Kind::kCurrentTime, Kind::kCurrentTimestamp, Kind::kCurrentTimestamp,
                            Kind::kLocalTime,   Kind::kLocalTime,   Kind::kLocalTimestamp, Kind::kLocalTimestamp};

}  // namespace

std::optional<Kind> clock_kind(const TreeNode* node) {
  if (is(node, TREE_SQL_VALUE)) {
    if (node->op >= std::size(kValues)) return std::nullopt;
    return kValues[node->op];
  }
  if (!is(node, TREE_FUNC) || !kids(kid(node, 0)).empty() || kid(node, 3) != nullptr) return std::nullopt;
  const auto name = text_of(node);
  if (name == "now") return Kind::kNow;
  if (name == "transaction_timestamp") return Kind::kTransactionTimestamp;
  if (name == "statement_timestamp") return Kind::kStatementTimestamp;
  return std::nullopt;
}

bool is_clock_value(const TreeNode* node) {
  if (is(node, TREE_EXPR) && node->op == TREE_OP && (text_of(node) == "+" || text_of(node) == "-")) node = kid(node, 0);
  return clock_kind(node).has_value();
}

}  // namespace howdah::sharding::sql
