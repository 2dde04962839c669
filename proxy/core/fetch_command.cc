#include "proxy/core/fetch_command.h"

#include <charconv>
#include <string>
#include <vector>

#include "sharding/sql/scan.h"

namespace howdah::proxy {

namespace sql = sharding::sql;
using Direction = FetchCommand::Direction;

namespace {

// The tokens of one statement, words in lower case.
std::vector<std::string> words_of(std::string_view text, const sql::LexerOptions& options) {
  std::vector<std::string> out;
  sql::Scanner scanner(text, options);
  for (sql::Token token = scanner.next(); token.kind != sql::TokenKind::kEnd; token = scanner.next()) {
    std::string word(text.substr(token.begin, token.end - token.begin));
    if (token.kind == sql::TokenKind::kSymbol && word == ";") break;
    if (token.kind == sql::TokenKind::kWord) {
      for (char& c : word) c = sql::lower_ascii(c);
    }
    out.push_back(std::move(word));
  }
  return out;
}

// "5", "+ 5", "- 5"
std::optional<std::int64_t> number(const std::vector<std::string>& words, std::size_t at, std::size_t end) {
  const bool sign = at < end && (words[at] == "-" || words[at] == "+");
  if (at + sign + 1 != end) return std::nullopt;
  const std::string& digits = words[at + sign];
  std::int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return sign && words[at] == "-" ? -value : value;
}

// A count below none goes the other way.
FetchCommand steps(Direction direction, std::int64_t count) {
  FetchCommand out;
  const Direction other = direction == Direction::kForward ? Direction::kBackward : Direction::kForward;
  out.direction = count < 0 ? other : direction;
  out.count = count < 0 ? -count : count;
  return out;
}

FetchCommand place(Direction direction, std::int64_t count) {
  FetchCommand out;
  out.direction = direction;
  out.count = count;
  return out;
}

// words[at, end): the direction.
std::optional<FetchCommand> read_direction(const std::vector<std::string>& words, std::size_t at, std::size_t end) {
  if (at == end) return FetchCommand();
  const std::string& first = words[at];
  if (at + 1 == end) {
    if (first == "next" || first == "forward") return steps(Direction::kForward, 1);
    if (first == "prior" || first == "backward") return steps(Direction::kBackward, 1);
    if (first == "all") return steps(Direction::kForward, FetchCommand::kAll);
    if (first == "first") return place(Direction::kAbsolute, 1);
    if (first == "last") return place(Direction::kAbsolute, -1);
  }
  const bool forward = first == "forward", backward = first == "backward";
  const bool place_word = first == "absolute" || first == "relative";
  if ((forward || backward) && at + 2 == end && words[at + 1] == "all") {
    return steps(forward ? Direction::kForward : Direction::kBackward, FetchCommand::kAll);
  }
  const auto count = number(words, forward || backward || place_word ? at + 1 : at, end);
  if (!count) return std::nullopt;
  if (place_word) return place(first == "absolute" ? Direction::kAbsolute : Direction::kRelative, *count);
  return steps(backward ? Direction::kBackward : Direction::kForward, *count);
}

}  // namespace

// FETCH [direction] [FROM | IN] name
std::optional<FetchCommand> read_fetch(std::string_view statement, const sql::LexerOptions& options) {
  const auto words = words_of(statement, options);
  if (words.size() < 2) return std::nullopt;
  std::size_t end = words.size() - 1;
  if (end > 1 && (words[end - 1] == "from" || words[end - 1] == "in")) --end;
  auto out = read_direction(words, 1, end);
  if (out) out->move = words[0] == "move";
  return out;
}

std::optional<DeclareText> read_declare(std::string_view statement, const sql::LexerOptions& options) {
  DeclareText out;
  sql::Scanner scanner(statement, options);
  std::string before;
  // The first two words are DECLARE and the name, which may be any.
  std::size_t at = 0;
  for (sql::Token token = scanner.next(); token.kind != sql::TokenKind::kEnd; token = scanner.next(), ++at) {
    std::string word;
    if (token.kind == sql::TokenKind::kWord) {
      for (const char c : statement.substr(token.begin, token.end - token.begin)) word.push_back(sql::lower_ascii(c));
    }
    if (at < 2) continue;
    if (word == "for") {
      out.query = scanner.next().begin;
      return out;
    }
    if (word == "scroll") (before == "no" ? out.no_scroll : out.scroll) = true;
    before = std::move(word);
  }
  return std::nullopt;
}

}  // namespace howdah::proxy
