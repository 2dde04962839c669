// Where the proxy is: `--url`, else the environment.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "drivers/pq/connection.h"

namespace howdah::ctl {

// The console's: `given`, else HOWDAH_ADMIN_URL.
Result<std::unique_ptr<pq::Connection>> connect_console(const std::string& given);
// A database's: `given`, else HOWDAH_URL, else HOWDAH_ADMIN_URL with this database in the place of the console.
Result<std::unique_ptr<pq::Connection>> connect_database(const std::string& given, const std::string& database);

// A JSON string, with its quotes.
std::string json_string(std::string_view text);

}  // namespace howdah::ctl
