#include "tests/e2e_sharded/twin.h"

#include <algorithm>

namespace howdah::e2e_sharded {

Rows run(PGconn* conn, const std::string& sql, Mode mode, const Params& params) {
  std::vector<const char*> values;
  for (const auto& param : params) values.push_back(param ? param->c_str() : nullptr);
  PGresult* result = mode == Mode::kSimple ? PQexec(conn, sql.c_str())
                                           : PQexecParams(conn, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                                                          nullptr, mode == Mode::kBinary ? 1 : 0);
  Rows out;
  if (result == nullptr) {
    out.sqlstate = "08006";
    out.message = PQerrorMessage(conn);
    return out;
  }
  const auto field = [result](int code) { return std::string(PQresultErrorField(result, code) == nullptr ? "" : PQresultErrorField(result, code)); };
  out.sqlstate = field(PG_DIAG_SQLSTATE);
  out.position = field(PG_DIAG_STATEMENT_POSITION);
  out.message = field(PG_DIAG_MESSAGE_PRIMARY);
  out.tag = PQcmdStatus(result);
  for (int c = 0; c < PQnfields(result); ++c) {
    out.names.emplace_back(PQfname(result, c));
    out.types.push_back(PQftype(result, c));
  }
  for (int r = 0; r < PQntuples(result); ++r) {
    auto& row = out.rows.emplace_back();
    for (int c = 0; c < PQnfields(result); ++c) {
      row.emplace_back();
      if (PQgetisnull(result, r, c) != 0) continue;
      row.back() = std::string(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c)));
    }
  }
  PQclear(result);
  return out;
}

Twin::Twin(const std::string& schema, const std::string& tables, std::vector<Sharded> sharded, const std::string& functions)
    : sharded_(std::move(sharded)) {
  testing::PgCluster::Options servers;
  servers.shards = 4;
  servers.twin = true;
  cluster_ = std::make_unique<testing::PgCluster>(servers);
  cluster_->run_everywhere(schema + "; GRANT ALL ON ALL TABLES IN SCHEMA public TO app");
  testing::HowdahOptions options;
  options.tables = tables;
  options.functions = functions;
  proxy_ = std::make_unique<testing::HowdahProcess>(*cluster_, options);
  howdah_ = PQconnectdb(proxy_->url().c_str());
  twin_ = PQconnectdb(cluster_->twin().url("app").c_str());
  EXPECT_EQ(PQstatus(howdah_), CONNECTION_OK) << PQerrorMessage(howdah_);
  EXPECT_EQ(PQstatus(twin_), CONNECTION_OK) << PQerrorMessage(twin_);
  for (PGconn* conn : {howdah_, twin_}) PQsetNoticeProcessor(conn, [](void*, const char*) {}, nullptr);
}

Twin::~Twin() {
  PQfinish(howdah_);
  PQfinish(twin_);
}

void Twin::same_in(Mode mode, const std::string& sql, const Params& params, bool ordered) {
  Rows ours = run(howdah_, sql, mode, params), theirs = run(twin_, sql, mode, params);
  if (!ordered) {
    std::sort(ours.rows.begin(), ours.rows.end());
    std::sort(theirs.rows.begin(), theirs.rows.end());
  }
  EXPECT_EQ(ours.sqlstate, theirs.sqlstate) << sql.substr(0, 200) << "\n" << ours.message;
  EXPECT_EQ(ours.tag, theirs.tag) << sql.substr(0, 200);
  EXPECT_EQ(ours.position, theirs.position) << sql.substr(0, 200);
  EXPECT_TRUE(ours == theirs) << sql.substr(0, 200) << "\nmode " << static_cast<int>(mode) << ", " << ours.rows.size() << " and "
                              << theirs.rows.size() << " rows, " << ours.message << " / " << theirs.message;
  EXPECT_EQ(PQtransactionStatus(howdah_), PQtransactionStatus(twin_)) << sql.substr(0, 200);
}

void Twin::same(const std::string& sql, const Params& params, bool ordered) {
  for (const Mode mode : kModes) {
    if (mode != Mode::kSimple || params.empty()) same_in(mode, sql, params, ordered);
  }
}

void Twin::both(const std::string& sql) {
  for (PGconn* conn : {howdah_, twin_}) {
    const Rows rows = run(conn, sql);
    EXPECT_EQ(rows.sqlstate, "") << (conn == twin_ ? "twin: " : "") << sql.substr(0, 200) << "\n" << rows.message << PQerrorMessage(conn);
  }
}

void Twin::same_tables() {
  for (const auto& [table, key] : sharded_) {
    std::vector<std::string> ours, theirs;
    const auto read = [&](testing::PgServer& server, std::vector<std::string>& out) {
      for (const auto& row : server.superuser().must("SELECT t::text FROM " + table + " t").rows) out.push_back(*row[0]);
    };
    for (int shard = 0; shard < 4; ++shard) {
      auto& server = cluster_->primary(shard);
      read(server, ours);
      EXPECT_EQ(server.superuser().scalar("SELECT count(*) FROM " + table + " WHERE (hashint8extended(" + key +
                                          ", 0) & 4095)::int NOT IN (SELECT bucket FROM howdah.map WHERE shard = 's" + std::to_string(shard) + "')"),
                "0")
          << table << " on shard " << shard;
      EXPECT_EQ(server.superuser().scalar("SELECT count(*) FROM pg_prepared_xacts"), "0");
    }
    read(cluster_->twin(), theirs);
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    EXPECT_EQ(ours.size(), theirs.size()) << table;
    EXPECT_TRUE(ours == theirs) << table;
  }
}

std::vector<int> Twin::counts(const std::string& table) {
  std::vector<int> out;
  for (int shard = 0; shard < 4; ++shard) out.push_back(std::stoi(cluster_->primary(shard).superuser().scalar("SELECT count(*) FROM " + table)));
  return out;
}

}  // namespace howdah::e2e_sharded
