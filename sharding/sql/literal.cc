// What a literal means: quotes, doubled quotes, escapes and continuations undone.
// Source: https://www.postgresql.org/docs/15/sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS
#include <cstdint>

#include "sharding/sql/lexer.h"
#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower_ascii(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool append_utf8(std::uint32_t c, std::string& out) {
  if (c == 0 || c > 0x10ffff) return false;
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
  return true;
}

// Joins UTF-16 surrogates as PostgreSQL does: a first one must be followed at once by a second one.
struct Surrogates {
  std::uint32_t first = 0;
  bool add(std::uint32_t unit, std::string& out) {
    if (unit >= 0xd800 && unit <= 0xdbff) {
      if (first != 0) return false;
      first = unit;
      return true;
    }
    const bool second = unit >= 0xdc00 && unit <= 0xdfff;
    if (second != (first != 0)) return false;
    if (second) unit = 0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00);
    first = 0;
    return append_utf8(unit, out);
  }
  bool pending() const { return first != 0; }
};

bool read_hex(std::string_view text, std::size_t& at, int digits, std::uint32_t& out) {
  out = 0;
  for (int i = 0; i < digits; ++i, ++at) {
    const int digit = at < text.size() ? hex_digit(text[at]) : -1;
    if (digit < 0) return false;
    out = out * 16 + static_cast<std::uint32_t>(digit);
  }
  return true;
}

// Behind the closing quote at `at`: skips to the inside of a continuing segment. The scanner has proven its
// form.
bool next_segment(std::string_view text, std::size_t& at) {
  while (at < text.size()) {
    if (text[at] == '\'') {
      ++at;
      return true;
    }
    if (text.substr(at, 2) == "--") {
      while (at < text.size() && !is_class(static_cast<unsigned char>(text[at]), kNewline)) ++at;
    } else if (is_class(static_cast<unsigned char>(text[at]), kSpaceChar)) {
      ++at;
    } else {
      return false;
    }
  }
  return false;
}

// One backslash escape of an E string; `at` stands behind the backslash.
bool unescape(std::string_view text, std::size_t& at, Surrogates& pair, std::string& out) {
  if (at >= text.size()) return false;
  const char c = text[at++];
  std::uint32_t value = 0;
  if (c == 'u' || c == 'U') return read_hex(text, at, c == 'u' ? 4 : 8, value) && pair.add(value, out);
  if (pair.pending()) return false;
  switch (c) {
    case 'b':
      out.push_back('\b');
      return true;
    case 'f':
      out.push_back('\f');
      return true;
    case 'n':
      out.push_back('\n');
      return true;
    case 'r':
      out.push_back('\r');
      return true;
    case 't':
      out.push_back('\t');
      return true;
    default:
      break;
  }
  if (c >= '0' && c <= '7') {
    value = static_cast<std::uint32_t>(c - '0');
    for (int i = 0; i < 2 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i) {
      value = value * 8 + static_cast<std::uint32_t>(text[at++] - '0');
    }
    value &= 0xff;
  } else if (c == 'x' && at < text.size() && hex_digit(text[at]) >= 0) {
    for (int i = 0; i < 2 && at < text.size() && hex_digit(text[at]) >= 0; ++i) {
      value = value * 16 + static_cast<std::uint32_t>(hex_digit(text[at++]));
    }
  } else {
    out.push_back(c);
    return true;
  }
  if (value == 0) return false;  // no zero byte in a text
  out.push_back(static_cast<char>(value));
  return true;
}

// From behind the opening quote to the closing one. `at` ends behind it.
bool decode_quoted(std::string_view text, std::size_t& at, bool escapes, std::string& out) {
  Surrogates pair;
  while (at < text.size()) {
    const char c = text[at++];
    if (c == '\'') {
      if (at < text.size() && text[at] == '\'') {
        if (pair.pending()) return false;
        out.push_back('\'');
        ++at;
        continue;
      }
      const std::size_t closed = at;
      if (next_segment(text, at)) continue;
      at = closed;
      return !pair.pending();
    }
    if (c == '\\' && escapes) {
      if (!unescape(text, at, pair, out)) return false;
      continue;
    }
    if (pair.pending()) return false;
    out.push_back(c);
  }
  return false;
}

// The \XXXX and \+XXXXXX escapes of a U& string whose quotes are undone already.
bool decode_unicode(std::string_view raw, char escape, std::string& out) {
  Surrogates pair;
  for (std::size_t at = 0; at < raw.size();) {
    const char c = raw[at++];
    if (c != escape) {
      if (pair.pending()) return false;
      out.push_back(c);
      continue;
    }
    if (at < raw.size() && raw[at] == escape) {
      if (pair.pending()) return false;
      out.push_back(escape);
      ++at;
      continue;
    }
    int digits = 4;
    if (at < raw.size() && raw[at] == '+') {
      digits = 6;
      ++at;
    }
    std::uint32_t value = 0;
    if (!read_hex(raw, at, digits, value) || !pair.add(value, out)) return false;
  }
  return !pair.pending();
}

bool valid_escape_char(char c) {
  return hex_digit(c) < 0 && c != '+' && c != '\'' && c != '"' &&
         !is_class(static_cast<unsigned char>(c), kSpaceChar);
}

bool decode_unicode_literal(std::string_view text, std::string& out) {
  std::string raw;
  std::size_t at = 3;
  if (!decode_quoted(text, at, false, raw)) return false;
  char escape = '\\';
  if (at < text.size()) {  // UESCAPE '.'
    if (text.size() - at < 3 || text[text.size() - 3] != '\'' || !valid_escape_char(text[text.size() - 2]))
      return false;
    escape = text[text.size() - 2];
  }
  return decode_unicode(raw, escape, out);
}

}  // namespace

bool literal_value(std::string_view sql, const Slot& slot, const LexerOptions& options, std::string& out) {
  const std::string_view text = sql.substr(slot.offset, slot.length);
  if (text.empty()) return false;
  if (slot.literal != LiteralClass::kString && slot.literal != LiteralClass::kBit) {
    out.append(text);
    return true;
  }
  std::size_t at = 1;
  switch (text.front()) {
    case '\'': {
      const bool escapes = !options.standard_conforming_strings;
      if (slot.plain && text.size() >= 2) {
        out.append(text.substr(1, text.size() - 2));
        return true;
      }
      return decode_quoted(text, at, escapes, out);
    }
    case 'e':
    case 'E':
      at = 2;
      return decode_quoted(text, at, true, out);
    case 'b':
    case 'B':
    case 'x':
    case 'X':
      at = 2;
      out.push_back(lower_ascii(text.front()));
      return decode_quoted(text, at, false, out);
    case 'u':
    case 'U':
      return options.standard_conforming_strings && decode_unicode_literal(text, out);
    case '$': {
      const auto tag = text.find('$', 1);
      if (tag == std::string_view::npos || text.size() < 2 * (tag + 1)) return false;
      out.append(text.substr(tag + 1, text.size() - 2 * (tag + 1)));
      return true;
    }
    default:
      return false;
  }
}

bool next_literal(std::string_view sql, const Slot& slot, const LexerOptions& options, std::uint32_t& at,
                  Slot& out) {
  const std::uint32_t end = slot.offset + slot.length;
  Scanner scanner(sql.substr(0, end), options, at);
  Token token = scanner.next();
  if (token.kind == TokenKind::kSymbol) token = scanner.next();  // the comma
  if (token.kind != TokenKind::kLiteral) return false;
  at = scanner.at();
  out = Slot{token.begin, token.end - token.begin, token.literal, token.plain, false, 1};
  return true;
}

}  // namespace howdah::sharding::sql
