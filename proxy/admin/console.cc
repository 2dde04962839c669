#include "proxy/admin/console.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "drivers/pgwire/backend.h"
#include "proxy/admin/show.h"
#include "proxy/config/values.h"
#include "proxy/admin/switchover.h"
#include "proxy/core/admin_protocol.h"
#include "proxy/core/errors.h"
#include "proxy/core/gates.h"
#include "proxy/core/proxy.h"
#include "proxy/core/worker.h"
#include "sharding/sql/fingerprint.h"

namespace howdah::admin {

namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Error refused_for_stats_users(const std::string& tag) {
  return make_error(ErrorCode::kInsufficientPrivilege, "permission denied: " + tag + " is for admins",
                    "set admin: true for the user in the configuration; stats: true allows SHOW only");
}

}  // namespace

struct Console::Job {
  proxy::AdminRequest request;
  std::vector<std::string> commands;
  std::size_t next = 0;
  std::string out;
  Wait wait;
  std::string tag;  // of the command that waits
};

Console::Console(Proxy& proxy) : proxy_(proxy), history_(std::chrono::steady_clock::now()) {}

Console::~Console() = default;

void Console::begin(proxy::AdminRequest request) {
  auto job = std::make_unique<Job>();
  job->request = std::move(request);
  job->commands = proxy::split_commands(job->request.sql);
  if (job->commands.empty()) pgwire::append_empty_query(job->out);
  advance(*job);
  if (job->wait.over) waiting_.push_back(std::move(job));
}

void Console::advance(Job& job) {
  while (job.next < job.commands.size()) {
    const auto command = parse_command(job.commands[job.next++]);
    if (!command) {
      proxy::append_error_response(job.out, command.error());
      break;
    }
    const Outcome outcome = run(*command, job);
    if (outcome == Outcome::kWaits) return;
    if (outcome == Outcome::kFailed) break;
  }
  finish(job);
}

void Console::finish(Job& job) {
  job.wait = {};
  pgwire::append_ready_for_query(job.out, pgwire::TxStatus::kIdle);
  job.request.done(std::move(job.out));
}

bool Console::poll() {
  for (std::size_t i = waiting_.size(); i-- > 0;) {
    Job& job = *waiting_[i];
    if (job.request.abandoned->load()) {
      spdlog::info("console command={} given up user={}", job.tag, job.request.user);
      if (job.wait.undo) job.wait.undo();
      proxy::append_error_response(job.out, make_error(ErrorCode::kQueryCanceled, "canceling " + job.tag + " due to user request"));
      finish(job);
    } else if (const auto over = job.wait.over(); over && *over) {
      job.wait = {};
      pgwire::append_command_complete(job.out, job.tag);
      advance(job);
    }
    if (!job.wait.over) waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return !waiting_.empty();
}

void Console::note_stats() {
  const Snapshot snapshot = take_snapshot(proxy_, Detail::kCounts);
  if (snapshot.missing.empty()) history_.note(snapshot.now, totals_by_database(snapshot, *proxy_.config()));
}

Console::Outcome Console::run(const Command& command, Job& job) {
  const config::User* user = nullptr;
  const auto config = proxy_.config();
  user = config->user(job.request.user);
  const bool admin = user != nullptr && user->admin;
  if (!admin && (!command.only_looks() || user == nullptr || !user->stats || command.verb == Verb::kShowFds)) {
    proxy::append_error_response(job.out, refused_for_stats_users(job.commands[job.next - 1].substr(0, 100)));
    return Outcome::kFailed;
  }
  if (command.tag == "SHOW" && command.verb != Verb::kShowFds) {
    show(command.verb, job.out);
    return Outcome::kDone;
  }
  if (command.verb != Verb::kNothing) {
    spdlog::info("console command={} argument={} user={}", command.tag, command.argument, job.request.user);
  }
  return act(command, job);
}

Console::Outcome Console::act(const Command& command, Job& job) {
  Result<void> done;
  Wait wait;
  std::string tag = command.tag;
  const std::string& database = command.argument;
  switch (command.verb) {
    case Verb::kPause: done = pause(database, wait); break;
    case Verb::kResume: done = resume(database); break;
    case Verb::kReconnect:
      if (done = known_database(database); done) done = proxy::reconnect(proxy_, database);
      break;
    case Verb::kWaitClose:
      done = known_database(database);
      wait.over = [this, database]() -> Result<bool> {
        const auto open = proxy::count_connections(proxy_, database);
        if (!open) return open.error();
        return open->closing == 0;
      };
      break;
    case Verb::kDisable:
    case Verb::kEnable:
      done = known_database(database);
      if (done) done = proxy::set_disabled(proxy_, database, command.verb == Verb::kDisable);
      break;
    case Verb::kKill:
      if (done = known_database(database); done) done = proxy::pause(proxy_, database);
      if (done) done = proxy::kill_clients(proxy_, database);
      break;
    case Verb::kKillClient: done = kill_client(command.argument); break;
    case Verb::kBlock: done = block(command); break;
    case Verb::kUnblock: done = unblock(command.argument); break;
    case Verb::kReload: done = reload(); break;
    case Verb::kSet:
      done = proxy_.change_setting(command.argument, command.value);
      tag = "SET " + command.argument + "=" + command.value;
      break;
    case Verb::kSwitchover: {
      auto steps = switch_over(proxy_, {.database = command.argument, .shard = command.shard, .to = command.value, .dry_run = command.dry_run});
      if (!steps) {
        done = steps.error();
        break;
      }
      append_table(job.out, *steps, "SWITCHOVER");
      return Outcome::kDone;
    }
    case Verb::kSuspend:
      done = make_error(ErrorCode::kUnsupported, "SUSPEND is not supported",
                        "PAUSE holds clients back; a restart with --takeover needs neither");
      break;
    case Verb::kShowFds:
      done = make_error(ErrorCode::kUnsupported, "SHOW FDS is not supported", "descriptors go to the process started with --takeover");
      break;
    case Verb::kShutdown: shut_down(command.argument); break;
    default: break;
  }
  if (!done) {
    proxy::append_error_response(job.out, done.error());
    return Outcome::kFailed;
  }
  if (wait.over) {
    const auto over = wait.over();
    if (!over || !*over) {
      job.wait = std::move(wait);
      job.tag = tag;
      return Outcome::kWaits;
    }
  }
  pgwire::append_command_complete(job.out, tag);
  return Outcome::kDone;
}

void Console::show(Verb verb, std::string& out) {
  const auto config = proxy_.config();
  const bool connections = verb == Verb::kShowClients || verb == Verb::kShowServers || verb == Verb::kShowSockets ||
                           verb == Verb::kShowActiveSockets || verb == Verb::kShowMem;
  const ShowInput input{proxy_, *config, take_snapshot(proxy_, connections ? Detail::kConnections : Detail::kCounts),
                        history_, std::chrono::steady_clock::now()};
  for (const std::size_t worker : input.snapshot.missing) {
    proxy::append_warning(out, "01000", "worker " + std::to_string(worker) + " did not answer in time: what it has is missing here");
  }
  append_table(out, show_table(verb, input), "SHOW");
}

Result<void> Console::known_database(const std::string& name) const {
  if (name.empty() || proxy_.config()->databases.contains(name)) return {};
  return make_error(ErrorCode::kUnknownDatabase, "no such database: " + name, "SHOW DATABASES lists them");
}

Result<void> Console::pause(const std::string& database, Wait& wait) {
  if (auto known = known_database(database); !known) return known;
  const auto before = proxy::gate_states(proxy_).paused;
  std::vector<std::string> fresh;  // what giving up resumes: not what was paused before
  for (const auto& [name, unused] : proxy_.config()->databases) {
    if ((database.empty() || name == database) && !contains(before, name)) fresh.push_back(name);
  }
  if (fresh.empty()) return make_error(ErrorCode::kInvalidValue, "already suspended/paused", "RESUME ends it");
  if (auto paused = proxy::pause(proxy_, database); !paused) return paused;
  wait.over = [this, database]() -> Result<bool> {
    const auto open = proxy::count_connections(proxy_, database);
    if (!open) return open.error();
    return open->all == 0;
  };
  wait.undo = [this, fresh] {
    for (const auto& name : fresh) {
      if (auto resumed = proxy::resume(proxy_, name); !resumed) spdlog::error("console: {}", resumed.error().message);
    }
  };
  return {};
}

Result<void> Console::resume(const std::string& database) {
  if (auto known = known_database(database); !known) return known;
  const auto paused = proxy::gate_states(proxy_).paused;
  if (database.empty() ? paused.empty() : !contains(paused, database)) {
    return make_error(ErrorCode::kInvalidValue, database.empty() ? "pooler is not paused/suspended"
                                                                  : "database " + database + " is not paused");
  }
  proxy_.takeover().forward_resume(database);
  return proxy::resume(proxy_, database);
}

namespace {

Result<std::uint64_t> read_fingerprint(const std::string& text) {
  if (const auto fingerprint = sharding::sql::parse_fingerprint(text)) return *fingerprint;
  return make_error(ErrorCode::kInvalidValue, "\"" + text + "\" is no fingerprint", "It has 16 hexadecimal digits: SHOW STATEMENTS, or howdahctl fingerprint.");
}

}  // namespace

Result<void> Console::block(const Command& command) {
  const auto fingerprint = read_fingerprint(command.argument);
  if (!fingerprint) return fingerprint.error();
  std::int64_t until = INT64_MAX;
  if (!command.period.empty()) {
    const auto period = config::parse_duration(command.period);
    if (!period) return make_error(ErrorCode::kInvalidValue, "\"" + command.period + "\" is " + period.error().message);
    until = control::to_steady_ns(std::chrono::steady_clock::now() + *period);
  }
  proxy_.guards().block(*fingerprint, command.value, until);
  proxy_.apply_guards();
  return {};
}

Result<void> Console::unblock(const std::string& argument) {
  const auto fingerprint = read_fingerprint(argument);
  if (!fingerprint) return fingerprint.error();
  if (!proxy_.guards().unblock(*fingerprint)) {
    return make_error(ErrorCode::kInvalidValue, argument + " was not blocked by BLOCK", "SHOW BLOCKS lists what is; those of the configuration end with it.");
  }
  proxy_.apply_guards();
  return {};
}

// The main thread waits for the signal: shutting down is its work, and the same whoever asks.
void Console::shut_down(const std::string& how) {
  using Ending = Proxy::Ending;
  proxy_.set_ending(how.empty() ? Ending::kDrain : how == "WAIT_FOR_SERVERS" ? Ending::kTransactions : Ending::kClients);
  kill(getpid(), SIGTERM);
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
  if (digits.starts_with('c') || digits.starts_with('C')) digits.remove_prefix(1);  // as SHOW CLIENTS names it in column ptr
  std::int32_t pid = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (fault != std::errc() || end != digits.data() + digits.size() || pid <= 0) {
    return make_error(ErrorCode::kInvalidValue, "\"" + argument + "\" is no client's pid",
                      "SHOW CLIENTS lists them in column pid");
  }
  auto found = std::make_shared<std::atomic<bool>>(false);
  proxy_.on_each_worker(
      [found, pid](proxy::Worker& worker) {
        proxy::Session* session = worker.find_session(pid);
        if (session == nullptr) return;
        *found = true;
        session->kill(make_error(ErrorCode::kShuttingDown, "terminating connection due to administrator command"));
      },
      kWorkerPatience);
  if (*found) return {};
  return make_error(ErrorCode::kInvalidValue, "there is no client with pid " + std::string(digits),
                    "SHOW CLIENTS lists them in column pid");
}

}  // namespace howdah::admin
