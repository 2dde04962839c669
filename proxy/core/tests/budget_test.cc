#include "proxy/core/budget.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

// Pools of two users that share a server.
struct Shared {
  explicit Shared(std::uint32_t limit) {
    caps.set_limit("server", limit);
    caps.join(hot, {"server", "hot", "d"});
    caps.join(cold, {"server", "cold", "d"});
  }
  static void wait(Budget& budget, SteadyTime since) {
    budget.hungry = 1;
    budget.oldest_wait[0] = std::chrono::duration_cast<std::chrono::nanoseconds>(since.time_since_epoch()).count() + 1;
  }
  ServerCaps caps;
  std::shared_ptr<Budget> hot = std::make_shared<Budget>(caps, 10), cold = std::make_shared<Budget>(caps, 10);
  SteadyTime now{std::chrono::hours(1)};
};

TEST(ServerCaps, BoundPoolsTogether) {
  Shared s(3);
  EXPECT_TRUE(s.hot->try_take());
  EXPECT_TRUE(s.hot->try_take());
  EXPECT_TRUE(s.cold->try_take());
  EXPECT_FALSE(s.cold->try_take());
  EXPECT_EQ(s.cold->used, 1u) << "nothing was taken in vain";
  EXPECT_TRUE(s.caps.pressed());
  s.caps.give_back(*s.hot);
  EXPECT_TRUE(s.cold->try_take());
}

TEST(ServerCaps, BoundNothingWhereThereIsNoLimit) {
  Shared s(0);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(s.hot->try_take());
  EXPECT_FALSE(s.hot->try_take()) << "but its own";
  EXPECT_FALSE(s.caps.pressed());
}

TEST(ServerCaps, MoveAConnectionToThePoolThatHasFewer) {
  Shared s(4);
  for (int i = 0; i < 4; ++i) s.hot->try_take();
  Shared::wait(*s.hot, s.now - seconds(1));
  Shared::wait(*s.cold, s.now);
  EXPECT_FALSE(s.cold->try_take());
  EXPECT_EQ(s.caps.transfer(*s.hot, false, s.now), s.cold);
  EXPECT_EQ(s.hot->used, 3u);
  EXPECT_EQ(s.cold->used, 1u);
  EXPECT_EQ(s.caps.transfer(*s.hot, false, s.now), s.cold);
  EXPECT_EQ(s.caps.transfer(*s.hot, false, s.now), nullptr) << "two and two is fair";
  EXPECT_EQ(s.caps.transfer(*s.cold, false, s.now), nullptr);
}

TEST(ServerCaps, GiveTheOddOneToWhoeverWaitsForAWhile) {
  Shared s(1);
  s.hot->try_take();
  Shared::wait(*s.hot, s.now);
  Shared::wait(*s.cold, s.now);
  EXPECT_FALSE(s.cold->try_take());
  EXPECT_EQ(s.caps.transfer(*s.hot, false, s.now), nullptr) << "a login for every statement would help nobody";
  EXPECT_EQ(s.caps.transfer(*s.hot, false, s.now + milliseconds(60)), s.cold);
}

TEST(ServerCaps, GiveWhatLiesIdleToAnybody) {
  Shared s(2);
  s.hot->try_take();
  s.cold->try_take();
  Shared::wait(*s.hot, s.now);
  EXPECT_FALSE(s.hot->try_take());
  EXPECT_EQ(s.caps.transfer(*s.cold, false, s.now), nullptr);
  EXPECT_EQ(s.caps.transfer(*s.cold, true, s.now), s.hot);
}

TEST(ServerCaps, LeaveThoseAloneWhomItWouldNotHelp) {
  Shared s(0);
  s.caps.set_limit("cold", 1);
  s.cold->try_take();
  for (int i = 0; i < 5; ++i) s.hot->try_take();
  Shared::wait(*s.cold, s.now - seconds(1));
  EXPECT_FALSE(s.cold->try_take());
  EXPECT_EQ(s.caps.transfer(*s.hot, true, s.now), nullptr) << "it is its own limit that is spent";
  EXPECT_TRUE(s.caps.rivals(*s.cold).empty());
}

TEST(ServerCaps, ForgetThePressureWhenNobodyWaits) {
  Shared s(1);
  s.hot->try_take();
  s.cold->try_take();
  EXPECT_TRUE(s.caps.pressed());
  EXPECT_EQ(s.caps.transfer(*s.hot, false, s.now), nullptr);
  EXPECT_FALSE(s.caps.pressed());
}

}  // namespace
}  // namespace howdah::proxy
