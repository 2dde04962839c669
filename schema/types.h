// PostgreSQL's built-in type ids that Howdah reasons about.
// Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_type.dat
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace howdah::schema {

inline constexpr Oid kBoolOid = 16;
inline constexpr Oid kInt8Oid = 20;
inline constexpr Oid kInt2Oid = 21;
inline constexpr Oid kInt4Oid = 23;
inline constexpr Oid kTextOid = 25;
inline constexpr Oid kFloat4Oid = 700;
inline constexpr Oid kFloat8Oid = 701;
inline constexpr Oid kUnknownOid = 705;
inline constexpr Oid kBpcharOid = 1042;
inline constexpr Oid kVarcharOid = 1043;
inline constexpr Oid kNumericOid = 1700;
inline constexpr Oid kUuidOid = 2950;

// The families a sharding key can belong to; members of one family hash alike (int2, int4 and int8 agree).
enum class KeyFamily : std::uint8_t { kInteger, kUuid, kText };

}  // namespace howdah::schema
