#include "drivers/pq/connection.h"

#include <gtest/gtest.h>

#include <thread>

#include "drivers/pq/stop_signal.h"
#include "tests/support/pg_server.h"

namespace howdah::pq {
namespace {

using testing::PgServer;

class ConnectionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PgServer; }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  static std::unique_ptr<Connection> open(const StopSignal* stop = nullptr) {
    auto connection = Connection::connect(server_->url(), within(seconds(10)), stop);
    EXPECT_TRUE(connection) << connection.error().message;
    return connection ? std::move(*connection) : nullptr;
  }
  static PgServer* server_;
};
PgServer* ConnectionTest::server_ = nullptr;

TEST_F(ConnectionTest, ReadsRowsNullsAndTags) {
  auto connection = open();
  auto rows = connection->exec("SELECT $1::int + 1, $2::text, true", {"41", std::nullopt});
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->rows(), 1);
  EXPECT_EQ(rows->columns(), 3);
  EXPECT_EQ(rows->integer(0, 0), 42);
  EXPECT_TRUE(rows->is_null(0, 1));
  EXPECT_TRUE(rows->flag(0, 2));
  EXPECT_EQ(rows->command_tag(), "SELECT 1");
  EXPECT_GE(connection->server_version(), 150000);
}

TEST_F(ConnectionTest, KeepsTheServersErrorAndGoesOn) {
  auto connection = open();
  auto failed = connection->exec(
      "DO $$ BEGIN RAISE 'no' USING ERRCODE = 'ZH001', HINT = 'wait', DETAIL = 'why'; END $$");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, PgError::Kind::kServer);
  EXPECT_EQ(failed.error().sqlstate, "ZH001");
  EXPECT_EQ(failed.error().message, "no");
  auto error = to_error(failed.error(), "shard s0: stamp");
  EXPECT_EQ(error.code, ErrorCode::kStaleMap);
  EXPECT_EQ(error.message, "shard s0: stamp: no");
  EXPECT_EQ(error.detail, "SQLSTATE ZH001: why");
  EXPECT_EQ(error.hint, "wait");
  EXPECT_TRUE(connection->exec("SELECT 1"));
}

TEST_F(ConnectionTest, SeveralStatementsAnswerTheLastOrTheFirstError) {
  auto connection = open();
  auto last = connection->exec("SELECT 1; SELECT 2");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->get(0, 0), "2");
  auto failed = connection->exec("SELECT 1; SELECT 1/0; SELECT 3");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().sqlstate, "22012");
}

TEST_F(ConnectionTest, TellsWarningsButNotNotices) {
  auto connection = open();
  auto result = connection->exec("DO $$ BEGIN RAISE WARNING 'beware'; RAISE NOTICE 'hello'; END $$");
  ASSERT_TRUE(result);
  ASSERT_EQ(result->warnings().size(), 1u);
  EXPECT_EQ(result->warnings()[0].message, "beware");
  EXPECT_TRUE(connection->exec("SELECT 1")->warnings().empty());
}

TEST_F(ConnectionTest, ADeadlineEndsAStatementAndTheConnection) {
  auto connection = open();
  auto before = std::chrono::steady_clock::now();
  auto late = connection->exec("SELECT pg_sleep(60)", {}, within(milliseconds(50)));
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(5));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, PgError::Kind::kTimeout);
  EXPECT_EQ(connection->exec("SELECT 1").error().kind, PgError::Kind::kTimeout);
}

TEST_F(ConnectionTest, AStopRequestEndsAStatement) {
  StopSignal stop;
  auto connection = open(&stop);
  std::thread stopper([&] { stop.request(); });
  auto stopped = connection->exec("SELECT pg_sleep(60)");
  stopper.join();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, PgError::Kind::kStopped);
}

TEST_F(ConnectionTest, ALostConnectionIsAnError) {
  auto connection = open();
  auto lost = connection->exec("SELECT pg_terminate_backend(pg_backend_pid())");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, PgError::Kind::kConnection);
  EXPECT_EQ(lost.error().sqlstate, "57P01");
  EXPECT_FALSE(connection->is_open());
}

TEST_F(ConnectionTest, ARefusedConnectionSaysWhy) {
  auto refused = Connection::connect(server_->url("app", "no_such_database"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no_such_database"), std::string::npos);
  EXPECT_EQ(to_error(refused.error(), "x").code, ErrorCode::kServerUnavailable);
}

TEST_F(ConnectionTest, CopyIsRefusedNotHung) {
  auto connection = open();
  EXPECT_FALSE(connection->exec("COPY (SELECT 1) TO STDOUT"));
  EXPECT_FALSE(connection->is_open());
}

TEST_F(ConnectionTest, LargeTextsGoThroughANonBlockingSocket) {
  auto connection = open();
  auto length = connection->exec("SELECT length($1), $1", {std::string(20'000'000, 'x')});
  ASSERT_TRUE(length);
  EXPECT_EQ(length->integer(0, 0), 20'000'000);
}

TEST_F(ConnectionTest, QuotesNamesAndLiterals) {
  auto connection = open();
  auto result =
      connection->exec("SELECT " + quote_literal("it's a \\ 'test'") + " AS " + quote_identifier("a\"b c"));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->get(0, 0), "it's a \\ 'test'");
}

}  // namespace
}  // namespace howdah::pq
