// Strong integer types: every number that means something has a type of its own.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace howdah {

// An integer with a meaning. No implicit conversion in either direction; `value()` is the way out.
template <class Tag, class Int>
class StrongInt {
 public:
  using Rep = Int;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Int value) : value_(value) {}
  constexpr Int value() const { return value_; }
  constexpr auto operator<=>(const StrongInt&) const = default;

 private:
  Int value_ = 0;
};

// Position of a shard in the configuration's `shards` list, from 0. Shard 0 is the canonical shard.
using ShardId = StrongInt<struct ShardTag, std::uint16_t>;
// hash(key) & (buckets - 1).
using BucketId = StrongInt<struct BucketTag, std::uint32_t>;
// Position of a server within its database's flat list of servers (primaries and replicas), from 0.
using ServerId = StrongInt<struct ServerTag, std::uint16_t>;
// Write-ahead log position in bytes: https://www.postgresql.org/docs/15/datatype-pg-lsn.html
using Lsn = StrongInt<struct LsnTag, std::uint64_t>;
// Version of the shard map; grows by one with every change.
using Epoch = StrongInt<struct EpochTag, std::uint64_t>;
// Identifies a client connection in logs and in SHOW CLIENTS; unique within one proxy process.
using ClientId = StrongInt<struct ClientTag, std::uint64_t>;
// A PostgreSQL object id.
using Oid = std::uint32_t;

}  // namespace howdah

template <class Tag, class Int>
struct std::hash<howdah::StrongInt<Tag, Int>> {
  std::size_t operator()(howdah::StrongInt<Tag, Int> id) const noexcept { return std::hash<Int>{}(id.value()); }
};
