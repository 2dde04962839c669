// The messages between two Syncs on several shards: one transaction, as on one server, however it ends.
#include <gtest/gtest.h>

#include "tests/e2e/start.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah::e2e_prepared {
namespace {

using e2e::RawClient;
using e2e::Script;
using testing::PgConn;

class ShardedGroups : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::PgCluster::Options options;
    options.shards = 2;
    options.twin = true;
    cluster_ = std::make_unique<testing::PgCluster>(options);
    cluster_->run_everywhere("GRANT ALL ON SCHEMA public TO app");
    testing::HowdahOptions howdah;
    howdah.tables = "users: { hash: id }\nrates: { reference: true }";
    howdah_ = e2e::start(*cluster_, howdah);
    for (const char* sql : {"CREATE TABLE users (id bigint PRIMARY KEY, name text)", "CREATE TABLE rates (id int PRIMARY KEY)"}) {
      howdah_->connect().must(sql);
      PgConn(cluster_->twin().url("app")).must(sql);
    }
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }

  // What one PostgreSQL sends, and the rows that it keeps, are Howdah's too.
  static void same(const Script& script) {
    RawClient direct(cluster_->twin().port()), through(howdah_->port());
    direct.log_in();
    through.log_in();
    EXPECT_EQ(answers(through, script), answers(direct, script));
    EXPECT_EQ(rows(true), rows(false));
  }
  // Without BindComplete and NoData, which do not come before an error where a statement runs on all shards.
  static std::vector<std::string> answers(RawClient& client, const Script& script) {
    auto lines = say(client, script);
    std::erase_if(lines, [](const std::string& line) { return line == "2 " || line == "n "; });
    return lines;
  }
  static std::string rows(bool through) {
    PgConn client = through ? howdah_->connect() : PgConn(cluster_->twin().url("app"));
    return client.must("SELECT id, name FROM users ORDER BY id").text() + " / " + client.must("SELECT id FROM rates ORDER BY id").text();
  }
  static Script insert(std::initializer_list<int> ids) {
    Script script;
    script.parse("add", "INSERT INTO users VALUES ($1, 'new')");
    for (const int id : ids) script.bind("", "add", {std::to_string(id)}).execute();
    return script;
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> ShardedGroups::cluster_;
std::unique_ptr<testing::HowdahProcess> ShardedGroups::howdah_;

TEST_F(ShardedGroups, EndWithSync) {
  same(insert({1, 2, 3, 4}).sync());
  same(insert({5, 6, 7, 1}).sync());
}

TEST_F(ShardedGroups, EndWithASimpleQuery) {
  same(insert({11, 12, 13, 14}).query("SELECT name FROM users WHERE id = 11").query("SELECT 1"));
  same(insert({15, 16, 17, 18}).query("SELECT 1 / 0").query("SELECT 1"));
  same(insert({15, 16, 17, 11}).query_more("SELECT 1").sync().query("SELECT 1"));
}

TEST_F(ShardedGroups, EndWithCommitOrRollback) {
  same(insert({21, 22, 23, 24}).run("ROLLBACK").sync());
  same(insert({25, 26, 27, 28}).run("COMMIT").bind("", "add", {"29"}).execute().run("SELECT 1 / 0").sync());
  same(insert({31, 32, 33, 34}).query("ROLLBACK").query("SELECT 1"));
  same(insert({35, 36, 37, 38}).query("COMMIT").query("SELECT 1"));
}

TEST_F(ShardedGroups, BecomeABlockWithBegin) {
  same(insert({41, 42, 43, 44}).run("BEGIN").sync().query("INSERT INTO users VALUES (45, 'x')").query("ROLLBACK"));
  same(insert({41, 42, 43, 44}).query("BEGIN").query("INSERT INTO users VALUES (45, 'x')").query("COMMIT"));
  same(insert({46, 47, 48, 49}).query("BEGIN").query("SELECT 1 / 0").query("COMMIT"));
}

// Ids 1 to 4 are on both shards.
TEST_F(ShardedGroups, SettingsMadeOnOneShardHoldOnTheNext) {
  const std::string read = "SELECT current_setting('app.user', true), id FROM users WHERE id = ";
  for (const std::string local : {"true", "false"}) {
    std::string string = "BEGIN; SELECT set_config('app.user', '" + local + "', " + local + ")";
    Script pipeline = Script().run("BEGIN").run("SELECT set_config('app.user', $1, " + local + ")", {"p" + local});
    for (const char* id : {"1", "2", "3", "4"}) {
      string += "; " + read + id;
      pipeline.run(read + "$1", {id});
    }
    same(Script().query(string + "; COMMIT"));
    same(pipeline.run("COMMIT").sync());
  }
}

TEST_F(ShardedGroups, SetTransactionHoldsOnEveryShard) {
  for (const char* id : {"1", "2", "3", "4"}) {
    const std::string update = std::string("UPDATE users SET name = 'written' WHERE id = ") + id;
    same(Script().query("BEGIN").query("SELECT name FROM users WHERE id = 1").query("SET TRANSACTION READ ONLY").query(update).query("COMMIT"));
    same(Script().query("BEGIN").query("SAVEPOINT a").query("SET TRANSACTION READ ONLY").query("ROLLBACK TO a").query(update).query("ROLLBACK"));
    same(Script().query("BEGIN").query("SAVEPOINT a").query("BEGIN READ ONLY").query("ROLLBACK TO a").query(update).query("ROLLBACK"));
    same(Script().run("BEGIN").run("SELECT name FROM users WHERE id = 1").run("SET TRANSACTION READ ONLY").run(update).sync().query("COMMIT"));
  }
}

TEST_F(ShardedGroups, TakeReferenceTablesAlong) {
  same(Script().run("INSERT INTO rates VALUES (1)").run("INSERT INTO rates VALUES (2)").sync());
  same(Script().run("INSERT INTO rates VALUES (3)").run("INSERT INTO rates VALUES (1)").sync());
  same(Script().run("INSERT INTO rates VALUES (4)").run("SELECT 1 / 0").sync());
  same(Script().run("INSERT INTO rates VALUES (5)").query("SELECT 1 / 0").query("SELECT 1"));
}

TEST_F(ShardedGroups, TakeTableDefinitionsAlong) {
  same(Script().run("ALTER TABLE users ADD COLUMN gone int").run("SELECT 1 / 0").sync());
  same(Script().run("ALTER TABLE users ADD COLUMN kept int").sync());
  for (int shard = 0; shard < 2; ++shard) {
    PgConn straight(cluster_->primary(shard).superuser_url());
    EXPECT_EQ(straight.scalar("SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND "
                              "attnum > 0 AND NOT attisdropped"),
              "id,name,kept");
  }
}

}  // namespace
}  // namespace howdah::e2e_prepared
