// What each shard's Bind holds for a query over several shards: the client's own, fitted to the shards' text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "sharding/sql/plan.h"

namespace howdah::proxy {

struct Portal;

// A Bind behind its names, of a statement without parameters: all results as text.
extern const std::string kBindNothing;

std::size_t hidden_columns(const sharding::sql::Spread& spread);

// A Bind that names a format for each column names one for the hidden columns, too: text.
// REQUIRES: `tail` was decoded before.
std::string with_formats(std::string tail, std::size_t hidden);
// The result formats that it names.
std::vector<std::int16_t> result_formats(Bytes tail);
// ... as they stand there, with their count.
Bytes formats_of(Bytes tail);
// ... with these instead.
std::string with_result_formats(std::string tail, std::span<const std::int16_t> formats);
// A Bind without parameters that names these.
std::string bind_formats(std::span<const std::int16_t> formats);

// The types of the client's Parse. The counts of LIMIT and OFFSET are in the text: their parameters keep their place, and need a type.
std::vector<Oid> part_types(const Portal& portal, const sharding::sql::Spread& spread);

}  // namespace howdah::proxy
