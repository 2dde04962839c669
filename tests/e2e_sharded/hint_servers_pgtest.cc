// howdah.role and howdah.consistency: which of a shard's servers a client reads.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

class HintServers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<testing::PgCluster>(testing::PgCluster::Options{.shards = 2, .replicas = 1});
    cluster_->run_everywhere("CREATE TABLE users (id bigint PRIMARY KEY, score int); GRANT ALL ON users TO app");
    testing::HowdahOptions options;
    options.tables = "users: { hash: id }";
    proxy_ = std::make_unique<testing::HowdahProcess>(*cluster_, options);
  }
  static void TearDownTestSuite() {
    proxy_.reset();
    cluster_.reset();
  }
  void SetUp() override {
    conn_ = PQconnectdb(proxy_->url().c_str());
    ASSERT_EQ(PQstatus(conn_), CONNECTION_OK) << PQerrorMessage(conn_);
    must("DELETE FROM users");
    must("INSERT INTO users VALUES (1, 1), (2, 1), (3, 1), (4, 1)");
    cluster_->wait_replayed();
  }
  void TearDown() override {
    PQfinish(conn_);
    for (int shard = 0; shard < 2; ++shard) cluster_->replica(shard).superuser().must("SELECT pg_wal_replay_resume()");
  }

  Rows ours(const std::string& sql, Mode mode = Mode::kSimple) { return run(conn_, sql, mode); }
  void must(const std::string& sql) {
    const Rows rows = ours(sql);
    EXPECT_EQ(rows.sqlstate, "") << sql << "\n" << rows.message;
  }
  std::string state(const std::string& sql, Mode mode = Mode::kSimple) { return ours(sql, mode).sqlstate; }
  std::string role(const std::string& sql, Mode mode = Mode::kSimple) {
    const Rows rows = ours(sql, mode);
    EXPECT_EQ(rows.sqlstate, "") << sql << "\n" << rows.message;
    const std::string server = *ours("SHOW howdah.route").rows.at(0).at(1);
    return server.substr(0, server.find(' '));
  }
  std::string score(const std::string& hint) { return ours(hint + "SELECT score FROM users WHERE id = 1").rows.at(0).at(0).value_or(""); }
  static void pause() {
    for (int shard = 0; shard < 2; ++shard) {
      auto replica = cluster_->replica(shard).superuser();
      replica.must("SELECT pg_wal_replay_pause()");
      testing::await("a paused replica", [&] { return replica.must("SELECT pg_get_wal_replay_pause_state()").scalar() == "paused"; });
    }
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> proxy_;
  PGconn* conn_ = nullptr;
};
std::unique_ptr<testing::PgCluster> HintServers::cluster_;
std::unique_ptr<testing::HowdahProcess> HintServers::proxy_;

TEST_F(HintServers, ReadTheRoleThatIsNamed) {
  for (const Mode mode : kModes) {
    EXPECT_EQ(role("/* howdah.role = primary */ SELECT * FROM users WHERE id = 1", mode), "primary");
    EXPECT_EQ(role("/* howdah.consistency = strong */ SELECT * FROM users WHERE id = 1", mode), "primary");
    EXPECT_EQ(role("/* howdah.role = replica, howdah.consistency = eventual */ SELECT * FROM users WHERE id = 1", mode), "replica");
    EXPECT_EQ(role("/* howdah.role = replica, howdah.consistency = eventual, howdah.shard = s1 */ SELECT pg_is_in_recovery()", mode), "replica");
    EXPECT_EQ(state("/* howdah.role = replica */ UPDATE users SET score = 2 WHERE id = 1", mode), "25006");
    EXPECT_EQ(state("/* howdah.role = replica */ INSERT INTO users VALUES (9, 9)", mode), "25006");
  }
  must("SET howdah.role = 'replica'");
  testing::await("a replica that shows it all", [&] { return state("SELECT * FROM users WHERE id = 1").empty(); });
  EXPECT_EQ(role("SELECT * FROM users WHERE id = 1"), "replica");
  EXPECT_EQ(*ours("EXPLAIN (HOWDAH) SELECT * FROM users WHERE id = 1").rows.at(0).at(3), "one shard");
}

TEST_F(HintServers, ReadWhatAReplicaHasOnlyWhenTold) {
  pause();
  must("UPDATE users SET score = 2");
  EXPECT_EQ(score("/* howdah.consistency = eventual */ "), "1");
  EXPECT_EQ(score(""), "2");
  EXPECT_EQ(score("/* howdah.consistency = eventual */ "), "1");
  EXPECT_EQ(score("/* howdah.consistency = strong */ "), "2");
  const Rows none = ours("/* howdah.role = replica */ SELECT score FROM users WHERE id = 1");
  EXPECT_EQ(none.sqlstate, "08006") << none.message;
  EXPECT_EQ(score("/* howdah.role = replica, howdah.consistency = eventual */ "), "1");
  EXPECT_EQ(ours("/* howdah.consistency = eventual */ SELECT sum(score) FROM users").rows.at(0).at(0), "4");
  EXPECT_EQ(ours("SELECT sum(score) FROM users").rows.at(0).at(0), "8");
  // In one pipeline, too: the second read is not the first one's server's.
  EXPECT_EQ(ours("/* howdah.consistency = eventual */ SELECT score FROM users WHERE id = 1", Mode::kText).rows.at(0).at(0), "1");
  EXPECT_EQ(ours("SELECT score FROM users WHERE id = 1", Mode::kText).rows.at(0).at(0), "2");
}

TEST_F(HintServers, ATransactionStaysWithItsServer) {
  must("BEGIN");
  EXPECT_EQ(state("/* howdah.role = replica */ SELECT * FROM users WHERE id = 1"), "0A000");
  must("ROLLBACK");
  must("BEGIN READ ONLY");
  EXPECT_EQ(role("/* howdah.role = replica, howdah.consistency = eventual */ SELECT * FROM users WHERE id = 1"), "replica");
  EXPECT_EQ(state("SELECT * FROM users WHERE id = 1"), "0A000");
  must("ROLLBACK");
  must("BEGIN READ ONLY");
  must("SET LOCAL howdah.consistency = eventual");
  EXPECT_EQ(role("SELECT * FROM users WHERE id = 1"), "replica");
  EXPECT_EQ(role("SELECT * FROM users WHERE id = 1"), "replica");
  must("COMMIT");
}

}  // namespace
}  // namespace howdah::e2e_sharded
