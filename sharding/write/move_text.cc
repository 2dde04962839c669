#include "sharding/write/move_text.h"

#include <algorithm>
#include <optional>

#include "sharding/sql/scan.h"

namespace howdah::sharding {

namespace {

using sql::Token;
using sql::TokenKind;

// The clauses of an UPDATE without WITH and FROM.
class UpdateText {
 public:
  UpdateText(std::string_view sql, const sql::LexerOptions& options) : sql_(sql) {
    sql::Scanner scanner(sql, options);
    for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) tokens_.push_back(token);
    while (!tokens_.empty() && is_symbol(tokens_.size() - 1, ";")) tokens_.pop_back();
  }

  // False: it is not what it is thought to be.
  bool read() {
    if (!is_word(0, "update") || !relation()) return false;
    set_ = at_++;
    assignments();
    return values_.size() == names_;
  }

  std::string_view target() const { return text(1, set_); }       // with ONLY and the alias
  std::string_view name() const { return text(name_begin_, name_end_); }
  std::string_view alias() const { return text(alias_begin_, set_); }  // without AS
  std::string_view up_to_where() const { return text(0, where_); }
  std::string_view where() const { return text(where_, returning_); }
  std::string_view returning() const { return text(returning_, tokens_.size()); }
  const std::vector<std::string_view>& values() const { return values_; }

 private:
  std::string_view token(std::size_t i) const { return sql_.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin); }
  bool is_symbol(std::size_t i, std::string_view symbol) const {
    return i < tokens_.size() && tokens_[i].kind == TokenKind::kSymbol && token(i) == symbol;
  }
  bool is_word(std::size_t i, std::string_view lower) const {
    if (i >= tokens_.size() || tokens_[i].kind != TokenKind::kWord) return false;
    const auto word = token(i);
    return std::equal(word.begin(), word.end(), lower.begin(), lower.end(), [](char a, char b) { return sql::lower_ascii(a) == b; });
  }
  // Up to the last token's end: a comment behind it could hide what is put there.
  std::string_view text(std::size_t begin, std::size_t end) const {
    if (begin >= end || end > tokens_.size()) return {};
    return sql_.substr(tokens_[begin].begin, tokens_[end - 1].end - tokens_[begin].begin);
  }
  bool is_name(std::size_t i) const {
    return i < tokens_.size() && (tokens_[i].kind == TokenKind::kWord || tokens_[i].kind == TokenKind::kQuotedWord);
  }

  // [ONLY] name [*] [[AS] alias], up to SET. https://www.postgresql.org/docs/15/sql-update.html
  bool relation() {
    at_ = 1;
    const bool only = is_word(at_, "only");
    if (only) ++at_;
    const bool wrapped = only && is_symbol(at_, "(");
    if (wrapped) ++at_;
    name_begin_ = at_;
    if (!is_name(at_++)) return false;
    for (; is_symbol(at_, "."); at_ += 2) {
      if (!is_name(at_ + 1)) return false;
    }
    name_end_ = at_;
    if (wrapped && !is_symbol(at_++, ")")) return false;
    if (is_symbol(at_, "*")) ++at_;
    const bool as = is_word(at_, "as");
    if (as) ++at_;
    alias_begin_ = at_;
    if ((as || !is_word(at_, "set")) && !is_name(at_++)) return false;
    return is_word(at_, "set");
  }

  // Behind SET. A word behind a dot is a column's name, whatever it is.
  void assignments() {
    where_ = returning_ = tokens_.size();
    std::size_t value = 0;
    int depth = 0;
    const auto end_value = [&](std::size_t end) {
      if (value > 0) values_.push_back(text(value, end));
      value = 0;
    };
    for (; at_ < tokens_.size(); ++at_) {
      const bool symbol = tokens_[at_].kind == TokenKind::kSymbol;
      if (symbol && (token(at_) == "(" || token(at_) == "[")) ++depth;
      if (symbol && (token(at_) == ")" || token(at_) == "]")) --depth;
      if (depth > 0) continue;
      const bool in_set = where_ == tokens_.size() && returning_ == tokens_.size();
      if (in_set && value == 0 && is_symbol(at_, "=")) {
        value = at_ + 1;
        ++names_;
      } else if (in_set && is_symbol(at_, ",")) {
        end_value(at_);
      } else if (is_symbol(at_ - 1, ".")) {
        continue;
      } else if (in_set && is_word(at_, "where")) {
        end_value(at_);
        where_ = at_;
      } else if (is_word(at_, "returning")) {
        end_value(at_);
        returning_ = at_;
        where_ = std::min(where_, at_);
        return;
      }
    }
    end_value(at_);
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0, set_ = 0, name_begin_ = 0, name_end_ = 0, alias_begin_ = 0, where_ = 0, returning_ = 0;
  std::size_t names_ = 0;
  std::vector<std::string_view> values_;
};

std::string_view type_name(Oid key) {
  switch (key) {
    case schema::kInt2Oid:
      return "pg_catalog.int2";
    case schema::kInt4Oid:
      return "pg_catalog.int4";
    case schema::kInt8Oid:
      return "pg_catalog.int8";
    case schema::kUuidOid:
      return "pg_catalog.uuid";
    case schema::kTextOid:
      return "pg_catalog.text";
    default:
      return "pg_catalog.varchar";
  }
}

void add(std::string& list, std::string_view item) {
  if (!list.empty()) list += ", ";
  list += item;
}

// The column's assignment; null when it keeps its value.
const sql::KeyMove::Item* assigned(const sql::KeyMove& move, std::size_t column) {
  const auto found = std::find_if(move.items.begin(), move.items.end(), [column](const auto& item) { return item.column == column; });
  return found == move.items.end() ? nullptr : &*found;
}

std::string in_parentheses(std::string_view expression) { return "(" + std::string(expression) + ")"; }

}  // namespace

Result<MoveText> move_text(std::string_view sql, const sql::KeyMove& move, std::size_t params, const sql::LexerOptions& options) {
  UpdateText update(sql, options);
  if (!update.read() || update.values().size() != move.items.size()) {
    return make_error(ErrorCode::kUnsupported, "this form of UPDATE is not supported where rows move to other shards",
                      "Write it as UPDATE table SET column = value, ... WHERE ...");
  }
  MoveText out;
  std::string taken, columns, values;
  for (std::size_t i = 0; i < move.columns.size(); ++i) {
    const auto* item = assigned(move, i);
    const std::string_view value = item == nullptr ? std::string_view() : update.values()[static_cast<std::size_t>(item - move.items.data())];
    add(columns, move.columns[i]);
    if (item != nullptr && item->constant) {
      add(values, value);
      continue;
    }
    add(taken, item == nullptr ? move.columns[i] : in_parentheses(value));
    out.carried.push_back({item == nullptr});
    add(values, "$" + std::to_string(params + out.carried.size()));
    if (i != move.key) continue;
    out.tells_keys = item != nullptr;
  }
  if (out.tells_keys) {
    const auto* item = assigned(move, move.key);
    const auto value = update.values()[static_cast<std::size_t>(item - move.items.data())];
    add(taken, in_parentheses(value) + "::" + std::string(type_name(move.stored.column_type)));
    add(taken, move.columns[move.key]);
  }
  const std::string where(update.where());
  const std::string returning(update.returning());
  out.take = "DELETE FROM " + std::string(update.target()) + (where.empty() ? "" : " " + where) + " RETURNING " + (taken.empty() ? "NULL" : taken);
  out.put = "INSERT INTO " + std::string(update.name()) + (update.alias().empty() ? "" : " AS " + std::string(update.alias())) + " (" + columns +
            ") OVERRIDING SYSTEM VALUE VALUES (" + values + ")" + (returning.empty() ? "" : " " + returning);
  out.probe = std::string(update.up_to_where()) + " WHERE false" + (returning.empty() ? "" : " " + returning);
  return out;
}

}  // namespace howdah::sharding
