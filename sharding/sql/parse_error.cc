// libpg_query keeps the message and the position of an error only. The scanner's and the grammar's messages whose SQLSTATE is
// not 42601, or that have more to say, are these.
// Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/parser/scan.l, gram.y, parser.c
#include "sharding/sql/parse_error.h"

#include <cstdint>

#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {

namespace {

struct Known {
  std::string_view part;  // of the message
  std::string_view sqlstate, hint, detail;
};

constexpr std::string_view kSyntax = "42601", kNotSupported = "0A000", kWindowing = "42P20", kInvalidValue = "22023";

constexpr Known kKnown[] = {
    {"invalid byte sequence for encoding", "22021", {}, {}},
    {"unsafe use of \\' in a string literal", "22P06", "Use '' to write quotes in strings. \\' is insecure in client-only encodings.", {}},
    {"unsafe use of string constant with Unicode escapes", kNotSupported, {},
     "String constants with Unicode escapes cannot be used when standard_conforming_strings is off."},
    {"LIMIT #,# syntax is not supported", kSyntax, "Use separate LIMIT and OFFSET clauses.", {}},
    {"subquery in FROM must have an alias", kSyntax, "For example, FROM (SELECT ...) [AS] foo.", {}},
    {"VALUES in FROM must have an alias", kSyntax, "For example, FROM (VALUES ...) [AS] foo.", {}},
    {"missing argument", kSyntax, "Use NONE to denote the missing argument of a unary operator.", {}},
    {"UNENCRYPTED PASSWORD is no longer supported", kNotSupported,
     "Remove UNENCRYPTED to store the password in encrypted form instead.", {}},
    {"current database cannot be changed", kNotSupported, {}, {}},
    {"MATCH PARTIAL not yet implemented", kNotSupported, {}, {}},
    {"CREATE ASSERTION is not yet implemented", kNotSupported, {}, {}},
    {"CREATE OR REPLACE CONSTRAINT TRIGGER is not supported", kNotSupported, {}, {}},
    {"CREATE SCHEMA IF NOT EXISTS cannot include schema elements", kNotSupported, {}, {}},
    {"UNIQUE predicate is not yet implemented", kNotSupported, {}, {}},
    {"WITH CHECK OPTION not supported on recursive views", kNotSupported, {}, {}},
    {"aggregates cannot have output arguments", kNotSupported, {}, {}},
    {"dropping an enum value is not implemented", kNotSupported, {}, {}},
    {"an ordered-set aggregate with a VARIADIC", kNotSupported, {}, {}},
    {"constraints cannot be marked ", kNotSupported, {}, {}},
    {"precision for type float must be", kInvalidValue, {}, {}},
    {"frame start cannot be UNBOUNDED FOLLOWING", kWindowing, {}, {}},
    {"frame end cannot be UNBOUNDED PRECEDING", kWindowing, {}, {}},
    {"frame starting from ", kWindowing, {}, {}},
};

// Where the `position`-th character of UTF-8 begins.
std::uint32_t offset_of(std::string_view sql, int position) {
  std::uint32_t at = 0;
  for (int i = 1; i < position && at < sql.size(); ++i) {
    ++at;
    while (at < sql.size() && (static_cast<unsigned char>(sql[at]) & 0xc0) == 0x80) ++at;
  }
  return at;
}

bool inside_escape_string(std::string_view sql, const LexerOptions& options, int position) {
  const std::uint32_t at = offset_of(sql, position);
  Scanner scanner(sql, options);
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd && token.begin <= at; token = scanner.next()) {
    if (at < token.end || token.kind == TokenKind::kBad) return lower_ascii(sql[token.begin]) == 'e' || sql[token.begin] == '\'';
  }
  return false;
}

}  // namespace

Error parse_error(std::string_view sql, const LexerOptions& options, std::string_view message, int position) {
  Error error = make_error(ErrorCode::kSyntaxError, std::string(message));
  error.position = position;
  if (message == "invalid Unicode escape") {
    const bool escape_string = inside_escape_string(sql, options, position);
    if (escape_string) error.sqlstate = "22025";
    error.hint = escape_string ? "Unicode escapes must be \\uXXXX or \\UXXXXXXXX." : "Unicode escapes must be \\XXXX or \\+XXXXXX.";
    return error;
  }
  for (const auto& known : kKnown) {
    if (message.find(known.part) == std::string_view::npos) continue;
    error.sqlstate = known.sqlstate;
    error.hint = known.hint;
    error.detail = known.detail;
    break;
  }
  return error;
}

}  // namespace howdah::sharding::sql
