// Bucket -> shard, with the epoch that dates it. The durable copy is table howdah.map on every shard.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "sharding/rules.h"

namespace howdah::sharding {

// Immutable; a change makes a new map with the next epoch.
class ShardMap {
 public:
  // A map of `buckets` buckets dealt out in contiguous, equal runs to `shards` shards: the map of a new cluster.
  static ShardMap initial(std::uint32_t buckets, std::uint16_t shards, HashKind hash);
  // kConfig when a bucket names a shard beyond `shards`, or the bucket count is no power of two.
  static Result<ShardMap> from(std::vector<ShardId> owner, std::uint16_t shards, HashKind hash, Epoch epoch);

  ShardId owner(BucketId bucket) const { return owner_[bucket.value()]; }
  std::uint32_t buckets() const { return static_cast<std::uint32_t>(owner_.size()); }
  std::uint16_t shards() const { return shards_; }
  HashKind hash() const { return hash_; }
  Epoch epoch() const { return epoch_; }
  // Number of buckets that `shard` owns.
  std::uint32_t owned(ShardId shard) const;
  bool operator==(const ShardMap&) const = default;

 private:
  ShardMap(std::vector<ShardId> owner, std::uint16_t shards, HashKind hash, Epoch epoch)
      : owner_(std::move(owner)), shards_(shards), hash_(hash), epoch_(epoch) {}

  std::vector<ShardId> owner_;  // by bucket
  std::uint16_t shards_;
  HashKind hash_;
  Epoch epoch_;
};

}  // namespace howdah::sharding
