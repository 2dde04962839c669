#include "proxy/core/settings.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

using sharding::sql::SetCommand;

SetCommand set(std::string name, std::string value) {
  return {.kind = SetCommand::Kind::kSet, .local = false, .name = std::move(name), .value = std::move(value)};
}

TEST(Settings, ReplaysOnlyWhatDiffers) {
  const auto a = Settings::none()->with("work_mem", "SET work_mem = '8MB'", "8MB")->with("timezone", "SET TIME ZONE 'UTC'", "UTC");
  const auto b = a->with("work_mem", "SET work_mem TO '9MB'", "9MB");
  EXPECT_EQ(b->transition_from(*a), "SET work_mem TO '9MB'\n;");
  EXPECT_EQ(b->transition_from(*b), "");
  EXPECT_EQ(Settings::none()->transition_from(*a), "RESET \"timezone\";RESET \"work_mem\";");
}

TEST(Settings, SetsTheRoleLastAndLeavesItFirst) {
  const auto role = Settings::none()->with("role", "SET ROLE bob", "bob")->with("zzz.x", "SET zzz.x = 1", "1");
  EXPECT_EQ(role->transition_from(*Settings::none()), "SET zzz.x = 1\n;SET ROLE bob\n;");
  EXPECT_EQ(Settings::none()->transition_from(*role), "RESET ROLE;RESET SESSION AUTHORIZATION;RESET \"zzz.x\";");
}

TEST(Settings, ResetGoesBackToWhatTheClientLoggedInWith) {
  const auto base = Settings::none()->with("datestyle", startup_statement("DateStyle", "ISO, DMY"), "ISO, DMY");
  auto now = apply(base, base, set("datestyle", "SQL"), "SET datestyle = SQL");
  now = apply(now, base, set("work_mem", "1MB"), "SET work_mem='1MB'");
  const auto reset = apply(now, base, {.kind = SetCommand::Kind::kReset, .name = "datestyle"}, "RESET datestyle");
  EXPECT_EQ(reset->find("datestyle")->value, "ISO, DMY");
  EXPECT_NE(reset->find("work_mem"), nullptr);
  // The server itself knows nothing of the client's login: there, RESET is its own default.
  EXPECT_EQ(apply(now, Settings::none(), {.kind = SetCommand::Kind::kReset, .name = "datestyle"}, "")->find("datestyle"), nullptr);
  const auto all = apply(now, base, {.kind = SetCommand::Kind::kResetAll}, "RESET ALL");
  EXPECT_TRUE(all->same(*base));
}

TEST(Settings, LocalChangesNothingThatFollows) {
  auto local = set("work_mem", "1MB");
  local.local = true;
  EXPECT_EQ(apply(Settings::none(), Settings::none(), local, "SET LOCAL work_mem='1MB'"), Settings::none());
}

TEST(Settings, QuotesAnyValue) {
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b'"), " E'a\\\\b'''");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace howdah::proxy
