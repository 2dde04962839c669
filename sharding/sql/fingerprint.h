// What names a statement's shape: 64 bits that are the same for all texts which differ only in literals, parameters' numbers, lengths
// of IN lists, case, white space and comments. The algorithm is libpg_query's, so that other tools that use it name statements alike.
// https://github.com/pganalyze/libpg_query/wiki/Fingerprinting
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace howdah::sharding::sql {

// 0: no name, or a text that is no SQL.
using Fingerprint = std::uint64_t;

// Parses the text. 0 when it cannot.
Fingerprint fingerprint_of(std::string_view sql);
// 16 hexadecimal digits.
std::string fingerprint_text(Fingerprint fingerprint);
// Nothing for anything but 16 hexadecimal digits.
std::optional<Fingerprint> parse_fingerprint(std::string_view text);

}  // namespace howdah::sharding::sql
