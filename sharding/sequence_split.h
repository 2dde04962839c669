// Sequences over several shards: each shard's gives values that no other shard's gives.
//
// Every shard has a span of the values of the sequence's type, in the order of the shards: 2^47 of bigint, 2^25 of integer, 2^9 of
// smallint, so that there is room for 64 shards. Within its span a sequence counts as it was defined.
#pragma once

#include <cstddef>
#include <string>

namespace howdah::sharding {

inline constexpr std::size_t kMostSequenceShards = 64;

// A statement for the shard of this number, in the transaction that made or changed sequences: it moves those of them that are not
// in the shard's span there. See docs/adr/0016-sequences-by-span.md.
std::string split_sequences(std::size_t shard);

}  // namespace howdah::sharding
