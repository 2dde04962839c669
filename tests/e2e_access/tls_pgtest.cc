// TLS toward clients, compared with a PostgreSQL that has the same certificate.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.12
#include <gtest/gtest.h>
#include <signal.h>

#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/startup.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"
#include "tests/e2e_access/certificates.h"
#include "tests/support/wait.h"

namespace howdah::e2e_access {
namespace {

using Lines = std::vector<std::string>;
using namespace std::string_literals;

std::string ssl_request() {
  std::string out;
  pgwire::append_ssl_request(out);
  return out;
}

std::string gss_request() {
  std::string out;
  pgwire::append_gss_request(out);
  return out;
}

class ClientTls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = std::make_unique<Certificates>();
    server_ = certificates_->server();
    certificates_->give_to_server(server_);
    cluster_ = std::make_unique<testing::PgCluster>();
    twin_ = std::make_unique<testing::PgServer>(
        testing::PgServer::Options{.settings = {{"ssl", "on"}, {"ssl_cert_file", server_.cert}, {"ssl_key_file", server_.key}}});
    howdah_ = start(*cluster_, {.listen = tls("prefer", server_)});
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    twin_.reset();
    cluster_.reset();
    certificates_.reset();
  }

  static std::string tls(const std::string& mode, const Pair& pair, const std::string& more = {}) {
    return "tls: { mode: " + mode + ", cert: " + pair.cert + ", key: " + pair.key + more + " }";
  }
  // Both are asked by the same calls.
  template <class Call>
  static void expect_same(Call call) {
    const Lines expected = call(twin_->port());
    EXPECT_EQ(e2e::difference(expected, call(howdah_->port())), "");
  }

  static inline std::unique_ptr<Certificates> certificates_;
  static inline Pair server_;
  static inline std::unique_ptr<testing::PgCluster> cluster_;
  static inline std::unique_ptr<testing::PgServer> twin_;
  static inline std::unique_ptr<testing::HowdahProcess> howdah_;
};

TEST_F(ClientTls, IsWhatTheClientMakesOfTheAnswer) {
  AccessClient encrypted(howdah_->port());
  ASSERT_TRUE(encrypted.ask_tls()) << encrypted.failure();
  EXPECT_EQ(encrypted.log_in().back(), "ReadyForQuery I");
  EXPECT_EQ(encrypted.query("SELECT 6 * 7"), "42");
  AccessClient plain(howdah_->port());
  EXPECT_EQ(plain.log_in().back(), "ReadyForQuery I") << "prefer leaves the choice to the client";
}

TEST_F(ClientTls, ServesLibpqWithFullVerificationAndChannelBinding) {
  testing::PgConn conn("postgresql://app:app@localhost:" + std::to_string(howdah_->port()) + "/app?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=" +
                       certificates_->root() + "&channel_binding=require");
  ASSERT_TRUE(conn.ok()) << conn.error();
  EXPECT_EQ(conn.scalar("SELECT sum(x) FROM generate_series(1, 100000) x"), "5000050000");
  EXPECT_EQ(conn.scalar("SELECT length(repeat('x', 3000000))"), "3000000");
  EXPECT_EQ(conn.scalar("SELECT repeat('x', 300000)").size(), 300000u) << "more than one record";
}

// What was sent in the clear behind the request must not count as if it had come encrypted.
TEST_F(ClientTls, RefusesBytesSentBeforeTheHandshake) {
  for (const std::string& request : {ssl_request(), gss_request()}) {
    AccessClient client(howdah_->port());
    client.send(request + startup("app", "app"));
    const auto words = client.last_words();
    ASSERT_EQ(words.size(), 1u);
    EXPECT_TRUE(words[0].starts_with("Error FATAL 08P01 received unencrypted data after")) << words[0];
  }
}

// PostgreSQL may answer G, being built with GSS; without it, it says the same N.
TEST_F(ClientTls, DeclinesGssOnceAndTakesTlsAfterwards) {
  AccessClient client(howdah_->port());
  client.send(gss_request());
  EXPECT_EQ(client.next_byte(), 'N');
  EXPECT_TRUE(client.ask_tls());
  EXPECT_EQ(client.log_in().back(), "ReadyForQuery I");
  AccessClient insists(howdah_->port());
  insists.send(gss_request());
  EXPECT_EQ(insists.next_byte(), 'N');
  insists.send(gss_request());
  EXPECT_EQ(insists.last_words(), Lines{"Error FATAL 0A000 unsupported frontend protocol 1234.5680: server supports 3.0 to 3.0"});
}

TEST_F(ClientTls, RejectsRequestsInsideTls) {
  for (const std::string& request : {ssl_request(), gss_request()}) {
    expect_same([&](std::uint16_t port) {
      AccessClient client(port);
      EXPECT_TRUE(client.ask_tls());
      client.send(request);
      const Lines lines = client.last_words();
      EXPECT_EQ(lines.size(), 1u);
      return lines;
    });
  }
}

// PostgreSQL 17's sslnegotiation=direct; bytes as its manual has them, since PostgreSQL 15 does not know it.
TEST_F(ClientTls, BeginsAtOnceWithAlpn) {
  AccessClient client(howdah_->port());
  ASSERT_TRUE(client.start_tls({.alpn = "postgresql"})) << client.failure();
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(client.ssl(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "postgresql");
  EXPECT_EQ(client.log_in(), (Lines{"Authentication 10 SCRAM-SHA-256-PLUS\\00SCRAM-SHA-256\\00\\00", "Authentication 11",
                                    "Authentication 12", "Authentication 0", "ReadyForQuery I"}));
}

TEST_F(ClientTls, AlertsWhoeverBeginsAtOnceForAnotherProtocol) {
  for (const std::string& alpn : {""s, "http/1.1"s}) {
    AccessClient client(howdah_->port());
    EXPECT_FALSE(client.start_tls({.alpn = alpn}));
    EXPECT_NE(client.failure().find("no application protocol"), std::string::npos) << client.failure();
  }
  AccessClient asked(howdah_->port());
  EXPECT_FALSE(asked.ask_tls({.alpn = "http/1.1"})) << "also after a request, when ALPN names only others";
  AccessClient plain(howdah_->port());
  EXPECT_TRUE(plain.ask_tls({.alpn = "postgresql"})) << plain.failure();
}

TEST_F(ClientTls, ClosesWhoeverBeginsAtOnceWhereTlsIsOff) {
  const auto off = start(*cluster_, {});
  AccessClient client(off->port());
  EXPECT_FALSE(client.start_tls({.alpn = "postgresql"}));
  AccessClient polite(off->port());
  polite.send(ssl_request());
  EXPECT_EQ(polite.next_byte(), 'N');
  EXPECT_EQ(polite.log_in().back(), "ReadyForQuery I");
}

TEST_F(ClientTls, RequiredRejectsPlainClientsBeforeAnyPassword) {
  const auto strict = start(*cluster_, {.listen = tls("require", server_)});
  AccessClient plain(strict->port());
  const auto lines = plain.log_in();
  ASSERT_EQ(lines.size(), 1u) << "no question for a password";
  EXPECT_TRUE(lines[0].starts_with("Error FATAL 28000")) << lines[0];
  AccessClient encrypted(strict->port());
  ASSERT_TRUE(encrypted.ask_tls());
  EXPECT_EQ(encrypted.log_in().back(), "ReadyForQuery I");
}

TEST_F(ClientTls, ReadsAStartupPacketByteByByte) {
  for (const bool encrypted : {false, true}) {
    AccessClient client(howdah_->port());
    if (encrypted) ASSERT_TRUE(client.ask_tls());
    for (const char byte : startup("app", "app")) client.send(Bytes(&byte, 1));
    const auto message = client.next();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type, 'R');
  }
}

TEST_F(ClientTls, RefusesAnOversizedOrUnterminatedStartup) {
  for (const bool encrypted : {false, true}) {
    for (const std::string& packet : {startup(std::string(10'001, 'x'), "app"), startup("app", "app").substr(0, 20)}) {
      std::string bytes = packet;
      store_be(bytes.data(), static_cast<std::uint32_t>(packet.size()));
      AccessClient client(howdah_->port());
      if (encrypted) ASSERT_TRUE(client.ask_tls());
      client.send(bytes);
      const auto words = client.last_words();
      EXPECT_LE(words.size(), 1u) << ::testing::PrintToString(words);
      EXPECT_TRUE(client.closed());
      if (!words.empty()) EXPECT_TRUE(words[0].starts_with("Error FATAL 08P01")) << words[0];
    }
  }
}

TEST_F(ClientTls, BindsTheLoginToItsCertificate) {
  for (const Binding binding : {Binding::kAuto, Binding::kNone, Binding::kPretendNone, Binding::kWrong}) {
    expect_same([&](std::uint16_t port) {
      AccessClient client(port);
      EXPECT_TRUE(client.ask_tls());
      const Lines lines = client.log_in({.binding = binding});
      EXPECT_EQ(client.logged_in(), binding == Binding::kAuto || binding == Binding::kNone) << static_cast<int>(binding);
      return lines;
    });
  }
}

TEST_F(ClientTls, TakesCancelRequests) {
  AccessClient victim(howdah_->port());
  ASSERT_TRUE(victim.ask_tls());
  ASSERT_EQ(victim.log_in().back(), "ReadyForQuery I");
  std::string query, cancel;
  pgwire::append_query(query, "SELECT pg_sleep(60)");
  victim.send(query);
  auto superuser = cluster_->primary().superuser();
  testing::await("the statement to run", [&] {
    return superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'") == "1";
  });
  pgwire::append_cancel_request(cancel, victim.pid(), victim.key());
  AccessClient canceller(howdah_->port());
  ASSERT_TRUE(canceller.ask_tls());
  canceller.send(cancel);
  EXPECT_EQ(canceller.last_words(), Lines()) << "closed without a word";
  std::string sqlstate;
  while (auto message = victim.next()) {
    if (message->type == 'E') sqlstate = e2e::to_line(*message);
    if (message->type == 'Z') break;
  }
  EXPECT_TRUE(sqlstate.starts_with("Error ERROR 57014")) << sqlstate;
}

TEST_F(ClientTls, KeepsToItsLowestVersion) {
  const auto modern = start(*cluster_, {.listen = tls("prefer", server_, ", min_version: TLSv1.3")});
  AccessClient old(modern->port());
  EXPECT_FALSE(old.ask_tls({.max_version = TLS1_2_VERSION}));
  AccessClient current(modern->port());
  EXPECT_TRUE(current.ask_tls());
  AccessClient before(howdah_->port());
  EXPECT_TRUE(before.ask_tls({.max_version = TLS1_2_VERSION})) << "the default's lowest is 1.2";
  AccessClient ancient(howdah_->port());
  EXPECT_FALSE(ancient.ask_tls({.max_version = TLS1_1_VERSION}));
}

TEST_F(ClientTls, ReloadsCertificatesWithoutTouchingLiveConnections) {
  const Pair first = certificates_->server("first"), second = certificates_->server("second");
  const Access access{.listen = tls("prefer", first)};
  const auto howdah = start(*cluster_, access);
  const auto certificate_of = [&] {
    AccessClient client(howdah->port());
    if (!client.ask_tls()) return client.failure();
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client.ssl())), NID_commonName, name, sizeof name);
    return std::string(name);
  };
  AccessClient live(howdah->port());
  ASSERT_TRUE(live.ask_tls());
  ASSERT_EQ(live.log_in().back(), "ReadyForQuery I");
  EXPECT_EQ(certificate_of(), "first");
  // The same paths with other content, as renewals do it.
  testing::write_file(first.cert, testing::read_file_or_empty(second.cert));
  reload(*howdah, yaml_of(*cluster_, access, *howdah));
  EXPECT_EQ(certificate_of(), "first") << "certificate and key do not belong together: what runs stays";
  testing::write_file(first.key, testing::read_file_or_empty(second.key));
  reload(*howdah, yaml_of(*cluster_, access, *howdah));
  EXPECT_EQ(certificate_of(), "second");
  EXPECT_EQ(live.query("SELECT 1"), "1");
  reload(*howdah, yaml_of(*cluster_, {}, *howdah));
  AccessClient off(howdah->port());
  EXPECT_FALSE(off.ask_tls()) << "TLS was turned off";
  EXPECT_EQ(live.query("SELECT 2"), "2") << "but not for those who have it";
}

TEST_F(ClientTls, SilentClientsAreLetGoAndHoldNoServer) {
  const auto impatient = start(*cluster_, {.listen = tls("prefer", server_), .extra = "limits: { login_timeout: 2s }"});
  auto superuser = cluster_->primary().superuser();
  const auto connections = [&] { return superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"); };
  const std::string before = connections();
  AccessClient nothing(impatient->port()), asked(impatient->port()), shaken(impatient->port()), named(impatient->port());
  asked.send(ssl_request());
  EXPECT_EQ(asked.next_byte(), 'S');
  ASSERT_TRUE(shaken.ask_tls());
  ASSERT_TRUE(named.ask_tls());
  named.send(startup("app", "app"));
  ASSERT_EQ(named.next().value_or(Message()).type, 'R');
  EXPECT_EQ(connections(), before) << "who has not logged in holds no server connection";
  EXPECT_EQ(named.last_words(), Lines{"Error FATAL 57014 canceling authentication due to timeout"});
  nothing.last_words();
  shaken.last_words();
  EXPECT_TRUE(nothing.closed());
  EXPECT_TRUE(shaken.closed());
  while (asked.next_byte()) {
  }
  EXPECT_TRUE(asked.closed());
}

}  // namespace
}  // namespace howdah::e2e_access
