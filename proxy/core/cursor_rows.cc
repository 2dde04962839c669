#include "proxy/core/cursor_rows.h"

#include <charconv>
#include <vector>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "sharding/sql/scan.h"

namespace howdah::proxy {

namespace be = pgwire::be;
namespace sql = sharding::sql;

namespace {

bool next(Bytes messages, pgwire::Header& header) {
  return pgwire::peek_header(messages, pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk && messages.size() >= header.total;
}

std::string word_of(std::string_view text, const sql::Token& token) {
  std::string out;
  if (token.kind != sql::TokenKind::kWord) return out;
  for (const char c : text.substr(token.begin, token.end - token.begin)) out.push_back(sql::lower_ascii(c));
  return out;
}

}  // namespace

CursorRows::CursorRows(Bytes answer, std::string& out) {
  for (pgwire::Header header; next(answer, header); answer.remove_prefix(header.total)) {
    const Bytes message = answer.substr(0, header.total);
    if (header.type == be::kDataRow) {
      rows_.append(message);
    } else if (header.type == be::kRowDescription) {
      description_ = message;
    } else if (header.type != be::kCommandComplete) {
      out.append(message);
    }
  }
}

std::uint64_t CursorRows::take(std::uint64_t most, std::string* out) {
  std::uint64_t taken = 0;
  const std::size_t begin = at_;
  pgwire::Header header;
  for (Bytes rest = Bytes(rows_).substr(at_); taken < most && next(rest, header); rest.remove_prefix(header.total)) {
    at_ += header.total;
    ++taken;
  }
  if (out != nullptr) out->append(rows_, begin, at_ - begin);
  return taken;
}

// https://www.postgresql.org/docs/15/sql-fetch.html
std::optional<std::uint64_t> fetch_count(std::string_view statement, const sql::LexerOptions& options) {
  std::vector<sql::Token> tokens;
  sql::Scanner scanner(statement, options);
  for (sql::Token token = scanner.next(); token.kind != sql::TokenKind::kEnd; token = scanner.next()) {
    if (token.kind == sql::TokenKind::kSymbol && statement.substr(token.begin, token.end - token.begin) == ";") break;
    tokens.push_back(token);
  }
  // FETCH [direction] [FROM | IN] name
  std::size_t end = tokens.empty() ? 0 : tokens.size() - 1;
  if (end > 1 && (word_of(statement, tokens[end - 1]) == "from" || word_of(statement, tokens[end - 1]) == "in")) --end;
  if (end <= 1) return 1;
  std::size_t at = 1;
  const std::string first = word_of(statement, tokens[at]);
  if (first == "next") return 1;
  if (first == "forward" && ++at == end) return 1;
  if (word_of(statement, tokens[at]) == "all") return CursorRows::kAll;
  if (tokens[at].kind != sql::TokenKind::kLiteral || at + 1 != end) return std::nullopt;
  std::uint64_t count = 0;
  const char* const stop = statement.data() + tokens[at].end;
  const auto read = std::from_chars(statement.data() + tokens[at].begin, stop, count);
  if (read.ec != std::errc() || read.ptr != stop || count == 0) return std::nullopt;
  return count;
}

std::optional<std::size_t> declared_query(std::string_view statement, const sql::LexerOptions& options) {
  sql::Scanner scanner(statement, options);
  for (sql::Token token = scanner.next(); token.kind != sql::TokenKind::kEnd; token = scanner.next()) {
    if (word_of(statement, token) == "for") return scanner.next().begin;
  }
  return std::nullopt;
}

}  // namespace howdah::proxy
