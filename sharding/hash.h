// Key hashes: bit for bit what PostgreSQL's own functions give with seed 0, so that servers can filter and verify
// buckets in SQL. Source: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/common/hashfn.c
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "sharding/rules.h"

namespace howdah::sharding {

// hashint8extended(key, 0); equals hashint4extended and hashint2extended of the same number.
std::uint64_t hash_integer(std::int64_t key);
// uuid_hash_extended(key, 0); `key` in network order.
std::uint64_t hash_uuid(const std::array<std::uint8_t, 16>& key);
// hashtextextended(key COLLATE "C", 0); `key` in UTF-8.
std::uint64_t hash_text(Bytes key);

// XXH64 with seed 0: integers as 8 big-endian bytes, uuids as their 16 bytes, text as its UTF-8 bytes.
std::uint64_t xxh64_integer(std::int64_t key);
std::uint64_t xxh64_uuid(const std::array<std::uint8_t, 16>& key);
std::uint64_t xxh64_text(Bytes key);

// REQUIRES: `buckets` is a power of two.
inline BucketId bucket_of(std::uint64_t hash, std::uint32_t buckets) {
  return BucketId(static_cast<std::uint32_t>(hash) & (buckets - 1));
}

}  // namespace howdah::sharding
