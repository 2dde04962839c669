// ParameterStatus and the answers of SET, RESET and DISCARD, message by message as PostgreSQL sends them.
#include <gtest/gtest.h>

#include "tests/e2e/raw_client.h"
#include "tests/e2e/script.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_state/state_fixture.h"

namespace howdah::e2e_state {
namespace {

using e2e::Login;
using e2e::Pace;
using e2e::RawClient;
using e2e::Script;
using testing::PgConn;

class StateReported : public StateTest {
 protected:
  static void SetUpTestSuite() { start(); }

  static Login login() {
    Login with_options;
    with_options.params = {{"application_name", "mine"}, {"DateStyle", "ISO, DMY"}, {"options", "-c work_mem=6MB -c app.x=y"}};
    return with_options;
  }
  static void expect_same(const Script& script) {
    RawClient direct(cluster().primary().port()), client(howdah().port());
    const auto welcome = e2e::to_lines(direct.log_in(login()));
    EXPECT_EQ(e2e::difference(sorted(welcome), sorted(e2e::to_lines(client.log_in(login())))), "");
    EXPECT_EQ(e2e::difference(e2e::play(direct, script, Pace::kSteps), e2e::play(client, script, Pace::kSteps)), "");
  }
  // The authentication differs in its numbers, not in what it says of parameters.
  static std::vector<std::string> sorted(std::vector<std::string> lines) {
    std::erase_if(lines, [](const std::string& line) { return line.find("ParameterStatus") == std::string::npos; });
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

TEST_F(StateReported, SetAndReset) {
  expect_same(Script()
                  .query("SET application_name = 'a'")
                  .query("SET application_name = 'a'")
                  .query("RESET application_name")
                  .query("SET application_name = 'b'")
                  .query("SET application_name TO DEFAULT")
                  .query("SET DateStyle = 'German'")
                  .query("SET TimeZone = 'Asia/Tokyo'")
                  .query("RESET ALL")
                  .query("SHOW work_mem")
                  .query("SELECT current_setting('app.x')")
                  .query("SET application_name = 'c'; SELECT 1")
                  .query("SET nosuch = 1")
                  .query("RESET nosuch")
                  .query("SET TimeZone = 'Nowhere/Land'")
                  .query("SET application_name = 'd'; SELECT 1/0")
                  .query("DISCARD ALL")
                  .query("DISCARD ALL")
                  .query("SHOW application_name"));
}

TEST_F(StateReported, WithTheirTransaction) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("SET application_name = 'a'")
                  .query("ROLLBACK")
                  .query("BEGIN")
                  .query("SET LOCAL application_name = 'b'")
                  .query("COMMIT")
                  .query("BEGIN")
                  .query("SAVEPOINT s")
                  .query("SET application_name = 'c'")
                  .query("ROLLBACK TO s")
                  .query("COMMIT")
                  .query("BEGIN")
                  .query("SET application_name = 'd'")
                  .query("COMMIT AND CHAIN")
                  .query("SET application_name = 'e'")
                  .query("ROLLBACK")
                  .query("BEGIN")
                  .query("SELECT 1/0")
                  .query("SET application_name = 'f'")
                  .query("RESET ALL")
                  .query("DISCARD ALL")
                  .query("ROLLBACK")
                  .query("BEGIN")
                  .query("DISCARD ALL")
                  .query("ROLLBACK")
                  .query("SHOW application_name"));
}

TEST_F(StateReported, ByExecute) {
  expect_same(Script()
                  .run("SET application_name = 'a'")
                  .sync()
                  .run("RESET application_name")
                  .sync()
                  .run("SET application_name = 'b'")
                  .run("SELECT current_setting('application_name')")
                  .sync()
                  .run("SET application_name = 'c'")
                  .run("SELECT 1/0")
                  .sync()
                  .run("SHOW application_name")
                  .sync()
                  .run("DISCARD ALL")
                  .sync()
                  .run("SHOW application_name")
                  .sync());
}

TEST_F(StateReported, FollowsTheClientToAnotherServerConnection) {
  PgConn client(howdah().url() + "?application_name=first&options=-c%20TimeZone%3DAsia/Tokyo");
  const auto told = [&](const char* name) { return std::string(PQparameterStatus(client.raw(), name)); };
  EXPECT_EQ(told("application_name") + told("TimeZone"), "firstAsia/Tokyo");
  client.must("SET application_name = 'second'");
  client.must("SET ROLE other");
  EXPECT_EQ(after_move(client, "SELECT 1"), "1");
  EXPECT_EQ(told("application_name") + told("TimeZone") + told("is_superuser"), "secondAsia/Tokyooff");
  PgConn next = howdah().connect();
  EXPECT_STREQ(PQparameterStatus(next.raw(), "application_name"), "");
  next.must("SELECT 1");
  EXPECT_STREQ(PQparameterStatus(next.raw(), "application_name"), "");
}

// What a connection reported while it was reset between two clients has been heard by neither of them.
TEST_F(StateReported, DiscardAllIsReportedOnAConnectionThatWasResetBefore) {
  PgConn client = howdah().connect();
  const std::string login = PQparameterStatus(client.raw(), "TimeZone");
  client.must("SET TimeZone = 'Europe/Berlin'");
  Moved moved(howdah(), client);
  {
    PgConn leaver = howdah().connect();
    leaver.must("SET TimeZone = 'Asia/Tokyo'");
    leaver.must("DO $$BEGIN END$$");
  }
  client.must("DISCARD ALL");
  EXPECT_EQ(PQparameterStatus(client.raw(), "TimeZone"), login);
  EXPECT_EQ(client.must("SHOW TimeZone").scalar(), login);
}

// A server that reports while nobody is linked: the connection takes it in, and the next client of it hears of it.
TEST_F(StateReported, ChangeOnAnIdleServerReachesItsNextClient) {
  PgConn client = howdah().connect();
  PgConn other = howdah().connect();
  client.must("SELECT 1");
  cluster().primary().run_sql("ALTER SYSTEM SET DateStyle = 'German, DMY'");
  cluster().primary().run_sql("SELECT pg_reload_conf()");
  for (int i = 0; i < 200 && std::string(PQparameterStatus(client.raw(), "DateStyle")) != "German, DMY"; ++i) client.must("SELECT 1");
  EXPECT_STREQ(PQparameterStatus(client.raw(), "DateStyle"), "German, DMY");
  other.must("SET DateStyle = 'SQL, MDY'");
  EXPECT_STREQ(PQparameterStatus(other.raw(), "DateStyle"), "SQL, MDY");
  client.must("SELECT 1");
  EXPECT_STREQ(PQparameterStatus(client.raw(), "DateStyle"), "German, DMY");
  cluster().primary().run_sql("ALTER SYSTEM RESET DateStyle");
  cluster().primary().run_sql("SELECT pg_reload_conf()");
}

}  // namespace
}  // namespace howdah::e2e_state
