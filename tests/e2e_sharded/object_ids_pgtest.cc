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
    client.must("CREATE TYPE state AS (feels mood, felt mood[], n int, at place)");
    client.must("CREATE DOMAIN moods AS mood[]");
    client.must("CREATE TYPE states AS RANGE (subtype = state)");
    client.must("CREATE TABLE users (id bigint PRIMARY KEY, feels mood, felt mood[], at place, now state, past state[], lately moods, span states, none mood[])");
    for (int id = 1; id <= 8; ++id) {
      client.must("INSERT INTO users VALUES (" + std::to_string(id) + ", 'happy', '{sad,happy}', '(1,2)', ROW('sad', '{happy,NULL}', 7, '(3,4)'), " +
                  "ARRAY[ROW('sad', '{happy}', 7, NULL)::state, NULL], '{{sad,sad},{happy,sad}}', states(ROW('sad', '{}', 1, NULL), ROW('happy', '{sad}', 2, '(1,1)')), '{}')");
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

std::string cell(const PGresult* result, int row, int column) {
  return std::string(PQgetvalue(result, row, column), static_cast<std::size_t>(PQgetlength(result, row, column)));
}

// Of an array in binary format.
Oid element_type(const std::string& value) {
  Oid oid = 0;
  for (int i = 8; i < 12; ++i) oid = oid << 8 | static_cast<unsigned char>(value.at(static_cast<std::size_t>(i)));
  return oid;
}

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
  ASSERT_EQ(PQntuples(binary.result), 8) << PQresultErrorMessage(binary.result);
  for (int row = 0; row < 8; ++row) EXPECT_EQ(element_type(cell(binary.result, row, 0)), number("mood"));
}

// Every column of users' types, as a list for SELECT.
constexpr const char* kValues = "feels, felt, at, now, past, lately, span, none, ROW(feels, felt, now), ARRAY[ROW(1, felt)]";

TEST_F(ObjectIds, InsideOfBinaryValuesAreTheFirstShards) {
  PgConn client = howdah_->connect();
  client.must("UPDATE users SET feels = 'happy'");
  const auto select = [](int shard) { return "SELECT " + std::string(kValues) + " FROM users WHERE id = " + id_on(shard); };
  const Result first(PQexecParams(client.raw(), select(0).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  ASSERT_EQ(PQresultStatus(first.result), PGRES_TUPLES_OK) << PQresultErrorMessage(first.result);
  EXPECT_EQ(element_type(cell(first.result, 0, 1)), number("mood"));
  const auto expect_same = [&](PGresult* result, const char* how) {
    ASSERT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQresultErrorMessage(result);
    for (int row = 0; row < PQntuples(result); ++row) {
      for (int column = 0; column < PQnfields(first.result); ++column) EXPECT_EQ(cell(result, row, column), cell(first.result, 0, column)) << how << " " << column;
    }
  };
  expect_same(Result(PQexecParams(client.raw(), select(1).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1)).result, "once");
  const std::string prepared = "SELECT " + std::string(kValues) + " FROM users WHERE id = $1";
  ASSERT_EQ(PQresultStatus(Result(PQprepare(client.raw(), "find", prepared.c_str(), 0, nullptr)).result), PGRES_COMMAND_OK);
  ASSERT_EQ(PQresultStatus(Result(PQprepare(client.raw(), "plain", "SELECT id, 'a'::text FROM users WHERE id = $1", 0, nullptr)).result), PGRES_COMMAND_OK);
  for (int round = 0; round < 3; ++round) {
    for (const int shard : {1, 0}) {
      const std::string id = id_on(shard);
      const char* const values[] = {id.c_str()};
      const Result plain(PQexecPrepared(client.raw(), "plain", 1, values, nullptr, nullptr, 1));
      EXPECT_EQ(PQntuples(plain.result), 1) << PQresultErrorMessage(plain.result);
      expect_same(Result(PQexecPrepared(client.raw(), "find", 1, values, nullptr, nullptr, 1)).result, "prepared");
    }
  }
  const std::string all = "SELECT " + std::string(kValues) + " FROM users";
  const Result many(PQexecParams(client.raw(), all.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  EXPECT_EQ(PQntuples(many.result), 8) << PQresultErrorMessage(many.result);
  expect_same(many.result, "all");
  client.must("BEGIN");
  client.must("DECLARE c BINARY CURSOR FOR " + select(1));
  expect_same(Result(PQexec(client.raw(), "FETCH c")).result, "cursor");
  client.must("ROLLBACK");
  const Result written(PQexecParams(client.raw(), ("UPDATE users SET at = at RETURNING " + std::string(kValues)).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  EXPECT_EQ(PQntuples(written.result), 8) << PQresultErrorMessage(written.result);
  expect_same(written.result, "written");
}

TEST_F(ObjectIds, InsideOfLargeValuesToo) {
  PgConn client = howdah_->connect();
  std::string values[2];
  for (const int shard : {0, 1}) {
    const std::string sql = "SELECT array_fill('sad'::mood, ARRAY[50000]), array_fill(now, ARRAY[2000]) FROM users WHERE id = " + id_on(shard);
    const Result got(PQexecParams(client.raw(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
    ASSERT_EQ(PQntuples(got.result), 1) << PQresultErrorMessage(got.result);
    values[shard] = cell(got.result, 0, 0) + cell(got.result, 0, 1);
  }
  EXPECT_GT(values[0].size(), 400'000u);
  EXPECT_TRUE(values[0] == values[1]);
}

TEST_F(ObjectIds, InsideOfBinaryParametersAreTheFirstShards) {
  PgConn client = howdah_->connect();
  const Result first(PQexecParams(client.raw(), ("SELECT felt, now, past, span, lately FROM users WHERE id = " + id_on(0)).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  const char* const columns[] = {"felt", "now", "past", "span", "lately"};
  const char* const types[] = {"_mood", "state", "_state", "states", "moods"};
  const int binary = 1;
  for (int i = 0; i < 5; ++i) {
    const std::string value = cell(first.result, 0, i);
    const char* const bytes = value.data();
    const int length = static_cast<int>(value.size());
    const Oid type = number(types[i]);
    for (const int shard : {0, 1}) {
      const std::string sql = std::string("UPDATE users SET ") + columns[i] + " = $1 WHERE id = " + id_on(shard);
      // The type is the client's word ...
      const Result given(PQexecParams(client.raw(), sql.c_str(), 1, &type, &bytes, &length, &binary, 0));
      EXPECT_STREQ(PQcmdTuples(given.result), "1") << columns[i] << shard << PQresultErrorMessage(given.result);
      // ... or the server's ...
      const std::string name = std::string(columns[i]) + std::to_string(shard);
      ASSERT_EQ(PQresultStatus(Result(PQprepare(client.raw(), name.c_str(), sql.c_str(), 0, nullptr)).result), PGRES_COMMAND_OK);
      EXPECT_EQ(PQnparams(Result(PQdescribePrepared(client.raw(), name.c_str())).result), 1);
      const Result described(PQexecPrepared(client.raw(), name.c_str(), 1, &bytes, &length, &binary, 0));
      EXPECT_STREQ(PQcmdTuples(described.result), "1") << columns[i] << shard << PQresultErrorMessage(described.result);
      // ... or nobody's.
      const Result unknown(PQexecParams(client.raw(), sql.c_str(), 1, nullptr, &bytes, &length, &binary, 0));
      if (shard == 0) EXPECT_STREQ(PQcmdTuples(unknown.result), "1") << PQresultErrorMessage(unknown.result);
      if (shard == 1) EXPECT_STREQ(PQresultErrorField(unknown.result, PG_DIAG_SQLSTATE), "0A000") << columns[i];
    }
    const Result all(PQexecParams(client.raw(), (std::string("UPDATE users SET ") + columns[i] + " = $1").c_str(), 1, &type, &bytes, &length, &binary, 0));
    EXPECT_STREQ(PQcmdTuples(all.result), "8") << columns[i] << PQresultErrorMessage(all.result);
  }
  for (const int shard : {0, 1}) {
    EXPECT_EQ(cluster_->primary(shard).superuser().scalar("SELECT count(*) FROM users WHERE felt = '{sad,happy}' AND (now).felt[1] = 'happy' AND past[1].n = 7"),
              cluster_->primary(shard).superuser().scalar("SELECT count(*) FROM users"));
  }
  // What cannot have such numbers in it goes on as it is, whatever its type is.
  const std::string id = id_on(1);
  const std::uint64_t key = __builtin_bswap64(std::stoull(id));
  const char* const bytes = reinterpret_cast<const char*>(&key);
  const int length = 8;
  const Result plain(PQexecParams(client.raw(), "SELECT id FROM users WHERE id = $1", 1, nullptr, &bytes, &length, &binary, 0));
  EXPECT_EQ(PQntuples(plain.result), 1) << PQresultErrorMessage(plain.result);
}

TEST_F(ObjectIds, InsideOfBinaryRowsOfAnInsert) {
  PgConn client = howdah_->connect();
  const Result first(PQexecParams(client.raw(), ("SELECT felt, now FROM users WHERE id = " + id_on(0)).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
  const std::string felt = cell(first.result, 0, 0), now = cell(first.result, 0, 1);
  const Oid types[] = {number("_mood"), number("state")};
  const char* const values[] = {felt.data(), now.data()};
  const int lengths[] = {static_cast<int>(felt.size()), static_cast<int>(now.size())}, formats[] = {1, 1};
  std::string rows;
  for (int id = 100; id < 120; ++id) rows += std::string(rows.empty() ? "" : ", ") + "(" + std::to_string(id) + ", $1, $2)";
  const Result inserted(PQexecParams(client.raw(), ("INSERT INTO users (id, felt, now) VALUES " + rows + " RETURNING felt, now").c_str(), 2, types, values, lengths, formats, 1));
  ASSERT_EQ(PQntuples(inserted.result), 20) << PQresultErrorMessage(inserted.result);
  for (int row = 0; row < 20; ++row) EXPECT_EQ(cell(inserted.result, row, 0) + cell(inserted.result, row, 1), felt + now);
  client.must("DELETE FROM users WHERE id >= 100");
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
