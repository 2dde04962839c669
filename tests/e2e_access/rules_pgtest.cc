// The same file of access rules given to PostgreSQL and to Howdah lets the same clients in, asks them for the same and
// turns the others away in the same words. https://www.postgresql.org/docs/15/auth-pg-hba-conf.html
#include <gtest/gtest.h>
#include <unistd.h>

#include "drivers/pgwire/startup.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"
#include "tests/e2e_access/certificates.h"
#include "tests/support/wait.h"

namespace howdah::e2e_access {
namespace {

constexpr const char* kRules =
    "# what both judge by\n"
    "local   all          postgres                trust\n"
    "local   all          app                     peer map=os\n"
    "local   all          md5user                 scram-sha-256\n"
    "local   all          trusted                 peer\n"
    "host    app          trusted,ghost           127.0.0.1/32     trust\n"
    "host    app          rejected                all              reject\n"
    "hostssl app          tlsonly                 all              scram-sha-256\n"
    "hostnossl app        plainonly               127.0.0.1 255.255.255.255 scram-sha-256\n"
    "host    sameuser     app                     127.0.0.0/8      scram-sha-256\n"
    "host    app          @names                  samehost         md5\n"
    "host    app          \"clear\", clear2 all password\n"
    "host    app          far                     10.0.0.0/8       trust\n"
    "host    app          six                     ::1/128          trust\n"
    "host    \"all\"        nobodys                 all              trust\n"
    "hostssl app          certified               all              cert\n"
    "hostssl app          mapped                  all              cert map=certs\n"
    "hostssl app          twice                   all              scram-sha-256 clientcert=verify-full\n"
    "hostssl app          dn                      all              cert clientname=DN map=certs\n";
constexpr const char* kNames = "md5user, scramuser # by md5\nmissing\n";
const std::vector<std::string> kRoles = {"trusted", "rejected", "tlsonly", "plainonly", "scramuser", "clear", "clear2",
                                         "far",     "six",      "nobodys", "certified", "mapped",    "twice",  "dn"};

class Rules : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<testing::TempDir>();
    folder_->give_to_server_owner();
    testing::write_file(path("behind.conf"), "local all postgres trust\nhost all all 127.0.0.1/32 md5\n");
    cluster_ = std::make_unique<testing::PgCluster>(testing::PgCluster::Options{.settings = {{"hba_file", path("behind.conf")}}});
    certificates_ = std::make_unique<Certificates>();
    server_ = certificates_->server();
    certificates_->give_to_server(server_);
    testing::write_file(path("hba.conf"), kRules);
    testing::write_file(path("names"), kNames);
    testing::write_file(path("ident.conf"), std::string("os ") + (geteuid() == 0 ? "root" : "nobody") +
                                                " app\ncerts somebody mapped\ncerts \"O=Example,CN=somebody\" dn\ncerts \"CN=somebody,O=Example\" dn\n");
    twin_ = std::make_unique<testing::PgServer>(testing::PgServer::Options{
        .name = "twin",
        .settings = {{"hba_file", path("hba.conf")}, {"ident_file", path("ident.conf")}, {"ssl", "on"}, {"ssl_cert_file", server_.cert},
                     {"ssl_key_file", server_.key}, {"ssl_ca_file", certificates_->root()}}});
    for (auto* server : {twin_.get(), &cluster_->primary()}) {
      for (const auto& role : kRoles) server->run_sql("CREATE ROLE " + role + " LOGIN PASSWORD '" + role + "'");
      server->run_sql("SET password_encryption = 'md5'; CREATE ROLE md5user LOGIN PASSWORD 'md5user'");
      server->run_sql("CREATE DATABASE \"all\"");
    }
    howdah_ = start(*cluster_, access());
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    twin_.reset();
    cluster_.reset();
    certificates_.reset();
    folder_.reset();
  }

  static std::string path(const std::string& name) { return folder_->path() + "/" + name; }
  static Access access(const std::string& hba = "hba.conf") {
    // What PostgreSQL stores, so that both ask alike.
    std::string users = "[ { name: admin, password: admin, admin: true }, { name: app, password: app }";
    for (const auto& role : kRoles) users += ", { name: " + role + ", password: '" + secret(role) + "', server_password: " + role + " }";
    users += ", { name: md5user, password: '" + secret("md5user") + "' } ]";
    return {.listen = "tls: { mode: prefer, cert: " + server_.cert + ", key: " + server_.key + ", client_ca: " + certificates_->root() +
                      " }, unix_socket: { directory: " + folder_->path() + ", mode: 0700 }",
            .users = users,
            .extra = "hba: { file: " + path(hba) + ", ident_file: " + path("ident.conf") + " }"};
  }
  static std::string secret(const std::string& role) {
    return cluster_->primary().run_sql("SELECT rolpassword FROM pg_authid WHERE rolname = '" + role + "'").scalar();
  }

  // Both get the same client; what they say must be the same.
  static std::string same(const Try& login, bool tls = false, const TlsWish& wish = {}) {
    std::vector<std::string> answers[2];
    for (const std::uint16_t port : {twin_->port(), howdah_->port()}) {
      AccessClient client(port);
      auto& lines = answers[port == howdah_->port()];
      if (tls && !client.ask_tls(wish)) lines.push_back("no TLS: " + client.failure());
      const auto more = client.log_in(login);
      lines.insert(lines.end(), more.begin(), more.end());
      if (client.logged_in()) EXPECT_EQ(client.query("SELECT current_user"), login.user);
    }
    EXPECT_EQ(e2e::difference(answers[0], answers[1]), "") << login.user << "@" << login.database << " tls " << tls;
    return answers[0].empty() ? "" : answers[0].back();
  }

  static testing::PgCluster& cluster() { return *cluster_; }
  static testing::HowdahProcess& howdah() { return *howdah_; }
  static const Certificates& certificates() { return *certificates_; }
  static std::uint16_t twin_port() { return twin_->port(); }
  static const std::string& folder_of() { return folder_->path(); }
  static const std::string& twin_sockets() { return twin_->socket_dir(); }

 private:
  static inline std::unique_ptr<testing::PgCluster> cluster_;
  static inline std::unique_ptr<testing::TempDir> folder_;
  static inline std::unique_ptr<Certificates> certificates_;
  static inline Pair server_;
  static inline std::unique_ptr<testing::PgServer> twin_;
  static inline std::unique_ptr<testing::HowdahProcess> howdah_;
};

TEST_F(Rules, LetInWhoPostgresqlLetsIn) {
  for (const char* user : {"trusted", "plainonly", "md5user", "scramuser", "clear", "clear2"}) {
    EXPECT_EQ(same({.user = user, .password = user}), "ReadyForQuery I") << user;
  }
  EXPECT_EQ(same({.user = "app"}), "ReadyForQuery I") << "sameuser";
  EXPECT_EQ(same({.user = "tlsonly", .password = "tlsonly"}, true), "ReadyForQuery I");
  EXPECT_EQ(same({.user = "scramuser", .password = "scramuser"}, true), "ReadyForQuery I");
}

TEST_F(Rules, TurnAwayInPostgresqlsWords) {
  for (const char* user : {"rejected", "far", "six", "nobodys", "nobody", "tlsonly", "certified", "twice"}) {
    EXPECT_TRUE(same({.user = user, .password = user}).starts_with("Error FATAL 28000")) << user;
  }
  for (const char* user : {"rejected", "plainonly", "far"}) {
    EXPECT_TRUE(same({.user = user, .password = user}, true).starts_with("Error FATAL 28000")) << user;
  }
  same({.user = "app", .database = "other"});
  same({.user = "nobodys", .database = "postgres"});
}

TEST_F(Rules, FailWrongPasswordsAndUnknownRolesAlike) {
  for (const char* user : {"plainonly", "clear", "scramuser", "app"}) {
    EXPECT_TRUE(same({.user = user, .password = "wrong"}).starts_with("Error FATAL 28P01")) << user;
  }
  EXPECT_TRUE(same({.user = "md5user", .password = "wrong"}).starts_with("Error FATAL 28P01"));
  EXPECT_TRUE(same({.user = "clear", .password = ""}).starts_with("Error FATAL 28P01"));
  EXPECT_TRUE(same({.user = "ghost"}).starts_with("Error FATAL 28000")) << "trust needs the role all the same";
}

TEST_F(Rules, TakeCertificatesForPasswords) {
  const Pair certified = certificates().client("certified", "/CN=certified");
  const Pair somebody = certificates().client("somebody", "/O=Example/CN=somebody");
  const Pair both = certificates().client("both", "/CN=twice");
  const TlsWish own{.cert = certified.cert, .key = certified.key}, other{.cert = somebody.cert, .key = somebody.key},
      too{.cert = both.cert, .key = both.key};
  EXPECT_EQ(same({.user = "certified"}, true, own), "ReadyForQuery I");
  EXPECT_TRUE(same({.user = "certified"}, true, other).starts_with("Error FATAL 28000")) << "another name";
  EXPECT_TRUE(same({.user = "certified"}, true).starts_with("Error FATAL 28000")) << "none";
  EXPECT_EQ(same({.user = "mapped"}, true, other), "ReadyForQuery I") << "by the map";
  EXPECT_TRUE(same({.user = "mapped"}, true, own).starts_with("Error FATAL 28000"));
  EXPECT_EQ(same({.user = "dn"}, true, other), "ReadyForQuery I") << "by the whole subject";
  EXPECT_EQ(same({.user = "twice", .password = "twice"}, true, too), "ReadyForQuery I");
  EXPECT_TRUE(same({.user = "twice", .password = "twice"}, true, other).starts_with("Error FATAL"));
  EXPECT_TRUE(same({.user = "twice", .password = "wrong"}, true, too).starts_with("Error FATAL 28P01"));
}

TEST_F(Rules, RefuseCertificatesOfOtherAuthorities) {
  const Pair foreign = certificates().foreign_client("/CN=certified");
  AccessClient client(howdah().port());
  // TLS 1.3 tells the client after its own handshake.
  const bool shaken = client.ask_tls({.cert = foreign.cert, .key = foreign.key});
  EXPECT_FALSE(shaken && !client.log_in({.user = "certified"}).empty());
  EXPECT_FALSE(client.logged_in());
  EXPECT_NE(client.failure().find("unknown ca"), std::string::npos) << client.failure();
}

// Lines 5 and 15 of the unix socket: no TLS on it, and the kernel says who is there.
TEST_F(Rules, KnowThePeerOnTheUnixSocket) {
  const auto on_socket = [&](const std::string& folder, std::uint16_t port, const Try& login) {
    AccessClient client(folder, port);
    std::string ssl;
    pgwire::append_ssl_request(ssl);
    client.send(ssl);
    EXPECT_EQ(client.next_byte(), 'N');
    return client.log_in(login);
  };
  const std::string folder = folder_of();
  if (geteuid() == 0) {
    EXPECT_EQ(on_socket(folder, howdah().port(), {.user = "app"}).back(), "ReadyForQuery I");
    EXPECT_EQ(on_socket(twin_sockets(), twin_port(), {.user = "app"}).back(), "ReadyForQuery I");
  }
  for (const Try& login : {Try{.user = "trusted"}, Try{.user = "md5user", .password = "wrong"}, Try{.user = "rejected"}}) {
    EXPECT_EQ(e2e::difference(on_socket(twin_sockets(), twin_port(), login), on_socket(folder, howdah().port(), login)), "") << login.user;
  }
}

}  // namespace
}  // namespace howdah::e2e_access
