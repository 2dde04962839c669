#include "sharding/write/default_key.h"

#include <algorithm>
#include <optional>

#include "sharding/sql/scan.h"
#include "sharding/write/insert_rows.h"

namespace howdah::sharding {

namespace {

using sql::Token;
using sql::TokenKind;

bool is_word(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) { return sql::lower_ascii(a) == b; });
}

std::string literal(std::string_view value) {
  std::string out = value.find('\\') == std::string_view::npos ? "'" : " E'";
  for (const char c : value) out.append(c == '\'' || c == '\\' ? 2 : 1, c);
  return out + "'";
}

// What stands before the rows.
struct Head {
  std::uint32_t values = 0;                // the word VALUES
  std::optional<std::uint32_t> columns_end;  // the parenthesis that closes the list of columns
};

Head read_head(std::string_view sql, const sql::LexerOptions& options) {
  Head head;
  sql::Scanner scanner(sql, options);
  int depth = 0;
  std::optional<std::uint32_t> closing;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    const auto text = sql.substr(token.begin, token.end - token.begin);
    const bool symbol = token.kind == TokenKind::kSymbol;
    if (symbol && (text == "(" || text == "[")) ++depth;
    if (symbol && (text == ")" || text == "]")) --depth;
    if (depth == 0 && token.kind == TokenKind::kWord && is_word(text, "values")) {
      head.values = token.begin;
      head.columns_end = closing;
      break;
    }
    closing.reset();
    if (symbol && text == ")" && depth == 0) closing = token.begin;
  }
  return head;
}

// The value at `position` of a row, when that is the word DEFAULT.
std::optional<Edit> default_in(std::string_view sql, const InsertRows::Row& row, std::int32_t position, const sql::LexerOptions& options) {
  sql::Scanner scanner(sql.substr(0, row.end), options, row.begin + 1);
  int depth = 0;
  std::int32_t at = 0;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    const auto text = sql.substr(token.begin, token.end - token.begin);
    const bool symbol = token.kind == TokenKind::kSymbol;
    if (symbol && (text == "(" || text == "[")) ++depth;
    if (symbol && (text == ")" || text == "]")) --depth;
    if (depth == 0 && symbol && text == ",") ++at;
    if (depth == 0 && at == position && token.kind == TokenKind::kWord) {
      if (!is_word(text, "default")) return std::nullopt;
      return Edit{token.begin, token.end, {}};
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<Edit>> key_edits(std::string_view sql, const sql::KeyDefault& key, std::span<const std::string> keys,
                                    const sql::LexerOptions& options) {
  const auto rows = find_rows(sql, keys.size(), options);
  if (!rows) return rows.error();
  const auto cannot = [] {
    return make_error(ErrorCode::kUnsupported, "this form of INSERT is not supported where the sharding key has its default",
                      "Write it as INSERT INTO table (columns) VALUES (...), (...).");
  };
  const Head head = read_head(sql, options);
  std::vector<Edit> edits;
  if (key.overriding) edits.push_back({head.values, head.values, "OVERRIDING SYSTEM VALUE "});
  if (key.position < 0) {
    if (!head.columns_end) return cannot();
    edits.push_back({*head.columns_end, *head.columns_end, ", " + key.column});
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& row = rows->rows[i];
    if (key.position < 0) {
      edits.push_back({row.end - 1, row.end - 1, ", " + literal(keys[i])});
      continue;
    }
    auto edit = default_in(sql, row, key.position, options);
    if (!edit) return cannot();
    edit->text = literal(keys[i]);
    edits.push_back(std::move(*edit));
  }
  return edits;
}

}  // namespace howdah::sharding
