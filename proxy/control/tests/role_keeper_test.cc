#include "proxy/control/role_keeper.h"

#include <gtest/gtest.h>

#include "proxy/control/patroni_watch.h"

namespace howdah::control {
namespace {

ServerWord primary(std::uint32_t timeline, std::uint64_t system = 7) {
  return {.answers = true, .in_recovery = false, .system = system, .timeline = timeline};
}
ServerWord standby(std::uint32_t timeline, std::uint64_t system = 7) {
  return {.answers = true, .in_recovery = true, .system = system, .timeline = timeline};
}

class Keeper : public ::testing::Test {
 protected:
  Keeper() : keeper(3) {
    keeper.word(0) = primary(1);
    keeper.word(1) = standby(1);
    keeper.word(2) = standby(1);
    keeper.decide();
  }
  void down(std::size_t position) { keeper.word(position).answers = false; }
  RoleKeeper keeper;
};

TEST_F(Keeper, TakesTheServerThatIsNotInRecovery) {
  EXPECT_EQ(keeper.acting(), 0u);
  EXPECT_TRUE(keeper.writable());
  EXPECT_EQ(keeper.standing(1), Standing::kReplica);
}

TEST_F(Keeper, KeepsAPrimaryThatIsDownUntilAnotherIsPromoted) {
  down(0);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 0u);
  EXPECT_FALSE(keeper.writable());
  EXPECT_NE(keeper.reason(), "");
  keeper.word(1) = primary(2);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
  EXPECT_EQ(keeper.timeline(), 2u);
  EXPECT_TRUE(keeper.writable());
}

TEST_F(Keeper, NeverGoesBackToALowerTimeline) {
  keeper.word(1) = primary(2);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
  EXPECT_TRUE(keeper.writable()) << "the old one answers, but is stale";
  EXPECT_EQ(keeper.standing(0), Standing::kStale);
  down(1);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
  EXPECT_FALSE(keeper.writable());
}

TEST_F(Keeper, StopsWhenAStandbyKnowsOfALaterTimeline) {
  keeper.word(2) = standby(2);
  keeper.decide();
  EXPECT_FALSE(keeper.writable()) << "somebody was promoted who has not been seen yet";
  keeper.word(1) = primary(2);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
  EXPECT_TRUE(keeper.writable());
}

TEST_F(Keeper, StopsWhileTwoClaimOneTimeline) {
  down(0);
  keeper.word(1) = primary(2);
  keeper.decide();
  keeper.word(2) = primary(2);
  keeper.decide();
  EXPECT_TRUE(keeper.disputed());
  EXPECT_FALSE(keeper.writable());
  EXPECT_EQ(keeper.standing(2), Standing::kRival);
  down(2);
  keeper.decide();
  EXPECT_TRUE(keeper.writable());
  EXPECT_EQ(keeper.acting(), 1u);
}

TEST_F(Keeper, DoesNotFollowARivalWhenThePrimaryGoesAway) {
  down(0);
  keeper.word(1) = primary(2);
  keeper.decide();
  keeper.word(2) = primary(2);
  keeper.decide();
  down(1);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
  EXPECT_FALSE(keeper.writable());
  keeper.word(1) = standby(2);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 2u) << "the other one has given way";
  EXPECT_TRUE(keeper.writable());
}

TEST_F(Keeper, AnotherClustersServerIsNobody) {
  keeper.word(1) = primary(9, 8);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 0u);
  EXPECT_TRUE(keeper.writable());
  EXPECT_EQ(keeper.standing(1), Standing::kForeign);
}

TEST_F(Keeper, AVetoedClaimDoesNotCount) {
  keeper.word(1) = primary(2);
  keeper.word(1).vetoed = true;
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 0u);
  EXPECT_FALSE(keeper.writable()) << "a later timeline has begun";
  keeper.word(1).vetoed = false;
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
}

TEST_F(Keeper, APrimaryThatWasMadeAStandbyIsWaitedFor) {
  keeper.word(0) = standby(1);
  keeper.decide();
  EXPECT_FALSE(keeper.writable()) << "statements wait for the promotion";
}

TEST(KeeperAtTheStart, TakesTheHighestTimelineWhateverIsConfigured) {
  RoleKeeper keeper(2);
  keeper.word(0) = primary(3);
  keeper.word(1) = primary(4);
  keeper.decide();
  EXPECT_EQ(keeper.acting(), 1u);
  EXPECT_TRUE(keeper.writable());
}

TEST(KeeperAtTheStart, ServesASiteOfStandbys) {
  RoleKeeper keeper(2);
  keeper.word(0) = standby(3);
  keeper.word(1) = standby(3);
  keeper.decide();
  EXPECT_TRUE(keeper.writable());
  EXPECT_EQ(keeper.acting(), 0u);
}

TEST(Patroni, SaysWhoIsTheLeader) {
  const auto leader = parse_patroni(R"({"state": "running", "role": "master", "timeline": 5, "xlog": {"location": 3}})");
  EXPECT_TRUE(leader.answers && leader.leader);
  EXPECT_EQ(leader.timeline, 5u);
  EXPECT_TRUE(parse_patroni(R"({"state": "running", "role": "primary"})").leader);
  const auto replica = parse_patroni(R"({"state": "running", "role": "replica", "timeline": 5})");
  EXPECT_TRUE(replica.answers && !replica.leader);
  EXPECT_FALSE(parse_patroni(R"({"state": "stopped", "role": "master"})").leader);
  EXPECT_FALSE(parse_patroni("<html>").answers);
  EXPECT_FALSE(parse_patroni("[]").answers);
  EXPECT_FALSE(parse_patroni(R"({"role": 7})").answers);
}

}  // namespace
}  // namespace howdah::control
