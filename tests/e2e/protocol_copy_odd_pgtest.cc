// COPY FROM STDIN in every odd order: what PostgreSQL makes of a message depends on whether the COPY still goes on, which
// only the server knows at that moment.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-COPY
#include <fstream>

#include "tests/e2e/protocol_fixture.h"
#include "tests/e2e/transcript.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

using namespace std::string_literals;

class OddCopy : public ProtocolTest {
 protected:
  static Script copying() { return std::move(Script().query_more("COPY lines FROM STDIN").wait('G').copy_data("1\tone\n")); }
  static Script by_execute() {
    return std::move(Script().parse("", "COPY lines FROM STDIN").bind("", "").execute().flush().wait('G').copy_data("1\tone\n"));
  }
};

TEST_F(OddCopy, EndsTheConnectionAtAMessageThatDoesNotBelong) {
  expect_same(copying().query("SELECT 1"));
  expect_same(copying().parse("", "SELECT 1").wait());
  expect_same(copying().bind("", "").wait());
  expect_same(copying().describe('S', "").wait());
  expect_same(copying().execute().wait());
  expect_same(copying().close('S', "x").wait());
  expect_same(copying().bytes("F\0\0\0\4"s).wait());
  expect_same(copying().bytes("p\0\0\0\5\0"s).wait());
  expect_same(by_execute().run("SELECT 1").sync());
  expect_same(by_execute().query("SELECT 1"));
  expect_same(std::move(Script().query("BEGIN").query_more("COPY lines FROM STDIN").wait('G').query("ROLLBACK")));
  expect_same(Script().parse("", "COPY lines FROM STDIN").bind("", "").execute().run("SELECT 1").sync());
}

TEST_F(OddCopy, HandlesMessagesBehindAFailureAsUsual) {
  expect_same(Script()
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .copy_data("x\ty\n")
                  .query_more("SELECT 'after'")
                  .wait('Z', 2));
  expect_same(Script()
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .copy_data("x\ty\n")
                  .run("SELECT 'after'")
                  .sync_more()
                  .query_more("SELECT 'last'")
                  .wait('Z', 3));
  expect_same(Script()
                  .parse("", "COPY items (id, price) FROM STDIN")
                  .bind("", "")
                  .execute()
                  .flush()
                  .wait('G')
                  .copy_data("x\ty\n")
                  .run("SELECT 'skipped'")
                  .sync()
                  .run("SELECT 'after'")
                  .sync());
}

TEST_F(OddCopy, TakesSyncsAndFlushesForNothing) {
  expect_same(copying().sync_more().flush().copy_data("2\ttwo\n").sync_more().copy_done().wait().query("SELECT * FROM lines"));
  expect_same(by_execute().sync_more().flush().copy_data("2\ttwo\n").copy_done().sync().query("SELECT * FROM lines"));
}

TEST_F(OddCopy, AnswersSyncsBehindAFailure) {
  expect_same(Script()
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .sync_more()
                  .copy_data("x\ty\n")
                  .sync_more()
                  .copy_data("12\t1\n")
                  .sync_more()
                  .copy_done()
                  .wait('Z', 3)
                  .query("SELECT count(*) FROM items"));
  expect_same(Script()
                  .parse("", "COPY items (id, price) FROM STDIN")
                  .bind("", "")
                  .execute()
                  .sync_more()
                  .wait('G')
                  .copy_data("x\ty\n")
                  .sync_more()
                  .copy_data("12\t1\n")
                  .sync_more()
                  .copy_done()
                  .sync_more()
                  .wait('Z', 3)
                  .query("SELECT count(*) FROM items"));
  expect_same(copying().sync_more().copy_fail("no").wait().query("SELECT count(*) FROM lines"));
  expect_same(by_execute().sync_more().copy_fail("no").run("SELECT 'skipped'").sync().query("SELECT count(*) FROM lines"));
}

// The failure comes before the server has read a single message: the Sync behind Execute is an ordinary one.
TEST_F(OddCopy, FailsBeforeTheFirstMessage) {
  cluster().primary().run_sql(
      "SET ROLE app; CREATE TABLE IF NOT EXISTS refusing (id int); "
      "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$; "
      "CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON refusing FOR EACH STATEMENT EXECUTE FUNCTION refuse()");
  expect_same(Script()
                  .parse("", "COPY refusing FROM STDIN")
                  .bind("", "")
                  .execute()
                  .sync()
                  .copy_data("1\n")
                  .copy_done()
                  .sync()
                  .query("SELECT 'after'"));
  expect_same(Script().query("COPY refusing FROM STDIN").copy_data("1\n").copy_done().sync().query("SELECT 'after'"));
}

TEST_F(OddCopy, RunsWhatIsPipelinedBehindTheEnd) {
  expect_same(Script()
                  .parse("", "COPY lines FROM STDIN")
                  .bind("", "")
                  .execute()
                  .copy_data("1\tone\n")
                  .copy_done()
                  .run("SELECT count(*) FROM lines")
                  .sync()
                  .query("SELECT 'after'"));
  // An early Sync, taken by the COPY; the messages behind CopyDone are ordinary ones.
  expect_same(Script()
                  .parse("", "COPY lines FROM STDIN")
                  .bind("", "")
                  .execute()
                  .sync_more()
                  .copy_data("1\tone\n")
                  .copy_done()
                  .run("SELECT count(*) FROM lines")
                  .sync()
                  .query("SELECT 'after'"));
  expect_same(Script()
                  .parse("in", "COPY lines FROM STDIN")
                  .bind("", "in")
                  .execute()
                  .copy_data("1\tone\n")
                  .copy_done()
                  .bind("", "in")
                  .execute()
                  .copy_data("2\ttwo\n")
                  .copy_done()
                  .run("SELECT count(*) FROM lines")
                  .sync());
  expect_same(by_execute().copy_done().query("SELECT count(*) FROM lines"));
}

TEST_F(OddCopy, RunsInsideStringsOfStatements) {
  expect_same(Script()
                  .query_more("SELECT 1; COPY lines FROM STDIN; SELECT count(*) FROM lines")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_done()
                  .wait()
                  .query_more("COPY lines TO STDOUT; COPY lines FROM STDIN; COPY lines TO STDOUT")
                  .wait('G')
                  .copy_data("2\ttwo\n")
                  .copy_done()
                  .wait());
  expect_same(Script()
                  .query_more("INSERT INTO lines VALUES (9, 'x'); COPY lines FROM STDIN; SELECT 1/0; SELECT 'never'")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_done()
                  .wait()
                  .query("SELECT count(*) FROM lines"));
  expect_same(Script()
                  .query_more("BEGIN; COPY lines FROM STDIN; COMMIT")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_done()
                  .wait()
                  .query("SELECT count(*) FROM lines"));
  expect_same(Script()
                  .query_more("COPY lines FROM STDIN; COPY items FROM STDIN; SELECT 'never'")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_done()
                  .wait('G')
                  .copy_data("nonsense\n")
                  .sync_more()
                  .copy_done()
                  .wait('Z', 2)
                  .query("SELECT count(*) FROM lines"));
}

TEST_F(OddCopy, EndsEarlyTwiceOrTooLate) {
  expect_same(copying().copy_done().copy_done().copy_data("2\ttwo\n").copy_fail("late").wait().query("SELECT * FROM lines"));
  expect_same(copying().copy_fail("one").copy_fail("two").copy_done().wait().query("SELECT count(*) FROM lines"));
  expect_same(copying().copy_data("2\tno end").copy_done().wait().query("SELECT * FROM lines"));
  expect_same(copying().copy_data("\\.\n").copy_data("2\ttwo\n").copy_done().wait().query("SELECT * FROM lines"));
  expect_same(Script().query("COPY missing FROM STDIN").query("COPY lines (nope) FROM STDIN").query("SELECT 1"));
}

TEST_F(OddCopy, FailsAtTheEndAndInTransactions) {
  // Rows go into the table in batches: a key that is there twice shows only when CopyDone is read.
  expect_same(Script()
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .copy_data("50\t1\n50\t2\n")
                  .copy_done()
                  .wait()
                  .query("SELECT count(*) FROM items"));
  expect_same(Script()
                  .query("BEGIN")
                  .query("SAVEPOINT a")
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .copy_data("x\ty\n")
                  .copy_data("60\t1\n")
                  .copy_done()
                  .wait()
                  .query("SELECT 1")
                  .query("ROLLBACK TO a")
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .copy_data("61\t1\n")
                  .copy_done()
                  .wait()
                  .query("COMMIT")
                  .query("SELECT count(*) FROM items"));
}

TEST_F(OddCopy, CopiesInOtherFormats) {
  expect_same(Script()
                  .query_more("COPY lines FROM STDIN (FORMAT csv, HEADER)")
                  .wait('G')
                  .copy_data("id,body\n1,\"two\nlines\"\n")
                  .copy_done()
                  .wait()
                  .query_more("COPY lines FROM STDIN (FORMAT binary)")
                  .wait('G')
                  .copy_data("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\2\0\0\0\4\0\0\0\7\0\0\0\1x\xff\xff"s)
                  .copy_done()
                  .wait()
                  .query_more("COPY lines FROM STDIN (FORMAT binary)")
                  .wait('G')
                  .copy_data("no header at all")
                  .copy_done()
                  .wait()
                  .query("SELECT * FROM lines ORDER BY id"));
  expect_same(Script().parse("", "COPY items TO STDOUT").bind("", "").execute("", 1).sync());
}

// 200 MB for a client that reads none of it: the server is made to wait, and nothing piles up in between.
TEST_F(OddCopy, HoldsTheServerBackForASlowReader) {
  const auto resident_kb = [] {
    std::ifstream status("/proc/" + std::to_string(howdah().pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0L;
  };
  const std::string sql = "COPY (SELECT repeat('x', 2000) FROM generate_series(1, 100000)) TO STDOUT";
  RawClient client(howdah().port());
  client.log_in();
  const long before = resident_kb();
  std::string bytes;
  pgwire::append_query(bytes, sql);
  client.send(bytes);
  testing::PgConn monitor = cluster().primary().superuser();
  testing::await("the server to wait for its reader", [&] {
    return monitor.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'ClientWrite'") == "1";
  });
  EXPECT_LT(resident_kb() - before, 20'000);
  long rows = 0;
  std::string tag;
  while (auto message = client.next()) {
    if (message->type == 'd') ++rows;
    if (message->type == 'C') tag = message->body.c_str();
    if (message->type == 'Z') break;
  }
  EXPECT_EQ(rows, 100'000);
  EXPECT_EQ(tag, "COPY 100000");
}

}  // namespace
}  // namespace howdah::e2e
