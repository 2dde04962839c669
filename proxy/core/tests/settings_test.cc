#include "proxy/core/settings.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

using sharding::sql::SetCommand;
using sharding::sql::StatementPlan;

StatementPlan plan(SetCommand command) {
  StatementPlan plan;
  plan.set = std::move(command);
  return plan;
}

StatementPlan set(std::string name, std::string value) {
  return plan({.kind = SetCommand::Kind::kSet, .local = false, .name = std::move(name), .value = std::move(value)});
}

TEST(Settings, ReplaysOnlyWhatDiffers) {
  const auto a = Settings::none()->with("work_mem", "SET work_mem = '8MB'", "8MB")->with("timezone", "SET TIME ZONE 'UTC'", "UTC");
  const auto b = a->with("work_mem", "SET work_mem TO '9MB'", "9MB");
  EXPECT_EQ(b->transition_from(*a).rest, "SET work_mem TO '9MB'\n;");
  EXPECT_EQ(b->transition_from(*b).rest, "");
  EXPECT_EQ(Settings::none()->transition_from(*a).rest, "RESET \"timezone\";RESET \"work_mem\";");
}

TEST(Settings, SetsTheRoleLastAndLeavesItFirst) {
  const auto role = Settings::none()->with("role", "SET ROLE bob", "bob")->with("zzz.x", "SET zzz.x = 1", "1");
  EXPECT_EQ(role->transition_from(*Settings::none()).rest, "SET zzz.x = 1\n;SET ROLE bob\n;");
  EXPECT_EQ(Settings::none()->transition_from(*role).rest, "RESET ROLE;RESET SESSION AUTHORIZATION;RESET \"zzz\".\"x\";");
}

TEST(Settings, ResetGoesBackToWhatTheClientLoggedInWith) {
  const auto base = Settings::none()->with("datestyle", startup_statement("DateStyle", "ISO, DMY"), "ISO, DMY");
  auto now = apply(base, base, set("datestyle", "SQL"), "SET datestyle = SQL");
  now = apply(now, base, set("work_mem", "1MB"), "SET work_mem='1MB'");
  const auto reset = apply(now, base, plan({.kind = SetCommand::Kind::kReset, .name = "datestyle"}), "RESET datestyle");
  EXPECT_EQ(reset->find("datestyle")->value, "ISO, DMY");
  EXPECT_NE(reset->find("work_mem"), nullptr);
  // The server itself knows nothing of the client's login: there, RESET is its own default.
  EXPECT_EQ(apply(now, Settings::none(), plan({.kind = SetCommand::Kind::kReset, .name = "datestyle"}), "")->find("datestyle"), nullptr);
  const auto all = apply(now, base, plan({.kind = SetCommand::Kind::kResetAll}), "RESET ALL");
  EXPECT_TRUE(all->same(*base));
}

TEST(Settings, LocalChangesNothingThatFollows) {
  auto local = set("work_mem", "1MB");
  local.set.local = true;
  EXPECT_EQ(apply(Settings::none(), Settings::none(), local, "SET LOCAL work_mem='1MB'"), Settings::none());
}

TEST(Settings, TakesCharacteristicsOneByOne) {
  auto characteristics = plan({.kind = SetCommand::Kind::kCharacteristics, .name = "session characteristics"});
  characteristics.transaction.read_only = true;
  auto now = apply(Settings::none(), Settings::none(), characteristics, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
  now = apply(now, Settings::none(), set("default_transaction_read_only", "off"), "SET default_transaction_read_only TO off");
  EXPECT_EQ(now->transition_from(*Settings::none()).rest, "SET default_transaction_read_only TO off\n;");
}

TEST(Settings, ForgetsTheRoleOfAnotherSessionUser) {
  auto now = apply(Settings::none(), Settings::none(), set("role", "bob"), "SET ROLE bob");
  now = apply(now, Settings::none(), set("session_authorization", "eve"), "SET SESSION AUTHORIZATION eve");
  EXPECT_EQ(now->find("role"), nullptr);
}

TEST(Settings, SendsWhatDecidesTheReadingOfTextsByItself) {
  const auto a = Settings::none()->with("standard_conforming_strings", "SET standard_conforming_strings = off", "off");
  const auto b = Settings::none()->with("client_encoding", "SET NAMES 'LATIN1'", "LATIN1")->with("a.b", "SET a.b = 'x\\y'", "x\\y");
  const auto there = b->transition_from(*a);
  EXPECT_EQ(there.lexing, "SET standard_conforming_strings = on;SET NAMES 'LATIN1'\n;");
  EXPECT_EQ(there.rest, "RESET \"standard_conforming_strings\";SET a.b = 'x\\y'\n;");
}

TEST(Settings, QuotesAnyValue) {
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b'"), " E'a\\\\b'''");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace howdah::proxy
