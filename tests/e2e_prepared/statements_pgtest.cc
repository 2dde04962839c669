// Named statements in transaction mode, on one server connection that keeps only two of them: whatever is skipped, evicted
// or refused, a client's names mean what they mean to PostgreSQL.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah::e2e_prepared {
namespace {

class Statements : public PreparedTest {
 protected:
  Statements() : PreparedTest("{ mode: transaction, size: 1, prepared_statements: 2 }") {}
};

TEST_F(Statements, KeepWhatTheyWereWhenAParseIsSkipped) {
  expect_same(Script()
                  .parse("", "SELECT 'old'")
                  .parse("known", "SELECT 'known'")
                  .sync()
                  .bind("", "", {"one too many"})
                  .parse("", "SELECT 'new'")
                  .parse("never", "SELECT 'never'")
                  .parse("again", "SELECT 'known'")
                  .sync()
                  .bind("", "")
                  .execute()
                  .sync()
                  .bind("", "never")
                  .sync()
                  .bind("", "again")
                  .sync()
                  .run("SELECT 1/0")
                  .parse("later", "SELECT 'known'")
                  .sync()
                  .bind("", "later")
                  .sync()
                  .parse("later", "SELECT 'now'")
                  .bind("", "later")
                  .execute()
                  .sync());
}

TEST_F(Statements, StayWhenTheirCloseIsSkipped) {
  expect_same(Script()
                  .parse("s", "SELECT 's'")
                  .sync()
                  .run("SELECT 1/0")
                  .close('S', "s")
                  .parse("s", "SELECT 'other'")
                  .sync()
                  .bind("", "s")
                  .execute()
                  .sync()
                  .close('S', "s")
                  .parse("s", "SELECT 'third'")
                  .bind("", "s")
                  .execute()
                  .sync());
}

TEST_F(Statements, AreRefusedTwiceOnlyWhenTheirTextIsGood) {
  expect_same(Script()
                  .parse("s", "SELECT 1")
                  .sync()
                  .parse("s", "SELEC 1")
                  .sync()
                  .parse("s", "SELECT nosuch")
                  .sync()
                  .parse("s", "SELECT 2; SELECT 3")
                  .sync()
                  .parse("s", "SELECT 2")
                  .sync()
                  .bind("", "s")
                  .execute()
                  .sync());
}

TEST_F(Statements, LeaveNoNameBehindWhenTheirParseFails) {
  expect_same(Script()
                  .parse("s", "SELECT nosuch FROM items")
                  .bind("", "s")
                  .sync()
                  .bind("", "s")
                  .sync()
                  .parse("s", "SELECT 'good'")
                  .bind("", "s")
                  .execute()
                  .sync()
                  .parse("", "SELECT 'kept'")
                  .sync()
                  .parse("", "SELECT nosuch")
                  .sync()
                  .bind("", "")
                  .sync());
}

TEST_F(Statements, SurviveEvictionInAGroupThatFails) {
  Script script;
  for (const char* name : {"a", "b", "c", "d"}) script.parse(name, "SELECT '" + std::string(name) + "'").sync();
  for (int round = 0; round < 3; ++round) {
    // The error comes first: everything behind it, the making of room included, is skipped.
    script.run("SELECT 1/0").bind("", "a").execute().bind("", "b").execute().bind("", "c").execute().sync();
    for (const char* name : {"c", "a", "d", "b"}) script.bind("", name).describe('P', "").execute().sync();
    // The error comes in the midst.
    script.bind("", "d").execute().bind("", "a").execute().run("SELECT 1/0").bind("", "b").execute().bind("", "c").sync();
    for (const char* name : {"b", "d"}) script.bind("", name).execute().sync();
  }
  expect_same(script);
}

TEST_F(Statements, KeepTheirTextsApartBySettings) {
  const Script ask = Script()
                         .parse("when", "SELECT timestamptz '2024-01-01 00:00' AT TIME ZONE 'UTC'")
                         .bind("", "when")
                         .execute()
                         .sync()
                         .bind("", "when")
                         .execute()
                         .sync();
  auto tokyo = client(), lima = client(), plain = client();
  auto direct_tokyo = direct(), direct_lima = direct(), direct_plain = direct();
  for (auto* one : {tokyo.get(), direct_tokyo.get()}) say(*one, Script().query("SET TimeZone = 'Asia/Tokyo'"));
  for (auto* one : {lima.get(), direct_lima.get()}) say(*one, Script().query("BEGIN").query("SET LOCAL TimeZone = 'America/Lima'"));
  EXPECT_EQ(e2e::difference(say(*direct_lima, ask), say(*lima, ask)), "");
  say(*lima, Script().query("COMMIT"));
  EXPECT_EQ(e2e::difference(say(*direct_tokyo, ask), say(*tokyo, ask)), "");
  EXPECT_EQ(e2e::difference(say(*direct_plain, ask), say(*plain, ask)), "");
}

TEST_F(Statements, KeepTheirTextsApartBySearchPathAndRole) {
  must("CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.t (a int); CREATE TABLE two.t (b text, c text);"
       "INSERT INTO one.t VALUES (1); INSERT INTO two.t VALUES ('x', 'y');"
       "GRANT USAGE ON SCHEMA one, two TO app; GRANT SELECT ON one.t, two.t TO app");
  const Script ask = Script().parse("s", "SELECT * FROM t").describe('S', "s").bind("", "s").execute().sync();
  for (const char* path : {"one", "two"}) {
    auto through = client(), straight = direct();
    for (auto* one : {through.get(), straight.get()}) say(*one, Script().query("SET search_path = " + std::string(path)));
    EXPECT_EQ(e2e::difference(say(*straight, ask), say(*through, ask)), "") << path;
  }
}

TEST_F(Statements, KeepTheirTextsApartByParameterTypes) {
  const auto ask = [](Oid type) {
    return Script().parse("s", "SELECT pg_typeof($1)", {type}).describe('S', "s").bind("", "s", {"1"}).execute().sync();
  };
  for (const Oid type : {23u, 25u, 20u}) {
    auto through = client(), straight = direct();
    EXPECT_EQ(e2e::difference(say(*straight, ask(type)), say(*through, ask(type))), "") << type;
  }
}

TEST_F(Statements, AreDescribedInAFailedTransaction) {
  Script script;
  script.parse("set", "SET DateStyle = 'German'").parse("typed", "DELETE FROM lines WHERE id = $1", {23}).parse("rows", "SELECT 1").sync();
  script.parse("more", "SELECT 2").parse("yet", "SELECT 3").describe('S', "more").describe('S', "yet").sync();
  script.query("BEGIN").bind("", "set").execute().sync().query("SELECT 1/0");
  for (const char* name : {"set", "typed", "rows"}) script.describe('S', name).sync();
  expect_same(script.query("ROLLBACK").describe('S', "typed").sync());
  // Read before the setting was another one.
  expect_same(Script()
                  .parse("s", "DELETE FROM lines WHERE id = $1")
                  .query("BEGIN")
                  .query("SET DateStyle = 'German'")
                  .query("SELECT 1/0")
                  .describe('S', "s")
                  .sync());
  // Parsed while there was no such cursor.
  expect_same(Script().query("BEGIN").parse("f", "FETCH 1 FROM c").sync().query("SELECT 1/0").describe('S', "f").sync());
}

TEST_F(Statements, FetchWhatTheClientsOwnCursorHas) {
  std::vector<std::unique_ptr<RawClient>> clients;  // more than there are workers
  for (const std::string columns : {"id", "name, id", "name"}) {
    const Script ask = Script()
                           .query("BEGIN")
                           .query("DECLARE c CURSOR FOR SELECT " + columns + " FROM items ORDER BY id")
                           .parse("f", "FETCH 1 FROM c")
                           .describe('S', "f")
                           .bind("", "f")
                           .execute()
                           .sync()
                           .query("COMMIT");
    const auto straight = direct();
    clients.push_back(client());
    EXPECT_EQ(e2e::difference(say(*straight, ask), say(*clients.back(), ask)), "");
  }
}

TEST_F(Statements, FollowDeallocateAndDiscard) {
  for (const char* command : {"DEALLOCATE s", "DEALLOCATE ALL", "DEALLOCATE PREPARE ALL", "DISCARD PLANS", "DISCARD ALL", "DEALLOCATE missing"}) {
    const std::string text = command;
    // With a setting that is not the connection's own, and without.
    expect_same(Script().parse("s", "SELECT 1").parse("t", "SELECT 2").sync().query(text).bind("", "s").execute().sync().bind("", "t").execute().sync());
    expect_same(Script()
                    .query("SET application_name = 'mine'")
                    .parse("s", "SELECT 1")
                    .parse("t", "SELECT 2")
                    .bind("", "t")
                    .execute()
                    .sync()
                    .query(text)
                    .bind("", "t")
                    .execute()
                    .sync()
                    .parse("s", "SELECT 1")
                    .sync());
    expect_same(Script()
                    .parse("s", "SELECT 1")
                    .sync()
                    .query("BEGIN")
                    .query(text)
                    .query("ROLLBACK")
                    .bind("", "s")
                    .execute()
                    .sync());
    expect_same(Script().parse("s", "SELECT 1").parse("end", text).bind("", "end").execute().sync().bind("", "s").execute().sync());
  }
}

TEST_F(Statements, LendTheirPlanToPortalsBeyondTheirEnd) {
  expect_same(Script()
                  .query("BEGIN")
                  .parse("s", "SELECT id FROM items ORDER BY id")
                  .bind("p", "s")
                  .sync()
                  .query("DEALLOCATE s")
                  .describe('P', "p")
                  .execute("p", 2)
                  .sync()
                  .bind("", "s")
                  .sync()
                  .query("ROLLBACK"));
}

}  // namespace
}  // namespace howdah::e2e_prepared
