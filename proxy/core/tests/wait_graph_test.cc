#include "proxy/core/wait_graph.h"

#include <gtest/gtest.h>

#include "proxy/core/budget.h"

namespace howdah::proxy {
namespace {

using Indices = std::vector<std::size_t>;

struct Pools {
  ServerCaps caps;
  Budget a{caps, 1}, b{caps, 1}, c{caps, 2};
  std::map<const Budget*, PoolUse> use{{&a, {1, true}}, {&b, {1, true}}, {&c, {2, true}}};
};

TEST(WaitGraph, FindsTwoThatHoldWhatTheOtherWants) {
  Pools p;
  EXPECT_EQ(deadlocked({{&p.a, {&p.b}, {}}, {&p.b, {&p.a}, {}}}, p.use), (Indices{0, 1}));
}

TEST(WaitGraph, FindsNoneWhereAConnectionWillComeBack) {
  Pools p;
  EXPECT_TRUE(deadlocked({{&p.a, {&p.b}, {}}}, p.use).empty()) << "somebody who waits for nothing holds a";
  EXPECT_TRUE(deadlocked({{&p.c, {&p.a}, {}}, {&p.a, {&p.c}, {}}}, p.use).empty()) << "one of two is held by others";
}

TEST(WaitGraph, FindsThreeInARing) {
  Pools p;
  p.use[&p.c] = {1, true};
  EXPECT_EQ(deadlocked({{&p.b, {&p.a}, {}}, {&p.c, {&p.b}, {}}, {&p.a, {&p.c}, {}}}, p.use), (Indices{0, 1, 2}));
}

TEST(WaitGraph, FindsThoseWhoWaitForADeadlockOfOthers) {
  Pools p;
  p.use[&p.c] = {2, true};
  const std::vector<Holder> holders{{&p.a, {&p.b}, {}}, {&p.b, {&p.a}, {}}, {&p.a, {&p.c}, {}}, {&p.b, {&p.c}, {}}};
  EXPECT_EQ(deadlocked(holders, p.use), (Indices{0, 1, 2, 3}));
}

TEST(WaitGraph, FindsNoneWhileThePoolMayGrow) {
  Pools p;
  p.use[&p.a] = {1, false};
  EXPECT_TRUE(deadlocked({{&p.a, {&p.b}, {}}, {&p.b, {&p.a}, {}}}, p.use).empty());
}

TEST(WaitGraph, LetsTheYoungestGiveUp) {
  Pools p;
  p.a.used = p.b.used = 1;
  WaitGraph graph;
  const int older = 0, younger = 0;
  const SteadyTime start{};
  graph.enter(&older, {&p.a, {&p.b}, start});
  graph.enter(&younger, {&p.b, {&p.a}, start + seconds(1)});
  EXPECT_FALSE(graph.must_yield(&older));
  EXPECT_TRUE(graph.must_yield(&younger));
  graph.leave(&older);
  EXPECT_FALSE(graph.must_yield(&younger));
}

}  // namespace
}  // namespace howdah::proxy
