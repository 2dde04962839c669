// UNION, INTERSECT and EXCEPT over several shards give what the unsharded twin gives, or are refused.
#include <gtest/gtest.h>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

class SetOperations : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, score numeric); CREATE TABLE accounts (id int, user_id int NOT NULL, kind text, balance numeric(10,2));"
        "CREATE TABLE kinds (id int, name text)",
        "users: { hash: id }\naccounts: { hash: user_id }\nkinds: { reference: true }", std::vector<Sharded>{{"users", "id"}, {"accounts", "user_id"}});
    std::string users = "INSERT INTO users VALUES ", accounts = "INSERT INTO accounts VALUES ";
    for (int i = 1; i <= 40; ++i) {
      users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n" + std::to_string(i % 7) + "', " + std::to_string(i % 5) + ".50)";
      accounts += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", " + std::to_string(i * 3 % 50 + 1) + ", 'n" + std::to_string(i % 4) + "', " + std::to_string(i % 6) + ".5)";
    }
    world_->both(users);
    world_->both(accounts);
    world_->both("INSERT INTO kinds VALUES (1, 'n1'), (2, 'n2')");
  }
  static void TearDownTestSuite() { world_.reset(); }
  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> SetOperations::world_;

TEST_F(SetOperations, KeepsAllRows) {
  world_->same("SELECT name FROM users UNION ALL SELECT kind FROM accounts");
  world_->same("SELECT id, score FROM users UNION ALL SELECT id, balance FROM accounts UNION ALL SELECT 0, NULL FROM users WHERE id < 5");
  world_->same("SELECT id, score FROM users UNION ALL SELECT id, balance FROM accounts ORDER BY 2 DESC, 1 LIMIT 13 OFFSET 4", {}, true);
  world_->same("(SELECT id AS a FROM users WHERE id < $1) UNION ALL (SELECT user_id FROM accounts WHERE balance > $2)", {"30", "2"});
  world_->same("SELECT id AS a, 'u' AS source FROM users UNION ALL SELECT user_id, 'a' FROM accounts ORDER BY source, a LIMIT $1", {"50"}, true);
  world_->same("SELECT id FROM users WHERE id = 1 UNION ALL SELECT id FROM users WHERE id = 2 UNION ALL SELECT id FROM users WHERE id IN (3, 4)");
  world_->same("SELECT u.id, a.kind FROM users u JOIN accounts a ON a.user_id = u.id UNION ALL SELECT user_id, max(kind) FROM accounts GROUP BY user_id");
  world_->same("SELECT id, 1 / (id - 17) FROM users UNION ALL SELECT 1, 1 FROM accounts");
  world_->same("SELECT id FROM users UNION ALL SELECT kind FROM accounts");
}

TEST_F(SetOperations, ComparesRowsOfOneShard) {
  for (const char* op : {"UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"}) {
    const std::string between = std::string(" ") + op + " ";
    world_->same("SELECT id FROM users" + between + "SELECT user_id FROM accounts");
    world_->same("SELECT name, id FROM users" + between + "SELECT kind, user_id FROM accounts ORDER BY id, name", {}, true);
    world_->same("SELECT user_id, kind FROM accounts" + between + "SELECT id, name FROM users" + between + "SELECT user_id, 'n1' FROM accounts WHERE balance > 2 ORDER BY 1 DESC, 2 LIMIT 9", {}, true);
    world_->same("SELECT id, now() > '2000-01-01' FROM users" + between + "SELECT user_id, true FROM accounts");
  }
  world_->same("(SELECT id FROM users EXCEPT SELECT user_id FROM accounts) UNION (SELECT user_id FROM accounts EXCEPT SELECT id FROM users)");
}

// Equal rows may come from different shards: all rows are compared by one server.
TEST_F(SetOperations, ComparesRowsOfAllShards) {
  for (const char* sql : {"SELECT name FROM users UNION SELECT kind FROM accounts", "SELECT id FROM users INTERSECT SELECT id FROM accounts", "SELECT id, name FROM users UNION SELECT id, kind FROM accounts",
                          "SELECT id FROM users UNION ALL SELECT id FROM kinds", "SELECT id FROM users UNION ALL SELECT 1", "SELECT id FROM users UNION ALL VALUES (1)",
                          "(SELECT id FROM users ORDER BY id LIMIT 1) UNION ALL SELECT user_id FROM accounts", "SELECT count(*) FROM users UNION ALL SELECT count(*) FROM accounts",
                          "SELECT DISTINCT name FROM users UNION ALL SELECT kind FROM accounts", "WITH u AS (SELECT id FROM users) SELECT id FROM u UNION ALL SELECT id FROM users",
                          "SELECT u.id FROM kinds k LEFT JOIN users u ON u.id = k.id UNION SELECT user_id FROM accounts", "SELECT id FROM users UNION SELECT user_id + 0 FROM accounts"}) {
    world_->same(sql);
  }
  world_->same("SELECT id FROM users UNION SELECT id, name FROM users");
  world_->same("SELECT id FROM users UNION SELECT name FROM users");
}

}  // namespace
}  // namespace howdah::e2e_sharded
