// The test support itself: what other tests take for granted.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <thread>

#include "tests/support/free_port.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/wait.h"

namespace howdah::testing {
namespace {

TEST(PgServer, TakesScramLoginsOfTheUsualRoles) {
  PgServer server;
  EXPECT_EQ(server.connect("app").scalar("SELECT current_user"), "app");
  EXPECT_EQ(server.connect("howdah").scalar("SHOW is_superuser"), "on");
  PgConn wrong("postgresql://app:wrong@127.0.0.1:" + std::to_string(server.port()) + "/app");
  EXPECT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().find("password authentication failed"), std::string::npos) << wrong.error();
}

TEST(PgServer, KeepsCommittedRowsThroughKill9) {
  PgServer server;
  server.run_sql("CREATE TABLE t AS SELECT 7 AS a");
  server.kill9();
  EXPECT_FALSE(server.running());
  server.start();
  EXPECT_EQ(server.run_sql("SELECT a FROM t").scalar(), "7");
}

TEST(PgCluster, ReplicasStreamAndShardsHaveTheirOwnIdentity) {
  PgCluster cluster({.shards = 2, .replicas = 1, .twin = true});
  std::set<std::string> identities;
  for (PgServer* server : cluster.servers()) {
    identities.insert(server->run_sql("SELECT system_identifier FROM pg_control_system()").scalar());
  }
  EXPECT_EQ(identities.size(), 3u);
  cluster.run_everywhere("CREATE TABLE t AS SELECT 1 AS a");
  cluster.wait_replayed();
  EXPECT_EQ(cluster.replica(1).run_sql("SELECT a FROM t").scalar(), "1");
  EXPECT_EQ(cluster.twin().run_sql("SELECT a FROM t").scalar(), "1");
}

TEST(PgCluster, ReplicaPausesAndIsPromoted) {
  PgCluster cluster({.shards = 1, .replicas = 1});
  cluster.replica().pause_replay();
  cluster.primary().run_sql("CREATE TABLE t AS SELECT 1 AS a");
  EXPECT_EQ(cluster.replica().superuser().query("SELECT a FROM t").sqlstate, "42P01");
  cluster.replica().resume_replay();
  cluster.wait_replayed();
  cluster.primary().kill9();
  cluster.replica().promote();
  EXPECT_EQ(cluster.replica().run_sql("INSERT INTO t VALUES (2)").tag, "INSERT 0 1");
}

TEST(PgServer, JoinsARunningPrimaryFromABackup) {
  PgServer primary;
  primary.run_sql("CREATE TABLE t AS SELECT 1 AS a");
  PgServer standby({.name = "late", .standby_of = &primary, .from_backup = true});
  EXPECT_EQ(standby.run_sql("SELECT a FROM t").scalar(), "1");
  EXPECT_EQ(primary.run_sql("SELECT application_name FROM pg_stat_replication").scalar(), "late");
}

TEST(PgConn, ReportsSqlstateAndNulls) {
  PgServer server;
  auto conn = server.connect();
  EXPECT_EQ(conn.query("SELECT 1/0").sqlstate, "22012");
  EXPECT_EQ(conn.query("SELECT $1::int + 1, NULL", {"41"}).text(), "42|\\N");
  server.kill9();
  EXPECT_EQ(conn.query("SELECT 1").sqlstate, "08006");
}

TEST(FreePort, IsNeverGivenTwice) {
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 100; ++i) ports.insert(free_port());
  EXPECT_EQ(ports.size(), 100u);
}

// A server started by a thread that ends at once lives on: the death signal follows the spawner thread.
TEST(Process, OutlivesTheThreadThatStartedIt) {
  std::unique_ptr<PgServer> server;
  std::thread([&] { server = std::make_unique<PgServer>(); }).join();
  EXPECT_EQ(server->run_sql("SELECT 1").scalar(), "1");
}

// Run in a process of its own by the test below.
TEST(Process, DISABLED_StartsAServerAndIsKilled) {
  PgServer server;
  write_file(std::getenv("HOWDAH_TEST_NOTE"), std::to_string(server.pid()) + "\n" + server.data_dir() + "\n");
  pause();
}

TEST(Process, ServersAndFoldersVanishWhenTheTestIsKilled) {
  TempDir folder;
  const std::string note = folder.path() + "/note";
  Process victim(
      {.argv = {std::filesystem::read_symlink("/proc/self/exe").string(), "--gtest_also_run_disabled_tests",
                "--gtest_filter=Process.DISABLED_StartsAServerAndIsKilled"},
       .environment = {"HOWDAH_TEST_NOTE=" + note}});
  std::vector<std::string> lines;
  await("the victim's server", [&] { return (lines = split(read_file_or_empty(note), '\n')).size() == 2; });
  ASSERT_TRUE(std::filesystem::exists(lines[1]));
  victim.signal(SIGKILL);
  victim.wait();
  await("the server to die", [&] {
    const auto stat = read_file_or_empty("/proc/" + lines[0] + "/stat");
    return stat.empty() || stat.find(") Z") != std::string::npos;
  });
  await("the folder to go", [&] { return !std::filesystem::exists(lines[1]); });
}

}  // namespace
}  // namespace howdah::testing
