// Pool mode `session`: a client has one server connection from its first statement to its end, with all that PostgreSQL
// keeps for a session, and leaves nothing of it to the next client.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/start.h"
#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

using testing::PgConn;

class SessionMode : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<testing::PgCluster>();
    cluster_->primary().run_sql("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE SEQUENCE counter; CREATE TABLE marks (id int)");
    howdah_ = start(*cluster_, {.pool = "{ mode: session, size: 2, wait_timeout: 5s }"});
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }
  static std::string backend(PgConn& client) { return client.scalar("SELECT pg_backend_pid()"); }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> SessionMode::cluster_;
std::unique_ptr<testing::HowdahProcess> SessionMode::howdah_;

TEST_F(SessionMode, KeepsOneServerConnectionFromTheFirstStatementToTheEnd) {
  PgConn idle = howdah_->connect();  // has said nothing yet, so holds nothing
  PgConn one = howdah_->connect(), two = howdah_->connect();
  const std::string first = backend(one), second = backend(two);
  EXPECT_NE(first, second);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(backend(one), first);
    EXPECT_EQ(two.query("SELECT 1/0").sqlstate, "22012");
    EXPECT_EQ(two.query("SELECT pg_backend_pid() + $1", {"0"}).scalar(), second);
    two.must("BEGIN");
    EXPECT_EQ(backend(two), second);
    two.must("ROLLBACK");
  }
  // The pool is spent until one of them leaves.
  EXPECT_EQ(idle.query("SELECT 1").sqlstate, "53300");
  { PgConn gone = std::move(one); }
  testing::await("a free connection", [&] { return idle.query("SELECT 1").ok(); });
  EXPECT_EQ(backend(two), second);
}

TEST_F(SessionMode, KeepsEverythingThatBelongsToASession) {
  PgConn client = howdah_->connect(), other = howdah_->connect();
  client.must("CREATE TEMP TABLE own (id int)");
  client.must("INSERT INTO own VALUES (1), (2)");
  client.must("PREPARE again AS SELECT count(*) FROM own WHERE id > $1");
  client.must("BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT id FROM own ORDER BY id; COMMIT");
  client.must("SELECT pg_advisory_lock(4711)");
  client.must("SELECT nextval('counter')");
  client.must("SET work_mem = '3MB'");
  client.must("SELECT set_config('my.value', 'kept', false)");
  client.must("LISTEN news");
  other.must("NOTIFY news, 'hello'");
  EXPECT_EQ(other.scalar("SELECT pg_try_advisory_lock(4711)"), "f");
  EXPECT_EQ(client.scalar("EXECUTE again(1)"), "1");
  EXPECT_EQ(client.scalar("FETCH FROM held"), "1");
  EXPECT_EQ(client.scalar("SELECT currval('counter') = lastval()"), "t");
  EXPECT_EQ(client.scalar("SHOW work_mem"), "3MB");
  EXPECT_EQ(client.scalar("SHOW my.value"), "kept");
  PGnotify* notice = nullptr;
  testing::await("the notification", [&] {
    PQconsumeInput(client.raw());
    return (notice = PQnotifies(client.raw())) != nullptr;
  });
  EXPECT_STREQ(notice->extra, "hello");
  PQfreemem(notice);
  client.must("DISCARD SEQUENCES");
  EXPECT_EQ(client.query("SELECT currval('counter')").sqlstate, "55000") << "DISCARD means the server's session";
  client.must("DISCARD ALL");
  EXPECT_EQ(client.query("SELECT * FROM own").sqlstate, "42P01");
  EXPECT_EQ(client.query("EXECUTE again(1)").sqlstate, "26000");
  EXPECT_EQ(client.query("FETCH FROM held").sqlstate, "34000");
  EXPECT_EQ(client.scalar("SELECT count(*) FROM pg_listening_channels()"), "0");
  EXPECT_EQ(other.scalar("SELECT pg_try_advisory_lock(4711)"), "t");
}

TEST_F(SessionMode, LeavesNothingToTheNextClient) {
  std::vector<std::string> used;
  {
    PgConn one = howdah_->connect(), two = howdah_->connect();
    for (PgConn* client : {&one, &two}) {
      client->must("CREATE TEMP TABLE own (id int)");
      client->must("PREPARE again AS SELECT 1");
      client->must("SELECT pg_advisory_lock(" + std::to_string(815 + used.size()) + ")");
      client->must("SELECT nextval('counter')");
      client->must("SET search_path = nowhere");
      client->must("LISTEN news");
      client->must("BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT 1; COMMIT");
      used.push_back(backend(*client));
    }
  }
  testing::await("the locks to be gone", [&] {
    return cluster_->primary().superuser().scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0";
  });
  PgConn one = howdah_->connect(), two = howdah_->connect();
  for (PgConn* client : {&one, &two}) {
    EXPECT_EQ(client->query("SELECT * FROM own").sqlstate, "42P01");
    EXPECT_EQ(client->query("EXECUTE again").sqlstate, "26000");
    EXPECT_EQ(client->query("FETCH FROM held").sqlstate, "34000");
    EXPECT_EQ(client->query("SELECT currval('counter')").sqlstate, "55000");
    EXPECT_EQ(client->scalar("SHOW search_path"), "\"$user\", public");
    EXPECT_EQ(client->scalar("SELECT count(*) FROM pg_listening_channels()"), "0");
    EXPECT_NE(std::find(used.begin(), used.end(), backend(*client)), used.end()) << "the connections were reset, not thrown away";
  }
}

}  // namespace
}  // namespace howdah::e2e
