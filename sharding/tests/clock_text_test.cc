#include "sharding/clock_text.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

using Kind = sql::ClockCall::Kind;

constexpr ClockTimes kTimes{1700000000123456, 1700000000999999};
const std::string kTime = "'2023-11-14 22:13:20.123456+00:00:00'::pg_catalog.timestamptz";

std::string edited(std::string_view sql, const std::vector<sql::ClockCall>& calls) {
  auto edits = clock_edits(sql, calls, kTimes, {});
  return edits ? EditedText(sql, std::move(*edits)).text() : "refused";
}

TEST(ClockText, PutsTheTimeInThePlaceOfWhatReadsIt) {
  EXPECT_EQ(edited("SELECT 1 WHERE a > now() - b", {{Kind::kNow, false}}), "SELECT 1 WHERE a > (" + kTime + ") - b");
  EXPECT_EQ(edited("a > Pg_Catalog.NOW ( )", {{Kind::kNow, false}}), "a > (" + kTime + ")");
  EXPECT_EQ(edited("CURRENT_TIMESTAMP(3), current_date", {{Kind::kCurrentTimestamp, false}, {Kind::kCurrentDate, false}}),
            "(" + kTime + "::pg_catalog.timestamptz(3)), (" + kTime + "::pg_catalog.date)");
  EXPECT_EQ(edited("localtime (0) localtimestamp", {{Kind::kLocalTime, false}, {Kind::kLocalTimestamp, false}}),
            "(" + kTime + "::pg_catalog.time(0)) (" + kTime + "::pg_catalog.timestamp)");
  EXPECT_EQ(edited("statement_timestamp()", {{Kind::kStatementTimestamp, false}}), "('2023-11-14 22:13:20.999999+00:00:00'::pg_catalog.timestamptz)");
}

TEST(ClockText, KeepsTheNamesOfColumns) {
  EXPECT_EQ(edited("SELECT current_time", {{Kind::kCurrentTime, true}}), "SELECT (SELECT " + kTime + "::pg_catalog.timetz AS \"current_time\")");
}

TEST(ClockText, LeavesNamesAndStringsAlone) {
  EXPECT_EQ(edited("SELECT 'now()', \"current_date\", now, x.current_date, a AS current_date, now(1) /* now() */", {}),
            "SELECT 'now()', \"current_date\", now, x.current_date, a AS current_date, now(1) /* now() */");
}

TEST(ClockText, RefusesWhatTheProofDidNotSee) {
  EXPECT_EQ(edited("SELECT now()", {}), "refused");
  EXPECT_EQ(edited("SELECT now()", {{Kind::kCurrentDate, false}}), "refused");
  EXPECT_EQ(edited("SELECT 1", {{Kind::kNow, false}}), "refused");
  EXPECT_EQ(edited("SELECT " + time_literal(kSymbolicTimes.transaction), {}), "refused");
}

TEST(ClockText, ReplacesSymbolsLater) {
  const std::string symbolic = "a " + time_literal(kSymbolicTimes.transaction) + " b " + time_literal(kSymbolicTimes.statement);
  EXPECT_EQ(with_times(symbolic, kTimes), "a '2023-11-14 22:13:20.123456+00:00:00' b '2023-11-14 22:13:20.999999+00:00:00'");
}

TEST(EditedText, LeadsPositionsBack) {
  const EditedText text("SELECT ä, now() FROM x", {{11, 16, "(12345)"}});
  EXPECT_EQ(text.text(), "SELECT ä, (12345) FROM x");
  EXPECT_EQ(text.client_position(0), 0);
  EXPECT_EQ(text.client_position(8), 8);
  EXPECT_EQ(text.client_position(11), 11);
  EXPECT_EQ(text.client_position(15), 11);
  EXPECT_EQ(text.client_position(19), 17);   // FROM
  EXPECT_EQ(text.client_position(100), 98);
}

}  // namespace
}  // namespace howdah::sharding
