// An UPDATE of the sharding key does what the unsharded twin does, and each row ends on the shard of its new key.
#include <gtest/gtest.h>

#include <thread>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);"
    "CREATE TABLE regions (code text PRIMARY KEY, name text);"
    "CREATE TABLE people (id bigint PRIMARY KEY, name text);"
    "CREATE TABLE notes (user_id bigint NOT NULL REFERENCES people (id), id int, body text, region text REFERENCES regions, PRIMARY KEY (user_id, id));"
    "CREATE TABLE items (k bigint NOT NULL, id int NOT NULL, n numeric(6,2) CHECK (n < 5000), c char(4), v varchar(3), m mood, p positive, f float8,"
    "  ts timestamptz, i interval, j jsonb, list int[], b bytea, w xml, d date DEFAULT '2000-01-01', num bigint GENERATED ALWAYS AS IDENTITY,"
    "  twice int GENERATED ALWAYS AS (id * 2) STORED, \"Odd \"\"Name\" text, PRIMARY KEY (k, id));"
    "CREATE TABLE words (word text PRIMARY KEY, other text);"
    "CREATE TABLE tags (name varchar(5) PRIMARY KEY, other text);"
    "CREATE TABLE tokens (id uuid PRIMARY KEY, other uuid);"
    "CREATE TABLE small (id smallint PRIMARY KEY, n numeric);"
    "CREATE TABLE loose (k bigint, v int);"
    "CREATE TABLE late (k bigint NOT NULL, v int, UNIQUE (k, v) DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE parted (k bigint NOT NULL, at date NOT NULL, v int, PRIMARY KEY (k, at)) PARTITION BY RANGE (at);"
    "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');"
    "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');"
    "CREATE TABLE watched (k bigint PRIMARY KEY, v int);"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER note BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();"
    "CREATE TABLE secured (k bigint PRIMARY KEY, v int); ALTER TABLE secured ENABLE ROW LEVEL SECURITY; ALTER TABLE secured FORCE ROW LEVEL SECURITY;"
    "CREATE TABLE ruled (k bigint PRIMARY KEY, v int); CREATE RULE r AS ON UPDATE TO ruled DO ALSO NOTHING;"
    "CREATE TABLE composed (k bigint PRIMARY KEY, v pair);"
    "CREATE TABLE moods (k bigint PRIMARY KEY, v mood[]);"
    "CREATE TABLE shut (k bigint PRIMARY KEY, v int)";

constexpr const char* kTables =
    "people: { hash: id }\nnotes: { hash: user_id }\nitems: { hash: k }\nwords: { hash: word }\ntags: { hash: name }\ntokens: { hash: id }\n"
    "small: { hash: id }\nloose: { hash: k }\nlate: { hash: k }\nparted: { hash: k }\nwatched: { hash: k }\nsecured: { hash: k }\nruled: { hash: k }\n"
    "composed: { hash: k }\nmoods: { hash: k }\nshut: { hash: k }\nregions: { reference: true }";

class KeyMoves : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(kSchema, kTables,
                                    std::vector<Sharded>{{"people", "id"}, {"notes", "user_id"}, {"items", "k"}, {"small", "id"}, {"loose", "k"},
                                                         {"late", "k"}, {"parted", "k"}});
  }
  static void TearDownTestSuite() { world_.reset(); }

  void SetUp() override {
    both("TRUNCATE people, notes, items, words, tags, tokens, small, loose, late, parted");
    both("DELETE FROM regions");
    both("INSERT INTO regions VALUES ('eu', 'Europe'), ('us', 'States')");
    std::string people = "INSERT INTO people VALUES ", notes = "INSERT INTO notes VALUES ", loose = "INSERT INTO loose VALUES ",
                late = "INSERT INTO late VALUES ", parted = "INSERT INTO parted VALUES ", small = "INSERT INTO small VALUES ",
                items = "INSERT INTO items (k, id, n, c, v, m, p, f, ts, i, j, list, b, w, num, \"Odd \"\"Name\") OVERRIDING SYSTEM VALUE VALUES ";
    for (int k = 1; k <= 20; ++k) {
      const std::string comma = k > 1 ? ", " : "", key = std::to_string(k);
      people += comma + "(" + key + ", 'p" + key + "')";
      notes += comma + "(" + key + ", 1, 'a', 'eu'), (" + key + ", 2, 'b', NULL)";
      loose += comma + "(" + key + ", 1), (" + key + ", 1)";
      late += comma + "(" + key + ", " + key + ")";
      small += comma + "(" + key + ", " + key + ".5)";
      parted += comma + "(" + key + ", '2024-01-05', 1), (" + key + ", '2024-02-05', 2)";
      items += comma + "(" + key + ", " + key + ", " + key + ".50, 'c" + key + "', 'v', 'ok', " + key + ", 0.1 + 0.2, '2024-03-31 01:30:00.123456+00', '1 mon -3 days', " +
               "'{\"a\": 1.50}', '{1,NULL," + key + "}', '\\x00ff', '<a/>', " + key + ", 'it''s')";
    }
    for (const auto& sql : {people, notes, loose, late, parted, small, items}) both(sql);
    both("INSERT INTO words VALUES ('one', 'eins'), ('two', 'zwei'), ('three', 'drei'), ('four', 'vier')");
    both("INSERT INTO tags VALUES ('one', 'eins'), ('two', 'zwei'), ('three', 'drei ')");
    both("INSERT INTO tokens VALUES ('11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222')");
  }
  void TearDown() override {
    both("ROLLBACK");
    world_->same_tables();
  }

  static void both(const std::string& sql) { world_->both(sql); }
  static void same(const std::string& sql, const Params& params = {}) {
    world_->same(sql, params);
    world_->same_tables();
  }
  // In a transaction that is rolled back: each mode finds the same rows.
  static void tried(const std::string& sql, const Params& params = {}) {
    SCOPED_TRACE(sql);
    for (const Mode mode : {Mode::kSimple, Mode::kText, Mode::kBinary}) {
      if (mode == Mode::kSimple && !params.empty()) continue;
      both("BEGIN");
      world_->same_in(mode, sql, params);
      if (PQtransactionStatus(world_->twin()) == PQTRANS_INTRANS && PQtransactionStatus(world_->howdah()) == PQTRANS_INTRANS) {
        for (const char* table : {"items", "notes", "loose", "small", "words", "tags", "tokens", "parted"}) {
          world_->same_in(Mode::kSimple, std::string("SELECT t.*::text FROM ") + table + " t");
        }
      }
      both("ROLLBACK");
    }
  }
  static Rows ours(const std::string& sql) { return run(world_->howdah(), sql); }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> KeyMoves::world_;

TEST_F(KeyMoves, MovesRowsToTheShardOfTheirNewKey) {
  for (int to = 21; to <= 32; ++to) same("UPDATE items SET k = " + std::to_string(to) + " WHERE k = " + std::to_string(to - 20) + " AND id > 0");
  same("UPDATE loose SET k = 77 WHERE k IN (1, 2, 3, 4)");
  same("UPDATE loose SET k = 78");
  same("UPDATE loose SET k = 79 WHERE v = 5");
  same("UPDATE notes SET user_id = 12, id = id + 7, body = 'today' WHERE user_id IN (2, 5)");
  same("UPDATE loose SET k = 80 WHERE k = 5 AND k = 6");
  same("UPDATE loose SET k = 81 WHERE false");
  same("UPDATE parted SET k = 500, v = v + 1 WHERE at = '2024-02-05' AND k = 3");
  same("UPDATE parted_1 SET k = 501 WHERE k = 4");
  same("UPDATE ONLY loose SET k = 90 WHERE k = 78");
}

TEST_F(KeyMoves, ReturnsTheNewRows) {
  tried("UPDATE notes SET user_id = 5, id = id + user_id * 10 WHERE user_id < 7 RETURNING *");
  tried("UPDATE items AS t SET k = 1000, n = n * 2, v = 'x' WHERE t.k < 7 RETURNING t.k, t.id, n + 1 AS more, twice, t.\"Odd \"\"Name\"");
  tried("UPDATE items SET k = $1, n = $2, c = $3 WHERE k = $4 RETURNING k, n, c, m::text", {"1001", "3.14159", "ab", "5"});
  tried("UPDATE items SET k = $1 WHERE k = ANY($2) AND n > $3 RETURNING id", {"1001", "{1,2,3,4,5,6}", "2"});
  tried("UPDATE items SET k = 2000 WHERE k = 1 RETURNING (SELECT name FROM regions WHERE code = 'eu')");
  tried("UPDATE items SET k = 2000 WHERE k < 0 RETURNING k, n");
}

TEST_F(KeyMoves, AssignsAsTheServerDoes) {
  tried("UPDATE items SET k = 3000, n = n + 0.005, c = 'x' || c, v = upper(v), m = 'sad', p = p + 1, f = f * 3, i = i * 2, j = j || '{\"b\": 2}',"
        " list = list || 7, ts = ts + i, d = '2024-02-29', num = num WHERE k < 9");
  tried("UPDATE items SET k = '3000', n = '7', v = NULL, m = 'happy', id = id::numeric + 0.4 WHERE k < 9");
  tried("UPDATE items SET k = 7.6 WHERE k = 9");
  tried("UPDATE items SET k = 7.6, id = 100 WHERE k < 5 AND k > 3");
  tried("UPDATE items SET k = k::int + 5000 WHERE k < 9 RETURNING k, id");
  tried("UPDATE items SET k = n * 1000 WHERE k < 9 RETURNING k, id");
  tried("UPDATE items SET k = (SELECT length(name) * 1000 FROM regions WHERE code = 'us') + id WHERE k < 9 RETURNING k, id");
  tried("UPDATE items SET k = $1 + id, v = $2 WHERE n > $3 RETURNING k, v", {"6000", "abc", "5"});
  tried("UPDATE small SET id = id + n * 100 WHERE id < 5 RETURNING *");
  tried("UPDATE words SET word = other RETURNING word");
  tried("UPDATE words SET word = 'five', other = word WHERE word IN ('one', 'four') AND other > 'f' RETURNING *");
  tried("UPDATE words SET word = upper(word) || $1", {"!"});
  tried("UPDATE tags SET name = substr(other, 1, 4) WHERE name < 'tw' RETURNING name");
  tried("UPDATE tokens SET id = other RETURNING id");
  tried("UPDATE tokens SET id = '33333333-3333-3333-3333-333333333333', other = id");
  tried("UPDATE items SET k = 7000, v = CASE WHEN now() > ts THEN 'x' END, d = NULL WHERE k < 5 AND now() > ts RETURNING ts < now()");
}

TEST_F(KeyMoves, FailsAsTheServerDoes) {
  tried("UPDATE items SET k = 1, id = 1 WHERE k = 2");                        // unique
  tried("UPDATE items SET k = 4000, id = 1 WHERE k < 9");
  tried("UPDATE items SET k = 4000, n = 9000 WHERE k < 9");                   // check
  tried("UPDATE items SET k = 4000, n = 90000000 WHERE k < 9");               // numeric(6,2)
  tried("UPDATE items SET k = 4000, v = v || 'long' WHERE k < 9");            // varchar(3)
  tried("UPDATE items SET k = 4000, v = 'long' WHERE k < 9");
  tried("UPDATE items SET k = 4000, p = p - 3 WHERE k < 9");                  // domain
  tried("UPDATE items SET k = NULL WHERE k < 9");
  tried("UPDATE items SET k = NULL WHERE k > 900");
  tried("UPDATE items SET k = NULLIF(k, 3) + 4000 WHERE k < 9");
  tried("UPDATE items SET k = 4000 / (k - 3) WHERE k < 9");
  tried("UPDATE items SET k = 4000, id = NULL WHERE k < 9");
  tried("UPDATE items SET k = 'many' WHERE k < 9");
  tried("UPDATE items SET k = v WHERE k < 9");
  tried("UPDATE items SET k = 4000, nothing = 1 WHERE k < 9");
  tried("UPDATE items SET k = 4000 WHERE k < 9 AND nothing = 1");
  tried("UPDATE items SET k = 4000 WHERE k < 9 RETURNING nothing");
  tried("UPDATE items SET k = 4000, k = 4001 WHERE k < 9");
  tried("UPDATE items SET k = 4000, twice = 5 WHERE k < 9");
  tried("UPDATE items SET k = 4000, num = 5 WHERE k < 9");
  tried("UPDATE items SET k = 99999999999999999999 WHERE k < 9");
  tried("UPDATE items SET k = k * 9223372036854775807 WHERE k < 9");
  tried("UPDATE small SET id = id + 40000");
  tried("UPDATE tags SET name = other || '....' WHERE name < 'tw'");
  tried("UPDATE notes SET user_id = 999 WHERE user_id = 3");                  // foreign key
  tried("UPDATE notes SET user_id = 4, id = id + 10, region = 'moon' WHERE user_id = 3");
  tried("UPDATE parted SET k = 600, at = '2025-01-01' WHERE k < 5");          // no partition
  tried("UPDATE parted_1 SET k = 600, at = '2024-02-01' WHERE k < 5");
  // Without a transaction nothing is left of it.
  same("UPDATE items SET k = 4000, n = n * 500 WHERE k < 15");
  same("UPDATE notes SET user_id = user_id + 10, id = id + 10 WHERE user_id BETWEEN 5 AND 13 RETURNING id");
}

TEST_F(KeyMoves, KeepsForeignKeys) {
  same("UPDATE notes SET user_id = 7, id = id + 10 WHERE user_id = 8 RETURNING *");
  same("UPDATE notes SET user_id = 9, id = user_id * 10 + id WHERE user_id < 7");
  EXPECT_EQ(ours("UPDATE people SET id = 100 WHERE id IN (3, 9, 10, 11, 12, 13, 14)").sqlstate, "0A000") << "notes refer to it";
  EXPECT_EQ(ours("UPDATE people SET id = id + 100 WHERE id = 3").sqlstate, "0A000");
}

TEST_F(KeyMoves, SeesWhatTheTransactionDid) {
  both("BEGIN");
  world_->same_in(Mode::kSimple, "INSERT INTO loose VALUES (500, 5), (501, 6)");
  world_->same_in(Mode::kSimple, "UPDATE loose SET k = 502 WHERE k IN (500, 501, 1) RETURNING v");
  world_->same_in(Mode::kText, "SELECT count(*), sum(k) FROM loose");
  both("SAVEPOINT s");
  world_->same_in(Mode::kBinary, "UPDATE loose SET k = 503 WHERE k = 502");
  world_->same_in(Mode::kSimple, "UPDATE items SET k = 1, id = 1 WHERE k = 2");
  world_->same_in(Mode::kSimple, "SELECT 1");
  both("ROLLBACK TO s");
  world_->same_in(Mode::kSimple, "SELECT k, v FROM loose WHERE k IN (502, 503)");
  both("COMMIT");
  world_->same_in(Mode::kSimple, "UPDATE loose SET k = 510 WHERE k = 4; UPDATE loose SET k = 511 WHERE k = 510; SELECT v FROM loose WHERE k = 511");
  world_->same_in(Mode::kSimple, "UPDATE loose SET k = 520 WHERE k = 5; SELECT 1 / 0");
  both("BEGIN");
  world_->same_in(Mode::kSimple, "UPDATE late SET k = 3, v = 3 WHERE k = 4");
  world_->same_in(Mode::kSimple, "UPDATE late SET v = 4 WHERE k = 3 AND v = 3");
  world_->same_in(Mode::kSimple, "COMMIT");
  world_->same_in(Mode::kSimple, "ROLLBACK");
}

TEST_F(KeyMoves, RefusesKeysThatRowsTrade) {
  EXPECT_EQ(ours("UPDATE loose SET k = k + 1 WHERE k < 9").sqlstate, "0A000");
  EXPECT_EQ(ours("UPDATE small SET id = 21 - id").sqlstate, "0A000");
  same("UPDATE loose SET k = k + 100 WHERE k < 9");
  both("BEGIN");
  EXPECT_EQ(ours("UPDATE small SET id = 21 - id").sqlstate, "0A000");
  EXPECT_EQ(PQtransactionStatus(world_->howdah()), PQTRANS_INERROR);
}

TEST_F(KeyMoves, RefusesWhatMakesAMoveAnotherThing) {
  for (const char* sql : {"UPDATE watched SET k = k + 1", "UPDATE watched SET k = 5 WHERE k IN (1, 2, 3, 4)", "UPDATE secured SET k = 5", "UPDATE ruled SET k = 5",
                          "UPDATE composed SET k = 5", "UPDATE moods SET k = 5", "UPDATE loose SET k = NULL", "UPDATE loose SET k = NULLIF(k, 3) + 100",
                          "UPDATE loose SET k = DEFAULT", "UPDATE loose SET k = 5, v = DEFAULT", "UPDATE loose SET (k, v) = (5, 6)",
                          "UPDATE loose SET (k, v) = (SELECT 5, 6)", "UPDATE loose SET k = 5 FROM regions WHERE code = 'eu'",
                          "WITH w AS (SELECT 1) UPDATE loose SET k = 5", "UPDATE loose SET k = 5 WHERE EXISTS (SELECT FROM items i WHERE i.k = loose.k)",
                          "UPDATE loose SET k = (SELECT max(k) FROM items)", "UPDATE loose SET k = random() * 10", "UPDATE loose SET k = 5 RETURNING ctid",
                          "UPDATE loose SET k = 5 WHERE tableoid = 1", "UPDATE items SET k = 5, list[1] = 2", "EXPLAIN ANALYZE UPDATE loose SET k = 5",
                          "WITH moved AS (UPDATE loose SET k = 5 RETURNING k) SELECT * FROM moved", "UPDATE items SET k = 5, ts = 'now'"}) {
    EXPECT_EQ(ours(sql).sqlstate, "0A000") << sql;
  }
}

TEST_F(KeyMoves, NeedsTheRightToUpdate) {
  for (int shard = 0; shard < 4; ++shard) world_->cluster().primary(shard).superuser().must("ALTER TABLE shut OWNER TO postgres; GRANT SELECT, INSERT, DELETE ON shut TO app");
  world_->cluster().twin().superuser().must("ALTER TABLE shut OWNER TO postgres; GRANT SELECT, INSERT, DELETE ON shut TO app");
  same("UPDATE shut SET k = 5");
  same("UPDATE shut SET k = 5 WHERE k = 7");
  same("UPDATE shut SET k = k + 100");
}

TEST_F(KeyMoves, KeepsValuesWhateverTheSettingsAre) {
  for (const char* setting : {"SET DateStyle = 'German'", "SET extra_float_digits = -10", "SET IntervalStyle = 'sql_standard'", "SET TimeZone = 'Asia/Kolkata'",
                              "SET bytea_output = 'escape'"}) {
    both(setting);
  }
  same("UPDATE items SET k = 8000 WHERE k < 15");
  for (const char* name : {"DateStyle", "extra_float_digits", "IntervalStyle", "TimeZone", "bytea_output"}) both(std::string("RESET ") + name);
}

TEST_F(KeyMoves, IsExplained) {
  const auto plan = [](const std::string& sql) {
    const Rows rows = ours("EXPLAIN (HOWDAH) " + sql);
    return rows.rows.empty() ? rows.message : *rows.rows[0][0] + ": " + *rows.rows[0][3];
  };
  EXPECT_EQ(plan("UPDATE loose SET k = 5"), "s0,s1,s2,s3: write: rows go to the shards of their new keys, in one atomic transaction");
  EXPECT_EQ(plan("UPDATE loose SET k = k + 5"), "s0,s1,s2,s3: write: rows go to the shards of their new keys, in one atomic transaction");
  EXPECT_EQ(plan("UPDATE loose SET k = 5 WHERE k = 5").substr(4), "one shard");
  EXPECT_NE(ours("EXPLAIN UPDATE loose SET k = 5").rows.size(), 0u);
  ours("UPDATE loose SET k = 5 WHERE v = 1");
  const Rows route = ours("SHOW howdah.route");
  ASSERT_EQ(route.rows.size(), 1u);
  EXPECT_EQ(*route.rows[0][0], "s0,s1,s2,s3");
  EXPECT_EQ(run(world_->twin(), "UPDATE loose SET k = 5 WHERE v = 1").sqlstate, "");
  EXPECT_EQ(ours("/* howdah.scatter = off */ UPDATE loose SET k = 6").sqlstate, "0A000");
  EXPECT_EQ(ours("/* howdah.shard = s0 */ UPDATE loose SET k = 6").sqlstate, "0A000");
  EXPECT_EQ(ours("/* howdah.sharding_key = 5 */ UPDATE loose SET k = 6").sqlstate, "0A000");
}

TEST_F(KeyMoves, RunsPreparedAndPipelined) {
  for (PGconn* conn : {world_->howdah(), world_->twin()}) {
    PQclear(PQprepare(conn, "move", "UPDATE loose SET k = $1 WHERE k = $2 RETURNING v", 0, nullptr));
    PGresult* described = PQdescribePrepared(conn, "move");
    EXPECT_EQ(PQnparams(described), 2);
    EXPECT_EQ(PQparamtype(described, 0), 20u);
    PQclear(described);
    ASSERT_EQ(PQenterPipelineMode(conn), 1);
    for (int k = 1; k <= 20; ++k) {
      const std::string to = std::to_string(k + 1000), from = std::to_string(k);
      const char* values[] = {to.c_str(), from.c_str()};
      ASSERT_EQ(PQsendQueryPrepared(conn, "move", 2, values, nullptr, nullptr, k % 2), 1);
    }
    ASSERT_EQ(PQpipelineSync(conn), 1);
    int rows = 0;
    for (bool synced = false; !synced;) {
      while (PGresult* result = PQgetResult(conn)) {
        synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        EXPECT_TRUE(synced || PQresultStatus(result) == PGRES_TUPLES_OK) << PQresultErrorMessage(result);
        rows += PQntuples(result);
        PQclear(result);
        if (synced) break;
      }
    }
    EXPECT_EQ(rows, 40);
    ASSERT_EQ(PQexitPipelineMode(conn), 1);
    PQclear(PQexec(conn, "DEALLOCATE move"));
  }
}

TEST_F(KeyMoves, MovesManyRows) {
  std::string values;
  for (int i = 1; i <= 5000; ++i) values += (i > 1 ? ", (" : "(") + std::to_string(i + 10000) + ", " + std::to_string(i) + ")";
  both("INSERT INTO loose VALUES " + values);
  same("UPDATE loose SET k = k + 100000 WHERE k > 10000");
  same("UPDATE loose SET k = 3 WHERE k > 10000 RETURNING k, v");
}

// Moves at once, to and fro: each row is always somewhere, once. Deadlocks are as between any two such writes.
TEST_F(KeyMoves, NeitherLosesNorDoublesARow) {
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([client] {
      PGconn* conn = PQconnectdb(world_->proxy().url().c_str());
      for (int round = 0; round < 15; ++round) {
        const std::string to = std::to_string(1000 + 17 * client + round);
        const std::string sql = round % 3 == 0   ? "UPDATE loose SET k = k + 1000 WHERE k < " + to
                                : round % 3 == 1 ? "UPDATE loose SET k = " + to
                                                 : "UPDATE loose SET k = " + std::to_string(client * 5 + round) + " WHERE v = 1 AND k % 2 = 0";
        const Rows rows = run(conn, sql);
        EXPECT_TRUE(rows.sqlstate.empty() || rows.sqlstate == "40P01" || rows.sqlstate == "0A000") << rows.sqlstate << " " << rows.message;
      }
      PQfinish(conn);
    });
  }
  for (auto& client : clients) client.join();
  same("UPDATE loose SET k = 77 RETURNING v");
}

// A row that another transaction changes meanwhile is waited for, and its condition read again.
TEST_F(KeyMoves, WaitsForTheRowAndReadsItAgain) {
  PGconn* other = PQconnectdb(world_->proxy().url().c_str());
  for (const bool gone : {false, true}) {
    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, gone ? "UPDATE loose SET v = 9 WHERE k = 2" : "UPDATE loose SET v = 7 WHERE k = 2"));
    std::thread mover([&] {
      const Rows rows = ours("UPDATE loose SET k = 900 WHERE k = 2 AND v < 9 RETURNING v");
      EXPECT_EQ(rows.tag, gone ? "UPDATE 0" : "UPDATE 2") << rows.message;
      for (const auto& row : rows.rows) EXPECT_EQ(*row[0], "7");
    });
    testing::wait_until([&] {
      int waiting = 0;
      for (int shard = 0; shard < 4; ++shard) {
        waiting += std::stoi(world_->cluster().primary(shard).superuser().scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'"));
      }
      return waiting == 1;
    });
    PQclear(PQexec(other, "COMMIT"));
    mover.join();
    PQclear(PQexec(other, "UPDATE loose SET k = 2, v = 1 WHERE k IN (2, 900)"));
  }
  PQfinish(other);
}

}  // namespace
}  // namespace howdah::e2e_sharded
