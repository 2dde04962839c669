// Commands of the console that act on clients and server connections.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "drivers/pgwire/frontend.h"
#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_operations {
namespace {

using namespace std::chrono_literals;
using e2e_pool::answer;
using e2e_pool::answered;
using e2e_pool::app_connections;
using e2e_pool::send;
using testing::Answer;
using testing::await;
using testing::HowdahOptions;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;

class Operations : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>();
    cluster_->primary().run_sql("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE notes (id serial, note text)");
  }
  static void TearDownTestSuite() { cluster_.reset(); }
  void SetUp() override {
    cluster_->primary().run_sql("TRUNCATE notes RESTART IDENTITY");
    HowdahOptions options;
    options.pool = "{ mode: transaction, size: 4, wait_timeout: 20s }";
    howdah_ = std::make_unique<HowdahProcess>(*cluster_, options);
    console_ = std::make_unique<PgConn>(howdah_->connect("admin", "howdah"));
    superuser_ = std::make_unique<PgConn>(cluster_->primary().superuser());
  }
  void TearDown() override {
    console_.reset();
    howdah_.reset();
  }

  // The cell of `column` in the row whose `key` column has `value`.
  std::string cell(const std::string& what, const std::string& key, const std::string& value, const std::string& column) {
    const Answer shown = console_->must("SHOW " + what);
    const auto at = [&](const std::string& name) {
      return static_cast<std::size_t>(std::find(shown.columns.begin(), shown.columns.end(), name) - shown.columns.begin());
    };
    for (const auto& row : shown.rows) {
      if (row.at(at(key)) == value) return row.at(at(column)).value_or("");
    }
    return "?";
  }
  long waiting() { return std::stol(cell("POOLS", "database", "app", "cl_waiting")); }
  bool ends(PgConn& client) {
    return testing::wait_until([&] { return !client.query("SELECT 1").ok() && !client.ok(); });
  }

  static std::unique_ptr<PgCluster> cluster_;
  std::unique_ptr<HowdahProcess> howdah_;
  std::unique_ptr<PgConn> console_, superuser_;
};
std::unique_ptr<PgCluster> Operations::cluster_;

TEST_F(Operations, PauseWaitsForTransactionsHoldsTheOthersAndResumeServesThemInOrder) {
  PgConn busy = howdah_->connect(), first = howdah_->connect(), second = howdah_->connect();
  busy.must("BEGIN");
  busy.must("INSERT INTO notes (note) VALUES ('before')");
  send(*console_, "PAUSE app");
  PgConn other = howdah_->connect("admin", "howdah");
  await("the pause", [&] { return other.must("SHOW DATABASES").text().find("|1|0|1|0") != std::string::npos; });
  send(first, "INSERT INTO notes (note) VALUES ('first')");
  std::swap(*console_, other);
  await("the first to wait", [&] { return waiting() == 1; });
  send(second, "INSERT INTO notes (note) VALUES ('second')");
  await("the second to wait", [&] { return waiting() == 2; });
  std::swap(*console_, other);
  EXPECT_FALSE(answered(*console_)) << "a transaction is open";
  EXPECT_EQ(busy.must("INSERT INTO notes (note) VALUES ('still before')").tag, "INSERT 0 1") << "it may go on";
  EXPECT_EQ(busy.must("COMMIT").tag, "COMMIT");
  EXPECT_EQ(answer(*console_).tag, "PAUSE");
  EXPECT_EQ(app_connections(*superuser_), 0) << "PAUSE has answered: no server connection is left";
  EXPECT_EQ(console_->query("PAUSE app").sqlstate, "22023");
  EXPECT_EQ(cell("STATE", "key", "paused", "value"), "yes");
  EXPECT_FALSE(answered(first));
  EXPECT_EQ(console_->must("RESUME app").tag, "RESUME");
  EXPECT_EQ(answer(first).tag, "INSERT 0 1");
  EXPECT_EQ(answer(second).tag, "INSERT 0 1");
  EXPECT_EQ(superuser_->scalar("SELECT string_agg(note, ',' ORDER BY id) FROM notes WHERE note IN ('before', 'still before')"),
            "before,still before");
  EXPECT_EQ(console_->query("RESUME app").sqlstate, "22023") << "it is not paused";
  EXPECT_EQ(console_->query("PAUSE nowhere").sqlstate, "3D000");
}

// What one client had sent in one piece when PAUSE came is answered to its end.
TEST_F(Operations, PauseInMidPipelineFinishesThePipeline) {
  PgConn client = howdah_->connect(), late = howdah_->connect();
  superuser_->must("BEGIN; SELECT pg_advisory_xact_lock(5)");
  // In one piece, each part with a Sync of its own: a transaction each.
  std::string pipeline;
  for (const char* sql : {"SELECT pg_advisory_xact_lock(5)", "SELECT 'second'", "SELECT 'third'"}) {
    pgwire::append_parse(pipeline, "", sql, {});
    pgwire::append_bind(pipeline, "", "", {}, {}, {});
    pgwire::append_execute(pipeline, "", 0);
    pgwire::append_sync(pipeline);
  }
  const int fd = PQsocket(client.raw());
  ASSERT_EQ(::send(fd, pipeline.data(), pipeline.size(), 0), static_cast<ssize_t>(pipeline.size()));
  PgConn watcher = cluster_->primary().superuser();
  await("the lock to be waited for", [&] { return watcher.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; });
  send(*console_, "PAUSE app");
  PgConn other = howdah_->connect("admin", "howdah");
  await("the pause", [&] { return other.must("SHOW DATABASES").text().find("|1|0|1|0") != std::string::npos; });
  send(late, "SELECT 'late'");
  superuser_->must("COMMIT");
  std::string got;
  EXPECT_TRUE(testing::wait_until([&] {
    pollfd ready{fd, POLLIN, 0};
    char bytes[4096];
    if (poll(&ready, 1, 100) == 1) got.append(bytes, static_cast<std::size_t>(std::max<ssize_t>(recv(fd, bytes, sizeof bytes, 0), 0)));
    return got.find("third") != std::string::npos;
  })) << "what had arrived is answered to its end";
  EXPECT_NE(got.find("second"), std::string::npos);
  EXPECT_EQ(answer(*console_).tag, "PAUSE");
  EXPECT_FALSE(answered(late)) << "what came after PAUSE waits";
  console_->must("RESUME");
  EXPECT_EQ(answer(late).text(), "late");
}

TEST_F(Operations, PauseOfAConsoleThatLeavesOrCancelsIsUndone) {
  PgConn busy = howdah_->connect(), client = howdah_->connect();
  busy.must("BEGIN");
  busy.must("SELECT 1");
  {
    PgConn leaving = howdah_->connect("admin", "howdah");
    send(leaving, "PAUSE");
    await("the pause", [&] { return cell("DATABASES", "name", "app", "paused") == "1"; });
  }
  await("the pause's end", [&] { return cell("DATABASES", "name", "app", "paused") == "0"; });
  EXPECT_EQ(client.must("SELECT 2").text(), "2");
  PgConn canceling = howdah_->connect("admin", "howdah");
  send(canceling, "PAUSE");
  await("the pause", [&] { return cell("DATABASES", "name", "app", "paused") == "1"; });
  e2e_pool::cancel(canceling);
  EXPECT_EQ(answer(canceling).sqlstate, "57014");
  EXPECT_EQ(cell("DATABASES", "name", "app", "paused"), "0");
  EXPECT_EQ(client.must("SELECT 3").text(), "3");
  EXPECT_TRUE(busy.query("COMMIT").ok());
}

TEST_F(Operations, AServerMayRestartWhileItsDatabaseIsPaused) {
  PgConn client = howdah_->connect();
  EXPECT_EQ(client.must("SELECT 1").text(), "1");
  console_->must("PAUSE");
  superuser_.reset();
  cluster_->primary().stop();
  send(client, "SELECT 'after the restart'");
  await("the client to wait", [&] { return waiting() == 1; });
  cluster_->primary().start();
  console_->must("RESUME");
  EXPECT_EQ(answer(client).text(), "after the restart");
}

TEST_F(Operations, DisableRefusesNewLoginsAndKeepsTheOthers) {
  PgConn client = howdah_->connect();
  EXPECT_EQ(console_->must("DISABLE app").tag, "DISABLE");
  EXPECT_EQ(cell("DATABASES", "name", "app", "disabled"), "1");
  PgConn refused(howdah_->url());
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("database \"app\" is disabled"), std::string::npos) << refused.error();
  EXPECT_EQ(client.must("SELECT 1").text(), "1");
  EXPECT_EQ(console_->must("ENABLE app").tag, "ENABLE");
  EXPECT_EQ(howdah_->connect().must("SELECT 2").text(), "2");
}

TEST_F(Operations, ReconnectReplacesServerConnectionsAsTheyBecomeFree) {
  PgConn busy = howdah_->connect(), idle = howdah_->connect();
  busy.must("BEGIN");
  const std::string held = busy.must("SELECT pg_backend_pid()").text();
  const std::string before = idle.must("SELECT pg_backend_pid()").text();
  console_->must("RECONNECT app");
  EXPECT_NE(idle.must("SELECT pg_backend_pid()").text(), before);
  EXPECT_EQ(cell("SERVERS", "remote_pid", held, "close_needed"), "1");
  PgConn waiter = howdah_->connect("admin", "howdah");
  send(waiter, "WAIT_CLOSE app");
  EXPECT_EQ(busy.must("SELECT pg_backend_pid()").text(), held) << "not within a transaction";
  EXPECT_FALSE(answered(waiter));
  busy.must("COMMIT");
  EXPECT_EQ(answer(waiter).tag, "WAIT_CLOSE");
  EXPECT_NE(busy.must("SELECT pg_backend_pid()").text(), held);
}

TEST_F(Operations, KillEndsClientsAndServersAndHoldsNewClientsBack) {
  PgConn busy = howdah_->connect(), idle = howdah_->connect();
  busy.must("BEGIN");
  busy.must("INSERT INTO notes (note) VALUES ('lost')");
  EXPECT_EQ(console_->must("KILL app").tag, "KILL");
  for (PgConn* client : {&busy, &idle}) {
    // Heard without asking: a statement would find the connection closed.
    testing::wait_until([client] {
      const bool open = PQconsumeInput(client->raw()) == 1;
      PQisBusy(client->raw());  // takes in what was read, also when the end of the stream was behind it
      return !client->notices().empty() || !open;
    });
    ASSERT_FALSE(client->notices().empty());
    EXPECT_NE(client->notices()[0].find("terminating connection due to administrator command"), std::string::npos);
  }
  await("the servers' end", [&] { return app_connections(*superuser_) == 0; });
  PgConn late = howdah_->connect();
  send(late, "SELECT count(*) FROM notes");
  await("it to wait", [&] { return waiting() == 1; });
  console_->must("RESUME app");
  EXPECT_EQ(answer(late).text(), "0");
}

TEST_F(Operations, SetChangesWhatAReloadCouldUntilTheNextOne) {
  EXPECT_EQ(console_->must("SET default_pool_size = 1").tag, "SET default_pool_size=1");
  EXPECT_EQ(cell("CONFIG", "key", "pool.size", "value"), "1");
  console_->must("SET pool.wait_timeout = '200ms'");
  PgConn holder = howdah_->connect(), other = howdah_->connect();
  holder.must("BEGIN");
  holder.must("SELECT 1");
  EXPECT_EQ(other.query("SELECT 1").sqlstate, "53300");
  EXPECT_EQ(console_->query("SET listen.port = 1").sqlstate, "0A000");
  EXPECT_EQ(console_->query("SET pool.size = many").sqlstate, "22023");
  EXPECT_EQ(console_->query("SET nothing = 1").sqlstate, "42704");
  EXPECT_EQ(console_->must("RELOAD").tag, "RELOAD");
  EXPECT_EQ(cell("CONFIG", "key", "pool.size", "value"), "4");
  EXPECT_EQ(other.must("SELECT 1").text(), "1");
}

TEST_F(Operations, RefusesWhatItDoesNotDo) {
  for (const char* command : {"SUSPEND", "SHOW FDS"}) EXPECT_EQ(console_->query(command).sqlstate, "0A000") << command;
  EXPECT_EQ(console_->query("SHUTDOWN now").sqlstate, "42601");
}

TEST_F(Operations, StatsUsersMayOnlyLook) {
  std::string yaml = testing::read_file_or_empty(howdah_->config_path());
  const std::string user = "  - { name: admin, password: admin, admin: true }\n";
  const auto at = yaml.find(user);
  ASSERT_NE(at, std::string::npos);
  howdah_->rewrite_config(yaml.insert(at, "  - { name: watcher, password: watcher, stats: true }\n"));
  console_->must("RELOAD");
  PgConn watcher = howdah_->connect("watcher", "pgbouncer");
  for (const char* command : {"SHOW POOLS", "SHOW CLIENTS", "SHOW CONFIG", "SHOW STATE", "SHOW MEM", "SHOW PEERS"}) {
    EXPECT_TRUE(watcher.query(command).ok()) << command;
  }
  for (const char* command : {"PAUSE", "RESUME", "KILL app", "KILL_CLIENT 1", "RELOAD", "SHUTDOWN", "SET pool.size = 1",
                              "DISABLE app", "RECONNECT", "SHOW FDS", "SUSPEND", "WAIT_CLOSE"}) {
    EXPECT_EQ(watcher.query(command).sqlstate, "42501") << command;
  }
  EXPECT_EQ(cell("CONFIG", "key", "pool.size", "value"), "4");
  EXPECT_FALSE(PgConn(howdah_->url("app", "pgbouncer")).ok()) << "neither admin nor stats";
}

TEST_F(Operations, ShutdownWaitForClientsLetsThemStayAndNobodyIn) {
  PgConn client = howdah_->connect();
  send(*console_, "SHUTDOWN WAIT_FOR_CLIENTS");
  EXPECT_EQ(answer(*console_).tag, "SHUTDOWN");
  await("logins to end", [&] { return testing::http_get(howdah_->http_port(), "/health").status == 503; });
  EXPECT_FALSE(PgConn(howdah_->url() + "?connect_timeout=2").ok());
  EXPECT_EQ(client.must("SELECT 1").text(), "1");
  EXPECT_EQ(testing::http_get(howdah_->http_port(), "/ready").status, 503);
  EXPECT_TRUE(howdah_->running());
  { PgConn gone = std::move(client); }
  EXPECT_TRUE(testing::wait_until([&] { return !howdah_->running(); })) << howdah_->log();
}

TEST_F(Operations, ShutdownWaitForServersLetsTransactionsEnd) {
  PgConn busy = howdah_->connect(), idle = howdah_->connect();
  busy.must("BEGIN");
  busy.must("INSERT INTO notes (note) VALUES ('kept')");
  EXPECT_EQ(console_->must("SHUTDOWN WAIT_FOR_SERVERS").tag, "SHUTDOWN");
  EXPECT_TRUE(ends(idle));
  EXPECT_TRUE(howdah_->running());
  EXPECT_EQ(busy.must("COMMIT").tag, "COMMIT");
  EXPECT_TRUE(testing::wait_until([&] { return !howdah_->running(); })) << howdah_->log();
  EXPECT_EQ(superuser_->scalar("SELECT note FROM notes"), "kept");
}

}  // namespace
}  // namespace howdah::e2e_operations
