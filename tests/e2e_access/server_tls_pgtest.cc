// TLS toward the servers: libpq's modes, certificates of both sides, channel binding, and servers that lie.
// https://www.postgresql.org/docs/15/libpq-ssl.html
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/startup.h"
#include "drivers/pgwire/tests/wire_connection.h"
#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"
#include "tests/e2e_access/certificates.h"
#include "tests/support/wait.h"

namespace howdah::e2e_access {
namespace {

using namespace std::string_literals;

class ServerTls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = std::make_unique<Certificates>();
    const Pair own = certificates_->server(), other = certificates_->stranger_server();
    certificates_->give_to_server(own);
    certificates_->give_to_server(other);
    // Over TLS only; role `certified` by its certificate alone.
    testing::write_file(certificates_->path("server.conf"),
                        "local all postgres trust\nhostssl all certified all cert\nhostssl all hashed all md5\nhostssl all all all scram-sha-256\n");
    cluster_ = cluster_with(own);
    strangers_ = cluster_with(other);
    plain_ = std::make_unique<testing::PgCluster>();
    cluster_->primary().run_sql("CREATE ROLE certified LOGIN; SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'hashed'");
  }
  static void TearDownTestSuite() {
    cluster_.reset();
    strangers_.reset();
    plain_.reset();
    certificates_.reset();
  }
  static std::unique_ptr<testing::PgCluster> cluster_with(const Pair& pair) {
    return std::make_unique<testing::PgCluster>(testing::PgCluster::Options{
        .settings = {{"ssl", "on"}, {"ssl_cert_file", pair.cert}, {"ssl_key_file", pair.key}, {"ssl_ca_file", certificates_->root()},
                     {"hba_file", certificates_->path("server.conf")}}});
  }
  static std::string root() { return " sslrootcert=" + certificates_->root(); }

  // A statement's first value through a proxy whose server has these keywords; else what was said instead.
  static std::string through(testing::PgCluster& cluster, const std::string& keywords, const Try& login = {},
                             const std::string& sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") {
    Access access{.users = "[ { name: app, password: app }, { name: certified, password: certified }, { name: hashed, password: hashed } ]",
                  .control = false,
                  .server = keywords};
    testing::HowdahProcess howdah(cluster, {.yaml = yaml_of(cluster, access), .wait_ready = false});
    testing::await("the port", [&] { return testing::port_is_open(howdah.port()); });
    AccessClient client(howdah.port());
    const auto lines = client.log_in(login);
    return client.logged_in() ? client.query(sql) : lines.empty() ? "nothing" : lines.back();
  }

  static inline std::unique_ptr<Certificates> certificates_;
  static inline std::unique_ptr<testing::PgCluster> cluster_, strangers_, plain_;
};

TEST_F(ServerTls, EncryptsWhereItIsAskedTo) {
  EXPECT_EQ(through(*cluster_, "sslmode=require"), "t");
  EXPECT_EQ(through(*cluster_, "sslmode=prefer"), "t");
  EXPECT_EQ(through(*plain_, "sslmode=prefer"), "f") << "a server without TLS";
  EXPECT_EQ(through(*plain_, ""), "f");
}

TEST_F(ServerTls, RefusesServersWithoutIt) {
  const std::string said = through(*plain_, "sslmode=require");
  EXPECT_TRUE(said.starts_with("Error FATAL 08006 could not set up TLS with the server")) << said;
}

TEST_F(ServerTls, VerifiesWhoTheServerIs) {
  EXPECT_EQ(through(*cluster_, "sslmode=verify-full" + root()), "t");
  EXPECT_EQ(through(*strangers_, "sslmode=verify-ca" + root()), "t") << "signed by the same authority";
  const std::string name = through(*strangers_, "sslmode=verify-full" + root());
  EXPECT_NE(name.find("mismatch"), std::string::npos) << name;
  const std::string authority = through(*cluster_, "sslmode=verify-ca sslrootcert=" + certificates_->foreign_client("/CN=x").cert);
  EXPECT_NE(authority.find("certificate"), std::string::npos) << authority;
  EXPECT_TRUE(authority.starts_with("Error FATAL 08006")) << authority;
}

TEST_F(ServerTls, VerifiesTheNameNotTheAddress) {
  // hostaddr is where, host is who.
  testing::PgCluster& cluster = *cluster_;
  const Access access{.control = false, .server = "sslmode=verify-full" + root()};
  std::string yaml = yaml_of(cluster, access);
  yaml.replace(yaml.find("host=127.0.0.1 port"), 14, "host=localhost hostaddr=127.0.0.1");
  testing::HowdahProcess right(cluster, {.yaml = yaml, .wait_ready = false});
  testing::await("the port", [&] { return testing::port_is_open(right.port()); });
  EXPECT_EQ(right.connect().scalar("SELECT 1"), "1");
  yaml.replace(yaml.find("host=localhost"), 14, "host=elsewhere");
  testing::HowdahProcess wrong(cluster, {.yaml = yaml, .wait_ready = false});
  testing::await("the port", [&] { return testing::port_is_open(wrong.port()); });
  testing::PgConn conn(wrong.url());
  EXPECT_FALSE(conn.ok());
  EXPECT_NE(conn.error().find("TLS"), std::string::npos) << conn.error();
}

TEST_F(ServerTls, ShowsTheProxysOwnCertificate) {
  const Pair own = certificates_->client("proxy", "/CN=certified");
  certificates_->give_to_server(own);
  const std::string keys = "sslmode=verify-full" + root() + " sslcert=" + own.cert + " sslkey=" + own.key;
  EXPECT_EQ(through(*cluster_, keys, {.user = "certified", .password = "certified"}, "SELECT current_user"), "certified");
  const std::string without = through(*cluster_, "sslmode=require", {.user = "certified", .password = "certified"});
  EXPECT_TRUE(without.starts_with("Error FATAL 28000")) << without;
}

TEST_F(ServerTls, BindsItsLoginsToTheServersCertificate) {
  EXPECT_EQ(through(*cluster_, "sslmode=require channel_binding=require"), "t");
  const std::string md5 = through(*cluster_, "sslmode=require channel_binding=require", {.user = "hashed", .password = "hashed"});
  EXPECT_NE(md5.find("channel binding is required"), std::string::npos) << md5;
  EXPECT_EQ(through(*cluster_, "sslmode=require", {.user = "hashed", .password = "hashed"}), "t");
}

TEST_F(ServerTls, CancelsOverTlsWhatRunsOverTls) {
  const auto howdah = start(*cluster_, {.server = "sslmode=require"});
  testing::PgConn conn = howdah->connect();
  ASSERT_EQ(PQsendQuery(conn.raw(), "SELECT pg_sleep(60)"), 1);
  auto superuser = cluster_->primary().superuser();
  testing::await("the statement to run", [&] {
    return superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'") == "1";
  });
  char error[256] = "";
  PGcancel* cancel = PQgetCancel(conn.raw());
  EXPECT_EQ(PQcancel(cancel, error, sizeof error), 1) << error;
  PQfreeCancel(cancel);
  EXPECT_EQ(testing::to_answer(conn.raw(), PQgetResult(conn.raw())).sqlstate, "57014");
}

// A server that answers the TLS request with these bytes, then takes a login if one comes in the clear. PostgreSQL does
// nothing of the kind: the bytes are those that its manual warns of.
class LyingServer {
 public:
  explicit LyingServer(std::string answer) : answer_(std::move(answer)) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd_, 16) != 0) perror("listen");
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LyingServer() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  std::uint16_t port() const { return port_; }
  int asked() const { return asked_; }
  int startups() const { return startups_; }

 private:
  void serve() {
    for (int fd; (fd = accept(fd_, nullptr, nullptr)) >= 0;) {
      pgwire::testing::WireConnection peer(fd);
      pgwire::StartupRequest request;
      while (peer.next_startup_packet(request)) {
        if (request.kind == pgwire::StartupRequest::kStartup) {
          ++startups_;
          break;
        }
        ++asked_;
        peer.send(answer_);
        if (answer_[0] != 'N') break;
      }
    }
  }

  const std::string answer_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> asked_{0}, startups_{0};
  std::thread thread_;
};

TEST_F(ServerTls, DropsServersThatAnswerSomethingElse) {
  std::string error(1, 'E');
  error += "\0\0\0\x2fSFATAL\0C28000\0Mrun this as superuser\0\0"s;
  std::string welcome("S");  // and then, in the clear, as if the login had gone well
  pgwire::append_authentication_ok(welcome);
  for (const std::string& answer : {error, "Sx"s, welcome, "X"s, "R\0\0\0\x08\0\0\0\0"s}) {
    LyingServer liar(answer);
    const std::string yaml = "workers: 1\nlisten: { port: @PORT@ }\nhttp: { enabled: false }\nusers: [ { name: app, password: app } ]\n"
                             "pool: { connect_timeout: 3s, wait_timeout: 5s }\n"
                             "databases: { app: { shards: [ { name: s0, primary: \"host=127.0.0.1 port=" + std::to_string(liar.port()) + " sslmode=prefer\" } ] } }\n";
    testing::HowdahProcess howdah(*plain_, {.yaml = yaml, .wait_ready = false});
    testing::await("the port", [&] { return testing::port_is_open(howdah.port()); });
    AccessClient client(howdah.port());
    const std::string said = client.log_in().back();
    EXPECT_TRUE(said.starts_with("Error FATAL 08006 could not set up TLS")) << said;
    EXPECT_EQ(said.find("superuser"), std::string::npos) << "what came in the clear is not repeated: " << said;
    EXPECT_GE(liar.asked(), 1);
    EXPECT_EQ(liar.startups(), 0) << "no name and no password in the clear";
  }
}

TEST(ServerTlsConfig, NamesItsFaults) {
  const auto faults = [&](const std::string& keywords) {
    return check("users: [ { name: app, password: app } ]\ndatabases: { app: { shards: [ { name: s0, primary: \"host=127.0.0.1 " + keywords + "\" } ] } }\n");
  };
  EXPECT_EQ(faults("sslmode=require"), "0\n");
  EXPECT_NE(faults("sslmode=verify-full").find("howdah.yaml:2: databases.app.shards[0].primary: sslmode verifies certificates, so sslrootcert is needed"),
            std::string::npos);
  EXPECT_NE(faults("sslmode=require sslcert=/nowhere").find("belong together"), std::string::npos);
  EXPECT_NE(faults("sslmode=verify-ca sslrootcert=/nowhere").find("cannot read file /nowhere"), std::string::npos);
  EXPECT_NE(faults("sslrootcert=/nowhere").find("sslmode is disable"), std::string::npos);
  EXPECT_NE(faults("sslmode=prefer channel_binding=require").find("needs sslmode=require"), std::string::npos);
}

}  // namespace
}  // namespace howdah::e2e_access
