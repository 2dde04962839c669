// The shard map moves on behind the proxy's back, and the servers fence off those who still have the old one.
#include <gtest/gtest.h>

#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {
namespace {

using testing::PgConn;

class StaleMap : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::HowdahOptions options;
    options.tables = "marks: { hash: user_id }";
    options.database_extra = "catalog_interval: 1h";  // nobody looks for a newer map but who is told of one
    world_ = std::make_unique<faults::World>(testing::PgCluster::Options{.shards = 2}, options);
    world_->must("CREATE TABLE marks (user_id bigint, number int)");
    key_ = std::to_string(world_->keys_on(0, 1)[0]);
  }
  // Gives the key's bucket to shard 1, everywhere, in a map that the servers insist on; old connections are ended, as a
  // fence does.
  void move_key() {
    for (int shard = 0; shard < 2; ++shard) {
      PgConn superuser = world_->cluster().primary(shard).superuser();
      superuser.must(
          "BEGIN; UPDATE howdah.cluster SET map_epoch = map_epoch + 1, min_epoch = map_epoch + 1;"
          "UPDATE howdah.map SET shard = 's1', epoch = epoch + 1 WHERE bucket = (hashint8extended(" + key_ + ", 0) & 4095);"
          "COMMIT");
      superuser.must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
    }
    world_->cluster().primary(0).run_sql("DELETE FROM marks");
    world_->cluster().primary(1).run_sql("INSERT INTO marks VALUES (" + key_ + ", 77)");
  }
  std::unique_ptr<faults::World> world_;
  std::string key_;
};

TEST_F(StaleMap, IsReadAgainAndTheStatementGoesWhereTheRowsAreNow) {
  PgConn client = world_->proxy().connect();
  client.must("INSERT INTO marks VALUES (" + key_ + ", 1)");
  move_key();
  const auto said = client.query("SELECT number FROM marks WHERE user_id = " + key_);
  EXPECT_EQ(said.text(), "77") << said.sqlstate << " " << said.message;
  EXPECT_EQ(client.query("UPDATE marks SET number = 78 WHERE user_id = " + key_).tag, "UPDATE 1");
  EXPECT_EQ(world_->cluster().primary(1).run_sql("SELECT number FROM marks").scalar(), "78");
  EXPECT_EQ(world_->cluster().primary(0).run_sql("SELECT count(*) FROM marks").scalar(), "0") << "nothing went to the old place";
}

TEST_F(StaleMap, EndsATransactionThatWasRoutedByIt) {
  PgConn client = world_->proxy().connect();
  client.must("SELECT 1");
  move_key();
  client.must("BEGIN");
  const auto said = client.query("INSERT INTO marks VALUES (" + key_ + ", 2)");
  EXPECT_EQ(said.sqlstate, "40001") << said.message;
  EXPECT_EQ(client.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(world_->sum("SELECT count(*) FROM marks WHERE number = 2"), 0);
  client.must("BEGIN");
  client.must("INSERT INTO marks VALUES (" + key_ + ", 2)");
  client.must("COMMIT");
  EXPECT_EQ(world_->cluster().primary(1).run_sql("SELECT count(*) FROM marks WHERE number = 2").scalar(), "1") << "repeated, it is right";
}

}  // namespace
}  // namespace howdah::e2e_limits
