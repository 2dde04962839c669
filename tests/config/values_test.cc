#include "proxy/config/values.h"

#include <gtest/gtest.h>

namespace howdah::config {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, TakesUnitsAndPlainSeconds) {
  const std::vector<std::pair<std::string, milliseconds>> cases{
      {"30s", 30s}, {"500ms", 500ms}, {"5m", 5min},     {"5min", 5min},  {"2h", 2h},    {"1d", 24h},
      {"0", 0ms},   {"45", 45s},      {"1.5s", 1500ms}, {"0.25", 250ms}, {" 3 s ", 3s}, {"0.1ms0", -1ms},
  };
  for (const auto& [text, expected] : cases) {
    const auto value = parse_duration(text);
    EXPECT_EQ(value ? *value : milliseconds(-1), expected) << text;
  }
}

TEST(ParseDuration, RefusesWhatIsNotOne) {
  for (const char* text :
       {"", "s", "-1s", "5 parsecs", "1..5s", "1.s", "0.0001s", "999999999999999999d", "1e3", "5S"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ShowDuration, IsReadBackAsTheSame) {
  for (const milliseconds value : {0ms, 1ms, 500ms, 1000ms, 1500ms, 86'400'000ms}) {
    EXPECT_EQ(*parse_duration(show_duration(value)), value);
  }
}

TEST(ParseSize, CountsIn1024AsPostgresqlDoes) {
  EXPECT_EQ(*parse_size("8192"), 8192);
  EXPECT_EQ(*parse_size("64kB"), 65536);
  EXPECT_EQ(*parse_size("16 MB"), 16 << 20);
  EXPECT_EQ(*parse_size("1GB"), 1 << 30);
  EXPECT_EQ(*parse_size("1.5kB"), 1536);
  for (const char* text : {"", "kB", "1mb", "1KB", "1.0001kB", "99999999999999999GB"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(ParseInteger, RefusesSignsSpacesAndOverflow) {
  EXPECT_EQ(*parse_integer("999999999999999999"), 999999999999999999);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x10", "1000000000000000000"})
    EXPECT_FALSE(parse_integer(text)) << text;
}

TEST(ParseServer, TakesLibpqsKeywordValueForm) {
  const auto server = parse_server("host = 'my host'  port=5501 dbname='it\\'s'");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->host, "my host");
  EXPECT_EQ(server->port, 5501);
  EXPECT_EQ(server->dbname, "it's");
  EXPECT_EQ(parse_server("host=/var/run/postgresql")->host, "/var/run/postgresql");
  EXPECT_EQ(parse_server("hostaddr=10.0.0.1 host=db1")->host, "10.0.0.1");
  EXPECT_EQ(parse_server("host=db1 hostaddr=10.0.0.1")->host, "10.0.0.1");
}

TEST(ParseServer, NamesTheFault) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "write a server as \"host=... port=...\""},
      {"postgresql://localhost/app", "write a server as \"host=... port=...\", not as a URI"},
      {"localhost", "expected \"=\" after \"localhost\""},
      {"host=a,b", "one server, one host: \"a,b\" names several"},
      {"host=", "host is empty"},
      {"host=a host=b", "\"host\" is given twice"},
      {"host='a", "unterminated quote"},
      {"port=0", "port \"0\" is not a number from 1 to 65535"},
      {"port=65536", "port \"65536\" is not a number from 1 to 65535"},
      {"hots=a", "unknown parameter \"hots\"; did you mean \"host\"?"},
      {"sslmode=allow", "sslmode is disable, prefer, require, verify-ca or verify-full, not \"allow\""},
      {"host=a sslrootcert=''", "sslrootcert is empty"},
      {"host=a channel_binding=disable", "channel_binding is prefer or require, not \"disable\""},
      {"service=x", "unknown parameter \"service\" (known: host, hostaddr, port, dbname, sslmode, sslrootcert, sslcert, sslkey, "
                    "channel_binding, weight, zone, patroni)"},
      {"host=a user=b", "\"user\" belongs under users or control, not here"},
  };
  for (const auto& [text, message] : cases) {
    const auto server = parse_server(text);
    ASSERT_FALSE(server) << text;
    EXPECT_EQ(server.error().message, message);
  }
}

TEST(ParseServer, TakesItsShareOfReads) {
  const auto server = parse_server("host=10.0.0.5 port=5511 weight=3 zone=eu-1");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->weight, 3u);
  EXPECT_EQ(server->zone, "eu-1");
  EXPECT_FALSE(parse_server("weight=-1"));
  EXPECT_FALSE(parse_server("weight=1001"));
}

TEST(ParseServer, TakesEncryptionAsLibpqWritesIt) {
  const auto server = parse_server("host=db.example hostaddr=10.0.0.1 sslmode=verify-full sslrootcert=ca.crt sslcert=c.crt sslkey='c key' "
                                   "channel_binding=require");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->host, "10.0.0.1");
  EXPECT_EQ(server->name, "db.example") << "what the certificate must say";
  EXPECT_EQ(server->tls, (ServerTls{SslMode::kVerifyFull, "ca.crt", "c.crt", "c key", true}));
  EXPECT_EQ(parse_server("hostaddr=10.0.0.1 host=db")->name, "db");
  EXPECT_EQ(parse_server("host=db")->name, "") << "the same as where it is";
  EXPECT_EQ(parse_server("host=db")->tls.mode, SslMode::kDisable);
}

TEST(ParseTime, ReadsDatesAndOffsets) {
  EXPECT_EQ(*parse_time("1970-01-01"), 0);
  EXPECT_EQ(*parse_time("2030-12-31"), 1924905600);
  EXPECT_EQ(*parse_time("2030-12-31 18:30"), 1924972200);
  EXPECT_EQ(*parse_time("2030-12-31T18:30:05Z"), 1924972205);
  EXPECT_EQ(*parse_time("2030-12-31 18:30:00+01"), 1924968600);
  EXPECT_EQ(*parse_time("2030-12-31 18:30:00-05:30"), 1924992000);
  EXPECT_EQ(*parse_time("infinity"), INT64_MAX);
  for (const char* text : {"", "2030", "2030-13-01", "2030-02-30", "2030-1-1", "2030-12-31 25:00", "2030-12-31 18:30 CET", "tomorrow", "2030-12-31x"})
    EXPECT_FALSE(parse_time(text)) << text;
}

TEST(Nearest, FindsTypingErrorsOnly) {
  const std::vector<std::string> known{"listen", "limits", "logging", "users"};
  EXPECT_EQ(nearest("lisen", known), "listen");
  EXPECT_EQ(nearest("user", known), "users");
  EXPECT_EQ(nearest("databases", known), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), known), "");
}

}  // namespace
}  // namespace howdah::config
