// What comes after a login and is wrong, and servers that do not answer.
#include <signal.h>

#include <chrono>

#include "drivers/pgwire/frontend.h"
#include "tests/e2e/bad_input_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

using namespace std::string_literals;
using Clock = std::chrono::steady_clock;

class BadSession : public BadInput {
 protected:
  // Logs in and sends the bytes. What comes until the end.
  static std::vector<Message> say(RawClient raw, Bytes bytes) {
    raw.log_in();
    EXPECT_TRUE(raw.logged_in());
    raw.send(bytes);
    auto messages = raw.until_closed();
    EXPECT_TRUE(raw.closed()) << "the connection stays open";
    return messages;
  }
};

TEST_F(BadSession, EndsWithAnUnknownMessageType) {
  for (const std::string& bytes :
       {"!\0\0\0\x04"s, "z\0\0\0\x08"s + "abcd", "\xff\0\0\0\x04"s, "p\0\0\0\x05\0"s})
    EXPECT_EQ(to_lines(say(client(), bytes)), to_lines(say(direct(), bytes)));
}

TEST_F(BadSession, EndsWithLengthsOutOfBounds) {
  for (const std::string& bytes : {"Q\0\0\0\x03"s, "Q\0\0\0\0"s, "Q\xff\xff\xff\xff"s, "Q\x7f\xff\xff\xff"s,
                                   "S\0\1\0\0"s, "E\x40\0\0\0"s, "B\x80\0\0\0"s}) {
    EXPECT_EQ(say(direct(), bytes).size(), 0u) << "PostgreSQL closes without a word";
    expect_fatal_at_most(say(client(), bytes));
  }
}

TEST_F(BadSession, EndsWithAMessageBeyondTheLimit) {
  expect_fatal_at_most(say(client(), "Q\0\x20\0\0"s + std::string(2 << 20, ' ')));
}

TEST_F(BadSession, SurvivesClientsThatLeaveInTheMiddleOfAMessage) {
  for (const bool reset : {false, true}) {
    for (const std::string& bytes : {"Q"s, "Q\0\0"s, "Q\0\0\0\x20SELECT"s, "P\0\0\0\x20\0SELECT"s}) {
      RawClient raw = client();
      raw.log_in();
      if (reset) raw.abort_on_close();
      raw.send(bytes);
    }
  }
}

TEST_F(BadSession, ReportsGarbageSqlAndGoesOn) {
  RawClient raw = client(), twin = direct();
  raw.log_in();
  twin.log_in();
  const std::vector<std::string> texts = {
      "\x01\x02\x03", "\xff\xfe\xfd",   "SELECT '\xc3\x28'", std::string(5000, '('),
      "$$",           "$a$ unfinished", "SELECT U&'\\00zz'", "/*" + std::string(1000, '*')};
  for (const auto& text : texts) EXPECT_EQ(to_lines(raw.query(text)), to_lines(twin.query(text))) << text;
}

TEST_F(BadSession, BoundsDeepNesting) {
  RawClient raw = client(), twin = direct();
  raw.log_in();
  twin.log_in();
  for (const int depth : {1'000, 20'000, 200'000}) {
    const std::string sql = "SELECT " + std::string(depth, '(') + "1" + std::string(depth, ')');
    const std::string state = first_sqlstate(raw.query(sql));
    EXPECT_TRUE(state == first_sqlstate(twin.query(sql)) || state == "54001") << depth << " " << state;
  }
  std::string sum = "SELECT 1";
  for (int i = 0; i < 60'000; ++i) sum += "+1";
  const std::string state = first_sqlstate(raw.query(sum));
  EXPECT_TRUE(state.empty() || state == "54001") << state;
}

TEST_F(BadSession, FailsFastWhenTheServerIsSilentAndRecovers) {
  testing::PgConn waiting = howdah().connect();
  cluster().primary().run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
  kill(cluster().primary().pid(), SIGSTOP);
  const auto before = Clock::now();
  auto answer = waiting.query("SELECT 1");
  if (answer.sqlstate == "57P01") answer = waiting.query("SELECT 1");  // the word of a connection that ended
  const auto took = Clock::now() - before;
  kill(cluster().primary().pid(), SIGCONT);
  EXPECT_EQ(answer.sqlstate.substr(0, 2), "08") << answer.message;
  EXPECT_NE(answer.message, "");
  EXPECT_LT(took, std::chrono::seconds(5)) << "connect_timeout is one second";
  EXPECT_TRUE(testing::wait_until([&] { return waiting.query("SELECT 1").ok(); }))
      << "the same client goes on";
}

TEST_F(BadSession, FailsFastWhenTheServerIsDownAndRecovers) {
  testing::PgConn early = howdah().connect();
  EXPECT_TRUE(early.query("SELECT 1").ok());
  cluster().primary().stop();
  auto answer = early.query("SELECT 1");
  if (answer.ok() || answer.sqlstate == "57P01") answer = early.query("SELECT 1");
  EXPECT_EQ(answer.sqlstate.substr(0, 2), "08") << answer.sqlstate << answer.message;
  const auto before = Clock::now();
  testing::PgConn late(howdah().url());
  if (late.ok()) EXPECT_EQ(late.query("SELECT 1").sqlstate.substr(0, 2), "08");
  EXPECT_LT(Clock::now() - before, std::chrono::seconds(5));
  cluster().primary().start();
  EXPECT_TRUE(testing::wait_until([&] { return early.query("SELECT 1").ok(); })) << "the same client goes on";
}

}  // namespace
}  // namespace howdah::e2e
