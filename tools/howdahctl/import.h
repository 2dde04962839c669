// From an existing PgBouncer installation to a configuration of ours: `howdahctl import pgbouncer.ini`.
// Pure but for `read`: files are read through it, none is written.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tools/howdahctl/ini_file.h"

namespace howdah::ctl {

// A setting that could not be taken over as it was, and what to do about it.
struct Warning {
  std::string place;    // file:line, or empty for a default of PgBouncer's
  std::string setting;
  std::string advice;
};

struct Imported {
  std::string yaml;
  std::string hba;      // access rules that stand for auth_type, in pg_hba.conf's format; empty: none are needed
  std::vector<Warning> warnings;
};

// The keys that this build's configuration has, as "section.key"; overrides as "users[].limits" and "databases.NAME.limits".
using KnownKeys = std::set<std::string, std::less<>>;
KnownKeys keys_of_reference(std::string_view markdown);

// Reads pgbouncer.ini with its includes and auth_file. `hba_path` is where the caller will put Imported::hba.
// Fails when a file cannot be read or is none of PgBouncer's; what has no counterpart is a warning, never a failure.
Result<Imported> import_pgbouncer(const std::string& path, const std::string& hba_path, const KnownKeys& known, const ReadFile& read);

}  // namespace howdah::ctl
