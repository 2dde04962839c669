// The clock in statements over several shards: one time for all of them, the transaction's, as on one server.
#include <gtest/gtest.h>

#include <set>

#include "tests/e2e_sharded/twin.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, seen timestamptz, born date, wakes time, \"now\" int DEFAULT 3);"
    "CREATE TABLE news (id int PRIMARY KEY, text text, at timestamptz, day date)";

class Clock : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(kSchema, "users: { hash: id }\nnews: { reference: true }", std::vector<Sharded>{{"users", "id"}});
  }
  static void TearDownTestSuite() { world_.reset(); }

  void SetUp() override {
    world_->both("TRUNCATE users, news");
    std::string users = "INSERT INTO users VALUES ";
    for (int i = 1; i <= 40; ++i) {
      const char* seen = i % 3 == 0 ? "2000-01-01" : i % 3 == 1 ? "2999-01-01" : "infinity";
      users += std::string(i > 1 ? "," : "") + "(" + std::to_string(i) + ", 'n', '" + seen + "', '2020-02-03')";
    }
    world_->both(users);
    world_->both("INSERT INTO news VALUES (1, 'a', '2000-01-01', '2000-01-01'), (2, 'b', '2999-01-01', '2999-01-01')");
  }
  void TearDown() override { world_->both("ROLLBACK"); }

  static Rows ours(const std::string& sql, Mode mode = Mode::kSimple) {
    Rows rows = run(world_->howdah(), sql, mode);
    EXPECT_EQ(rows.sqlstate, "") << sql << ": " << rows.message;
    return rows;
  }
  static std::string one(const std::string& sql) {
    const Rows rows = ours(sql);
    return rows.rows.empty() ? "no row" : rows.rows[0][0].value_or("NULL");
  }
  static std::set<std::string> values(const std::string& sql) {
    std::set<std::string> out;
    for (const auto& row : ours(sql).rows) out.insert(row[0].value_or("NULL"));
    return out;
  }
  // All but the values, which are of the moment.
  static void same_shape(const std::string& sql) {
    for (const Mode mode : kModes) {
      Rows got = run(world_->howdah(), sql, mode), wanted = run(world_->twin(), sql, mode);
      EXPECT_EQ(got.sqlstate, wanted.sqlstate) << sql << ": " << got.message;
      EXPECT_EQ(got.names, wanted.names) << sql;
      EXPECT_EQ(got.types, wanted.types) << sql;
      EXPECT_EQ(got.tag, wanted.tag) << sql;
      EXPECT_EQ(got.rows.size(), wanted.rows.size()) << sql;
    }
  }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> Clock::world_;

TEST_F(Clock, RestrictsQueries) {
  for (const char* when : {"seen > now() - interval '1 day'", "seen > CURRENT_TIMESTAMP", "seen < pg_catalog.now()", "seen > LOCALTIMESTAMP(3)",
                           "born < CURRENT_DATE", "born < CURRENT_DATE - 7", "seen < date_trunc('day', now())", "born < now()::date",
                           "seen between transaction_timestamp() and 'infinity'", "seen > statement_timestamp ( )", "seen > NOW()",
                           "extract(year from now()) > 2000 AND born < (now() - interval '1 year')::date", "seen::time < 'allballs'::time OR seen > now()",
                           "date(seen) > CURRENT_DATE", "date(now()) > born",
                           "seen >= current_timestamp ( 0 ) /* now() */ AND name <> 'current_date'", "\"now\" = 3 AND seen > now()", "seen > \"now\"()"}) {
    world_->same(std::string("SELECT id, name FROM users WHERE ") + when);
    world_->same(std::string("SELECT id FROM users WHERE id IN (1, 2, 3, 4, 5, 6, 7) AND ") + when + " ORDER BY id DESC LIMIT 3", {}, true);
  }
  world_->same("SELECT id FROM users WHERE seen > now() + $1::interval AND name = $2", {"1 year", "n"});
  world_->same("SELECT id, seen > now() AS fresh FROM users ORDER BY seen > now(), id LIMIT 7", {}, true);
  world_->same("SELECT u.id FROM users u WHERE EXISTS (SELECT 1 FROM users v WHERE v.id = u.id AND v.seen > now())");
  world_->same("WITH u AS (SELECT id, seen < now() old FROM users) SELECT id FROM u WHERE old");
}

// The last step is another server's, which is told the same time.
TEST_F(Clock, CountsAndGroups) {
  for (int round = 0; round < 2; ++round) {
    world_->same("SELECT count(*) FROM users WHERE seen > now() - interval '1 day'");
    world_->same("SELECT count(*) FILTER (WHERE seen > now()), min(born - CURRENT_DATE) < 0, max(seen) > statement_timestamp() FROM users");
    world_->same("SELECT seen > now() AS fresh, count(*) FROM users GROUP BY 1 ORDER BY 1", {}, true);
    world_->same("SELECT seen > now(), count(*) FROM users GROUP BY seen > now() HAVING min(seen) < now() + interval '1000 years'");
    world_->same("SELECT name, count(*), now() > min(seen) FROM users WHERE seen < now() + $1::interval GROUP BY name", {"1 year"});
    world_->same("SELECT date(seen), count(*) FROM users GROUP BY date(seen) ORDER BY 1", {}, true);
    world_->same("SELECT DISTINCT seen > now() FROM users");
  }
  const auto counted = ours("SELECT count(DISTINCT t) FROM (SELECT now() t FROM users) s").rows;
  ASSERT_EQ(counted.size(), 1u);
  EXPECT_EQ(counted[0][0], "1");
  world_->same("SELECT count(nothing), now() FROM users");
}

TEST_F(Clock, NamesColumnsAsTheClockDoes) {
  same_shape("SELECT id, now() FROM users");
  same_shape("SELECT now(), current_timestamp, CURRENT_TIMESTAMP(2), current_date, current_time, localtime(1), localtimestamp, statement_timestamp() FROM users");
  same_shape("SELECT now()::date, now() - interval '1 day', now() AS n, (now()), CASE WHEN id = 1 THEN NULL ELSE now() END, coalesce(seen, now()) FROM users");
  same_shape("SELECT * FROM (SELECT id, now() FROM users) s WHERE s.now IS NOT NULL");
  same_shape("UPDATE users SET seen = now() WHERE id < 9 RETURNING id, now(), seen");
}

TEST_F(Clock, IsTheSameOnAllShards) {
  EXPECT_EQ(ours("UPDATE users SET seen = now(), wakes = LOCALTIME, born = CURRENT_DATE").tag, "UPDATE 40");
  EXPECT_EQ(values("SELECT seen FROM users").size(), 1u);
  EXPECT_EQ(values("SELECT wakes FROM users").size(), 1u);
  EXPECT_EQ(values("SELECT statement_timestamp() FROM users").size(), 1u);
  EXPECT_EQ(ours("INSERT INTO users (id, seen) VALUES (101, now()), (102, now()), (103, CURRENT_TIMESTAMP), (104, now()), (105, NOW()) RETURNING seen").tag, "INSERT 0 5");
  EXPECT_EQ(values("SELECT seen FROM users WHERE id > 100").size(), 1u);
  for (PGconn* conn : {world_->howdah()}) {
    const char* ids[] = {"111", "112", "113"};
    PGresult* result = PQexecParams(conn, "INSERT INTO users (id, seen) VALUES ($1, now()), ($2, now()), ($3, now() + interval '0')", 3, nullptr, ids, nullptr, nullptr, 0);
    EXPECT_STREQ(PQcmdStatus(result), "INSERT 0 3") << PQresultErrorMessage(result);
    PQclear(result);
  }
  EXPECT_EQ(values("SELECT seen FROM users WHERE id > 110").size(), 1u);
}

TEST_F(Clock, IsTheTransactions) {
  ours("BEGIN");
  ours("UPDATE users SET seen = now() WHERE id < 20");
  ours("SELECT 1 FROM users WHERE seen > statement_timestamp()");
  ours("INSERT INTO users (id, seen) VALUES (201, now()), (202, now()), (203, now()), (204, now())");
  ours("INSERT INTO news VALUES (11, 'x', now(), CURRENT_DATE)");
  const auto first = one("SELECT at FROM news WHERE id = 11");
  EXPECT_EQ(values("SELECT now() FROM users"), std::set<std::string>{first});
  EXPECT_EQ(values("SELECT seen FROM users WHERE id < 20 OR id > 200"), std::set<std::string>{first});
  EXPECT_GT(*values("SELECT statement_timestamp() FROM users").begin(), first);
  ours("COMMIT");
  EXPECT_GT(*values("SELECT now() FROM users").begin(), first);
}

// What ran on one shard before has that shard's time, which is then the transaction's.
TEST_F(Clock, IsThatOfTheFirstShard) {
  for (const int id : {1, 2, 3, 4, 5, 6}) {
    ours("BEGIN");
    const auto first = one("SELECT now() FROM users WHERE id = " + std::to_string(id));
    EXPECT_EQ(values("SELECT now() FROM users"), std::set<std::string>{first});
    EXPECT_EQ(one("SELECT now() FROM users WHERE id = " + std::to_string(id)), first);
    ours("ROLLBACK");
  }
}

TEST_F(Clock, IsReadInTheClientsTimeZone) {
  world_->both("SET TimeZone = 'Pacific/Kiritimati'");
  world_->both("SET DateStyle = 'German, DMY'");
  for (const char* far : {"Pacific/Kiritimati", "Pacific/Pago_Pago"}) {
    world_->both("SET TimeZone = '" + std::string(far) + "'");
    world_->same("SELECT id FROM users WHERE CURRENT_DATE = (now() AT TIME ZONE '" + std::string(far) + "')::date");
    const auto ahead = one("SELECT to_char(now(), 'TZH') FROM users ORDER BY id LIMIT 1");
    EXPECT_NE(ahead.find(far == std::string("Pacific/Kiritimati") ? "+14" : "-11"), std::string::npos) << ahead;
  }
  world_->both("RESET TimeZone");
  world_->both("RESET DateStyle");
}

TEST_F(Clock, WritesReferenceTables) {
  ours("INSERT INTO news (id, text, at, day) VALUES (21, 'x', now(), CURRENT_DATE), (22, 'y', now() - interval '1 hour', now()::date)");
  ours("UPDATE news SET at = CURRENT_TIMESTAMP WHERE at > now() + interval '1 day'");
  std::set<std::string> copies;
  for (int shard = 0; shard < 4; ++shard) {
    auto conn = world_->cluster().primary(shard).superuser();
    copies.insert(conn.scalar("SELECT string_agg(n::text, ' ' ORDER BY id) FROM news n"));
  }
  EXPECT_EQ(copies.size(), 1u);
  world_->same("DELETE FROM news WHERE at < now() - interval '1 year' RETURNING id");
}

TEST_F(Clock, PointsWhereTheClientsTextHasTheError) {
  world_->same("SELECT id, now(), nothing FROM users");
  world_->same("SELECT id, 'ä', now() FROM users WHERE seen > now() AND born > 7");
  world_->same("UPDATE users SET seen = now(), born = CURRENT_DATE, nothing = 2");
  world_->same("UPDATE users SET seen = now() + 1");
  world_->same("INSERT INTO users (id, seen, born) VALUES (301, now(), 1), (302, now(), 2), (303, now(), 3), (304, now(), 4)");
  world_->same("UPDATE news SET at = now(), day = 1");
  world_->same_in(Mode::kSimple, "SELECT 1; UPDATE users SET seen = now(), born = 1");
}

TEST_F(Clock, ClosesOnError) {
  ours("BEGIN");
  world_->both("SELECT 1");
  EXPECT_EQ(run(world_->howdah(), "SELECT id, 1 / (id - 17), now() FROM users").sqlstate, "22012");
  EXPECT_EQ(run(world_->howdah(), "SELECT now() FROM users").sqlstate, "25P02");
  ours("ROLLBACK");
}

TEST_F(Clock, RefusesWhatDiffersWithEachCall) {
  for (const char* sql : {"SELECT id, clock_timestamp() FROM users", "UPDATE users SET seen = clock_timestamp()", "SELECT id FROM users, now() n",
                          "SELECT id FROM users, CURRENT_DATE d", "SELECT id FROM users WHERE age(seen) > '1 day'", "UPDATE users SET name = timeofday()",
                          "SELECT id FROM users WHERE random() < 2", "SELECT id FROM users WHERE born = date('today')"}) {
    EXPECT_EQ(run(world_->howdah(), sql).sqlstate, "0A000") << sql;
  }
}

}  // namespace
}  // namespace howdah::e2e_sharded
