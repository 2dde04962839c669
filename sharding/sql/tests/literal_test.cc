// The value of a literal, against what PostgreSQL's grammar makes of the same text.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "sharding/sql/lexer.h"
#include "sharding/sql/tree.h"

namespace howdah::sharding::sql {
namespace {

// What libpg_query's parser reads, empty when it refuses.
std::optional<std::string> theirs(const std::string& literal, bool conforming) {
  const ParsedTree tree("SELECT " + literal, conforming);
  if (tree->status != TREE_OK || tree->count != 1) return std::nullopt;
  const TreeNode* target = kid(kid(tree->statements[0].node, TREE_SELECT_TARGETS), 0);
  const TreeNode* value = kid(target, 0);
  if (!is(value, TREE_CONST) || target->text != nullptr) return std::nullopt;
  return value->op == TREE_CONST_INT ? std::to_string(value->number) : std::string(text_of(value));
}

std::optional<std::string> ours(const std::string& literal, bool conforming) {
  LexerOptions options;
  options.standard_conforming_strings = conforming;
  const std::string sql = "SELECT " + literal;
  TokenStream tokens;
  tokenize(sql, options, tokens);
  if (tokens.slots.size() != 1 || !tokens.complete) return std::nullopt;
  std::string value;
  if (!literal_value(sql, tokens.slots[0], options, value)) return std::nullopt;
  return value;
}

TEST(LiteralValue, IsWhatPostgresReads) {
  for (const char* literal :
       {"5", "2147483647", "2147483648", "1.50", "1e10", "'plain'", "''", "'it''s'", "'a\\b'", "E'a\\'b'", "e'\\n\\t\\\\x'",
        "E'\\x41\\x4'", "E'\\101\\1'", "E'\\u0041\\U0001F600'", "E'\\uD83D\\uDE00'", "E'\\q'", "E'it''s'", "$$a'b\\n$$",
        "$x$ $$ $x$", "U&'d\\0061t\\+000061'", "U&'d!0061t' UESCAPE '!'", "U&'\\\\'", "U&'\\D83D\\DE00'", "b'0101'", "X'1fE'",
        "B'0'\n'1'", "'a'\n'b'", "E'a'\n'\\n'"}) {
    const auto expected = theirs(literal, true);
    ASSERT_TRUE(expected) << literal;
    EXPECT_EQ(ours(literal, true), expected) << literal;
  }
  for (const char* literal : {"'a\\nb'", "'a\\'b'", "'it''s'", "'\\\\'"}) {
    EXPECT_EQ(ours(literal, false), theirs(literal, false)) << literal;
  }
}

TEST(LiteralValue, RefusesWhatPostgresRefuses) {
  for (const char* literal : {"E'\\u12'", "E'\\uD83D'", "E'\\uD83Dx'", "E'\\uDE00'", "U&'\\00'", "U&'\\D83D'", "U&'x' UESCAPE 'a'",
                              "U&'x' UESCAPE ''", "E'\\U00110000'", "E'\\u0000'"}) {
    EXPECT_FALSE(theirs(literal, true)) << literal;
    EXPECT_FALSE(ours(literal, true)) << literal;
  }
}

TEST(LiteralValue, AgreesOnRandomStrings) {
  const std::vector<std::string> parts = {"''", "\\", "\\\\", "a", "0041", "x41", "u0041", "n", "'\n'", "+", "!", "7", "\\'", "D83D", "DE00"};
  const std::vector<std::string> starts = {"'", "E'", "U&'"};
  std::mt19937 random(7);
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto& start = starts[random() % starts.size()];
    std::string literal = start;
    for (std::size_t p = 0, n = random() % 8; p < n; ++p) literal += parts[random() % parts.size()];
    literal += "'";
    const auto expected = theirs(literal, true);
    if (!expected) continue;
    ++read;
    ASSERT_EQ(ours(literal, true), expected) << literal;
  }
  EXPECT_GT(read, 3000);
}

}  // namespace
}  // namespace howdah::sharding::sql
