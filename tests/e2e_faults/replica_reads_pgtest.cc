// Which reads a replica may answer, and that none of them shows less than its client has written or seen.
// https://www.postgresql.org/docs/15/hot-standby.html
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/e2e_faults/world.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::PgConn;
using testing::server_of;
using Clock = std::chrono::steady_clock;

bool on_replica(PgConn& client) { return server_of(client).starts_with("replica "); }

class ReplicaReads : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<World>(testing::PgCluster::Options{.shards = 1, .replicas = 1}, testing::HowdahOptions{});
    world_->must("CREATE TABLE marks (id bigint PRIMARY KEY, number bigint)");
    world_->must("CREATE SEQUENCE counter");
    world_->must("INSERT INTO marks VALUES (0, 0), (1, 0)");
    world_->cluster().wait_replayed();
  }
  static void TearDownTestSuite() { world_.reset(); }

  // A client whose reads a replica answers.
  static PgConn reader() {
    PgConn client = world_->proxy().connect();
    testing::await("a read on the replica", [&] {
      client.must("SELECT count(*) FROM marks");
      return on_replica(client);
    });
    return client;
  }
  static PgConn replica() { return world_->cluster().replica().superuser(); }

  static std::unique_ptr<World> world_;
};
std::unique_ptr<World> ReplicaReads::world_;

// One writer counts up without a pause. A client that writes, and reads in a tight loop, is back on the replica within a
// second each time, and no read of its shows a lower count than the one before, or than its own write.
TEST_F(ReplicaReads, TakeOverFromAPrimaryThatIsReadWithoutAPauseAndNeverGoBack) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    PgConn direct = world_->cluster().primary().connect();
    while (!done) direct.must("UPDATE marks SET number = number + 1 WHERE id = 0");
  });
  {
    PgConn client = world_->proxy().connect();
    long count = 0, reads = 0, longest_ms = 0;
    for (int round = 1; round <= 6; ++round) {
      client.must("UPDATE marks SET number = " + std::to_string(round) + " WHERE id = 1");
      const auto begin = Clock::now();
      bool taken_over = false;
      for (int on = 0; on < 300 && Clock::now() - begin < std::chrono::seconds(5);) {
        const auto rows = client.must("SELECT number FROM marks ORDER BY id").rows;
        const long now = std::stol(*rows.at(0)[0]);
        ASSERT_GE(now, count) << "a read went back in time, round " << round;
        ASSERT_EQ(*rows.at(1)[0], std::to_string(round)) << "its own write is missing";
        count = now;
        ++reads;
        if (!on_replica(client)) continue;
        if (!taken_over) {
          longest_ms = std::max(longest_ms, static_cast<long>((Clock::now() - begin) / std::chrono::milliseconds(1)));
        }
        taken_over = true;
        ++on;
      }
      EXPECT_TRUE(taken_over) << "round " << round;
    }
    EXPECT_GT(reads, 6 * 300);
    EXPECT_LT(longest_ms, 1000) << "of " << reads << " reads";
  }
  done = true;
  writer.join();
}

TEST_F(ReplicaReads, KeepsEverythingElseOnThePrimary) {
  PgConn client = reader();
  world_->must("CREATE OR REPLACE FUNCTION unknown_effect() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1'");
  for (const char* const sql :
       {"SELECT * FROM marks WHERE id = 1 FOR UPDATE", "SELECT * FROM marks WHERE id = 1 FOR NO KEY UPDATE",
        "SELECT * FROM marks WHERE id = 1 FOR SHARE", "SELECT * FROM marks WHERE id = 1 FOR KEY SHARE",
        "SELECT 1 AS one INTO TEMP made", "WITH gone AS (DELETE FROM marks WHERE id = 99 RETURNING id) SELECT * FROM gone",
        "SELECT nextval('counter')", "SELECT setval('counter', 7)", "SELECT unknown_effect()", "LISTEN news", "UNLISTEN news",
        "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock_all()", "SELECT last_value FROM counter",
        "SELECT txid_current()", "SELECT set_config('work_mem', '1MB', false)"}) {
    PgConn other = reader();
    const auto answer = other.query(sql);
    EXPECT_TRUE(answer.ok()) << sql << ": " << answer.message;
    EXPECT_TRUE(server_of(other).starts_with("primary ")) << sql << " ran on " << server_of(other);
  }
  client.must("BEGIN");
  client.must("LOCK TABLE marks IN ACCESS SHARE MODE");
  EXPECT_TRUE(server_of(client).starts_with("primary "));
  client.must("ROLLBACK");
  client.must("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY");
  client.must("SELECT count(*) FROM marks");
  EXPECT_TRUE(server_of(client).starts_with("primary ")) << "a replica has no SERIALIZABLE";
  client.must("COMMIT");
}

// BEGIN alone decides nothing: the first statement does, and what BEGIN said counts there.
TEST_F(ReplicaReads, DeferTheChoiceToTheFirstStatementOfATransaction) {
  PgConn client = reader();
  PgConn primary = world_->cluster().primary().superuser(), standby = replica();
  const auto open = [](PgConn& monitor) {
    return monitor.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in transaction%'");
  };
  client.must("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
  EXPECT_EQ(open(primary), "0");
  EXPECT_EQ(open(standby), "0");
  client.must("SELECT count(*) FROM marks");
  EXPECT_TRUE(on_replica(client));
  EXPECT_EQ(open(standby), "1");
  EXPECT_EQ(client.scalar("SHOW transaction_isolation"), "repeatable read");
  EXPECT_EQ(client.scalar("SHOW transaction_read_only"), "on");
  EXPECT_EQ(open(primary), "0");
  client.must("COMMIT");
  client.must("BEGIN ISOLATION LEVEL REPEATABLE READ");
  client.must("SELECT count(*) FROM marks");
  EXPECT_TRUE(server_of(client).starts_with("primary ")) << "it may write yet";
  EXPECT_EQ(client.scalar("SHOW transaction_isolation"), "repeatable read");
  client.must("UPDATE marks SET number = number WHERE id = 1");
  client.must("COMMIT");
}

TEST_F(ReplicaReads, RefuseWritesInReadOnlyTransactions) {
  PgConn client = reader();
  PgConn direct = world_->cluster().primary().connect();
  for (PgConn* conn : {&client, &direct}) {
    conn->must("BEGIN READ ONLY");
    conn->must("SELECT count(*) FROM marks");
    EXPECT_EQ(conn->query("UPDATE marks SET number = 1").sqlstate, "25006");
    EXPECT_EQ(conn->query("SELECT 1").sqlstate, "25P02");
    conn->must("ROLLBACK");
    conn->must("BEGIN READ ONLY");
    EXPECT_EQ(conn->query("UPDATE marks SET number = 1").sqlstate, "25006");
    conn->must("ROLLBACK");
  }
}

// A table locked on the primary is locked on the standby, too: the read waits there until its backend is ended.
TEST_F(ReplicaReads, AreRepeatedOnThePrimaryWhenTheReplicaIsLostBeforeItAnswered) {
  PgConn client = reader();
  PgConn locker = world_->cluster().primary().superuser();
  locker.must("BEGIN; LOCK TABLE marks IN ACCESS EXCLUSIVE MODE");
  world_->cluster().wait_replayed();
  std::thread killer([&] {
    PgConn standby = replica();
    testing::await("the read", [&] {
      return standby.scalar("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'") == "1";
    });
    locker.must("ROLLBACK");
  });
  const auto answer = client.query("SELECT count(*) FROM marks");
  killer.join();
  EXPECT_TRUE(answer.ok()) << answer.message;
  EXPECT_TRUE(server_of(client).starts_with("primary "));
}

TEST_F(ReplicaReads, EndWithAnErrorWhenRowsWereSentOrATransactionWasOpen) {
  PgConn client = reader();
  ASSERT_EQ(PQsendQuery(client.raw(), "SELECT id, repeat('x', 2000) FROM marks, generate_series(1, 50000)"), 1);
  ASSERT_EQ(PQsetSingleRowMode(client.raw()), 1);
  PGresult* row = PQgetResult(client.raw());
  EXPECT_EQ(PQresultStatus(row), PGRES_SINGLE_TUPLE);
  PQclear(row);
  testing::await("the replica to wait for its reader", [&] {
    return replica().scalar("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'ClientWrite'") == "1";
  });
  std::string state = "no error";
  while (PGresult* result = PQgetResult(client.raw())) {
    if (const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE)) state = code;
    PQclear(result);
  }
  // A backend that cannot write has no last words.
  EXPECT_TRUE(state == "57P01" || state == "08006") << state;
  EXPECT_TRUE(client.query("SELECT 1").ok()) << "the client's connection goes on";
  // In the middle of a row nothing can be said any more: the client is disconnected, not left waiting.
  PgConn large = reader();
  ASSERT_EQ(PQsendQuery(large.raw(), "SELECT repeat(chr(64 + id::int), 50000000) FROM marks"), 1);
  testing::await("the replica to wait for its reader", [&] {
    return replica().scalar("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'ClientWrite'") == "1";
  });
  while (PGresult* result = PQgetResult(large.raw())) PQclear(result);
  EXPECT_EQ(PQstatus(large.raw()), CONNECTION_BAD);
  PgConn other = reader();
  other.must("BEGIN READ ONLY");
  other.must("SELECT count(*) FROM marks");
  ASSERT_TRUE(on_replica(other));
  EXPECT_EQ(replica().scalar("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in transaction%'"), "1");
  EXPECT_EQ(other.query("SELECT count(*) FROM marks").sqlstate, "57P01") << "a snapshot cannot be had again";
  EXPECT_EQ(other.query("SELECT 1").sqlstate, "25P02");
  other.must("ROLLBACK");
  EXPECT_EQ(other.query("SELECT count(*) FROM marks").ok(), true);
}

// In session mode a client has one server for everything that may follow, and that is the primary.
TEST(SessionModeReads, StayOnThePrimary) {
  World world({.shards = 1, .replicas = 1}, {.pool = "{ mode: session, size: 5 }"});
  world.must("CREATE TABLE marks (id bigint)");
  world.cluster().wait_replayed();
  PgConn client = world.proxy().connect();
  for (int i = 0; i < 20; ++i) {
    client.must("SELECT count(*) FROM marks");
    ASSERT_TRUE(server_of(client).starts_with("primary "));
  }
  EXPECT_TRUE(client.query("INSERT INTO marks VALUES (1)").ok());
}

}  // namespace
}  // namespace howdah::faults
