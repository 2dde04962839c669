// serial, identity and sequences over several shards: values are unique, and keys by default find their shard.
#include <gtest/gtest.h>

#include <set>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

class Sequences : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>("GRANT ALL ON SCHEMA public TO app",
                                    "people: { hash: id }\nitems: { hash: id }\ntokens: { hash: id }\norders: { hash: tenant_id }\nlate: { hash: tenant_id }\nlists: { reference: true }",
                                    std::vector<Sharded>{{"people", "id"}, {"items", "id"}});
    for (const char* sql : {"CREATE TABLE people (id bigserial PRIMARY KEY, name text, at timestamptz)",
                            "CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)",
                            "CREATE TABLE tokens (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, n int)",
                            "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, tenant_id bigint, n int, PRIMARY KEY (tenant_id, id))",
                            "CREATE TABLE late (tenant_id bigint, n int)", "CREATE TABLE lists (id serial PRIMARY KEY, name text)", "CREATE SEQUENCE blocks INCREMENT BY 50"}) {
      world_->both(sql);
    }
  }
  static void TearDownTestSuite() { world_.reset(); }
  void TearDown() override {
    world_->both("ROLLBACK");
    world_->same_tables();
  }

  static Rows ours(const std::string& sql) { return run(world_->howdah(), sql); }
  static std::set<std::string> values(const std::string& sql) {
    const Rows rows = ours(sql);
    EXPECT_EQ(rows.sqlstate, "") << sql << ": " << rows.message;
    std::set<std::string> out;
    for (const auto& row : rows.rows) EXPECT_TRUE(out.insert(row[0].value_or("NULL")).second) << *row[0] << " is there twice";
    return out;
  }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> Sequences::world_;

TEST_F(Sequences, GivesKeysThatTheClientLeavesOut) {
  for (const Mode mode : kModes) {
    world_->same_in(mode, "INSERT INTO people (name) VALUES ('one') RETURNING id, name", {}, true);
    world_->same_in(mode, "INSERT INTO people (name) VALUES ('a'), ('b)'), ('c''d'), ('e'), ('f') RETURNING id, name", {}, true);
    world_->same_in(mode, "INSERT INTO people (id, name) VALUES (DEFAULT, 'DEFAULT'), (default, lower('B')) RETURNING *", {}, true);
    world_->same_in(mode, "INSERT INTO people VALUES (DEFAULT, 'x, y') RETURNING id", {}, true);
    world_->same_in(mode, "INSERT INTO people AS p (name) VALUES (NULL), ((SELECT 'values (1)')) ON CONFLICT DO NOTHING RETURNING p.id", {}, true);
    world_->same_in(mode, "INSERT INTO items (name) VALUES ('one'), ('two'), ('three') RETURNING id", {}, true);
    world_->same_in(mode, "INSERT INTO items VALUES (DEFAULT, 'four') RETURNING id", {}, true);
    world_->same_in(mode, "INSERT INTO people (name) VALUES ('no answer')");
  }
  for (const Mode mode : {Mode::kText, Mode::kBinary}) {
    world_->same_in(mode, "INSERT INTO people (name) VALUES ($1), ($2), (upper($3)), ($1) RETURNING id, name", {"p", "q", std::nullopt}, true);
    world_->same_in(mode, "INSERT INTO people (id, name) VALUES (DEFAULT, $1) RETURNING id", {"r"}, true);
  }
  EXPECT_EQ(ours("INSERT INTO people (name, at) VALUES ('timed', now()), ('timed', now()), ('timed', now()) RETURNING id").tag, "INSERT 0 3");
  run(world_->twin(), "INSERT INTO people (name, at) VALUES ('timed', now()), ('timed', now()), ('timed', now())");
  world_->both("UPDATE people SET at = NULL");
}

TEST_F(Sequences, GivesKeysInTransactions) {
  world_->both("BEGIN");
  world_->same_in(Mode::kSimple, "INSERT INTO people (name) VALUES ('in'), ('a'), ('transaction') RETURNING id", {}, true);
  world_->both("SAVEPOINT s");
  world_->same_in(Mode::kText, "INSERT INTO people (name) VALUES ($1) RETURNING id", {"undone"}, true);
  world_->both("ROLLBACK TO s");
  world_->same_in(Mode::kSimple, "INSERT INTO items (name) VALUES ('kept') RETURNING id", {}, true);
  world_->both("COMMIT");
  world_->both("BEGIN");
  world_->same_in(Mode::kSimple, "INSERT INTO people (name) VALUES ('undone'), ('undone') RETURNING id", {}, true);
  world_->both("ROLLBACK");
  world_->same_in(Mode::kSimple, "INSERT INTO people (name) VALUES ('next') RETURNING id", {}, true);
}

TEST_F(Sequences, GivesOtherDefaults) {
  EXPECT_EQ(ours("INSERT INTO tokens (n) VALUES (1), (2), (3), (4), (5), (6), (7), (8)").tag, "INSERT 0 8");
  const auto ids = values("SELECT id FROM tokens");
  EXPECT_EQ(ids.size(), 8u);
  for (const auto& id : ids) EXPECT_EQ(ours("SELECT n FROM tokens WHERE id = '" + id + "'").rows.size(), 1u) << id;
}

TEST_F(Sequences, DoesNotRepeatValuesOnOtherShards) {
  for (int round = 0; round < 3; ++round) {
    std::string sql = "INSERT INTO orders (tenant_id, n) VALUES ";
    for (int i = 1; i <= 40; ++i) sql += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 1)";
    EXPECT_EQ(ours(sql).tag, "INSERT 0 40");
    EXPECT_EQ(ours("INSERT INTO orders (tenant_id) VALUES (7) RETURNING id").rows.size(), 1u);
  }
  EXPECT_EQ(values("SELECT id FROM orders").size(), 123u);
  EXPECT_EQ(ours("TRUNCATE orders RESTART IDENTITY").sqlstate, "");
  EXPECT_EQ(ours("INSERT INTO orders (tenant_id) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)").tag, "INSERT 0 9");
  EXPECT_EQ(values("SELECT id FROM orders").size(), 9u);
  // Whoever writes to a shard directly gets other values, too.
  std::set<std::string> direct;
  for (int shard = 0; shard < 4; ++shard) {
    EXPECT_TRUE(direct.insert(world_->cluster().primary(shard).superuser().scalar("SELECT nextval('orders_id_seq')")).second);
    EXPECT_TRUE(direct.insert(world_->cluster().primary(shard).superuser().scalar("SELECT nextval('blocks')")).second);
  }
}

TEST_F(Sequences, CountsAsOnOneServer) {
  world_->both("CREATE SEQUENCE counted INCREMENT BY 50");
  for (int i = 0; i < 3; ++i) world_->same("SELECT nextval('counted'), nextval('counted') AS second");
  world_->same("SELECT nextval('counted') FROM generate_series(1, 3)");
  world_->same("SELECT nextval($1::regclass)", {"counted"});
  world_->both("ALTER SEQUENCE counted RESTART");
  world_->same("SELECT nextval('counted')");
  world_->both("BEGIN");
  world_->same("SELECT nextval('counted')");
  world_->both("ROLLBACK");
  world_->same("SELECT nextval('counted')");
  world_->same("SELECT nextval('nothing')");
}

// As the end of a dump does.
TEST_F(Sequences, GoesOnFromTheValueThatIsSet) {
  world_->both("CREATE SEQUENCE given");
  for (const char* sql : {"SELECT pg_catalog.setval('public.given', 42, true)", "SELECT nextval('given')", "SELECT setval('given', 1000, false)", "SELECT nextval('given')",
                          "SELECT setval('given', NULL)", "SELECT setval('nothing', 1)", "SELECT setval('given', 7), nextval('given')"}) {
    world_->same(sql);
  }
  world_->same("SELECT setval($1, $2)", {"given", "500"});
  world_->both("BEGIN");
  world_->same("SELECT setval('given', 600)");
  world_->both("ROLLBACK");
  world_->same("SELECT nextval('given')");
  EXPECT_EQ(ours("SELECT setval('given', 0)").sqlstate, "22003");
  EXPECT_EQ(ours("SELECT setval('given', 140737488355328)").sqlstate, "22003") << "the second shard's";
  std::set<std::string> values;
  for (int shard = 1; shard < 4; ++shard) {
    auto server = world_->cluster().primary(shard).superuser();
    EXPECT_EQ(server.scalar("SELECT nextval('given') > 600"), "t");
    EXPECT_TRUE(values.insert(server.scalar("SELECT nextval('given')")).second);
  }
}

TEST_F(Sequences, AddsThemToTablesThatAreThere) {
  EXPECT_EQ(ours("INSERT INTO late VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)").tag, "INSERT 0 5");
  EXPECT_EQ(ours("ALTER TABLE late ADD COLUMN id serial").sqlstate, "0A000");
  EXPECT_EQ(ours("CREATE SEQUENCE late_ids AS int").sqlstate, "");
  EXPECT_EQ(ours("ALTER TABLE late ADD COLUMN id int DEFAULT nextval('late_ids')").sqlstate, "");
  EXPECT_EQ(ours("ALTER TABLE late ADD COLUMN other bigint NOT NULL DEFAULT 0").sqlstate, "");
  EXPECT_EQ(ours("ALTER TABLE late ALTER other DROP DEFAULT, ALTER other ADD GENERATED BY DEFAULT AS IDENTITY (START WITH 1000 INCREMENT BY 10)").sqlstate, "");
  EXPECT_EQ(ours("INSERT INTO late VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)").tag, "INSERT 0 7");
  EXPECT_EQ(values("SELECT id FROM late").size(), 12u);
  for (int shard = 0; shard < 4; ++shard) {
    EXPECT_EQ(world_->cluster().primary(shard).superuser().scalar("SELECT seqincrement || ' ' || (seqstart - 1000 = " + std::to_string(shard) + " * 140737488355328) FROM pg_sequence WHERE seqrelid = 'late_other_seq'::regclass"),
              "10 true");
  }
  run(world_->twin(), "DROP TABLE late");
}

TEST_F(Sequences, RefusesWhatWouldRepeatValues) {
  for (const char* sql : {"SELECT setval('blocks', (SELECT max(id) FROM people))", "SELECT setval('blocks', id) FROM people WHERE id = 1", "SELECT currval('blocks')", "SELECT lastval()", "CREATE SEQUENCE down INCREMENT BY -1",
                          "CREATE SEQUENCE zero MINVALUE 0", "UPDATE people SET name = nextval('blocks')::text WHERE id = 1", "INSERT INTO people DEFAULT VALUES",
                          "INSERT INTO people (id, name) VALUES (DEFAULT, 'a'), (5, 'b')", "INSERT INTO people (name) SELECT name FROM people",
                          "INSERT INTO items (id, name) OVERRIDING USER VALUE VALUES (5, 'a')", "ALTER TABLE lists ADD COLUMN n serial"}) {
    EXPECT_EQ(ours(sql).sqlstate, "0A000") << sql;
  }
  EXPECT_EQ(ours("SELECT nextval('down')").sqlstate, "42P01");
}

TEST_F(Sequences, SaysWhatPostgresSays) {
  world_->same("INSERT INTO people (name, nothing) VALUES ('a', 2)");
  world_->same("INSERT INTO people (name, at) VALUES ('ä', 'a'), ('b', 'no time')");
  world_->same("INSERT INTO items (name) VALUES (1, 2)");
}

TEST_F(Sequences, ChangesKeys) {
  world_->both("INSERT INTO people (id, name) VALUES (100001, 'old')");
  world_->same("UPDATE people SET id = 100001, name = name || 'x' WHERE id = 100001 RETURNING *");
  world_->same("UPDATE people SET id = $1, name = $2 WHERE id = $3", {"100001", "new", "100001"});
  world_->same_in(Mode::kSimple, "UPDATE people SET id = NULL WHERE id = 100001");
  for (int id = 100002; id < 100030; ++id) {
    world_->both("BEGIN");
    world_->same_in(Mode::kSimple, "UPDATE people SET id = " + std::to_string(id) + " WHERE id = 100001 RETURNING *");
    world_->same("SELECT id, name FROM people WHERE id > 100000");
    world_->both("ROLLBACK");
  }
}

}  // namespace
}  // namespace howdah::e2e_sharded
