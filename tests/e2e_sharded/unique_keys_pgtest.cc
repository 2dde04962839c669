// Unique keys without the sharding key: refused, or unique on each shard where the client says that this will do.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

class UniqueKeys : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>("GRANT ALL ON SCHEMA public TO app", "orders: { hash: tenant_id }\nlines: { hash: tenant_id }",
                                    std::vector<Sharded>{{"orders", "tenant_id"}});
  }
  static void TearDownTestSuite() { world_.reset(); }
  void SetUp() override {
    ours("RESET howdah.uniqueness");
    world_->both("DROP TABLE IF EXISTS lines, orders");
  }
  static Rows ours(const std::string& sql) { return run(world_->howdah(), sql); }
  static void create() {
    const std::string sql = "CREATE TABLE orders (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL, name text)";
    EXPECT_EQ(ours("/* howdah.uniqueness = per_shard */ " + sql).sqlstate, "");
    run(world_->twin(), sql);
  }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> UniqueKeys::world_;

TEST_F(UniqueKeys, AreRefusedUnlessTheClientTakesThemForEachShard) {
  const Rows refused = ours("CREATE TABLE orders (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL, name text UNIQUE)");
  EXPECT_EQ(refused.sqlstate, "0A000");
  EXPECT_NE(refused.message.find("a primary key of sharded table orders does not contain its sharding key"), std::string::npos) << refused.message;
  const Rows shown = ours("SHOW howdah.uniqueness");
  ASSERT_EQ(shown.rows.size(), 1u) << shown.sqlstate << shown.message;
  EXPECT_EQ(shown.rows[0][0], "everywhere");
  EXPECT_EQ(ours("SET howdah.uniqueness = sometimes").sqlstate, "22023");
  create();
  EXPECT_EQ(ours("CREATE UNIQUE INDEX orders_name ON orders (name)").sqlstate, "0A000");
  EXPECT_EQ(ours("ALTER TABLE orders ADD UNIQUE (name)").sqlstate, "0A000");
  ours("SET howdah.uniqueness = per_shard");
  EXPECT_EQ(ours("CREATE UNIQUE INDEX orders_name ON orders (name)").sqlstate, "");
  EXPECT_EQ(ours("ALTER TABLE orders ADD UNIQUE (name, id)").sqlstate, "");
  // What else is wrong with a table stays refused.
  EXPECT_EQ(ours("CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint)").sqlstate, "0A000") << "it has no sharding key";
  EXPECT_EQ(ours("ALTER TABLE orders DROP COLUMN tenant_id, ADD UNIQUE (id)").sqlstate, "0A000");
}

TEST_F(UniqueKeys, HoldOnEachShard) {
  create();
  for (const Mode mode : kModes) {
    world_->same_in(mode, "INSERT INTO orders (tenant_id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')");
  }
  EXPECT_EQ(ours("SELECT count(DISTINCT id) = count(*) FROM orders").rows.at(0).at(0), "t") << "sequences give each value once";
  const std::string id = *ours("SELECT id FROM orders WHERE tenant_id = 1 LIMIT 1").rows.at(0).at(0);
  EXPECT_EQ(ours("INSERT INTO orders VALUES (" + id + ", 1, 'again')").sqlstate, "23505");
  // A value that another shard has is taken.
  int taken = 0;
  for (int tenant = 1; tenant <= 40; ++tenant) {
    ours("BEGIN");
    taken += ours("INSERT INTO orders VALUES (" + id + ", " + std::to_string(tenant) + ", 'again')").sqlstate.empty() ? 1 : 0;
    ours("ROLLBACK");
  }
  EXPECT_GT(taken, 10);
  EXPECT_LT(taken, 40);
  // A conflict with a row of another shard is never guessed at.
  EXPECT_EQ(ours("INSERT INTO orders VALUES (1, 1, 'x') ON CONFLICT DO NOTHING").sqlstate, "0A000");
  EXPECT_EQ(ours("INSERT INTO orders VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y'").sqlstate, "0A000");
  EXPECT_EQ(ours("SELECT id, name FROM orders GROUP BY id").sqlstate, "0A000") << "one row per id is not proven";
}

// A primary key that is not the sharding key is not what a key's column refers to.
TEST_F(UniqueKeys, AreNoTargetOfForeignKeysOverShards) {
  create();
  EXPECT_EQ(ours("CREATE TABLE lines (tenant_id bigint REFERENCES orders, n int)").sqlstate, "0A000");
  EXPECT_EQ(ours("CREATE TABLE lines (tenant_id bigint, order_id bigint REFERENCES orders (id))").sqlstate, "0A000");
  EXPECT_EQ(ours("ALTER TABLE orders ADD UNIQUE (tenant_id, id)").sqlstate, "");
  EXPECT_EQ(ours("CREATE TABLE lines (tenant_id bigint, order_id bigint, FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id))").sqlstate, "");
}

}  // namespace
}  // namespace howdah::e2e_sharded
