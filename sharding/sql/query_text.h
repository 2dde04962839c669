// A query's text as tokens, and the clauses of its outermost level: for rewriting what the tree knows by place only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

// Tokens [begin, end) of QueryText.
struct TokenRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool empty() const { return begin == end; }
  std::size_t size() const { return end - begin; }
};

// Borrows the text.
class QueryText {
 public:
  // `text` is one statement. See is_plain().
  QueryText(std::string_view text, const LexerOptions& options);

  // [WITH ...] SELECT ... FROM ..., without parentheses around it. Only then the clauses below are known.
  bool is_plain() const { return plain_; }
  std::size_t select() const { return select_; }  // the token SELECT
  TokenRange targets() const { return targets_; }  // behind SELECT [ALL | DISTINCT [ON (...)]]
  TokenRange distinct_on() const { return distinct_on_; }  // inside of its parentheses
  TokenRange body() const { return body_; }      // FROM ... WHERE ...
  TokenRange group() const { return group_; }    // the items of GROUP BY, without ALL or DISTINCT
  TokenRange sort() const { return sort_; }      // the items of ORDER BY
  TokenRange limit() const { return limit_; }    // behind LIMIT, not FETCH FIRST
  TokenRange offset() const { return offset_; }  // behind OFFSET
  std::size_t size() const { return tokens_.size(); }

  std::string_view source() const { return text_; }
  std::string_view token(std::size_t i) const;
  bool is_param(std::size_t i) const { return i < tokens_.size() && tokens_[i].kind == TokenKind::kParam; }
  bool is_literal(std::size_t i) const { return i < tokens_.size() && tokens_[i].kind == TokenKind::kLiteral; }
  bool is_symbol(std::size_t i, std::string_view symbol) const;
  // A word that is not quoted, in any case of letters.
  bool is_word(std::size_t i, std::string_view lower) const;
  std::uint32_t begin_of(std::size_t i) const { return tokens_[i].begin; }
  std::uint32_t end_of(std::size_t i) const { return tokens_[i].end; }
  std::string_view text(TokenRange range) const;
  // The token that begins at byte `location` of the text; size() when none does.
  std::size_t at(std::int32_t location) const;
  // The token behind the parenthesis that closes the one at `open`; size() when there is none.
  std::size_t behind_closing(std::size_t open) const;
  // The items of a list, apart by commas outside of parentheses.
  std::vector<TokenRange> items(TokenRange list) const;
  // Without parentheses around all of it.
  TokenRange unwrapped(TokenRange range) const;
  // The same words, literals and symbols.
  bool same_tokens(TokenRange a, TokenRange b) const;

 private:
  void find_clauses();
  std::string word(std::size_t i) const;

  std::string_view text_;
  std::vector<Token> tokens_;
  bool plain_ = false;
  std::size_t select_ = 0;
  TokenRange targets_, distinct_on_, body_, group_, sort_, limit_, offset_;
};

}  // namespace howdah::sharding::sql
