#include "drivers/pgwire/error_fields.h"

#include "drivers/pgwire/tests/message_cases.h"

namespace howdah::pgwire {
namespace {

using namespace testing;

// What PostgreSQL 15 sent for INSERT INTO t VALUES (-1), with lc_messages = C.
constexpr Bytes kServerError =
    "SERROR\0VERROR\0C23514\0Mnew row for relation \"t\" violates check constraint \"t_a_check\"\0"
    "DFailing row contains (-1).\0spublic\0tt\0nt_a_check\0FexecMain.c\0L1883\0RExecConstraints\0\0"sv;

TEST(ErrorFields, AreReadAndWrittenAsPostgresqlOrdersThem) {
  ErrorFields fields;
  ASSERT_TRUE(decode(kServerError, fields));
  EXPECT_EQ(fields.severity, "ERROR");
  EXPECT_EQ(fields.sqlstate, "23514");
  EXPECT_EQ(fields.detail, "Failing row contains (-1).");
  EXPECT_EQ(fields.table, "t");
  EXPECT_EQ(fields.constraint, "t_a_check");
  EXPECT_EQ(fields.routine, "ExecConstraints");
  std::string out;
  append_error(out, fields);
  EXPECT_EQ(out[0], 'E');
  EXPECT_EQ(Bytes(out).substr(kHeaderSize), kServerError);
  expect_frames_one_byte_at_a_time(out);
}

TEST(ErrorFields, AllSurviveTheRoundTrip) {
  const Bytes body =
      "SFEHLER\0VERROR\0C42601\0Mm\0Dd\0Hh\0Ww\0ss\0tt\0cc\0dd\0nn\0P7\0p3\0qselect\0Ff\0L1\0Rr\0\0"sv;
  ErrorFields fields;
  ASSERT_TRUE(decode(body, fields));
  EXPECT_EQ(fields.localized_severity, "FEHLER");
  EXPECT_EQ(fields.position, 7);
  EXPECT_EQ(fields.internal_position, 3);
  std::string out;
  append_notice(out, fields);
  EXPECT_EQ(out[0], 'N');
  EXPECT_EQ(Bytes(out).substr(kHeaderSize), body);
}

TEST(ErrorFields, AreNeverReadFromATruncatedMessage) {
  for (std::size_t size = 0; size < kServerError.size(); ++size) {
    const std::vector<char> copy(kServerError.begin(),
                                 kServerError.begin() + static_cast<std::ptrdiff_t>(size));
    ErrorFields fields;
    EXPECT_FALSE(decode(Bytes(copy.data(), copy.size()), fields)) << size;
  }
  ErrorFields fields;
  EXPECT_FALSE(decode(std::string(kServerError) + "S", fields));
}

TEST(ErrorFields, MissingOnesAreFilledIn) {
  ErrorFields fields;
  ASSERT_TRUE(decode("SFATAL\0Mold server\0\0"sv, fields)) << "no V, no SQLSTATE";
  EXPECT_EQ(fields.severity, "FATAL");
  EXPECT_EQ(fields.sqlstate, "");
  std::string out;
  append_error(out, fields);
  EXPECT_EQ(Bytes(out).substr(kHeaderSize), "SFATAL\0VFATAL\0CXX000\0Mold server\0\0"sv);
  out.clear();
  append_error(out, {});
  EXPECT_EQ(Bytes(out).substr(kHeaderSize), "SERROR\0VERROR\0CXX000\0Mmissing error text\0\0"sv);
}

TEST(ErrorFields, APositionThatIsNoNumberIsNone) {
  ErrorFields fields;
  ASSERT_TRUE(decode("Pabc\0p99999999999999\0\0"sv, fields));
  EXPECT_EQ(fields.position, 0);
  EXPECT_EQ(fields.internal_position, 0);
}

TEST(ErrorFields, APositionIsReplacedAndTheRestStays) {
  const Bytes body = "SERROR\0C42601\0Mm\0P120\0Zunknown\0\0"sv;
  const auto with_position = [&](int position) {
    std::string out;
    append_with_position(out, 'E', body, position);
    return out.substr(kHeaderSize);
  };
  EXPECT_EQ(with_position(9), "SERROR\0C42601\0Mm\0P9\0Zunknown\0\0"sv);
  EXPECT_EQ(with_position(0), "SERROR\0C42601\0Mm\0Zunknown\0\0"sv);
}

}  // namespace
}  // namespace howdah::pgwire
