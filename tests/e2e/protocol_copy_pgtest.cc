// COPY through Howdah, compared with PostgreSQL message by message.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-COPY
#include "tests/e2e/protocol_fixture.h"

namespace howdah::e2e {
namespace {

class CopyProtocol : public ProtocolTest {};

TEST_F(CopyProtocol, CopiesOut) {
  expect_same(Script()
                  .query("COPY items TO STDOUT")
                  .query("COPY (SELECT id, name FROM items WHERE id < 3) TO STDOUT (FORMAT csv, HEADER)")
                  .query("COPY (SELECT 1 WHERE false) TO STDOUT")
                  .query("COPY (SELECT 1/(id-3) FROM items ORDER BY id) TO STDOUT")
                  .query("COPY missing TO STDOUT")
                  .query("COPY items TO STDOUT (FORMAT binary)"));
}

TEST_F(CopyProtocol, CopiesIn) {
  expect_same(Script()
                  .query_more("COPY lines FROM STDIN")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_data("2\ttw")
                  .copy_data("o\n3\tthree\n")
                  .copy_done()
                  .wait()
                  .query("SELECT * FROM lines ORDER BY id"));
}

TEST_F(CopyProtocol, CopiesNothingIn) {
  expect_same(Script().query_more("COPY lines FROM STDIN").wait('G').copy_done().wait());
}

TEST_F(CopyProtocol, FailsWhenTheClientSaysSo) {
  expect_same(Script()
                  .query_more("COPY lines FROM STDIN")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_fail("changed my mind")
                  .wait()
                  .query("SELECT count(*) FROM lines"));
}

TEST_F(CopyProtocol, FailsInATransaction) {
  expect_same(Script()
                  .query("BEGIN")
                  .query_more("COPY lines FROM STDIN")
                  .wait('G')
                  .copy_fail("no")
                  .wait()
                  .query("SELECT 1")
                  .query("COMMIT"));
}

TEST_F(CopyProtocol, DropsLateDataAfterAnError) {
  expect_same(Script()
                  .query_more("COPY items (id, price) FROM STDIN")
                  .wait('G')
                  .copy_data("11\t1\n")
                  .copy_data("12\tnot a number\n")
                  .wait()
                  .copy_data("13\t3\n")
                  .copy_data("14\t4\n")
                  .copy_done()
                  .query("SELECT count(*) FROM items"));
}

TEST_F(CopyProtocol, DropsLateDataInOnePacket) {
  Script script;
  script.query_more("COPY items (id, price) FROM STDIN").wait('G').copy_data("x\ty\n");
  for (int i = 0; i < 50; ++i) script.copy_data(std::to_string(20 + i) + "\t1\n");
  expect_same(script.copy_done().wait().query("SELECT count(*) FROM items"));
}

TEST_F(CopyProtocol, CopiesTwiceInOneString) {
  expect_same(Script()
                  .query_more("COPY lines FROM STDIN; COPY lines FROM STDIN; SELECT count(*) FROM lines")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_done()
                  .wait('G')
                  .copy_data("2\ttwo\n")
                  .copy_done()
                  .wait()
                  .query("COPY lines TO STDOUT; COPY lines TO STDOUT"));
}

TEST_F(CopyProtocol, FailsTheFirstOfTwo) {
  expect_same(Script()
                  .query_more("COPY lines FROM STDIN; COPY lines FROM STDIN")
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_fail("stop")
                  .wait()
                  .query("SELECT count(*) FROM lines"));
}

TEST_F(CopyProtocol, CopiesInByExecute) {
  expect_same(Script()
                  .parse("", "COPY lines FROM STDIN")
                  .bind("", "")
                  .describe('P', "")
                  .execute()
                  .sync_more()
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_done()
                  .sync()
                  .query("SELECT * FROM lines"));
}

TEST_F(CopyProtocol, CopiesInByExecuteWithoutAnEarlySync) {
  expect_same(Script()
                  .parse("in", "COPY lines FROM STDIN")
                  .bind("", "in")
                  .execute()
                  .flush()
                  .wait('G')
                  .copy_data("1\tone\n")
                  .copy_data("2\ttwo\n")
                  .copy_done()
                  .sync()
                  .bind("", "in")
                  .execute()
                  .flush()
                  .wait('G')
                  .copy_data("3\tthree\n")
                  .copy_fail("no")
                  .sync()
                  .query("SELECT * FROM lines"));
}

TEST_F(CopyProtocol, FailsByExecuteAndSkipsToSync) {
  expect_same(Script()
                  .parse("", "COPY items (id, price) FROM STDIN")
                  .bind("", "")
                  .execute()
                  .flush()
                  .wait('G')
                  .copy_data("x\ty\n")
                  .copy_data("30\t1\n")
                  .copy_done()
                  .run("SELECT 'skipped'")
                  .sync()
                  .run("SELECT count(*) FROM items")
                  .sync());
}

TEST_F(CopyProtocol, CopiesOutByExecute) {
  expect_same(Script()
                  .parse("out", "COPY (SELECT id FROM items ORDER BY id) TO STDOUT")
                  .bind("", "out")
                  .describe('P', "")
                  .execute()
                  .sync()
                  .bind("", "out")
                  .execute()
                  .run("SELECT 'behind'")
                  .sync());
}

TEST_F(CopyProtocol, IgnoresStrayCopyMessages) {
  expect_same(Script().copy_data("1\tone\n").copy_done().copy_fail("x").query("SELECT count(*) FROM lines"));
}

TEST_F(CopyProtocol, CopiesManyRowsBothWays) {
  std::string rows;
  for (int i = 0; i < 20000; ++i) rows += std::to_string(i) + "\trow number " + std::to_string(i) + "\n";
  Script script;
  script.query_more("COPY lines FROM STDIN").wait('G');
  for (std::size_t at = 0; at < rows.size(); at += 30011) script.copy_data(Bytes(rows).substr(at, 30011));
  script.copy_done().wait().query("SELECT count(*), sum(id) FROM lines").query("COPY lines TO STDOUT");
  expect_same(script, {Pace::kSteps, Pace::kPipeline});
}

}  // namespace
}  // namespace howdah::e2e
