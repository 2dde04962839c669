// What comes before a login and is wrong. PostgreSQL's answer is the measure wherever it gives one.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "drivers/pgwire/startup.h"
#include "tests/e2e/bad_input_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

using namespace std::string_literals;
using Clock = std::chrono::steady_clock;

std::string startup(std::vector<std::pair<Bytes, Bytes>> params) {
  std::string out;
  pgwire::append_startup(out, 0, params);
  return out;
}

std::string int32(std::uint32_t value) {
  std::string out;
  append_be(out, value);
  return out;
}

class BadStartup : public BadInput {};

TEST_F(BadStartup, EndsConnectionsThatBeginWithGarbage) {
  expect_refused("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect_refused(std::string(100, '\xff'));
  expect_refused(std::string(8, '\0'));
  expect_refused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s);
}

TEST_F(BadStartup, EndsConnectionsWithLengthsOutOfBounds) {
  for (const std::uint32_t length :
       {0u, 3u, 4u, 7u, 10005u, 100'000'000u, 0x7fffffffu, 0x80000000u, 0xffffffffu})
    expect_refused(int32(length) + int32(196608));
}

TEST_F(BadStartup, EndsConnectionsWithoutATerminator) {
  const std::string params = "user\0app\0database\0app\0"s;
  expect_refused(int32(8 + params.size()) + int32(196608) + params);
  expect_refused(int32(8 + 5) + int32(196608) + "user\0"s);
  expect_refused(int32(8 + 4) + int32(196608) + "user"s);
}

TEST_F(BadStartup, WaitsNoLongerThanTheLoginTimeout) {
  const auto before = Clock::now();
  std::vector<std::unique_ptr<RawClient>> silent;
  for (const std::string& part : {""s, "\0\0"s, startup({{"user", "app"}}).substr(0, 12)}) {
    silent.push_back(std::make_unique<RawClient>(howdah().port()));
    silent.back()->send(part);
  }
  for (auto& raw : silent) {
    raw->until_closed();
    EXPECT_TRUE(raw->closed());
    EXPECT_GE(Clock::now() - before, std::chrono::milliseconds(1500));
  }
}

TEST_F(BadStartup, SaysSoWhenThePasswordDoesNotCome) {
  RawClient raw = client();
  raw.send(startup({{"user", "app"}, {"database", "app"}}));
  EXPECT_EQ(last_words(raw), (std::vector<std::string>{
                                 "Authentication 10 SCRAM-SHA-256\\00\\00",
                                 "Error FATAL 57014 canceling authentication due to timeout",
                             }));
}

TEST_F(BadStartup, AnswersAWrongPasswordLikeAnUnknownUser) {
  for (const char* user : {"app", "nobody", "postgres"}) {
    RawClient raw = client(), twin = direct();
    auto answer = to_lines(raw.log_in({.user = user, .password = "wrong"}));
    EXPECT_TRUE(raw.closed() || raw.until_closed().empty());
    EXPECT_EQ(answer, to_lines(twin.log_in({.user = user, .password = "wrong"})));
    EXPECT_EQ(answer.size(), 3u);
  }
}

TEST_F(BadStartup, GivesAnUnknownUserTheSameSaltEachTime) {
  const auto salt = [](RawClient raw) {
    for (const auto& message : raw.log_in({.user = "nobody", .password = "x"})) {
      const auto at = message.body.find(",s=");
      if (message.type == 'R' && at != std::string::npos) return message.body.substr(at);
    }
    return ""s;
  };
  const std::string first = salt(client());
  EXPECT_NE(first, "");
  EXPECT_EQ(first, salt(client()));
}

TEST_F(BadStartup, KnowsNoOtherDatabase) {
  RawClient raw = client(), twin = direct();
  EXPECT_EQ(to_lines(raw.log_in({.database = "missing"})), to_lines(twin.log_in({.database = "missing"})));
  RawClient wrong = client();
  EXPECT_EQ(first_sqlstate(wrong.log_in({.password = "wrong", .database = "missing"})), "28P01")
      << "who may not log in learns nothing about databases";
}

TEST_F(BadStartup, NeedsAUserName) {
  for (const std::string& packet : {startup({{"database", "app"}}), startup({{"user", ""}})}) {
    RawClient raw = client(), twin = direct();
    raw.send(packet);
    twin.send(packet);
    EXPECT_EQ(last_words(raw), last_words(twin));
  }
}

TEST_F(BadStartup, RefusesAWrongSettingAtLogin) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"work_mem", "lots"}, {"no_such_setting", "1"}, {"client_encoding", "no_such"}}) {
    RawClient raw = client(), twin = direct();
    EXPECT_EQ(to_lines(raw.log_in({.params = {{name, value}}})),
              to_lines(twin.log_in({.params = {{name, value}}})));
  }
}

TEST_F(BadStartup, RefusesOtherProtocols) {
  // To versions 1 and 2 PostgreSQL answers in their format, without fields.
  const auto answers = [](RawClient raw, std::uint32_t version, Bytes text) {
    raw.send(int32(8 + 10) + int32(version) + "user\0app\0\0"s);
    std::string bytes;
    while (const auto byte = raw.next_byte()) bytes += *byte;
    return bytes.starts_with("E") && bytes.find(text) != std::string::npos;
  };
  for (const auto& [version, text] : std::vector<std::pair<std::uint32_t, std::string>>{
           {2u << 16, "2.0"}, {1u << 16, "1.0"}, {4u << 16, "4.0"}, {0x12340000u, "4660.0"}}) {
    const std::string message = "unsupported frontend protocol " + text + ": server supports 3.0 to 3.";
    EXPECT_TRUE(answers(direct(), version, message + "0")) << text;
    EXPECT_TRUE(answers(client(), version, message + "2")) << text;
  }
}

TEST_F(BadStartup, NegotiatesNewerMinorVersionsAndOptions) {
  const Login login{.params = {{"_pq_.command_progress", "on"}}};
  RawClient raw = client(), twin = direct();
  EXPECT_EQ(to_lines(raw.log_in(login)), to_lines(twin.log_in(login)));
  EXPECT_TRUE(raw.logged_in());
  // PostgreSQL 15 goes down to 3.0, Howdah to 3.2: see StartupProtocol.
  RawClient newer = client(), newer_twin = direct();
  auto lines = to_lines(newer.log_in({.minor = 7})), expected = to_lines(newer_twin.log_in({.minor = 7}));
  EXPECT_EQ(std::exchange(lines.at(0), ""), "Negotiate 3.2 ");
  EXPECT_EQ(std::exchange(expected.at(0), ""), "Negotiate 3.0 ");
  std::replace(lines.begin(), lines.end(), "BackendKeyData of 32"s, "BackendKeyData of 4"s);
  EXPECT_EQ(lines, expected);
}

TEST_F(BadStartup, CutsLongNamesAsPostgresqlDoes) {
  const std::string name(200, 'x');
  RawClient raw = client(), twin = direct();
  EXPECT_EQ(to_lines(raw.log_in({.user = name})), to_lines(twin.log_in({.user = name})));
  RawClient other = client(), other_twin = direct();
  EXPECT_EQ(to_lines(other.log_in({.database = name})), to_lines(other_twin.log_in({.database = name})));
}

TEST_F(BadStartup, DeclinesEncryptionAndGoesOn) {
  RawClient raw = client();
  std::string gss, ssl;
  pgwire::append_gss_request(gss);
  pgwire::append_ssl_request(ssl);
  raw.send(gss);
  EXPECT_EQ(raw.next_byte(), 'N');
  raw.send(ssl);
  EXPECT_EQ(raw.next_byte(), 'N');
  raw.log_in();
  EXPECT_TRUE(raw.logged_in());
}

TEST_F(BadStartup, RefusesTheSameRequestTwice) {
  RawClient raw = client();
  std::string ssl;
  pgwire::append_ssl_request(ssl);
  raw.send(ssl);
  EXPECT_EQ(raw.next_byte(), 'N');
  raw.send(ssl);
  const auto lines = last_words(raw);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("Error FATAL")) << lines[0];
}

// What was sent in plain text behind the request must not count as if it had come encrypted.
TEST_F(BadStartup, RefusesBytesStuffedBehindAnEncryptionRequest) {
  for (const bool gss : {false, true}) {
    std::string bytes;
    gss ? pgwire::append_gss_request(bytes) : pgwire::append_ssl_request(bytes);
    bytes += startup({{"user", "app"}, {"database", "app"}});
    RawClient raw = client();
    raw.send(bytes);
    auto first = raw.next_byte();
    if (first == 'N') first = raw.next_byte();
    EXPECT_EQ(first, 'E') << "a FATAL error, and no question for the password";
    while (raw.next_byte()) {
    }
  }
}

TEST_F(BadStartup, IgnoresCancelRequestsWithAWrongKey) {
  RawClient victim = client();
  victim.log_in();
  for (const std::string& key : {"\0\0\0\0"s, "long key of another version"s, victim.key()}) {
    std::string bytes;
    pgwire::append_cancel_request(bytes, victim.pid() + (key == victim.key() ? 1 : 0), key);
    RawClient raw = client();
    raw.send(bytes);
    EXPECT_EQ(last_words(raw), std::vector<std::string>()) << "closed without a word";
  }
  EXPECT_EQ(first_sqlstate(victim.query("SELECT pg_sleep(0.1)")), "");
}

TEST_F(BadStartup, CancelsNothingWhenNothingRuns) {
  RawClient victim = client();
  victim.log_in();
  std::string bytes;
  pgwire::append_cancel_request(bytes, victim.pid(), victim.key());
  RawClient raw = client();
  raw.send(bytes);
  EXPECT_EQ(last_words(raw), std::vector<std::string>());
  EXPECT_EQ(first_sqlstate(victim.query("SELECT pg_sleep(0.1)")), "");
}

TEST_F(BadStartup, RefusesOutOfPlaceAnswersToThePasswordQuestion) {
  for (const std::string& answer :
       {"Q\0\0\0\x0dSELECT 1\0"s, "p\0\0\0\x04"s, "p\0\0\0\x03"s, "p\xff\xff\xff\xff"s, "p\0\1\0\0"s,
        "p\0\0\0\x11NOT-A-MECH\0\0\0\0"s, "p\0\0\0\x16SCRAM-SHA-256\0\x7f\xff\xff\xff"s,
        "p\0\0\0\x1aSCRAM-SHA-256\0\0\0\0\x04n,,x"s, "garbage, certainly"s}) {
    RawClient raw = client();
    raw.send(startup({{"user", "app"}, {"database", "app"}}));
    EXPECT_EQ(raw.next().value_or(Message()).type, 'R');
    raw.send(answer);
    raw.half_close();
    expect_fatal_at_most(raw.until_closed());
    EXPECT_TRUE(raw.closed());
  }
}

TEST_F(BadStartup, LetsGoOfThousandsWhoNeverLogIn) {
  const auto open_files = [] {
    const std::string folder = "/proc/" + std::to_string(howdah().pid()) + "/fd";
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  };
  const auto before = open_files();
  {
    std::vector<std::unique_ptr<RawClient>> crowd;
    for (int i = 0; i < 800; ++i) {
      crowd.push_back(std::make_unique<RawClient>(howdah().port()));
      if (i % 3 == 0) crowd.back()->send("\0\0"s);
      if (i % 3 == 1) crowd.back()->send(startup({{"user", "app"}, {"database", "app"}}));
      if (i % 2 == 0) crowd.back()->abort_on_close();
    }
    RawClient raw = client();
    raw.log_in();
    EXPECT_TRUE(raw.logged_in()) << "a crowd that says nothing keeps nobody out";
  }
  for (int round = 0; round < 2000; ++round) RawClient(howdah().port()).abort_on_close();
  EXPECT_TRUE(testing::wait_until([&] { return open_files() <= before + 8; }))
      << before << " -> " << open_files();
}

}  // namespace
}  // namespace howdah::e2e
