// REPEATABLE READ and SERIALIZABLE over several shards: refused, unless the client does without a snapshot that they have in common.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

class Isolation : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>("CREATE TABLE users (id bigint PRIMARY KEY, score int); CREATE TABLE kinds (id int PRIMARY KEY, name text)",
                                    "users: { hash: id }\nkinds: { reference: true }", std::vector<Sharded>{{"users", "id"}});
    for (int shard = 0; shard < 4; ++shard) ids_.push_back(0);
    for (int id = 1, left = 4; left > 0; ++id) {
      int& known = ids_.at(static_cast<std::size_t>(place(id)));
      if (known == 0) --left;
      known = id;
    }
    for (const int id : ids_) world_->both("INSERT INTO users VALUES (" + std::to_string(id) + ", 0)");
  }
  static void TearDownTestSuite() { world_.reset(); }
  void SetUp() override { other_ = PQconnectdb(world_->proxy().url().c_str()); }
  void TearDown() override {
    PQfinish(other_);
    for (const char* sql : {"ROLLBACK", "DISCARD ALL", "UPDATE users SET score = 0", "DELETE FROM kinds"}) EXPECT_EQ(ours(sql).sqlstate, "") << sql;
    run(world_->twin(), "ROLLBACK; UPDATE users SET score = 0; DELETE FROM kinds");
  }

  // The shard of a user.
  static int place(int id) {
    const Rows rows = run(world_->howdah(), "EXPLAIN (HOWDAH) SELECT FROM users WHERE id = " + std::to_string(id));
    return rows.rows.at(0).at(0)->at(1) - '0';
  }
  static Rows ours(const std::string& sql) { return run(world_->howdah(), sql); }
  static std::string state(const std::string& sql) { return ours(sql).sqlstate; }
  static std::string value(const std::string& sql) {
    const Rows rows = ours(sql);
    return rows.rows.size() == 1 ? *rows.rows[0][0] : rows.sqlstate + " " + rows.message;
  }
  static std::string score_on(int shard) { return value("SELECT score FROM users WHERE id = " + std::to_string(ids_[static_cast<std::size_t>(shard)])); }
  static std::string set_on(int shard, int score) {
    return "UPDATE users SET score = " + std::to_string(score) + " WHERE id = " + std::to_string(ids_[static_cast<std::size_t>(shard)]);
  }
  std::string others(const std::string& sql) { return run(other_, sql).sqlstate; }

  static std::unique_ptr<Twin> world_;
  static std::vector<int> ids_;  // by shard: of a user there
  PGconn* other_ = nullptr;
};
std::unique_ptr<Twin> Isolation::world_;
std::vector<int> Isolation::ids_;

TEST_F(Isolation, IsStrictUnlessAskedFor) {
  EXPECT_EQ(value("SHOW howdah.multi_shard_isolation"), "strict");
  for (const char* level : {"REPEATABLE READ", "SERIALIZABLE"}) {
    ours(std::string("BEGIN ISOLATION LEVEL ") + level);
    EXPECT_EQ(score_on(0), "0");
    EXPECT_EQ(state(set_on(1, 1)), "0A000");
    EXPECT_EQ(ours("COMMIT").tag, "ROLLBACK");
  }
  ours("SET default_transaction_isolation = 'serializable'");
  EXPECT_EQ(state("UPDATE users SET score = 1"), "0A000");
}

TEST_F(Isolation, RelaxedGivesEachShardASnapshotOfItsOwn) {
  ours("SET howdah.multi_shard_isolation = relaxed");
  EXPECT_EQ(value("SHOW howdah.multi_shard_isolation"), "relaxed");
  ours("BEGIN ISOLATION LEVEL REPEATABLE READ");
  EXPECT_EQ(value("SELECT sum(score) FROM users"), "0");
  EXPECT_EQ(others("UPDATE users SET score = 5"), "");
  EXPECT_EQ(value("SELECT sum(score) FROM users"), "0") << "what was seen is seen again";
  EXPECT_EQ(value("SELECT count(*) FROM users WHERE score = 5"), "0");
  EXPECT_EQ(state(set_on(2, 6)), "40001") << "the row has changed since";
  EXPECT_EQ(ours("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(value("SELECT sum(score) FROM users"), "20");

  // What is lost: shards that join later show more.
  ours("BEGIN ISOLATION LEVEL REPEATABLE READ");
  EXPECT_EQ(score_on(0), "5");
  EXPECT_EQ(others("UPDATE users SET score = 7"), "");
  EXPECT_EQ(score_on(0), "5");
  EXPECT_EQ(score_on(1), "7");
  EXPECT_EQ(state("COMMIT"), "");
}

TEST_F(Isolation, RelaxedWritesAreAtomic) {
  ours("SET howdah.multi_shard_isolation = relaxed");
  for (const char* level : {"REPEATABLE READ", "SERIALIZABLE"}) {
    ours(std::string("BEGIN ISOLATION LEVEL ") + level);
    for (int shard = 0; shard < 4; ++shard) EXPECT_EQ(ours(set_on(shard, 3)).tag, "UPDATE 1");
    EXPECT_EQ(value("SHOW transaction_isolation"), level == std::string("SERIALIZABLE") ? "serializable" : "repeatable read");
    EXPECT_EQ(ours("COMMIT").tag, "COMMIT");
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE score = 3"), "4");
    EXPECT_EQ(others("UPDATE users SET score = 0"), "");
  }
  ours("SET default_transaction_isolation = 'serializable'");
  EXPECT_EQ(ours("UPDATE users SET score = 4").tag, "UPDATE 4");
  EXPECT_EQ(ours("INSERT INTO users VALUES (901, 1), (902, 1), (903, 1), (904, 1)").tag, "INSERT 0 4");
  EXPECT_EQ(ours("DELETE FROM users WHERE id > 900").tag, "DELETE 4");
  ours("BEGIN");
  EXPECT_EQ(ours("DELETE FROM users").tag, "DELETE 4");
  EXPECT_EQ(ours("ROLLBACK").tag, "ROLLBACK");
  // Each shard is serializable for itself.
  for (PGconn* conn : {world_->howdah(), other_}) {
    run(conn, "SET howdah.multi_shard_isolation = relaxed");
    run(conn, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    EXPECT_EQ(*run(conn, "SELECT sum(score) FROM users").rows.at(0).at(0), "16");
  }
  int beside = ids_[0] + 1;
  while (place(beside) != 0) ++beside;
  EXPECT_EQ(state(set_on(0, 9)), "");
  EXPECT_EQ(others("INSERT INTO users VALUES (" + std::to_string(beside) + ", 1)"), "");
  EXPECT_EQ(ours("COMMIT").tag, "COMMIT");
  EXPECT_EQ(others("COMMIT"), "40001");
}

TEST_F(Isolation, RelaxedKeepsCopiesAlike) {
  ours("SET howdah.multi_shard_isolation = relaxed");
  ours("BEGIN ISOLATION LEVEL REPEATABLE READ");
  EXPECT_EQ(state("INSERT INTO kinds VALUES (1, 'a')"), "") << "the first statement";
  EXPECT_EQ(state("COMMIT"), "");
  ours("BEGIN ISOLATION LEVEL REPEATABLE READ");
  EXPECT_EQ(score_on(0), "0");
  EXPECT_EQ(state("UPDATE kinds SET name = 'b'"), "0A000") << "shard 0 has a snapshot that is older than the lock";
  EXPECT_EQ(ours("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(value("SELECT name FROM kinds"), "a");
}

TEST_F(Isolation, IsAParameterLikeTheOthers) {
  EXPECT_EQ(state("SET howdah.multi_shard_isolation = loose"), "22023");
  EXPECT_EQ(state("/* howdah.multi_shard_isolation = relaxed */ SELECT count(*) FROM users"), "22023");
  ours("BEGIN ISOLATION LEVEL REPEATABLE READ");
  EXPECT_EQ(state("SET LOCAL howdah.multi_shard_isolation = relaxed"), "");
  EXPECT_EQ(score_on(0), "0");
  EXPECT_EQ(score_on(1), "0");
  EXPECT_EQ(state("COMMIT"), "");
  EXPECT_EQ(value("SHOW howdah.multi_shard_isolation"), "strict");
  PGconn* login = PQconnectdb((world_->proxy().url() + "?options=-c%20howdah.multi_shard_isolation%3Drelaxed").c_str());
  run(login, "SET default_transaction_isolation = 'repeatable read'");
  EXPECT_EQ(run(login, "UPDATE users SET score = score").sqlstate, "");
  EXPECT_EQ(*run(login, "SHOW howdah.multi_shard_isolation").rows.at(0).at(0), "relaxed");
  PQfinish(login);
}

}  // namespace
}  // namespace howdah::e2e_sharded
