// What servers do to connections that clients hold: end them, change their role, cancel for recovery.
#include <gtest/gtest.h>

#include <memory>

#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {
namespace {

using e2e_pool::answer;
using e2e_pool::await_running;
using e2e_pool::send;
using testing::Answer;
using testing::PgConn;

class ServerFailures : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<testing::PgCluster>(testing::PgCluster::Options{
        .replicas = 1, .settings = {{"max_standby_streaming_delay", "0"}, {"hot_standby_feedback", "off"}}});
    cluster_->primary().run_sql(
        "GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE notes (id int) WITH (autovacuum_enabled = off);"
        "INSERT INTO notes SELECT generate_series(1, 1000); CREATE TABLE kept (id int)");
    cluster_->wait_replayed();
    howdah_ = std::make_unique<testing::HowdahProcess>(*cluster_);
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }
  static std::string shown(PgConn& client, const std::string& column) {
    const auto route = client.must("SHOW howdah.route");
    for (std::size_t i = 0; i < route.columns.size(); ++i) {
      if (route.columns[i] == column) return route.rows.at(0)[i].value_or("");
    }
    return "";
  }
  // A client inside a read-only transaction on the replica, with a snapshot; its backend's number.
  static PgConn reader_on_replica(std::string& pid) {
    PgConn client = howdah_->connect();
    testing::await("a read on the replica", [&] {
      client.must("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      client.must("SELECT count(*) FROM notes");
      if (shown(client, "server").starts_with("replica ")) return true;
      client.must("COMMIT");
      return false;
    });
    pid = cluster_->replica().superuser().scalar(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle in transaction'");
    return client;
  }
  // Removes rows that the reader still sees.
  static void conflict() {
    cluster_->primary().run_sql("UPDATE notes SET id = id");
    cluster_->primary().run_sql("VACUUM notes");
  }
  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> ServerFailures::cluster_;
std::unique_ptr<testing::HowdahProcess> ServerFailures::howdah_;

TEST_F(ServerFailures, IdleInATransactionAreToldInTheServersWords) {
  PgConn superuser = cluster_->primary().superuser();
  PgConn client = howdah_->connect();
  client.must("SET idle_in_transaction_session_timeout = '200ms'");
  client.must("BEGIN");
  client.must("INSERT INTO kept VALUES (1)");
  testing::await("the server to end it", [&] {
    return superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in%'") == "0";
  });
  const Answer said = client.query("SELECT 1");
  EXPECT_EQ(said.sqlstate, "25P03") << said.message;
  EXPECT_EQ(said.message, "terminating connection due to idle-in-transaction timeout");
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "25P02") << "told once, then it is a failed transaction";
  EXPECT_EQ(client.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(client.query("SELECT count(*) FROM kept").text(), "0");
}

TEST_F(ServerFailures, LeaveNoSavepointToGoBackTo) {
  PgConn superuser = cluster_->primary().superuser();
  PgConn client = howdah_->connect();
  client.must("BEGIN");
  client.must("INSERT INTO kept VALUES (1)");
  client.must("SAVEPOINT s");
  client.must("INSERT INTO kept VALUES (2)");
  superuser.must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in%'");
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "57P01");
  EXPECT_FALSE(client.query("ROLLBACK TO s").ok());
  EXPECT_FALSE(client.query("INSERT INTO kept VALUES (3)").ok());
  EXPECT_EQ(client.query("COMMIT").tag, "ROLLBACK");
  EXPECT_EQ(client.query("SELECT count(*) FROM kept").text(), "0") << "nothing of a lost transaction is kept";
}

TEST_F(ServerFailures, InATransactionAreNeverRepeatedElsewhere) {
  PgConn superuser = cluster_->primary().superuser();
  PgConn client = howdah_->connect();
  client.must("BEGIN");
  client.must("INSERT INTO kept VALUES (10)");
  send(client, "SELECT pg_sleep(60) /* in the middle */");
  await_running(superuser, "/* in the middle */");
  superuser.must("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* in the middle */' AND pid <> pg_backend_pid()");
  const Answer said = answer(client);
  EXPECT_EQ(said.sqlstate, "57P01");
  EXPECT_EQ(said.message, "terminating connection due to administrator command");
  EXPECT_EQ(client.query("ROLLBACK").tag, "ROLLBACK");
  EXPECT_EQ(client.query("SELECT count(*) FROM kept").text(), "0");
}

TEST_F(ServerFailures, RecoveryConflictsOfIdleTransactionsAre40001) {
  std::string pid;
  PgConn client = reader_on_replica(pid);
  conflict();
  testing::await("the replica to end it", [&] {
    return cluster_->replica().superuser().scalar("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "0";
  });
  const Answer said = client.query("SELECT count(*) FROM notes");
  EXPECT_EQ(said.sqlstate, "40001") << said.message;
  EXPECT_NE(said.message.find("conflict with recovery"), std::string::npos) << said.message;
  EXPECT_EQ(client.query("COMMIT").tag, "ROLLBACK");
  EXPECT_TRUE(client.query("SELECT count(*) FROM notes").ok());
}

TEST_F(ServerFailures, RecoveryConflictsOfRunningStatementsAre40001) {
  std::string pid;
  PgConn client = reader_on_replica(pid);
  send(client, "SELECT count(*) /* conflicting */ FROM notes a, notes b, notes c, notes d");
  PgConn replica = cluster_->replica().superuser();
  await_running(replica, "/* conflicting */");
  conflict();
  const Answer said = answer(client);
  EXPECT_EQ(said.sqlstate, "40001") << said.message;
  EXPECT_NE(said.message.find("conflict with recovery"), std::string::npos) << said.message;
  client.query("ROLLBACK");
  EXPECT_TRUE(client.query("SELECT count(*) FROM notes").ok());
}

// Last: the replica is none afterwards.
TEST_F(ServerFailures, PromotionRecyclesTheConnectionsThatNoticed) {
  std::string pid;
  PgConn client = reader_on_replica(pid);
  cluster_->replica().promote();
  PgConn promoted = cluster_->replica().superuser();
  EXPECT_TRUE(client.query("SELECT count(*) FROM notes").ok()) << "the transaction goes on";
  EXPECT_NE(std::string_view(PQparameterStatus(client.raw(), "in_hot_standby")), "on");
  EXPECT_EQ(client.query("COMMIT").tag, "COMMIT");
  EXPECT_TRUE(testing::wait_until([&] {
    return promoted.scalar("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "0";
  })) << "the next client gets another connection";
}

}  // namespace
}  // namespace howdah::e2e_limits
