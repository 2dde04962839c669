// How many clients there may be: in all, of one user, of one database.
#include <sys/resource.h>

#include <thread>

#include "tests/e2e/raw_client.h"
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

using ClientLimits = Limits;

TEST_F(ClientLimits, RefuseOneTooManyWith53300AndTakeItWhenAnotherLeaves) {
  start({.limits = "{ clients: 2 }"});
  PgConn first = connect();
  {
    PgConn second = connect();
    e2e::RawClient third(howdah_->port());
    const auto said = third.log_in();
    EXPECT_EQ(e2e::first_sqlstate(said), "53300");
    EXPECT_FALSE(third.logged_in());
    third.until_closed();
    EXPECT_TRUE(third.closed());
    EXPECT_NE(refusal("app").find("too many clients already"), std::string::npos);
  }
  EXPECT_TRUE(testing::wait_until([&] { return refusal("app").empty(); }));
}

TEST_F(ClientLimits, ExemptTheConsole) {
  start({.limits = "{ clients: 1 }"});
  PgConn only = connect();
  for (int i = 0; i < 3; ++i) {
    PgConn console = howdah_->connect("admin", "howdah");
    EXPECT_TRUE(console.query("SHOW VERSION").ok());
  }
  EXPECT_EQ(only.query("SELECT 1").text(), "1");
}

TEST_F(ClientLimits, OfOneUserAreItsOwn) {
  start({.limits = "{ clients: 1000, clients_per_user: 2 }", .hot = ", limits: { clients: 1 }"});
  std::vector<PgConn> app;
  for (int i = 0; i < 2; ++i) app.push_back(connect());
  EXPECT_NE(refusal("app").find("too many connections for role \"app\""), std::string::npos);
  PgConn hot = connect("hot");
  EXPECT_NE(refusal("hot").find("too many connections for role \"hot\""), std::string::npos);
  EXPECT_EQ(refusal("cold"), "") << "one user's limit is not another's";
  app.pop_back();
  EXPECT_TRUE(testing::wait_until([&] { return refusal("app").empty(); }));
  reload({.limits = "{ clients: 1000, clients_per_user: 2 }"});
  EXPECT_EQ(refusal("hot"), "") << "the limit went with the reload";
}

TEST_F(ClientLimits, OfADatabaseCountAllItsUsers) {
  start({.database = "limits: { clients: 2 }"});
  PgConn app = connect(), hot = connect("hot");
  EXPECT_NE(refusal("cold").find("too many connections for database \"app\""), std::string::npos);
}

TEST_F(ClientLimits, AreSafeWhenManyComeAndGoAtOnce) {
  start({.limits = "{ clients: 1000, clients_per_user: 3 }"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 15; ++n) refusal("app");
    });
  }
  for (auto& thread : threads) thread.join();
  // Every place was given back: three come, a fourth does not.
  std::vector<PgConn> three;
  EXPECT_TRUE(testing::wait_until([&] {
    three.clear();
    for (int i = 0; i < 3; ++i) three.emplace_back(howdah_->url());
    return three[0].ok() && three[1].ok() && three[2].ok();
  }));
  EXPECT_NE(refusal("app").find("too many connections"), std::string::npos);
}

// Descriptors run out: those too many are told so at once, and the next that finds one free is served.
TEST_F(ClientLimits, TurnAwayClientsForWhomThereIsNoDescriptor) {
  start({});
  PgConn served = connect();
  EXPECT_EQ(served.query("SELECT 1").text(), "1");
  // Everything that happens below has happened before: a sanitizer needs descriptors to look at what it sees first.
  for (int i = 0; i < 6; ++i) {
    e2e::RawClient silent(howdah_->port());
    e2e::RawClient(howdah_->port()).log_in();
    refusal("app");
  }
  rlimit small{}, before{};
  ASSERT_EQ(prlimit(howdah_->pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const std::string metrics = testing::http_get(howdah_->http_port(), "/metrics").body;
  const auto open = std::stoul(metrics.substr(metrics.find("\nprocess_open_fds ") + 18));
  small = {open + 4, before.rlim_max};
  ASSERT_EQ(prlimit(howdah_->pid(), RLIMIT_NOFILE, &small, nullptr), 0);
  std::vector<std::unique_ptr<e2e::RawClient>> many;
  int refused = 0;
  const auto begun = Clock::now();
  for (int i = 0; i < 30; ++i) {
    many.push_back(std::make_unique<e2e::RawClient>(howdah_->port()));
    const auto said = many.back()->log_in();
    if (!many.back()->logged_in()) {
      ++refused;
      if (!said.empty()) {
        EXPECT_EQ(e2e::first_sqlstate(said), "53300");
      }
    }
  }
  EXPECT_GE(refused, 20);
  EXPECT_LT(Clock::now() - begun, seconds(10)) << "nobody waits for an answer that does not come";
  EXPECT_EQ(served.query("SELECT 2").text(), "2") << "who was there stays";
  many.clear();
  EXPECT_TRUE(testing::wait_until([&] { return refusal("app").empty(); }, seconds(5)));
  ASSERT_EQ(prlimit(howdah_->pid(), RLIMIT_NOFILE, &before, nullptr), 0);
}

TEST_F(ClientLimits, OnPreparedStatementsLeaveTheClientAlive) {
  start({.limits = "{ statements: 3 }"});
  PgConn client = connect();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.prepare("s" + std::to_string(i), "SELECT 1").ok());
  const auto refused = client.prepare("s3", "SELECT 1");
  EXPECT_EQ(refused.sqlstate, "54000");
  EXPECT_NE(refused.hint.find("limits.statements"), std::string::npos);
  EXPECT_EQ(client.execute("s2", {}).text(), "1");
  client.must("DEALLOCATE s2");
  EXPECT_TRUE(client.prepare("s3", "SELECT 3").ok());
  EXPECT_EQ(client.query("SELECT $1::int", {"7"}).text(), "7") << "the unnamed statement is not counted";
}

}  // namespace
}  // namespace howdah::e2e_limits
