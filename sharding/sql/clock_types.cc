#include "sharding/sql/clock_types.h"

#include <algorithm>
#include <iterator>

namespace howdah::sharding::sql {

// Texts stored in columns of these types mean the same whenever they are read; of types not listed nothing is known.
// Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_type.dat
bool reads_no_clock(Oid type) {
  static constexpr Oid kTypes[] = {
      16,   17,   18,   19,   20,   21,   23,   25,   26,   114,  142,  199,  600,  603,  700,  701,  718,  790,  829,  869,
      650,  143,  1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1040, 1041, 651,  774,  775,
      1042, 1043, 1186, 1187, 1231, 1560, 1561, 1562, 1563, 1700, 2950, 2951, 3614, 3643, 3802, 3807, 3904, 3906, 3926};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

}  // namespace howdah::sharding::sql
