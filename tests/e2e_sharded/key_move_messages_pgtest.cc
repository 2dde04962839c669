// Every message that a client gets of an UPDATE that moves rows to other shards is the one that PostgreSQL sends.
#include <gtest/gtest.h>

#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"
#include "tests/e2e_prepared/prepared_fixture.h"

namespace howdah {
namespace {

using e2e::RawClient;
using e2e::Script;
using testing::PgConn;

class KeyMoveMessages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::PgCluster::Options options;
    options.shards = 3;
    options.twin = true;
    cluster_ = std::make_unique<testing::PgCluster>(options);
    cluster_->run_everywhere("GRANT ALL ON SCHEMA public TO app");
    testing::HowdahOptions howdah;
    howdah.tables = "moved: { hash: k }";
    howdah_ = e2e::start(*cluster_, howdah);
    for (const bool through : {true, false}) {
      PgConn client = through ? howdah_->connect() : PgConn(cluster_->twin().url("app"));
      client.must("CREATE TABLE moved (k bigint PRIMARY KEY, v int CHECK (v < 1000), name text)");
    }
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }

  // `fails`: without BindComplete and NoData, which do not come before an error where a statement runs on several shards.
  static void same(const Script& script, bool fails = false) {
    std::vector<std::string> said[2], rows[2];
    for (const bool through : {true, false}) {
      PgConn client = through ? howdah_->connect() : PgConn(cluster_->twin().url("app"));
      client.must("TRUNCATE moved");
      client.must("INSERT INTO moved VALUES (1, 1, 'n'), (2, 2, 'n'), (3, 3, 'n'), (4, 4, 'n'), (5, 5, 'n'), (6, 6, 'n'), (7, 7, 'n'), (8, 8, 'n')");
      RawClient raw(through ? howdah_->port() : cluster_->twin().port());
      raw.log_in();
      said[through ? 1 : 0] = e2e_prepared::say(raw, script);
      if (fails) std::erase_if(said[through ? 1 : 0], [](const std::string& line) { return line == "2 " || line == "n "; });
      for (const auto& row : client.must("SELECT k || ' ' || v FROM moved ORDER BY k").rows) rows[through ? 1 : 0].push_back(*row[0]);
    }
    EXPECT_EQ(e2e::difference(said[0], said[1]), "");
    EXPECT_EQ(rows[0], rows[1]);
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> KeyMoveMessages::cluster_;
std::unique_ptr<testing::HowdahProcess> KeyMoveMessages::howdah_;

std::string move(int from, const std::string& rest = {}) {
  return "UPDATE moved SET k = k + 100 * " + std::to_string(from) + ", v = v * 2 WHERE k = " + std::to_string(from) + rest;
}

TEST_F(KeyMoveMessages, OfSimpleQueries) {
  for (int k = 1; k <= 5; ++k) {
    same(Script().query("UPDATE moved SET k = " + std::to_string(k + 20) + " WHERE k = " + std::to_string(k)));
    same(Script().query(move(k, " RETURNING k, v, name")));
  }
  same(Script().query("UPDATE moved SET k = 50 WHERE k > 90 RETURNING *"));
  same(Script().query("BEGIN; UPDATE moved SET k = 50, v = 5000 WHERE k IN (1, 2, 3); COMMIT").query("SELECT 1").query("ROLLBACK"));
  same(Script().query("UPDATE moved SET k = 50 WHERE k IN (1, 2, 3) AND v = 2; UPDATE moved SET k = 60 WHERE k = 50; SELECT v FROM moved WHERE k = 60"));
}

TEST_F(KeyMoveMessages, OfTheExtendedProtocol) {
  for (int k = 1; k <= 4; ++k) {
    const std::string from = std::to_string(k), to = std::to_string(k + 30);
    same(Script().parse("s", "UPDATE moved SET k = $1 WHERE k = $2").bind("", "s", {to, from}).execute().sync());
    same(Script().parse("s", "UPDATE moved SET k = $1 WHERE k = $2").bind("", "s", {to, from}).describe('P', "").execute().sync());
    same(Script().parse("s", "UPDATE moved SET k = $1 WHERE k = $2 RETURNING name, k").describe('S', "s").sync().bind("p", "s", {to, from}, {0, 1}).describe('P', "p").execute("p").sync());
    same(Script().run(move(k, " RETURNING v")).run(move(k + 4)).run("SELECT 1").sync());
    same(Script().parse("", move(k, " RETURNING v")).bind("", "").execute().sync());
    same(Script().parse("", move(k)).bind("", "").describe('P', "").flush().wait('n').execute().sync());
    same(Script().query("BEGIN").parse("s", move(k, " RETURNING v")).bind("p", "s").execute("p", 1).sync().execute("p", 1).sync().query("COMMIT"));
    same(Script().query("BEGIN").parse("s", move(k)).bind("p", "s").sync().execute("p").sync().execute("p").sync().query("COMMIT"));
  }
}

TEST_F(KeyMoveMessages, OfErrors) {
  same(Script().run("UPDATE moved SET k = 70, v = v * 1000 WHERE k IN (1, 2, 3) AND v = 2").run("SELECT 1").sync().query("SELECT 2"), true);
  same(Script().query("BEGIN").run("UPDATE moved SET k = 70, v = 1 / (v - 2) WHERE k IN (1, 2, 3) AND v = 2").sync().query("SELECT 2").query("COMMIT"), true);
  same(Script().run("UPDATE moved SET k = 70, nothing = 1 WHERE k IN (1, 2, 3)").sync(), true);
  same(Script().run(move(1)).run("SELECT 1 / 0").run(move(2)).sync(), true);
  same(Script().parse("", "UPDATE moved SET k = $1 WHERE k IN (1, 2, 3) AND v = $2").bind("", "", {"70", "no number"}).execute().sync(), true);
}

}  // namespace
}  // namespace howdah
