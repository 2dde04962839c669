// Both roles of a login against the real thing: our client against PostgreSQL, libpq against our server, and
// the verifiers of each in the hands of the other.
#include <gtest/gtest.h>

#include <thread>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/md5.h"
#include "drivers/pgwire/saslprep.h"
#include "drivers/pgwire/scram.h"
#include "drivers/pgwire/tests/wire_connection.h"
#include "tests/support/pg_server.h"

namespace howdah::pgwire {
namespace {

using howdah::testing::PgConn;
using howdah::testing::PgServer;
using testing::Message;
using testing::WireConnection;

class LoginTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PgServer;
    // md5 as a method takes roles with verifiers of either kind.
    howdah::testing::write_file(
        server_->data_dir() + "/pg_hba.conf",
        "local all all trust\nhost all md5_role all md5\nhost all plain_role all password\n"
        "host all all all scram-sha-256\n");
    server_->stop();  // a reload would take effect at some later moment
    server_->start();
    sql("SET password_encryption = 'md5'; CREATE ROLE md5_role LOGIN PASSWORD 'secret'");
    sql("CREATE ROLE plain_role LOGIN PASSWORD 'secret'");
    sql("CREATE ROLE scram_role LOGIN PASSWORD 'secret'");
  }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  static std::string sql(const std::string& text) { return server_->superuser().must(text).scalar(); }
  static std::string stored(const std::string& role) {
    return sql("SELECT rolpassword FROM pg_authid WHERE rolname = '" + role + "'");
  }

  static PgServer* server_;
};
PgServer* LoginTest::server_ = nullptr;

// Answers every authentication request until the server is satisfied. The last message: 'Z', or the error.
Message log_in(WireConnection& connection, Bytes user, Bytes password) {
  std::string out;
  const std::pair<Bytes, Bytes> params[] = {{"user", user}, {"database", "app"}};
  append_startup(out, 0, params);
  ScramClient scram({.password = std::string(password), .nonce = scram_nonce("eighteen random by")});
  for (;;) {
    connection.send(std::exchange(out, {}));
    const auto message = connection.next();
    if (!message) return {};
    if (message->type == be::kErrorResponse || message->type == be::kReadyForQuery) return *message;
    Authentication request;
    if (message->type != be::kAuthentication || !decode(message->body, request)) continue;
    if (request.kind == AuthKind::kMd5)
      append_password(out, md5_password(user, password, request.md5_salt()));
    if (request.kind == AuthKind::kCleartext) append_password(out, password);
    if (request.kind == AuthKind::kSasl) append_sasl_initial(out, kScramSha256, scram.first());
    if (request.kind == AuthKind::kSaslContinue)
      append_sasl_response(out, scram.on_continue(request.payload).value());
    if (request.kind == AuthKind::kSaslFinal)
      EXPECT_TRUE(scram.on_final(request.payload)) << "PostgreSQL's proof";
  }
}

TEST_F(LoginTest, OurClientLogsInByEveryMethod) {
  for (const Bytes role : {"md5_role", "plain_role", "scram_role"}) {
    WireConnection right(WireConnection::connect_to(server_->port()));
    EXPECT_EQ(log_in(right, role, "secret").type, 'Z') << role;
    WireConnection wrong(WireConnection::connect_to(server_->port()));
    const Message answer = log_in(wrong, role, "Secret");
    ErrorFields error;
    ASSERT_TRUE(answer.type == 'E' && decode(answer.body, error)) << role;
    EXPECT_EQ(error.severity, "FATAL");
    EXPECT_EQ(error.sqlstate, "28P01");
  }
}

TEST_F(LoginTest, PostgresqlTakesTheVerifiersWeMake) {
  const std::string scram = ScramVerifier::make("p\xc3\xa4ss", "sixteen byte sal", 4096).to_string();
  const std::string md5 = md5_verifier("made_md5", "secret");
  sql("CREATE ROLE made_scram LOGIN PASSWORD '" + scram + "'; CREATE ROLE made_md5 LOGIN PASSWORD '" + md5 +
      "'");
  EXPECT_EQ(stored("made_scram"), scram) << "not hashed again: PostgreSQL saw that it is a verifier";
  EXPECT_EQ(stored("made_md5"), md5);
  EXPECT_EQ(stored("md5_role"), md5_verifier("md5_role", "secret"));
  PgConn conn("host=127.0.0.1 dbname=app user=made_scram password='p\xc3\xa4ss' port=" +
              std::to_string(server_->port()));
  EXPECT_TRUE(conn.ok()) << conn.error();
}

// Every password that saslprep claims to treat as PostgreSQL does, by PostgreSQL's own hand.
TEST_F(LoginTest, PostgresqlsVerifiersFitThePasswordsTheyWereMadeOf) {
  std::vector<std::string> passwords = {"secret",
                                        " ",
                                        "\x01\x7f",
                                        "a'b\\c",
                                        "\xe4\xbd\xa0\xe5\xa5\xbd",
                                        "\xc3\x9f\xce\xa9\xd0\x96\xe3\x81\x82\xed\x95\x9c\xe2\x82\xac",
                                        "a\xc2\xa0z",
                                        "a\xe2\x80\x8bz",
                                        "\xc2\xad"
                                        "a",
                                        "a\xef\xb8\x8f",
                                        "\xef\xbb\xbf"
                                        "a",
                                        "\xc2\xad",
                                        "a\xc2\xad\xe2\x80\x8e",
                                        "a\xc2\xa0\xee\x80\x80"};
  std::string plain;
  for (int c = 0xa1; c < 0x180; ++c) {
    std::string letter = {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
    if (saslprep_is_exact(letter)) plain += letter;
    if (plain.size() >= 32) passwords.push_back(std::exchange(plain, {}));
  }
  PgConn conn = server_->superuser();
  conn.must("CREATE ROLE subject");
  for (const std::string& password : passwords) {
    char* literal = PQescapeLiteral(conn.raw(), password.data(), password.size());
    conn.must(std::string("ALTER ROLE subject PASSWORD ") + literal);
    PQfreemem(literal);
    const auto verifier =
        ScramVerifier::parse(conn.scalar("SELECT rolpassword FROM pg_authid WHERE rolname = 'subject'"));
    ASSERT_TRUE(verifier) << password;
    EXPECT_TRUE(verifier->matches(password)) << password;
    EXPECT_FALSE(verifier->matches(password + "x")) << password;
  }
}

// One login of libpq's on a socket of ours, with the given verifier behind it.
void serve_one(int listener, const ScramVerifier& verifier) {
  WireConnection client(accept(listener, nullptr, nullptr));
  StartupRequest request;
  if (!client.next_startup_packet(request) || request.kind != StartupRequest::kStartup) return;
  client.forget_startup_packet();
  ScramServer scram({.verifier = verifier, .nonce = scram_nonce("another random 18b")});
  const Bytes mechanisms[] = {kScramSha256};
  std::string out;
  append_authentication_sasl(out, mechanisms);
  client.send(std::exchange(out, {}));
  SaslInitialMessage initial;
  const auto first = client.next();
  if (!first || !decode(first->body, initial) || !initial.data) return;
  const auto server_first = scram.on_first(*initial.data);
  ASSERT_TRUE(server_first) << server_first.error().message;
  append_authentication_sasl_continue(out, *server_first);
  client.send(std::exchange(out, {}));
  const auto final = client.next();
  if (!final) return;
  if (const auto server_final = scram.on_final(final->body); server_final) {
    append_authentication_sasl_final(out, *server_final);
    append_authentication_ok(out);
    append_parameter_status(out, "server_version", "15.0");
    append_backend_key_data(out, 1, "keys");
    append_ready_for_query(out, TxStatus::kIdle);
  } else {
    append_error(out, {.severity = "FATAL", .sqlstate = "28P01", .message = server_final.error().message});
  }
  client.send(out);
  client.next();  // Terminate, or the end
}

TEST_F(LoginTest, LibpqLogsInToOurServerWithPostgresqlsVerifier) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto verifier = ScramVerifier::parse(stored("scram_role"));
  ASSERT_TRUE(verifier);
  for (const bool right : {true, false}) {
    std::thread server([&] { serve_one(listener, *verifier); });
    PgConn conn(
        "host=127.0.0.1 sslmode=disable gssencmode=disable connect_timeout=10 dbname=app user=scram_role "
        "port=" +
        std::to_string(ntohs(address.sin_port)) + " password=" + (right ? "secret" : "wrong"));
    EXPECT_EQ(conn.ok(), right) << conn.error();
    if (!right)
      EXPECT_NE(conn.error().find("password authentication failed"), std::string::npos) << conn.error();
    { PgConn closed = std::move(conn); }
    server.join();
  }
  close(listener);
}

}  // namespace
}  // namespace howdah::pgwire
