#include "proxy/access/userlist.h"

#include <gtest/gtest.h>

namespace howdah::access {
namespace {

TEST(Userlist, ReadsNamesAndSecrets) {
  const auto list = parse_userlist(
      "; users\n\"app\" \"secret\"\n\n  \"with \"\"quote\"\"\"\t\"p;a s\"  old fields\n\"md\" \"md50123456789abcdef0123456789abcdef\"\r\n\"none\" \"\"",
      "users.txt");
  EXPECT_TRUE(list.faults.empty());
  ASSERT_EQ(list.users.size(), 4u);
  EXPECT_EQ(list.users[0].name, "app");
  EXPECT_EQ(list.users[0].secret, "secret");
  EXPECT_EQ(list.users[0].line, 2);
  EXPECT_EQ(list.users[1].name, "with \"quote\"");
  EXPECT_EQ(list.users[1].secret, "p;a s");
  EXPECT_EQ(list.users[2].secret, "md50123456789abcdef0123456789abcdef");
  EXPECT_EQ(list.users[3].secret, "");
}

TEST(Userlist, FindsFaultyLines) {
  const auto list = parse_userlist("app secret\n\"app\"\n\"app\" \"open\n\"\" \"x\"\n\"a\" \"1\"\n\"a\" \"2\"\n\"" + std::string(64, 'x') + "\" \"1\"\n",
                                   "users.txt");
  ASSERT_EQ(list.faults.size(), 6u);
  EXPECT_EQ(list.faults[0], (FileFault{"users.txt", 1, "a line is \"name\" \"secret\", both in double quotes"}));
  EXPECT_EQ(list.faults[4].message, "user \"a\" is given twice");
  EXPECT_EQ(list.users.size(), 1u);
}

}  // namespace
}  // namespace howdah::access
