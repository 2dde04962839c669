#include "proxy/admin/console.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <charconv>

#include "drivers/pgwire/backend.h"
#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"
#include "proxy/admin/version.h"
#include "proxy/core/admin_protocol.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"
#include "proxy/core/worker.h"

namespace howdah::admin {

namespace {

Table show_help() {
  Table table(kHelpColumns);
  for (const CommandHelp& help : command_help()) {
    table.rows.push_back({std::string(help.command), std::string(help.text)});
  }
  return table;
}

Table show_version() {
  Table table(kVersionColumns);
  table.rows.push_back({std::string("Howdah ") + kVersion});
  return table;
}

}  // namespace

Console::Console(Proxy& proxy) : proxy_(proxy), history_(std::chrono::steady_clock::now()) {}

std::string Console::execute(std::string_view sql, const std::string& user) {
  std::string out;
  const auto commands = proxy::split_commands(sql);
  if (commands.empty()) pgwire::append_empty_query(out);
  for (const std::string& text : commands) {
    const auto command = parse_command(text);
    if (!command) proxy::append_error_response(out, command.error());
    if (!command || !run(*command, user, out)) break;
  }
  pgwire::append_ready_for_query(out, pgwire::TxStatus::kIdle);
  return out;
}

void Console::note_stats() {
  const Snapshot snapshot = take_snapshot(proxy_, Detail::kCounts);
  history_.note(snapshot.now, totals_by_database(snapshot, *proxy_.config()));
}

bool Console::run(const Command& command, const std::string& user, std::string& out) {
  Result<void> done;
  switch (command.verb) {
    case Verb::kNothing: break;
    case Verb::kReload:
      spdlog::info("console command=RELOAD user={}", user);
      done = reload();
      break;
    case Verb::kKillClient:
      spdlog::info("console command=KILL_CLIENT pid={} user={}", command.argument, user);
      done = kill_client(command.argument);
      break;
    case Verb::kShutdown:
      // The main thread waits for the signal: shutting down is its work, and the same whoever asks.
      spdlog::info("console command=SHUTDOWN user={}", user);
      kill(getpid(), SIGTERM);
      break;
    default:
      show(command.verb, out);
      return true;
  }
  if (!done) {
    proxy::append_error_response(out, done.error());
    return false;
  }
  pgwire::append_command_complete(out, command.tag);
  return true;
}

void Console::show(Verb verb, std::string& out) {
  const auto config = proxy_.config();
  const auto counts = [&] { return take_snapshot(proxy_, Detail::kCounts); };
  const auto connections = [&] { return take_snapshot(proxy_, Detail::kConnections); };
  const auto totals = [&] { return totals_by_database(counts(), *config); };
  const auto now = std::chrono::steady_clock::now();
  const auto table = [&]() -> Table {
    switch (verb) {
      case Verb::kShowClients: return show_clients(connections(), *config, proxy_.port());
      case Verb::kShowServers: return show_servers(connections());
      case Verb::kShowPools: return show_pools(counts(), *config);
      case Verb::kShowServerPools: return show_server_pools(counts());
      case Verb::kShowStats: return show_stats(totals(), history_, now);
      case Verb::kShowStatsTotals: return show_stats_totals(totals());
      case Verb::kShowStatsAverages: return show_stats_averages(totals(), history_, now);
      case Verb::kShowTotals: return show_totals(totals(), history_, now);
      case Verb::kShowDatabases: return show_databases(counts(), *config);
      case Verb::kShowUsers: return show_users(*config);
      case Verb::kShowConfig: return show_config(*config);
      case Verb::kShowShards: return show_shards(proxy_);
      case Verb::kShowHealth: return show_health(proxy_);
      case Verb::kShowLists: return show_lists(counts(), *config);
      case Verb::kShowVersion: return show_version();
      case Verb::kShowHelp:
      case Verb::kReload:
      case Verb::kShutdown:
      case Verb::kKillClient:
      case Verb::kNothing: break;
    }
    return show_help();
  }();
  append_table(out, table, "SHOW");
}

Result<void> Console::reload() {
  const auto said = proxy_.reload();
  if (said.empty()) return {};
  std::string lines;
  for (const auto& line : said) lines += (lines.empty() ? "" : "\n") + line;
  return make_error(ErrorCode::kConfig, "the configuration was not reloaded; the running one stays in force",
                    "correct the file and repeat RELOAD; howdah --check reads it without applying it", lines);
}

Result<void> Console::kill_client(const std::string& argument) {
  std::string_view digits = argument;
  if (digits.starts_with('C')) digits.remove_prefix(1);  // as SHOW CLIENTS names it in column ptr
  std::int32_t pid = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (fault != std::errc() || end != digits.data() + digits.size() || pid <= 0) {
    return make_error(ErrorCode::kInvalidValue, "\"" + argument + "\" is no client's pid",
                      "SHOW CLIENTS lists them in column pid");
  }
  std::atomic<bool> found{false};
  proxy_.on_each_worker([&](proxy::Worker& worker) {
    proxy::Session* session = worker.find_session(pid);
    if (session == nullptr) return;
    found = true;
    session->kill(make_error(ErrorCode::kShuttingDown, "terminating connection due to administrator command"));
  });
  if (found) return {};
  return make_error(ErrorCode::kInvalidValue, "there is no client with pid " + std::string(digits),
                    "SHOW CLIENTS lists them in column pid");
}

}  // namespace howdah::admin
