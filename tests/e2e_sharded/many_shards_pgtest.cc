// Queries over several shards answer as the unsharded twin does: simple and extended protocol, text and binary.
#include <gtest/gtest.h>

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah {
namespace {

using testing::HowdahOptions;
using testing::HowdahProcess;
using testing::PgCluster;

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, born date, score numeric(10,2), rate float8, seen timestamptz, tag uuid);"
    "CREATE TABLE accounts (id bigint, user_id bigint, kind text, balance numeric(18,2), PRIMARY KEY (user_id, id));"
    "CREATE TABLE categories (id int PRIMARY KEY, name text)";

constexpr const char* kUsers =
    "INSERT INTO users SELECT i, CASE WHEN i % 9 = 0 THEN NULL ELSE 'n' || i % 13 END, date '2000-01-01' + i % 31, (i * 7 % 100) / 4.0,"
    " CASE i % 11 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE i * 0.1 END, timestamptz '2024-03-30 22:00+00' + i % 17 * interval '20 min',"
    " md5(i::text)::uuid FROM generate_series(1, 200) i";

struct Rows {
  std::vector<std::string> names;
  std::vector<Oid> types;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string tag, sqlstate;
  bool operator==(const Rows&) const = default;
};

enum class Mode { kSimple, kText, kBinary };

Rows run(PGconn* conn, const std::string& sql, Mode mode, const std::vector<const char*>& params = {}) {
  PGresult* result = mode == Mode::kSimple ? PQexec(conn, sql.c_str())
                                           : PQexecParams(conn, sql.c_str(), static_cast<int>(params.size()), nullptr, params.data(), nullptr,
                                                          nullptr, mode == Mode::kBinary ? 1 : 0);
  Rows out;
  if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) out.sqlstate = state;
  out.tag = PQcmdStatus(result);
  for (int c = 0; c < PQnfields(result); ++c) {
    out.names.emplace_back(PQfname(result, c));
    out.types.push_back(PQftype(result, c));
  }
  for (int r = 0; r < PQntuples(result); ++r) {
    auto& row = out.rows.emplace_back();
    for (int c = 0; c < PQnfields(result); ++c) {
      if (PQgetisnull(result, r, c) != 0) {
        row.emplace_back();
      } else {
        row.emplace_back(std::string(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c))));
      }
    }
  }
  PQclear(result);
  return out;
}

class ManyShards : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    PgCluster::Options servers;
    servers.shards = 4;
    servers.twin = true;
    cluster_ = std::make_unique<PgCluster>(servers);
    HowdahOptions options;
    options.tables = "users: { hash: id }\naccounts: { hash: user_id }\ncategories: { reference: true }";
    cluster_->run_everywhere(std::string(kSchema) +
                             "; GRANT ALL ON ALL TABLES IN SCHEMA public TO app; INSERT INTO categories VALUES (0, 'k0'), (1, 'k1')");
    proxy_ = std::make_unique<HowdahProcess>(*cluster_, options);
    cluster_->run_everywhere(kUsers);
    cluster_->run_everywhere("INSERT INTO accounts SELECT i * 10 + j, i, 'k' || j, i * 3 % 17 + j FROM generate_series(1, 200) i, generate_series(0, i % 3) j");
    for (int shard = 0; shard < 4; ++shard) {
      auto admin = cluster_->primary(shard).superuser();
      const std::string elsewhere =
          " & 4095)::int NOT IN (SELECT bucket FROM howdah.map WHERE shard = 's" + std::to_string(shard) + "')";
      admin.must("DELETE FROM users WHERE (hashint8extended(id, 0)" + elsewhere);
      admin.must("DELETE FROM accounts WHERE (hashint8extended(user_id, 0)" + elsewhere);
    }
    howdah_ = PQconnectdb(proxy_->url().c_str());
    twin_ = PQconnectdb(cluster_->twin().superuser_url("app").c_str());
    ASSERT_EQ(PQstatus(howdah_), CONNECTION_OK) << PQerrorMessage(howdah_);
    ASSERT_EQ(PQstatus(twin_), CONNECTION_OK) << PQerrorMessage(twin_);
  }
  static void TearDownTestSuite() {
    PQfinish(howdah_);
    PQfinish(twin_);
    proxy_.reset();
    cluster_.reset();
  }

  static void same(const std::string& sql, const std::vector<const char*>& params = {}) {
    for (const Mode mode : {Mode::kSimple, Mode::kText, Mode::kBinary}) {
      if (mode == Mode::kSimple && !params.empty()) continue;
      Rows ours = run(howdah_, sql, mode, params), theirs = run(twin_, sql, mode, params);
      if (sql.find("ORDER BY") == std::string::npos) {
        std::sort(ours.rows.begin(), ours.rows.end());
        std::sort(theirs.rows.begin(), theirs.rows.end());
      }
      EXPECT_EQ(ours.sqlstate, theirs.sqlstate) << sql;
      EXPECT_TRUE(ours == theirs) << sql << "\nmode " << static_cast<int>(mode) << ", " << ours.rows.size() << " and " << theirs.rows.size() << " rows";
    }
  }

  static std::unique_ptr<PgCluster> cluster_;
  static std::unique_ptr<HowdahProcess> proxy_;
  static PGconn* howdah_;
  static PGconn* twin_;
};
std::unique_ptr<PgCluster> ManyShards::cluster_;
std::unique_ptr<HowdahProcess> ManyShards::proxy_;
PGconn* ManyShards::howdah_ = nullptr;
PGconn* ManyShards::twin_ = nullptr;

TEST_F(ManyShards, ReadsRowsOfAllShards) {
  same("SELECT * FROM users");
  same("SELECT name, id FROM users WHERE score > 10");
  same("SELECT id FROM users WHERE id IN (3, 5, 17, 28, 1000)");
  same("SELECT id FROM users WHERE id = ANY($1)", {"{3,5,17,28}"});
  same("SELECT * FROM users WHERE false");
  same("SELECT FROM users WHERE id < 20");
}

TEST_F(ManyShards, JoinsOnTheKey) {
  same("SELECT u.id, a.balance FROM users u JOIN accounts a ON a.user_id = u.id");
  same("SELECT u.id, a.balance FROM users u LEFT JOIN accounts a ON a.user_id = u.id AND a.kind = 'k2'");
  same("SELECT u.id FROM users u WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id AND a.kind = 'k1')");
  same("SELECT u.id, (SELECT max(balance) FROM accounts a WHERE a.user_id = u.id) FROM users u WHERE u.id < 50");
  same("SELECT a.id, c.name FROM accounts a LEFT JOIN categories c ON c.name = a.kind");
}

TEST_F(ManyShards, OrdersAsOneServerDoes) {
  for (const char* column : {"id", "name", "born", "score", "rate", "seen", "tag"}) {
    for (const char* direction : {"", " DESC", " NULLS FIRST", " DESC NULLS LAST"}) {
      same(std::string("SELECT ") + column + ", id FROM users ORDER BY " + column + direction + ", id DESC");
      same(std::string("SELECT id FROM users ORDER BY ") + column + direction + ", id LIMIT 20 OFFSET 7");
    }
  }
  same("SELECT * FROM users ORDER BY lower(name) DESC, score * 2, id");
  same("SELECT id, score AS name FROM users ORDER BY name, id");
}

TEST_F(ManyShards, CountsRowsOnce) {
  same("SELECT id FROM users ORDER BY id LIMIT 10");
  same("SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2", {"5", "190"});
  same("SELECT id FROM users ORDER BY id LIMIT $1", {nullptr});
  same("SELECT id FROM users ORDER BY id OFFSET 195");
  same("SELECT id FROM users ORDER BY id LIMIT 0");
  same("SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS ONLY");
  same("SELECT id FROM users ORDER BY id LIMIT $1", {"-1"});
  EXPECT_EQ(run(howdah_, "SELECT id FROM users LIMIT 7", Mode::kSimple).rows.size(), 7u);
  EXPECT_EQ(run(howdah_, "SELECT id FROM users WHERE name = $1 LIMIT $2", Mode::kText, {"n1", "3"}).rows.size(), 3u);
}

TEST_F(ManyShards, GroupsByTheKey) {
  same("SELECT user_id, count(*), sum(balance), avg(balance) FROM accounts GROUP BY user_id");
  same("SELECT user_id, sum(balance) AS s FROM accounts GROUP BY 1 HAVING count(*) > 1 ORDER BY s DESC, user_id LIMIT 9");
  same("SELECT DISTINCT user_id, kind FROM accounts");
}

// Each row is more than what is held of a shard that is ahead of the others.
TEST_F(ManyShards, MergesRowsOfAnySize) {
  same("SELECT id, repeat('x', 1000000 + id::int) FROM users WHERE id IN (4, 5, 6, 7, 8, 9) ORDER BY id");
  same("SELECT id, repeat('x', 3000000) FROM users WHERE id IN (4, 5)");
}

TEST_F(ManyShards, AnswersErrorsAsOneServerDoes) {
  same("SELECT 1 / (id - 17) FROM users ORDER BY id");
  same("SELECT id FROM users WHERE name::int = 1");
  // The session goes on, inside of a transaction as PostgreSQL's does.
  PQclear(PQexec(howdah_, "BEGIN"));
  same("SELECT id FROM users ORDER BY id LIMIT 3");
  EXPECT_EQ(run(howdah_, "SELECT 1 / (id - 17) FROM users", Mode::kSimple).sqlstate, "22012");
  EXPECT_EQ(PQtransactionStatus(howdah_), PQTRANS_INERROR);
  EXPECT_EQ(run(howdah_, "SELECT id FROM users", Mode::kSimple).sqlstate, "25P02");
  PQclear(PQexec(howdah_, "ROLLBACK"));
  same("SELECT id FROM users WHERE id < 10");
}

TEST_F(ManyShards, StopsAllShardsWhenCanceled) {
  PGcancel* cancel = PQgetCancel(howdah_);
  ASSERT_EQ(PQsendQuery(howdah_, "SELECT pg_catalog.repeat('x', 1000) FROM users a JOIN users b ON a.id = b.id, generate_series(1, 100000000) g"), 1);
  const auto busy = [] {
    int count = 0;
    for (int shard = 0; shard < 4; ++shard) {
      count += std::stoi(cluster_->primary(shard).superuser().scalar(
          "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'"));
    }
    return count;
  };
  EXPECT_TRUE(testing::wait_until([&] { return busy() == 4; }, std::chrono::seconds(10)));
  char error[256];
  EXPECT_EQ(PQcancel(cancel, error, sizeof error), 1) << error;
  PQfreeCancel(cancel);
  std::string state;
  while (PGresult* result = PQgetResult(howdah_)) {
    if (const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE)) state = field;
    PQclear(result);
  }
  EXPECT_EQ(state, "57014");
  EXPECT_TRUE(testing::wait_until([&] { return busy() == 0; }, std::chrono::seconds(10)));
  same("SELECT id FROM users WHERE id < 10");
}

TEST_F(ManyShards, RefusesWhatIsNotProven) {
  EXPECT_EQ(run(howdah_, "EXPLAIN (FORMAT XML) SELECT * FROM users", Mode::kSimple).sqlstate, "0A000");
  EXPECT_EQ(run(howdah_, "SELECT a FROM users a, users b", Mode::kSimple).sqlstate, "0A000");
}

}  // namespace
}  // namespace howdah
