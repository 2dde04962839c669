// LISTEN and NOTIFY in transaction pooling, over one listener that all clients share.
#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <vector>

#include "tests/e2e/start.h"
#include "tests/e2e_state/state_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_state {
namespace {

using testing::PgConn;

// "channel:payload" of every notification that came so far; `own` counts those with the client's own number.
std::vector<std::string> taken(PgConn& client, int* own = nullptr) {
  std::vector<std::string> out;
  PQconsumeInput(client.raw());
  while (PGnotify* note = PQnotifies(client.raw())) {
    out.push_back(std::string(note->relname) + ":" + note->extra);
    if (own != nullptr && note->be_pid == PQbackendPID(client.raw())) ++*own;
    PQfreemem(note);
  }
  return out;
}

// Waits, without sending anything, until `count` notifications came.
std::vector<std::string> wait_for(PgConn& client, std::size_t count) {
  std::vector<std::string> out;
  for (int i = 0; i < 100 && out.size() < count; ++i) {
    pollfd fd{PQsocket(client.raw()), POLLIN, 0};
    if (out.size() < count) poll(&fd, 1, 100);
    for (auto& note : taken(client)) out.push_back(std::move(note));
  }
  return out;
}

using Notes = std::vector<std::string>;

class StateListen : public StateTest {
 protected:
  static void SetUpTestSuite() { start(); }

  // Nothing is on its way any more: a notification of this client's own comes behind all others.
  static Notes all_until_mark(PgConn& client) {
    client.must("LISTEN mark");
    client.must("NOTIFY mark");
    Notes notes = taken(client);
    client.must("UNLISTEN mark");
    std::erase(notes, "mark:");
    return notes;
  }
  static long listeners() {
    return std::stol(cluster().primary().run_sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'howdah listener'").scalar());
  }
};

TEST_F(StateListen, WakesAnIdleClientInTheOrderOfCommit) {
  PgConn listener = howdah().connect(), second = howdah().connect(), notifier = howdah().connect();
  listener.must("LISTEN news");
  second.must("LISTEN news");
  second.must("LISTEN \"Other Channel\"");
  EXPECT_EQ(pins(), "");
  EXPECT_EQ(listeners(), 1);
  Notes expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back("news:" + std::to_string(i));
    notifier.must(i % 2 == 0 ? "NOTIFY news, '" + std::to_string(i) + "'" : "SELECT pg_notify('news', '" + std::to_string(i) + "')");
  }
  notifier.must("NOTIFY \"Other Channel\", 'it''s Grüße'");
  cluster().primary().run_sql("NOTIFY news, 'from elsewhere'");
  expected.push_back("news:from elsewhere");
  EXPECT_EQ(wait_for(listener, expected.size()), expected);
  expected.insert(expected.end() - 1, "Other Channel:it's Grüße");
  EXPECT_EQ(wait_for(second, expected.size()), expected);
  EXPECT_EQ(taken(notifier), Notes());
}

// What PostgreSQL does with each script, and what a client of the proxy sees: the same notifications by the time of the last
// answer, with its own number.
TEST_F(StateListen, OwnNotificationsAsOnPostgres) {
  const std::vector<std::vector<std::string>> scripts = {
      {"LISTEN a", "NOTIFY a, '1'"},
      {"LISTEN a", "SELECT pg_notify('a', '2')"},
      {"LISTEN a", "BEGIN", "NOTIFY a, '1'", "NOTIFY a, '1'", "NOTIFY a, '2'", "COMMIT"},
      {"LISTEN a", "BEGIN", "NOTIFY a, '1'", "ROLLBACK"},
      {"LISTEN a", "BEGIN", "SAVEPOINT s", "NOTIFY a, '1'", "ROLLBACK TO s", "NOTIFY a, '2'", "COMMIT"},
      {"BEGIN", "LISTEN a", "NOTIFY a, '1'", "COMMIT"},
      {"BEGIN", "LISTEN a", "ROLLBACK", "NOTIFY a, '1'"},
      {"BEGIN", "SAVEPOINT s", "LISTEN a", "ROLLBACK TO s", "COMMIT", "NOTIFY a, '1'"},
      {"BEGIN", "LISTEN a", "SELECT 1/0", "COMMIT", "NOTIFY a, '1'"},
      {"LISTEN a", "BEGIN", "UNLISTEN a", "ROLLBACK", "NOTIFY a, '1'"},
      {"LISTEN a", "BEGIN", "UNLISTEN a", "COMMIT", "NOTIFY a, '1'"},
      {"LISTEN a", "LISTEN b", "UNLISTEN *", "NOTIFY a, '1'", "NOTIFY b"},
      {"LISTEN a", "LISTEN a", "NOTIFY a, '1'"},
      {"LISTEN a; NOTIFY a, '1'", "NOTIFY a, '2'"},
      {"LISTEN a; SELECT 1/0", "NOTIFY a, '2'"},
      {"LISTEN a; UNLISTEN a", "NOTIFY a, '2'"},
      {"LISTEN a", "DISCARD ALL", "NOTIFY a, '1'"},
      {"UNLISTEN a", "UNLISTEN *", "NOTIFY a"},
      {"LISTEN a", "NOTIFY a, '1'; NOTIFY a, '2'; SELECT 1"},
      {"LISTEN a", "BEGIN; NOTIFY a, '1'; COMMIT; NOTIFY a, '2'"},
      {"LISTEN abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz",
       "NOTIFY abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz, 'long'"},
  };
  for (const auto& script : scripts) {
    std::string trace;
    for (const auto& sql : script) trace += sql + "; ";
    SCOPED_TRACE(trace);
    // One after the other: both would hear of each other's.
    const auto played = [&](PgConn client) {
      Notes seen;
      int own = 0;
      for (const auto& sql : script) {
        const auto answer = client.query(sql);
        seen.push_back(sql + " -> " + answer.sqlstate + answer.tag);
        for (auto& note : taken(client, &own)) seen.push_back(std::move(note));
      }
      seen.push_back(std::to_string(own) + " of its own");
      for (auto& note : all_until_mark(client)) seen.push_back("late " + note);
      return seen;
    };
    EXPECT_EQ(played(howdah().connect()), played(cluster().primary().connect()));
  }
}

TEST_F(StateListen, NothingReachesAClientWithinItsTransaction) {
  PgConn listener = howdah().connect(), notifier = howdah().connect();
  listener.must("LISTEN calm");
  listener.must("BEGIN");
  listener.must("SELECT 1");
  notifier.must("NOTIFY calm, 'now'");
  // The notifier's answer came after the notification was handed out.
  for (int i = 0; i < 3; ++i) {
    listener.must("SELECT 1");
    EXPECT_EQ(taken(listener), Notes());
  }
  listener.must("COMMIT");
  EXPECT_EQ(wait_for(listener, 1), Notes{"calm:now"});
}

// Whatever is committed after LISTEN was answered comes; and nothing of before.
TEST_F(StateListen, TakesEffectBeforeItIsAnswered) {
  PgConn notifier = howdah().connect();
  PgConn keeps_it_busy = howdah().connect();
  keeps_it_busy.must("LISTEN exact");
  for (int i = 0; i < 30; ++i) {
    PgConn listener = howdah().connect();
    notifier.must("NOTIFY exact, 'before " + std::to_string(i) + "'");
    listener.must("LISTEN exact");
    notifier.must("NOTIFY exact, 'after " + std::to_string(i) + "'");
    EXPECT_EQ(wait_for(listener, 1), Notes{"exact:after " + std::to_string(i)});
  }
  EXPECT_EQ(wait_for(keeps_it_busy, 60).size(), 60u);
}

TEST_F(StateListen, TheListenerGoesWithItsLastClient) {
  {
    PgConn listener = howdah().connect();
    listener.must("LISTEN gone");
    EXPECT_EQ(listeners(), 1);
  }
  testing::await("the listener to disconnect", [] { return listeners() == 0; });
  PgConn again = howdah().connect();
  again.must("LISTEN gone");
  again.must("NOTIFY gone, 'x'");
  EXPECT_EQ(taken(again), Notes{"gone:x"});
}

TEST_F(StateListen, ChannelsAreNotListed) {
  PgConn client = howdah().connect();
  client.must("LISTEN listed");
  const auto refused = client.query("SELECT * FROM pg_listening_channels()");
  EXPECT_EQ(refused.sqlstate, "0A000") << refused.message;
  client.must("SET client_encoding = 'LATIN1'");
  EXPECT_EQ(client.query("LISTEN other").sqlstate, "0A000");
}

TEST_F(StateListen, SurvivesALostListenerAndARestartAndTellsOfTheGap) {
  PgConn listener = howdah().connect();
  listener.must("LISTEN lasting");
  const auto told = [&] {
    std::size_t count = 0;
    for (const auto& notice : listener.notices()) count += notice.find("channel \"lasting\" may have been lost") != std::string::npos ? 1 : 0;
    return count;
  };
  cluster().primary().run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'howdah listener'");
  testing::await("the first notice", [&] { return taken(listener).empty() && told() == 1; });
  PgConn notifier = howdah().connect();
  notifier.must("NOTIFY lasting, 'one'");
  EXPECT_EQ(wait_for(listener, 1), Notes{"lasting:one"});
  cluster().primary().stop();
  cluster().primary().start();
  testing::await("the second notice", [&] { return taken(listener).empty() && told() == 2; }, std::chrono::seconds(10));
  testing::await("the proxy to serve", [&] { return notifier.query("NOTIFY lasting, 'two'").ok(); }, std::chrono::seconds(10));
  EXPECT_EQ(wait_for(listener, 1), Notes{"lasting:two"});
  EXPECT_EQ(listener.must("SELECT 1").scalar(), "1");
}

// With several shards all of it is on the first one.
TEST(StateListenSharded, IsOnTheFirstShard) {
  testing::PgCluster cluster({.shards = 2});
  cluster.run_everywhere("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE items (id int PRIMARY KEY, n int)");
  testing::HowdahOptions options;
  options.tables = "items: { hash: id }";
  auto howdah = e2e::start(cluster, options);
  PgConn listener = howdah->connect(), notifier = howdah->connect();
  listener.must("LISTEN wide");
  listener.must("SET app.tenant = '7'");
  for (int i = 0; i < 8; ++i) {
    notifier.must("BEGIN");
    notifier.must("INSERT INTO items VALUES (" + std::to_string(i) + ", 0)");
    notifier.must("NOTIFY wide, '" + std::to_string(i) + "'");
    notifier.must("COMMIT");
  }
  EXPECT_EQ(wait_for(listener, 8).size(), 8u);
  cluster.primary(0).run_sql("NOTIFY wide, 'direct'");
  EXPECT_EQ(wait_for(listener, 1), Notes{"wide:direct"});
}

// A parameter set by set_config holds on every shard that the transaction reaches, and on all later.
TEST(StateSharded, SetConfigReachesEveryShard) {
  testing::PgCluster cluster({.shards = 2});
  cluster.run_everywhere("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE items (id int PRIMARY KEY, n int)");
  testing::HowdahOptions options;
  options.tables = "items: { hash: id }";
  auto howdah = e2e::start(cluster, options);
  PgConn client = howdah->connect();
  for (int i = 0; i < 8; ++i) client.must("INSERT INTO items VALUES (" + std::to_string(i) + ", 0)");
  const auto everywhere = [&](const std::string& expected) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(client.must("SELECT current_setting('app.user_id', true) FROM items WHERE id = " + std::to_string(i)).scalar(), expected);
    }
  };
  client.must("SELECT set_config('app.user_id', '42', false)");
  everywhere("42");
  client.must("BEGIN");
  client.must("SELECT set_config('app.user_id', '43', true)");
  everywhere("43");
  client.must("COMMIT");
  everywhere("42");
  client.must("BEGIN");
  everywhere("42");
  client.must("SELECT set_config('app.user_id', '44', true)");
  everywhere("44");
  client.must("SELECT set_config('app.user_id', '45', false)");
  everywhere("45");
  client.must("ROLLBACK");
  everywhere("42");
}

}  // namespace
}  // namespace howdah::e2e_state
