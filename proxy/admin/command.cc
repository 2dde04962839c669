#include "proxy/admin/command.h"

#include <algorithm>
#include <array>
#include <vector>

namespace howdah::admin {

namespace {

struct Spec {
  std::string_view words;
  Verb verb;
  bool argument;
  std::string_view help;
};

constexpr auto kSpecs = std::to_array<Spec>({
    {"SHOW HELP", Verb::kShowHelp, false, "this list"},
    {"SHOW POOLS", Verb::kShowPools, false, "clients and server connections per database and user"},
    {"SHOW SERVER_POOLS", Verb::kShowServerPools, false, "the same per server: what pool.size limits"},
    {"SHOW CLIENTS", Verb::kShowClients, false, "client connections"},
    {"SHOW SERVERS", Verb::kShowServers, false, "connections to PostgreSQL servers"},
    {"SHOW STATS", Verb::kShowStats, false, "transactions, statements, bytes and times (microseconds) per database"},
    {"SHOW STATS_TOTALS", Verb::kShowStatsTotals, false, "the same, sums since the start only"},
    {"SHOW STATS_AVERAGES", Verb::kShowStatsAverages, false, "the same, per second over the last whole minute"},
    {"SHOW TOTALS", Verb::kShowTotals, false, "the same over all databases, one figure per row"},
    {"SHOW DATABASES", Verb::kShowDatabases, false, "what clients can connect to"},
    {"SHOW SHARDS", Verb::kShowShards, false, "shards with their buckets and servers"},
    {"SHOW HEALTH", Verb::kShowHealth, false, "every server: up or down, role, replication lag"},
    {"SHOW USERS", Verb::kShowUsers, false, "who may log in"},
    {"SHOW CONFIG", Verb::kShowConfig, false, "the running configuration"},
    {"SHOW LISTS", Verb::kShowLists, false, "how many there are of what"},
    {"SHOW VERSION", Verb::kShowVersion, false, "the version of Howdah"},
    {"RELOAD", Verb::kReload, false, "reads the configuration file again, as SIGHUP does"},
    {"KILL_CLIENT", Verb::kKillClient, true, "ends the client with this pid (SHOW CLIENTS)"},
    {"SHUTDOWN", Verb::kShutdown, false, "lets transactions finish, then ends Howdah, as SIGTERM does"},
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

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool open = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '=') {
      open = false;
      continue;
    }
    if (!open) words.emplace_back();
    open = true;
    words.back() += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return words;
}

Result<Command> parse_set(const std::vector<std::string>& words) {
  std::size_t at = 1;
  while (at < words.size() && (words[at] == "SESSION" || words[at] == "LOCAL")) ++at;
  const std::string name = at < words.size() ? words[at] : "";
  if (contains(kSessionSettings, name)) return Command{Verb::kNothing, "", "SET"};
  return make_error(ErrorCode::kUnsupported, "the admin console changes no settings",
                    "edit the configuration file, then RELOAD");
}

}  // namespace

std::span<const CommandHelp> command_help() {
  static const auto list = [] {
    std::vector<CommandHelp> help;
    for (const Spec& spec : kSpecs) help.push_back({spec.argument ? "KILL_CLIENT pid" : spec.words, spec.help});
    return help;
  }();
  return list;
}

Result<Command> parse_command(std::string_view text) {
  const auto words = words_of(text);
  if (words.empty()) return Command{};
  const bool show = words[0] == "SHOW";
  const std::string name = show && words.size() > 1 ? "SHOW " + words[1] : words[0];
  const std::size_t rest = words.size() - (show ? std::min<std::size_t>(2, words.size()) : 1);
  for (const Spec& spec : kSpecs) {
    if (spec.words != name || rest != (spec.argument ? 1 : 0)) continue;
    return Command{spec.verb, spec.argument ? words.back() : "", show ? "SHOW" : name};
  }
  if (words[0] == "SET" && words.size() > 1) return parse_set(words);
  if (contains(kHarmless, words[0])) {
    return Command{Verb::kNothing, "", words[0] == "START" ? "START TRANSACTION" : words[0]};
  }
  std::string shown(text.substr(0, 100));
  return make_error(ErrorCode::kSyntaxError, "invalid command '" + shown + "', use SHOW HELP;",
                    "SHOW HELP lists the commands of the admin console");
}

}  // namespace howdah::admin
