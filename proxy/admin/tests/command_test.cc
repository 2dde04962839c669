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
    EXPECT_EQ(*command, (Command{Verb::kShowPools, "", "SHOW"}));
  }
}

TEST(ParseCommand, KnowsEveryCommandItHelpsWith) {
  for (const CommandHelp& help : command_help()) {
    const bool kill = help.command == "KILL_CLIENT pid";
    const auto command = parse_command(help.command);
    ASSERT_TRUE(command) << help.command;
    EXPECT_NE(command->verb, Verb::kNothing) << help.command;
    EXPECT_EQ(command->argument, kill ? "PID" : "");
    EXPECT_FALSE(parse_command(std::string(help.command) + " x")) << help.command;
  }
}

TEST(ParseCommand, RefusesWhatDoesNotExistAsPgBouncerDoes) {
  for (const char* text : {"SHOW", "SHOW bogus", "bogus", "SELECT 1", "KILL_CLIENT", "SHOW server_version"}) {
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
    EXPECT_EQ(*command, (Command{Verb::kNothing, "", tag}));
  }
}

TEST(ParseCommand, ChangesNoSettings) {
  for (const char* text : {"SET default_pool_size = 5", "SET pool.size=5"}) {
    const auto command = parse_command(text);
    ASSERT_FALSE(command) << text;
    EXPECT_EQ(command.error().code, ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace howdah::admin
