#include "sharding/merge/shard_text.h"

#include <limits>
#include <optional>
#include <vector>

#include "sharding/sql/scan.h"

namespace howdah::sharding {

namespace {

using sql::Token;
using sql::TokenKind;

struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// The clauses of the outermost query, by its keywords outside of all parentheses.
struct Clauses {
  std::optional<std::uint32_t> from;   // where FROM begins
  bool has_targets = false;            // something stands between SELECT and FROM
  std::uint32_t targets_end = 0;       // end of the last token before FROM
  std::vector<Range> sort;             // the expressions of ORDER BY
  std::uint32_t rows = 0;              // where LIMIT, OFFSET or FETCH begins; 0: none
  std::uint32_t end = 0;               // of the last token
};

class Reader {
 public:
  Reader(std::string_view sql, const sql::LexerOptions& options) : sql_(sql), scanner_(sql, options) {}

  Clauses read() {
    for (Token token = scanner_.next(); token.kind != TokenKind::kEnd; token = scanner_.next()) {
      const auto text = sql_.substr(token.begin, token.end - token.begin);
      if (token.kind == TokenKind::kSymbol && text == ";" && depth_ == 0) break;
      if (token.kind == TokenKind::kSymbol && (text == ")" || text == "]")) --depth_;
      std::string word;
      // A word behind a dot is a name, whatever it says.
      if (depth_ == 0 && token.kind == TokenKind::kWord && last_ != ".") {
        for (char c : text) word.push_back(sql::lower_ascii(c));
      }
      if (depth_ == 0) take(token, text, word);
      if (token.kind == TokenKind::kSymbol && (text == "(" || text == "[")) ++depth_;
      before_last_ = std::move(last_);
      last_ = token.kind == TokenKind::kSymbol ? std::string(text) : word;
      out_.end = token.end;
    }
    finish_item();
    return std::move(out_);
  }

 private:
  enum class Part { kBefore, kTargets, kBody, kSort, kRows };

  void take(const Token& token, std::string_view text, const std::string& word) {
    switch (part_) {
      case Part::kBefore:
        if (word != "select") return;
        part_ = Part::kTargets;
        out_.targets_end = token.end;
        return;
      case Part::kTargets:
        // IS [NOT] DISTINCT FROM is no clause.
        if (word == "from" && !(last_ == "distinct" && (before_last_ == "is" || before_last_ == "not"))) {
          out_.from = token.begin;
          part_ = Part::kBody;
        } else if (word != "distinct" && word != "all") {
          out_.has_targets = true;
        }
        if (part_ == Part::kTargets) out_.targets_end = token.end;
        return;
      case Part::kBody:
        if (word == "by" && last_ == "order") part_ = Part::kSort;
        if (begins_rows(word)) begin_rows(token);
        return;
      case Part::kSort:
        if (begins_rows(word)) {
          finish_item();
          begin_rows(token);
        } else if (text == "," && token.kind == TokenKind::kSymbol) {
          finish_item();
        } else if (word == "asc" || word == "desc" || word == "nulls") {
          item_done_ = true;
        } else if (!item_done_) {
          extend(token);
        }
        return;
      case Part::kRows:
        return;
    }
  }
  static bool begins_rows(const std::string& word) { return word == "limit" || word == "offset" || word == "fetch"; }
  void begin_rows(const Token& token) {
    part_ = Part::kRows;
    out_.rows = token.begin;
  }
  void extend(const Token& token) {
    if (item_.end == 0) item_.begin = token.begin;
    item_.end = token.end;
  }
  void finish_item() {
    if (item_.end > 0) out_.sort.push_back(item_);
    item_ = {};
    item_done_ = false;
  }

  std::string_view sql_;
  sql::Scanner scanner_;
  Clauses out_;
  Part part_ = Part::kBefore;
  Range item_;
  bool item_done_ = false;
  int depth_ = 0;
  std::string last_, before_last_;
};

Error unreadable() {
  return make_error(ErrorCode::kUnsupported, "this form of query is not supported over several shards",
                    "Write it as SELECT ... FROM ... ORDER BY ... LIMIT ..., without parentheses around it.");
}

std::int64_t sum(std::int64_t limit, std::int64_t offset) {
  return limit > std::numeric_limits<std::int64_t>::max() - offset ? std::numeric_limits<std::int64_t>::max() : limit + offset;
}

// The start of names that do not occur in the statement: ORDER BY would not tell two columns of one name apart.
std::string hidden_name(std::string_view statement) {
  std::string lower(statement);
  for (char& c : lower) c = sql::lower_ascii(c);
  std::string name = "howdah_sort_";
  for (int i = 1; lower.find(name) != std::string::npos; ++i) name = "howdah_sort" + std::to_string(i) + "_";
  return name;
}

}  // namespace

Result<ShardText> shard_text(std::string_view sql, const sql::Spread& spread, std::int64_t limit, std::int64_t offset,
                             const sql::LexerOptions& options) {
  ShardText out;
  const bool counted = spread.limit.kind != sql::RowCount::Kind::kNone || spread.offset.kind != sql::RowCount::Kind::kNone;
  std::string hidden;
  for (const auto& key : spread.sort) hidden += key.hidden ? "x" : "";
  if (!counted && hidden.empty()) {
    out.text = sql;
    return out;
  }
  const Clauses clauses = Reader(sql, options).read();
  if (counted != (clauses.rows > 0)) return unreadable();
  std::uint32_t body = 0;
  if (!hidden.empty()) {
    if (!clauses.from || clauses.sort.size() != spread.sort.size()) return unreadable();
    hidden.clear();
    const std::string name = hidden_name(sql);
    for (const auto& key : spread.sort) {
      if (!key.hidden) continue;
      const Range& item = clauses.sort[key.item];
      if (clauses.has_targets || !hidden.empty()) hidden += ",";
      // A name of its own: by itself `a::date` would be named a, and make an ORDER BY a ambiguous.
      hidden += " (" + std::string(sql.substr(item.begin, item.end - item.begin)) + ") AS " + name + std::to_string(key.item);
    }
    hidden += " ";
    body = clauses.targets_end;
    out.inserted_at = body;
    out.inserted = static_cast<std::uint32_t>(hidden.size());
    out.text = std::string(sql.substr(0, body)) + hidden;
  }
  // What stands behind the counts is nothing but comments.
  out.text += sql.substr(body, (counted ? clauses.rows : clauses.end) - body);
  // Negative counts are the servers' to refuse.
  if (offset < 0) out.text += " OFFSET " + std::to_string(offset);
  if (limit < 0 && limit != sql::kNoLimit) out.text += " LIMIT " + std::to_string(limit);
  if (limit >= 0 && offset >= 0) out.text += " LIMIT " + std::to_string(sum(limit, offset));
  return out;
}

}  // namespace howdah::sharding
