#include "proxy/access/ident_map.h"

#include <gtest/gtest.h>

namespace howdah::access {
namespace {

IdentFile parse(std::string_view text) {
  return parse_ident(text, "ident.conf", [](const std::string&) { return std::nullopt; });
}

TEST(IdentMap, NeedsEqualNamesWithoutAMap) {
  EXPECT_TRUE(may_be({}, "", "app", "app"));
  EXPECT_FALSE(may_be({}, "", "App", "app"));
  EXPECT_FALSE(may_be({}, "missing", "app", "app")) << "a map that is not there lets nobody in";
}

TEST(IdentMap, AllowsWhatItsLinesSay) {
  const auto file = parse("# map system role\nos root app\nos root admin\nos \"Jane Doe\" jane\nany root all\nnamed root \"all\"\n");
  ASSERT_TRUE(file.faults.empty());
  EXPECT_TRUE(may_be(file.entries, "os", "root", "app"));
  EXPECT_TRUE(may_be(file.entries, "os", "root", "admin"));
  EXPECT_TRUE(may_be(file.entries, "os", "Jane Doe", "jane"));
  EXPECT_FALSE(may_be(file.entries, "os", "root", "root"));
  EXPECT_FALSE(may_be(file.entries, "os", "other", "app"));
  EXPECT_TRUE(may_be(file.entries, "any", "root", "whoever"));
  EXPECT_FALSE(may_be(file.entries, "named", "root", "whoever"));
  EXPECT_TRUE(may_be(file.entries, "named", "root", "all"));
}

TEST(IdentMap, RefusesWhatItDoesNotKnow) {
  const auto file = parse("os root\nos /^(.*)$ \\1\nos root +admins\nos a,b c\n");
  ASSERT_EQ(file.faults.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(file.faults[static_cast<std::size_t>(i)].line, i + 1);
  EXPECT_TRUE(file.entries.empty());
}

}  // namespace
}  // namespace howdah::access
