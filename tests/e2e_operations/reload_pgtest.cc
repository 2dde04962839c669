// RELOAD that adds and removes databases while clients work, and signals that come before the process is ready.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/e2e_pool/pool_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_operations {
namespace {

using testing::await;
using testing::HowdahOptions;
using testing::HowdahProcess;
using testing::PgCluster;
using testing::PgConn;

class Reload : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<PgCluster>();
    cluster_->primary().run_sql("CREATE DATABASE second OWNER app");
  }
  static void TearDownTestSuite() { cluster_.reset(); }
  void SetUp() override { howdah_ = std::make_unique<HowdahProcess>(*cluster_); }

  std::string with_second() const {
    return howdah_yaml(*cluster_, {}, howdah_->port(), howdah_->http_port()) +
           "  second:\n    control: { user: howdah, password: howdah }\n    shards:\n      - { name: t0, primary: \"" +
           cluster_->primary().address() + "\" }\n";
  }
  std::string without_second() const { return howdah_yaml(*cluster_, {}, howdah_->port(), howdah_->http_port()); }
  void reload(const std::string& yaml) {
    howdah_->rewrite_config(yaml);
    PgConn console = howdah_->connect("admin", "howdah");
    console.must("RELOAD");
  }

  static std::unique_ptr<PgCluster> cluster_;
  std::unique_ptr<HowdahProcess> howdah_;
};
std::unique_ptr<PgCluster> Reload::cluster_;

TEST_F(Reload, ADatabaseThatComesIsServedAtOnceAndOneThatGoesDrains) {
  EXPECT_FALSE(PgConn(howdah_->url("app", "second")).ok());
  reload(with_second());
  EXPECT_EQ(testing::http_get(howdah_->http_port(), "/ready").status, 200);
  PgConn stays = howdah_->connect();
  PgConn busy = howdah_->connect("app", "second"), idle = howdah_->connect("app", "second");
  EXPECT_EQ(idle.scalar("SELECT current_database()"), "second");
  busy.must("BEGIN");
  busy.must("CREATE TABLE drained (id int)");
  reload(without_second());
  PgConn refused(howdah_->url("app", "second"));
  EXPECT_NE(refused.error().find("database \"second\" does not exist"), std::string::npos) << refused.error();
  EXPECT_TRUE(testing::wait_until([&] { return PQconsumeInput(idle.raw()) != 1 || !idle.ok(); })) << "idle clients are told to go";
  EXPECT_EQ(busy.must("INSERT INTO drained VALUES (1)").tag, "INSERT 0 1") << "a transaction goes on";
  EXPECT_EQ(busy.must("COMMIT").tag, "COMMIT");
  EXPECT_FALSE(busy.query("SELECT 1").ok()) << "and then its client leaves";
  EXPECT_EQ(stays.scalar("SELECT 1"), "1");
  PgConn superuser = cluster_->primary().superuser();
  await("the server connections to be closed", [&] {
    return superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = 'second' AND usename = 'app'") == "0";
  });
  // The same name again, once the last client has gone.
  await("the database to come back", [&] {
    howdah_->rewrite_config(with_second());
    return howdah_->connect("admin", "howdah").query("RELOAD").ok();
  });
  EXPECT_EQ(howdah_->connect("app", "second").scalar("SELECT count(*) FROM drained"), "1");
}

// Signals are blocked before anything else: an early one is obeyed as soon as somebody listens.
TEST(Signals, AnEarlySigtermEndsTheProcessInOrder) {
  PgCluster cluster;
  HowdahOptions options;
  options.wait_ready = false;
  for (int i = 0; i < 5; ++i) {
    HowdahProcess howdah(cluster, options);
    await("main to run", [&] { return testing::read_file_or_empty("/proc/" + std::to_string(howdah.pid()) + "/comm") == "howdah\n"; });
    // SigBlk's bit 14 is SIGTERM: set by the first thing that main does.
    await("the signals to be blocked", [&] {
      const std::string status = testing::read_file_or_empty("/proc/" + std::to_string(howdah.pid()) + "/status");
      const auto at = status.find("SigBlk:\t");
      return at != std::string::npos && (std::stoull(status.substr(at + 8, 16), nullptr, 16) & (1ull << (SIGTERM - 1))) != 0;
    });
    EXPECT_EQ(howdah.stop(), 0) << howdah.log();
  }
}

}  // namespace
}  // namespace howdah::e2e_operations
