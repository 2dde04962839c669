// Which column types read words such as 'now' as the present.
#pragma once

#include "base/ids.h"

namespace howdah::sharding::sql {

// Proven for the listed types of PostgreSQL's own; of others nothing is known.
bool reads_no_clock(Oid type);

}  // namespace howdah::sharding::sql
