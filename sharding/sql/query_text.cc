#include "sharding/sql/query_text.h"

#include <algorithm>

namespace howdah::sharding::sql {

QueryText::QueryText(std::string_view text, const LexerOptions& options) : text_(text) {
  Scanner scanner(text, options);
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    if (token.kind == TokenKind::kSymbol && text.substr(token.begin, token.end - token.begin) == ";") break;
    tokens_.push_back(token);
  }
  find_clauses();
}

std::string_view QueryText::token(std::size_t i) const {
  return i < tokens_.size() ? text_.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin) : std::string_view();
}

bool QueryText::is_symbol(std::size_t i, std::string_view symbol) const {
  return i < tokens_.size() && tokens_[i].kind == TokenKind::kSymbol && token(i) == symbol;
}

bool QueryText::is_word(std::size_t i, std::string_view lower) const {
  return i < tokens_.size() && tokens_[i].kind == TokenKind::kWord && word(i) == lower;
}

std::string QueryText::word(std::size_t i) const {
  std::string out;
  if (i >= tokens_.size() || tokens_[i].kind != TokenKind::kWord) return out;
  for (char c : token(i)) out.push_back(lower_ascii(c));
  return out;
}

std::string_view QueryText::text(TokenRange range) const {
  if (range.empty()) return {};
  return text_.substr(begin_of(range.begin), end_of(range.end - 1) - begin_of(range.begin));
}

std::size_t QueryText::at(std::int32_t location) const {
  if (location < 0) return size();
  const auto begin = static_cast<std::uint32_t>(location);
  const auto found = std::lower_bound(tokens_.begin(), tokens_.end(), begin, [](const Token& token, std::uint32_t to) { return token.begin < to; });
  return found != tokens_.end() && found->begin == begin ? static_cast<std::size_t>(found - tokens_.begin()) : size();
}

std::size_t QueryText::behind_closing(std::size_t open) const {
  int depth = 0;
  for (std::size_t i = open; i < size(); ++i) {
    if (is_symbol(i, "(") || is_symbol(i, "[")) ++depth;
    if ((is_symbol(i, ")") || is_symbol(i, "]")) && --depth == 0) return i + 1;
  }
  return size();
}

std::vector<TokenRange> QueryText::items(TokenRange list) const {
  std::vector<TokenRange> out;
  if (list.empty()) return out;
  int depth = 0;
  std::size_t begin = list.begin;
  for (std::size_t i = list.begin; i < list.end; ++i) {
    if (is_symbol(i, "(") || is_symbol(i, "[")) ++depth;
    if (is_symbol(i, ")") || is_symbol(i, "]")) --depth;
    if (depth != 0 || !is_symbol(i, ",")) continue;
    out.push_back({begin, i});
    begin = i + 1;
  }
  out.push_back({begin, list.end});
  return out;
}

TokenRange QueryText::unwrapped(TokenRange range) const {
  while (range.size() > 2 && is_symbol(range.begin, "(") && behind_closing(range.begin) == range.end) {
    ++range.begin;
    --range.end;
  }
  return range;
}

bool QueryText::same_tokens(TokenRange a, TokenRange b) const {
  if (a.size() != b.size() || a.end > size() || b.end > size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Token& left = tokens_[a.begin + i];
    const Token& right = tokens_[b.begin + i];
    if (left.kind != right.kind) return false;
    if (left.kind == TokenKind::kWord ? word(a.begin + i) != word(b.begin + i) : token(a.begin + i) != token(b.begin + i)) return false;
  }
  return true;
}

// By the keywords outside of all parentheses. They are reserved: anything else of that spelling is quoted, stands behind a dot,
// or is an output column's name behind AS.
void QueryText::find_clauses() {
  if (!is_word(0, "with") && !is_word(0, "select")) return;
  enum class Part { kBefore, kTargets, kBody, kGroup, kAfterGroup, kSort, kRows };
  Part part = Part::kBefore;
  int depth = 0;
  TokenRange* rows = nullptr;
  const auto finish = [&](std::size_t i) {
    if (part == Part::kRows && rows != nullptr) rows->end = i;
    if (part == Part::kBody) body_.end = i;
    if (part == Part::kGroup) group_.end = i;
    if (part == Part::kSort) sort_.end = i;
  };
  for (std::size_t i = 0; i < size(); ++i) {
    if (is_symbol(i, "(") || is_symbol(i, "[")) ++depth;
    if (is_symbol(i, ")") || is_symbol(i, "]")) --depth;
    if (depth != 0 || tokens_[i].kind != TokenKind::kWord) continue;
    if (i > 0 && (is_symbol(i - 1, ".") || (is_word(i - 1, "as") && part == Part::kTargets))) continue;
    const std::string key = word(i);
    if (part == Part::kBefore) {
      if (key != "select") continue;
      select_ = i;
      part = Part::kTargets;
      targets_.begin = i + 1;
      if (is_word(i + 1, "all")) ++targets_.begin;
      if (!is_word(i + 1, "distinct")) continue;
      ++targets_.begin;
      if (!is_word(i + 2, "on") || !is_symbol(i + 3, "(")) continue;
      targets_.begin = behind_closing(i + 3);
      distinct_on_ = {i + 4, targets_.begin - 1};
    } else if (part == Part::kTargets) {
      // IS [NOT] DISTINCT FROM is no clause.
      if (key != "from" || (i > 1 && is_word(i - 1, "distinct") && (is_word(i - 2, "is") || is_word(i - 2, "not")))) continue;
      targets_.end = body_.begin = i;
      part = Part::kBody;
    } else if (key == "group" && is_word(i + 1, "by") && part == Part::kBody) {
      finish(i);
      part = Part::kGroup;
      group_.begin = i + 2;
      if (is_word(i + 2, "all") || is_word(i + 2, "distinct")) ++group_.begin;
    } else if (key == "having" || key == "window") {
      finish(i);
      part = Part::kAfterGroup;
    } else if (key == "order" && is_word(i + 1, "by") && part < Part::kSort) {
      finish(i);
      part = Part::kSort;
      sort_.begin = i + 2;
    } else if (key == "limit" || key == "offset" || key == "fetch") {
      finish(i);
      part = Part::kRows;
      rows = key == "limit" ? &limit_ : key == "offset" ? &offset_ : nullptr;
      if (rows != nullptr) rows->begin = rows->end = i + 1;
    } else if (key == "for" && part >= Part::kBody) {
      finish(i);
      part = Part::kRows;
      rows = nullptr;
    }
  }
  finish(size());
  plain_ = part >= Part::kBody && targets_.begin <= targets_.end && depth == 0;
}

}  // namespace howdah::sharding::sql
