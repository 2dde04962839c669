// What a server says to a login of the proxy's, and what the clients that wait for it hear. A scripted peer plays the
// refusals; the server behind it is real.
#include <gtest/gtest.h>

#include <memory>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "tests/e2e_limits/gate.h"
#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_limits {
namespace {

using testing::PgConn;
using Clock = std::chrono::steady_clock;

std::string refusal(std::string_view sqlstate, std::string_view message) {
  pgwire::ErrorFields fields;
  fields.severity = fields.localized_severity = "FATAL";
  fields.sqlstate = sqlstate;
  fields.message = message;
  std::string out;
  pgwire::append_error(out, fields);
  return out;
}

// An ErrorResponse as servers before 7.4 and broken middle boxes send them: a message, and no more.
std::string without_sqlstate() {
  const std::string body("SFATAL\0Mthe dog ate it\0\0", 24);
  std::string out("E\0\0\0", 4);
  out.push_back(static_cast<char>(body.size() + 4));
  return out + body;
}

class ServerLogins : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = std::make_unique<testing::PgCluster>(); }
  static void TearDownTestSuite() { cluster_.reset(); }

  void start(const std::string& pool = "{ size: 2, wait_timeout: 10s, connect_timeout: 5s }") {
    gate_ = std::make_unique<Gate>(cluster_->primary().port());
    testing::HowdahOptions options;
    // No control account: every connection to the server is one of the pool's.
    options.yaml = "cluster: test\nworkers: 1\nlisten: { address: 127.0.0.1, port: @PORT@ }\nhttp: { enabled: false }\n"
                   "users: [ { name: app, password: app } ]\npool: " + pool +
                   "\ndatabases:\n  app:\n    failover_wait: 0\n    shards:\n      - { name: s0, primary: \"host=127.0.0.1 port=" +
                   std::to_string(gate_->port()) + "\" }\n";
    howdah_ = std::make_unique<testing::HowdahProcess>(*cluster_, options);
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> ServerLogins::cluster_;

TEST_F(ServerLogins, ThatFindTheServerFullAreTriedAgainWhileClientsWait) {
  start();
  for (int i = 0; i < 2; ++i) gate_->answer_next(refusal("53300", "sorry, too many clients already"));
  PgConn client(howdah_->url());
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.query("SELECT 1").text(), "1");
  EXPECT_GE(gate_->connections(), 3);
}

TEST_F(ServerLogins, ThatFindTheServerStartingAreTriedAgainWhileClientsWait) {
  start();
  for (int i = 0; i < 2; ++i) gate_->answer_next(refusal("57P03", "the database system is starting up"));
  PgConn client(howdah_->url());
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.query("SELECT 1").text(), "1");
}

TEST_F(ServerLogins, ThatAreRefusedForGoodTellEveryoneWhoWaits) {
  const std::pair<const char*, const char*> refusals[] = {{"28P01", "password authentication failed for user \"app\""},
                                                          {"3D000", "database \"app\" does not exist"},
                                                          {"28000", "no pg_hba.conf entry for host"},
                                                          {"42501", "permission denied for database \"app\""}};
  for (const auto& [state, message] : refusals) {
    start("{ size: 2, idle_timeout: 1s, lifetime: 1s }");
    PgConn client(howdah_->url());
    client.must("SELECT 1");
    cluster_->primary().run_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
    // The pool is empty again, and the server refuses what comes next.
    for (int i = 0; i < 4; ++i) gate_->answer_next(refusal(state, message));
    testing::Answer said;
    testing::await("the refusal", [&] {
      said = client.query("SELECT 2");
      return !said.ok() && said.sqlstate != "57P01";  // that was the connection before
    });
    EXPECT_EQ(said.sqlstate, state);
    EXPECT_EQ(said.message, message);
    EXPECT_EQ(PQstatus(client.raw()), CONNECTION_OK) << "the client's own connection is none of it";
  }
}

TEST_F(ServerLogins, ThatAreRefusedWithoutASqlstateAreReportedAllTheSame) {
  start();
  gate_->answer_next(without_sqlstate());
  PgConn refused(howdah_->url());
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("the dog ate it"), std::string::npos) << refused.error();
  gate_->answer_next("E");
  EXPECT_FALSE(PgConn(howdah_->url()).ok()) << "half a message, and the end";
  gate_->answer_next(std::string("E\0\0\0\x04", 5));
  EXPECT_FALSE(PgConn(howdah_->url()).ok()) << "an error that says nothing";
  gate_->answer_next(std::string("\xff\0\0\0\x02", 5));
  EXPECT_FALSE(PgConn(howdah_->url()).ok()) << "no message at all";
  PgConn client(howdah_->url());
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.query("SELECT 1").text(), "1");
}

TEST_F(ServerLogins, TolerateNotices) {
  start();
  pgwire::ErrorFields fields;
  fields.severity = fields.localized_severity = "WARNING";
  fields.sqlstate = "01000";
  fields.message = "database \"app\" has a collation version mismatch";
  std::string notices;
  for (int i = 0; i < 3; ++i) pgwire::append_notice(notices, fields);
  gate_->begin_with(notices);
  PgConn client(howdah_->url());
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.query("SELECT 1").text(), "1");
}

}  // namespace
}  // namespace howdah::e2e_limits
