// Functions of users over several shards: those that the configuration declares shard_local.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, score int);"
    "CREATE TABLE orders (user_id bigint, id int, amount int, PRIMARY KEY (user_id, id));"
    "CREATE TABLE rates (kind int PRIMARY KEY, factor int);"
    "CREATE SCHEMA sales; GRANT USAGE ON SCHEMA sales TO app;"
    "CREATE FUNCTION spent(bigint) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT coalesce(sum(amount), 0) FROM orders WHERE user_id = $1';"
    "CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1';"
    "CREATE FUNCTION sales.rated(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1 * factor FROM public.rates WHERE kind = 1';"
    "CREATE FUNCTION sales.rated(text) RETURNS text STABLE LANGUAGE sql AS 'SELECT $1';"
    "CREATE FUNCTION both_ways(int, text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';"
    "CREATE FUNCTION both_ways(bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';"
    "CREATE FUNCTION wild() RETURNS float8 VOLATILE LANGUAGE sql AS 'SELECT random()';"
    "CREATE FUNCTION hidden() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM users';"
    "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)";

class Functions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(kSchema, "users: { hash: id }\norders: { hash: user_id }\nrates: { reference: true }",
                                    std::vector<Sharded>{{"users", "id"}, {"orders", "user_id"}},
                                    "spent: { shard_local: true }\ntwice: { shard_local: true }\nsales.rated: { shard_local: true }\nwild: { shard_local: true }\n"
                                    "\"both_ways(INT8)\": { shard_local: true }\ntotal: { shard_local: true }\n"
                                    "\"nowhere.nothing(int)\": { shard_local: true }\n\"twice(text)\": { shard_local: true }");
    std::string users = "INSERT INTO users VALUES ", orders = "INSERT INTO orders VALUES ";
    for (int i = 1; i <= 40; ++i) {
      const std::string id = std::to_string(i);
      users += (i > 1 ? ", (" : "(") + id + ", 'n" + std::to_string(i % 7) + "', " + std::to_string(i % 5) + ")";
      orders += (i > 1 ? ", (" : "(") + id + ", 1, " + id + "), (" + id + ", 2, 10)";
    }
    world_->both(users);
    world_->both(orders);
    world_->both("INSERT INTO rates VALUES (1, 3)");
  }
  static void TearDownTestSuite() { world_.reset(); }
  static Rows ours(const std::string& sql) { return run(world_->howdah(), sql); }
  static std::string state(const std::string& sql) { return ours(sql).sqlstate; }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> Functions::world_;

TEST_F(Functions, RunOnTheShardOfTheRow) {
  world_->same("SELECT id, spent(id) FROM users");
  world_->same("SELECT id, spent(id), twice(score) FROM users WHERE spent(id) > 20 ORDER BY spent(id) DESC, id LIMIT 7", {}, true);
  world_->same("SELECT id FROM users WHERE twice(score) = $1", {"4"});
  world_->same("SELECT u.id, sales.rated(u.score), o.amount FROM users u JOIN orders o ON o.user_id = u.id WHERE sales.rated(o.amount) > 30");
  world_->same("SELECT id, (SELECT max(twice(amount)) FROM orders WHERE user_id = users.id) FROM users");
  world_->same("SELECT id, sales.rated(name) FROM users WHERE id IN (1, 2, 3, 4, 5)");
  world_->same("SELECT id, both.n FROM users, LATERAL (SELECT spent(users.id) AS n) both");
  // An IMMUTABLE one may run anywhere.
  world_->same("SELECT sum(twice(score)), count(*) FROM users");
  world_->same("SELECT DISTINCT twice(score) FROM users");
  // Without tables, or with reference tables only.
  world_->same("SELECT twice(21), sales.rated(2)");
  world_->same("SELECT kind, sales.rated(kind) FROM rates");
  EXPECT_EQ(state("SELECT wild()"), "");
}

TEST_F(Functions, MayBeUsedInWrites) {
  world_->same("UPDATE users SET score = spent(id) WHERE spent(id) > 40 RETURNING id, score");
  world_->same("UPDATE users SET score = twice(score) WHERE id IN (1, 2, 3, 4, 5, 6)");
  world_->same("DELETE FROM orders WHERE sales.rated(amount) > 100");
  world_->same("INSERT INTO orders (user_id, id, amount) SELECT id, 9, spent(id) FROM users");
  world_->same("INSERT INTO users VALUES (101, 'x', twice(4)), (102, 'y', twice(5)), (103, 'z', twice(6))");
  world_->same("INSERT INTO rates VALUES (2, twice(2))");
  world_->same_tables();
  EXPECT_EQ(ours("SELECT * FROM rates ORDER BY 1").rows, run(world_->twin(), "SELECT * FROM rates ORDER BY 1").rows);
}

TEST_F(Functions, AreRefusedWhereTheDeclarationProvesNothing) {
  EXPECT_EQ(state("SELECT max(spent(id)) FROM users"), "0A000") << "the last step is on one shard";
  EXPECT_EQ(state("SELECT DISTINCT spent(id) FROM users"), "0A000");
  EXPECT_EQ(state("SELECT u.id, spent(o.user_id) FROM users u JOIN orders o ON o.amount = u.score"), "0A000") << "not joined on the key";
  EXPECT_EQ(state("SELECT wild() FROM users"), "0A000") << "as random()";
  EXPECT_EQ(state("UPDATE users SET score = wild()"), "0A000");
  EXPECT_EQ(state("INSERT INTO rates VALUES (7, sales.rated(1))"), "0A000") << "its copies must be alike";
  EXPECT_EQ(state("SELECT both_ways(id) FROM users"), "0A000") << "another function of that name is not declared";
  EXPECT_EQ(state("SELECT total(score) FROM users"), "0A000");
  const Rows refused = ours("SELECT hidden() FROM users");
  EXPECT_EQ(refused.sqlstate, "0A000");
  PGresult* raw = PQexec(world_->howdah(), "SELECT id, hidden() FROM users");
  const std::string hint = PQresultErrorField(raw, PG_DIAG_MESSAGE_HINT);
  PQclear(raw);
  EXPECT_NE(hint.find("sharding.functions: { \"public.hidden\": { shard_local: true } }"), std::string::npos) << hint;
  EXPECT_EQ(state("SELECT hidden()"), "0A000");
}

TEST_F(Functions, AreNamedInTheLogWhenTheyAreNotThere) {
  const std::string log = world_->proxy().log();
  EXPECT_NE(log.find("there is no function nowhere.nothing(integer)"), std::string::npos) << log;
  EXPECT_NE(log.find("there is no function public.twice(text)"), std::string::npos) << log;
  EXPECT_NE(log.find("there is no function public.total"), std::string::npos) << log;
  EXPECT_EQ(log.find("there is no function public.both_ways"), std::string::npos) << log;
}

TEST_F(Functions, AreDeclaredByAReload) {
  EXPECT_EQ(state("SELECT id, hidden() FROM users"), "0A000");
  std::string yaml = testing::read_file_or_empty(world_->proxy().config_path());
  const std::string after = "twice: { shard_local: true }\n";
  const auto at = yaml.find(after) + after.size();
  world_->proxy().rewrite_config(yaml.substr(0, at) + "        hidden: { shard_local: true }\n" + yaml.substr(at));
  EXPECT_TRUE(world_->proxy().connect("admin", "howdah").query("RELOAD").ok());
  EXPECT_EQ(ours("SELECT id, hidden() FROM users").message, "") << "that it is true is the user's promise";
  world_->proxy().rewrite_config(yaml);
  EXPECT_TRUE(world_->proxy().connect("admin", "howdah").query("RELOAD").ok());
  EXPECT_EQ(state("SELECT id, hidden() FROM users"), "0A000");
}

}  // namespace
}  // namespace howdah::e2e_sharded
