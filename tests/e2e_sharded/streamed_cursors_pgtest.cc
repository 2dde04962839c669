// Portals and cursors over several shards stream: results that are far larger than limits.gather_bytes, a few rows at a time.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <algorithm>

#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah {
namespace {

using e2e::RawClient;
using e2e::Script;
using testing::PgConn;

class StreamedCursors : public ::testing::Test {
 protected:
  static constexpr int kEvents = 3000;

  static void SetUpTestSuite() {
    testing::PgCluster::Options options;
    options.shards = 3;
    options.twin = true;
    cluster_ = std::make_unique<testing::PgCluster>(options);
    cluster_->run_everywhere("GRANT ALL ON SCHEMA public TO app");
    testing::HowdahOptions howdah;
    howdah.tables = "events: { hash: id }";
    howdah.extra = "limits: { gather_bytes: 65536 }";
    howdah_ = e2e::start(*cluster_, howdah);
    PgConn through = howdah_->connect(), direct(cluster_->twin().url("app"));
    const auto both = [&](const std::string& sql) {
      through.must(sql);
      direct.must(sql);
    };
    both("CREATE TABLE events (id bigint PRIMARY KEY, kind text, body text, at timestamptz)");
    for (int from = 1; from <= kEvents; from += 500) {
      std::string sql = "INSERT INTO events VALUES ";
      for (int id = from; id < from + 500; ++id) {
        sql += (id > from ? ", (" : "(") + std::to_string(id) + ", 'k" + std::to_string(id % 7) + "', repeat('x', 400), '2026-01-01 00:00:00+00'::timestamptz + " +
               std::to_string(id * 37 % kEvents) + " * interval '1 second')";
      }
      both(sql);
    }
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }

  static std::vector<std::string> through(const Script& script) {
    RawClient client(howdah_->port());
    client.log_in();
    return e2e_prepared::say(client, script);
  }
  static std::vector<std::string> direct(const Script& script) {
    RawClient client(cluster_->twin().port());
    client.log_in();
    return e2e_prepared::say(client, script);
  }
  static void same(const Script& script) {
    const auto expected = direct(script);
    EXPECT_EQ(e2e::difference(expected, through(script)), "");
  }
  // Where the order is free.
  static void same_rows(const Script& script) {
    auto ours = through(script), theirs = direct(script);
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    EXPECT_EQ(e2e::difference(theirs, ours), "");
  }
  static bool has(const std::vector<std::string>& lines, const std::string& what) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.find(what) != std::string::npos; });
  }

  static Script fetch(const std::string& sql, int size, int times, std::vector<std::int16_t> formats = {}) {
    Script script;
    script.query("BEGIN").parse("s", sql).bind("p", "s", {}, std::move(formats)).describe('P', "p").execute("p", size).sync();
    for (int i = 1; i < times; ++i) script.execute("p", size).sync();
    return script.query("COMMIT");
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> StreamedCursors::cluster_;
std::unique_ptr<testing::HowdahProcess> StreamedCursors::howdah_;

constexpr const char* kAll = "SELECT id, kind, body FROM events ORDER BY id";
constexpr const char* kHidden = "SELECT id, kind FROM events ORDER BY at, id DESC";

TEST_F(StreamedCursors, APortalGivesALargeResultInParts) {
  same(fetch(kAll, 1000, 4));
  same(fetch(kAll, 777, 5));
  same(fetch(kHidden, 500, 7));
  same(fetch(kHidden, 1, 5));
  same_rows(fetch("SELECT id, body FROM events", 800, 4));
  same_rows(fetch("SELECT id, body FROM events WHERE id < 1000", 3000, 2));
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").execute("p", 10).sync().execute("p").sync().execute("p").sync().query("COMMIT"));
}

TEST_F(StreamedCursors, FormatsAreThoseOfTheBind) {
  same(fetch(kHidden, 100, 3, {1}));
  same(fetch(kHidden, 100, 3, {1, 0}));
  same(fetch(kHidden, 100, 3, {0, 1}));
  same(fetch("SELECT at, id FROM events ORDER BY at DESC, id", 100, 3, {1, 1}));
}

TEST_F(StreamedCursors, CountsAreThoseOfTheWholeResult) {
  same(fetch("SELECT id FROM events ORDER BY id LIMIT 100 OFFSET 37", 30, 5));
  same(fetch("SELECT id FROM events ORDER BY id LIMIT 90", 30, 5));
  same(fetch("SELECT id FROM events ORDER BY id LIMIT 0", 30, 2));
  same(fetch("SELECT id FROM events ORDER BY id OFFSET 2990", 4, 5));
  Script script;
  script.query("BEGIN").parse("s", "SELECT id FROM events WHERE id > $1 ORDER BY id DESC LIMIT $2 OFFSET $3").bind("p", "s", {"100", "50", "7"}).execute("p", 20);
  same(script.sync().execute("p", 20).sync().execute("p", 20).sync().query("COMMIT"));
}

TEST_F(StreamedCursors, SeveralAreOpenAtOnceAmongOtherStatements) {
  same(Script().query("BEGIN").parse("s", kAll).parse("h", kHidden).bind("p", "s").bind("q", "h").execute("p", 400).execute("q", 300).sync()
           .query("SELECT kind FROM events WHERE id = 5").execute("q", 300).execute("p", 400).sync().query("UPDATE events SET kind = 'new' WHERE id > 2500")
           .execute("p", 3000).execute("q", 3000).sync().query("SELECT count(*) FROM events WHERE kind = 'new'").query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", kAll).bind("", "s").execute("", 3).sync().bind("", "s").execute("", 4).sync().execute("", 2).sync().query("SELECT 1").execute("", 2).sync().query("ROLLBACK"));
  // One pipeline.
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").execute("p", 2).bind("q", "s").execute("q", 3).execute("p", 2).close('P', "p").execute("q", 1).sync().execute("p", 1).sync().query("ROLLBACK"));
}

TEST_F(StreamedCursors, WithoutATransactionTheyEndAtSync) {
  same(Script().parse("s", kAll).bind("p", "s").execute("p", 300).execute("p", 300).sync().execute("p", 1).sync().query("SELECT 1"));
  same(Script().parse("", kAll).bind("", "").describe('P', "").execute("", 20).sync().query("SELECT 1"));
  same(Script().parse("s", kAll).bind("p", "s").sync().execute("p", 1).sync());
}

TEST_F(StreamedCursors, BindIsAnsweredWhenItIsWaitedFor) {
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").sync().execute("p", 5).sync().query("COMMIT"));
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").sync().execute("p").sync().query("COMMIT"));
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").describe('P', "p").flush().wait('T').execute("p", 5).sync().describe('P', "p").sync().execute("p", 5).sync().query("COMMIT"));
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").sync().query("UPDATE events SET kind = 'later'").execute("p", 5).sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", "SELECT id FROM events WHERE id > $1 ORDER BY id").bind("p", "s", {"2998"}).bind("q", "s", {"2997"}).execute("q", 2).execute("p", 2).sync().query("COMMIT"));
  same(Script().query("BEGIN").parse("s", "SELECT id FROM events WHERE id > $1 ORDER BY id").bind("p", "s", {"one"}).sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", "UPDATE events SET kind = kind WHERE id < 20").bind("p", "s").sync().execute("p").sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", "UPDATE events SET kind = kind WHERE id < 20 RETURNING 1").bind("p", "s").sync().execute("p", 5).sync().execute("p").sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", "SELECT count(*) FROM events").bind("p", "s").sync().execute("p").sync().query("ROLLBACK"));
}

TEST_F(StreamedCursors, SavepointsTakeBackWhatWasOpenedBehindThem) {
  const Script opened = Script().query("BEGIN").parse("s", kHidden).bind("p", "s").sync().query("SAVEPOINT a").execute("p", 5).bind("q", "s").execute("q", 5).sync();
  same(Script(opened).query("ROLLBACK TO a").execute("p", 5).sync().query("ROLLBACK"));
  same(Script(opened).query("ROLLBACK TO a").execute("q", 5).sync().query("ROLLBACK"));
  same(Script(opened).query("RELEASE a").execute("p", 5).execute("q", 5).sync().query("COMMIT"));
  same(Script(opened).query("SELECT nothing").execute("p", 5).sync().query("ROLLBACK TO a").execute("p", 5).sync().query("COMMIT"));
}

TEST_F(StreamedCursors, AnErrorFailsTheTransactionAndThePortal) {
  const std::string broken = "SELECT 1 / (id - 1) FROM events ORDER BY id";
  same(Script().query("BEGIN").parse("s", broken).bind("p", "s").execute("p", 1).sync().execute("p", 1).sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", broken).bind("p", "s").sync().query("SAVEPOINT a").execute("p", 1).sync().query("ROLLBACK TO a").execute("p", 1).sync().query("ROLLBACK"));
  same(Script().query("BEGIN").query("DECLARE c CURSOR FOR " + broken).query("SAVEPOINT a").query("FETCH c").query("ROLLBACK TO a").query("FETCH c").query("ROLLBACK"));
  same(Script().query("BEGIN").query("DECLARE c CURSOR FOR SELECT id + 'one' FROM events").query("ROLLBACK"));
  same(Script().query("BEGIN").query("SELECT 1; DECLARE c CURSOR FOR SELECT id + 1, id + 'one' FROM events ORDER BY kind").query("ROLLBACK"));
  same(Script().parse("s", broken).bind("p", "s").execute("p", 1).sync().query("SELECT 1"));
}

TEST_F(StreamedCursors, WhatIsClosedIsClosedOnTheShards) {
  const std::string change = "ALTER TABLE events ADD COLUMN more int";
  same(Script().query("BEGIN").parse("s", kAll).bind("p", "s").execute("p", 5).close('P', "p").sync().query(change).query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", kAll).bind("", "s").execute("", 5).sync().query(change).query("ROLLBACK"));
  same(Script().query("BEGIN").query(std::string("DECLARE c CURSOR FOR ") + kAll).query("FETCH c").query("CLOSE c").query(change).query("ROLLBACK"));
  same(Script().query("BEGIN").query(std::string("DECLARE c CURSOR FOR ") + kAll).query("FETCH c").query("CLOSE ALL").query(change).query("FETCH c").query("ROLLBACK"));
  same(Script().query("BEGIN").query(std::string("DECLARE c CURSOR FOR ") + kAll).query("FETCH c").query(change).query("ROLLBACK"));
}

TEST_F(StreamedCursors, ACursorGivesALargeResultInParts) {
  const std::string declare = std::string("DECLARE c CURSOR FOR ") + kAll;
  same(Script().query("BEGIN").query(declare).query("FETCH 700 c").query("FETCH FORWARD 1500 FROM c").query("FETCH ALL c").query("FETCH c").query("COMMIT"));
  same(Script().query("BEGIN").query(declare).query("FETCH ALL c").query("MOVE c").query("CLOSE c").query("COMMIT"));
  same(Script().query("BEGIN").query(declare).query("MOVE 2000 c").query("FETCH 3 c").query("MOVE ALL c").query("FETCH c").query("COMMIT"));
  same(Script().query("BEGIN").query(declare).query("FETCH ABSOLUTE 1500 c").query("FETCH RELATIVE 10 c").query("MOVE ABSOLUTE 1600 c").query("FETCH c").query("ROLLBACK"));
  same(Script().query("BEGIN").query(std::string("DECLARE d NO SCROLL CURSOR FOR ") + kHidden).query("FETCH 1000 d").query("UPDATE events SET kind = 'x'").query("FETCH 3000 d").query("ROLLBACK"));
  same(Script().query("BEGIN").query("DECLARE d CURSOR FOR SELECT id FROM events ORDER BY id LIMIT 10 OFFSET 5").query("FETCH 4 d").query("FETCH 100 d").query("COMMIT"));
  same_rows(Script().query("BEGIN").query("DECLARE d CURSOR FOR SELECT id FROM events").query("FETCH 3000 d").query("FETCH 1 d").query("COMMIT"));
  same(Script().query("BEGIN").query(declare + " FOR UPDATE").query("FETCH 20 c").query("COMMIT"));
}

TEST_F(StreamedCursors, TheExtendedProtocolDeclaresAndFetches) {
  const std::string declare = "DECLARE c CURSOR FOR SELECT id, kind, at FROM events WHERE id > $1 ORDER BY at LIMIT $2";
  const Script declared = Script().query("BEGIN").run(declare, {"100", "500"}).sync();
  same(Script(declared).describe('P', "c").sync().query("FETCH 3 c").query("FETCH FORWARD 3 FROM c").close('P', "c").sync().query("FETCH c").query("ROLLBACK"));
  same(Script(declared).run("FETCH 5 c").sync().run("FETCH ALL c").sync().run("MOVE c").sync().query("COMMIT"));
  for (const auto& formats : std::vector<std::vector<std::int16_t>>{{1}, {1, 0, 1}}) {
    same(Script(declared).parse("f", "FETCH 100 c").describe('S', "f").bind("", "f", {}, formats).describe('P', "").execute().sync().bind("", "f", {}, formats).execute().sync().query("COMMIT"));
  }
  same(Script(declared).parse("f", "FETCH 100 c").bind("p", "f").execute("p", 30).sync().execute("p", 80).sync().query("COMMIT"));
  same(Script(declared).parse("f", "FETCH c").bind("p", "f", {}, {1, 1}).execute("p").sync().query("ROLLBACK"));
  same(Script(declared).parse("f", "FETCH c").bind("p", "f").sync().query("CLOSE c").execute("p").sync().query("ROLLBACK"));
  same(Script().run(declare, {"100", "500"}).sync().query("SELECT 1"));
  same(Script().query("BEGIN").parse("d", declare).bind("p", "d", {"1", "2"}).sync().execute("p").sync().query("FETCH ALL c").query("COMMIT"));
  // A format that rows were not read ahead in.
  EXPECT_TRUE(has(through(Script(declared).query("FETCH 2 c").parse("f", "FETCH c").bind("", "f", {}, {1}).execute().sync().query("ROLLBACK")), "0A000"));
}

TEST_F(StreamedCursors, WithHoldKeepsWhatIsLeftAtCommit) {
  const std::string few = "DECLARE c CURSOR WITH HOLD FOR SELECT id, kind FROM events WHERE id < 500 ORDER BY id";
  same(Script().query("BEGIN").query(few).query("FETCH 3 c").query("COMMIT").query("FETCH 3 c").query("UPDATE events SET kind = kind WHERE id < 9").query("FETCH ALL c").query("CLOSE c").query("FETCH c"));
  same(Script().query(few).query("FETCH 2 c").query("BEGIN").query("FETCH 2 c").query("ROLLBACK").query("FETCH 2 c").query("CLOSE ALL").query("FETCH c"));
  same(Script().run(few).sync().run("FETCH 5 c").sync().query("FETCH c").query("CLOSE c"));
  same(Script().query("BEGIN").query(few).query("ROLLBACK").query("FETCH c"));
  // A client that wants all in binary.
  for (const std::string& sql : {few, std::string("DECLARE c CURSOR WITH HOLD FOR SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind")}) {
    same(Script().parse("d", sql).bind("", "d", {}, {1}).execute().sync().parse("f", "FETCH 5 c").bind("", "f", {}, {1}).describe('P', "").execute().sync().query("CLOSE c"));
  }
  same(Script().query(few).query("BEGIN").query("CLOSE c").query("ROLLBACK").query("FETCH c"));
  same(Script().query(few).query("DISCARD ALL").query("FETCH c"));
  same(Script().query("DECLARE c CURSOR WITH HOLD FOR SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind").query("FETCH 3 c").query("FETCH ALL c").query("CLOSE c"));
  same(Script().query("BEGIN").query(few).query("UPDATE events SET kind = 'w' WHERE id < 10").query("COMMIT").query("FETCH 3 c").query("UPDATE events SET kind = 'k' || id % 7 WHERE id < 10").query("CLOSE c"));
  same(Script().query("DECLARE c CURSOR WITH HOLD FOR SELECT 1 / (id - 1) FROM events ORDER BY id").query("SELECT 1"));
}

TEST_F(StreamedCursors, WhatHasToBeKeptHasALimit) {
  const std::string all = std::string(" CURSOR WITH HOLD FOR ") + kAll;
  EXPECT_TRUE(has(through(Script().query("DECLARE c" + all)), "53200"));
  const auto lines = through(Script().query("BEGIN").query("DECLARE c" + all).query("UPDATE events SET kind = 'lost'").query("FETCH c").query("COMMIT").query("SELECT count(*) FROM events WHERE kind = 'lost'").query("FETCH c"));
  EXPECT_TRUE(has(lines, "53200"));
  EXPECT_FALSE(has(lines, "COMMIT")) << "the transaction is rolled back";
  EXPECT_TRUE(has(lines, "34000"));
  same(Script().query("SELECT count(*) FROM events WHERE kind = 'lost'"));
  EXPECT_TRUE(has(through(Script().query("BEGIN").query(std::string("DECLARE c SCROLL CURSOR FOR ") + kAll).query("FETCH 10 c").query("FETCH LAST c")), "53200"));
}

TEST_F(StreamedCursors, ScrollGoesBack) {
  const Script declared = Script().query("BEGIN").query("DECLARE c SCROLL CURSOR FOR SELECT id, kind FROM events WHERE id <= 20 ORDER BY id");
  Script script = declared;
  for (const char* sql : {"FETCH 5 c", "FETCH PRIOR c", "FETCH BACKWARD 2 c", "FETCH RELATIVE 0 c", "FETCH FORWARD 0 c", "FETCH ABSOLUTE 12 c", "FETCH ABSOLUTE -3 c", "FETCH LAST c",
                          "FETCH NEXT c", "FETCH RELATIVE 0 c", "FETCH PRIOR c", "FETCH FIRST c", "FETCH PRIOR c", "FETCH BACKWARD c", "FETCH FORWARD ALL c", "FETCH BACKWARD 3 c",
                          "MOVE BACKWARD 3 c", "FETCH c", "MOVE RELATIVE -2 c", "FETCH RELATIVE 3 c", "MOVE ABSOLUTE 0 c", "FETCH c", "FETCH -1 c", "FETCH FORWARD -1 c", "FETCH ABSOLUTE 40 c",
                          "FETCH BACKWARD ALL c", "FETCH RELATIVE 100 c", "MOVE BACKWARD ALL c", "FETCH ABSOLUTE -40 c", "MOVE 0 c", "FETCH 2 c", "MOVE 0 c", "FETCH RELATIVE -1 c"}) {
    script.query(sql);
  }
  same(script.query("COMMIT"));
  same(Script().query("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM events WHERE id <= 20 ORDER BY id").query("FETCH LAST c").query("FETCH BACKWARD 4 c").query("FETCH FIRST c").query("CLOSE c"));
  same(Script(declared).query("FETCH 3 c").query("COMMIT").query("FETCH c"));
  same(Script().query("BEGIN").query(std::string("DECLARE c NO SCROLL CURSOR FOR ") + kAll).query("FETCH 3 c").query("FETCH PRIOR c").query("ROLLBACK"));
  EXPECT_TRUE(has(through(Script().query("BEGIN").query(std::string("DECLARE c CURSOR FOR ") + kAll).query("FETCH 3 c").query("FETCH PRIOR c")), "0A000"));
}

TEST_F(StreamedCursors, AStringMayDeclareAndFetch) {
  const std::string declare = "DECLARE c CURSOR FOR SELECT id FROM events WHERE id < 50 ORDER BY id";
  same(Script().query("BEGIN; " + declare + "; FETCH 3 c").query("FETCH c; MOVE 3 c; FETCH c; CLOSE c; COMMIT"));
}

// A shard's connection is gone between two fetches.
TEST_F(StreamedCursors, ALostServerFailsTheTransaction) {
  RawClient client(howdah_->port());
  client.log_in();
  e2e_prepared::say(client, Script().query("BEGIN").parse("s", kAll).bind("p", "s").execute("p", 5).sync().query("DECLARE c CURSOR WITH HOLD FOR SELECT id FROM events WHERE id < 9"));
  cluster_->primary(1).run_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in transaction%'");
  const auto lines = e2e_prepared::say(client, Script().execute("p", 500).sync().query("ROLLBACK").query("SELECT count(*) FROM events"));
  EXPECT_TRUE(has(lines, "Error ERROR")) << lines.front();
  EXPECT_TRUE(has(lines, "DataRow 3000"));
}

TEST_F(StreamedCursors, ACancelEndsAFetch) {
  PGconn* conn = PQconnectdb(howdah_->url().c_str());
  ASSERT_EQ(PQstatus(conn), CONNECTION_OK);
  PQclear(PQexec(conn, "BEGIN"));
  PQclear(PQexec(conn, "DECLARE c CURSOR FOR SELECT a.id, b.body FROM events a JOIN events b ON a.id = b.id ORDER BY a.id"));
  ASSERT_EQ(PQsendQuery(conn, "FETCH ALL c"), 1);
  PGcancel* cancel = PQgetCancel(conn);
  char why[256];
  std::string state;
  // Answered or canceled, the session goes on.
  PQcancel(cancel, why, sizeof why);
  while (PGresult* result = PQgetResult(conn)) {
    if (const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE)) state = code;
    PQclear(result);
  }
  PQfreeCancel(cancel);
  EXPECT_TRUE(state.empty() || state == "57014") << state;
  PQclear(PQexec(conn, "ROLLBACK"));
  PGresult* after = PQexec(conn, "SELECT count(*) FROM events");
  EXPECT_STREQ(PQgetvalue(after, 0, 0), "3000");
  PQclear(after);
  PQfinish(conn);
}

TEST_F(StreamedCursors, ValuesAreWrittenAsTheSettingsSay) {
  const Script opened = Script().query("BEGIN").parse("s", "SELECT at FROM events ORDER BY id").bind("p", "s").execute("p", 10).sync();
  same(Script(opened).query("SET LOCAL statement_timeout = '1min'").execute("p", 10).sync().query("ROLLBACK"));
  EXPECT_TRUE(has(through(Script(opened).query("SET LOCAL TimeZone = 'Asia/Tokyo'").execute("p", 10).sync().query("ROLLBACK")), "0A000"));
}

}  // namespace
}  // namespace howdah
