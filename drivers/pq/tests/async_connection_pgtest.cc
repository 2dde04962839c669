#include "drivers/pq/async_connection.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "drivers/pq/connection.h"
#include "tests/support/pg_server.h"

namespace howdah::pq {
namespace {

namespace asio = boost::asio;
using testing::PgServer;

class AsyncConnectionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PgServer; }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  static ConnectParams params() { return {{"dbname", server_->url()}}; }
  // Runs `body` to its end on a context of its own.
  template <class Body>
  void run(Body body) {
    asio::co_spawn(io_, body(), [](std::exception_ptr thrown) { EXPECT_FALSE(thrown); });
    io_.run();
  }

  asio::io_context io_{1};
  static PgServer* server_;
};
PgServer* AsyncConnectionTest::server_ = nullptr;

TEST_F(AsyncConnectionTest, ConnectsAndExecutes) {
  AsyncConnection connection(io_);
  run([&]() -> asio::awaitable<void> {
    auto connected = co_await connection.connect(params(), within(seconds(10)));
    EXPECT_TRUE(connected);
    auto prepared = co_await connection.prepare("p", "SELECT 7", within(seconds(10)));
    EXPECT_TRUE(prepared);
    for (int i = 0; i < 3; ++i) {
      auto rows = co_await connection.exec_prepared("p", within(seconds(10)));
      EXPECT_TRUE(rows && rows->integer(0, 0) == 7);
    }
    Params values;
    values.emplace_back("5");
    auto sum = co_await connection.exec("SELECT $1::int + 1", values, within(seconds(10)));
    EXPECT_TRUE(sum && sum->integer(0, 0) == 6);
  });
}

TEST_F(AsyncConnectionTest, ResolvesHostNamesOffTheThread) {
  AsyncConnection connection(io_);
  ConnectParams named{{"host", "localhost"},
                      {"port", std::to_string(server_->port())},
                      {"dbname", "app"},
                      {"user", "app"},
                      {"password", "app"}};
  run([&]() -> asio::awaitable<void> {
    auto connected = co_await connection.connect(named, within(seconds(10)));
    EXPECT_TRUE(connected) << connected.error().message;
  });
}

TEST_F(AsyncConnectionTest, ADeadlineEndsAStatementAndAnotherConnectWorks) {
  AsyncConnection connection(io_);
  run([&]() -> asio::awaitable<void> {
    auto connected = co_await connection.connect(params(), within(seconds(10)));
    EXPECT_TRUE(connected);
    auto late = co_await connection.exec("SELECT pg_sleep(60)", within(milliseconds(50)));
    EXPECT_TRUE(!late && late.error().kind == PgError::Kind::kTimeout);
    EXPECT_FALSE(connection.is_open());
    auto again = co_await connection.connect(params(), within(seconds(10)));
    EXPECT_TRUE(again);
    auto rows = co_await connection.exec("SELECT 1", within(seconds(10)));
    EXPECT_TRUE(rows);
  });
}

// A server that accepts and never answers must cost the deadline, not a hang.
TEST_F(AsyncConnectionTest, ADeadlineEndsASilentConnect) {
  asio::ip::tcp::acceptor silent(io_, {asio::ip::make_address("127.0.0.1"), 0});
  AsyncConnection connection(io_);
  ConnectParams to{{"host", "127.0.0.1"}, {"port", std::to_string(silent.local_endpoint().port())}};
  run([&]() -> asio::awaitable<void> {
    auto late = co_await connection.connect(to, within(milliseconds(50)));
    EXPECT_TRUE(!late && late.error().kind == PgError::Kind::kTimeout);
  });
}

TEST_F(AsyncConnectionTest, StopEndsWhatIsUnderWayAndRefusesTheRest) {
  AsyncConnection connection(io_);
  asio::steady_timer stopper(io_, milliseconds(30));
  stopper.async_wait([&](boost::system::error_code) { connection.stop(); });
  run([&]() -> asio::awaitable<void> {
    auto connected = co_await connection.connect(params(), within(seconds(10)));
    if (connected) {
      auto stopped = co_await connection.exec("SELECT pg_sleep(60)", within(seconds(60)));
      EXPECT_TRUE(!stopped && stopped.error().kind == PgError::Kind::kStopped);
    }
    auto refused = co_await connection.connect(params(), within(seconds(10)));
    EXPECT_TRUE(!refused && refused.error().kind == PgError::Kind::kStopped);
  });
}

TEST_F(AsyncConnectionTest, ALostConnectionIsAnErrorAtOnce) {
  AsyncConnection connection(io_);
  run([&]() -> asio::awaitable<void> {
    auto connected = co_await connection.connect(params(), within(seconds(10)));
    EXPECT_TRUE(connected);
    auto lost =
        co_await connection.exec("SELECT pg_terminate_backend(pg_backend_pid())", within(seconds(60)));
    EXPECT_TRUE(!lost && lost.error().kind == PgError::Kind::kConnection);
    EXPECT_EQ(lost.error().sqlstate, "57P01");
    auto after = co_await connection.exec("SELECT 1", within(seconds(10)));
    EXPECT_FALSE(after);
  });
}

}  // namespace
}  // namespace howdah::pq
