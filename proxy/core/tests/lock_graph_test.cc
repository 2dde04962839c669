#include "proxy/core/lock_graph.h"

#include <gtest/gtest.h>

#include "proxy/core/budget.h"

namespace howdah::proxy {
namespace {

using Indices = std::vector<std::size_t>;
using Link = LockHolder::Link;

constexpr ShardId kFirst(0), kSecond(1);

struct LockGraph : ::testing::Test {
  // A client with two connections, the server processes 10 * client and 10 * client + 1.
  LockHolder client(std::int32_t number, std::vector<Link> links, int age = 0) const {
    LockHolder holder;
    holder.client = number;
    holder.since = SteadyTime{} + seconds(1000 - age);
    holder.links = std::move(links);
    holder.may_yield = holder.links.size() > 1;
    return holder;
  }
  Link on(ShardId shard, std::int32_t backend, bool busy = false) const { return {shard, backend, shard == kFirst ? &first : &second, busy}; }

  ServerCaps caps;
  Budget first{caps, 2}, second{caps, 2};
};

TEST_F(LockGraph, FindsTwoThatWaitForEachOthersRows) {
  LockPicture picture;
  picture.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)}, 5), client(2, {on(kFirst, 20, true), on(kSecond, 21)}, 3)};
  picture.waits = {{kSecond, 11, 1, {21}}, {kFirst, 20, 1, {10}}};
  EXPECT_EQ(stuck(picture), (Indices{0, 1}));
  EXPECT_EQ(deadlock_victim(picture), 1u) << "the younger one";
  picture.clients[1].may_yield = false;
  EXPECT_EQ(deadlock_victim(picture), 0u);
  picture.waits.pop_back();
  EXPECT_TRUE(stuck(picture).empty()) << "the second one is at work";
}

TEST_F(LockGraph, ServerProcessesOfOtherShardsAreOthers) {
  LockPicture picture;
  picture.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)}), client(2, {on(kFirst, 20, true), on(kSecond, 21)})};
  picture.waits = {{kSecond, 11, 1, {20}}, {kFirst, 20, 1, {11}}};
  EXPECT_TRUE(stuck(picture).empty());
}

TEST_F(LockGraph, WhoeverWaitsForPreparedTransactionsOrStrangersIsNotStuck) {
  LockPicture picture;
  picture.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)})};
  picture.waits = {{kSecond, 11, 1, {0, 999}}};
  EXPECT_TRUE(stuck(picture).empty());
}

// Each holds a row, and others that wait for it fill the pool that the first one needs.
TEST_F(LockGraph, FindsRowsAndPoolsInOneRing) {
  LockPicture picture;
  picture.clients = {client(1, {on(kFirst, 10)}, 9), client(2, {on(kSecond, 21)}, 8), client(3, {on(kFirst, 30, true)}, 7), client(4, {on(kSecond, 41, true)}, 6)};
  picture.clients[0].wants = &second;
  picture.clients[0].may_yield = true;
  picture.clients[1].wants = &first;
  picture.clients[1].may_yield = true;
  picture.waits = {{kFirst, 30, 1, {10}}, {kSecond, 41, 1, {21}}};
  picture.pools = {{&first, {2, true}}, {&second, {2, true}}};
  EXPECT_EQ(stuck(picture), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(deadlock_victim(picture), 1u);
  picture.pools[&second].spent = false;
  EXPECT_TRUE(stuck(picture).empty());
  picture.pools[&second] = {3, true};
  EXPECT_TRUE(stuck(picture).empty()) << "one of its connections is somebody else's";
}

TEST_F(LockGraph, TakesNoVictimThatHelpsNobody) {
  LockPicture picture;
  // The third waits for the first two's deadlock, and is the youngest.
  picture.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)}, 5), client(2, {on(kFirst, 20, true), on(kSecond, 21)}, 4),
                     client(3, {on(kFirst, 30, true), on(kSecond, 31)}, 1)};
  picture.waits = {{kSecond, 11, 1, {21}}, {kFirst, 20, 1, {10}}, {kFirst, 30, 1, {10}}};
  EXPECT_EQ(stuck(picture), (Indices{0, 1, 2}));
  EXPECT_EQ(deadlock_victim(picture), 1u);
}

// The first and the third are one proxy's; between them on the first shard stands a process that nobody knows, but it waits.
TEST_F(LockGraph, SeesThroughStrangersThatWait) {
  LockPicture picture;
  picture.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)}, 5), client(3, {on(kFirst, 30, true), on(kSecond, 31)}, 3)};
  picture.waits = {{kSecond, 11, 1, {31}}, {kFirst, 30, 1, {99}}, {kFirst, 99, 1, {10}}};
  EXPECT_TRUE(stuck(picture).empty());
  add_strangers(picture);
  EXPECT_EQ(stuck(picture), (Indices{0, 1, 2}));
  EXPECT_EQ(deadlock_victim(picture), 1u);
}

TEST_F(LockGraph, ProxiesComeToTheSameVictim) {
  LockPicture one, other;
  one.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)}), client(1, {on(kFirst, 20, true), on(kSecond, 21)})};
  one.clients[0].proxy = "a";
  one.clients[1].proxy = "b";
  one.clients[0].began_us = one.clients[1].began_us = 7;
  one.waits = {{kSecond, 11, 1, {21}}, {kFirst, 20, 1, {10}}};
  other = one;
  std::swap(other.clients[0], other.clients[1]);
  other.clients[0].since = other.clients[1].since + seconds(5);  // each knows this of its own clients only
  EXPECT_EQ(one.clients[*deadlock_victim(one)].proxy, "b");
  EXPECT_EQ(other.clients[*deadlock_victim(other)].proxy, "b");
  one.clients[0].began_us = 8;
  EXPECT_EQ(one.clients[*deadlock_victim(one)].proxy, "a") << "the younger one";
  const std::string own = "b";
  EXPECT_EQ(one.clients[*deadlock_victim(one, &own)].proxy, "b");
}

TEST_F(LockGraph, TrustsOnlyWhatHeldTwice) {
  LockPicture before;
  before.clients = {client(1, {on(kFirst, 10), on(kSecond, 11, true)}, 5), client(2, {on(kFirst, 20, true), on(kSecond, 21)}, 3)};
  before.waits = {{kSecond, 11, 1, {21}}, {kFirst, 20, 1, {10}}};
  LockPicture after = before;
  EXPECT_TRUE(deadlock_victim(in_both(before, after)));
  after.waits[0].since_us = 2;
  EXPECT_FALSE(deadlock_victim(in_both(before, after))) << "another wait of that process";
  after = before;
  after.clients[0].request += seconds(1);
  EXPECT_FALSE(deadlock_victim(in_both(before, after))) << "another statement of that client";
  after = before;
  after.waits[1].blockers = {30};
  EXPECT_FALSE(deadlock_victim(in_both(before, after))) << "another blocker";
}

}  // namespace
}  // namespace howdah::proxy
