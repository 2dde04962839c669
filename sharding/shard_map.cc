#include "sharding/shard_map.h"

#include <algorithm>
#include <bit>
#include <string>

namespace howdah::sharding {

ShardMap ShardMap::initial(std::uint32_t buckets, std::uint16_t shards, HashKind hash) {
  std::vector<ShardId> owner(buckets);
  for (std::uint32_t bucket = 0; bucket < buckets; ++bucket) {
    owner[bucket] = ShardId(static_cast<std::uint16_t>(std::uint64_t{bucket} * shards / buckets));
  }
  return {std::move(owner), shards, hash, Epoch(1)};
}

Result<ShardMap> ShardMap::from(std::vector<ShardId> owner, std::uint16_t shards, HashKind hash,
                                Epoch epoch) {
  if (!std::has_single_bit(owner.size())) {
    return make_error(ErrorCode::kConfig, "the shard map has " + std::to_string(owner.size()) +
                                              " buckets, which is no power of two");
  }
  for (std::size_t bucket = 0; bucket < owner.size(); ++bucket) {
    if (owner[bucket].value() >= shards) {
      return make_error(ErrorCode::kConfig, "bucket " + std::to_string(bucket) + " belongs to shard number " +
                                                std::to_string(owner[bucket].value()) + ", but there are " +
                                                std::to_string(shards) + " shards");
    }
  }
  return ShardMap(std::move(owner), shards, hash, epoch);
}

std::uint32_t ShardMap::owned(ShardId shard) const {
  return static_cast<std::uint32_t>(std::count(owner_.begin(), owner_.end(), shard));
}

}  // namespace howdah::sharding
