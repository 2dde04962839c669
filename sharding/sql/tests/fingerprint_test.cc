#include "sharding/sql/fingerprint.h"

#include <gtest/gtest.h>

#include "sharding/sql/lexer.h"

namespace howdah::sharding::sql {
namespace {

TEST(Fingerprint, IsTheSameWhateverTheValues) {
  const char* const same[] = {"SELECT name FROM users WHERE id = 42", "select  name from USERS where id=7 -- why", "SELECT name FROM users WHERE id = $1",
                              "SELECT name FROM users WHERE id = '42'"};
  for (const char* text : same) EXPECT_EQ(fingerprint_of(text), fingerprint_of(same[0])) << text;
  EXPECT_EQ(fingerprint_of("SELECT 1 FROM t WHERE a IN (1, 2)"), fingerprint_of("SELECT 1 FROM t WHERE a IN (1, 2, 3, $1)"));
  EXPECT_NE(fingerprint_of(same[0]), 0u);
}

TEST(Fingerprint, TellsShapesApart) {
  const char* const different[] = {"SELECT name FROM users WHERE id = 1", "SELECT name FROM users", "SELECT id FROM users WHERE id = 1",
                                   "SELECT name FROM accounts WHERE id = 1", "DELETE FROM users WHERE id = 1", "SELECT name FROM users WHERE id > 1"};
  for (const char* a : different) {
    for (const char* b : different) {
      if (a != b) EXPECT_NE(fingerprint_of(a), fingerprint_of(b)) << a << " / " << b;
    }
  }
}

TEST(Fingerprint, IsNoneOfWhatIsNotSql) {
  EXPECT_EQ(fingerprint_of("SELEC 1"), 0u);
  EXPECT_EQ(fingerprint_of(std::string_view("SELECT 1\0", 9)), 0u);
}

TEST(Fingerprint, IsWrittenAndRead) {
  EXPECT_EQ(fingerprint_text(0x50fde20626009abaull), "50fde20626009aba");
  EXPECT_EQ(parse_fingerprint("50fde20626009aba"), 0x50fde20626009abaull);
  EXPECT_EQ(parse_fingerprint("50FDE20626009ABA"), 0x50fde20626009abaull);
  for (const char* text : {"", "50fde20626009ab", "50fde20626009aba0", "50fde20626009abx", "-0fde20626009aba"}) {
    EXPECT_FALSE(parse_fingerprint(text)) << text;
  }
}

// What the plan cache keeps of a text has the text's fingerprint.
TEST(Fingerprint, IsThatOfTheNormalizedText) {
  for (const char* text : {"SELECT name, 'x', 1.5, 3000000000, b'1' FROM users WHERE id = 42 AND a IN (1, 2) AND b IN ('u') LIMIT 5 OFFSET 2",
                           "INSERT INTO t (a, \"B c\") VALUES (1, 'x'), (2, $1)", "UPDATE t SET a[1] = 5, b = b + interval '1 day' WHERE c::numeric(10,2) < -1",
                           "SELECT 1 ORDER BY 1", "SELECT count(*) FROM a JOIN b USING (id) GROUP BY 1 HAVING count(*) > 3"}) {
    TokenStream tokens;
    tokenize(text, {}, tokens);
    EXPECT_EQ(fingerprint_of(with_other_literals(tokens.normalized)), fingerprint_of(text)) << with_other_literals(tokens.normalized);
  }
  TokenStream tokens;
  tokenize("SELECT a FROM t WHERE b = 'secret' AND c IN (1, 2)", {}, tokens);
  EXPECT_EQ(without_literals(tokens.normalized), "select a from t where b = ? and c in ( ? )");
}

}  // namespace
}  // namespace howdah::sharding::sql
