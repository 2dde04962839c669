#include "proxy/core/replica_choice.h"

#include <gtest/gtest.h>

#include <map>

namespace howdah::proxy {
namespace {

using config::Balance;
using Candidate = ReplicaChoice::Candidate;

// How often each server is picked of so many times.
std::map<int, int> picks(Balance balance, const std::vector<Candidate>& candidates, int times = 12'000) {
  ReplicaChoice choice;
  std::map<int, int> out;
  for (int i = 0; i < times; ++i) {
    choice.begin();
    for (const auto& candidate : candidates) choice.add(candidate);
    ++out[choice.pick(balance).value()];
  }
  return out;
}

constexpr Balance kAll[] = {Balance::kLeastOutstanding, Balance::kWeighted, Balance::kRoundRobin, Balance::kFastest};

TEST(ReplicaChoice, SharesAmongAlikes) {
  for (const Balance balance : kAll) {
    auto counts = picks(balance, {{.server = ServerId(1)}, {.server = ServerId(2)}, {.server = ServerId(3)}});
    for (int server = 1; server <= 3; ++server) EXPECT_NEAR(counts[server], 4000, 400) << static_cast<int>(balance) << " server " << server;
  }
  // Exactly in turn.
  auto counts = picks(Balance::kRoundRobin, {{.server = ServerId(1)}, {.server = ServerId(2)}, {.server = ServerId(3)}}, 9);
  EXPECT_EQ(counts, (std::map<int, int>{{1, 3}, {2, 3}, {3, 3}}));
}

TEST(ReplicaChoice, TakesTheOneWithTheLeastToDo) {
  EXPECT_EQ(picks(Balance::kLeastOutstanding, {{.server = ServerId(1), .outstanding = 5}, {.server = ServerId(2), .outstanding = 4}}, 10),
            (std::map<int, int>{{2, 10}}));
  // For its weight: 6 of 3 is less than 3 of 1.
  EXPECT_EQ(picks(Balance::kLeastOutstanding,
                  {{.server = ServerId(1), .weight = 3, .outstanding = 5}, {.server = ServerId(2), .outstanding = 2}}, 10),
            (std::map<int, int>{{1, 10}}));
  // A client stays where it is unless another one is better by more than nothing.
  EXPECT_EQ(picks(Balance::kLeastOutstanding, {{.server = ServerId(1), .outstanding = 2}, {.server = ServerId(2), .outstanding = 2, .last = true}}, 10),
            (std::map<int, int>{{2, 10}}));
  EXPECT_EQ(picks(Balance::kLeastOutstanding, {{.server = ServerId(1), .outstanding = 2}, {.server = ServerId(2), .outstanding = 3, .last = true}}, 10),
            (std::map<int, int>{{1, 10}}));
}

TEST(ReplicaChoice, GoesByWeight) {
  auto counts = picks(Balance::kWeighted, {{.server = ServerId(1), .weight = 3}, {.server = ServerId(2), .weight = 1}});
  EXPECT_NEAR(counts[1], 9000, 400);
  for (const Balance balance : kAll) {
    EXPECT_EQ(picks(balance, {{.server = ServerId(1), .weight = 0}, {.server = ServerId(2)}}, 50), (std::map<int, int>{{2, 50}}));
    EXPECT_EQ(picks(balance, {{.server = ServerId(1), .weight = 0}}, 5), (std::map<int, int>{{1, 5}}));
    EXPECT_EQ(picks(balance, {{.server = ServerId(1), .weight = 0}, {.server = ServerId(2), .weight = 0}}, 50).size(), 2u);
  }
}

TEST(ReplicaChoice, TakesTheFasterOfTwo) {
  // The slower one of two by as much less.
  auto counts = picks(Balance::kFastest,
                      {{.server = ServerId(1), .latency_us = 900}, {.server = ServerId(2), .latency_us = 300}, {.server = ServerId(3), .latency_us = 100}});
  EXPECT_NEAR(counts[1], 1400, 300);
  EXPECT_NEAR(counts[2], 4000, 500);
  EXPECT_NEAR(counts[3], 6600, 600);
  // A long queue is slow, too.
  counts = picks(Balance::kFastest, {{.server = ServerId(1), .outstanding = 20, .latency_us = 100}, {.server = ServerId(2), .latency_us = 300}});
  EXPECT_NEAR(counts[2], 10'500, 600);
}

TEST(ReplicaChoice, StaysInItsZone) {
  for (const Balance balance : kAll) {
    EXPECT_EQ(picks(balance, {{.server = ServerId(1)}, {.server = ServerId(2), .near = true, .outstanding = 100, .latency_us = 100}}, 50),
              (std::map<int, int>{{2, 50}}));
  }
}

TEST(ReplicaChoice, WarmsUpWhatCameBack) {
  for (const Balance balance : {Balance::kWeighted, Balance::kRoundRobin, Balance::kFastest}) {
    auto counts = picks(balance, {{.server = ServerId(1), .warmth = 0.1}, {.server = ServerId(2)}});
    EXPECT_GT(counts[1], 200) << static_cast<int>(balance);
    EXPECT_LT(counts[1], 3000) << static_cast<int>(balance);
  }
  // One statement there weighs as ten.
  EXPECT_EQ(picks(Balance::kLeastOutstanding, {{.server = ServerId(1), .warmth = 0.1}, {.server = ServerId(2), .outstanding = 8}}, 10),
            (std::map<int, int>{{2, 10}}));
}

}  // namespace
}  // namespace howdah::proxy
