#include "sharding/sql/howdah_explain.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

bool is_word(std::string_view sql, const Token& token, std::string_view lower) {
  return token.kind == TokenKind::kWord && token.end - token.begin == lower.size() &&
         std::equal(lower.begin(), lower.end(), sql.begin() + token.begin, [](char a, char b) { return a == lower_ascii(b); });
}

bool is_symbol(std::string_view sql, const Token& token, char symbol) {
  return token.kind == TokenKind::kSymbol && token.end - token.begin == 1 && sql[token.begin] == symbol;
}

// `scanner` stands behind EXPLAIN; afterwards behind the parenthesis, if this is one.
bool reads_option(std::string_view sql, Scanner& scanner) {
  Scanner ahead = scanner;
  if (!is_symbol(sql, ahead.next(), '(') || !is_word(sql, ahead.next(), "howdah")) return false;
  Token token = ahead.next();
  if (is_word(sql, token, "on") || is_word(sql, token, "true")) token = ahead.next();
  if (!is_symbol(sql, token, ')')) return false;
  scanner = ahead;
  return true;
}

}  // namespace

std::vector<ExplainPrefix> explain_prefixes(std::string_view sql, const LexerOptions& options) {
  std::vector<ExplainPrefix> found;
  Scanner scanner(sql, options);
  bool first = true;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    if (first && is_word(sql, token, "explain") && reads_option(sql, scanner)) found.push_back({token.begin, scanner.at()});
    first = is_symbol(sql, token, ';');
  }
  return found;
}

void blank(std::string& sql, const std::vector<ExplainPrefix>& prefixes) {
  for (const auto& prefix : prefixes) std::fill(sql.begin() + prefix.begin, sql.begin() + prefix.end, ' ');
}

void wrap_explained(const std::string& blanked, const LexerOptions& options, StatementPlan& plan) {
  StatementPlan outer;
  outer.begin = plan.begin;
  outer.end = outer.inner_end = plan.end;
  plan.begin = outer.inner_begin = std::min(Scanner(blanked, options, plan.begin).next().begin, plan.end);
  outer.verb = Verb::kExplain;
  outer.where = Where::kProxy;
  outer.writes = false;
  outer.returns_rows = true;
  outer.explained = std::make_shared<const StatementPlan>(std::move(plan));
  plan = std::move(outer);
}

}  // namespace howdah::sharding::sql
