#include "proxy/access/lookup_cache.h"

#include <gtest/gtest.h>

#include <memory>

namespace howdah::access {
namespace {

using Cache = LookupCache<std::shared_ptr<const int>>;
using std::chrono::seconds;

SteadyTime at(int second) { return SteadyTime(seconds(second)); }

TEST(LookupCache, KeepsAnswersForAWhile) {
  Cache cache(10, 10);
  EXPECT_FALSE(cache.find("app", at(0), seconds(60)));
  cache.keep("app", std::make_shared<int>(7), at(0));
  ASSERT_TRUE(cache.find("app", at(59), seconds(60)));
  EXPECT_EQ(*cache.find("app", at(59), seconds(60))->value, 7);
  EXPECT_FALSE(cache.find("app", at(60), seconds(60)));
  EXPECT_FALSE(cache.find("app", at(10), seconds(1))) << "who wants a fresher one asks again";
}

TEST(LookupCache, KnowsWhoDoesNotExist) {
  Cache cache(10, 10);
  cache.keep("nobody", nullptr, at(0));
  ASSERT_TRUE(cache.find("nobody", at(1), seconds(60)));
  EXPECT_EQ(cache.find("nobody", at(1), seconds(60))->value, nullptr);
  cache.keep("nobody", std::make_shared<int>(1), at(2));
  EXPECT_NE(cache.find("nobody", at(3), seconds(60))->value, nullptr) << "created since";
  EXPECT_EQ(cache.size(), 1u);
}

TEST(LookupCache, GuessedNamesPushNoRealOneOut) {
  Cache cache(2, 3);
  cache.keep("app", std::make_shared<int>(1), at(0));
  for (int i = 0; i < 1000; ++i) cache.keep("guess" + std::to_string(i), nullptr, at(1));
  EXPECT_TRUE(cache.find("app", at(1), seconds(60)));
  EXPECT_EQ(cache.size(), 4u);
  EXPECT_TRUE(cache.find("guess999", at(1), seconds(60)));
  EXPECT_FALSE(cache.find("guess996", at(1), seconds(60)));
  cache.keep("b", std::make_shared<int>(2), at(2));
  cache.keep("c", std::make_shared<int>(3), at(3));
  EXPECT_FALSE(cache.find("app", at(3), seconds(60))) << "the oldest goes first";
}

}  // namespace
}  // namespace howdah::access
