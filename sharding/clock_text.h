// The clock in a statement for several shards is read once: each gets the same text with that time in it.
//
//   DELETE FROM sessions WHERE seen < now() - interval '1 day'
//   DELETE FROM sessions WHERE seen < ('2026-11-22 12:41:26.123456+00:00:00'::pg_catalog.timestamptz) - interval '1 day'
//
// Casts to the types of CURRENT_DATE and its like are left to the shards: all have the client's time zone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sharding/edited_text.h"
#include "sharding/sql/lexer.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding {

// Microseconds since 1970, UTC.
struct ClockTimes {
  std::int64_t transaction = 0;
  std::int64_t statement = 0;
};

// Stand for times in a text that is to be kept; see with_times().
inline constexpr ClockTimes kSymbolicTimes{946684800000001, 946684800000002};

// `sql` is one statement, `calls` what the proof found in it. kUnsupported when they are not found in the text again.
Result<std::vector<Edit>> clock_edits(std::string_view sql, std::span<const sql::ClockCall> calls, const ClockTimes& times,
                                      const sql::LexerOptions& options);

// `text` was made of a text with kSymbolicTimes in it.
std::string with_times(std::string text, const ClockTimes& times);

// As a literal of type timestamptz, with its quotes.
std::string time_literal(std::int64_t micros);

}  // namespace howdah::sharding
