// Tokens by PostgreSQL's rules, against a table and against libpg_query's own scanner; and what the normal form tells apart.
#include "sharding/sql/lexer.h"

#include <gtest/gtest.h>
#include <pg_query.h>

#include <cstring>
#include <random>

#include "sharding/sql/scan.h"

namespace howdah::sharding::sql {
namespace {

struct Piece {
  std::uint32_t begin, end;
  bool operator==(const Piece&) const = default;
};

std::vector<Piece> ours(std::string_view sql, bool& ok) {
  std::vector<Piece> out;
  Scanner scanner(sql, {});
  ok = true;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    if (token.kind == TokenKind::kBad) ok = false;
    out.push_back({token.begin, token.end});
  }
  return out;
}

std::uint64_t varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0; !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) break;
  }
  return value;
}

// libpg_query answers in protobuf: message ScanToken { start = 1; end = 2; token = 4; }, repeated in field 2.
constexpr std::uint64_t kSqlComment = 275, kCComment = 276;

std::vector<Piece> theirs(const std::string& sql, bool& ok) {
  std::vector<Piece> out;
  PgQueryScanResult result = pg_query_scan(sql.c_str());
  ok = result.error == nullptr;
  std::string_view in(result.pbuf.data == nullptr ? "" : result.pbuf.data, ok ? result.pbuf.len : 0);
  while (!in.empty()) {
    const auto tag = varint(in);
    if (tag != ((2u << 3) | 2)) {
      varint(in);
      continue;
    }
    std::string_view token = in.substr(0, 0);
    const auto length = varint(in);
    token = in.substr(0, length);
    in.remove_prefix(length);
    std::uint64_t field[8] = {};
    while (!token.empty()) {
      const auto key = varint(token);
      field[(key >> 3) & 7] = varint(token);
    }
    if (field[4] == kSqlComment || field[4] == kCComment) continue;
    out.push_back({static_cast<std::uint32_t>(field[1]), static_cast<std::uint32_t>(field[2])});
  }
  pg_query_free_scan_result(result);
  return out;
}

std::string show(const std::vector<Piece>& pieces, const std::string& sql) {
  std::string out;
  for (const auto& piece : pieces) out += "[" + sql.substr(piece.begin, piece.end - piece.begin) + "]";
  return out;
}

void expect_same_tokens(const std::string& sql) {
  bool we_read = false, they_read = false;
  const auto mine = ours(sql, we_read);
  const auto other = theirs(sql, they_read);
  // Its scanner lets a byte that starts no token through, for the grammar to refuse; we call it bad at once.
  if (they_read) {
    EXPECT_EQ(mine, other) << sql << "\nours   " << show(mine, sql) << "\ntheirs " << show(other, sql);
  } else {
    EXPECT_FALSE(we_read) << sql;
  }
}

TEST(Lexer, CutsTokensAsPostgresDoes) {
  for (const char* sql : {
           "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;",
           "select 1.5, .5, 5., 1e10, 1.5E-3, .5e+7, 1..10, 007",
           "select a.b.c, a . b, x[1:2], $1, $23::int4, :name, a:=b, f(a=>1)",
           "'it''s' E'a\\'b\\\\' B'101' X'1fF' N'abc' n'x' $$a'b$$ $tag$ $$ $tag $tag$",
           "'a'\n'b' 'c'  \t\n\n 'd'",
           "\"quoted \"\"name\"\" x\" $a$x$b$y$a$ a$1 _x$y \xc3\xa4\xc3\xb6",
           "a+-b a*-b a@-b a--b\n c a/*x*/b a-/**/b +/*/**/*/- -- end",
           "a<=b>=c<>d!=e=>f <<-1 ||-2 ?-3 #>>-4 ->>'x' @>-1 !!5 ~-5 *+5 =-5 <+ >- %-+ ^-+ |/+- /-+-",
           "/* outer /* inner */ still */ select -- c\r\n 1",
           "a::int b::text[] c ::bool ; ; ",
           "x between 1 and 2 and y not in ('a','b')",
           "$1 $2$ 5",
           "''''''''  E'' '' B'' X''",
           "E'\\n\\r\\t\\b\\f\\x41\\101\\u0041\\U00000041'",
           "1.2.3 1.a 1 .5.6",
           "<>= >=<= a=+b a=-b a<-b",
           "",
           "   \n\t\f ",
           ";",
       }) {
    expect_same_tokens(sql);
  }
}

// Each sign is a token; with a look at the rest for each, this would take minutes.
TEST(Lexer, TakesManySignsOneByOne) {
  const std::string sql = "SELECT " + std::string(300'000, '+') + "1";
  const LexerOptions options;
  Scanner scanner(sql, options);
  std::size_t signs = 0;
  for (Token token = scanner.next(); token.kind != TokenKind::kEnd; token = scanner.next()) {
    ASSERT_LE(token.end - token.begin, 6u);
    signs += token.kind == TokenKind::kSymbol ? 1 : 0;
  }
  EXPECT_EQ(signs, 300'000u);
}

TEST(Lexer, RefusesWhatPostgresRefuses) {
  for (const char* sql : {"'open", "\"open", "/* open", "$$open", "$a$ x $b$", "E'open\\'", "1e", "1e+", "12abc", "1_000", "0x1F",
                          "$1abc", "1.5e3x", "U&'open", "X'open", "\\", "a\x01 b"}) {
    bool ok = true;
    ours(sql, ok);
    TokenStream tokens;
    tokenize(sql, {}, tokens);
    EXPECT_FALSE(tokens.complete) << sql;
    EXPECT_FALSE(ok) << sql;
  }
}

// libpg_query's scanner reports comments and U& strings in ways of its own: these are PostgreSQL's.
TEST(Lexer, KeepsWhatBelongsToAString) {
  for (const char* sql : {"'a' -- c\n 'b'", "U&'d\\0061t'", "u&\"x\"\"y\"", "U&'d!0061t' UESCAPE '!'", "U&'a'\n'b' uEsCaPe '!'"}) {
    bool ok = false;
    EXPECT_EQ(ours(sql, ok), (std::vector<Piece>{{0, static_cast<std::uint32_t>(std::strlen(sql))}})) << sql;
    EXPECT_TRUE(ok) << sql;
  }
}

TEST(Lexer, AgreesWithLibpgQueryOnRandomText) {
  const std::vector<std::string> parts = {
      "'",   "''", "\"", "$$", "$a$", "/*", "*/", "--", "\n", " ",  "\\", "E'", "B'", "X'", "N'", "a",  "ab1", "_$",
      "1",   "12", ".",  "..", "e5",  "E+", "+",  "-",  "*",  "/",  "<",  ">",  "=",  "~",  "!",  "@",   "#",  "%",   "^",
      "&",   "|",  "`",  "?",  "$1",  "$",  "(",  ")",  ",",  ";",  ":",  "::", "[",  "]",  "in", "\t",  "\r", "\xc3\xa9"};
  std::mt19937 random(20240229);
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string sql;
    const auto pieces = 1 + random() % 12;
    for (std::size_t p = 0; p < pieces; ++p) sql += parts[random() % parts.size()];
    if (sql.find("--") != std::string::npos && sql.find('\n') != std::string::npos) continue;
    bool ok = false;
    ours(sql, ok);
    read += ok;
    expect_same_tokens(sql);
    if (HasFailure()) break;
  }
  EXPECT_GT(read, 5000);
}

std::string normal(std::string_view sql, LexerOptions options = {}) {
  TokenStream tokens;
  tokenize(sql, options, tokens);
  return tokens.normalized;
}

TEST(Normalizer, GivesEqualTextsOneForm) {
  const std::pair<const char*, const char*> same[] = {
      {"SELECT 1", "select  2"},
      {"SELECT 1;", " ; ;SELECT 1"},
      {"SELECT a FROM t WHERE x = 'a'", "SELECT a FROM t WHERE x = E'b\\n'"},
      {"SELECT 'a'", "SELECT $$b$$"},
      {"SELECT 'a'", "SELECT 'b'\n'c'"},
      {"SELECT 'a'", "SELECT U&'d!0061' UESCAPE '!'"},
      {"SELECT /* c */ 1 -- d", "SELECT 1"},
      {"x IN (1,2,3)", "X in (4)"},
      {"x IN ('a','b')", "x IN ('c')"},
      {"SELECT 1.5", "SELECT 1e10"},
      {"SELECT 1.5", "SELECT 99999999999999999999"},
      {"SELECT 007", "SELECT 00000000000000000000000000000007"},
      {"SELECT b'1'", "SELECT X'ff'"},
  };
  for (const auto& [a, b] : same) EXPECT_EQ(normal(a), normal(b)) << a << " / " << b;
}

TEST(Normalizer, TellsDifferentTextsApart) {
  const std::pair<const char*, const char*> different[] = {
      {"SELECT 1", "SELECT 3000000000"},
      {"SELECT 1", "SELECT 1.0"},
      {"SELECT 1", "SELECT '1'"},
      {"SELECT 1", "SELECT -1"},
      {"SELECT 1", "SELECT $1"},
      {"SELECT $1", "SELECT $2"},
      {"SELECT NULL", "SELECT 1"},
      {"SELECT TRUE", "SELECT FALSE"},
      {"SELECT a", "SELECT \"a\""},
      {"SELECT \"A\"", "SELECT \"a\""},
      {"SELECT ab", "SELECT a b"},
      {"SELECT a <= b", "SELECT a < = b"},
      {"SELECT a -- b\n", "SELECT a - - b"},
      {"x IN (1,2)", "x IN (1,'2')"},
      {"x IN (1,2)", "x IN (1,$1)"},
      {"x IN (1,2)", "f(1,2)"},
      {"f(1,2)", "f(1,2,3)"},
      {"x IN (1)", "x = (1)"},
      {"SELECT 1; SELECT 2", "SELECT 1 SELECT 2"},
      {"SELECT \x01", "SELECT 1"},
      {"SELECT \x01 ", "SELECT 1"},
      {"x in (\x11)", "x in (1)"},
      {"SELECT 'a", "SELECT 'a'"},
      {"SELECT n'a'", "SELECT 'a'"},
      {"SELECT \"a \"\"b\"", "SELECT \"a \" \"b\""},
  };
  for (const auto& [a, b] : different) EXPECT_NE(normal(a), normal(b)) << a << " / " << b;
}

TEST(Normalizer, GivesSlotsTheirPlaceAndClass) {
  const std::string sql = "SELECT 5, 3000000000, 1.5, 'a''b', b'1' FROM t WHERE x IN ('u', 'vw')";
  TokenStream tokens;
  tokenize(sql, {}, tokens);
  ASSERT_EQ(tokens.slots.size(), 6u);
  const auto text = [&](std::size_t i) { return sql.substr(tokens.slots[i].offset, tokens.slots[i].length); };
  EXPECT_EQ(text(0), "5");
  EXPECT_EQ(tokens.slots[0].literal, LiteralClass::kInt4);
  EXPECT_EQ(tokens.slots[1].literal, LiteralClass::kInt8);
  EXPECT_EQ(tokens.slots[2].literal, LiteralClass::kNumeric);
  EXPECT_EQ(text(3), "'a''b'");
  EXPECT_FALSE(tokens.slots[3].plain);
  EXPECT_EQ(tokens.slots[4].literal, LiteralClass::kBit);
  EXPECT_EQ(text(5), "'u', 'vw'");
  EXPECT_TRUE(tokens.slots[5].folded);
  EXPECT_TRUE(tokens.slots[5].plain);
  EXPECT_EQ(tokens.slots[5].count, 2u);
  std::uint32_t at = tokens.slots[5].offset;
  Slot item;
  std::string all;
  while (next_literal(sql, tokens.slots[5], {}, at, item)) all += sql.substr(item.offset, item.length) + ";";
  EXPECT_EQ(all, "'u';'vw';");
}

TEST(Normalizer, FindsTheHintAtTheStart) {
  const std::pair<const char*, const char*> hints[] = {
      {"/* howdah.shard=2 */ SELECT 1", " howdah.shard=2 "},
      {"  /*howdah.role=primary*/SELECT 1", "howdah.role=primary"},
      {"-- note\n/* trace */ /* howdah.x /* nested */ y */ SELECT 1", " howdah.x /* nested */ y "},
      {"SELECT 1 /* howdah.shard=2 */", ""},
      {"SELECT '/* howdah.shard=2 */'", ""},
      {"/* howdah.shard=2", ""},
      {"/* other */ SELECT 1", ""},
  };
  TokenStream tokens;
  for (const auto& [sql, hint] : hints) {
    tokenize(sql, {}, tokens);
    EXPECT_EQ(std::string_view(sql).substr(tokens.hint_begin, tokens.hint_end - tokens.hint_begin), hint) << sql;
  }
}

TEST(Normalizer, ReusesItsBuffers) {
  TokenStream tokens;
  tokenize("SELECT 'a long enough statement to own memory', 1, 2, 3", {}, tokens);
  const auto* slots = tokens.slots.data();
  const auto capacity = tokens.normalized.capacity();
  for (int i = 0; i < 10; ++i) tokenize("SELECT 'short', 1, 2", {}, tokens);
  EXPECT_EQ(tokens.slots.data(), slots);
  EXPECT_EQ(tokens.normalized.capacity(), capacity);
}

TEST(Normalizer, KeepsBackslashesByTheSetting) {
  LexerOptions old;
  old.standard_conforming_strings = false;
  EXPECT_NE(normal("SELECT 'a\\' , 'b'"), normal("SELECT 'a\\' , 'b'", old));
}

}  // namespace
}  // namespace howdah::sharding::sql
