// PostgreSQL's tokens one by one: the machine under tokenize(), and under whatever looks into a statement's
// text. Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/parser/scan.l
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sharding/sql/lexer.h"

namespace howdah::sharding::sql {

enum class TokenKind : std::uint8_t {
  kEnd,
  kWord,        // keyword or unquoted identifier
  kQuotedWord,  // "..." or U&"..."
  kNational,    // the N of N'...': PostgreSQL reads it as the keyword nchar
  kLiteral,
  kParam,   // $n
  kSymbol,  // operators and punctuation
  kBad,     // one byte that starts no token, or a token that never ends
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  LiteralClass literal = LiteralClass::kInt4;  // kLiteral
  bool plain = true;                           // kLiteral: see Slot::plain
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Walks over borrowed text. Copyable: a copy is a bookmark.
class Scanner {
 public:
  Scanner(std::string_view sql, const LexerOptions& options, std::uint32_t at = 0)
      : sql_(sql), at_(at), standard_strings_(options.standard_conforming_strings) {}

  // kEnd for ever once the text is used up.
  Token next();
  std::uint32_t at() const { return at_; }

 private:
  unsigned char peek(std::uint32_t ahead = 0) const {
    return at_ + ahead < sql_.size() ? static_cast<unsigned char>(sql_[at_ + ahead]) : 0;
  }
  bool at_end() const { return at_ >= sql_.size(); }
  bool skip_space();  // false: a comment that never ends
  void skip_line();
  bool skip_comment();
  bool continues();  // after a closing quote: does the string go on behind a newline?
  Token word();
  Token quoted_word(std::uint32_t begin);
  Token string(std::uint32_t begin, LiteralClass literal, bool escapes);
  Token unicode_string(std::uint32_t begin);
  Token dollar();
  Token number();
  Token symbol();
  Token bad(std::uint32_t begin, std::uint32_t end);
  Token make(TokenKind kind, std::uint32_t begin) const {
    return Token{kind, LiteralClass::kInt4, true, begin, at_};
  }

  std::string_view sql_;
  std::uint32_t at_;
  std::uint32_t signs_end_ = 0;  // up to here there is nothing but + and -, each a symbol of its own
  bool standard_strings_;
};

// What a byte can be part of.
enum CharClass : std::uint8_t {
  kSpaceChar = 1,
  kIdentStart = 2,
  kDigit = 4,
  kOperatorChar = 8,
  kSelfChar = 16,
  kNewline = 32,
};

constexpr std::array<std::uint8_t, 256> char_classes() {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view chars, int with) {
    for (char c : chars) table[static_cast<unsigned char>(c)] |= static_cast<std::uint8_t>(with);
  };
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = kIdentStart;
  for (int c = 0x80; c <= 0xff; ++c) table[c] = kIdentStart;
  for (int c = '0'; c <= '9'; ++c) table[c] = kDigit;
  mark("_", kIdentStart);
  mark(" \t\f\n\r", kSpaceChar);
  mark("\n\r", kNewline);
  mark("~!@#^&|`?+-*/%<>=", kOperatorChar);
  mark(",()[].;:+-*/%^<>=", kSelfChar);
  return table;
}
inline constexpr auto kCharClass = char_classes();

inline bool is_class(unsigned char c, int mask) {
  return (kCharClass[c] & mask) != 0;
}
inline char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace howdah::sharding::sql
