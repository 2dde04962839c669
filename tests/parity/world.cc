#include "tests/parity/world.h"

#include <algorithm>
#include <stdexcept>

namespace howdah::parity {
namespace {

struct Table {
  const char* name;
  const char* key;   // empty: not sharded
  const char* hash;  // the function of the key that decides on the shard
};
constexpr Table kTables[] = {
    {"users", "id", "hashint8extended"},
    {"accounts", "user_id", "hashint8extended"},
    {"transactions", "user_id", "hashint8extended"},
    {"events", "user_id", "uuid_hash_extended"},
    {"archive.accounts", "user_id", "hashint8extended"},
    {"\"Order Lines\"", "\"User Id\"", "hashint8extended"},
    {"categories", "", ""},
    {"settings", "", ""},
};

constexpr const char* kRules =
    "users: { hash: id }\naccounts: { hash: user_id }\ntransactions: { hash: user_id }\nevents: { hash: user_id }\n"
    "categories: { reference: true }\nsettings: { local: s0 }\narchive.accounts: { hash: user_id }\n"
    "\"Order Lines\": { hash: \"User Id\" }";

testing::PgCluster::Options servers() {
  testing::PgCluster::Options options;
  options.shards = World::kShards;
  options.twin = true;
  return options;
}

std::string elsewhere(const Table& table, int shard) {
  return "(" + std::string(table.hash) + "(" + table.key + ", 0) & 4095)::int NOT IN (SELECT bucket FROM howdah.map WHERE shard = 's" +
         std::to_string(shard) + "')";
}

std::string kept(const Table& table) {
  std::string name = table.name;
  std::erase(name, '"');
  return "kept.\"" + name + "\"";
}

// Foreign keys are triggers, which do not fire for a replica.
constexpr const char* kNoTriggers = "BEGIN; SET LOCAL session_replication_role = replica; ";

std::vector<std::string> rows_of(testing::PgConn& server, const char* table) {
  std::vector<std::string> out;
  for (const auto& row : server.must(std::string("SELECT t::text FROM ") + table + " t").rows) out.push_back(*row[0]);
  std::sort(out.begin(), out.end());
  return out;
}

Conn connect(const std::string& url) {
  Conn conn(PQconnectdb(url.c_str()), PQfinish);
  if (PQstatus(conn.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(conn.get()));
  PQsetNoticeProcessor(conn.get(), [](void*, const char*) {}, nullptr);
  return conn;
}

}  // namespace

World::World() : cluster_(servers()) {
  cluster_.run_everywhere(testing::read_file_or_empty("tests/parity/demo_schema.sql"));
  testing::HowdahOptions options;
  options.tables = kRules;
  proxy_ = std::make_unique<testing::HowdahProcess>(cluster_, options);
  cluster_.run_everywhere(testing::read_file_or_empty("tests/parity/demo_data.sql"));
  for (int shard = 0; shard < kShards; ++shard) servers_.push_back(cluster_.primary(shard).superuser());
  servers_.push_back(cluster_.twin().superuser());
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    std::string sql = kNoTriggers;
    for (const auto& table : kTables) {
      if (i < kShards && *table.key != '\0')
        sql += std::string("DELETE FROM ") + table.name + " WHERE " + elsewhere(table, static_cast<int>(i)) + ";";
      if (i < kShards && i > 0 && std::string(table.name) == "settings") sql += "DELETE FROM settings;";
    }
    sql += "CREATE SCHEMA kept;";
    for (const auto& table : kTables) sql += "CREATE TABLE " + kept(table) + " AS TABLE " + table.name + ";";
    servers_[i].must(sql + "COMMIT; ANALYZE");
  }
  for (std::size_t i = 0; i < servers_.size(); ++i) first_.push_back(fingerprint(i));
  for (const auto& table : kTables) {
    if (auto text = compare_rows(table.name, std::string(table.name) == "categories"); !text.empty())
      throw std::runtime_error(text);
  }
}

Conn World::connect_howdah() { return connect(proxy_->url()); }
Conn World::connect_twin() { return connect(cluster_.twin().url("app")); }

std::vector<std::string> World::fingerprint(std::size_t server) {
  std::string sql, elsewhere_sum = "(SELECT count(*) FROM pg_prepared_xacts)";
  for (const auto& table : kTables) {
    sql += std::string(sql.empty() ? "SELECT " : ", ") + "(SELECT coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM " + table.name + " t)";
    if (server < kShards && *table.key != '\0') elsewhere_sum += std::string(" + (SELECT count(*) FROM ") + table.name + " WHERE " + elsewhere(table, static_cast<int>(server)) + ")";
  }
  std::vector<std::string> out;
  const auto answer = servers_[server].must(sql + ", " + elsewhere_sum);
  for (const auto& value : answer.rows.at(0)) out.push_back(*value);
  return out;
}

std::string World::compare_rows(const char* table, bool reference) {
  const auto theirs = rows_of(servers_[kShards], table);
  std::vector<std::string> ours;
  for (int shard = 0; shard < kShards; ++shard) {
    auto rows = rows_of(servers_[static_cast<std::size_t>(shard)], table);
    if (reference && rows != theirs) return std::string(table) + " differs on shard " + std::to_string(shard);
    ours.insert(ours.end(), rows.begin(), rows.end());
  }
  if (reference) return "";
  std::sort(ours.begin(), ours.end());
  if (ours == theirs) return "";
  const auto at = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  return std::string(table) + ": " + (at.first == ours.end() ? "nothing" : *at.first) + " instead of " +
         (at.second == theirs.end() ? "nothing" : *at.second);
}

std::string World::differences() {
  std::vector<std::vector<std::string>> now;
  for (std::size_t server = 0; server < servers_.size(); ++server) now.push_back(fingerprint(server));
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    if (now[shard].back() != "0") return now[shard].back() + " rows or prepared transactions do not belong on shard " + std::to_string(shard);
  }
  if (now == first_) return "";
  for (const auto& table : kTables) {
    if (auto text = compare_rows(table.name, std::string(table.name) == "categories"); !text.empty()) return text;
  }
  return "";
}

void World::restore() {
  bool same = true;
  for (std::size_t server = 0; server < servers_.size() && same; ++server) same = fingerprint(server) == first_[server];
  if (same) return;
  for (auto& server : servers_) {
    std::string sql = kNoTriggers;
    for (const auto& table : kTables)
      sql += std::string("DELETE FROM ") + table.name + "; INSERT INTO " + table.name + " SELECT * FROM " + kept(table) + ";";
    server.must(sql + "COMMIT");
  }
}

}  // namespace howdah::parity
