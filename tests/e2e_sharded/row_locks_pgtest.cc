// FOR UPDATE and its like over several shards: each shard locks its rows.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

class RowLocks : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>("CREATE TABLE users (id bigint PRIMARY KEY, name text); CREATE TABLE accounts (user_id bigint, n int); CREATE TABLE kinds (id int, name text)",
                                    "users: { hash: id }\naccounts: { hash: user_id }\nkinds: { reference: true }",
                                    std::vector<Sharded>{{"users", "id"}, {"accounts", "user_id"}});
    std::string users = "INSERT INTO users VALUES ", accounts = "INSERT INTO accounts VALUES ";
    for (int i = 1; i <= 30; ++i) {
      users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n" + std::to_string(i % 3) + "')";
      accounts += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", " + std::to_string(i % 4) + ")";
    }
    world_->both(users);
    world_->both(accounts);
    world_->both("INSERT INTO kinds VALUES (1, 'n1'), (2, 'n2')");
  }
  static void TearDownTestSuite() { world_.reset(); }
  void TearDown() override {
    world_->both("ROLLBACK");
    world_->same_tables();
  }
  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> RowLocks::world_;

TEST_F(RowLocks, GivesTheRows) {
  for (const char* block : {"SELECT 1", "BEGIN"}) {
    world_->both(block);
    world_->same("SELECT * FROM users FOR UPDATE");
    world_->same("SELECT name FROM users WHERE name = $1 ORDER BY id DESC FOR NO KEY UPDATE", {"n1"}, true);
    world_->same("SELECT u.id, a.n FROM users u JOIN accounts a ON a.user_id = u.id WHERE a.n > 1 FOR SHARE OF a");
    world_->same("SELECT id FROM users u JOIN accounts a ON a.user_id = u.id FOR KEY SHARE NOWAIT");
    world_->same("SELECT u.id FROM users u JOIN kinds k ON k.name = u.name FOR UPDATE OF u");
    world_->same("SELECT id FROM users WHERE id IN (1, 2, 3, 4, 5, 6, 7) FOR UPDATE");
  }
  world_->both("UPDATE users SET name = name || 'x'");
  world_->both("COMMIT");
}

TEST_F(RowLocks, KeepsOthersWaiting) {
  PGconn* other = PQconnectdb(world_->proxy().url().c_str());
  world_->both("BEGIN");
  EXPECT_EQ(run(world_->howdah(), "SELECT id FROM users FOR UPDATE").tag, "SELECT 30");
  for (int id = 1; id <= 30; ++id) {
    EXPECT_EQ(run(other, "SELECT id FROM users WHERE id = " + std::to_string(id) + " FOR UPDATE NOWAIT").sqlstate, "55P03") << id;
  }
  EXPECT_EQ(run(other, "SELECT id FROM users FOR UPDATE NOWAIT").sqlstate, "55P03");
  world_->both("COMMIT");
  EXPECT_EQ(run(other, "SELECT id FROM users FOR UPDATE NOWAIT").tag, "SELECT 30");
  PQfinish(other);
}

TEST_F(RowLocks, RefusesWhatOneServerWouldLockOtherwise) {
  for (const char* sql : {"SELECT id FROM users LIMIT 3 FOR UPDATE", "SELECT id FROM users FOR UPDATE SKIP LOCKED", "SELECT u.id FROM users u JOIN kinds k ON k.name = u.name FOR UPDATE",
                          "SELECT id FROM (SELECT id FROM users FOR UPDATE) s", "SELECT count(*) FROM (SELECT id FROM users FOR UPDATE) s",
                          "DELETE FROM users WHERE id IN (SELECT id FROM users FOR UPDATE)"}) {
    EXPECT_EQ(run(world_->howdah(), sql).sqlstate, "0A000") << sql;
  }
  world_->same("SELECT count(*) FROM users FOR UPDATE");
}

}  // namespace
}  // namespace howdah::e2e_sharded
