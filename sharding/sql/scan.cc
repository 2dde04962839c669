#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

// An operator that holds one of these keeps a trailing + or -.
bool keeps_sign(std::string_view op) {
  return op.find_first_of("~!@#^&|`?%") != std::string_view::npos;
}

LiteralClass integer_class(std::string_view digits) {
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  if (digits.size() < 10) return LiteralClass::kInt4;
  if (digits.size() == 10 && digits <= "2147483647") return LiteralClass::kInt4;
  if (digits.size() < 19) return LiteralClass::kInt8;
  if (digits.size() == 19 && digits <= "9223372036854775807") return LiteralClass::kInt8;
  return LiteralClass::kNumeric;
}

}  // namespace

void Scanner::skip_line() {
  while (!at_end() && !is_class(peek(), kNewline)) ++at_;
}

bool Scanner::skip_comment() {
  int depth = 0;
  for (; at_ + 1 < sql_.size(); ++at_) {
    if (peek() == '/' && peek(1) == '*') {
      ++depth;
      ++at_;
    } else if (peek() == '*' && peek(1) == '/') {
      ++at_;
      if (--depth == 0) {
        ++at_;
        return true;
      }
    }
  }
  at_ = static_cast<std::uint32_t>(sql_.size());
  return false;
}

bool Scanner::skip_space() {
  while (!at_end()) {
    const unsigned char c = peek();
    if (is_class(c, kSpaceChar)) {
      ++at_;
    } else if (c == '-' && peek(1) == '-') {
      skip_line();
    } else if (c == '/' && peek(1) == '*') {
      if (!skip_comment()) return false;
    } else {
      return true;
    }
  }
  return true;
}

// Horizontal space and -- comments, a newline, then any space and whole-line comments, then a quote.
bool Scanner::continues() {
  const std::uint32_t start = at_;
  bool newline = false;
  for (;;) {
    const unsigned char c = peek();
    if (at_end()) break;
    if (is_class(c, kSpaceChar)) {
      newline = newline || is_class(c, kNewline);
      ++at_;
    } else if (c == '-' && peek(1) == '-') {
      skip_line();
      if (at_end()) break;
    } else {
      if (c != '\'' || !newline) break;
      ++at_;
      return true;
    }
  }
  at_ = start;
  return false;
}

Token Scanner::bad(std::uint32_t begin, std::uint32_t end) {
  at_ = end;
  return Token{TokenKind::kBad, LiteralClass::kInt4, false, begin, end};
}

Token Scanner::string(std::uint32_t begin, LiteralClass literal, bool escapes) {
  // `at_` stands behind the opening quote; with a letter in front of it the bytes are not the value.
  Token token{TokenKind::kLiteral, literal, at_ == begin + 1, begin, 0};
  while (!at_end()) {
    const char c = sql_[at_];
    if (c == '\'') {
      ++at_;
      if (peek() == '\'' && literal == LiteralClass::kString) {  // bit strings know no doubled quotes
        ++at_;
        token.plain = false;
        continue;
      }
      if (continues()) {
        token.plain = false;
        continue;
      }
      token.end = at_;
      return token;
    }
    if (c == '\\' && escapes) {
      token.plain = false;
      ++at_;
      if (at_end()) break;
    }
    ++at_;
  }
  return bad(begin, static_cast<std::uint32_t>(sql_.size()));
}

// U&'...' and, when it follows, UESCAPE '.': one literal.
Token Scanner::unicode_string(std::uint32_t begin) {
  Token token = string(begin, LiteralClass::kString, false);
  token.plain = false;
  if (token.kind != TokenKind::kLiteral) return token;
  Scanner ahead = *this;
  constexpr std::string_view kUescape = "uescape";
  if (!ahead.skip_space() || (ahead.peek() | 0x20) != 'u') return token;
  const Token keyword = ahead.word();
  if (keyword.end - keyword.begin != kUescape.size()) return token;
  for (std::size_t i = 0; i < kUescape.size(); ++i) {
    if (lower_ascii(sql_[keyword.begin + i]) != kUescape[i]) return token;
  }
  if (!ahead.skip_space() || ahead.peek() != '\'') return token;
  const Token escape = ahead.next();
  if (escape.kind != TokenKind::kLiteral) return token;
  at_ = escape.end;
  token.end = escape.end;
  return token;
}

Token Scanner::quoted_word(std::uint32_t begin) {
  const std::uint32_t inside = at_;
  while (!at_end()) {
    if (sql_[at_++] != '"') continue;
    if (peek() != '"') return at_ == inside + 1 ? bad(begin, at_) : make(TokenKind::kQuotedWord, begin);
    ++at_;
  }
  return bad(begin, at_);
}

Token Scanner::word() {
  const std::uint32_t begin = at_;
  while (!at_end() && (is_class(peek(), kIdentStart | kDigit) || peek() == '$')) ++at_;
  return make(TokenKind::kWord, begin);
}

Token Scanner::dollar() {
  const std::uint32_t begin = at_++;
  if (is_class(peek(), kDigit)) {
    while (is_class(peek(), kDigit)) ++at_;
    if (is_class(peek(), kIdentStart)) return bad(begin, at_);
    return make(TokenKind::kParam, begin);
  }
  while (is_class(peek(), kIdentStart) || (at_ > begin + 1 && is_class(peek(), kDigit))) ++at_;
  if (peek() != '$') return bad(begin, begin + 1);
  ++at_;
  const std::string_view tag = sql_.substr(begin, at_ - begin);
  const auto close = sql_.find(tag, at_);
  if (close == std::string_view::npos) return bad(begin, static_cast<std::uint32_t>(sql_.size()));
  at_ = static_cast<std::uint32_t>(close + tag.size());
  Token token = make(TokenKind::kLiteral, begin);
  token.literal = LiteralClass::kString;
  token.plain = false;
  return token;
}

Token Scanner::number() {
  const std::uint32_t begin = at_;
  Token token = make(TokenKind::kLiteral, begin);
  while (is_class(peek(), kDigit)) ++at_;
  token.literal = integer_class(sql_.substr(begin, at_ - begin));
  // "1..10" is the integer 1 and the symbol "..".
  if (peek() == '.' && !(peek(1) == '.' && at_ > begin)) {
    ++at_;
    while (is_class(peek(), kDigit)) ++at_;
    token.literal = LiteralClass::kNumeric;
  }
  if (peek() == 'e' || peek() == 'E') {
    const std::uint32_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (!is_class(peek(1 + sign), kDigit)) return bad(begin, at_ + 1 + sign);
    at_ += 1 + sign;
    while (is_class(peek(), kDigit)) ++at_;
    token.literal = LiteralClass::kNumeric;
  }
  if (is_class(peek(), kIdentStart)) return bad(begin, at_);
  token.end = at_;
  return token;
}

Token Scanner::symbol() {
  const std::uint32_t begin = at_;
  if (!is_class(peek(), kOperatorChar)) {
    const bool pair =
        (peek() == ':' && (peek(1) == ':' || peek(1) == '=')) || (peek() == '.' && peek(1) == '.');
    at_ += pair ? 2 : 1;
    return make(TokenKind::kSymbol, begin);
  }
  if (at_ < signs_end_) {
    ++at_;
    return make(TokenKind::kSymbol, begin);
  }
  while (!at_end() && is_class(peek(), kOperatorChar)) {
    if (at_ > begin && ((peek() == '-' && peek(1) == '-') || (peek() == '/' && peek(1) == '*'))) break;
    ++at_;
  }
  std::string_view op = sql_.substr(begin, at_ - begin);
  // Thousands of signs must not be looked at again for each of them.
  if (op.find_first_not_of("+-") == std::string_view::npos) signs_end_ = at_;
  if (!keeps_sign(op)) {
    while (op.size() > 1 && (op.back() == '+' || op.back() == '-')) op.remove_suffix(1);
  }
  at_ = begin + static_cast<std::uint32_t>(op.size());
  return make(TokenKind::kSymbol, begin);
}

Token Scanner::next() {
  const std::uint32_t before = at_;
  if (!skip_space()) return bad(before, static_cast<std::uint32_t>(sql_.size()));
  const std::uint32_t begin = at_;
  if (at_end()) return make(TokenKind::kEnd, begin);
  const unsigned char c = peek();
  if (is_class(c, kIdentStart)) {
    const unsigned char following = peek(1);
    if (following == '\'') {
      switch (c | 0x20) {
        case 'e':
          at_ += 2;
          return string(begin, LiteralClass::kString, true);
        case 'b':
        case 'x':
          at_ += 2;
          return string(begin, LiteralClass::kBit, false);
        case 'n':
          at_ += 1;
          return make(TokenKind::kNational, begin);
        default:
          break;
      }
    } else if (following == '&' && (c | 0x20) == 'u') {
      if (peek(2) == '\'') {
        at_ += 3;
        return unicode_string(begin);
      }
      if (peek(2) == '"') {
        at_ += 3;
        return quoted_word(begin);
      }
    }
    return word();
  }
  if (is_class(c, kDigit) || (c == '.' && is_class(peek(1), kDigit))) return number();
  if (c == '\'') {
    ++at_;
    return string(begin, LiteralClass::kString, !standard_strings_);
  }
  if (c == '"') {
    ++at_;
    return quoted_word(begin);
  }
  if (c == '$') return dollar();
  if (is_class(c, kOperatorChar | kSelfChar)) return symbol();
  return bad(begin, begin + 1);
}

}  // namespace howdah::sharding::sql
