// The unix socket with its lock file, rules that change while the proxy runs, and what --check says of them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"
#include "tests/e2e_access/certificates.h"
#include "tests/support/wait.h"

namespace howdah::e2e_access {
namespace {

class Listening : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = std::make_unique<testing::PgCluster>(); }
  static void TearDownTestSuite() { cluster_.reset(); }
  Access on_socket(const std::string& more = {}) const { return {.listen = "unix_socket: { directory: " + folder_.path() + more + " }"}; }
  std::string socket_of(const testing::HowdahProcess& howdah) const { return folder_.path() + "/.s.PGSQL." + std::to_string(howdah.port()); }
  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  testing::TempDir folder_;
  static inline std::unique_ptr<testing::PgCluster> cluster_;
};

TEST_F(Listening, ServesTheUnixSocketWithPostgresqlsLockFile) {
  std::string path;
  {
    const auto howdah = start(*cluster_, on_socket(", mode: \"0750\""));
    path = socket_of(*howdah);
    EXPECT_EQ(mode_of(path), 0750u);
    EXPECT_TRUE(std::filesystem::is_socket(path));
    const auto lines = testing::split(testing::read_file_or_empty(path + ".lock"), '\n');
    ASSERT_GE(lines.size(), 3u);
    EXPECT_EQ(lines[0], std::to_string(howdah->pid()));
    EXPECT_EQ(lines[1], std::to_string(howdah->port()));
    EXPECT_EQ(lines[2], folder_.path());
    EXPECT_EQ(mode_of(path + ".lock"), 0600u);
    testing::PgConn conn("postgresql://app:app@/app?host=" + folder_.path() + "&port=" + std::to_string(howdah->port()) + "&sslmode=require");
    EXPECT_TRUE(conn.ok()) << "libpq asks for no TLS on a unix socket: " << conn.error();
    EXPECT_EQ(conn.scalar("SELECT 1"), "1");
    AccessClient wrong(folder_.path(), howdah->port());
    EXPECT_TRUE(wrong.log_in({.password = "wrong"}).back().starts_with("Error FATAL 28P01"));
    testing::PgConn console("postgresql://admin:admin@/howdah?host=" + folder_.path() + "&port=" + std::to_string(howdah->port()));
    EXPECT_TRUE(console.ok()) << console.error();
  }
  EXPECT_FALSE(std::filesystem::exists(path)) << "gone with the process";
  EXPECT_FALSE(std::filesystem::exists(path + ".lock"));
}

TEST_F(Listening, KeepsAwayFromASocketThatIsInUse) {
  const auto first = start(*cluster_, on_socket());
  // The same port on another address: only the socket is in dispute.
  std::string yaml = yaml_of(*cluster_, on_socket(), *first);
  yaml.replace(yaml.find("127.0.0.1, port"), 9, "127.0.0.2");
  yaml.replace(yaml.find("http: { address: 127.0.0.1"), 26, "http: { address: 127.0.0.2");
  testing::write_file(folder_.path() + "/second.yaml", yaml);
  const auto second = testing::run({.argv = {testing::howdah_binary(), "--config", folder_.path() + "/second.yaml"}});
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("already exists"), std::string::npos) << second.output;
  EXPECT_NE(second.output.find(std::to_string(first->pid())), std::string::npos);
  AccessClient client(folder_.path(), first->port());
  EXPECT_EQ(client.log_in().back(), "ReadyForQuery I") << "the first goes on";
}

TEST_F(Listening, TakesOverWhatADeadProcessLeft) {
  std::string path, yaml;
  {
    const auto dead = start(*cluster_, on_socket());
    path = socket_of(*dead);
    yaml = yaml_of(*cluster_, on_socket(), *dead);
    dead->kill9();
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists(path + ".lock"));
  testing::HowdahProcess next(*cluster_, {.yaml = yaml, .wait_ready = false});
  EXPECT_TRUE(testing::wait_until([&] { return testing::read_file_or_empty(path + ".lock").starts_with(std::to_string(next.pid()) + "\n"); }))
      << next.log();
  const auto port = static_cast<std::uint16_t>(std::stoi(path.substr(path.rfind('.') + 1)));
  EXPECT_TRUE(testing::wait_until([&] {
    AccessClient client(folder_.path(), port);
    const auto lines = client.log_in();
    return !lines.empty() && lines.back() == "ReadyForQuery I";
  })) << next.log();
}

TEST_F(Listening, ReloadsRulesForTheNextLogin) {
  const std::string rules = folder_.path() + "/hba.conf";
  testing::write_file(rules, "host all all 127.0.0.1/32 scram-sha-256\n");
  const Access access{.extra = "hba: { file: " + rules + " }"};
  const auto howdah = start(*cluster_, access);
  const auto log_in = [&](const std::string& user) { return AccessClient(howdah->port()).log_in({.user = user, .password = user}).back(); };
  AccessClient live(howdah->port());
  ASSERT_EQ(live.log_in().back(), "ReadyForQuery I");
  testing::write_file(rules, "host all app all reject\nhost all all all scram-sha-256\n");
  EXPECT_EQ(log_in("app"), "ReadyForQuery I") << "not before it is told to";
  reload(*howdah, yaml_of(*cluster_, access, *howdah));
  EXPECT_EQ(log_in("app"), "Error FATAL 28000 pg_hba.conf rejects connection for host \"127.0.0.1\", user \"app\", database \"app\", no encryption");
  EXPECT_EQ(live.query("SELECT 1"), "1") << "who is in stays in";
  testing::write_file(rules, "host all all all trust\nhost all +app all trust\n");
  reload(*howdah, yaml_of(*cluster_, access, *howdah));
  EXPECT_TRUE(log_in("app").starts_with("Error FATAL 28000")) << "a file with a fault changes nothing";
  EXPECT_NE(howdah->log().find(rules + ":2: \"+app\" is not supported"), std::string::npos) << howdah->log();
  reload(*howdah, yaml_of(*cluster_, {}, *howdah));
  EXPECT_EQ(log_in("app"), "ReadyForQuery I") << "without a file, by password";
}

TEST_F(Listening, ChecksAccessFilesWithTheirLines) {
  const Certificates certificates;
  const Pair server = certificates.server(), other = certificates.server("other");
  const auto said = [&](const Access& access) { return check(yaml_of(*cluster_, access)); };
  const std::string rules = folder_.path() + "/hba.conf", names = folder_.path() + "/ident.conf", users = folder_.path() + "/users.txt";
  testing::write_file(rules, "host all all all md5\nhost all all all ldap\n\nhost all all db.example trust\nhostssl all all all cert\n");
  std::string answer = said({.extra = "hba: { file: " + rules + " }"});
  EXPECT_EQ(answer.substr(0, 2), "1\n");
  EXPECT_NE(answer.find(rules + ":2: authentication method \"ldap\" is not supported"), std::string::npos) << answer;
  EXPECT_NE(answer.find(rules + ":4: \"db.example\" is not an IP address"), std::string::npos);
  EXPECT_NE(answer.find(rules + ":5: hostssl can never match: listen.tls.mode is disable"), std::string::npos);
  testing::write_file(rules, "local all all peer\nhost all all all md5\n");
  answer = said({.extra = "hba: { file: " + rules + " }"});
  EXPECT_EQ(answer, "0\nwarning: howdah.yaml: " + rules + ":1: local can never match: listen.unix_socket is not set\n");
  chmod(server.key.c_str(), 0644);
  answer = said({.listen = "tls: { mode: prefer, cert: " + server.cert + ", key: " + server.key + " }"});
  EXPECT_NE(answer.find("warning: howdah.yaml:3: listen.tls.key: others can read " + server.key), std::string::npos) << answer;
  EXPECT_NE(said({.server = "sslmode=require sslcert=" + server.cert + " sslkey=" + server.key}).find("others can read sslkey"), std::string::npos);
  chmod(server.key.c_str(), 0600);
  const std::string tls = "tls: { mode: prefer, cert: " + server.cert + ", key: " + server.key;
  testing::write_file(rules, "hostssl all all all cert map=missing\n");
  answer = said({.listen = tls + " }", .extra = "hba: { file: " + rules + " }"});
  EXPECT_NE(answer.find(rules + ":1: clients' certificates cannot be verified: listen.tls.client_ca is not set"), std::string::npos) << answer;
  EXPECT_NE(answer.find(rules + ":1: no line of hba.ident_file has the map \"missing\""), std::string::npos);
  testing::write_file(names, "missing app\n");
  answer = said({.listen = tls + ", client_ca: " + certificates.root() + " }", .extra = "hba: { file: " + rules + ", ident_file: " + names + " }"});
  EXPECT_NE(answer.find(names + ":1: a line has a map's name"), std::string::npos) << answer;
  testing::write_file(names, "missing app app\n");
  EXPECT_EQ(said({.listen = tls + ", client_ca: " + certificates.root() + " }", .extra = "hba: { file: " + rules + ", ident_file: " + names + " }"}), "0\n");
  testing::write_file(users, "\"one\" \"1\"\ntwo 2\n\"app\" \"again\"\n");
  answer = said({.extra = "users_file: " + users});
  EXPECT_NE(answer.find(users + ":2: a line is \"name\" \"secret\""), std::string::npos) << answer;
  EXPECT_NE(answer.find(users + ":3: user \"app\" has a password in users already"), std::string::npos);
  EXPECT_NE(said({.extra = "users_file: /nowhere"}).find("users_file: cannot read file /nowhere"), std::string::npos);
  answer = said({.listen = "tls: { mode: require, cert: " + server.cert + ", key: " + other.key + " }"});
  EXPECT_NE(answer.find("listen.tls: key " + other.key + " cannot be used"), std::string::npos) << answer;
  EXPECT_NE(said({.listen = "unix_socket: { directory: relative }"}).find("is not an absolute path"), std::string::npos);
  EXPECT_NE(said({.listen = "unix_socket: { directory: /tmp, mode: 999, group: no-such-group }"}).find("is not an octal number"), std::string::npos);
  EXPECT_NE(said({.users = ""}).find("nobody could log in"), std::string::npos);
  EXPECT_NE(said({.database = "auth_query: { user: a, password: b, query: SELECT 1 }"}).find("is asked for as $1"), std::string::npos);
  EXPECT_NE(said({.users = "[ { name: app, valid_until: soon } ]"}).find("is not a time such as"), std::string::npos);
}

}  // namespace
}  // namespace howdah::e2e_access
