// Data directories made once per machine and user, and copied by every test server.
#pragma once

#include <string>

namespace howdah::testing {

// PostgreSQL 15's programs.
inline constexpr const char* kPgBin = "/usr/lib/postgresql/15/bin";

// The path of template number `index` (from 0), a stopped data directory with the roles app/app, admin/admin
// (SCRAM), howdah/howdah (superuser) and the database app owned by app. Each number has a system identifier
// of its own. Made at first use (about a second), under a lock shared by all test processes; afterwards free.
std::string pg_template(int index);

// Makes templates 0 to count - 1 in parallel, those that do not exist yet.
void prepare_pg_templates(int count);

}  // namespace howdah::testing
