#include "tools/howdahctl/ini_file.h"

#include <gtest/gtest.h>

#include <map>

namespace howdah::ctl {
namespace {

ReadFile files(std::map<std::string, std::string> all) {
  return [all = std::move(all)](const std::string& path) -> Result<std::string> {
    const auto found = all.find(path);
    if (found == all.end()) return Error{.code = ErrorCode::kConfig, .message = path + ": not there", .detail = {}, .hint = {}};
    return found->second;
  };
}

TEST(IniFile, KeepsSectionsKeysAndLines) {
  const auto got = read_ini("a.ini", files({{"a.ini", "; comment\n[databases]\nmain = host=h\n\n[pgbouncer]\r\n  listen_port=1 \n# more\n\"odd \"\"name\" = x = y"}}));
  ASSERT_TRUE(got);
  ASSERT_EQ(got->size(), 3u);
  EXPECT_EQ((*got)[0].section, "databases");
  EXPECT_EQ((*got)[0].value, "host=h");
  EXPECT_EQ((*got)[0].place(), "a.ini:3");
  EXPECT_EQ((*got)[1].key, "listen_port");
  EXPECT_EQ((*got)[1].value, "1");
  EXPECT_EQ((*got)[2].key, "odd \"name");
  EXPECT_EQ((*got)[2].value, "x = y");
}

TEST(IniFile, IncludesInPlaceAndKeepsTheSection) {
  const auto got = read_ini("/etc/a.ini", files({{"/etc/a.ini", "[pgbouncer]\n%include more.ini\nc = 3\n"}, {"/etc/more.ini", "b = 2\n"}}));
  ASSERT_TRUE(got);
  ASSERT_EQ(got->size(), 2u);
  EXPECT_EQ((*got)[0].place(), "/etc/more.ini:1");
  EXPECT_EQ((*got)[0].section, "pgbouncer");
  EXPECT_EQ((*got)[1].key, "c");
}

TEST(IniFile, NamesTheLineOfAFault) {
  for (const char* text : {"x = 1\nnonsense\n", "x = 1\n[half\n", "x = 1\n\"half = 2\n"}) {
    const auto got = read_ini("a.ini", files({{"a.ini", text}}));
    ASSERT_FALSE(got) << text;
    EXPECT_TRUE(got.error().message.starts_with("a.ini:2: ")) << got.error().message;
  }
  EXPECT_FALSE(read_ini("a.ini", files({{"a.ini", "%include a.ini"}})));
  EXPECT_FALSE(read_ini("missing", files({})));
}

TEST(IniFile, SplitsConnectionStrings) {
  const auto words = parse_words("host = db.example.com  port=5432 password='it''s = a secret' connect_query='SET x = 1' empty=''");
  ASSERT_TRUE(words);
  ASSERT_EQ(words->size(), 5u);
  EXPECT_EQ((*words)[0].value, "db.example.com");
  EXPECT_EQ((*words)[2].value, "it's = a secret");
  EXPECT_EQ((*words)[3].key, "connect_query");
  EXPECT_EQ((*words)[4].value, "");
  EXPECT_FALSE(parse_words("host='half"));
  EXPECT_FALSE(parse_words("host"));
  EXPECT_TRUE(parse_words("  ")->empty());
}

TEST(IniFile, SplitsLists) {
  EXPECT_EQ(parse_names(" a, b  \"c d\",,e "), (std::vector<std::string>{"a", "b", "c d", "e"}));
  EXPECT_TRUE(parse_names("").empty());
}

}  // namespace
}  // namespace howdah::ctl
