// The console's commands as text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace howdah::admin {

enum class Verb : std::uint8_t {
  kShowHelp,
  kShowClients,
  kShowServers,
  kShowPools,
  kShowServerPools,
  kShowStats,
  kShowStatsTotals,
  kShowStatsAverages,
  kShowTotals,
  kShowDatabases,
  kShowUsers,
  kShowConfig,
  kShowShards,
  kShowHealth,
  kShowLists,
  kShowVersion,
  kReload,
  kShutdown,
  kKillClient,
  kNothing,  // what drivers send by themselves: accepted, without effect
};

struct Command {
  Verb verb = Verb::kNothing;
  std::string argument;  // KILL_CLIENT's
  std::string tag;       // of CommandComplete
  bool operator==(const Command&) const = default;
};

struct CommandHelp {
  std::string_view command;
  std::string_view text;
};
std::span<const CommandHelp> command_help();

// One command, without ';' and comments around it; upper and lower case are alike. kSyntaxError for one that does
// not exist, kUnsupported for settings that the console does not change.
Result<Command> parse_command(std::string_view text);

}  // namespace howdah::admin
