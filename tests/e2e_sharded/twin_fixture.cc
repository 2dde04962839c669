#include "tests/e2e_sharded/twin_fixture.h"

#include <algorithm>

namespace howdah::e2e {

namespace {

using testing::HowdahOptions;
using testing::HowdahProcess;
using testing::PgCluster;

constexpr const char* kSchema =
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');"
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, region int, born date, score numeric(10,2));"
    "CREATE TABLE sales (user_id bigint, id int, kind text, qty int, small smallint, big bigint, price numeric(12,3), rate float8,"
    " ratio real, at timestamptz, day date, span interval, flag bool, feeling mood, tags int[], tag uuid, code char(5), memo varchar(20),"
    " cash money, bits bit(4), PRIMARY KEY (user_id, id));"
    "CREATE TABLE regions (id int PRIMARY KEY, name text);"
    "CREATE TABLE nothing (user_id bigint PRIMARY KEY, x int, y numeric);"
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO app;"
    "INSERT INTO regions SELECT i, 'r' || i FROM generate_series(0, 4) i";

constexpr const char* kRows =
    "INSERT INTO users SELECT i, CASE WHEN i % 9 = 0 THEN NULL ELSE 'n' || i % 13 END, i % 5, date '2000-01-01' + i % 31,"
    " (i * 7 % 100 - 40) / 4.0 FROM generate_series(1, 120) i;"
    "INSERT INTO sales SELECT i, j, CASE WHEN i = 77 THEN 'rare' WHEN i % 11 = 0 THEN NULL ELSE 'k' || (i + j) % 4 END,"
    " CASE WHEN i % 10 = 3 THEN NULL ELSE (i * 31 + j * 7) % 50 - 20 END, (i % 7) - 3, (i - 60) * 100000000007,"
    " CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 1.5 ELSE (i * 13 + j) % 1000 / 8.0 - 30 END, (i % 16) * 0.25, (i % 8) * 0.5,"
    " timestamptz '2024-03-30 22:00+00' + (i * 3 + j) * interval '3 hours', date '2024-01-01' + (i + j) % 5, (i % 5) * interval '1 day 3 min',"
    " CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN true ELSE j > 1 END, (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood, ARRAY[i % 3, j],"
    " md5((i % 20)::text)::uuid, 'c' || i % 3, 'm' || i % 4, (i * 1.25)::numeric::money, (i % 16)::bit(4)"
    " FROM generate_series(1, 120) i, generate_series(0, i % 4) j";

bool is_ordered(const std::string& sql) {
  int depth = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    depth += sql[i] == '(' ? 1 : sql[i] == ')' ? -1 : 0;
    if (depth == 0 && sql.compare(i, 8, "ORDER BY") == 0) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<PgCluster> TwinTest::cluster_;
std::unique_ptr<HowdahProcess> TwinTest::proxy_;
PGconn* TwinTest::howdah_ = nullptr;
PGconn* TwinTest::twin_ = nullptr;

Rows read(PGresult* result) {
  Rows out;
  if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) out.sqlstate = state;
  if (const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)) out.message = message;
  if (const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL); detail != nullptr && out.sqlstate == "0A000") out.message += std::string(": ") + detail;
  out.tag = PQcmdStatus(result);
  for (int c = 0; c < PQnfields(result); ++c) {
    out.names.emplace_back(PQfname(result, c));
    // A type of users' has a number of its own on each server.
    out.types.push_back(PQftype(result, c) >= 16384 ? 16384 : PQftype(result, c));
    out.modifiers.push_back(PQfmod(result, c));
  }
  for (int r = 0; r < PQntuples(result); ++r) {
    auto& row = out.rows.emplace_back();
    for (int c = 0; c < PQnfields(result); ++c) {
      row.emplace_back();
      if (PQgetisnull(result, r, c) == 0) row.back() = std::string(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c)));
    }
  }
  PQclear(result);
  return out;
}

Rows run(PGconn* conn, const std::string& sql, Mode mode, const Params& params) {
  if (mode == Mode::kSimple) return read(PQexec(conn, sql.c_str()));
  return read(PQexecParams(conn, sql.c_str(), static_cast<int>(params.size()), nullptr, params.data(), nullptr, nullptr, mode == Mode::kBinary ? 1 : 0));
}

std::string show(const Rows& rows) {
  std::string out = rows.tag + " " + rows.sqlstate + " " + rows.message + "\n";
  for (std::size_t c = 0; c < rows.names.size(); ++c) {
    out += rows.names[c] + " " + std::to_string(rows.types[c]) + "(" + std::to_string(rows.modifiers[c]) + ") | ";
  }
  for (std::size_t r = 0; r < rows.rows.size() && r < 12; ++r) {
    out += "\n  ";
    for (const auto& value : rows.rows[r]) out += (value ? *value : "NULL") + " | ";
  }
  return out;
}

void TwinTest::SetUpTestSuite() {
  PgCluster::Options servers;
  servers.shards = 4;
  servers.twin = true;
  cluster_ = std::make_unique<PgCluster>(servers);
  cluster_->run_everywhere(kSchema);
  HowdahOptions options;
  options.tables = "users: { hash: id }\nsales: { hash: user_id }\nnothing: { hash: user_id }\nregions: { reference: true }";
  options.extra = "limits: { gather_bytes: 8000000 }";
  proxy_ = std::make_unique<HowdahProcess>(*cluster_, options);
  cluster_->run_everywhere(kRows);
  for (int shard = 0; shard < 4; ++shard) {
    auto admin = cluster_->primary(shard).superuser();
    const std::string elsewhere = " & 4095)::int NOT IN (SELECT bucket FROM howdah.map WHERE shard = 's" + std::to_string(shard) + "')";
    admin.must("DELETE FROM users WHERE (hashint8extended(id, 0)" + elsewhere);
    admin.must("DELETE FROM sales WHERE (hashint8extended(user_id, 0)" + elsewhere);
  }
  howdah_ = PQconnectdb(proxy_->url().c_str());
  twin_ = PQconnectdb(cluster_->twin().superuser_url("app").c_str());
  ASSERT_EQ(PQstatus(howdah_), CONNECTION_OK) << PQerrorMessage(howdah_);
  ASSERT_EQ(PQstatus(twin_), CONNECTION_OK) << PQerrorMessage(twin_);
}

void TwinTest::TearDownTestSuite() {
  PQfinish(howdah_);
  PQfinish(twin_);
  proxy_.reset();
  cluster_.reset();
}

void TwinTest::same_in(Mode mode, const std::string& sql, const Params& params) {
  Rows ours = run(howdah_, sql, mode, params), theirs = run(twin_, sql, mode, params);
  if (!is_ordered(sql)) {
    std::sort(ours.rows.begin(), ours.rows.end());
    std::sort(theirs.rows.begin(), theirs.rows.end());
  }
  EXPECT_TRUE(ours == theirs) << sql << "\nmode " << static_cast<int>(mode) << ", the proxy: " << show(ours) << "\nthe twin: " << show(theirs);
}

void TwinTest::same(const std::string& sql, const Params& params) {
  for (const Mode mode : {Mode::kSimple, Mode::kText, Mode::kBinary}) {
    if (mode != Mode::kSimple || params.empty()) same_in(mode, sql, params);
  }
}

void TwinTest::both(const std::string& sql) {
  for (PGconn* conn : {howdah_, twin_}) {
    PGresult* result = PQexec(conn, sql.c_str());
    EXPECT_EQ(std::string(PQresultErrorMessage(result)), "") << sql;
    PQclear(result);
  }
}

}  // namespace howdah::e2e
