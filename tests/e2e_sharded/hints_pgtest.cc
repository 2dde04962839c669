// howdah.*: by SET, in comments and with the login; what they do to routes, and what they cannot do.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, score int);"
    "CREATE TABLE accounts (id bigint, user_id bigint, balance numeric, PRIMARY KEY (user_id, id));"
    "CREATE TABLE categories (id int PRIMARY KEY, name text);"
    "CREATE TABLE notes (id int PRIMARY KEY, body text);"
    "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';"
    "CREATE FUNCTION how_many() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users'";

class Hints : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(
        kSchema, "users: { hash: id }\naccounts: { hash: user_id }\ncategories: { reference: true }\nnotes: { local: s2 }",
        std::vector<Sharded>{{"users", "id"}, {"accounts", "user_id"}});
    std::string users = "INSERT INTO users VALUES ";
    for (int i = 1; i <= 40; ++i) users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n', " + std::to_string(i) + ")";
    world_->both(users);
  }
  static void TearDownTestSuite() { world_.reset(); }
  void TearDown() override {
    for (const auto* sql : {"ROLLBACK", "DISCARD ALL"}) EXPECT_EQ(ours(sql).sqlstate, "");
    world_->same_tables();
  }

  static Rows ours(const std::string& sql, Mode mode = Mode::kSimple, const Params& params = {}) { return run(world_->howdah(), sql, mode, params); }
  static std::string state(const std::string& sql, Mode mode = Mode::kSimple, const Params& params = {}) { return ours(sql, mode, params).sqlstate; }
  static std::string shown(const std::string& name) {
    const Rows rows = ours("SHOW " + name);
    return rows.rows.size() == 1 ? *rows.rows[0][0] : rows.sqlstate;
  }
  // Where the last statement ran.
  static std::string shards() { return shown("howdah.route"); }
  static std::string shard_of(int id) {
    EXPECT_EQ(state("SELECT FROM users WHERE id = " + std::to_string(id)), "");
    return shards();
  }
  // A user whose rows are on another shard.
  static int elsewhere(const std::string& shard) {
    for (int id = 1; id < 40; ++id) {
      if (shard_of(id) != shard) return id;
    }
    return 0;
  }
  static int on(const std::string& shard) {
    for (int id = 1; id < 1000; ++id) {
      const Rows rows = ours("EXPLAIN (HOWDAH) SELECT FROM users WHERE id = " + std::to_string(id));
      if (rows.rows.size() == 1 && *rows.rows[0][0] == shard) return id;
    }
    return 0;
  }
  static std::string count_on(int shard) { return world_->cluster().primary(shard).superuser().scalar("SELECT count(*) FROM users"); }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> Hints::world_;

TEST_F(Hints, AreSetShownAndReset) {
  EXPECT_EQ(shown("howdah.scatter"), "on");
  EXPECT_EQ(shown("howdah.role"), "any");
  EXPECT_EQ(shown("howdah.consistency"), "session");
  EXPECT_EQ(shown("howdah.shard"), "");
  for (const Mode mode : kModes) {
    EXPECT_EQ(ours("SET howdah.shard = 's1'", mode).tag, "SET");
    const Rows rows = ours("SHOW howdah.shard", mode);
    EXPECT_EQ(rows.names, std::vector<std::string>{"howdah.shard"});
    EXPECT_EQ(rows.rows.at(0).at(0), "s1");
    EXPECT_EQ(rows.tag, "SHOW");
    EXPECT_EQ(ours("RESET howdah.shard", mode).tag, "RESET");
    EXPECT_EQ(shown("howdah.shard"), "");
  }
  EXPECT_EQ(state("SET howdah.scatter TO OFF"), "");
  EXPECT_EQ(state("SET howdah.sharding_key = 42"), "");
  EXPECT_EQ(shown("howdah.sharding_key"), "42");
  EXPECT_EQ(state("SET howdah.sharding_key TO DEFAULT"), "");
  EXPECT_EQ(shown("howdah.sharding_key"), "");
  EXPECT_EQ(state("RESET ALL"), "");
  EXPECT_EQ(shown("howdah.scatter"), "on");
  EXPECT_EQ(state("SET howdah.role = 'primary'"), "");
  EXPECT_EQ(state("DISCARD ALL"), "");
  EXPECT_EQ(shown("howdah.role"), "any");
}

TEST_F(Hints, RefuseBadNamesAndValues) {
  const Rows near = ours("SET howdah.scater = off");
  EXPECT_EQ(near.sqlstate, "42704");
  for (const auto* sql : {"SHOW howdah.nothing", "RESET howdah.shart", "/* howdah.scater = off */ SELECT 1"}) EXPECT_EQ(state(sql), "42704") << sql;
  for (const auto* sql : {"SET howdah.shard = s9", "SET howdah.role = king", "SET howdah.scatter = perhaps", "SET howdah.consistency = weak",
                          "SET howdah.sharding_key = 'x'", "SET howdah.route = 1", "/* howdah.shard = s9 */ SELECT 1", "/* howdah.shard s1 */ SELECT 1",
                          "/* howdah.shard = s1 howdah.role = primary */ SELECT 1"}) {
    EXPECT_EQ(state(sql), "22023") << sql;
  }
  EXPECT_EQ(state("/* howdah is a seat */ SELECT 1"), "");
  for (const Mode mode : kModes) EXPECT_EQ(state("SELECT set_config('howdah.shard', 's1', false)", mode), "0A000");
  EXPECT_EQ(state("SELECT set_config($1, 's1', false)", Mode::kText, {"howdah.shard"}), "0A000");
}

TEST_F(Hints, PinAnyReadToAShard) {
  for (const Mode mode : kModes) {
    for (int shard = 0; shard < 4; ++shard) {
      const std::string hint = "/* howdah.shard = s" + std::to_string(shard) + " */ ";
      EXPECT_EQ(ours(hint + "SELECT count(*)::text FROM users", mode).rows.at(0).at(0), count_on(shard));
      EXPECT_EQ(shards(), "s" + std::to_string(shard));
      EXPECT_EQ(ours(hint + "SELECT how_many()::text", mode).rows.at(0).at(0), count_on(shard));
      EXPECT_EQ(state(hint + "SELECT count(*) FROM pg_stat_activity", mode), "");
      EXPECT_EQ(shards(), "s" + std::to_string(shard));
      EXPECT_EQ(state(hint + "SELECT 1", mode), "");
      EXPECT_EQ(shards(), "s" + std::to_string(shard));
      EXPECT_EQ(state(hint + "EXPLAIN SELECT * FROM users", mode), "");
      EXPECT_EQ(shards(), "s" + std::to_string(shard));
    }
  }
  EXPECT_EQ(state("SET howdah.shard = 's3'"), "");
  EXPECT_EQ(ours("SELECT count(*) FROM users").rows.at(0).at(0), count_on(3));
  EXPECT_EQ(state("BEGIN; DECLARE c CURSOR FOR SELECT * FROM users; FETCH ALL FROM c; COMMIT"), "");
  EXPECT_EQ(*ours("EXPLAIN (HOWDAH) SELECT * FROM users").rows.at(0).at(0), "s3");
  EXPECT_EQ(state("SELECT * FROM notes"), "0A000");  // on s2
  EXPECT_EQ(state("VACUUM users"), "");
}

TEST_F(Hints, NeverPutARowOnAWrongShard) {
  const int own = on("s1"), other = elsewhere("s1");
  EXPECT_EQ(state("SET howdah.shard = s1"), "");
  for (const Mode mode : kModes) {
    const std::string at = std::to_string(other), here = std::to_string(own + 0);
    EXPECT_EQ(state("INSERT INTO accounts VALUES (1, " + at + ", 1)", mode), "0A000");
    EXPECT_EQ(state("INSERT INTO accounts VALUES (1, " + at + ", 1), (2, " + here + ", 1)", mode), "0A000");
    EXPECT_EQ(state("INSERT INTO accounts SELECT 1, id + 1, 2 FROM users", mode), "0A000");
    EXPECT_EQ(state("UPDATE users SET id = id + 1", mode), "0A000");
    EXPECT_EQ(state("UPDATE users SET score = 1 WHERE id = " + at, mode), "0A000");
    EXPECT_EQ(state("INSERT INTO users (name) VALUES ('x')", mode), "0A000");
    EXPECT_EQ(state("WITH d AS (INSERT INTO accounts VALUES (1, 1 + " + at + ", 1) RETURNING *) SELECT * FROM d", mode), "0A000");
    EXPECT_EQ(state("INSERT INTO categories VALUES (7, 'x')", mode), "0A000");
    EXPECT_EQ(state("ALTER TABLE users ADD COLUMN more int", mode), "0A000");
    EXPECT_EQ(state("TRUNCATE users", mode), "0A000");
    EXPECT_EQ(state("CALL p()", mode), "0A000");
    EXPECT_EQ(state("DO 'BEGIN END'", mode), "0A000");
  }
  EXPECT_EQ(state("COPY accounts FROM STDIN"), "0A000");
  EXPECT_EQ(state("INSERT INTO accounts VALUES ($1, $2, 1)", Mode::kText, {"1", std::to_string(other)}), "0A000");
  // Its own rows, alone and together with the rest of the shard.
  const std::string row = "(50, " + std::to_string(own) + ", 1)";
  EXPECT_EQ(state("INSERT INTO accounts VALUES " + row), "");
  EXPECT_EQ(run(world_->twin(), "INSERT INTO accounts VALUES " + row).sqlstate, "");
  EXPECT_EQ(state("INSERT INTO accounts SELECT 60, id, 2 FROM users"), "");
  EXPECT_EQ(world_->cluster().primary(1).superuser().scalar("SELECT count(*) FROM accounts WHERE id = 60"), count_on(1));
  EXPECT_EQ(state("DELETE FROM accounts WHERE id = 60"), "");
}

TEST_F(Hints, RouteByAShardingKey) {
  const std::string shard = shard_of(7);
  for (const Mode mode : kModes) {
    EXPECT_EQ(state("/* howdah.sharding_key = 7 */ SELECT how_many()", mode), "");
    EXPECT_EQ(shards(), shard);
    EXPECT_EQ(state("/* howdah.sharding_key: ' +07 ' */ SELECT count(*) FROM users", mode), "");
    EXPECT_EQ(shards(), shard);
    EXPECT_EQ(state("/* howdah.sharding_key = 7 */ SELECT * FROM users WHERE id = 7", mode), "");
    EXPECT_EQ(state("/* howdah.sharding_key = 7 */ SELECT * FROM users WHERE id = 8", mode), "0A000");
    EXPECT_EQ(state("/* howdah.sharding_key = 7 */ SELECT * FROM users WHERE id IN (7, 8)", mode), "0A000");
    EXPECT_EQ(state("/* howdah.sharding_key = 7 */ INSERT INTO accounts VALUES (1, 7, 1), (2, 8, 1)", mode), "0A000");
    EXPECT_EQ(state("/* howdah.sharding_key = 7 */ SELECT relname FROM pg_class LIMIT 1", mode), "");
    EXPECT_EQ(shards(), "s0");
  }
  EXPECT_EQ(state("SET howdah.sharding_key = 7"), "");
  EXPECT_EQ(state("SELECT * FROM users WHERE id = $1", Mode::kText, {"7"}), "");
  EXPECT_EQ(state("SELECT * FROM users WHERE id = $1", Mode::kText, {"8"}), "0A000");
  world_->both("INSERT INTO categories VALUES (70, 'x')");  // on all shards as ever
  EXPECT_EQ(state("SELECT * FROM notes"), "");
  EXPECT_EQ(state("/* howdah.shard = " + std::string(shard == "s1" ? "s2" : "s1") + " */ SELECT 1"), "0A000");
}

TEST_F(Hints, SwitchScatteringOff) {
  EXPECT_EQ(state("SET howdah.scatter = off"), "");
  for (const Mode mode : kModes) {
    for (const auto* sql : {"SELECT * FROM users", "UPDATE users SET score = 1", "SELECT count(*) FROM users", "DELETE FROM users",
                            "SELECT * FROM users WHERE id IN (1, 2, 3, 4, 5, 6, 7)", "EXPLAIN SELECT * FROM users"}) {
      EXPECT_EQ(state(sql, mode), "0A000") << sql;
    }
    EXPECT_EQ(state("SELECT * FROM users WHERE id = 5", mode), "");
    EXPECT_EQ(state("SELECT * FROM categories", mode), "");
    EXPECT_EQ(state("/* howdah.scatter = on */ SELECT * FROM users", mode), "");
    EXPECT_EQ(*ours("EXPLAIN (HOWDAH) SELECT * FROM users", mode).rows.at(0).at(0), "");
  }
}

TEST_F(Hints, FollowTransactions) {
  EXPECT_EQ(state("SET LOCAL howdah.scatter = off"), "");  // a warning, and nothing
  EXPECT_EQ(shown("howdah.scatter"), "on");
  EXPECT_EQ(state("BEGIN"), "");
  EXPECT_EQ(state("SET LOCAL howdah.scatter = off"), "");
  EXPECT_EQ(state("SAVEPOINT a"), "");
  EXPECT_EQ(state("SET howdah.role = 'primary'"), "");
  EXPECT_EQ(state("SELECT * FROM users"), "0A000");
  EXPECT_EQ(state("ROLLBACK TO a"), "");
  EXPECT_EQ(shown("howdah.scatter"), "off");
  EXPECT_EQ(shown("howdah.role"), "any");
  EXPECT_EQ(state("SET howdah.consistency = strong"), "");
  EXPECT_EQ(state("COMMIT"), "");
  EXPECT_EQ(shown("howdah.scatter"), "on");
  EXPECT_EQ(shown("howdah.consistency"), "strong");
  EXPECT_EQ(state("BEGIN"), "");
  EXPECT_EQ(state("RESET ALL"), "");
  EXPECT_EQ(shown("howdah.consistency"), "session");
  EXPECT_EQ(state("ROLLBACK"), "");
  EXPECT_EQ(shown("howdah.consistency"), "strong");
  // A string is a transaction: an error takes back what it set.
  EXPECT_EQ(state("SET howdah.scatter = off; SELECT 1/0"), "22012");
  EXPECT_EQ(shown("howdah.scatter"), "on");
  EXPECT_EQ(state("SET howdah.scatter = off; SELECT * FROM users"), "0A000");
  EXPECT_EQ(state("SET howdah.shard = s2; SELECT count(*) FROM users"), "");
  EXPECT_EQ(shards(), "s2");
  EXPECT_EQ(state("SELECT 1; /* howdah.shard = s3 */ SELECT count(*) FROM users"), "");
  EXPECT_EQ(shards(), "s3");
}

TEST_F(Hints, ComeWithTheLoginAndNeverReachAServer) {
  PGconn* conn = PQconnectdb((world_->proxy().url() + "?options=-c%20howdah.scatter%3Doff%20-c%20work_mem%3D5MB").c_str());
  ASSERT_EQ(PQstatus(conn), CONNECTION_OK) << PQerrorMessage(conn);
  EXPECT_EQ(run(conn, "SELECT * FROM users").sqlstate, "0A000");
  EXPECT_EQ(run(conn, "SHOW work_mem").rows.at(0).at(0), "5MB");
  EXPECT_EQ(run(conn, "SET howdah.scatter = on").sqlstate, "");
  EXPECT_EQ(run(conn, "SELECT * FROM users").sqlstate, "");
  EXPECT_EQ(run(conn, "RESET howdah.scatter").sqlstate, "");
  EXPECT_EQ(run(conn, "SHOW howdah.scatter").rows.at(0).at(0), "off");
  EXPECT_EQ(run(conn, "SET howdah.scatter = on").sqlstate, "");
  EXPECT_EQ(run(conn, "RESET ALL").sqlstate, "");
  EXPECT_EQ(run(conn, "SHOW howdah.scatter").rows.at(0).at(0), "off");
  EXPECT_EQ(run(conn, "SELECT current_setting('howdah.scatter', true)").rows.at(0).at(0), std::nullopt);
  PQfinish(conn);
  conn = PQconnectdb((world_->proxy().url() + "?options=-c%20howdah.shard%3Ds9").c_str());
  EXPECT_EQ(PQstatus(conn), CONNECTION_BAD);
  PQfinish(conn);
}

TEST_F(Hints, ArePartOfPreparedStatements) {
  PGconn* conn = world_->howdah();
  PGresult* result = PQprepare(conn, "pinned", "/* howdah.shard = s2 */ SELECT count(*) FROM users", 0, nullptr);
  EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQerrorMessage(conn);
  PQclear(result);
  for (int i = 0; i < 2; ++i) {
    result = PQexecPrepared(conn, "pinned", 0, nullptr, nullptr, nullptr, 0);
    ASSERT_EQ(PQntuples(result), 1) << PQerrorMessage(conn);
    EXPECT_EQ(PQgetvalue(result, 0, 0), count_on(2));
    PQclear(result);
    // The same words without the hint share the plan, and not the hint.
    EXPECT_EQ(ours("SELECT count(*) FROM users", Mode::kText).rows.at(0).at(0), "40");
  }
  EXPECT_EQ(state("PREPARE all_users AS SELECT * FROM users"), "");
  EXPECT_EQ(state("/* howdah.shard = s1 */ EXECUTE all_users"), "");
  EXPECT_EQ(shards(), "s1");
}

}  // namespace
}  // namespace howdah::e2e_sharded
