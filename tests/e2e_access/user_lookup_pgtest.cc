// Users that the configuration does not name, looked up on the server.
#include <gtest/gtest.h>

#include "drivers/pgwire/startup.h"
#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_access {
namespace {

using Lines = std::vector<std::string>;

class UserLookup : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<testing::PgCluster>();
    // Asks as PgBouncer's manual advises: a function of its own, which here also notes under which settings it ran.
    cluster_->primary().run_sql(R"(
      CREATE ROLE asker LOGIN PASSWORD 'asker';
      ALTER ROLE asker SET search_path = evil, public;
      CREATE SCHEMA access;
      CREATE TABLE access.asked (who text, search_path text, work_mem text, application text, timeout text);
      CREATE FUNCTION access.lookup(who text) RETURNS TABLE (name text, secret text, expiry float8)
        LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = 0 AS $$
      BEGIN
        INSERT INTO access.asked VALUES (who, current_setting('search_path'), current_setting('work_mem'),
                                         current_setting('application_name'), current_setting('statement_timeout'));
        RETURN QUERY SELECT rolname::text, rolpassword, date_part('epoch', rolvaliduntil) FROM pg_authid WHERE rolname = who AND rolcanlogin;
        IF who = 'twins' THEN RETURN QUERY SELECT 'twins', 'one', NULL::float8; END IF;
        IF who = 'mask' THEN RETURN QUERY SELECT 'app', 'mask', NULL::float8; END IF;
      END $$;
      GRANT USAGE ON SCHEMA access TO asker)");
    for (const char* role : {"found", "gone", "twins", "changing"}) {
      cluster_->primary().run_sql(std::string("CREATE ROLE ") + role + " LOGIN PASSWORD '" + role + "'");
    }
    cluster_->primary().run_sql("CREATE ROLE late LOGIN PASSWORD 'late' VALID UNTIL '2020-01-01'; CREATE ROLE nologin PASSWORD 'nologin'; "
                                "CREATE ROLE nopassword LOGIN");
    howdah_ = start(*cluster_, access());
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }

  static Access access(const std::string& more = {}) {
    return {.users = "",
            .database = "auth_query: { user: asker, password: asker, query: \"SELECT name, secret, expiry FROM access.lookup($1)\"" + more + " }"};
  }
  static Lines log_in(const std::string& user, const std::string& password) {
    return AccessClient(howdah_->port()).log_in({.user = user, .password = password});
  }
  static bool enters(const std::string& user, const std::string& password) { return log_in(user, password).back() == "ReadyForQuery I"; }
  static std::string asked(const std::string& what) { return cluster_->primary().run_sql("SELECT " + what + " FROM access.asked").scalar(); }

  static inline std::unique_ptr<testing::PgCluster> cluster_;
  static inline std::unique_ptr<testing::HowdahProcess> howdah_;
};

TEST_F(UserLookup, FindsUsersAndPassesTheirKeysThrough) {
  for (int i = 0; i < 4; ++i) {
    AccessClient client(howdah_->port());
    ASSERT_EQ(client.log_in({.user = "found", .password = "found"}).back(), "ReadyForQuery I") << howdah_->log();
    EXPECT_EQ(client.query("SELECT current_user"), "found");
  }
  EXPECT_EQ(asked("count(*) FILTER (WHERE who = 'found')"), "1") << "asked once, remembered since";
}

TEST_F(UserLookup, TurnsAwayUnknownExpiredAndLockedUsersAlike) {
  const auto refused = [](const std::string& user, const std::string& password) {
    auto lines = log_in(user, password);
    for (auto& line : lines) {
      if (const auto at = line.find('"' + user + '"'); at != std::string::npos) line.replace(at, user.size() + 2, "USER");
    }
    return lines;
  };
  const Lines expected = refused("found", "wrong");
  EXPECT_EQ(expected.size(), 3u);
  EXPECT_TRUE(expected.back().starts_with("Error FATAL 28P01"));
  for (const std::string user : {"nobody", "late", "nologin", "nopassword"}) EXPECT_EQ(refused(user, user), expected) << user;
  EXPECT_EQ(refused("' OR '1'='1", "x"), expected) << "a name is a value, never part of the query";
  EXPECT_EQ(refused("found'; DROP TABLE access.asked; --", "x"), expected);
  EXPECT_NE(asked("count(*)"), "0");
}

TEST_F(UserLookup, LetsNobodyInByAnAnswerAboutManyOrAboutOthers) {
  EXPECT_FALSE(enters("twins", "twins")) << "two rows";
  EXPECT_FALSE(enters("twins", "one"));
  EXPECT_FALSE(enters("mask", "mask")) << "another user's row";
  EXPECT_NE(howdah_->log().find("must answer one row"), std::string::npos);
}

// Nothing that a client or a role's defaults set reaches the connection that asks.
TEST_F(UserLookup, AsksUnderItsOwnSettings) {
  AccessClient client(howdah_->port());
  std::string packet;
  pgwire::append_startup(packet, 0, std::vector<std::pair<Bytes, Bytes>>{{"user", "curious"}, {"database", "app"}, {"application_name", "evil"},
                                                                        {"search_path", "evil"}, {"options", "-c work_mem=1GB -c statement_timeout=1"}});
  client.send(packet);
  client.next();
  EXPECT_EQ(asked("string_agg(DISTINCT search_path, '|')"), "pg_catalog,pg_temp");
  EXPECT_EQ(asked("string_agg(DISTINCT application, '|')"), "howdah auth_query");
  EXPECT_EQ(asked("string_agg(DISTINCT timeout, '|')"), "5s");
  EXPECT_EQ(asked("count(*) FILTER (WHERE work_mem = '1GB')"), "0");
  EXPECT_EQ(asked("count(*) FILTER (WHERE who = 'curious')"), "1");
}

TEST_F(UserLookup, SeesANewPasswordWhenTheOldOneIsOutOfDate) {
  ASSERT_TRUE(enters("changing", "changing"));
  cluster_->primary().run_sql("ALTER ROLE changing PASSWORD 'changed'");
  // The cached answer counts for a minute; a failed login asks again, once it is seconds old.
  EXPECT_TRUE(testing::wait_until([] { return enters("changing", "changed"); }, std::chrono::seconds(15)));
  EXPECT_FALSE(enters("changing", "changing"));
}

TEST_F(UserLookup, ForgetsWhoWasDropped) {
  const auto quick = start(*cluster_, access(", cache: 1s"));
  const auto enters_quick = [&] { return AccessClient(quick->port()).log_in({.user = "gone", .password = "gone"}).back() == "ReadyForQuery I"; };
  ASSERT_TRUE(enters_quick());
  cluster_->primary().run_sql("DROP ROLE gone");
  EXPECT_TRUE(testing::wait_until([&] {
    AccessClient client(quick->port());
    return client.log_in({.user = "gone", .password = "gone"}).back().starts_with("Error FATAL 28P01");
  }));
}

TEST_F(UserLookup, ManyClientsOfOneUserShareOneQuery) {
  cluster_->primary().run_sql("CREATE ROLE crowd LOGIN PASSWORD 'crowd'");
  std::vector<std::unique_ptr<AccessClient>> crowd;
  for (int i = 0; i < 50; ++i) {
    crowd.push_back(std::make_unique<AccessClient>(howdah_->port()));
    crowd.back()->send(startup("crowd", "app"));
  }
  for (auto& client : crowd) EXPECT_EQ(client->next().value_or(Message()).type, 'R');
  EXPECT_EQ(asked("count(*) FILTER (WHERE who = 'crowd')"), "1");
}

TEST_F(UserLookup, GoesOnAfterItsConnectionBroke) {
  ASSERT_TRUE(enters("found", "found"));
  cluster_->primary().run_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'asker'");
  cluster_->primary().run_sql("CREATE ROLE after LOGIN PASSWORD 'after'");
  EXPECT_TRUE(enters("after", "after")) << howdah_->log();
}

TEST_F(UserLookup, SaysThatTheServerCannotBeAskedWhoeverAsks) {
  const auto wrong = start(*cluster_, {.users = "", .database = "auth_query: { user: asker, password: wrong }"});
  for (const std::string user : {"found", "nobody"}) {
    AccessClient client(wrong->port());
    const auto lines = client.log_in({.user = user, .password = user});
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_TRUE(lines[0].starts_with("Error FATAL 08006 could not look up the user on the server")) << lines[0];
  }
}

TEST_F(UserLookup, AsksByItselfWithoutAQueryOfOnesOwn) {
  const auto plain = start(*cluster_, {.users = "", .database = "auth_query: { user: howdah, password: howdah }"});
  AccessClient client(plain->port());
  EXPECT_EQ(client.log_in({.user = "found", .password = "found"}).back(), "ReadyForQuery I") << plain->log();
  EXPECT_EQ(client.query("SELECT 1"), "1");
  for (const std::string user : {"late", "nologin", "nopassword", "nobody"}) {
    EXPECT_TRUE(AccessClient(plain->port()).log_in({.user = user, .password = user}).back().starts_with("Error FATAL 28P01")) << user;
  }
}

TEST_F(UserLookup, StopsWithALookUpUnderWay) {
  const auto slow = start(*cluster_, {.users = "", .database = "auth_query: { user: howdah, password: howdah, timeout: 60s, query: \"SELECT $1, 'x' FROM pg_sleep(60)\" }"});
  AccessClient client(slow->port());
  client.send(startup("found", "app"));
  auto superuser = cluster_->primary().superuser();
  testing::await("the look-up to run", [&] {
    return superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()") == "1";
  });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(slow->stop(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

}  // namespace
}  // namespace howdah::e2e_access
