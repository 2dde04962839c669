#include "tools/howdahctl/query_file.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "sharding/sql/scan.h"

namespace howdah::ctl {

namespace sql = sharding::sql;

namespace {

constexpr std::size_t kMessageColumn = 13;  // of csvlog

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

// What a log message says was run: "statement: ...", "execute name: ...", "duration: 1 ms  statement: ...".
std::optional<std::string_view> statement_in(std::string_view message) {
  if (message.starts_with("duration: ")) {
    const auto end = message.find(" ms  ");
    if (end == std::string_view::npos) return std::nullopt;
    message.remove_prefix(end + 5);
  }
  if (message.starts_with("statement: ")) return message.substr(11);
  if (!message.starts_with("execute ")) return std::nullopt;  // "parse" and "bind" come besides it
  const auto colon = message.find(": ");
  return colon == std::string_view::npos ? std::nullopt : std::optional(message.substr(colon + 2));
}

void split_sql(std::string_view text, std::vector<Query>& out) {
  sql::Scanner scanner(text, {});
  std::size_t begin = 0;
  for (auto token = scanner.next();; token = scanner.next()) {
    const bool end = token.kind == sql::TokenKind::kEnd;
    if (!end && text.substr(token.begin, token.end - token.begin) != ";") continue;
    const std::size_t at = end ? text.size() : token.begin;
    const std::string_view one = text.substr(begin, at - begin);
    // Comments alone are no statement.
    if (sql::Scanner(one, {}).next().kind != sql::TokenKind::kEnd) add_query(out, one);
    if (end) return;
    begin = token.end;
  }
}

// A line that goes on with the message before it begins with a tab.
void read_log(std::string_view file, std::vector<Query>& out) {
  std::string message;
  const auto finish = [&] {
    if (const auto statement = statement_in(message)) split_sql(*statement, out);
    message.clear();
  };
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('\t')) {
      if (!message.empty()) message.append("\n").append(line.substr(1));
      continue;
    }
    finish();
    const auto at = line.find("LOG:  ");
    if (at != std::string_view::npos) message = line.substr(at + 6);
  }
  finish();
}

void read_csv(std::string_view file, std::vector<Query>& out) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  const auto finish = [&] {
    if (fields.size() > kMessageColumn) {
      if (const auto statement = statement_in(fields[kMessageColumn])) split_sql(*statement, out);
    }
    fields.assign(1, {});
  };
  for (std::size_t i = 0; i < file.size(); ++i) {
    const char c = file[i];
    if (c == '"') {
      if (quoted && i + 1 < file.size() && file[i + 1] == '"') {
        fields.back() += '"';
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (!quoted && c == ',') {
      fields.emplace_back();
    } else if (!quoted && c == '\n') {
      finish();
    } else {
      fields.back() += c;
    }
  }
  finish();
}

QueryFormat guess(std::string_view file) {
  const std::string_view line = file.substr(0, file.find('\n'));  // a long message may end it early
  if (std::count(line.begin(), line.end(), ',') >= 13 && line.starts_with("20")) return QueryFormat::kCsv;
  const bool log = file.find("LOG:  statement: ") != std::string_view::npos || file.find("LOG:  execute ") != std::string_view::npos ||
                   file.find("LOG:  duration: ") != std::string_view::npos;
  return log ? QueryFormat::kLog : QueryFormat::kSql;
}

}  // namespace

void add_query(std::vector<Query>& queries, std::string_view text, std::uint64_t count) {
  text = trimmed(text);
  if (text.empty()) return;
  const auto known = std::find_if(queries.begin(), queries.end(), [&](const Query& query) { return query.text == text; });
  if (known == queries.end()) {
    queries.push_back({std::string(text), count});
  } else {
    known->count += count;
  }
}

std::vector<Query> read_queries(std::string_view file, QueryFormat format) {
  std::vector<Query> out;
  switch (format == QueryFormat::kAuto ? guess(file) : format) {
    case QueryFormat::kLog: read_log(file, out); break;
    case QueryFormat::kCsv: read_csv(file, out); break;
    default: split_sql(file, out);
  }
  return out;
}

}  // namespace howdah::ctl
