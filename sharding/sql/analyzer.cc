#include "sharding/sql/analyzer.h"

#include <algorithm>

#include "sharding/sql/code_text.h"
#include "sharding/sql/howdah_explain.h"
#include "sharding/sql/parse_error.h"
#include "sharding/sql/placement.h"
#include "sharding/sql/scan.h"
#include "sharding/sql/statement.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {

namespace {

// Bison's stack and the tree of a longer text would take more memory than one client may cost.
constexpr std::size_t kMaxSharded = 16u << 20;

std::uint16_t highest_param(std::string_view sql, const LexerOptions& options) {
  std::uint32_t highest = 0;
  Scanner scanner(sql, options);
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    if (token.kind != TokenKind::kParam) continue;
    std::uint32_t number = 0;
    for (std::uint32_t i = token.begin + 1; i < token.end && number < 100000; ++i) {
      number = number * 10 + static_cast<std::uint32_t>(sql[i] - '0');
    }
    highest = std::max(highest, std::min(number, 65535u));
  }
  return static_cast<std::uint16_t>(highest);
}

// A text that the grammar of PostgreSQL 15 does not know, or that is too much for us, with one shard: it goes
// there as it is, and its connection stays with the client, for nothing is known of what it leaves behind.
Analysis opaque(std::string_view sql, std::uint16_t params) {
  Analysis analysis;
  StatementPlan plan;
  plan.verb = Verb::kOther;
  plan.where = Where::kHome;
  plan.returns_rows = true;
  plan.pin = find_settings_in_code(sql, plan.configs) ? PinReason::kUserCode : PinReason::kSetConfig;
  plan.changes_catalog = true;
  plan.end = static_cast<std::uint32_t>(sql.size());
  analysis.plan.statements.push_back(std::move(plan));
  analysis.plan.params = params;
  analysis.plan.exact_text = true;
  return analysis;
}

// From the first token on: the grammar counts the space and the comments in front of a statement to it.
void trim(std::string_view sql, const LexerOptions& options, StatementPlan& plan) {
  plan.end = std::min(plan.end, static_cast<std::uint32_t>(sql.size()));
  plan.begin = std::min(Scanner(sql, options, plan.begin).next().begin, plan.end);
  while (plan.end > plan.begin && is_class(static_cast<unsigned char>(sql[plan.end - 1]), kSpaceChar))
    --plan.end;
}

// Queries are what is worth sharing between texts. Of all others the session wants the very text.
bool is_shareable(const Plan& plan) {
  if (plan.statements.size() != 1 || plan.statements[0].inner_end != 0) return false;
  switch (plan.statements[0].verb) {
    case Verb::kSelect:
    case Verb::kInsert:
    case Verb::kUpdate:
    case Verb::kDelete:
    case Verb::kMerge:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<Analysis> analyze(std::string_view sql, const TokenStream& tokens, std::span<const Oid> param_types,
                         const AnalyzeContext& context) {
  const auto params = highest_param(sql, context.lexer);
  if (sql.size() > kMaxSharded) {
    if (!context.sharded()) return opaque(sql, params);
    return make_error(ErrorCode::kTooComplex, "statement is too long to be analyzed",
                      "Split it into several statements.");
  }
  std::string text(sql);
  const auto prefixes = explain_prefixes(sql, context.lexer);
  blank(text, prefixes);
  const ParsedTree tree(text, context.lexer.standard_conforming_strings);
  const auto too_complex = [&]() -> Result<Analysis> {
    if (!context.sharded()) return opaque(sql, params);
    return make_error(ErrorCode::kTooComplex, "statement nests too deep to be analyzed",
                      "Write it with fewer levels of parentheses, operators or subqueries.");
  };
  switch (tree->status) {
    case TREE_OK:
      break;
    case TREE_SYNTAX_ERROR: {
      if (!context.sharded()) return opaque(sql, params);
      const std::string message = tree->error == nullptr ? "syntax error" : tree->error;
      // Bison's own limit: PostgreSQL says the same of such a text.
      if (message.starts_with("memory exhausted")) return too_complex();
      return parse_error(sql, context.lexer, message, tree->error_position);
    }
    case TREE_TOO_DEEP:
      return too_complex();
    default:
      return make_error(ErrorCode::kProgramLimit, "out of memory while analyzing a statement");
  }

  Analysis analysis;
  analysis.plan.params = params;
  std::size_t wrapped = 0;
  SlotUse slots(sql, tokens, context.lexer);
  StatementInput input{sql, context, slots, param_types};
  for (std::uint32_t i = 0; i < tree->count; ++i) {
    StatementPlan& plan = analysis.plan.statements.emplace_back();
    plan.begin = tree->statements[i].begin;
    plan.end = tree->statements[i].end;
    trim(sql, context.lexer, plan);
    plan_statement(input, tree->statements[i].node, plan);
    if (input.too_complex) return too_complex();
    // Triggers run unseen: where the code of one may leave state, every write is users' code.
    const bool changes_rows = plan.verb <= Verb::kCopyIn && plan.writes;
    if (changes_rows && plan.pin == PinReason::kNone && context.catalog != nullptr && context.catalog->code_state().in_triggers) {
      plan.pin = PinReason::kUserCode;
    }
    const bool explained = std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) { return prefix.begin == plan.begin; });
    if (explained) wrap_explained(text, context.lexer, plan);
    wrapped += explained ? 1 : 0;
  }
  if (wrapped != prefixes.size()) return make_error(ErrorCode::kSyntaxError, "syntax error: EXPLAIN (HOWDAH) without a statement");
  if (is_shareable(analysis.plan)) {
    analysis.plan.statements[0].begin = 0;
    analysis.plan.statements[0].end = kWholeText;
  } else {
    analysis.plan.exact_text = tree->count > 0;
  }
  analysis.guards = slots.guards();
  return analysis;
}

}  // namespace howdah::sharding::sql
