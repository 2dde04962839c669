#include "proxy/admin/command.h"

#include <algorithm>
#include <array>
#include <vector>

namespace howdah::admin {

namespace {

enum class Argument : std::uint8_t { kNone, kOptional, kRequired };

struct Spec {
  std::string_view words;
  Verb verb;
  Argument argument;
  std::string_view usage;
  std::string_view help;
};

constexpr auto kNone = Argument::kNone;
constexpr auto kOptional = Argument::kOptional;
constexpr auto kRequired = Argument::kRequired;

constexpr auto kSpecs = std::to_array<Spec>({
    {"SHOW HELP", Verb::kShowHelp, kNone, "SHOW HELP", "this list"},
    {"SHOW POOLS", Verb::kShowPools, kNone, "SHOW POOLS", "clients and server connections per database and user"},
    {"SHOW SERVER_POOLS", Verb::kShowServerPools, kNone, "SHOW SERVER_POOLS", "the same per server: what pool.size limits"},
    {"SHOW CLIENTS", Verb::kShowClients, kNone, "SHOW CLIENTS", "client connections"},
    {"SHOW SERVERS", Verb::kShowServers, kNone, "SHOW SERVERS", "connections to PostgreSQL servers"},
    {"SHOW SOCKETS", Verb::kShowSockets, kNone, "SHOW SOCKETS", "both"},
    {"SHOW ACTIVE_SOCKETS", Verb::kShowActiveSockets, kNone, "SHOW ACTIVE_SOCKETS", "those of them that are at work"},
    {"SHOW STATS", Verb::kShowStats, kNone, "SHOW STATS", "transactions, statements, bytes and times (microseconds) per database"},
    {"SHOW STATS_TOTALS", Verb::kShowStatsTotals, kNone, "SHOW STATS_TOTALS", "the same, sums since the start only"},
    {"SHOW STATS_AVERAGES", Verb::kShowStatsAverages, kNone, "SHOW STATS_AVERAGES", "the same, per second over the last whole minute"},
    {"SHOW TOTALS", Verb::kShowTotals, kNone, "SHOW TOTALS", "the same over all databases, one figure per row"},
    {"SHOW DATABASES", Verb::kShowDatabases, kNone, "SHOW DATABASES", "what clients can connect to"},
    {"SHOW SHARDS", Verb::kShowShards, kNone, "SHOW SHARDS", "shards with their buckets and servers"},
    {"SHOW REPLICAS", Verb::kShowReplicas, kNone, "SHOW REPLICAS", "every server: its role today, state and why, timeline, lag"},
    {"SHOW HEALTH", Verb::kShowHealth, kNone, "SHOW HEALTH", "every server: up or down, role, replication lag"},
    {"SHOW TRANSACTIONS", Verb::kShowTransactions, kNone, "SHOW TRANSACTIONS", "prepared transactions of Howdah on all shards, with their decisions"},
    {"SHOW DRIFT", Verb::kShowDrift, kNone, "SHOW DRIFT", "where shards differ: servers' settings, tables, columns, indexes, constraints, types, functions"},
    {"SHOW USERS", Verb::kShowUsers, kNone, "SHOW USERS", "who may log in"},
    {"SHOW CONFIG", Verb::kShowConfig, kNone, "SHOW CONFIG", "the running configuration"},
    {"SHOW LISTS", Verb::kShowLists, kNone, "SHOW LISTS", "how many there are of what"},
    {"SHOW STATE", Verb::kShowState, kNone, "SHOW STATE", "whether clients are served, or wait"},
    {"SHOW MEM", Verb::kShowMem, kNone, "SHOW MEM", "memory by kind of object"},
    {"SHOW DNS_HOSTS", Verb::kShowDnsHosts, kNone, "SHOW DNS_HOSTS", "host names of servers and what they stand for"},
    {"SHOW DNS_ZONES", Verb::kShowDnsZones, kNone, "SHOW DNS_ZONES", "none: names are looked up when the configuration is read"},
    {"SHOW PEERS", Verb::kShowPeers, kNone, "SHOW PEERS", "none: a process that takes over finds the other by restart.socket"},
    {"SHOW PEER_POOLS", Verb::kShowPeerPools, kNone, "SHOW PEER_POOLS", "none, as above"},
    {"SHOW FDS", Verb::kShowFds, kNone, "SHOW FDS", "refused: howdah --takeover hands descriptors over by itself"},
    {"SHOW LIMITS", Verb::kShowLimits, kNone, "SHOW LIMITS", "rate limits, and what they have refused"},
    {"SHOW BLOCKS", Verb::kShowBlocks, kNone, "SHOW BLOCKS", "statements that nobody may run"},
    {"SHOW BREAKERS", Verb::kShowBreakers, kNone, "SHOW BREAKERS", "circuit breakers of servers: closed, open, half-open"},
    {"SHOW STATEMENTS", Verb::kShowStatements, kNone, "SHOW STATEMENTS", "the statements that are run most often, with their fingerprints"},
    {"SHOW VERSION", Verb::kShowVersion, kNone, "SHOW VERSION", "the version of Howdah"},
    {"PAUSE", Verb::kPause, kOptional, "PAUSE [database]", "waits for transactions to end and closes server connections; clients wait for RESUME"},
    {"RESUME", Verb::kResume, kOptional, "RESUME [database]", "ends PAUSE or KILL: clients that wait are served in order"},
    {"RECONNECT", Verb::kReconnect, kOptional, "RECONNECT [database]", "closes each server connection when it becomes free"},
    {"WAIT_CLOSE", Verb::kWaitClose, kOptional, "WAIT_CLOSE [database]", "waits until RECONNECT has closed the last one"},
    {"DISABLE", Verb::kDisable, kRequired, "DISABLE database", "refuses new logins; clients that are there stay"},
    {"ENABLE", Verb::kEnable, kRequired, "ENABLE database", "ends DISABLE"},
    {"KILL", Verb::kKill, kOptional, "KILL [database]", "ends all clients and their server connections at once; new ones wait for RESUME"},
    {"KILL_CLIENT", Verb::kKillClient, kRequired, "KILL_CLIENT pid", "ends the client with this pid (SHOW CLIENTS)"},
    {"BLOCK", Verb::kBlock, kRequired, "BLOCK fingerprint [FOR 'time'] ['reason']", "nobody may run this statement any more (SHOW STATEMENTS); at once, on all workers"},
    {"UNBLOCK", Verb::kUnblock, kRequired, "UNBLOCK fingerprint", "ends BLOCK"},
    {"SUSPEND", Verb::kSuspend, kNone, "SUSPEND", "refused: PAUSE, or howdah --takeover, do what it is for"},
    {"RELOAD", Verb::kReload, kNone, "RELOAD", "reads the configuration file again, as SIGHUP does"},
    {"SHUTDOWN", Verb::kShutdown, kOptional, "SHUTDOWN [WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]",
     "ends Howdah: transactions may finish for 30 s; or without limit; or when the last client has gone by itself"},
});

// Sent by drivers and pools at will; the console has neither transactions nor session settings.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "DISCARD", "RESET", "DEALLOCATE", "UNLISTEN"});

constexpr auto kSessionSettings = std::to_array<std::string_view>(
    {"APPLICATION_NAME", "CLIENT_ENCODING", "CLIENT_MIN_MESSAGES", "DATESTYLE", "EXTRA_FLOAT_DIGITS", "INTERVALSTYLE",
     "LOCK_TIMEOUT", "NAMES", "SEARCH_PATH", "STANDARD_CONFORMING_STRINGS", "STATEMENT_TIMEOUT", "TIME", "TIMEZONE",
     "IDLE_IN_TRANSACTION_SESSION_TIMEOUT", "TRANSACTION", "CHARACTERISTICS", "BYTEA_OUTPUT"});

template <class List>
bool contains(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

// Words as they stand, cut at white space and '='; what stands in quotes is one word, a doubled quote one quote.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool open = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '=') {
      open = false;
      continue;
    }
    if (!open) words.emplace_back();
    open = true;
    if (c != '\'' && c != '"') {
      words.back() += c;
      continue;
    }
    for (++i; i < text.size() && (text[i] != c || (i + 1 < text.size() && text[i + 1] == c)); ++i) {
      if (text[i] == c) ++i;
      words.back() += text[i];
    }
  }
  return words;
}

Error invalid(std::string_view text) {
  return make_error(ErrorCode::kSyntaxError, "invalid command '" + std::string(text.substr(0, 100)) + "', use SHOW HELP;",
                    "SHOW HELP lists the commands of the admin console");
}

Result<Command> parse_set(std::string_view text, const std::vector<std::string>& words) {
  std::size_t at = 1;
  while (at < words.size() && (upper(words[at]) == "SESSION" || upper(words[at]) == "LOCAL")) ++at;
  const std::string name = at < words.size() ? words[at] : "";
  if (contains(kSessionSettings, upper(name))) return Command{.verb = Verb::kNothing, .argument = {}, .tag = "SET", .value = {}};
  if (++at < words.size() && upper(words[at]) == "TO") ++at;
  if (at + 1 != words.size()) return invalid(text);
  return Command{.verb = Verb::kSet, .argument = name, .tag = "SET", .value = words[at]};
}

// SWITCHOVER database shard [TO host:port] [DRY RUN]
Result<Command> parse_switchover(std::string_view text, std::vector<std::string> words) {
  Command command{.verb = Verb::kSwitchover, .argument = {}, .tag = "SWITCHOVER", .value = {}};
  if (words.size() > 4 && upper(words[words.size() - 2]) == "DRY" && upper(words.back()) == "RUN") {
    command.dry_run = true;
    words.resize(words.size() - 2);
  }
  if (words.size() == 5 && upper(words[3]) == "TO") {
    command.value = words[4];
  } else if (words.size() != 3) {
    return invalid(text);
  }
  command.argument = words[1];
  command.shard = words[2];
  return command;
}

// BLOCK fingerprint [FOR time] [reason]
Result<Command> parse_block(std::string_view text, const std::vector<std::string>& words) {
  Command command{Verb::kBlock, words[1], "BLOCK", ""};
  std::size_t at = 2;
  if (at + 1 < words.size() && upper(words[at]) == "FOR") {
    command.period = words[at + 1];
    at += 2;
  }
  if (at < words.size()) command.value = words[at++];
  if (at != words.size()) return invalid(text);
  return command;
}

const char* missing_argument(Verb verb) {
  if (verb == Verb::kKillClient) return "a client's pid is required";
  return verb == Verb::kBlock || verb == Verb::kUnblock ? "a fingerprint is required" : "a database is required";
}

}  // namespace

std::span<const CommandHelp> command_help() {
  static const auto list = [] {
    std::vector<CommandHelp> help;
    for (const Spec& spec : kSpecs) help.push_back({spec.usage, spec.help});
    help.push_back({"SWITCHOVER database shard [TO host:port] [DRY RUN]", "makes a replica the shard's primary: pauses, waits for replay, promotes, resumes"});
    help.push_back({"SET key = value", "changes a setting (SHOW CONFIG) until the next RELOAD or restart"});
    return help;
  }();
  return list;
}

Result<Command> parse_command(std::string_view text) {
  const auto words = words_of(text);
  if (words.empty()) return Command{};
  const std::string first = upper(words[0]);
  const bool show = first == "SHOW";
  const std::string name = show && words.size() > 1 ? "SHOW " + upper(words[1]) : first;
  const std::size_t used = show ? std::min<std::size_t>(2, words.size()) : 1;
  const std::size_t rest = words.size() - used;
  if (first == "BLOCK" && words.size() > 1) return parse_block(text, words);
  for (const Spec& spec : kSpecs) {
    if (spec.words != name || rest > (spec.argument == kNone ? 0u : 1u)) continue;
    if (rest == 0 && spec.argument == kRequired) {
      return make_error(ErrorCode::kSyntaxError, missing_argument(spec.verb), std::string(spec.usage));
    }
    Command command{.verb = spec.verb, .argument = rest == 1 ? words.back() : "", .tag = show ? "SHOW" : name, .value = {}};
    if (spec.verb == Verb::kShutdown) {
      command.argument = upper(command.argument);
      if (!command.argument.empty() && command.argument != "WAIT_FOR_SERVERS" && command.argument != "WAIT_FOR_CLIENTS") break;
    }
    return command;
  }
  if (first == "SWITCHOVER") return parse_switchover(text, words);
  if (first == "SET" && words.size() > 1) return parse_set(text, words);
  if (contains(kHarmless, first)) return Command{.verb = Verb::kNothing, .argument = {}, .tag = first == "START" ? "START TRANSACTION" : first, .value = {}};
  return invalid(text);
}

}  // namespace howdah::admin
