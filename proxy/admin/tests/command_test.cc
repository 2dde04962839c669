#include "proxy/admin/command.h"

#include <gtest/gtest.h>

#include "proxy/core/admin_protocol.h"

namespace howdah::admin {
namespace {

using proxy::split_commands;
using Words = std::vector<std::string>;

TEST(SplitCommands, CutsAtSemicolonsOutsideOfQuotes) {
  EXPECT_EQ(split_commands("SHOW POOLS; RELOAD ;"), (Words{"SHOW POOLS", "RELOAD"}));
  EXPECT_EQ(split_commands("SET a = ';' ; x"), (Words{"SET a = ';'", "x"}));
  EXPECT_EQ(split_commands("a\";\"b"), (Words{"a\";\"b"}));
  EXPECT_EQ(split_commands("open 'quote; more"), (Words{"open 'quote; more"}));
}

TEST(SplitCommands, LeavesOutCommentsAndEmptyStatements) {
  EXPECT_EQ(split_commands(""), Words{});
  EXPECT_EQ(split_commands(" ; ;\n"), Words{});
  EXPECT_EQ(split_commands("-- ping"), Words{});
  EXPECT_EQ(split_commands("/* a;b */ SHOW -- c;d\n POOLS"), (Words{"SHOW   POOLS"}));
  EXPECT_EQ(split_commands("/* never closed"), Words{});
}

TEST(ParseCommand, UpperAndLowerCaseAreAlike) {
  for (const char* text : {"SHOW POOLS", "show pools", "Show \t\n POOLS"}) {
    const auto command = parse_command(text);
    ASSERT_TRUE(command) << text;
    EXPECT_EQ(*command, (Command{Verb::kShowPools, "", "SHOW", ""}));
  }
}

TEST(ParseCommand, KnowsEveryCommandItHelpsWith) {
  for (const CommandHelp& help : command_help()) {
    const std::string usage(help.command);
    const auto command = parse_command(usage.substr(0, usage.find(" [")));
    ASSERT_TRUE(command) << usage;
    EXPECT_NE(command->verb, Verb::kNothing) << usage;
    if (usage.find('[') == std::string::npos) EXPECT_FALSE(parse_command(usage + " x")) << usage;
  }
}

TEST(ParseCommand, RefusesWhatDoesNotExistAsPgBouncerDoes) {
  for (const char* text : {"SHOW", "SHOW bogus", "bogus", "SELECT 1", "PAUSE a b", "SHUTDOWN now", "SET default_pool_size", "SHOW server_version"}) {
    const auto command = parse_command(text);
    ASSERT_FALSE(command) << text;
    EXPECT_EQ(command.error().code, ErrorCode::kSyntaxError);
    EXPECT_EQ(command.error().message, std::string("invalid command '") + text + "', use SHOW HELP;");
    EXPECT_NE(command.error().hint.find("SHOW HELP"), std::string::npos);
  }
}

TEST(ParseCommand, AcceptsWhatDriversSendByThemselves) {
  const std::pair<const char*, const char*> cases[] = {{"BEGIN", "BEGIN"},
                                                       {"start transaction", "START TRANSACTION"},
                                                       {"COMMIT", "COMMIT"},
                                                       {"SET extra_float_digits = 3", "SET"},
                                                       {"set session application_name='x'", "SET"},
                                                       {"DISCARD ALL", "DISCARD"}};
  for (const auto& [text, tag] : cases) {
    const auto command = parse_command(text);
    ASSERT_TRUE(command) << text;
    EXPECT_EQ(*command, (Command{Verb::kNothing, "", tag, ""}));
  }
}

TEST(ParseCommand, TakesNamesAsTheyStandAndWithinQuotes) {
  EXPECT_EQ(*parse_command("pause Sales"), (Command{Verb::kPause, "Sales", "PAUSE", ""}));
  EXPECT_EQ(*parse_command("PAUSE \"two words\""), (Command{Verb::kPause, "two words", "PAUSE", ""}));
  EXPECT_EQ(*parse_command("DISABLE \"a\"\"b\""), (Command{Verb::kDisable, "a\"b", "DISABLE", ""}));
  EXPECT_EQ(*parse_command("RESUME"), (Command{Verb::kResume, "", "RESUME", ""}));
  EXPECT_EQ(*parse_command("shutdown wait_for_clients"), (Command{Verb::kShutdown, "WAIT_FOR_CLIENTS", "SHUTDOWN", ""}));
}

TEST(ParseCommand, AsksForTheArgumentThatIsMissing) {
  for (const char* text : {"DISABLE", "ENABLE"}) {
    ASSERT_FALSE(parse_command(text)) << text;
    EXPECT_EQ(parse_command(text).error().message, "a database is required") << text;
  }
  EXPECT_EQ(parse_command("KILL_CLIENT").error().message, "a client's pid is required");
}

TEST(ParseCommand, ReadsSettingsAsPgBouncerDoes) {
  const Command expected{Verb::kSet, "default_pool_size", "SET", "5"};
  for (const char* text : {"SET default_pool_size = 5", "set default_pool_size=5", "SET default_pool_size TO '5'"}) {
    const auto command = parse_command(text);
    ASSERT_TRUE(command) << text;
    EXPECT_EQ(*command, expected) << text;
  }
}

TEST(ParseCommand, KnowsWhatOnlyLooks) {
  EXPECT_TRUE(parse_command("SHOW POOLS")->only_looks());
  EXPECT_TRUE(parse_command("SET extra_float_digits = 3")->only_looks());
  EXPECT_FALSE(parse_command("SET default_pool_size = 3")->only_looks());
  EXPECT_FALSE(parse_command("PAUSE")->only_looks());
}

}  // namespace
}  // namespace howdah::admin
