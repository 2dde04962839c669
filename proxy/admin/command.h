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
  kShowSockets,
  kShowActiveSockets,
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
  kShowReplicas,
  kShowTransactions,
  kShowDrift,
  kShowLists,
  kShowMem,
  kShowState,
  kShowDnsHosts,
  kShowDnsZones,
  kShowPeers,
  kShowPeerPools,
  kShowFds,
  kShowVersion,
  kShowLimits,
  kShowBlocks,
  kShowBreakers,
  kShowStatements,
  kPause,
  kSwitchover,
  kResume,
  kReconnect,
  kWaitClose,
  kDisable,
  kEnable,
  kKill,
  kKillClient,
  kSuspend,
  kBlock,
  kUnblock,
  kReload,
  kSet,
  kShutdown,
  kNothing,  // what drivers send by themselves: accepted, without effect
};

struct Command {
  Verb verb = Verb::kNothing;
  std::string argument;  // a database (empty: all), a client's pid, a setting's name, a fingerprint, or how to shut down
  std::string tag;       // of CommandComplete
  std::string value;     // SET's, BLOCK's reason, or SWITCHOVER's server
  std::string period = {};  // how long BLOCK lasts; empty: without end
  std::string shard = {};   // SWITCHOVER's
  bool dry_run = false;     // ... which then only checks
  bool operator==(const Command&) const = default;
  // Users with `stats: true` may only look.
  bool only_looks() const { return tag == "SHOW" || verb == Verb::kNothing; }
};

struct CommandHelp {
  std::string_view command;
  std::string_view text;
};
std::span<const CommandHelp> command_help();

// One command, without ';' and comments around it; upper and lower case are alike, but for names, which may stand in
// quotes. kSyntaxError for one that does not exist or lacks its argument.
Result<Command> parse_command(std::string_view text);

}  // namespace howdah::admin
