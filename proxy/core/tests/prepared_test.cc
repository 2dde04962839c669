#include "proxy/core/prepared.h"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

TEST(StatementRegistry, SharesEqualStatementsAndKeepsOthersApart) {
  StatementRegistry registry;
  const auto a = registry.intern("SELECT $1", {});
  EXPECT_EQ(registry.intern("SELECT $1", {}), a);
  EXPECT_NE(registry.intern("SELECT $1", {23})->id, a->id);
  EXPECT_NE(registry.intern("SELECT  $1", {})->id, a->id);
}

// Server connections move between workers and bring the names of their statements along.
TEST(StatementRegistry, NamesNoTwoStatementsAlikeOnDifferentWorkers) {
  StatementRegistry one, other;
  EXPECT_NE(one.intern("SELECT 1", {})->server_name(), other.intern("SELECT 2", {})->server_name());
}

TEST(StatementRegistry, ForgetsWhatNobodyHolds) {
  StatementRegistry registry;
  const auto kept = registry.intern("kept", {});
  for (int i = 0; i < 5000; ++i) registry.intern("SELECT " + std::to_string(i), {});
  EXPECT_LT(registry.size(), 2048u);
  EXPECT_EQ(registry.intern("kept", {}), kept);
}

TEST(ServerStatements, EvictsTheLeastRecentlyUsed) {
  ServerStatements statements;
  for (std::uint64_t id : {1, 2, 3}) statements.add(id);
  EXPECT_TRUE(statements.contains(1));  // now the most recently used
  EXPECT_EQ(statements.evict(4), 0u);
  EXPECT_EQ(statements.evict(3), 2u);
  EXPECT_FALSE(statements.contains(2));
  statements.remove(3);
  EXPECT_EQ(statements.size(), 1u);
}

}  // namespace
}  // namespace howdah::proxy
