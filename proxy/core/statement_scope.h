// Which settings decide how a server reads a statement's text when it parses it: names (search_path, role), constants
// (TimeZone, DateStyle, ...) and the text itself (client_encoding, standard_conforming_strings).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/core/settings.h"

namespace howdah::proxy {

// False only for settings that are known not to matter, and for those that only users' own code looks at.
bool changes_parse(std::string_view setting);
// Equal for sessions whose prepared statements may be shared.
std::string parse_key(const Settings& settings);
// A number that parse_key() never leads to (see Worker::intern_scope), and that no transaction had before.
std::uint64_t new_local_scope();

}  // namespace howdah::proxy
