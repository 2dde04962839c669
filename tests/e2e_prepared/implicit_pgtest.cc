// Between two Syncs everything is one transaction, also with BEGIN, COMMIT or a simple query in the midst of it.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah::e2e_prepared {
namespace {

class Implicit : public PreparedTest {
 protected:
  Implicit() : PreparedTest("{ mode: transaction, size: 1, prepared_statements: 2 }") {}
};

constexpr const char* kAdd = "INSERT INTO lines VALUES (1, 'a')";
constexpr const char* kRows = "SELECT * FROM lines";

TEST_F(Implicit, TransactionEndsWithCommitOrRollbackInIts) {
  expect_same(Script().run(kAdd).run("ROLLBACK").sync().query(kRows));
  expect_same(Script().run(kAdd).run("COMMIT").run("SELECT 1/0").sync().query(kRows));
  expect_same(Script().run(kAdd).run("ROLLBACK").run(kAdd).sync().query(kRows));
  expect_same(Script().run("SET application_name = 'gone'").run("ROLLBACK").run("SHOW application_name").sync().query("SHOW application_name"));
}

TEST_F(Implicit, TransactionBecomesABlockWithBegin) {
  expect_same(Script().run(kAdd).run("BEGIN").sync().query("ROLLBACK").query(kRows));
  expect_same(Script().run(kAdd).run("BEGIN").sync().query("COMMIT").query(kRows));
  expect_same(Script().run(kAdd).run("BEGIN ISOLATION LEVEL SERIALIZABLE").sync().query(kRows));
  expect_same(Script().parse("s", kRows).run("BEGIN").bind("", "s").execute().sync().query("ROLLBACK"));
}

TEST_F(Implicit, TransactionFailsWithWhatTheProxyAnswers) {
  expect_same(Script().run(kAdd).run("SAVEPOINT a").sync().query(kRows));
  expect_same(Script().run(kAdd).run("ROLLBACK TO a").sync().query(kRows));
  expect_same(Script().run(kAdd).run("COMMIT AND CHAIN").sync().query(kRows));
  expect_same(Script().run(kAdd).bind("", "missing").sync().query(kRows));
  expect_same(Script().run(kAdd).execute("missing").sync().query(kRows));
  expect_same(Script().run(kAdd).run("DEALLOCATE missing").sync().query(kRows));
}

TEST_F(Implicit, TransactionIsSharedByASimpleQuery) {
  expect_same(Script().run(kAdd).query("SELECT 1/0").sync().query(kRows));
  expect_same(Script().run(kAdd).query("ROLLBACK").sync().query(kRows));
  expect_same(Script().run(kAdd).query("BEGIN").query("ROLLBACK").query(kRows));
  expect_same(Script().run(kAdd).query("SAVEPOINT a").query(kRows));
  expect_same(Script().run(kAdd).query("SELECT 1; SELECT 1/0").query(kRows));
  expect_same(Script().run(kAdd).query(kRows).run("SELECT 1/0").sync().query(kRows));
  expect_same(Script().run(kAdd).query("").run("SELECT 1/0").sync().query(kRows));
}

TEST_F(Implicit, TransactionIsSharedByAFunctionCall) {
  using namespace std::string_literals;
  const std::string abs = "F\0\0\0\x14\0\0\x05\x75\0\0\0\x01\0\0\0\x02-7\0\0"s;
  expect_same(Script().run(kAdd).bytes(abs).wait().run("SELECT 1/0").sync().query(kRows));
  expect_same(Script().run("SELECT 1/0").bytes(abs).sync().query("BEGIN").query("SELECT 1/0").bytes(abs).wait());
}

TEST_F(Implicit, SettingsComeBackWithAnUnknownSavepoint) {
  for (const char* text : {"ROLLBACK TO b", "RELEASE b"}) {
    expect_same(Script().query("BEGIN").query("SET LOCAL TimeZone = 'America/Lima'").query(text).query("ROLLBACK"));
  }
}

TEST_F(Implicit, PortalsRunOnce) {
  expect_same(Script().parse("b", "BEGIN").bind("p", "b").execute("p").execute("p").sync().query("ROLLBACK"));
  expect_same(Script().parse("i", kAdd).bind("p", "i").execute("p").execute("p").sync().query(kRows));
}

TEST_F(Implicit, PortalsAreTheServersToJudge) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("SAVEPOINT a")
                  .parse("s", "SELECT id FROM items ORDER BY id")
                  .bind("p", "s")
                  .execute("p", 1)
                  .sync()
                  .query("ROLLBACK TO a")
                  .execute("p", 1)
                  .sync()
                  .query("ROLLBACK TO a")
                  .bind("p", "s")
                  .execute("p", 2)
                  .sync()
                  .query("DECLARE c CURSOR FOR SELECT id FROM items ORDER BY id")
                  .describe('P', "c")
                  .execute("c", 2)
                  .sync()
                  .bind("c", "s")
                  .sync()
                  .query("ROLLBACK"));
}

TEST_F(Implicit, SyncSentBeforeACopyIsPartOfIt) {
  expect_same(Script()
                  .run("COPY lines FROM STDIN")
                  .sync_more()
                  .copy_data("1\tx\n")
                  .copy_done()
                  .parse("s", "SELECT 's'")
                  .bind("", "s")
                  .execute()
                  .sync()
                  .query(kRows),
              {Pace::kSteps, Pace::kSplit});
}

TEST_F(Implicit, GroupsAreAsLongAsTheClientLikes) {
  constexpr int kCount = 10'000;
  auto pooled = client();
  std::string out;
  for (int i = 0; i < kCount; ++i) {
    Script one;
    const std::string number = std::to_string(i);
    one.parse("", "INSERT INTO lines VALUES ($1, 'x')").bind("", "", {number}).execute();
    out += one.rest();
  }
  const Script end = Script().sync();
  out += end.steps()[0].bytes;
  pooled->send(out);
  const auto seen = pooled->until('Z');
  EXPECT_EQ(seen.size(), 3u * kCount + 1);
  EXPECT_EQ(say(*pooled, Script().query("SELECT count(*), sum(id) FROM lines"))[1],
            "DataRow " + std::to_string(kCount) + "|" + std::to_string(kCount / 2 * (kCount - 1)));
}

TEST_F(Implicit, GroupsNeedNoSyncAtAll) {
  constexpr int kRounds = 50, kEach = 1000;  // of Bind and Execute: 100,000 messages
  auto pooled = client();
  pooled->send(Script().parse("s", "SELECT 1").rest());
  int rows = 0;
  for (int round = 0; round < kRounds; ++round) {
    Script many;
    for (int i = 0; i < kEach; ++i) many.bind("", "s").execute();
    many.flush();
    pooled->send(many.rest());
    for (const auto& message : pooled->until('C', kEach)) rows += message.type == 'D';
  }
  EXPECT_EQ(rows, kRounds * kEach);
  EXPECT_EQ(say(*pooled, Script().sync()), std::vector<std::string>{"ReadyForQuery I"});
}

}  // namespace
}  // namespace howdah::e2e_prepared
