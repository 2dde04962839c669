// How single values are written in the configuration: durations, sizes, numbers, servers. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "proxy/config/config.h"

namespace howdah::config {

// Decimal digits, at most 18 of them. Errors say what was expected, not where.
Result<std::int64_t> parse_integer(std::string_view text);
// true or false.
Result<bool> parse_boolean(std::string_view text);
// A number with a unit (ms, s, m or min, h, d), or a plain number of seconds; fractions are allowed ("1.5s")
// as long as the result is whole milliseconds.
Result<milliseconds> parse_duration(std::string_view text);
// A number of bytes, or with a unit of 1024 as in PostgreSQL: kB, MB, GB.
Result<std::int64_t> parse_size(std::string_view text);
// A point in time in seconds since 1970: "2030-12-31", "2030-12-31 18:00[:00][Z|+01[:30]]", or "infinity". UTC without an
// offset.
Result<std::int64_t> parse_time(std::string_view text);
// libpq's keyword/value form: host, hostaddr, port, dbname and those about TLS; values may be quoted 'like \' this'.
// https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
Result<Server> parse_server(std::string_view text);

// The inverse, in the shortest form: "30s", "500ms", "0".
std::string show_duration(milliseconds duration);

// Insertions, deletions and replacements that turn `a` into `b`.
int edit_distance(std::string_view a, std::string_view b);

// The known word that is closest to `word` in typing errors, or "" when none is close.
template <class Words>
std::string nearest(std::string_view word, const Words& known) {
  std::string best;
  // Further away is another word, not a typing error.
  int best_distance = word.size() < 9 ? static_cast<int>(word.size()) / 3 + 2 : 5;
  for (const auto& candidate : known) {
    const int distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace howdah::config
