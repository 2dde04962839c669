#include "sharding/sql/lexer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "sharding/sql/scan.h"

// The normalized form is each token followed by one space:
//   word, symbol, $n    its text, words with ASCII letters in lower case
//   literal             one byte, kLiteralByte + class; an IN list of literals one byte, kFoldedByte + class
//   byte that fits no token   kBadByte and the byte, so that no such text equals one that lexes
// Quoted words are the only tokens that can hold a space, and their closing quote tells where they end.
namespace howdah::sharding::sql {

namespace {

constexpr char kLiteralByte = 0x01;
constexpr char kFoldedByte = 0x11;
constexpr char kBadByte = 0x07;
constexpr std::uint32_t kMaxFolded = 1u << 20;

// Inside of a /* howdah... */ comment among the comments that open the text.
void find_hint(std::string_view sql, TokenStream& out) {
  std::size_t at = 0;
  for (;;) {
    while (at < sql.size() && is_class(static_cast<unsigned char>(sql[at]), kSpaceChar)) ++at;
    if (sql.substr(at, 2) == "--") {
      at = sql.find_first_of("\r\n", at);
      if (at == std::string_view::npos) return;
      continue;
    }
    if (sql.substr(at, 2) != "/*") return;
    const std::size_t begin = at + 2;
    int depth = 1;
    for (at = begin; depth > 0; ++at) {
      if (at + 1 >= sql.size()) return;
      if (sql[at] == '/' && sql[at + 1] == '*')
        ++depth, ++at;
      else if (sql[at] == '*' && sql[at + 1] == '/')
        --depth, ++at;
    }
    std::size_t first = begin;
    while (first < at && is_class(static_cast<unsigned char>(sql[first]), kSpaceChar)) ++first;
    if (sql.substr(first, 6) == "howdah") {
      out.hint_begin = static_cast<std::uint32_t>(begin);
      out.hint_end = static_cast<std::uint32_t>(at - 2);
      return;
    }
  }
}

bool is_symbol(std::string_view sql, const Token& token, char symbol) {
  return token.kind == TokenKind::kSymbol && token.end - token.begin == 1 && sql[token.begin] == symbol;
}

// `scanner` stands behind "in (". True when only literals of one class follow up to the ')', which stays
// unread.
bool fold_list(std::string_view sql, Scanner& scanner, Slot& out) {
  Scanner ahead = scanner;
  Token token = ahead.next();
  if (token.kind != TokenKind::kLiteral) return false;
  out = Slot{token.begin, 0, token.literal, token.plain, true, 1};
  for (;;) {
    const std::uint32_t end = token.end;
    Scanner before = ahead;
    token = ahead.next();
    if (is_symbol(sql, token, ')')) {
      out.length = end - out.offset;
      scanner = before;
      return true;
    }
    if (!is_symbol(sql, token, ',') || out.count == kMaxFolded) return false;
    token = ahead.next();
    if (token.kind != TokenKind::kLiteral || token.literal != out.literal) return false;
    out.plain = out.plain && token.plain;
    ++out.count;
  }
}

}  // namespace

std::string_view leading_hint(std::string_view sql) {
  TokenStream out;
  find_hint(sql, out);
  return sql.substr(out.hint_begin, out.hint_end - out.hint_begin);
}

std::string_view hint_before(std::string_view sql, std::uint32_t begin, const LexerOptions& options) {
  Scanner scanner(sql, options);
  std::uint32_t behind = 0;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd && token.begin < begin; token = scanner.next()) behind = token.end;
  return leading_hint(sql.substr(behind));
}

void tokenize(std::string_view sql, const LexerOptions& options, TokenStream& out) {
  out.slots.clear();
  out.complete = true;
  out.hint_begin = out.hint_end = 0;
  if (!sql.empty() && !is_class(static_cast<unsigned char>(sql[0]), kIdentStart)) find_hint(sql, out);

  // A token of one byte can become two and a space; N'' becomes "nchar", a class byte and two spaces.
  const std::size_t bound = sql.size() * 3 + 16;
  if (out.normalized.size() < bound) out.normalized.resize(bound);
  char* const start = out.normalized.data();
  char* at = start;
  char* trimmed = start;  // behind the last token that is no semicolon
  Scanner scanner(sql, options);
  bool after_in = false;  // the last word was IN
  bool in_list = false;   // "IN (" has just been read
  for (;;) {
    if (in_list) {
      in_list = false;
      Slot slot;
      if (fold_list(sql, scanner, slot)) {
        *at++ = static_cast<char>(kFoldedByte + static_cast<int>(slot.literal));
        *at++ = ' ';
        out.slots.push_back(slot);
      }
    }
    const Token token = scanner.next();
    if (token.kind == TokenKind::kEnd) break;
    const char* text = sql.data() + token.begin;
    const std::uint32_t length = token.end - token.begin;
    bool is_in = false;
    switch (token.kind) {
      case TokenKind::kWord:
        for (std::uint32_t i = 0; i < length; ++i) at[i] = lower_ascii(text[i]);
        is_in = length == 2 && at[0] == 'i' && at[1] == 'n';
        at += length;
        break;
      case TokenKind::kNational:
        std::memcpy(at, "nchar", 5);
        at += 5;
        break;
      case TokenKind::kLiteral:
        *at++ = static_cast<char>(kLiteralByte + static_cast<int>(token.literal));
        out.slots.push_back(Slot{token.begin, length, token.literal, token.plain, false, 1});
        break;
      case TokenKind::kSymbol:
        if (length == 1 && *text == ';') {
          if (at == start) continue;  // semicolons in front say nothing
          *at++ = ';';
          *at++ = ' ';
          after_in = false;
          continue;
        }
        in_list = after_in && length == 1 && *text == '(';
        [[fallthrough]];
      case TokenKind::kQuotedWord:
      case TokenKind::kParam:
        std::memcpy(at, text, length);
        at += length;
        break;
      default:
        out.complete = false;
        for (std::uint32_t i = 0; i < length; ++i) {
          *at++ = kBadByte;
          *at++ = text[i];
        }
        break;
    }
    *at++ = ' ';
    trimmed = at;
    after_in = is_in;
  }
  out.normalized.resize(static_cast<std::size_t>(trimmed - start));
  out.hash = XXH3_64bits(out.normalized.data(), out.normalized.size());
}

namespace {

// Each token of one byte that stands for a literal becomes what `stand_in(class)` says.
template <class StandIn>
std::string put_literals(std::string_view normalized, StandIn stand_in) {
  constexpr char kClasses = static_cast<char>(LiteralClass::kBit) + 1;
  std::string out;
  for (std::size_t i = 0; i < normalized.size(); ++i) {
    const char c = normalized[i];
    const bool alone = (i == 0 || normalized[i - 1] == ' ') && (i + 1 == normalized.size() || normalized[i + 1] == ' ');
    const bool one = c >= kLiteralByte && c < kLiteralByte + kClasses, folded = c >= kFoldedByte && c < kFoldedByte + kClasses;
    if (alone && (one || folded)) {
      out += stand_in(static_cast<LiteralClass>(c - (one ? kLiteralByte : kFoldedByte)));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string with_other_literals(std::string_view normalized) {
  return put_literals(normalized, [](LiteralClass literal) {
    switch (literal) {
      case LiteralClass::kInt4: return "1";
      case LiteralClass::kInt8: return "3000000000";
      case LiteralClass::kNumeric: return "1.5";
      case LiteralClass::kString: return "'a'";
      case LiteralClass::kBit: return "b'1'";
    }
    return "";
  });
}

std::string without_literals(std::string_view normalized) {
  std::string out = put_literals(normalized, [](LiteralClass) { return "?"; });
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace howdah::sharding::sql
