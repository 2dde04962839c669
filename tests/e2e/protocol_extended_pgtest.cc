// The extended query protocol through Howdah, compared with PostgreSQL message by message.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
#include "tests/e2e/protocol_fixture.h"

namespace howdah::e2e {
namespace {

class ExtendedProtocol : public ProtocolTest {};

TEST_F(ExtendedProtocol, RunsUnnamedStatements) {
  expect_same(Script()
                  .run("SELECT * FROM items WHERE id = $1", {"2"})
                  .sync()
                  .run("INSERT INTO lines VALUES ($1, $2) RETURNING *", {"1", "x"})
                  .sync()
                  .run("UPDATE lines SET body = $1", {std::nullopt})
                  .sync()
                  .run("SELECT $1::int + 1", {"41"})
                  .sync());
}

TEST_F(ExtendedProtocol, RunsNamedStatements) {
  expect_same(Script()
                  .parse("get", "SELECT name FROM items WHERE id = $1")
                  .describe('S', "get")
                  .sync()
                  .bind("", "get", {"1"})
                  .execute()
                  .sync()
                  .bind("p", "get", {"2"})
                  .describe('P', "p")
                  .execute("p")
                  .close('P', "p")
                  .sync()
                  .bind("", "get", {"3"}, {1})
                  .describe('P', "")
                  .execute()
                  .sync()
                  .close('S', "get")
                  .sync()
                  .bind("", "get", {"1"})
                  .sync());
}

TEST_F(ExtendedProtocol, DescribesStatementsWithAndWithoutRows) {
  expect_same(Script()
                  .parse("rows", "SELECT id, name, price FROM items WHERE name = $1 AND id > $2")
                  .describe('S', "rows")
                  .parse("none", "UPDATE items SET price = $1")
                  .describe('S', "none")
                  .parse("nothing", "")
                  .describe('S', "nothing")
                  .parse("begin", "BEGIN")
                  .describe('S', "begin")
                  .parse("set", "SET application_name = 'x'")
                  .describe('S', "set")
                  .parse("show", "SHOW application_name")
                  .describe('S', "show")
                  .sync());
}

TEST_F(ExtendedProtocol, TakesTypesFromTheClient) {
  expect_same(Script()
                  .parse("a", "SELECT $1", {23})
                  .describe('S', "a")
                  .parse("b", "SELECT $1", {25})
                  .describe('S', "b")
                  .parse("c", "SELECT $1, $2", {0, 20})
                  .describe('S', "c")
                  .bind("", "a", {"7"})
                  .execute()
                  .bind("", "b", {"7"})
                  .execute()
                  .bind("", "a", {"x"})
                  .execute()
                  .sync()
                  .parse("d", "SELECT $1 + $2", {25, 16})
                  .sync());
}

TEST_F(ExtendedProtocol, RefusesANameTwice) {
  expect_same(Script()
                  .parse("s", "SELECT 1")
                  .parse("s", "SELECT 2")
                  .parse("t", "SELECT 3")
                  .sync()
                  .bind("", "s")
                  .execute()
                  .sync()
                  .bind("", "t")
                  .execute()
                  .sync());
}

TEST_F(ExtendedProtocol, KnowsNoOtherNames) {
  expect_same(Script()
                  .bind("", "missing")
                  .sync()
                  .bind("", "")
                  .sync()
                  .describe('S', "missing")
                  .sync()
                  .describe('P', "missing")
                  .sync()
                  .describe('P', "")
                  .sync()
                  .execute("missing")
                  .sync()
                  .execute("")
                  .sync()
                  .query("SELECT 1"));
}

TEST_F(ExtendedProtocol, ClosesWhatDoesNotExist) {
  expect_same(Script().close('S', "missing").close('P', "missing").close('S', "").close('P', "").sync());
}

TEST_F(ExtendedProtocol, SkipsToSyncAfterAnError) {
  expect_same(Script()
                  .run("INSERT INTO lines VALUES (1, 'x')")
                  .run("SELECT 1/0")
                  .run("INSERT INTO lines VALUES (2, 'y')")
                  .parse("never", "SELECT 1")
                  .sync()
                  .query("SELECT * FROM lines")
                  .bind("", "never")
                  .sync()
                  .parse("broken", "SELEC")
                  .bind("", "broken")
                  .execute()
                  .sync()
                  .parse("broken", "SELECT 'mended'")
                  .bind("", "broken")
                  .execute()
                  .sync());
}

TEST_F(ExtendedProtocol, RunsAGoodGroupBehindAFailedOne) {
  expect_same(Script()
                  .run("SELECT 1/0")
                  .execute()
                  .sync_more()
                  .run("SELECT 'good'")
                  .sync_more()
                  .parse("bad", "SELECT nothing")
                  .sync_more()
                  .run("SELECT 'good, too'")
                  .sync_more()
                  .wait('Z', 4));
}

TEST_F(ExtendedProtocol, AnswersAtFlush) {
  expect_same(Script()
                  .parse("s", "SELECT 1")
                  .flush()
                  .wait('1')
                  .bind("", "s")
                  .flush()
                  .wait('2')
                  .describe('P', "")
                  .flush()
                  .wait('T')
                  .execute()
                  .flush()
                  .wait('C')
                  .sync()
                  .run("SELECT 1/0")
                  .flush()
                  .wait('E')
                  .execute()
                  .flush()
                  .sync());
}

TEST_F(ExtendedProtocol, SuspendsPortalsAtTheRowLimit) {
  expect_same(Script()
                  .parse("", "SELECT id FROM items ORDER BY id")
                  .bind("", "")
                  .execute("", 2)
                  .execute("", 2)
                  .execute("", 2)
                  .execute("", 2)
                  .sync()
                  .execute("", 1)
                  .sync());
}

TEST_F(ExtendedProtocol, KeepsPortalsInATransaction) {
  expect_same(Script()
                  .query("BEGIN")
                  .parse("s", "SELECT id FROM items ORDER BY id")
                  .bind("p", "s")
                  .execute("p", 2)
                  .sync()
                  .query("SELECT 'between'")
                  .execute("p", 2)
                  .sync()
                  .bind("p", "s")
                  .sync()
                  .query("ROLLBACK")
                  .execute("p", 2)
                  .sync());
}

// psycopg's server-side cursors ask for the description of what DECLARE made.
TEST_F(ExtendedProtocol, TakesCursorsOfDeclareForPortals) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("DECLARE c CURSOR FOR SELECT id, name FROM items ORDER BY id")
                  .describe('P', "c")
                  .sync()
                  .execute("c", 2)
                  .sync()
                  .query("FETCH 1 FROM c")
                  .parse("", "SELECT 1")
                  .bind("c", "")
                  .sync()
                  .query("ROLLBACK")
                  .query("BEGIN")
                  .query("DECLARE c CURSOR FOR SELECT 1")
                  .describe('P', "c")
                  .close('P', "c")
                  .run("SELECT 2")
                  .bind("c", "")
                  .execute("c")
                  .describe('P', "d")
                  .sync()
                  .query("ROLLBACK")
                  .describe('P', "c")
                  .sync()
                  .query("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY id")
                  .describe('P', "held")
                  .execute("held", 1)
                  .sync()
                  .query("CLOSE held")
                  .describe('P', "held")
                  .sync());
}

TEST_F(ExtendedProtocol, DropsNamedPortalsAtAnAutocommitSync) {
  expect_same(Script()
                  .parse("s", "SELECT id FROM items ORDER BY id")
                  .bind("p", "s")
                  .execute("p", 1)
                  .sync()
                  .execute("p", 1)
                  .sync());
}

TEST_F(ExtendedProtocol, AnswersEmptyStatements) {
  expect_same(Script()
                  .run("")
                  .run("-- nothing")
                  .run(";")
                  .sync()
                  .parse("", "SELECT 1; SELECT 2")
                  .sync()
                  .parse("", "SELECT 1;")
                  .bind("", "")
                  .execute()
                  .sync());
}

TEST_F(ExtendedProtocol, RefusesStatementsInAFailedTransaction) {
  expect_same(Script()
                  .parse("known", "SELECT 1")
                  .parse("end", "ROLLBACK")
                  .sync()
                  .query("BEGIN")
                  .query("SELECT 1/0")
                  .parse("new", "SELECT 1")
                  .sync()
                  .bind("", "known")
                  .execute()
                  .sync()
                  .parse("", "SELECT 1")
                  .sync()
                  .parse("", "")
                  .bind("", "")
                  .execute()
                  .sync()
                  .bind("", "end")
                  .execute()
                  .sync()
                  .bind("", "known")
                  .execute()
                  .sync());
}

TEST_F(ExtendedProtocol, BeginsAndCommits) {
  expect_same(Script()
                  .run("BEGIN")
                  .sync()
                  .run("INSERT INTO lines VALUES (1, 'kept')")
                  .sync()
                  .run("SAVEPOINT a")
                  .sync()
                  .run("INSERT INTO lines VALUES (2, 'dropped')")
                  .sync()
                  .run("ROLLBACK TO a")
                  .sync()
                  .run("COMMIT")
                  .sync()
                  .run("COMMIT")
                  .sync()
                  .query("SELECT * FROM lines"));
}

TEST_F(ExtendedProtocol, BeginsAndCommitsInOneGroup) {
  expect_same(Script()
                  .run("BEGIN")
                  .run("INSERT INTO lines VALUES (1, 'kept')")
                  .run("COMMIT")
                  .sync()
                  .run("BEGIN")
                  .run("INSERT INTO lines VALUES (2, 'dropped')")
                  .run("ROLLBACK")
                  .run("SELECT * FROM lines")
                  .sync()
                  .run("BEGIN")
                  .run("INSERT INTO lines VALUES (3, 'dropped')")
                  .run("SELECT 1/0")
                  .run("COMMIT")
                  .sync()
                  .query("COMMIT")
                  .query("SELECT * FROM lines"));
}

TEST_F(ExtendedProtocol, ReportsSettings) {
  expect_same(Script()
                  .run("SET application_name = 'mine'")
                  .sync()
                  .run("SHOW application_name")
                  .sync()
                  .run("SET application_name = 'lost'")
                  .run("SELECT 1/0")
                  .sync()
                  .run("SHOW application_name")
                  .sync()
                  .run("RESET application_name")
                  .run("SHOW application_name")
                  .sync());
}

TEST_F(ExtendedProtocol, ReplacesTheUnnamedStatement) {
  expect_same(Script()
                  .parse("", "SELECT 1")
                  .sync()
                  .bind("", "")
                  .execute()
                  .sync()
                  .query("SELECT 2")
                  .bind("", "")
                  .execute()
                  .sync()
                  .parse("", "SELECT 3")
                  .parse("", "SELEC")
                  .sync()
                  .bind("", "")
                  .execute()
                  .sync());
}

TEST_F(ExtendedProtocol, KeepsTheOrderOfASimpleQueryAmidAGroup) {
  expect_same(Script()
                  .run("INSERT INTO lines VALUES (1, 'a')")
                  .query("SELECT * FROM lines")
                  .sync()
                  .run("SELECT 1/0")
                  .query_more("SELECT 'skipped'")
                  .sync());
}

TEST_F(ExtendedProtocol, AnswersAHundredGroupsInOnePacket) {
  Script script;
  script.parse("add", "INSERT INTO lines VALUES ($1, $2)").sync_more();
  for (int i = 0; i < 100; ++i) {
    const std::string number = std::to_string(i);
    if (i % 10 == 7) {
      script.run("SELECT 1/($1::int - " + number + ")", {number}).sync_more();
    } else {
      script.bind("", "add", {number, "x"}).execute().sync_more();
    }
  }
  script.wait('Z', 101).query("SELECT count(*), sum(id) FROM lines");
  expect_same(script);
}

TEST_F(ExtendedProtocol, RefusesValuesThatDoNotFit) {
  expect_same(Script()
                  .parse("two", "SELECT $1::int, $2::int")
                  .bind("", "two", {"1"})
                  .sync()
                  .bind("", "two", {"1", "2", "3"})
                  .sync()
                  .bind("", "two", {"1", "x"})
                  .sync()
                  .bind("", "two", {"1", "2"}, {0, 1, 0})
                  .execute()
                  .sync()
                  .bind("", "two", {"1", "2"}, {7})
                  .execute()
                  .sync()
                  .query("SELECT 1"));
}

TEST_F(ExtendedProtocol, RefusesMessagesOfTheWrongShape) {
  using namespace std::string_literals;
  for (const auto& raw : {"P\0\0\0\x08"s + "abcd", "P\0\0\0\x0d\0SELECT\0\0"s + "B\0\0\0\x06\0\0"s,
                          "D\0\0\0\x06Z\0"s, "E\0\0\0\x05\0"s, "C\0\0\0\x06Z\0"s, "D\0\0\0\x05S"s}) {
    expect_same(Script().bytes(raw).sync().query("SELECT 1"), {Pace::kSteps, Pace::kSplit});
  }
}

TEST_F(ExtendedProtocol, CallsFunctions) {
  // abs(integer), oid 1397, by FunctionCall: one value in text, the result in text.
  using namespace std::string_literals;
  expect_same(Script()
                  .bytes("F\0\0\0\x14\0\0\x05\x75\0\0\0\x01\0\0\0\x02-7\0\0"s)
                  .wait()
                  .bytes("F\0\0\0\x0e\0\0\x00\x01\0\0\0\0\0\0"s)
                  .wait()
                  .query("SELECT 1"));
}

}  // namespace
}  // namespace howdah::e2e
