// Asked of a real server: what its input functions make of the spellings that we read ourselves.
#include <gtest/gtest.h>

#include <memory>

#include "sharding/hash.h"
#include "sharding/key_value.h"
#include "sharding/sql/lexer.h"
#include "tests/support/pg_server.h"

namespace howdah::sharding {
namespace {

using howdah::testing::PgConn;
using howdah::testing::PgServer;

class KeyOnServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<PgServer>();
    connection_ = std::make_unique<PgConn>(server_->superuser_url());
  }
  static void TearDownTestSuite() {
    connection_.reset();
    server_.reset();
  }
  static std::unique_ptr<PgServer> server_;
  static std::unique_ptr<PgConn> connection_;
};
std::unique_ptr<PgServer> KeyOnServer::server_;
std::unique_ptr<PgConn> KeyOnServer::connection_;

struct Spelling {
  const char* type;
  Oid oid;
  schema::KeyFamily family;
  const char* hash;  // of the value $1
  std::vector<const char*> values;
};

TEST_F(KeyOnServer, ReadsSpellingsAsWeDo) {
  using schema::KeyFamily;
  const Spelling spellings[] = {
      {"bigint",
       schema::kInt8Oid,
       KeyFamily::kInteger,
       "hashint8extended($1::bigint, 0)",
       {"7",
        " 7 ",
        "+007",
        "-0",
        "\t7\n",
        "\v7\f",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "",
        " ",
        "-",
        "+ 7",
        "7.0",
        "1e3",
        "0x7",
        "1_000",
        "7a",
        "--7",
        "00000000000000000000000007"}},
      {"smallint",
       schema::kInt2Oid,
       KeyFamily::kInteger,
       "hashint8extended($1::smallint, 0)",
       {"32767", "32768", "-32768", "-32769", " +1 "}},
      {"integer",
       schema::kInt4Oid,
       KeyFamily::kInteger,
       "hashint8extended($1::integer, 0)",
       {"2147483647", "2147483648", "-2147483648", "x"}},
      {"uuid",
       schema::kUuidOid,
       KeyFamily::kUuid,
       "uuid_hash_extended($1::uuid, 0)",
       {"0d9f9f60-0000-4000-8000-000000000001", "0D9F9F60-0000-4000-8000-00000000000A",
        "0d9f9f60000040008000000000000001", "{0d9f9f60-0000-4000-8000-000000000001}",
        "0d9f-9f60-0000-4000-8000-0000-0000-0001", " 0d9f9f60-0000-4000-8000-000000000001",
        "0d-9f9f60-0000-4000-8000-000000000001", "0d9f9f60-0000-4000-8000-000000000001}",
        "0d9f9f60-0000-4000-8000-0000000000012", "0d9f9f60-0000-4000-8000-00000000000",
        "{0d9f9f60-0000-4000-8000-000000000001", "0d9f9f60--0000-4000-8000-000000000001"}},
      {"text",
       schema::kTextOid,
       KeyFamily::kText,
       "hashtextextended($1::text COLLATE \"C\", 0)",
       {"", "ada", " 7 ", "\xc3\xa9\xe2\x82\xac", "it's"}},
  };
  for (const auto& spelling : spellings) {
    for (const char* value : spelling.values) {
      const auto answer =
          connection_->query(std::string("SELECT ") + spelling.hash, {howdah::testing::Value(value)});
      const auto ours = hash_value(value, false, spelling.oid, spelling.family, HashKind::kPostgres);
      ASSERT_EQ(ours.outcome == KeyOutcome::kKey, answer.ok())
          << spelling.type << " '" << value << "' " << answer.message;
      if (answer.ok()) {
        EXPECT_EQ(ours.hash, static_cast<std::uint64_t>(std::stoll(answer.scalar()))) << value;
      }
    }
  }
}

TEST_F(KeyOnServer, ComparesNumericsAsWeDo) {
  for (const char* value : {"5",
                            "5.0",
                            " 5. ",
                            "50e-1",
                            "0.5e1",
                            "5e3",
                            "0e99",
                            "-.0",
                            "9223372036854775807",
                            "9223372036854775808",
                            "5.5",
                            "NaN",
                            "-Infinity",
                            "inf",
                            "1e100",
                            "5e-1",
                            "",
                            ".",
                            "1e",
                            "1.2.3",
                            "1e 5",
                            "-9223372036854775808",
                            "1e-200"}) {
    const auto answer = connection_->query(
        "SELECT n % 1 = 0 AND abs(n) < 1e19 AND n BETWEEN -9223372036854775808 AND 9223372036854775807 "
        "FROM (SELECT $1::numeric AS n) x",
        {howdah::testing::Value(value)});
    std::int64_t number = 0;
    const auto ours = read_numeric(value, number);
    ASSERT_EQ(ours != KeyOutcome::kMalformed, answer.ok()) << value << " " << answer.message;
    if (answer.ok()) {
      EXPECT_EQ(ours == KeyOutcome::kKey, answer.scalar() == "t") << value;
    }
  }
}

TEST_F(KeyOnServer, ReadsLiteralsAsWeDo) {
  for (const bool conforming : {true, false}) {
    connection_->must(std::string("SET standard_conforming_strings = ") + (conforming ? "on" : "off"));
    connection_->must("SET escape_string_warning = off");
    for (const char* literal : {"'plain'",
                                "'it''s'",
                                "'a\\\\b'",
                                "'a\\n'",
                                "E'\\x41\\101\\u00e9\\U0001F600'",
                                "E'\\uD83D\\uDE00'",
                                "E'\\uD83D'",
                                "E'\\q\\''",
                                "$$a'b\\n$$",
                                "$x$ $$ $x$",
                                "'a' -- c\n 'b'",
                                "'a'\n'b'",
                                "E'a'\n'\\n'",
                                "'a' 'b'",
                                "U&'d\\0061t\\+000061'",
                                "U&'d!0061t' UESCAPE '!'",
                                "U&'a'\n'\\0062' UESCAPE '\\'",
                                "U&'\\D83D\\DE00'",
                                "U&'\\D83Dx'",
                                "E'\\000'",
                                "E'\\xff'",
                                "'\\'"}) {
      const auto answer = connection_->query(std::string("SELECT ") + literal);
      const std::string sql = std::string("SELECT ") + literal;
      sql::LexerOptions options;
      options.standard_conforming_strings = conforming;
      sql::TokenStream tokens;
      sql::tokenize(sql, options, tokens);
      std::string value;
      const bool read = tokens.complete && tokens.slots.size() == 1 &&
                        sql::literal_value(sql, tokens.slots[0], options, value);
      // Bytes that are no UTF-8 are left to the server.
      if (std::string_view(literal) == "E'\\xff'") continue;
      ASSERT_EQ(read, answer.ok()) << literal << " " << conforming << " " << answer.message;
      if (read) {
        EXPECT_EQ(value, answer.scalar()) << literal;
      }
    }
  }
  connection_->must("RESET ALL");
}

}  // namespace
}  // namespace howdah::sharding
