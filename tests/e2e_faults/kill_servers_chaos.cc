// Backends, replicas and primaries are killed under load: who is hit gets a clear error and goes on, the
// others do not notice, and what was acknowledged stays.
#include <signal.h>

#include <future>

#include "tests/e2e_faults/kill_fixture.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::Answer;
using testing::PgConn;

bool is_lost(const Answer& answer) {
  return answer.sqlstate == "57P01" || answer.sqlstate == "57P02" || answer.sqlstate == "08006";
}

// After the server is gone the client's transaction is failed, like any other failed one; ROLLBACK ends it.
void expect_usable_after_rollback(PgConn& client, const std::string& probe) {
  ASSERT_TRUE(client.ok()) << client.error();
  const Answer rollback = client.query("ROLLBACK");
  EXPECT_TRUE(rollback.ok()) << rollback.sqlstate << " " << rollback.message;
  EXPECT_EQ(PQtransactionStatus(client.raw()), PQTRANS_IDLE);
  Answer answer;
  EXPECT_TRUE(testing::wait_until([&] { return (answer = client.query(probe)).ok(); }))
      << answer.sqlstate << " " << answer.message;
  EXPECT_EQ(answer.scalar(), "0");
}

void expect_only_lost(const std::set<std::string>& errors) {
  for (const auto& sqlstate : errors)
    EXPECT_TRUE(sqlstate.starts_with("57P") || sqlstate == "08006" || sqlstate == "08007") << sqlstate;
}

using KillServers = KillTest;

TEST_F(KillServers, BackendTerminatedInAnIdleTransaction) {
  PgConn client = world().proxy().connect();
  client.must("BEGIN");
  client.must(insert(0, 1000001));
  kill(backend(0, "1000001", "idle in transaction"), SIGTERM);
  EXPECT_TRUE(testing::wait_until([&] {
    return !world()
                .cluster()
                .primary(0)
                .superuser()
                .query("SELECT FROM pg_stat_activity WHERE strpos(query, '1000001') > 0 AND usename = 'app'")
                .rows.size();
  }));
  const Answer answer = client.query(count(0, 1000001));
  EXPECT_TRUE(is_lost(answer)) << answer.sqlstate << " " << answer.message;
  expect_usable_after_rollback(client, count(0, 1000001));
}

// Nobody has told the client anything yet: a mere ROLLBACK tag would pass for success with most drivers.
TEST_F(KillServers, CommitAfterTheBackendIsGoneIsAnError) {
  PgConn client = world().proxy().connect();
  client.must("BEGIN");
  client.must(insert(0, 1000020));
  kill(backend(0, "1000020", "idle in transaction"), SIGTERM);
  EXPECT_TRUE(testing::wait_until([&] {
    return world().cluster().primary(0).superuser().scalar(
               "SELECT count(*) FROM pg_stat_activity WHERE strpos(query, '1000020') > 0 AND usename = "
               "'app'") == "0";
  }));
  const Answer answer = client.query("COMMIT");
  EXPECT_TRUE(is_lost(answer)) << answer.sqlstate << " " << answer.message << " " << answer.tag;
  expect_usable_after_rollback(client, count(0, 1000020));
}

TEST_F(KillServers, BackendTerminatedInAQuery) {
  PgConn client = world().proxy().connect();
  client.must("BEGIN");
  client.must(insert(1, 1000002));
  auto answer = std::async(std::launch::async, [&] {
    return client.query("SELECT pg_sleep(60), 1000003 FROM marks WHERE user_id = " + key(1) + " LIMIT 1");
  });
  kill(backend(1, "1000003", "active"), SIGTERM);
  const Answer got = answer.get();
  EXPECT_EQ(got.sqlstate, "57P01") << got.message;
  expect_usable_after_rollback(client, count(1, 1000002));
}

TEST_F(KillServers, IdleBackendsTerminatedBetweenStatementsAreNotNoticed) {
  PgConn client = world().proxy().connect();
  for (int round = 0; round < 5; ++round) {
    client.must(count(0, 1));
    world().on_each(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'app' AND state "
        "= 'idle'");
    const Answer answer = client.query(count(0, 1));
    EXPECT_TRUE(answer.ok()) << round << ": " << answer.sqlstate << " " << answer.message;
  }
  expect_only_lost(writer_errors());
}

// kill -9 of one backend makes its postmaster restart all: everyone on that server is hit, nobody on the
// other one.
TEST_F(KillServers, BackendKilled) {
  PgConn hit = world().proxy().connect(), other = world().proxy().connect(),
         neighbour = world().proxy().connect();
  for (PgConn* client : {&hit, &neighbour, &other}) client->must("BEGIN");
  hit.must(insert(0, 1000004));
  neighbour.must(insert(0, 1000005));
  other.must(insert(1, 1000006));
  writer_errors();
  kill(backend(0, "1000004", "idle in transaction"), SIGKILL);
  other.must(count(1, 1000006));
  EXPECT_EQ(other.must("COMMIT").tag, "COMMIT");
  for (PgConn* client : {&hit, &neighbour}) {
    Answer answer;
    EXPECT_TRUE(testing::wait_until(
        [&] { return !(answer = client->query("SELECT 1 FROM marks WHERE user_id = " + key(0))).ok(); }));
    EXPECT_TRUE(is_lost(answer)) << answer.sqlstate << " " << answer.message;
    expect_usable_after_rollback(*client, count(0, client == &hit ? 1000004 : 1000005));
  }
  EXPECT_EQ(other.must(count(1, 1000006)).scalar(), "1");
  expect_only_lost(writer_errors());
}

// The server that is asked to commit is killed before it answers: only it knows, so the client is told just
// that.
TEST_F(KillServers, BackendKilledInCommit) {
  PgConn client = world().proxy().connect();
  PgConn rival = world().cluster().primary(1).superuser();
  const std::string row = "INSERT INTO late VALUES (" + key(1) + ", 7)";
  rival.must("BEGIN; " + row);
  client.must("BEGIN");
  client.must(row);
  auto answer = std::async(std::launch::async, [&] { return client.query("COMMIT"); });
  pid_t pid = 0;
  testing::await("COMMIT to wait for the rival", [&] {
    const auto found = world().cluster().primary(1).superuser().scalar(
        "SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event_type = 'Lock' AND usename = "
        "'app'");
    if (!found.empty()) pid = static_cast<pid_t>(std::stol(found));
    return pid != 0;
  });
  kill(pid, SIGKILL);
  const Answer got = answer.get();
  EXPECT_EQ(got.sqlstate, "08007") << got.message;
  EXPECT_FALSE(got.hint.empty());
  expect_usable_after_rollback(client, "SELECT count(*) FROM late WHERE user_id = " + key(1));
}

TEST_F(KillServers, ReplicaKilledIsNotNoticed) {
  for (int shard = 0; shard < 2; ++shard) {
    reader_errors();
    writer_errors();
    world().cluster().replica(shard).kill9();
    expect_progress(shard);
    PgConn client = world().proxy().connect();
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.query(count(shard, i)).ok());
    world().cluster().replica(shard).start();
    EXPECT_EQ(reader_errors(), std::set<std::string>());
    EXPECT_EQ(writer_errors(), std::set<std::string>());
  }
}

TEST_F(KillServers, PrimaryKilledAndStartedAgain) {
  PgConn client = world().proxy().connect();
  client.must("BEGIN");
  client.must(insert(0, 1000010));
  writer_errors();
  world().cluster().primary(0).kill9();
  const Answer answer = client.query(count(0, 1000010));
  EXPECT_TRUE(is_lost(answer)) << answer.sqlstate << " " << answer.message;
  EXPECT_TRUE(client.query("ROLLBACK").ok());
  const auto asked = std::chrono::steady_clock::now();
  EXPECT_EQ(client.query(insert(0, 1000011)).sqlstate, "08006");
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(8))
      << "a shard that is down is said to be";
  expect_progress(1);
  EXPECT_TRUE(client.query(insert(1, 1000012)).ok());
  world().cluster().primary(0).start();
  expect_usable_after_rollback(client, count(0, 1000010));
  EXPECT_EQ(client.must(count(1, 1000012)).scalar(), "1");
  expect_only_lost(writer_errors());
}

}  // namespace
}  // namespace howdah::faults
