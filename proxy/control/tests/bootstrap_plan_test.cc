#include "proxy/control/bootstrap_plan.h"

#include <gtest/gtest.h>

namespace howdah::control {
namespace {

config::Database database(std::vector<std::string> names) {
  config::Database made;
  made.name = "app";
  made.rules.buckets = 8;
  made.rules.shards = static_cast<std::uint16_t>(names.size());
  for (auto& name : names) made.shards.push_back({name, {}, {}});
  return made;
}

StoredMap stored(const config::Database& db, const std::string& shard, bool complete,
                 std::uint16_t owners = 2) {
  auto map = to_stored("demo", db, sharding::ShardMap::initial(8, owners, sharding::HashKind::kPostgres));
  map.shard = shard;
  map.complete = complete;
  return map;
}

const config::Database kTwo = database({"s0", "s1"});

TEST(BootstrapPlan, NobodyHasAMapSoAllGetOne) {
  auto plan = plan_bootstrap("demo", kTwo, {{true, {}}, {true, {}}});
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->map);
  EXPECT_EQ(plan->install, (std::vector<std::size_t>{0, 1}));
  EXPECT_TRUE(plan->mark_complete);
}

TEST(BootstrapPlan, CreatingNeedsEveryShard) {
  auto plan = plan_bootstrap("demo", kTwo, {{true, {}}, {false, {}}});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kServerUnavailable);
  EXPECT_NE(plan.error().message.find("s1"), std::string::npos);
}

TEST(BootstrapPlan, InterruptedCreationIsCompletedWhicheverShardWasFirst) {
  for (std::size_t first : {0u, 1u}) {
    std::vector<ShardState> states = {{true, {}}, {true, {}}};
    states[first].map = stored(kTwo, kTwo.shards[first].name, false);
    auto plan = plan_bootstrap("demo", kTwo, states);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->map);
    EXPECT_EQ(plan->install, std::vector<std::size_t>{1 - first});
    EXPECT_TRUE(plan->mark_complete);
  }
}

TEST(BootstrapPlan, ACompleteMapNeedsNothingAndSurvivesAShardThatIsDown) {
  auto all =
      plan_bootstrap("demo", kTwo, {{true, stored(kTwo, "s0", true)}, {true, stored(kTwo, "s1", true)}});
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->install.empty());
  EXPECT_FALSE(all->mark_complete);
  auto one = plan_bootstrap("demo", kTwo, {{false, {}}, {true, stored(kTwo, "s1", true)}});
  ASSERT_TRUE(one);
  EXPECT_TRUE(one->install.empty());
}

TEST(BootstrapPlan, HalfMarkedIsMarkedToTheEnd) {
  auto plan =
      plan_bootstrap("demo", kTwo, {{true, stored(kTwo, "s0", true)}, {true, stored(kTwo, "s1", false)}});
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->mark_complete);
}

// An emptied database would answer every question with no rows.
TEST(BootstrapPlan, AShardThatOwnsBucketsMayNotLoseItsMap) {
  auto plan = plan_bootstrap("demo", kTwo, {{true, stored(kTwo, "s0", true)}, {true, {}}});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kConfig);
  EXPECT_NE(plan.error().message.find("s1 owns buckets"), std::string::npos);
}

TEST(BootstrapPlan, ANewShardGetsTheMapAndNoBuckets) {
  auto three = database({"s0", "s1", "s2"});
  auto plan = plan_bootstrap(
      "demo", three, {{true, stored(three, "s0", true)}, {true, stored(three, "s1", true)}, {true, {}}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->install, std::vector<std::size_t>{2});
  EXPECT_TRUE(plan->map->complete);
  EXPECT_EQ(to_shard_map(three, *plan->map)->owned(ShardId(2)), 0u);
}

TEST(BootstrapPlan, ShardsAreKnownByNameNotByPosition) {
  auto turned = database({"s1", "s0"});
  auto plan =
      plan_bootstrap("demo", turned, {{true, stored(kTwo, "s1", true)}, {true, stored(kTwo, "s0", true)}});
  ASSERT_TRUE(plan);
  auto map = to_shard_map(turned, *plan->map);
  ASSERT_TRUE(map);
  EXPECT_EQ(map->owner(BucketId(0)), ShardId(1));
  EXPECT_EQ(map->owner(BucketId(7)), ShardId(0));
}

struct Contradiction {
  const char* name;
  ErrorCode code;
  void (*spoil)(StoredMap&);
};

TEST(BootstrapPlan, EveryContradictionStopsStartUp) {
  const Contradiction cases[] = {
      {"cluster", ErrorCode::kWrongServer, [](StoredMap& map) { map.cluster = "other"; }},
      {"shard", ErrorCode::kWrongServer, [](StoredMap& map) { map.shard = "s0"; }},
      {"buckets", ErrorCode::kConfig, [](StoredMap& map) { map.buckets = 16; }},
      {"assigned buckets", ErrorCode::kConfig, [](StoredMap& map) { map.owner.pop_back(); }},
      {"hash", ErrorCode::kConfig, [](StoredMap& map) { map.hash = "xxh64"; }},
      {"epoch", ErrorCode::kConfig, [](StoredMap& map) { map.epoch = 2; }},
      {"owner", ErrorCode::kConfig, [](StoredMap& map) { map.owner[0] = "s1"; }},
      {"unknown shard", ErrorCode::kConfig, [](StoredMap& map) { map.owner[0] = "s9"; }},
  };
  for (const auto& test : cases) {
    auto spoiled = stored(kTwo, "s1", true);
    test.spoil(spoiled);
    auto plan = plan_bootstrap("demo", kTwo, {{true, stored(kTwo, "s0", true)}, {true, spoiled}});
    ASSERT_FALSE(plan) << test.name;
    EXPECT_EQ(plan.error().code, test.code) << test.name;
  }
}

TEST(ServerFacts, WhatOneServerMustFulfil) {
  ServerFacts good{150004, "UTF8", "C", "C", "UTC", 100, 100, true};
  EXPECT_TRUE(check_server("s0", good, true));
  auto old = good;
  old.version = 130010;
  EXPECT_FALSE(check_server("s0", old, false));
  auto few = good;
  few.max_prepared_transactions = 99;
  EXPECT_TRUE(check_server("s0", few, false));
  auto refused = check_server("s0", few, true);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().hint.find("max_prepared_transactions"), std::string::npos);
  auto blind = good;
  blind.sees_all_sessions = false;
  EXPECT_FALSE(check_server("s0", blind, true));
}

TEST(ServerFacts, WhatAllMustAgreeOn) {
  ServerFacts first{150004, "UTF8", "C", "C", "UTC", 100, 100, true};
  auto same = first;
  same.version = 150009;
  EXPECT_TRUE(check_agreement("s0", first, "s1", same));
  for (auto spoil :
       {+[](ServerFacts& f) { f.version = 160001; }, +[](ServerFacts& f) { f.encoding = "LATIN1"; },
        +[](ServerFacts& f) { f.collate = "de_DE"; }, +[](ServerFacts& f) { f.ctype = "de_DE"; },
        +[](ServerFacts& f) { f.timezone = "CET"; }}) {
    auto other = first;
    spoil(other);
    EXPECT_FALSE(check_agreement("s0", first, "s1", other));
  }
}

}  // namespace
}  // namespace howdah::control
