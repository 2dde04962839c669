// Where writes go: sharded, reference and local tables; and what DDL is refused for.
#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding::sql {
namespace {

using testing::AnalyzeOptions;
using testing::analyzed;
using testing::expect;

TEST(Insert, TakesTheKeyFromItsColumn) {
  expect({
      {"INSERT INTO users VALUES (5, 'a')", "keys 5"},
      {"INSERT INTO users (email, id) VALUES ('a', 5)", "keys 5"},
      {"INSERT INTO users AS u (id) VALUES ($1) RETURNING u.id", "keys $1"},
      {"INSERT INTO users VALUES (-5, 'a')", "keys -5"},
      {"INSERT INTO users VALUES ('5', 'a'), (6, 'b'), ($1, 'c')", "keys '5',6,$1"},
      {"INSERT INTO users VALUES (NULL, 'a')", "keys NULL"},
      {"INSERT INTO loose VALUES (NULL, 1)", "refused"},
      {"INSERT INTO users (email) VALUES ('a')", "refused"},
      {"INSERT INTO users DEFAULT VALUES", "refused"},
      {"INSERT INTO users VALUES (DEFAULT, 'a')", "refused"},
      {"INSERT INTO users VALUES (1 + 1, 'a')", "refused"},
      {"INSERT INTO users VALUES (5.0, 'a')", "keys 5.0"},
      {"INSERT INTO users VALUES (-5.5, 'a')", "keys -5.5"},
      {"INSERT INTO users VALUES (-9223372036854775808, 'a')", "keys -9223372036854775808"},
      {"INSERT INTO users VALUES (5.5::bigint, 'a')", "refused"},
      {"WITH u AS (INSERT INTO users VALUES (5.5, 'a') RETURNING id) SELECT * FROM u JOIN accounts a ON a.user_id = u.id", "refused"},
      {"INSERT INTO events VALUES (gen_random_uuid(), gen_random_uuid())", "refused"},
      {"INSERT INTO profiles VALUES (5, 'x')", "refused"},
      {"INSERT INTO profiles VALUES ('ada', 'x')", "keys 'ada'"},
      {"INSERT INTO transactions_2024_01 (id, user_id) VALUES (1, 5)", "keys 5"},
  });
}

TEST(Insert, TakesTheKeyFromItsQuery) {
  expect({
      {"INSERT INTO accounts (id, user_id) SELECT id, user_id FROM transactions WHERE user_id = 5", "keys 5 5"},
      {"INSERT INTO accounts (id, user_id) SELECT 1, id FROM users WHERE id = $1", "keys $1 $1"},
      {"INSERT INTO accounts (id, user_id) SELECT 1, 5", "keys 5"},
      {"INSERT INTO accounts (id, user_id) SELECT user_id, id FROM transactions WHERE user_id = 5", "refused"},
      {"INSERT INTO accounts (id, user_id) SELECT id, user_id FROM transactions", "all write"},
      {"INSERT INTO accounts (id, user_id) SELECT id, 5 FROM categories", "keys 5"},
      {"INSERT INTO accounts (id, user_id) SELECT id, id FROM categories", "refused"},
      {"WITH u AS (SELECT id FROM users WHERE id = 5) INSERT INTO accounts (id, user_id) SELECT 1, id FROM u", "keys 5 5"},
      {"WITH a AS (INSERT INTO users VALUES (5, 'a') RETURNING id) INSERT INTO accounts (id, user_id) SELECT 1, id FROM a",
       "keys 5"},
  });
}

TEST(Insert, NeedsTheKeyInOnConflict) {
  expect({
      {"INSERT INTO users VALUES (5, 'a') ON CONFLICT DO NOTHING", "keys 5"},
      {"INSERT INTO users VALUES (5, 'a') ON CONFLICT (id) DO UPDATE SET email = excluded.email", "keys 5"},
      {"INSERT INTO users VALUES (5, 'a') ON CONFLICT (id) DO UPDATE SET id = 6", "refused"},
      {"INSERT INTO users VALUES (5, 'a') ON CONFLICT (email) DO NOTHING", "refused"},
      {"INSERT INTO accounts (id, user_id) VALUES (1, 5) ON CONFLICT (id) DO NOTHING", "refused"},
      {"INSERT INTO accounts (id, user_id) VALUES (1, 5) ON CONFLICT (user_id, id) DO NOTHING", "keys 5"},
  });
}

TEST(UpdateAndDelete, NeedTheKey) {
  expect({
      {"UPDATE users SET name = 'x' WHERE id = 5", "keys 5"},
      {"UPDATE users u SET name = 'x' WHERE u.id = $1 RETURNING *", "keys $1"},
      {"UPDATE users SET name = 'x'", "all write"},
      {"UPDATE users SET id = id + 1 WHERE id = 5", "many write"},
      {"UPDATE users SET (name, id) = ('x', 6) WHERE id = 5", "refused"},
      {"UPDATE users SET name = (SELECT kind FROM accounts WHERE user_id = 5 LIMIT 1) WHERE id = 5", "keys 5 5"},
      {"UPDATE users SET name = (SELECT kind FROM accounts LIMIT 1) WHERE id = 5", "refused"},
      {"UPDATE users u SET name = a.kind FROM accounts a WHERE a.user_id = u.id AND u.id = 5", "keys 5"},
      {"UPDATE users u SET name = a.kind FROM accounts a WHERE u.id = 5", "refused"},
      {"DELETE FROM accounts WHERE user_id = 5 AND id = 3", "keys 5"},
      {"DELETE FROM accounts a USING users u WHERE a.user_id = u.id AND u.id = 5", "keys 5"},
      {"DELETE FROM accounts", "all write"},
      {"DELETE FROM users WHERE CURRENT OF c", "refused"},
      {"WITH d AS (DELETE FROM accounts WHERE user_id = 5 RETURNING *) SELECT * FROM d", "keys 5"},
      {"WITH d AS (DELETE FROM accounts RETURNING *) SELECT * FROM d WHERE user_id = 5", "refused"},
      {"MERGE INTO accounts a USING (SELECT 5 AS u) s ON a.user_id = s.u AND a.id = 1 WHEN MATCHED THEN UPDATE SET kind = 'x' "
       "WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (1, s.u)",
       "keys 5 5"},
      {"MERGE INTO accounts a USING (SELECT 5 AS u) s ON a.id = 1 WHEN MATCHED THEN UPDATE SET kind = 'x' "
       "WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (1, 5)",
       "refused"},
      {"MERGE INTO accounts a USING users u ON a.user_id = u.id AND u.id = 5 WHEN NOT MATCHED THEN DO NOTHING", "all write"},
      {"MERGE INTO accounts a USING users u ON a.user_id = u.id AND u.id = 5 WHEN MATCHED THEN DELETE", "keys 5"},
      {"MERGE INTO accounts a USING (SELECT 5 AS u) s ON a.user_id = s.u WHEN NOT MATCHED THEN INSERT (id) VALUES (1)", "refused"},
  });
}

TEST(ReferenceWrite, GoesToAllShardsWhenItMustGiveTheSameEverywhere) {
  expect({
      {"INSERT INTO categories VALUES (1, 'a')", "all"},
      {"INSERT INTO categories VALUES ($1, lower($2))", "all"},
      {"INSERT INTO categories VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = excluded.name", "all"},
      {"UPDATE categories SET name = name || 'x' WHERE id > 3", "all"},
      {"DELETE FROM categories WHERE id IN (SELECT id FROM categories WHERE name = 'x')", "all"},
      {"INSERT INTO categories SELECT id + 100, name FROM categories", "all"},
      {"INSERT INTO categories VALUES (1, now()::text)", "all"},
      {"INSERT INTO categories VALUES (1, clock_timestamp()::text)", "refused"},
      {"INSERT INTO categories VALUES (1, current_user)", "refused"},
      {"INSERT INTO categories VALUES (random() * 100, 'a')", "refused"},
      {"INSERT INTO categories VALUES (nextval('ids'), 'a')", "refused"},
      {"INSERT INTO categories VALUES (my_function(1), 'a')", "refused"},
      {"INSERT INTO categories SELECT id, name FROM categories LIMIT 1", "refused"},
      {"INSERT INTO categories SELECT 1, string_agg(name, ',') FROM categories", "refused"},
      {"INSERT INTO categories SELECT id, name FROM users WHERE id = 5", "refused"},
      {"INSERT INTO categories SELECT 1, key FROM settings", "refused"},
      {"INSERT INTO categories SELECT oid, relname FROM pg_class", "refused"},
      {"UPDATE categories SET name = 'x' WHERE id = 'users'::regclass::oid::int", "refused"},
      {"INSERT INTO currencies VALUES ('EUR', 'euro', '1999-01-01')", "all"},
      {"INSERT INTO currencies VALUES ('EUR', 'euro', 'now')", "refused"},
      {"INSERT INTO currencies VALUES ('EUR', 'euro', DEFAULT)", "refused"},
      {"INSERT INTO currencies VALUES ('EUR', 'euro')", "refused"},
      {"INSERT INTO currencies (code) VALUES ('EUR')", "refused"},
      {"UPDATE currencies SET since = DEFAULT", "refused"},
      {"UPDATE categories c SET name = d.name FROM categories d WHERE d.parent_id = c.id", "refused"},
      {"DELETE FROM users u USING categories c WHERE u.id = 5 AND c.id = 1", "keys 5"},
  });
  const auto plan = analyzed("DELETE FROM categories").plan();
  EXPECT_TRUE(plan.reference_write);
  EXPECT_EQ(plan.lock_tables, std::vector<std::string>{"\"public\".\"categories\""});
}

TEST(LocalWrite, GoesToItsShard) {
  expect({
      {"INSERT INTO settings VALUES ('a', '{}')", "shard 2"},
      {"UPDATE settings SET value = (SELECT to_jsonb(name) FROM categories LIMIT 1)", "shard 2"},
      {"DELETE FROM settings", "shard 2"},
      {"INSERT INTO settings SELECT name, '{}' FROM users WHERE id = 5", "refused"},
      {"COPY settings FROM STDIN", "shard 2"},
      {"TRUNCATE settings", "shard 2"},
      {"LOCK settings", "shard 2"},
  });
}

TEST(Utility, PlacesStatementsOnTables) {
  expect({
      {"TRUNCATE users, accounts", "all"},
      {"TRUNCATE users, settings", "refused"},
      {"TRUNCATE unruled", "refused"},
      {"LOCK TABLE categories IN EXCLUSIVE MODE", "all"},
      {"COPY users FROM STDIN", "copy in"},
      {"COPY users (name, id) FROM STDIN (FORMAT csv, HEADER, NULL 'x', DELIMITER ';', QUOTE '~', ESCAPE '!')", "copy in"},
      {"COPY users FROM STDIN BINARY", "copy in"},
      {"COPY users (name) FROM STDIN", "refused"},
      {"COPY users FROM STDIN WHERE id > 5", "refused"},
      {"COPY users FROM STDIN (ENCODING 'latin1')", "refused"},
      {"COPY users FROM STDIN (FORMAT csv, FORCE_NULL (id))", "refused"},
      {"COPY users (id, nosuch) FROM STDIN", "refused"},
      {"COPY loose FROM STDIN", "copy in"},
      {"COPY users TO STDOUT", "copy out"},
      {"COPY users (id) TO STDOUT CSV HEADER FORCE QUOTE id", "copy out"},
      {"COPY (SELECT id FROM users WHERE name = 'x') TO STDOUT", "copy out"},
      {"COPY (SELECT id FROM users WHERE name = 'x') TO STDOUT BINARY", "refused"},
      {"COPY currencies FROM STDIN", "copy in"},
      {"COPY currencies (code) FROM STDIN", "refused"},
      {"COPY (SELECT * FROM users WHERE id = 5) TO STDOUT", "keys 5"},
      {"COPY categories TO STDOUT", "any"},
      {"COPY categories FROM STDIN", "copy in"},
      {"COPY pg_class TO STDOUT", "canonical"},
      {"COPY settings TO '/tmp/x'", "refused"},
      {"EXPLAIN SELECT * FROM users WHERE id = 5", "keys 5"},
      {"DECLARE c CURSOR FOR SELECT * FROM users WHERE id = 5", "keys 5"},
      {"DECLARE c CURSOR FOR SELECT * FROM users", "many"},
      {"BEGIN", "proxy"},
      {"SET x = 1", "proxy"},
      {"SHOW howdah.route", "proxy"},
      {"SHOW work_mem", "home"},
      {"LISTEN x", "home"},
      {"CALL p()", "refused"},
      {"DO 'x'", "refused"},
      {"PREPARE p AS SELECT 1", "home"},
      {"VACUUM users", "all"},
      {"ANALYZE", "all"},
      {"SET CONSTRAINTS ALL DEFERRED", "all"},
  });
}

TEST(Ddl, GoesToAllShards) {
  expect({
      {"CREATE TABLE planned (id bigint, user_id bigint, PRIMARY KEY (user_id, id))", "all"},
      {"CREATE TABLE planned (user_id uuid PRIMARY KEY)", "all"},
      {"CREATE TABLE planned (user_id varchar(20) UNIQUE)", "all"},
      {"CREATE TABLE planned (user_id bigint REFERENCES users)", "all"},
      {"CREATE TABLE planned (user_id bigint REFERENCES users (id), c int REFERENCES categories)", "all"},
      {"CREATE TABLE planned (user_id bigint, a bigint, FOREIGN KEY (user_id, a) REFERENCES accounts (user_id, id))", "all"},
      {"CREATE TABLE planned (user_id bigint, a bigint, FOREIGN KEY (user_id, a) REFERENCES accounts)", "all"},
      {"CREATE TABLE categories (id serial PRIMARY KEY)", "all"},
      {"CREATE TABLE planned (user_id bigserial PRIMARY KEY)", "all"},
      {"CREATE TABLE planned (user_id bigint, id bigserial)", "all"},
      {"CREATE TABLE planned (user_id bigint, id int GENERATED ALWAYS AS IDENTITY)", "all"},
      {"CREATE TABLE planned (user_id bigint, id int DEFAULT nextval('ids'))", "all"},
      {"ALTER SEQUENCE ids RESTART", "all"},
      {"CREATE TABLE transactions_2024_02 PARTITION OF transactions FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')", "all"},
      {"CREATE INDEX ON users (name)", "all"},
      {"CREATE UNIQUE INDEX ON accounts (user_id, kind)", "all"},
      {"CREATE UNIQUE INDEX ON categories (name)", "all"},
      {"CREATE SCHEMA x", "all"},
      {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'", "all"},
      {"DROP TABLE users", "all"},
      {"DROP TABLE unruled", "all"},
      {"ALTER TABLE users ADD COLUMN x int", "all"},
      {"ALTER TABLE users RENAME COLUMN name TO full_name", "all"},
      {"ALTER TABLE transactions DETACH PARTITION transactions_2024_01", "all"},
      {"GRANT SELECT ON users TO app", "all"},
      {"CREATE VIEW v AS SELECT * FROM users", "all"},
  });
}

TEST(Ddl, RefusesWhatOneShardCannotEnforce) {
  const std::pair<const char*, const char*> cases[] = {
      {"CREATE TABLE other (id bigint)", "has no sharding rule"},
      {"CREATE TABLE planned (id bigint PRIMARY KEY)", "has no column user_id, its sharding key"},
      {"CREATE TABLE planned (id bigint PRIMARY KEY, user_id bigint)", "does not contain its sharding key"},
      {"CREATE TABLE planned (id bigint)", "has no column user_id"},
      {"CREATE TABLE planned (user_id numeric)", "has type numeric"},
      {"CREATE TABLE planned (user_id bigint[])", "has type"},
      {"CREATE TABLE planned (user_id char(10))", "has type bpchar"},
      {"CREATE TABLE planned (user_id bigint, email text UNIQUE)", "does not contain its sharding key"},
      {"CREATE TABLE planned (user_id bigint, a int, UNIQUE (a))", "does not contain its sharding key"},
      {"CREATE TABLE planned (user_id bigint, a bigint REFERENCES users)", "does not pair their sharding keys"},
      {"CREATE TABLE planned (user_id bigint, k text REFERENCES settings)", "would cross shards"},
      {"CREATE TABLE planned (user_id bigint, k bigint REFERENCES unruled)", "no sharding rule"},
      {"CREATE TABLE planned (LIKE users)", "is not supported"},
      {"CREATE TABLE planned (user_id bigint, EXCLUDE USING gist (user_id WITH =))", "exclusion"},
      {"ALTER TABLE categories ADD FOREIGN KEY (id) REFERENCES users", "would cross shards"},
      {"CREATE TABLE transactions_2024_02 PARTITION OF transactions (UNIQUE (id)) DEFAULT", "does not contain its sharding key"},
      {"CREATE TABLE planned AS SELECT 1", "CREATE TABLE AS"},
      {"SELECT 1 AS user_id INTO planned", "SELECT INTO"},
      {"CREATE MATERIALIZED VIEW m AS SELECT 1", "materialized views"},
      {"CREATE TEMP TABLE t (a int)", "temporary tables"},
      {"CREATE UNIQUE INDEX ON users (email)", "does not contain its sharding key"},
      {"ALTER TABLE users ADD UNIQUE (email)", "does not contain its sharding key"},
      {"ALTER TABLE users ADD COLUMN x serial", "from a new sequence"},
      {"ALTER TABLE users DROP COLUMN id", "cannot be dropped"},
      {"ALTER TABLE users ALTER COLUMN id TYPE text", "cannot be changed"},
      {"ALTER TABLE users RENAME COLUMN id TO uid", "cannot be renamed"},
      {"ALTER TABLE users RENAME TO people", "cannot be renamed"},
      {"ALTER TABLE users SET SCHEMA crm", "cannot be renamed"},
      {"ALTER TABLE categories ADD COLUMN at timestamptz DEFAULT now()", "may differ between the copies"},
      {"ALTER TABLE accounts ADD FOREIGN KEY (id) REFERENCES users", "does not pair their sharding keys"},
      {"CREATE SCHEMA x CREATE TABLE y (a int)", "is not supported"},
      {"CREATE RULE r AS ON INSERT TO users DO INSTEAD NOTHING", "rewrite rules"},
  };
  for (const auto& [sql, message] : cases) {
    const auto plan = analyzed(sql).plan();
    ASSERT_TRUE(plan.refusal) << sql;
    EXPECT_NE(plan.refusal->message.find(message), std::string::npos) << sql << ": " << plan.refusal->message;
    EXPECT_NE(plan.refusal->hint, "") << sql;
  }
}

// PostgreSQL's own answer, from a statement that creates nothing even where the table is gone by now.
TEST(Ddl, LetsTheServersSayThatATableIsThereAlready) {
  const auto stand_in = [](std::string_view sql, std::vector<std::string> path = {"public"}) {
    AnalyzeOptions options;
    options.search_path = std::move(path);
    return analyzed(sql, options).plan().stand_in;
  };
  EXPECT_EQ(stand_in("CREATE TABLE IF NOT EXISTS users (a int)"), "CREATE TABLE IF NOT EXISTS \"public\".\"users\" (LIKE \"public\".\"users\")");
  EXPECT_EQ(stand_in("CREATE TABLE users AS SELECT 1"), "CREATE TABLE \"public\".\"users\" AS SELECT FROM \"public\".\"users\"");
  EXPECT_EQ(stand_in("CREATE TABLE IF NOT EXISTS user_view (a int)"),
            "CREATE TABLE IF NOT EXISTS \"public\".\"user_view\" (LIKE \"public\".\"user_view\")");
  EXPECT_EQ(stand_in("CREATE TABLE user_view (a int)"), "");
  EXPECT_EQ(stand_in("CREATE TABLE IF NOT EXISTS users (id bigint PRIMARY KEY)"), "");  // nothing is wrong with it
  EXPECT_EQ(stand_in("CREATE TABLE IF NOT EXISTS other (id bigint)"), "");
}

}  // namespace
}  // namespace howdah::sharding::sql
