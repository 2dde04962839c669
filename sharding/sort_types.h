// Which types the proxy can put in order as PostgreSQL does.
#pragma once

#include <string_view>

#include "base/ids.h"
#include "schema/types.h"

namespace howdah::sharding {

// Can values of this type be ordered here? Text only where the server compares bytes (collation C, POSIX or C.UTF-8).
// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_type.dat
constexpr bool is_sortable(Oid type, bool bytewise_collation) {
  switch (type) {
    case schema::kInt2Oid:
    case schema::kInt4Oid:
    case schema::kInt8Oid:
    case 26:    // oid
    case schema::kFloat4Oid:
    case schema::kFloat8Oid:
    case schema::kNumericOid:
    case schema::kBoolOid:
    case schema::kUuidOid:
    case 19:    // name
    case 17:    // bytea
    case 1082:  // date
    case 1083:  // time
    case 1114:  // timestamp
    case 1184:  // timestamptz
      return true;
    case schema::kBpcharOid:
    case schema::kTextOid:
    case schema::kVarcharOid:
      return bytewise_collation;
    default:
      return false;
  }
}

// The type of this name in pg_catalog, of those above; 0: another one.
constexpr Oid sortable_type(std::string_view name) {
  struct Entry {
    std::string_view name;
    Oid type;
  };
  constexpr Entry kTypes[] = {{"int2", schema::kInt2Oid}, {"int4", schema::kInt4Oid}, {"int8", schema::kInt8Oid}, {"oid", 26},
                              {"float4", schema::kFloat4Oid}, {"float8", schema::kFloat8Oid}, {"numeric", schema::kNumericOid},
                              {"bool", schema::kBoolOid}, {"uuid", schema::kUuidOid}, {"bytea", 17}, {"date", 1082}, {"time", 1083},
                              {"timestamp", 1114}, {"timestamptz", 1184}, {"bpchar", schema::kBpcharOid}, {"text", schema::kTextOid},
                              {"varchar", schema::kVarcharOid}};
  for (const auto& entry : kTypes) {
    if (entry.name == name) return entry.type;
  }
  return 0;
}

}  // namespace howdah::sharding
