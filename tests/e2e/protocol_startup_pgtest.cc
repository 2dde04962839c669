// Protocol versions, cancel keys and the startup parameter `options`.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3
#include <thread>

#include "drivers/pgwire/backend.h"
#include "tests/e2e/protocol_fixture.h"
#include "tests/e2e/scripted_server.h"
#include "tests/e2e/transcript.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

class StartupProtocol : public ProtocolTest {
 protected:
  // Sends a CancelRequest with this key, and waits until it was taken.
  static void cancel(std::int32_t pid, const std::string& key) {
    std::string bytes;
    pgwire::append_cancel_request(bytes, pid, key);
    RawClient raw(howdah().port());
    raw.send(bytes);
    EXPECT_TRUE(raw.until_closed().empty());
    EXPECT_TRUE(raw.closed());
  }
  // What a client of this minor version hears before AuthenticationOk.
  static std::vector<std::string> negotiated(const std::vector<Message>& messages) {
    std::vector<std::string> lines;
    for (const auto& message : messages) {
      if (message.type == 'v') lines.push_back(to_line(message));
    }
    return lines;
  }
  static std::string show(RawClient& client, const std::string& name) {
    for (const auto& message : client.query("SHOW " + name)) {
      if (message.type == 'D') return to_line(message);
    }
    return "no row";
  }
};

// PostgreSQL 15 speaks 3.0 only; what newer servers do is in the manual of PostgreSQL 18.
TEST_F(StartupProtocol, GivesLongCancelKeysToClientsOf32Only) {
  const std::pair<int, std::size_t> cases[] = {{0, 4}, {1, 4}, {2, 32}, {3, 32}, {9999, 32}};
  for (const auto& [minor, length] : cases) {
    RawClient client(howdah().port());
    const auto messages = client.log_in({.minor = minor});
    ASSERT_TRUE(client.logged_in()) << minor;
    EXPECT_EQ(client.key().size(), length) << minor;
    EXPECT_EQ(negotiated(messages), minor <= 2 ? std::vector<std::string>()
                                               : std::vector<std::string>{"Negotiate 3.2 "})
        << minor;
  }
}

TEST_F(StartupProtocol, NamesUnknownProtocolOptionsInOneMessage) {
  const Login login{.params = {{"_pq_.a", "1"}, {"application_name", "x"}, {"_pq_.b", ""}}};
  RawClient client(howdah().port()), twin(cluster().primary().port());
  EXPECT_EQ(to_lines(client.log_in(login)), to_lines(twin.log_in(login)));
  RawClient newer(howdah().port());
  EXPECT_EQ(negotiated(newer.log_in({.params = {{"_pq_.a", "1"}, {"_pq_.b", "2"}}, .minor = 2})),
            (std::vector<std::string>{"Negotiate 3.2 _pq_.a\\00_pq_.b\\00"}));
  EXPECT_TRUE(newer.logged_in());
}

TEST_F(StartupProtocol, CancelsByKeysOfEitherLength) {
  for (const int minor : {0, 2}) {
    RawClient client(howdah().port());
    client.log_in({.minor = minor});
    std::string query;
    pgwire::append_query(query, "SELECT pg_sleep(60)");
    client.send(query);
    testing::PgConn monitor = cluster().primary().superuser();
    testing::await("the statement to run", [&] {
      return monitor.scalar("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'") == "1";
    });
    // Too short, too long, and one bit wrong: none of them ends the statement.
    std::string wrong = client.key();
    wrong.back() = static_cast<char>(wrong.back() ^ 1);
    cancel(client.pid(), wrong);
    cancel(client.pid(), client.key() + "x");
    if (minor == 2) cancel(client.pid(), client.key().substr(0, 4));
    EXPECT_EQ(monitor.scalar("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"), "1");
    cancel(client.pid(), client.key());
    EXPECT_EQ(first_sqlstate(client.until('Z')), "57014") << minor;
  }
}

TEST_F(StartupProtocol, ReadsOptionsWithPostgresqlsEscapes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"-c work_mem=3MB", "work_mem"},
      {"  -cwork_mem=3MB\t--statement-timeout=7s ", "statement_timeout"},
      {"--application_name=two\\ words -c search_path=a,\\\\b", "application_name"},
      {"-c application_name=back\\\\slash", "application_name"},
      {"-c search_path=\"Q\\ q\",public", "search_path"},
      {"-c geqo=off -c geqo=on", "geqo"},
  };
  for (const auto& [options, name] : cases) {
    RawClient client(howdah().port()), twin(cluster().primary().port());
    const Login login{.params = {{"options", options}}};
    EXPECT_EQ(to_lines(client.log_in(login)), to_lines(twin.log_in(login))) << options;
    ASSERT_TRUE(client.logged_in()) << options;
    EXPECT_EQ(show(client, name), show(twin, name)) << options;
  }
}

TEST_F(StartupProtocol, RefusesOptionsThatItDoesNotCarry) {
  // PostgreSQL takes the first three; Howdah says that it does not, instead of forgetting them.
  for (const std::string options : {"-S 1000", "-e", "-O -c work_mem=1MB", "-c work_mem", "stray"}) {
    RawClient client(howdah().port());
    const auto messages = client.log_in({.params = {{"options", options}}});
    EXPECT_EQ(first_sqlstate(messages), "0A000") << options;
    EXPECT_TRUE(client.until_closed().empty() && client.closed()) << options;
  }
  RawClient client(howdah().port()), twin(cluster().primary().port());
  const Login wrong{.params = {{"options", "-c no_such_setting=1"}}};
  EXPECT_EQ(to_lines(client.log_in(wrong)), to_lines(twin.log_in(wrong)));
}

// A server of PostgreSQL 18 with a key of 256 bytes: what it gave comes back in the cancel request.
TEST(StartupProtocolScripted, SendsServersTheirOwnLongKeys) {
  const std::string key(256, 'k');
  ScriptedServer server(key);
  testing::PgCluster none({.shards = 0});
  testing::HowdahOptions options;
  options.yaml =
      "listen: { address: 127.0.0.1, port: @PORT@ }\nhttp: { enabled: false }\nusers: [ { name: app, password: app } ]\n"
      "databases: { app: { shards: [ { name: s0, primary: \"host=127.0.0.1 port=" + std::to_string(server.port()) + "\" } ] } }\n";
  testing::HowdahProcess howdah(none, options);
  RawClient client(howdah.port());
  client.log_in();
  ASSERT_TRUE(client.logged_in()) << howdah.log();
  std::string bytes;
  pgwire::append_query(bytes, "SELECT forever");
  client.send(bytes);
  testing::await("the query to arrive", [&] { return server.saw("SELECT forever"); });
  bytes.clear();
  pgwire::append_cancel_request(bytes, client.pid(), client.key());
  RawClient canceler(howdah.port());
  canceler.send(bytes);
  canceler.until_closed();
  testing::await("the cancel to arrive", [&] { return !server.cancel_key().empty(); });
  EXPECT_EQ(server.cancel_key(), key);
  EXPECT_EQ(first_sqlstate(client.until('Z')), "57014");
}

}  // namespace
}  // namespace howdah::e2e
