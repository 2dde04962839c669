#include "sharding/sql/plan_cache.h"

#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding::sql {
namespace {

using testing::analyzed;

class PlanCacheTest : public ::testing::Test {
 protected:
  const Plan* find(std::string_view sql, PlanScope scope = 1, std::vector<Oid> types = {}) {
    TokenStream tokens;
    tokenize(sql, {}, tokens);
    const PlanPtr* found = cache_.find(sql, tokens, types, scope);
    return found == nullptr ? nullptr : found->get();
  }
  const Plan* insert(std::string_view sql, PlanScope scope = 1, std::vector<Oid> types = {}) {
    auto result = analyzed(sql);
    return cache_.insert(sql, result.tokens, types, scope, std::move(result.analysis)).get();
  }
  PlanCache cache_{PlanCache::Settings{4, 1 << 20, 1000}};
};

TEST_F(PlanCacheTest, FindsStatementsThatDifferInLiteralsOnly) {
  EXPECT_EQ(find("SELECT * FROM users WHERE id = 5"), nullptr);
  const Plan* plan = insert("SELECT * FROM users WHERE id = 5");
  EXPECT_EQ(find("select * from users where id = 6 -- x"), plan);
  EXPECT_EQ(find("SELECT * FROM users WHERE id = 6000000000"), nullptr);
  EXPECT_EQ(find("SELECT * FROM users WHERE id = -6"), nullptr);
  EXPECT_EQ(cache_.hits(), 1u);
  EXPECT_EQ(cache_.misses(), 3u);
}

TEST_F(PlanCacheTest, KeepsScopesAndParameterTypesApart) {
  const Plan* plan = insert("SELECT * FROM users WHERE id = $1", 1, {20});
  EXPECT_EQ(find("SELECT * FROM users WHERE id = $1", 1, {20}), plan);
  EXPECT_EQ(find("SELECT * FROM users WHERE id = $1", 2, {20}), nullptr);
  EXPECT_EQ(find("SELECT * FROM users WHERE id = $1", 1, {23}), nullptr);
  EXPECT_EQ(find("SELECT * FROM users WHERE id = $1", 1, {}), nullptr);
}

TEST_F(PlanCacheTest, ComparesGuards) {
  const char* ten = "SELECT id::numeric(10, 2) FROM users WHERE id = 1";
  const char* twelve = "SELECT id::numeric(12, 2) FROM users WHERE id = 1";
  const Plan* plan = insert(ten);
  EXPECT_EQ(find(ten), plan);
  EXPECT_EQ(find(twelve), nullptr);
  const Plan* other = insert(twelve);
  EXPECT_EQ(find(twelve), other);
  EXPECT_EQ(find("SELECT id::numeric(10, 2) FROM users WHERE id = 9"), plan);
}

TEST_F(PlanCacheTest, SharesTextsWithByteRangesOnlyWithThemselves) {
  const Plan* plan = insert("SELECT 1; SELECT 22");
  EXPECT_EQ(find("SELECT 1; SELECT 22"), plan);
  EXPECT_EQ(find("SELECT 1;  SELECT 22"), nullptr);
  EXPECT_EQ(find("SELECT 11; SELECT 22"), nullptr);
}

TEST_F(PlanCacheTest, EvictsTheLeastRecentlyUsed) {
  insert("SELECT 1, a");
  insert("SELECT 1, b");
  insert("SELECT 1, c");
  insert("SELECT 1, d");
  EXPECT_NE(find("SELECT 1, a"), nullptr);
  insert("SELECT 1, e");
  EXPECT_EQ(cache_.size(), 4u);
  EXPECT_EQ(find("SELECT 1, b"), nullptr);
  EXPECT_NE(find("SELECT 1, a"), nullptr);
  cache_.clear();
  EXPECT_EQ(cache_.size(), 0u);
  EXPECT_EQ(find("SELECT 1, a"), nullptr);
}

TEST_F(PlanCacheTest, KeepsNoTextThatIsTooLongOrDoesNotLex) {
  insert("SELECT 1, " + std::string(1000, 'x'));
  EXPECT_EQ(cache_.size(), 0u);
  TokenStream tokens;
  tokenize("SELECT 'open", {}, tokens);
  cache_.insert("SELECT 'open", tokens, {}, 1, Analysis{});
  EXPECT_EQ(cache_.size(), 0u);
}

TEST_F(PlanCacheTest, BoundsVariantsOfOneForm) {
  PlanCache cache;
  for (int i = 0; i < 1000; ++i) {
    const std::string sql = "SET x = " + std::to_string(i);
    auto result = analyzed(sql);
    cache.insert(sql, result.tokens, {}, 1, std::move(result.analysis));
  }
  EXPECT_LE(cache.size(), 8u);
}

}  // namespace
}  // namespace howdah::sharding::sql
