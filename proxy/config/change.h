// One setting of the running configuration changed on the console's word.
#pragma once

#include <string>

#include "base/error.h"
#include "proxy/config/config.h"

namespace howdah::config {

// A copy of `running` with one reloadable key set: by its path ("pool.size") or by PgBouncer's name for the same thing
// ("default_pool_size", in PgBouncer's units). `value` is written as in the file. kUndefinedSetting for a key that does
// not exist, kUnsupported for one that takes effect at a restart only, kInvalidValue with the reason.
Result<ConfigPtr> change_setting(const Config& running, const std::string& key, const std::string& value);

// PgBouncer's name for a key of ours, or empty.
std::string pgbouncer_name(const std::string& path);

}  // namespace howdah::config
