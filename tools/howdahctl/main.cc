// The DBA's tool.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "proxy/config/config.h"
#include "proxy/config/reference.h"
#include "sharding/sql/fingerprint.h"
#include "tools/howdahctl/check_queries.h"
#include "tools/howdahctl/drift.h"
#include "tools/howdahctl/import.h"
#include "tools/howdahctl/switchover.h"
#include "tools/howdahctl/transactions.h"

namespace {

using namespace howdah;

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) return Error{.code = ErrorCode::kConfig, .message = path + ": " + std::strerror(errno), .detail = {}, .hint = {}};
  return std::move(text).str();
}

// Passwords may be in it: only its owner reads it. An existing file is not overwritten without --force.
bool write_file(const std::string& path, const std::string& text, bool force) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0600);
  bool ok = fd >= 0;
  for (std::size_t at = 0; ok && at < text.size();) {
    const ssize_t wrote = ::write(fd, text.data() + at, text.size() - at);
    ok = wrote > 0;
    at += ok ? static_cast<std::size_t>(wrote) : 0;
  }
  if (!ok) std::fprintf(stderr, "howdahctl: %s: %s%s\n", path.c_str(), std::strerror(errno), errno == EEXIST ? " (--force overwrites it)" : "");
  if (fd >= 0) ok = ::close(fd) == 0 && ok;
  return ok;
}

struct Import {
  std::string input, output;
  bool force = false;

  int run() const {
    const std::string beside = output.empty() ? "howdah" : std::filesystem::absolute(output).replace_extension("").string();
    const std::string hba_path = beside + ".hba.conf";
    const auto known = ctl::keys_of_reference(config::config_reference_markdown());
    const auto imported = ctl::import_pgbouncer(std::filesystem::absolute(input).string(), hba_path, known, read_file);
    if (!imported) {
      std::fprintf(stderr, "howdahctl: %s\n", imported.error().message.c_str());
      return 1;
    }
    for (const auto& warning : imported->warnings) {
      std::fprintf(stderr, "%s%s%s: %s\n", warning.place.c_str(), warning.place.empty() ? "" : ": ", warning.setting.c_str(), warning.advice.c_str());
    }
    if (output.empty()) {
      std::fputs(imported->yaml.c_str(), stdout);
      if (!imported->hba.empty()) std::fprintf(stderr, "%s: write these access rules there, or use --output:\n%s", hba_path.c_str(), imported->hba.c_str());
      return 0;
    }
    if (!imported->hba.empty() && !write_file(hba_path, imported->hba, force)) return 1;
    if (!write_file(output, imported->yaml, force)) return 1;
    // What howdah --check would say: some of what PgBouncer takes is out of our bounds.
    const auto loaded = config::load_file(output);
    for (const auto& fault : loaded.faults) std::fprintf(stderr, "%s\n", fault.to_string().c_str());
    std::fprintf(stderr, "%s written, %zu warnings%s\n", output.c_str(), imported->warnings.size(), loaded.config ? "" : "; it has faults to be mended");
    return loaded.config ? 0 : 1;
  }
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"howdahctl: the DBA's tool of Howdah"};
  app.require_subcommand(1);
  Import import;
  auto* command = app.add_subcommand("import", "Writes the configuration for an existing PgBouncer installation");
  command->add_option("pgbouncer.ini", import.input, "PgBouncer's configuration file; auth_file and includes are read as well")->required();
  command->add_option("--output,-o", import.output, "Where to write the YAML (and access rules beside it); without it, to standard output");
  command->add_flag("--force", import.force, "Overwrite what is there");
  command->footer("Every setting without a counterpart is a line on standard error, with what to do. Exit code 0: howdah --check accepts the result.");
  ctl::Transactions transactions;
  auto* doubt = app.add_subcommand("transactions", "Lists two-phase commits that wait for their outcome, over all shards");
  doubt->add_option("--url", transactions.url, "The proxy's console as a libpq URI; else HOWDAH_ADMIN_URL");
  doubt->add_option("--database", transactions.database, "Only of this database");
  doubt->add_option("--older-than", transactions.older_than, "In milliseconds: younger ones are under way")->capture_default_str();
  doubt->add_flag("--json", transactions.json, "One JSON document: howdah.transactions.v1");
  doubt->footer("decision: commit or abort as schema howdah has it, undecided, or unknown when that shard is out of reach. Exit code 1: a shard did not answer.");
  ctl::Drift drift;
  auto* differences = app.add_subcommand("drift", "Lists where the shards of a database are not alike: servers' settings, tables, columns, indexes, constraints, types, functions");
  differences->add_option("--url", drift.url, "The proxy's console as a libpq URI; else HOWDAH_ADMIN_URL");
  differences->add_option("--database", drift.database, "Only of this database");
  differences->add_flag("--json", drift.json, "One JSON document: howdah.drift.v1");
  differences->footer("What is found is looked at again after a second. Exit code 0: all alike; 1: they differ, or a shard did not answer.");
  ctl::CheckQueries check;
  auto* queries = app.add_subcommand("check-queries", "Tells how the statements of an application would run: on one shard, on several, or refused; runs none");
  queries->add_option("file", check.file, "SQL apart by semicolons, or PostgreSQL's log with statements (stderr or csvlog); - is standard input");
  queries->add_option("--from", check.statistics, "Instead of a file: libpq URI of a database with pg_stat_statements");
  const std::map<std::string, ctl::QueryFormat> formats{{"auto", ctl::QueryFormat::kAuto}, {"sql", ctl::QueryFormat::kSql},
                                                        {"log", ctl::QueryFormat::kLog}, {"csvlog", ctl::QueryFormat::kCsv}};
  queries->add_option("--format", check.format, "Of the file")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("auto|sql|log|csvlog");
  queries->add_option("--url", check.url, "The database through the proxy as a libpq URI; else HOWDAH_URL, else HOWDAH_ADMIN_URL with --database");
  queries->add_option("--database", check.database, "The database in the place of the URL's");
  queries->add_flag("--json", check.json, "One JSON document: howdah.check-queries.v1");
  queries->footer("Exit code 0: all run; 1: some are refused or wrong; 2: nothing could be checked.");
  std::string statement;
  auto* fingerprint = app.add_subcommand("fingerprint", "Prints a statement's fingerprint: what rate_limits, blocks and BLOCK call it, whatever its values");
  fingerprint->add_option("statement", statement, "One SQL statement")->required();
  ctl::Switchover switchover;
  auto* change = app.add_subcommand("switchover", "Makes another server the primary of a shard: pauses it, waits for replay, promotes, resumes");
  change->add_option("--shard", switchover.shard, "The shard's name")->required();
  change->add_option("--to", switchover.to, "host:port of the replica; else the one that is least behind");
  change->add_option("--database", switchover.database, "Needed when there are several");
  change->add_option("--url", switchover.url, "The proxy's console as a libpq URI; else HOWDAH_ADMIN_URL");
  change->add_flag("--dry-run", switchover.dry_run, "Only checks whether it could be done");
  change->add_flag("--json", switchover.json, "One JSON document: howdah.switchover.v1");
  change->footer("Exit code 0: done; 1: refused, or undone. The old primary is left fenced (default_transaction_read_only), to be made a standby.");
  CLI11_PARSE(app, argc, argv);
  if (fingerprint->parsed()) {
    const auto found = sharding::sql::fingerprint_of(statement);
    if (found == 0) std::fprintf(stderr, "howdahctl: this is not SQL that PostgreSQL can read\n");
    if (found != 0) std::printf("%s\n", sharding::sql::fingerprint_text(found).c_str());
    return found == 0 ? 1 : 0;
  }
  if (doubt->parsed()) return transactions.run();
  if (differences->parsed()) return drift.run();
  if (change->parsed()) return switchover.run();
  if (queries->parsed()) {
    if (check.file.empty() == check.statistics.empty()) {
      std::fprintf(stderr, "howdahctl: name a file, or a database with --from\n");
      return 2;
    }
    return check.run();
  }
  return import.run();
}
