#include "sharding/clock_text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include "sharding/sql/scan.h"

namespace howdah::sharding {

namespace {

using sql::Token;
using sql::TokenKind;
using Kind = sql::ClockCall::Kind;

struct Word {
  std::string_view text;
  Kind kind;
  bool call;              // a function of that name, called without arguments; else a keyword, which may have a precision
  std::string_view type;  // of the result
};

constexpr Word kWords[] = {
    {"now", Kind::kNow, true, "timestamptz"},
    {"transaction_timestamp", Kind::kTransactionTimestamp, true, "timestamptz"},
    {"statement_timestamp", Kind::kStatementTimestamp, true, "timestamptz"},
    {"current_date", Kind::kCurrentDate, false, "date"},
    {"current_time", Kind::kCurrentTime, false, "timetz"},
    {"current_timestamp", Kind::kCurrentTimestamp, false, "timestamptz"},
    {"localtime", Kind::kLocalTime, false, "time"},
    {"localtimestamp", Kind::kLocalTimestamp, false, "timestamp"},
};

// One reading in the text.
struct Place {
  const Word* word = nullptr;
  std::uint32_t begin = 0, end = 0;
  std::string_view precision;
};

class Finder {
 public:
  Finder(std::string_view sql, const sql::LexerOptions& options) : sql_(sql) {
    sql::Scanner scanner(sql, options);
    for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) tokens_.push_back(token);
  }

  std::vector<Place> find() const {
    std::vector<Place> out;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Word* word = word_at(i);
      if (word == nullptr) continue;
      const std::string before = i > 0 ? name(i - 1) : "";
      Place place{word, tokens_[i].begin, tokens_[i].end, {}};
      if (word->call) {
        if (!symbol(i + 1, "(") || !symbol(i + 2, ")")) continue;
        if (symbol(i - 1, ".")) place.begin = tokens_[i - 2].begin;  // which is pg_catalog: else it were another function
        place.end = tokens_[i + 2].end;
      } else {
        // A keyword: elsewhere it is a name.
        if (tokens_[i].kind == TokenKind::kQuotedWord || (i > 0 && symbol(i - 1, ".")) || before == "as") continue;
        if (symbol(i + 1, "(")) {
          if (!symbol(i + 3, ")")) continue;
          place.precision = text(i + 2);
          place.end = tokens_[i + 3].end;
        }
      }
      out.push_back(place);
    }
    return out;
  }

 private:
  std::string_view text(std::size_t i) const {
    return i < tokens_.size() ? sql_.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin) : std::string_view();
  }
  bool symbol(std::size_t i, std::string_view symbol) const {
    return i < tokens_.size() && tokens_[i].kind == TokenKind::kSymbol && text(i) == symbol;
  }
  std::string name(std::size_t i) const {
    std::string out;
    if (tokens_[i].kind == TokenKind::kQuotedWord && text(i).starts_with('"')) out = text(i).substr(1, text(i).size() - 2);
    if (tokens_[i].kind == TokenKind::kWord) {
      for (const char c : text(i)) out.push_back(sql::lower_ascii(c));
    }
    return out;
  }
  const Word* word_at(std::size_t i) const {
    if (tokens_[i].kind != TokenKind::kWord && tokens_[i].kind != TokenKind::kQuotedWord) return nullptr;
    const std::string found = name(i);
    const auto* word = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) { return w.text == found; });
    return word == std::end(kWords) ? nullptr : word;
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
};

// A subquery's column gives its name to the one outside, as a function does.
std::string constant(const Place& place, bool names_column, const ClockTimes& times) {
  std::string out = time_literal(place.word->kind == Kind::kStatementTimestamp ? times.statement : times.transaction);
  out += "::pg_catalog.timestamptz";
  if (place.word->type != "timestamptz" || !place.precision.empty()) out.append("::pg_catalog.").append(place.word->type);
  if (!place.precision.empty()) out.append("(").append(place.precision).append(")");
  if (names_column) return "(SELECT " + out + " AS \"" + std::string(place.word->text) + "\")";
  return "(" + out + ")";
}

}  // namespace

std::string time_literal(std::int64_t micros) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(micros)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char out[64];
  std::snprintf(out, sizeof out, "'%04d-%02u-%02u %02d:%02d:%02d.%06d+00:00:00'", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return out;
}

std::string with_times(std::string text, const ClockTimes& times) {
  const auto replace = [&text](std::int64_t symbol, std::int64_t time) {
    const std::string from = time_literal(symbol), to = time_literal(time);
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  };
  replace(kSymbolicTimes.transaction, times.transaction);
  replace(kSymbolicTimes.statement, times.statement);
  return text;
}

Result<std::vector<Edit>> clock_edits(std::string_view sql, std::span<const sql::ClockCall> calls, const ClockTimes& times,
                                      const sql::LexerOptions& options) {
  const auto places = Finder(sql, options).find();
  const bool same = std::equal(places.begin(), places.end(), calls.begin(), calls.end(),
                               [](const Place& place, const sql::ClockCall& call) { return place.word->kind == call.kind; });
  if (!same) {
    return make_error(ErrorCode::kUnsupported, "the times in this statement over several shards cannot be told apart",
                      "Write now() without quotes, and use it for nothing else.");
  }
  for (const auto symbol : {kSymbolicTimes.transaction, kSymbolicTimes.statement}) {
    if (sql.find(time_literal(symbol)) == std::string_view::npos) continue;
    return make_error(ErrorCode::kUnsupported, "the time " + time_literal(symbol) + " is not supported in a statement over several shards",
                      "Write it in another way.");
  }
  std::vector<Edit> edits;
  for (std::size_t i = 0; i < places.size(); ++i) {
    edits.push_back({places[i].begin, places[i].end, constant(places[i], calls[i].names_column, times)});
  }
  return edits;
}

}  // namespace howdah::sharding
