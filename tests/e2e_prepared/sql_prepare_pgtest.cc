// PREPARE, EXECUTE and DEALLOCATE in SQL: the same names as those of Parse, on whichever server connection comes.
// https://www.postgresql.org/docs/15/sql-prepare.html
#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"
#include "tests/support/pg_conn.h"

namespace howdah::e2e_prepared {
namespace {

using testing::PgConn;

class SqlPrepare : public PreparedTest {
 protected:
  SqlPrepare() : PreparedTest("{ mode: transaction, size: 1, prepared_statements: 2 }") {}
};

TEST_F(SqlPrepare, RunsByEveryWay) {
  expect_same(Script()
                  .query("PREPARE get (int) AS SELECT name FROM items WHERE id = $1")
                  .query("EXECUTE get(2)")
                  .query("EXECUTE \"get\" (1 + 2)")
                  .query("EXPLAIN (COSTS OFF) EXECUTE get(2)")
                  .query("CREATE TABLE made AS EXECUTE get(4)")
                  .query("SELECT * FROM made")
                  .bind("", "get", {"5"})
                  .describe('P', "")
                  .execute()
                  .describe('S', "get")
                  .sync()
                  .query("DEALLOCATE get")
                  .query("EXECUTE get(2)")
                  .bind("", "get", {"5"})
                  .sync());
}

TEST_F(SqlPrepare, RunsWhatParsePrepared) {
  expect_same(Script()
                  .parse("get", "SELECT name FROM items WHERE id = $1")
                  .sync()
                  .query("EXECUTE get(2)")
                  .query("EXECUTE get('3')")
                  .query("PREPARE get AS SELECT 1")
                  .parse("get", "SELECT 2")
                  .sync()
                  .query("DEALLOCATE get"));
}

TEST_F(SqlPrepare, FailsInPostgresWords) {
  expect_same(Script()
                  .query("PREPARE s AS SELECT nosuch FROM items")
                  .query("PREPARE a_rather_long_name_for_a_statement AS SELECT nosuch FROM items")
                  .query("EXECUTE s")
                  .query("PREPARE s (int) AS SELECT $1")
                  .query("PREPARE s (int) AS SELECT $1 + 1")
                  .query("PREPARE s (int) AS SELECT nosuch")
                  .query("EXECUTE s")
                  .query("EXECUTE s(1, 2)")
                  .query("EXECUTE s('x')")
                  .query("EXECUTE s(nosuch)")
                  .query("EXECUTE s(1/0)")
                  .query("EXECUTE s(now())")
                  .query("PREPARE t (nosuchtype) AS SELECT $1")
                  .query("PREPARE t AS SELECT $1")
                  .query("EXECUTE missing(1)")
                  .query("DEALLOCATE missing"));
}

TEST_F(SqlPrepare, TakesPartInTransactions) {
  expect_same(Script()
                  .query("BEGIN")
                  .query("PREPARE add AS INSERT INTO lines VALUES ($1, $2) RETURNING *")
                  .query("EXECUTE add(1, 'one')")
                  .query("ROLLBACK")
                  .query("SELECT * FROM lines")
                  .query("EXECUTE add(2, 'two')")
                  .query("BEGIN")
                  .query("EXECUTE nosuch")
                  .query("PREPARE later AS SELECT 1")
                  .query("EXECUTE add(3, 'three')")
                  .query("COMMIT")
                  .query("EXECUTE later")
                  .query("SELECT * FROM lines"));
}

TEST_F(SqlPrepare, WorksInStringsOfStatements) {
  expect_same(Script()
                  .query("PREPARE a AS SELECT 'a'; EXECUTE a; DEALLOCATE a")
                  .query("INSERT INTO lines VALUES (1, 'x'); PREPARE bad AS SELECT nosuch; SELECT 2")
                  .query("SELECT * FROM lines")
                  .query("PREPARE b AS INSERT INTO lines VALUES (2, 'y')")
                  .query("EXECUTE b; SELECT 1/0")
                  .query("SELECT * FROM lines")
                  .query("EXECUTE b; SELECT 'more'; EXECUTE b")
                  .query("SELECT * FROM lines"));
}

TEST_F(SqlPrepare, WorksByTheExtendedProtocol) {
  expect_same(Script()
                  .run("PREPARE s (int) AS SELECT $1 + 1")
                  .sync()
                  .run("EXECUTE s(41)")
                  .sync()
                  .parse("e", "EXECUTE s(1)")
                  .describe('S', "e")
                  .bind("", "e")
                  .execute()
                  .sync()
                  .run("EXECUTE missing(1)")
                  .sync()
                  .run("EXPLAIN (COSTS OFF) EXECUTE s(1)")
                  .sync()
                  .run("DEALLOCATE s")
                  .sync()
                  .bind("", "e")
                  .execute()
                  .sync());
}

TEST_F(SqlPrepare, IsEachClientsOwnOnOneSharedConnection) {
  PgConn one = howdah_->connect(), two = howdah_->connect();
  one.must("PREPARE s AS SELECT 'one'");
  two.must("PREPARE s AS SELECT 'two'");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(one.query("EXECUTE s").scalar(), "one");
    EXPECT_EQ(two.query("EXECUTE s").scalar(), "two");
    // Others push the statements out of the connection in between.
    two.must("PREPARE t" + std::to_string(i) + " AS SELECT " + std::to_string(i));
    EXPECT_EQ(two.query("EXECUTE t" + std::to_string(i)).scalar(), std::to_string(i));
  }
  EXPECT_EQ(one.query("EXECUTE t0").sqlstate, "26000");
}

TEST(ShardedSqlPrepare, RunsWhereItsArgumentsSay) {
  testing::PgCluster cluster({.shards = 2});
  cluster.run_everywhere("GRANT ALL ON SCHEMA public TO app");
  testing::HowdahOptions options;
  options.tables = "users: { hash: id }";
  auto howdah = e2e::start(cluster, options);
  PgConn client = howdah->connect();
  client.must("CREATE TABLE users (id bigint PRIMARY KEY, name text)");
  client.must("PREPARE add (bigint, text) AS INSERT INTO users VALUES ($1, $2)");
  client.must("PREPARE get AS SELECT name FROM users WHERE id = $1");
  for (int i = 1; i <= 20; ++i) {
    const std::string number = std::to_string(i);
    client.must("EXECUTE add(" + number + ", 'user " + number + "')");
    EXPECT_EQ(client.query("EXECUTE get('" + number + "')").scalar(), "user " + number);
  }
  long rows = 0;
  for (int shard = 0; shard < 2; ++shard) {
    PgConn straight(cluster.primary(shard).superuser_url());
    const long here = std::stol(straight.scalar("SELECT count(*) FROM users"));
    EXPECT_GT(here, 0);
    rows += here;
  }
  EXPECT_EQ(rows, 20);
  EXPECT_EQ(client.query("EXECUTE get(1 + 1)").sqlstate, "0A000");
  client.must("PREPARE all_of_them AS UPDATE users SET name = 'x'");
  client.must("EXECUTE all_of_them");
  EXPECT_EQ(client.query("SELECT count(*) FROM users WHERE name = 'x'").scalar(), "20");
}

// Parsed on a replica, executed in a transaction that writes: the primary learns it then.
TEST(PreparedOnAReplica, RunsOnThePrimaryInAWritingTransaction) {
  testing::PgCluster cluster({.shards = 1, .replicas = 1});
  cluster.run_everywhere("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE lines (id int, body text)");
  cluster.wait_replayed();
  auto howdah = e2e::start(cluster, {});
  RawClient client(howdah->port());
  client.log_in();
  ASSERT_TRUE(client.logged_in());
  const Script read = Script().bind("", "get", {"1"}).execute().sync();
  say(client, Script().parse("get", "SELECT body FROM lines WHERE id = $1").describe('S', "get").sync());
  say(client, read);
  EXPECT_EQ(say(client, Script().query("BEGIN").query("INSERT INTO lines VALUES (1, 'mine')")).back(), "ReadyForQuery T");
  EXPECT_EQ(say(client, read), (std::vector<std::string>{"2 ", "DataRow mine", "CommandComplete SELECT 1", "ReadyForQuery T"}));
  EXPECT_EQ(say(client, Script().query("COMMIT")).back(), "ReadyForQuery I");
  EXPECT_EQ(say(client, read).at(1), "DataRow mine");
}

}  // namespace
}  // namespace howdah::e2e_prepared
