// Dates and timestamps in the ISO style, as PostgreSQL writes them with DateStyle ISO.
// https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace howdah::sharding {

enum class IsoKind : std::uint8_t { kDate, kTimestamp, kTimestamptz };

// Days (kDate) or microseconds since 2000-01-01 00:00 (UTC for kTimestamptz); infinities are the extremes.
//   YYYY-MM-DD[ HH:MM:SS[.ffffff][(+|-)HH[:MM[:SS]]]][ BC] | infinity | -infinity
// Empty: another style, or none at all.
std::optional<std::int64_t> read_iso_time(Bytes text, IsoKind kind);

}  // namespace howdah::sharding
