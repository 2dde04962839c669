// Cursors on several shards: one space of names, as on one server.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/start.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah {
namespace {

using e2e::RawClient;
using e2e::Script;
using testing::PgConn;

class ShardedCursors : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::PgCluster::Options options;
    options.shards = 2;
    options.twin = true;
    cluster_ = std::make_unique<testing::PgCluster>(options);
    cluster_->run_everywhere("GRANT ALL ON SCHEMA public TO app");
    testing::HowdahOptions howdah;
    howdah.tables = "users: { hash: id }";
    howdah_ = e2e::start(*cluster_, howdah);
    for (const char* sql : {"CREATE TABLE users (id bigint PRIMARY KEY, name text)"}) {
      howdah_->connect().must(sql);
      PgConn(cluster_->twin().url("app")).must(sql);
    }
    for (int id = 1; id <= 8; ++id) {
      const std::string sql = "INSERT INTO users VALUES (" + std::to_string(id) + ", 'n" + std::to_string(id) + "')";
      howdah_->connect().must(sql);
      PgConn(cluster_->twin().url("app")).must(sql);
    }
    first_ = on_shard("s0");
    second_ = on_shard("s1");
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }

  // A user who lives there.
  static std::string on_shard(const std::string& shard) {
    PgConn client = howdah_->connect();
    for (int id = 1; id <= 8; ++id) {
      client.must("SELECT FROM users WHERE id = " + std::to_string(id));
      if (client.must("SHOW howdah.route").scalar() == shard) return std::to_string(id);
    }
    ADD_FAILURE() << "no user lives on shard " << shard;
    return "1";
  }
  static std::string declare(const std::string& name, const std::string& id, const std::string& options = "") {
    return "DECLARE " + name + " CURSOR " + options + " FOR SELECT name FROM users WHERE id = " + id;
  }
  static void same(const Script& script) {
    RawClient direct(cluster_->twin().port()), through(howdah_->port());
    direct.log_in();
    through.log_in();
    EXPECT_EQ(e2e_prepared::say(through, script), e2e_prepared::say(direct, script));
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
  static std::string first_, second_;
};
std::unique_ptr<testing::PgCluster> ShardedCursors::cluster_;
std::unique_ptr<testing::HowdahProcess> ShardedCursors::howdah_;
std::string ShardedCursors::first_, ShardedCursors::second_;

TEST_F(ShardedCursors, NamesAreOneSpace) {
  same(Script().query("BEGIN").query(declare("d", first_)).query(declare("d", second_)).query("ROLLBACK"));
  same(Script().query("BEGIN").query(declare("d", first_)).query("CLOSE d").query(declare("d", second_)).query("FETCH d").query("COMMIT"));
  same(Script().query("BEGIN").query(declare("d", first_)).query(declare("e", second_)).query("FETCH d").query("FETCH e").query("MOVE d").query("FETCH d").query("COMMIT"));
  same(Script().query("BEGIN").query(declare("d", first_)).query("COMMIT").query("BEGIN").query(declare("d", second_)).query("FETCH d").query("COMMIT"));
}

TEST_F(ShardedCursors, SavepointsTakeThemBack) {
  same(Script().query("BEGIN").query("SAVEPOINT a").query(declare("d", first_)).query("ROLLBACK TO a").query(declare("d", second_)).query("FETCH d").query("COMMIT"));
  same(Script().query("BEGIN").query(declare("d", first_)).query("SAVEPOINT a").query(declare("e", second_)).query("ROLLBACK TO a").query("FETCH d")
           .query(declare("d", second_)).query("ROLLBACK"));
}

TEST_F(ShardedCursors, CloseAllReachesEveryShard) {
  for (const char* more : {"FETCH d", "FETCH e"}) {
    same(Script().query("BEGIN").query(declare("d", first_)).query(declare("e", second_)).query("CLOSE ALL").query(more).query("ROLLBACK"));
  }
  same(Script().query("BEGIN").query(declare("d", first_)).query(declare("e", second_)).query("CLOSE ALL").query(declare("d", second_)).query(declare("e", first_))
           .query("FETCH d").query("FETCH e").query("COMMIT"));
  same(Script().query("BEGIN").query(declare("d", first_)).query(declare("e", second_)).run("CLOSE ALL").sync().query(declare("d", second_)).query("FETCH d").query("COMMIT"));
}

TEST_F(ShardedCursors, HeldOnesStayWhereTheyAre) {
  const Script two = Script().query(declare("d", first_, "WITH HOLD")).query(declare("e", second_, "WITH HOLD"));
  same(Script(two).query("FETCH d").query("FETCH e").query("FETCH e").query(declare("d", second_)).query("CLOSE ALL").query("FETCH d").query("FETCH e"));
  same(Script(two).query("BEGIN").query("FETCH e").query("ROLLBACK").query("FETCH e").query("CLOSE d").query(declare("d", second_, "WITH HOLD")).query("FETCH d"));
  same(Script(two).query("BEGIN").query("CLOSE d").query("ROLLBACK").query("FETCH d").query("CLOSE ALL"));
}

TEST_F(ShardedCursors, StringsOfStatements) {
  same(Script().query("BEGIN").query(declare("d", first_) + "; " + declare("e", second_) + "; FETCH d; FETCH e").query("COMMIT"));
  same(Script().query("BEGIN").query(declare("d", first_)).query("FETCH d; CLOSE d; " + declare("d", second_) + "; FETCH d").query("COMMIT"));
  same(Script().query("BEGIN").query(declare("d", first_)).query("SELECT 1; " + declare("d", second_)).query("ROLLBACK"));
  same(Script().query("BEGIN").query(declare("d", first_)).query("SELECT name FROM users WHERE id = " + second_ + "; FETCH d").query("ROLLBACK"));
}

TEST_F(ShardedCursors, PortalsAndCursorsShareTheirNames) {
  const std::string find = "SELECT name FROM users WHERE id = $1";
  same(Script().query("BEGIN").parse("find", find).bind("p", "find", {first_}).sync().query(declare("p", second_)).query("ROLLBACK"));
  same(Script().query("BEGIN").query(declare("p", first_)).parse("find", find).bind("p", "find", {second_}).execute("p").sync().query("ROLLBACK"));
  same(Script().query("BEGIN").query("SAVEPOINT a").parse("find", find).bind("p", "find", {first_}).sync().query("ROLLBACK TO a").query(declare("p", second_))
           .query("FETCH p").query("ROLLBACK"));
}

// A lock is one for all, whatever its string also does.
TEST_F(ShardedCursors, AdvisoryLocksOfAStringAreSharedByAll) {
  for (const auto& id : {first_, second_}) {
    PgConn holder = howdah_->connect(), other = howdah_->connect();
    holder.must("BEGIN");
    holder.must("SELECT name FROM users WHERE id = " + id + "; SELECT pg_advisory_xact_lock(77)");
    EXPECT_EQ(other.must("SELECT pg_try_advisory_xact_lock(77)").scalar(), "f") << id;
    holder.must("COMMIT");
    EXPECT_EQ(other.must("SELECT pg_try_advisory_xact_lock(77)").scalar(), "t") << id;
  }
}

// JDBC's fetch size: rows of several shards, a few at a time.
TEST_F(ShardedCursors, FetchesAFewRowsOfAllShardsAtATime) {
  const auto fetch = [](const std::string& sql, int size, int times) {
    Script script;
    script.query("BEGIN").parse("s", sql).bind("p", "s").describe('P', "p").execute("p", size).sync();
    for (int i = 1; i < times; ++i) script.execute("p", size).sync();
    return script;
  };
  const std::string all = "SELECT id, name FROM users ORDER BY id";
  for (const int size : {1, 3, 4, 8, 9}) same(fetch(all, size, 5).query("COMMIT"));
  same(fetch("SELECT name, count(*) FROM users GROUP BY name ORDER BY name", 3, 4).query("COMMIT"));
  same(fetch("SELECT id FROM users WHERE id > 100", 3, 2).query("COMMIT"));
  // The rest at once; other statements in between; all of it in one pipeline.
  same(Script().query("BEGIN").parse("s", all).bind("p", "s").execute("p", 3).sync().query("SELECT name FROM users WHERE id = 5").execute("p").sync().query("COMMIT"));
  same(Script().query("BEGIN").parse("s", all).bind("p", "s").execute("p", 3).bind("q", "s").execute("q", 2).execute("p", 3).execute("q", 100).execute("p", 2).execute("p", 2).sync().query("COMMIT"));
  same(Script().query("BEGIN").parse("s", all).bind("p", "s").execute("p", 3).sync().close('P', "p").execute("p", 3).sync().query("ROLLBACK"));
  // Without a transaction a portal ends at Sync.
  same(Script().parse("s", all).bind("p", "s").execute("p", 3).sync().execute("p", 3).sync());
  same(Script().parse("s", "SELECT 1 / (id - 5) FROM users WHERE id > 4 ORDER BY id").bind("p", "s").execute("p", 3).sync().query("SELECT 1"));
  same(fetch("UPDATE users SET name = name RETURNING 1", 3, 3).query("ROLLBACK"));
}

TEST_F(ShardedCursors, PortalsOfAllShardsRunOnce) {
  same(Script().query("BEGIN").parse("s", "SELECT id FROM users ORDER BY id").bind("p", "s").execute("p").execute("p").sync().execute("p").sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", "UPDATE users SET name = name || 'x'").bind("p", "s").execute("p").sync().execute("p").sync().query("ROLLBACK"));
  same(Script().query("BEGIN").parse("s", "INSERT INTO users VALUES (100, 'a'), (101, 'b'), (102, 'c')").bind("p", "s").execute("p").execute("p").sync().query("ROLLBACK"));
}

TEST_F(ShardedCursors, ReadsAllShards) {
  const std::string all = "DECLARE c CURSOR FOR SELECT id, name FROM users ORDER BY id";
  same(Script().query("BEGIN").query(all).query("FETCH c").query("FETCH 3 FROM c").query("MOVE 1 IN c").query("FETCH FORWARD 2 c").query("FETCH ALL IN c").query("FETCH NEXT c").query("CLOSE c").query("FETCH c").query("ROLLBACK"));
  same(Script().query("BEGIN").query("declare \"C\" no scroll cursor without hold for select name, count(*) from users group by name order by 1 limit 5").query("FETCH FORWARD ALL FROM \"C\"").query("MOVE ALL \"C\"").query("COMMIT").query("FETCH \"C\""));
  same(Script().query("BEGIN").query(all).query("UPDATE users SET name = 'later'").query("FETCH 100 c").query("CLOSE ALL").query("FETCH c").query("ROLLBACK"));
  same(Script().query("BEGIN").query(all).query(all).query("ROLLBACK").query("SELECT 1"));
  same(Script().query("BEGIN").query(all).query("DECLARE c CURSOR FOR SELECT 1").query("ROLLBACK"));
  same(Script().query("BEGIN").query(declare("c", first_)).query(all).query("ROLLBACK"));
  same(Script().query("BEGIN").query("SAVEPOINT s").query(all).query("ROLLBACK TO s").query("FETCH c").query("ROLLBACK"));
  same(Script().query(all));
  same(Script().query("BEGIN; " + all + "; FETCH 2 c; FETCH 2 c; COMMIT"));
}

// PREPARE and EXECUTE in SQL, of statements that run on all shards.
TEST_F(ShardedCursors, SqlExecutesOnAllShards) {
  const std::string read = "PREPARE s(bigint, text) AS SELECT id, name, $2 AS more FROM users WHERE id > $1 ORDER BY id";
  same(Script().query(read).query("EXECUTE s(3, 'x')").query("EXECUTE s('5', NULL)").query("EXECUTE s(100, 'x')").query("EXECUTE s(1)").query("EXECUTE s(1, 'a', 'b')"));
  same(Script().query("BEGIN").query(read).query("EXECUTE s(-3, E'a\\n')").query("UPDATE users SET name = 'z' WHERE id = 4").query("EXECUTE s(2, 'b')").query("ROLLBACK").query("EXECUTE s(6, 'c')"));
  same(Script().query(read).run("EXECUTE s(3, 'x')").sync().parse("e", "EXECUTE s(1, 'y')").describe('S', "e").bind("p", "e", {}, {1}).describe('P', "p").execute("p").sync());
  same(Script().query(read).query("BEGIN").parse("e", "EXECUTE s(1, 'y')").bind("p", "e").execute("p", 3).sync().execute("p", 3).sync().execute("p", 3).sync().query("COMMIT"));
  same(Script().query("PREPARE a(int) AS SELECT name || $1, count(*) FROM users GROUP BY 1 ORDER BY 1").query("EXECUTE a(1)"));
  same(Script().query("PREPARE l(bigint) AS SELECT id FROM users ORDER BY id DESC LIMIT $1").query("EXECUTE l(3)").query("EXECUTE l(NULL)"));
  same(Script().query("PREPARE u(text) AS UPDATE users SET name = $1 WHERE id > 2").query("BEGIN").query("EXECUTE u('new')").query("SELECT name FROM users ORDER BY id").query("ROLLBACK"));
  same(Script().query("PREPARE u(text) AS UPDATE users SET name = $1 WHERE id > 2 RETURNING name").query("BEGIN").query("EXECUTE u('new')").run("EXECUTE u('newer')").sync().query("ROLLBACK"));
  same(Script().query("PREPARE i(bigint, bigint) AS INSERT INTO users VALUES ($1, 'a'), ($2, 'b'), (203, 'c')").query("BEGIN").query("EXECUTE i(201, 202)").query("SELECT count(*) FROM users").query("ROLLBACK"));
  // What PostgreSQL would compute or cast is not guessed.
  for (const char* arguments : {"1 + 1, 'x'", "1.5, 'x'", "3, 4", "true, 'x'"}) {
    RawClient through(howdah_->port());
    through.log_in();
    const auto lines = e2e_prepared::say(through, Script().query(read).query(std::string("EXECUTE s(") + arguments + ")"));
    EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const auto& line) { return line.find("0A000") != std::string::npos; })) << arguments;
  }
}

}  // namespace
}  // namespace howdah
