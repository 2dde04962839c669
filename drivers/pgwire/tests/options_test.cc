#include <gtest/gtest.h>

#include "drivers/pgwire/startup.h"

namespace howdah::pgwire {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

TEST(Options, AreSplitAsPostgresqlSplitsThem) {
  const std::pair<const char*, Settings> cases[] = {
      {"", {}},
      {"  \t\n ", {}},
      {"-c geqo=off", {{"geqo", "off"}}},
      {"-cgeqo=off", {{"geqo", "off"}}},
      {"--geqo=off", {{"geqo", "off"}}},
      {"-c a=b --c=d\\ e", {{"a", "b"}, {"c", "d e"}}},
      {"  -c   a=b  ", {{"a", "b"}}},
      {"-c search_path=a,b", {{"search_path", "a,b"}}},
      {"--statement-timeout=5s", {{"statement_timeout", "5s"}}},
      {"-c a-b.c-d=e-f", {{"a_b.c_d", "e-f"}}},
      {"-c a=b=c", {{"a", "b=c"}}},
      {"-c a=", {{"a", ""}}},
      {"-c a=b\\\\c", {{"a", "b\\c"}}},
      {"-c a=\\\tb", {{"a", "\tb"}}},
      {"-c a=x\\", {{"a", "x"}}},
      {"-c a=1 -c a=2", {{"a", "1"}, {"a", "2"}}},
      {"-c a=1 --", {{"a", "1"}}},
  };
  for (const auto& [text, expected] : cases) {
    Settings settings;
    EXPECT_TRUE(parse_options(text, settings)) << text;
    EXPECT_EQ(settings, expected) << text;
  }
}

TEST(Options, OfAnyOtherKindAreRefused) {
  for (const char* text : {"-c", "-c a", "--a", "-ca", "-c =x", "--=x", "-e", "-S 1000", "x", "a=b", "-",
                           "-c a=b x", "-- a=b", "-C a=b", "-c -c a=b", "\\"}) {
    Settings settings;
    EXPECT_FALSE(parse_options(text, settings)) << text;
  }
}

}  // namespace
}  // namespace howdah::pgwire
