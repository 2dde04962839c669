// Cursors on several shards: one space of names, as on one server.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace howdah
