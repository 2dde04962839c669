#include "proxy/core/prepared_text.h"

#include <algorithm>

#include "sharding/sql/scan.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using sql::Token;
using sql::TokenKind;

namespace {

constexpr std::size_t kLongestName = 63;  // NAMEDATALEN - 1

bool is_word(std::string_view text, const Token& token, std::string_view word) {
  if (token.kind != TokenKind::kWord || token.end - token.begin != word.size()) return false;
  return std::equal(word.begin(), word.end(), text.begin() + token.begin,
                    [](char w, char c) { return w == sql::lower_ascii(c); });
}

bool is_symbol(std::string_view text, const Token& token, char symbol) {
  return token.kind == TokenKind::kSymbol && token.end == token.begin + 1 && text[token.begin] == symbol;
}

// A multibyte character is not cut in two.
void cut(std::string& name) {
  if (name.size() <= kLongestName) return;
  std::size_t end = kLongestName;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  name.resize(end);
}

std::optional<PreparedName> name_of(std::string_view text, const Token& token) {
  PreparedName found{token.begin, token.end, {}};
  const std::string_view raw = text.substr(token.begin, token.end - token.begin);
  if (token.kind == TokenKind::kWord) {
    for (const char c : raw) found.name += sql::lower_ascii(c);
  } else if (token.kind == TokenKind::kQuotedWord && raw.starts_with('"')) {
    for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
      found.name += raw[i];
      if (raw[i] == '"') ++i;
    }
  } else {
    return std::nullopt;
  }
  cut(found.name);
  return found;
}

}  // namespace

std::optional<PreparedName> prepares(std::string_view text, const sql::LexerOptions& options, const sql::StatementPlan& plan) {
  sql::Scanner scanner(text.substr(0, plan.end), options, plan.begin);
  scanner.next();
  return name_of(text, scanner.next());
}

std::optional<PreparedName> executes(std::string_view text, const sql::LexerOptions& options, const sql::StatementPlan& plan) {
  const std::string_view whole = text.substr(0, plan.end);
  switch (plan.verb) {
    case sql::Verb::kExecute:
    case sql::Verb::kExplain: {
      sql::Scanner scanner(whole, options, plan.verb == sql::Verb::kExplain ? plan.inner_begin : plan.begin);
      const Token first = scanner.next();
      if (is_word(text, first, "execute")) return name_of(text, scanner.next());
      if (!is_word(text, first, "create")) return std::nullopt;
      break;
    }
    case sql::Verb::kDdl:
    case sql::Verb::kOther:
      break;
    default:
      return std::nullopt;
  }
  sql::Scanner scanner(whole, options, plan.verb == sql::Verb::kExplain ? plan.inner_begin : plan.begin);
  if (!is_word(text, scanner.next(), "create")) return std::nullopt;
  bool as = false;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd && token.kind != TokenKind::kBad; token = scanner.next()) {
    if (as && is_word(text, token, "execute")) return name_of(text, scanner.next());
    as = is_word(text, token, "as");
  }
  return std::nullopt;
}

std::optional<std::vector<std::optional<std::string>>> plain_arguments(std::string_view text, const sql::LexerOptions& options,
                                                                       std::uint32_t at, std::uint32_t end,
                                                                       std::vector<ArgumentKind>* kinds) {
  const auto note = [kinds](ArgumentKind kind) {
    if (kinds != nullptr) kinds->push_back(kind);
  };
  std::vector<std::optional<std::string>> values;
  sql::Scanner scanner(text.substr(0, end), options, at);
  Token token = scanner.next();
  if (!is_symbol(text, token, '(')) return values;
  do {
    token = scanner.next();
    std::string value;
    if (is_symbol(text, token, '-')) {
      value = "-";
      token = scanner.next();
      if (token.kind != TokenKind::kLiteral || token.literal == sql::LiteralClass::kString) return std::nullopt;
    }
    if (is_word(text, token, "null")) {
      values.push_back(std::nullopt);
      note(ArgumentKind::kNull);
    } else if (is_word(text, token, "true") || is_word(text, token, "false")) {
      values.push_back(std::string(text.substr(token.begin, token.end - token.begin)));
      note(ArgumentKind::kBoolean);
    } else {
      const bool plain = token.kind == TokenKind::kLiteral &&
                         (token.literal == sql::LiteralClass::kInt4 || token.literal == sql::LiteralClass::kInt8 ||
                          token.literal == sql::LiteralClass::kString);
      const sql::Slot slot{token.begin, token.end - token.begin, token.literal, token.plain};
      if (!plain || !sql::literal_value(text, slot, options, value)) return std::nullopt;
      values.push_back(std::move(value));
      note(token.literal == sql::LiteralClass::kString ? ArgumentKind::kString : ArgumentKind::kNumber);
    }
    token = scanner.next();
  } while (is_symbol(text, token, ','));
  if (!is_symbol(text, token, ')')) return std::nullopt;
  return values;
}

}  // namespace howdah::proxy
