#include "sharding/write/insert_rows.h"

#include <algorithm>

#include "sharding/sql/scan.h"

namespace howdah::sharding {

namespace {

using sql::Token;
using sql::TokenKind;

constexpr char kNull[] = {-1, -1, -1, -1};  // the length of a parameter that is NULL

std::uint16_t number_of(std::string_view param) {
  std::uint32_t number = 0;
  for (const char c : param.substr(1)) number = std::min(number * 10 + static_cast<std::uint32_t>(c - '0'), 65536u);
  return static_cast<std::uint16_t>(number - 1);
}

bool is_values(std::string_view word) {
  static constexpr std::string_view kValues = "values";
  return std::equal(word.begin(), word.end(), kValues.begin(), kValues.end(),
                    [](char a, char b) { return sql::lower_ascii(a) == b; });
}

class Reader {
 public:
  Reader(std::string_view sql, const sql::LexerOptions& options) : sql_(sql), scanner_(sql, options) {}

  InsertRows read() {
    int depth = 0;
    for (Token token = scanner_.next(); token.kind != TokenKind::kEnd; token = scanner_.next()) {
      const auto text = sql_.substr(token.begin, token.end - token.begin);
      const bool symbol = token.kind == TokenKind::kSymbol;
      if (token.kind == TokenKind::kParam) note(number_of(text));
      if (symbol && (text == "(" || text == "[") && ++depth == 1 && state_ == State::kRow) begin_row(token, text);
      if (symbol && (text == ")" || text == "]") && --depth == 0 && open_) end_row(token);
      if (depth > 0 || (symbol && text == ")")) continue;
      between(token, text);
    }
    return std::move(out_);
  }

 private:
  enum class State { kBefore, kRow, kBetween, kBehind };

  void note(std::uint16_t param) { (open_ ? out_.rows.back().params : out_.params).push_back(param); }
  void begin_row(const Token& token, std::string_view text) {
    if (text != "(") return;
    open_ = true;
    out_.rows.push_back({token.begin, token.end, {}});
  }
  void end_row(const Token& token) {
    open_ = false;
    out_.rows.back().end = token.end;
    state_ = State::kBetween;
  }
  // A token outside of all parentheses.
  void between(const Token& token, std::string_view text) {
    if (state_ == State::kBefore && token.kind == TokenKind::kWord && is_values(text)) {
      state_ = State::kRow;
    } else if (state_ == State::kBetween) {
      state_ = token.kind == TokenKind::kSymbol && text == "," ? State::kRow : State::kBehind;
    }
  }

  std::string_view sql_;
  sql::Scanner scanner_;
  InsertRows out_;
  State state_ = State::kBefore;
  bool open_ = false;
};

std::size_t read_int16(Bytes bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at]) << 8 | static_cast<unsigned char>(bytes[at + 1]));
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

Result<InsertRows> find_rows(std::string_view sql, std::size_t count, const sql::LexerOptions& options) {
  InsertRows rows = Reader(sql, options).read();
  if (rows.rows.size() == count && count > 0) return rows;
  return make_error(ErrorCode::kUnsupported, "the rows of this INSERT cannot be told apart, and belong to several shards",
                    "Write it as INSERT INTO table (columns) VALUES (...), (...).");
}

InsertPart part_of(std::string_view sql, const InsertRows& rows, std::span<const std::uint32_t> indexes) {
  InsertPart part;
  const auto use = [&part](const std::vector<std::uint16_t>& params) {
    for (const std::uint16_t param : params) {
      if (part.uses.size() <= param) part.uses.resize(param + 1u);
      part.uses[param] = true;
    }
  };
  const auto add = [&](std::uint32_t begin, std::uint32_t end) {
    part.pieces.push_back({static_cast<std::uint32_t>(part.text.size()), begin});
    part.text.append(sql.substr(begin, end - begin));
  };
  use(rows.params);
  add(0, rows.rows.front().begin);
  for (const std::uint32_t index : indexes) {
    const auto& row = rows.rows[index];
    if (index != indexes.front()) part.text.push_back(',');
    add(row.begin, row.end);
    use(row.params);
  }
  add(rows.rows.back().end, static_cast<std::uint32_t>(sql.size()));
  return part;
}

int InsertPart::client_position(std::string_view client, int position) const {
  if (position <= 0) return position;
  std::size_t at = 0;
  for (int left = position - 1; at < text.size(); ++at) {
    if ((text[at] & 0xc0) == 0x80) continue;
    if (left-- == 0) break;
  }
  const auto next = std::upper_bound(pieces.begin(), pieces.end(), at, [](std::size_t a, const Piece& piece) { return a < piece.begin; });
  const Piece& piece = *(next == pieces.begin() ? next : next - 1);
  return static_cast<int>(characters(client.substr(0, piece.from + (at - piece.begin)))) + 1;
}

std::string part_bind(Bytes tail, const InsertPart& part) {
  std::size_t at = 2 + 2 * read_int16(tail, 0);
  const std::size_t params = read_int16(tail, at);
  at += 2;
  std::string out(tail.substr(0, at));
  for (std::size_t i = 0; i < params; ++i) {
    const std::size_t length = read_int16(tail, at) << 16 | read_int16(tail, at + 2);
    const std::size_t size = 4 + (length == 0xffffffff ? 0 : length);
    if (i < part.uses.size() && part.uses[i]) {
      out.append(tail.substr(at, size));
    } else {
      out.append(kNull, sizeof kNull);
    }
    at += size;
  }
  out.append(tail.substr(at));
  return out;
}

}  // namespace howdah::sharding
