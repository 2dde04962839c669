#include "proxy/control/sample_tracker.h"

#include <gtest/gtest.h>

namespace howdah::control {
namespace {

constexpr ServerIdentity kPrimary{7, 1, 100};
constexpr ServerIdentity kReplica{7, 1, 200};

TEST(SampleTracker, AReplicaIsCaughtUpToTheLatestSampleItReplayed) {
  SampleTracker tracker(1);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  tracker.on_sample(20, kPrimary, Lsn(2000));
  tracker.on_sample(30, kPrimary, Lsn(3000));
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(999)), 0);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(1000)), 10);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(2999)), 20);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(9999)), 30);
}

TEST(SampleTracker, AnIdlePrimaryKeepsReplicasFreshWithOneSample) {
  SampleTracker tracker(1);
  for (int time = 10; time <= 1000; time += 10) tracker.on_sample(time, kPrimary, Lsn(500));
  EXPECT_EQ(tracker.samples(), 1u);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(500)), 1000);
}

TEST(SampleTracker, CaughtUpTimesNeverGoBack) {
  SampleTracker tracker(1);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  tracker.on_sample(20, kPrimary, Lsn(2000));
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(2000)), 20);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(1500)), 20);
}

TEST(SampleTracker, ANewTimelineOrServerVoidsEverySample) {
  const ServerIdentity others[] = {{7, 2, 100}, {8, 1, 100}, {7, 1, 101}};
  for (const auto& other : others) {
    SampleTracker tracker(1);
    EXPECT_TRUE(tracker.on_sample(10, kPrimary, Lsn(1000)));
    EXPECT_FALSE(tracker.on_sample(11, kPrimary, Lsn(1000)));
    EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(1000)), 11);
    EXPECT_TRUE(tracker.on_sample(20, other, Lsn(5000)));
    EXPECT_EQ(tracker.on_replay(0, {other.system, other.timeline, 200}, Lsn(4999)), 0);
    EXPECT_EQ(tracker.on_replay(0, {other.system, other.timeline, 200}, Lsn(5000)), 20);
  }
}

// The same server with less WAL than before has lost some: what it writes now is other WAL at the same
// positions.
TEST(SampleTracker, APositionThatGoesBackVoidsEverySample) {
  SampleTracker tracker(1);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  EXPECT_TRUE(tracker.on_sample(20, kPrimary, Lsn(900)));
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(950)), 20);
}

TEST(SampleTracker, AReplicaOfAnotherTimelineOrSystemIsNotUsable) {
  SampleTracker tracker(1);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  EXPECT_EQ(tracker.on_replay(0, {7, 2, 200}, Lsn(2000)), 0);
  EXPECT_EQ(tracker.on_replay(0, {9, 1, 200}, Lsn(2000)), 0);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(2000)), 10);
}

TEST(SampleTracker, WithoutAReceivedTimelineNothingAdvancesButWhatIsKnownStays) {
  SampleTracker tracker(1);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  EXPECT_EQ(tracker.on_replay(0, {7, 0, 200}, Lsn(1000)), 0);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(1000)), 10);
  tracker.on_sample(20, kPrimary, Lsn(2000));
  EXPECT_EQ(tracker.on_replay(0, {7, 0, 200}, Lsn(2000)), 10);
}

TEST(SampleTracker, ARestartedReplicaStartsAnew) {
  SampleTracker tracker(2);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(1000)), 10);
  EXPECT_EQ(tracker.on_replay(1, kReplica, Lsn(1000)), 10);
  EXPECT_EQ(tracker.on_replay(0, {7, 1, 201}, Lsn(900)), 0);
  EXPECT_EQ(tracker.on_replay(1, kReplica, Lsn(900)), 10);
}

TEST(SampleTracker, ALostReplicaOrPrimaryIsForgotten) {
  SampleTracker tracker(1);
  tracker.on_sample(10, kPrimary, Lsn(1000));
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(1000)), 10);
  tracker.on_replica_lost(0);
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(999)), 0);
  tracker.on_primary_lost();
  EXPECT_EQ(tracker.on_replay(0, kReplica, Lsn(5000)), 0);
}

TEST(SampleTracker, AReplicaFarBehindIsNeverSaidToBeFurtherThanItIs) {
  SampleTracker tracker(1, 16);
  for (int i = 1; i <= 1000; ++i) tracker.on_sample(i, kPrimary, Lsn(static_cast<std::uint64_t>(i) * 10));
  EXPECT_LE(tracker.samples(), 16u);
  std::int64_t last = 0;
  for (int i = 1; i <= 1000; ++i) {
    auto at = tracker.on_replay(0, kReplica, Lsn(static_cast<std::uint64_t>(i) * 10));
    EXPECT_LE(at, i);
    EXPECT_GE(at, last);
    last = at;
  }
  EXPECT_EQ(last, 1000);
}

TEST(EndOfLastRecord, StepsBackOverAPageHeaderOnly) {
  constexpr std::uint64_t kBlock = 8192;
  constexpr std::uint64_t kSegment = 16 << 20;
  auto end = [](std::uint64_t insert) { return end_of_last_record(Lsn(insert), kBlock, kSegment).value(); };
  EXPECT_EQ(end(kSegment + 40), kSegment);
  EXPECT_EQ(end(kSegment + kBlock + 24), kSegment + kBlock);
  EXPECT_EQ(end(kSegment + kBlock + 40), kSegment + kBlock + 40);
  EXPECT_EQ(end(kSegment + kBlock + 32), kSegment + kBlock + 32);
  EXPECT_EQ(end(kSegment), kSegment);
}

}  // namespace
}  // namespace howdah::control
