// The simple query protocol through Howdah, compared with PostgreSQL message by message.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.4
#include "tests/e2e/protocol_fixture.h"
#include "tests/e2e/transcript.h"

namespace howdah::e2e {
namespace {

class SimpleProtocol : public ProtocolTest {};

TEST_F(SimpleProtocol, WelcomesLikePostgresql) {
  RawClient direct(cluster().primary().port()), proxied(howdah().port());
  EXPECT_EQ(to_lines(proxied.log_in()), to_lines(direct.log_in()));
}

TEST_F(SimpleProtocol, AnswersOneStatement) {
  expect_same(Script()
                  .query("SELECT 1 AS a, NULL AS b, 'x'::text AS c")
                  .query("SELECT * FROM items ORDER BY id")
                  .query("INSERT INTO items VALUES (10, 'ten', 10) RETURNING *")
                  .query("UPDATE items SET price = 0")
                  .query("DELETE FROM items WHERE id > 3")
                  .query("VALUES (1), (2)")
                  .query("SELECT"));
}

TEST_F(SimpleProtocol, AnswersEmptyStrings) {
  expect_same(Script()
                  .query("")
                  .query(" \n ")
                  .query(";")
                  .query(";;;")
                  .query("-- nothing")
                  .query("/* nothing /* at */ all */")
                  .query("/* before */ SELECT 1 -- after")
                  .query("; SELECT 1 ;; SELECT 2 ;"));
}

TEST_F(SimpleProtocol, RunsSeveralStatementsOfOneString) {
  expect_same(
      Script()
          .query("SELECT 1; SELECT 2, 3; SELECT 'x' WHERE false")
          .query("INSERT INTO lines VALUES (1, 'a'); UPDATE lines SET body = 'b'; SELECT * FROM lines")
          .query("SELECT count(*) FROM lines"));
}

TEST_F(SimpleProtocol, DropsTheRestOfAStringAfterAnError) {
  expect_same(Script()
                  .query("INSERT INTO lines VALUES (1, 'a'); SELECT 1/0; SELECT 'never'")
                  .query("SELECT count(*) FROM lines")
                  .query("SELECT 1; SELEC 2; SELECT 3")
                  .query("SELECT 1; SELECT no_such_column; SELECT 3")
                  .query("INSERT INTO lines VALUES (1, 'a'); INSERT INTO items VALUES (1)")
                  .query("SELECT count(*) FROM lines"));
}

TEST_F(SimpleProtocol, PutsErrorsWhereTheTextHasThem) {
  expect_same(Script()
                  .query("SELECT 1 FROM missing")
                  .query("SELECT 1;\n  SELECT 2 FROM missing")
                  .query("BEGIN; SELECT 1 FROM missing")
                  .query("ROLLBACK")
                  .query("SELECT 'ü', nothing")
                  .query("SELECT 'unfinished")
                  .query("SELECT \"unfinished")
                  .query("SELECT /* unfinished")
                  .query("SELECT $1")
                  .query("INSERT INTO items VALUES (9, 'x', -1)")
                  .query("INSERT INTO items VALUES (1, 'x', 1)"));
}

TEST_F(SimpleProtocol, WarnsAboutTransactionsBegunTwiceOrNotAtAll) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("BEGIN")
                  .query("SELECT 1")
                  .query("BEGIN")
                  .query("COMMIT")
                  .query("COMMIT")
                  .query("ROLLBACK")
                  .query("END")
                  .query("ABORT")
                  .query("START TRANSACTION")
                  .query("COMMIT WORK"));
}

TEST_F(SimpleProtocol, ChainsTransactions) {
  expect_same(Script()
                  .query("BEGIN ISOLATION LEVEL REPEATABLE READ")
                  .query("INSERT INTO lines VALUES (1, 'kept')")
                  .query("COMMIT AND CHAIN")
                  .query("SHOW transaction_isolation")
                  .query("INSERT INTO lines VALUES (2, 'dropped')")
                  .query("ROLLBACK AND CHAIN")
                  .query("SHOW transaction_isolation")
                  .query("SELECT * FROM lines")
                  .query("COMMIT")
                  .query("SHOW transaction_isolation")
                  .query("COMMIT AND CHAIN")
                  .query("ROLLBACK AND CHAIN"));
}

TEST_F(SimpleProtocol, ChainsAfterAFailedTransaction) {
  expect_same(Script()
                  .query("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY")
                  .query("SELECT 1/0")
                  .query("COMMIT AND CHAIN")
                  .query("SHOW transaction_isolation")
                  .query("SHOW transaction_read_only")
                  .query("INSERT INTO lines VALUES (1, 'x')")
                  .query("ROLLBACK"));
}

TEST_F(SimpleProtocol, RefusesStatementsInAFailedTransaction) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("SELECT 1/0")
                  .query("SELECT 1")
                  .query("")
                  .query("SELEC")
                  .query("SAVEPOINT a")
                  .query("RELEASE a")
                  .query("BEGIN")
                  .query("SET work_mem = '1MB'")
                  .query("COMMIT")
                  .query("SELECT 1"));
}

TEST_F(SimpleProtocol, SavesAndRollsBackToSavepoints) {
  expect_same(Script()
                  .query("SAVEPOINT a")
                  .query("ROLLBACK TO a")
                  .query("RELEASE a")
                  .query("BEGIN")
                  .query("SAVEPOINT a")
                  .query("INSERT INTO lines VALUES (1, 'a')")
                  .query("SAVEPOINT b")
                  .query("INSERT INTO lines VALUES (2, 'b')")
                  .query("SELECT 1/0")
                  .query("ROLLBACK TO b")
                  .query("INSERT INTO lines VALUES (3, 'c')")
                  .query("SELECT 1/0")
                  .query("ROLLBACK TO SAVEPOINT a")
                  .query("INSERT INTO lines VALUES (4, 'd')")
                  .query("RELEASE SAVEPOINT a")
                  .query("COMMIT")
                  .query("SELECT * FROM lines"));
}

TEST_F(SimpleProtocol, RefusesWritesInReadOnlyTransactions) {
  expect_same(Script()
                  .query("BEGIN READ ONLY")
                  .query("SELECT count(*) FROM items")
                  .query("INSERT INTO lines VALUES (1, 'x')")
                  .query("SELECT 1")
                  .query("ROLLBACK")
                  .query("BEGIN; SET TRANSACTION READ ONLY; DELETE FROM items; COMMIT")
                  .query("ROLLBACK")
                  .query("START TRANSACTION READ ONLY")
                  .query("SET TRANSACTION READ WRITE")
                  .query("INSERT INTO lines VALUES (1, 'x')")
                  .query("COMMIT")
                  .query("SELECT count(*) FROM lines"));
}

// The same backend answers from the first statement of a transaction to its end, whatever fails in between.
TEST_F(SimpleProtocol, KeepsItsServerThroughFailuresAndSavepoints) {
  RawClient client(howdah().port());
  client.log_in();
  const auto backend = [&] {
    for (const auto& message : client.query("SELECT pg_backend_pid()")) {
      if (message.type == 'D') return to_line(message);
    }
    return std::string("none");
  };
  client.query("BEGIN");
  const std::string first = backend();
  for (int i = 0; i < 3; ++i) {
    client.query("SAVEPOINT a");
    EXPECT_EQ(first_sqlstate(client.query("SELECT 1/0")), "22012");
    EXPECT_EQ(client.query("SELECT 1").back().body, "E");
    // Meanwhile others take what is free, and do not get this one.
    testing::PgConn other = howdah().connect();
    EXPECT_NE("DataRow " + other.scalar("SELECT pg_backend_pid()"), first);
    EXPECT_EQ(client.query("ROLLBACK TO a").back().body, "T");
    EXPECT_EQ(backend(), first);
  }
  EXPECT_EQ(client.query("COMMIT").back().body, "I");
}

TEST_F(SimpleProtocol, KnowsNoSavepointTwice) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("SELECT 1")
                  .query("ROLLBACK TO missing")
                  .query("ROLLBACK")
                  .query("BEGIN")
                  .query("SAVEPOINT a")
                  .query("SELECT 1")
                  .query("SAVEPOINT a")
                  .query("INSERT INTO lines VALUES (1, 'x')")
                  .query("ROLLBACK TO a")
                  .query("RELEASE a")
                  .query("RELEASE a")
                  .query("RELEASE a")
                  .query("ROLLBACK"));
}

TEST_F(SimpleProtocol, RunsTransactionsInsideOneString) {
  expect_same(Script()
                  .query("BEGIN; INSERT INTO lines VALUES (1, 'a'); COMMIT")
                  .query("BEGIN; INSERT INTO lines VALUES (2, 'b'); ROLLBACK; SELECT * FROM lines")
                  .query("BEGIN; INSERT INTO lines VALUES (3, 'c'); SELECT 1/0; COMMIT")
                  .query("SELECT 1")
                  .query("ROLLBACK; SELECT * FROM lines"));
}

TEST_F(SimpleProtocol, FailsACommitThatADeferredConstraintForbids) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("INSERT INTO late VALUES (1), (1)")
                  .query("COMMIT")
                  .query("SELECT count(*) FROM late")
                  .query("INSERT INTO late VALUES (1), (1)")
                  .query("SELECT count(*) FROM late"));
}

TEST_F(SimpleProtocol, ReportsSettings) {
  expect_same(Script()
                  .query("SET application_name = 'mine'")
                  .query("SHOW application_name")
                  .query("SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'")
                  .query("SELECT timestamptz '2024-01-01 00:00+00'")
                  .query("RESET timezone")
                  .query("SELECT timestamptz '2024-01-01 00:00+00'")
                  .query("SET no_such_setting = 1")
                  .query("SHOW no_such_setting")
                  .query("SET client_encoding = 'LATIN1'")
                  .query("SELECT 1")
                  .query("RESET ALL")
                  .query("SHOW application_name"));
}

TEST_F(SimpleProtocol, TakesBackSettingsOfARolledBackTransaction) {
  expect_same(Script()
                  .query("SET application_name = 'before'")
                  .query("BEGIN")
                  .query("SET application_name = 'inside'")
                  .query("SET LOCAL work_mem = '2MB'")
                  .query("SHOW work_mem")
                  .query("ROLLBACK")
                  .query("SHOW application_name")
                  .query("SHOW work_mem")
                  .query("BEGIN")
                  .query("SET LOCAL application_name = 'local'")
                  .query("SHOW application_name")
                  .query("COMMIT")
                  .query("SHOW application_name"));
}

TEST_F(SimpleProtocol, TakesBackSettingsAtASavepoint) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("SET application_name = 'one'")
                  .query("SAVEPOINT a")
                  .query("SET application_name = 'two'")
                  .query("ROLLBACK TO a")
                  .query("SHOW application_name")
                  .query("COMMIT")
                  .query("SHOW application_name"));
}

TEST_F(SimpleProtocol, KeepsSettingsOfStringsThatSucceedOnly) {
  expect_same(Script()
                  .query("SET application_name = 'a'; SELECT 1; SHOW application_name")
                  .query("SET application_name = 'b'; SELECT 1/0")
                  .query("SHOW application_name"));
}

TEST_F(SimpleProtocol, DiscardsAllAndDeallocates) {
  expect_same(Script()
                  .parse("kept", "SELECT 1")
                  .sync()
                  .query("SET application_name = 'mine'")
                  .query("DISCARD ALL")
                  .query("SHOW application_name")
                  .bind("", "kept")
                  .sync()
                  .query("BEGIN")
                  .query("DISCARD ALL")
                  .query("ROLLBACK")
                  .parse("one", "SELECT 1")
                  .parse("two", "SELECT 2")
                  .sync()
                  .query("DEALLOCATE one")
                  .query("DEALLOCATE one")
                  .query("DEALLOCATE PREPARE two")
                  .query("DEALLOCATE ALL")
                  .query("DISCARD PLANS"));
}

TEST_F(SimpleProtocol, CreatesAndDropsTables) {
  expect_same(Script()
                  .query("CREATE TABLE made (id int)")
                  .query("INSERT INTO made VALUES (1)")
                  .query("CREATE TABLE IF NOT EXISTS made (id int)")
                  .query("CREATE TABLE made (id int)")
                  .query("ALTER TABLE made ADD COLUMN more text DEFAULT 'x'")
                  .query("SELECT * FROM made")
                  .query("BEGIN; DROP TABLE made; ROLLBACK")
                  .query("SELECT * FROM made")
                  .query("DROP TABLE made")
                  .query("SELECT * FROM made"));
}

TEST_F(SimpleProtocol, PassesNoticesOn) {
  expect_same(
      Script()
          .query("DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful' USING HINT = 'a hint'; END $$")
          .query("DROP TABLE IF EXISTS missing")
          .query("DO $$ BEGIN RAISE EXCEPTION 'own' USING ERRCODE = 'AB123', DETAIL = 'd'; END $$"));
}

TEST_F(SimpleProtocol, RefusesAStringWithoutItsEnd) {
  using namespace std::string_literals;
  expect_same(Script().bytes("Q\0\0\0\x0cSELECT 1"s).wait().query("SELECT 2"));
  expect_same(Script().bytes("Q\0\0\0\x0cSEL\0CT 1"s).wait().query("SELECT 2"));
}

TEST_F(SimpleProtocol, AnswersAllThatWasAskedBeforeTheClientStoppedSending) {
  const auto answers = [](std::uint16_t port) {
    RawClient client(port);
    client.log_in();
    std::string bytes;
    for (int i = 0; i < 50; ++i)
      pgwire::append_query(bytes, "SELECT " + std::to_string(i) + ", repeat('x', 10000)");
    client.send(bytes);
    client.half_close();
    auto lines = to_lines(client.until_closed());
    lines.push_back(client.closed() ? "closed" : "silence");
    return lines;
  };
  EXPECT_EQ(difference(answers(cluster().primary().port()), answers(howdah().port())), "");
}

}  // namespace
}  // namespace howdah::e2e
