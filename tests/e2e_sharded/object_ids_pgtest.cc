// Users' types and tables have other OIDs on each shard: clients see those of the first shard only.
#include <gtest/gtest.h>

#include <libpq-fe.h>

#include "tests/support/howdah_process.h"
#include "tests/support/pg_cluster.h"

namespace howdah {
namespace {

using testing::PgConn;

class ObjectIds : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::PgCluster::Options servers;
    servers.shards = 2;
    cluster_ = std::make_unique<testing::PgCluster>(servers);
    cluster_->run_everywhere("GRANT ALL ON SCHEMA public TO app");
    // What is created next has other numbers there.
    cluster_->primary(1).superuser().must("CREATE TYPE junk AS ENUM ('a'); CREATE TABLE junk2 (a int); DROP TYPE junk; DROP TABLE junk2");
    testing::HowdahOptions options;
    options.tables = "users: { hash: id }";
    howdah_ = std::make_unique<testing::HowdahProcess>(*cluster_, options);
    PgConn client = howdah_->connect();
    client.must("CREATE TYPE mood AS ENUM ('sad', 'happy')");
    client.must("CREATE TYPE place AS (x int, y int)");
    client.must("CREATE TABLE users (id bigint PRIMARY KEY, feels mood, felt mood[], at place)");
    for (int id = 1; id <= 8; ++id) {
      client.must("INSERT INTO users VALUES (" + std::to_string(id) + ", 'happy', '{sad,happy}', '(1,2)')");
    }
    ASSERT_NE(number_on(0, "mood"), number_on(1, "mood"));
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }

  static std::string number_on(int shard, const std::string& type) {
    return cluster_->primary(shard).superuser().scalar("SELECT oid FROM pg_type WHERE typname = '" + type + "'");
  }
  // As clients learn it.
  static Oid number(const std::string& type) {
    return static_cast<Oid>(std::stoul(howdah_->connect().scalar("SELECT oid FROM pg_type WHERE typname = '" + type + "'")));
  }
  static Oid table() { return static_cast<Oid>(std::stoul(howdah_->connect().scalar("SELECT oid FROM pg_class WHERE relname = 'users'"))); }
  static std::string id_on(int shard) {
    return cluster_->primary(shard).superuser().scalar("SELECT min(id) FROM users");
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> ObjectIds::cluster_;
std::unique_ptr<testing::HowdahProcess> ObjectIds::howdah_;

struct Result {
  explicit Result(PGresult* from) : result(from) {}
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { PQclear(result); }
  PGresult* result;
};

TEST_F(ObjectIds, OfResultsAreTheFirstShards) {
  PgConn client = howdah_->connect();
  for (const int shard : {0, 1}) {
    const std::string sql = "SELECT feels, felt, at, id FROM users WHERE id = " + id_on(shard);
    for (const bool extended : {false, true}) {
      const Result got(extended ? PQexecParams(client.raw(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0)
                                : PQexec(client.raw(), sql.c_str()));
      ASSERT_EQ(PQresultStatus(got.result), PGRES_TUPLES_OK) << PQresultErrorMessage(got.result);
      EXPECT_EQ(PQftype(got.result, 0), number("mood")) << shard;
      EXPECT_EQ(PQftype(got.result, 1), number("_mood")) << shard;
      EXPECT_EQ(PQftype(got.result, 2), number("place")) << shard;
      EXPECT_EQ(PQftype(got.result, 3), 20u);
      EXPECT_EQ(PQftable(got.result, 0), table()) << shard;
      EXPECT_STREQ(PQgetvalue(got.result, 0, 0), "happy");
    }
  }
}

TEST_F(ObjectIds, OfParametersAreTheFirstShards) {
  for (const int shard : {0, 1}) {
    PgConn client = howdah_->connect();
    const std::string id = id_on(shard);
    // A type of the client's: by the number that it knows.
    const Oid types[] = {number("mood"), 20};
    const char* const values[] = {"sad", id.c_str()};
    const Result updated(PQexecParams(client.raw(), "UPDATE users SET feels = $1 WHERE id = $2", 2, types, values, nullptr, nullptr, 0));
    EXPECT_STREQ(PQcmdTuples(updated.result), "1") << shard << ": " << PQresultErrorMessage(updated.result);
    // One that the server finds out.
    const std::string sql = "SELECT id FROM users WHERE feels = $1 AND id = " + id;
    ASSERT_EQ(PQresultStatus(Result(PQprepare(client.raw(), "find", sql.c_str(), 0, nullptr)).result), PGRES_COMMAND_OK);
    const Result described(PQdescribePrepared(client.raw(), "find"));
    ASSERT_EQ(PQnparams(described.result), 1);
    EXPECT_EQ(PQparamtype(described.result, 0), number("mood")) << shard;
  }
}

TEST_F(ObjectIds, OfAllShardsTogether) {
  PgConn client = howdah_->connect();
  const char* const sql = "SELECT felt, feels, id FROM users ORDER BY id";
  const Result text(PQexecParams(client.raw(), sql, 0, nullptr, nullptr, nullptr, nullptr, 0));
  ASSERT_EQ(PQresultStatus(text.result), PGRES_TUPLES_OK) << PQresultErrorMessage(text.result);
  EXPECT_EQ(PQntuples(text.result), 8);
  EXPECT_EQ(PQftype(text.result, 1), number("mood"));
  EXPECT_STREQ(PQgetvalue(text.result, 7, 0), "{sad,happy}");
  const Result binary(PQexecParams(client.raw(), sql, 0, nullptr, nullptr, nullptr, nullptr, 1));
  EXPECT_STREQ(PQresultErrorField(binary.result, PG_DIAG_SQLSTATE), "0A000");
}

TEST_F(ObjectIds, OfNewTypesAreKnownAtOnce) {
  for (int round = 0; round < 3; ++round) {
    const std::string type = "fresh" + std::to_string(round);
    PgConn client = howdah_->connect();
    client.must("CREATE TYPE " + type + " AS ENUM ('new')");
    for (const int shard : {0, 1}) {
      const Result got(PQexec(client.raw(), ("SELECT 'new'::" + type + " FROM users WHERE id = " + id_on(shard)).c_str()));
      ASSERT_EQ(PQresultStatus(got.result), PGRES_TUPLES_OK) << PQresultErrorMessage(got.result);
      EXPECT_EQ(PQftype(got.result, 0), number(type)) << shard;
    }
  }
}

}  // namespace
}  // namespace howdah
