// Signals: SIGHUP reads the configuration again, SIGTERM lets transactions end and then leaves.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_pool {
namespace {

using testing::HowdahOptions;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;
using Clock = std::chrono::steady_clock;

// Hears the SQLSTATE of what the proxy says without being asked. Lives no longer than the client.
class Farewell {
 public:
  explicit Farewell(PgConn& client) : client_(client.raw()) {
    PQsetNoticeReceiver(
        client_,
        [](void* into, const PGresult* notice) {
          const char* state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
          *static_cast<std::string*>(into) = state == nullptr ? "" : state;
        },
        &said_);
  }
  ~Farewell() {
    PQsetNoticeReceiver(
        client_, [](void*, const PGresult*) {}, nullptr);
  }
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  // Waits until it came, or the connection was closed without.
  const std::string& sqlstate() {
    testing::wait_until([&] {
      const bool open = PQconsumeInput(client_) == 1;
      PQisBusy(client_);  // takes in what was read, also when the end of the stream was behind it
      return !said_.empty() || !open;
    });
    return said_;
  }

 private:
  PGconn* client_;
  std::string said_;
};

class Signals : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>();
    cluster_->primary().run_sql(
        "GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE notes (id int)");
  }
  static void TearDownTestSuite() { cluster_.reset(); }

  void SetUp() override {
    cluster_->primary().run_sql("TRUNCATE notes");
    options_.pool = "{ mode: transaction, size: 1, wait_timeout: 300ms }";
    howdah_ = std::make_unique<HowdahProcess>(*cluster_, options_);
    // Every worker has greeted a client: what it says at login, it knows.
    for (int i = 0; i < 4; ++i) howdah_->connect();
  }

  std::string yaml() const { return howdah_yaml(*cluster_, options_, howdah_->port(), howdah_->http_port()); }
  // Writes the file, sends SIGHUP and waits until the proxy has said `word` about it.
  void reload(const std::string& file, const std::string& word) {
    const auto before = howdah_->log().size();
    howdah_->rewrite_config(file);
    howdah_->signal(SIGHUP);
    testing::await(
        "the log to say " + word, [&] { return howdah_->log().find(word, before) != std::string::npos; },
        std::chrono::seconds(10));
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from << " is not in the file";
    return text.replace(at, from.size(), to);
  }
  static std::string notes() { return cluster_->primary().run_sql("SELECT count(*) FROM notes").scalar(); }
  // A client in a transaction that has written.
  PgConn writer() {
    PgConn client = howdah_->connect();
    client.must("BEGIN");
    client.must("INSERT INTO notes VALUES (1)");
    return client;
  }
  static std::unique_ptr<PgCluster> cluster_;
  HowdahOptions options_;
  std::unique_ptr<HowdahProcess> howdah_;
};
std::unique_ptr<PgCluster> Signals::cluster_;

TEST_F(Signals, AFaultyFileChangesNothingAndEveryFaultIsLogged) {
  PgConn client = howdah_->connect();
  const std::string before = yaml();
  std::string faulty = replaced(before, "size: 1", "size: none");
  faulty = replaced(faulty, "wait_timeout: 300ms", "wait_timout: 300ms");
  faulty = replaced(faulty, "password: app", "password: app, admin: perhaps");
  reload(faulty, "stays in force");
  for (const char* word : {"wait_timout", "none", "perhaps"}) {
    EXPECT_TRUE(testing::wait_until([&] { return howdah_->log().find(word) != std::string::npos; })) << word;
  }
  const std::string log = howdah_->log();
  EXPECT_NE(log.find(howdah_->config_path() + ":6: users"), std::string::npos)
      << "faults come with file and line\n"
      << log;
  EXPECT_EQ(client.query("SELECT 1").text(), "1") << "clients stay";
  EXPECT_EQ(howdah_->connect().query("SELECT 2").text(), "2") << "and come";
  PgConn holder = writer();
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "53300") << "the pool's old size and time-out are in force";
  // A file that is no YAML at all, and none.
  reload("pool: {", "stays in force");
  std::remove(howdah_->config_path().c_str());
  const auto said = howdah_->log().size();
  howdah_->signal(SIGHUP);
  EXPECT_TRUE(
      testing::wait_until([&] { return howdah_->log().find("stays in force", said) != std::string::npos; }));
  EXPECT_TRUE(holder.query("COMMIT").ok());
  reload(before, "configuration reloaded");
  EXPECT_EQ(client.query("SELECT 3").text(), "3");
}

TEST_F(Signals, ALargerPoolTakesEffectAtOnceAndASmallerOneAsConnectionsAreGivenBack) {
  PgConn superuser = cluster_->primary().superuser();
  PgConn holder = writer(), second = howdah_->connect(), third = howdah_->connect();
  EXPECT_EQ(second.query("SELECT 1").sqlstate, "53300");
  options_.pool = "{ mode: transaction, size: 3, wait_timeout: 300ms }";
  reload(yaml(), "configuration reloaded");
  EXPECT_TRUE(second.query("BEGIN").ok());
  EXPECT_EQ(second.query("SELECT 2").text(), "2");
  EXPECT_EQ(third.query("SELECT 3").text(), "3");
  EXPECT_EQ(app_connections(superuser), 3);
  options_.pool = "{ mode: transaction, size: 1, wait_timeout: 300ms }";
  reload(yaml(), "configuration reloaded");
  EXPECT_TRUE(holder.query("COMMIT").ok());
  EXPECT_TRUE(second.query("COMMIT").ok());
  EXPECT_TRUE(testing::wait_until([&] { return app_connections(superuser) <= 1; }, std::chrono::seconds(5)))
      << app_connections(superuser) << " connections, though pool.size is 1";
  PgConn blocker = writer();
  EXPECT_EQ(third.query("SELECT 1").sqlstate, "53300");
}

TEST_F(Signals, AUsersNewPasswordCountsForNewLoginsHereAndThere) {
  PgConn client = howdah_->connect();
  client.must("SELECT 1");
  cluster_->primary().run_sql("ALTER ROLE app PASSWORD 'fresh'");
  reload(replaced(yaml(), "{ name: app, password: app }", "{ name: app, password: fresh }"),
         "configuration reloaded");
  PgConn stale(howdah_->url());
  EXPECT_FALSE(stale.ok()) << "the old password is still taken";
  EXPECT_NE(stale.error().find("password authentication failed"), std::string::npos) << stale.error();
  const std::string url = "postgresql://app:fresh@127.0.0.1:" + std::to_string(howdah_->port()) + "/app";
  PgConn fresh(url);
  EXPECT_TRUE(fresh.ok()) << fresh.error();
  EXPECT_EQ(client.query("SELECT 2").text(), "2") << "who is logged in stays";
  // The proxy's own logins use it, too.
  cluster_->primary().run_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
  EXPECT_TRUE(testing::wait_until([&] { return fresh.query("SELECT 3").text() == "3"; })) << howdah_->log();
  cluster_->primary().run_sql("ALTER ROLE app PASSWORD 'app'");
}

TEST_F(Signals, ATransactionMayEndIdleClientsAreSentAwayAndTheProcessLeaves) {
  PgConn idle = howdah_->connect(), fresh = howdah_->connect();
  idle.must("SELECT 1");
  PgConn busy = writer();
  Farewell to_idle(idle), to_fresh(fresh), to_busy(busy);
  howdah_->signal(SIGTERM);
  EXPECT_EQ(to_idle.sqlstate(), "57P01");
  EXPECT_EQ(to_fresh.sqlstate(), "57P01");
  EXPECT_TRUE(howdah_->running()) << "a transaction is open";
  EXPECT_FALSE(PgConn(howdah_->url() + "?connect_timeout=5").ok()) << "nobody new is let in";
  EXPECT_EQ(busy.query("INSERT INTO notes VALUES (2)").tag, "INSERT 0 1");
  EXPECT_EQ(busy.query("COMMIT").tag, "COMMIT");
  const auto committed = Clock::now();
  EXPECT_EQ(to_busy.sqlstate(), "57P01");
  EXPECT_EQ(howdah_->stop(std::chrono::seconds(10)), 0) << howdah_->log();
  EXPECT_LT(Clock::now() - committed, std::chrono::seconds(5));
  EXPECT_EQ(notes(), "2");
  PgConn superuser = cluster_->primary().superuser();
  EXPECT_TRUE(testing::wait_until([&] { return app_connections(superuser) == 0; }))
      << "no connection is left behind";
}

TEST_F(Signals, ARunningStatementIsAnsweredBeforeTheProcessLeaves) {
  PgConn superuser = cluster_->primary().superuser();
  PgConn client = howdah_->connect();
  send(client, "SELECT 'slept' FROM pg_sleep(0.5)");
  await_running(superuser, "slept");
  howdah_->signal(SIGTERM);
  EXPECT_EQ(answer(client).text(), "slept");
  EXPECT_EQ(howdah_->stop(std::chrono::seconds(10)), 0) << howdah_->log();
}

TEST_F(Signals, AProcessWithoutClientsLeavesAtOnce) {
  const auto begun = Clock::now();
  EXPECT_EQ(howdah_->stop(std::chrono::seconds(10)), 0) << howdah_->log();
  EXPECT_LT(Clock::now() - begun, std::chrono::seconds(5));
}

}  // namespace
}  // namespace howdah::e2e_pool
