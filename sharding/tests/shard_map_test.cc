#include "sharding/shard_map.h"

#include <gtest/gtest.h>

namespace howdah::sharding {
namespace {

TEST(ShardMap, NewClusterDealsEqualContiguousRuns) {
  auto map = ShardMap::initial(4096, 4, HashKind::kPostgres);
  EXPECT_EQ(map.epoch(), Epoch(1));
  for (std::uint16_t shard = 0; shard < 4; ++shard) {
    EXPECT_EQ(map.owned(ShardId(shard)), 1024u);
    EXPECT_EQ(map.owner(BucketId(shard * 1024u)), ShardId(shard));
    EXPECT_EQ(map.owner(BucketId(shard * 1024u + 1023)), ShardId(shard));
  }
}

TEST(ShardMap, UnevenCountsDifferByAtMostOneBucket) {
  auto map = ShardMap::initial(4096, 3, HashKind::kPostgres);
  for (std::uint16_t shard = 0; shard < 3; ++shard) {
    EXPECT_GE(map.owned(ShardId(shard)), 1365u);
    EXPECT_LE(map.owned(ShardId(shard)), 1366u);
  }
}

TEST(ShardMap, AShardMayOwnNothing) {
  auto map = ShardMap::from(std::vector<ShardId>(8, ShardId(0)), 2, HashKind::kXxh64, Epoch(7));
  ASSERT_TRUE(map.has_value());
  EXPECT_EQ(map->owned(ShardId(1)), 0u);
  EXPECT_EQ(map->owned(ShardId(0)), 8u);
  EXPECT_EQ(map->epoch(), Epoch(7));
  EXPECT_EQ(map->hash(), HashKind::kXxh64);
}

TEST(ShardMap, RefusesABucketOfAnUnknownShard) {
  auto map = ShardMap::from({ShardId(0), ShardId(2)}, 2, HashKind::kPostgres, Epoch(1));
  ASSERT_FALSE(map.has_value());
  EXPECT_EQ(map.error().code, ErrorCode::kConfig);
  EXPECT_NE(map.error().message.find("bucket 1"), std::string::npos);
}

TEST(ShardMap, RefusesABucketCountThatIsNoPowerOfTwo) {
  EXPECT_FALSE(ShardMap::from({}, 1, HashKind::kPostgres, Epoch(1)).has_value());
  EXPECT_FALSE(
      ShardMap::from(std::vector<ShardId>(3, ShardId(0)), 1, HashKind::kPostgres, Epoch(1)).has_value());
}

}  // namespace
}  // namespace howdah::sharding
