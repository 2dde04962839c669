#include "proxy/control/shard_schema.h"

#include <boost/asio/use_awaitable.hpp>

#include "proxy/control/schema_sql.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr const char* kFactsSql =
    "SELECT current_setting('server_version_num'), pg_encoding_to_char(d.encoding), d.datcollate, "
    "d.datctype, "
    "current_setting('TimeZone'), current_setting('max_prepared_transactions'), "
    "current_setting('max_connections'), "
    "pg_has_role(current_user, 'pg_monitor', 'USAGE'), pg_is_in_recovery() "
    "FROM pg_database d WHERE d.datname = current_database()";

constexpr const char* kSchemaSqlOwner =
    "SELECT n.nspowner = u.usesysid, pg_get_userbyid(n.nspowner) "
    "FROM pg_namespace n, pg_user u WHERE n.nspname = 'howdah' AND u.usename = current_user";

constexpr const char* kIdentitySql =
    "SELECT cluster, shard, buckets, hash, map_epoch, complete, schema_version FROM howdah.cluster";

constexpr const char* kMapSql = "SELECT bucket, shard FROM howdah.map ORDER BY bucket";

// PostgreSQL's array text of the owners; names are quoted, so they may hold anything.
std::string array_of(const std::vector<std::string>& names) {
  std::string text = "{";
  for (const auto& name : names) {
    text += text.size() > 1 ? ",\"" : "\"";
    for (char c : name) {
      if (c == '"' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
    text.push_back('"');
  }
  return text + "}";
}

Error failed(const pq::PgError& error, const std::string& shard, const char* what) {
  return pq::to_error(error, "shard " + shard + ": " + what);
}

Result<void> check_owner(const pq::PgResult& rows, const std::string& shard) {
  if (rows.flag(0, 0)) return {};
  return make_error(ErrorCode::kConfig,
                    "shard " + shard + ": schema howdah belongs to role " + rows.text(0, 1) +
                        ", not to the control account",
                    "use one control account for all proxies: whoever owns the schema decides about commits");
}

Result<void> fill_owners(StoredMap& map, const pq::PgResult& rows, const std::string& shard) {
  for (int i = 0; i < rows.rows(); ++i) {
    if (rows.integer(i, 0) != i) {
      return make_error(ErrorCode::kConfig,
                        "shard " + shard + ": howdah.map has no bucket " + std::to_string(i));
    }
    map.owner.push_back(rows.text(i, 1));
  }
  return {};
}

}  // namespace

asio::awaitable<Result<ServerFacts>> read_facts(pq::AsyncConnection& connection, const std::string& shard,
                                                SteadyTime deadline) {
  auto rows = co_await connection.exec(kFactsSql, deadline);
  if (!rows) co_return failed(rows.error(), shard, "reading its settings");
  if (rows->flag(0, 8)) {
    co_return make_error(ErrorCode::kServerUnavailable,
                         "shard " + shard + ": its primary is a standby in recovery",
                         "promote it, or name the new primary in the configuration");
  }
  ServerFacts facts;
  facts.version = static_cast<int>(rows->integer(0, 0));
  facts.encoding = rows->text(0, 1);
  facts.collate = rows->text(0, 2);
  facts.ctype = rows->text(0, 3);
  facts.timezone = rows->text(0, 4);
  facts.max_prepared_transactions = static_cast<int>(rows->integer(0, 5));
  facts.max_connections = static_cast<int>(rows->integer(0, 6));
  facts.sees_all_sessions = rows->flag(0, 7);
  co_return facts;
}

asio::awaitable<Result<std::optional<StoredMap>>> read_map(pq::AsyncConnection& connection,
                                                           const std::string& shard, SteadyTime deadline) {
  constexpr const char* kWhat = "reading the bucket map";
  auto owner = co_await connection.exec(kSchemaSqlOwner, deadline);
  if (!owner) co_return failed(owner.error(), shard, kWhat);
  if (owner->rows() == 0) co_return std::optional<StoredMap>();
  auto owned = check_owner(*owner, shard);
  if (!owned) co_return owned.error();
  auto identity = co_await connection.exec(kIdentitySql, deadline);
  if (!identity) co_return failed(identity.error(), shard, kWhat);
  if (identity->rows() == 0) {
    co_return make_error(ErrorCode::kConfig, "shard " + shard + ": howdah.cluster is empty",
                         "restore it, or drop schema howdah if the database was never used as a shard");
  }
  if (identity->integer(0, 6) > kSchemaVersion) {
    co_return make_error(ErrorCode::kConfig,
                         "shard " + shard + ": schema howdah has version " + identity->text(0, 6) +
                             ", this program knows " + std::to_string(kSchemaVersion),
                         "use a newer howdah");
  }
  StoredMap map;
  map.cluster = identity->text(0, 0);
  map.shard = identity->text(0, 1);
  map.buckets = static_cast<std::uint32_t>(identity->integer(0, 2));
  map.hash = identity->text(0, 3);
  map.epoch = static_cast<std::uint64_t>(identity->integer(0, 4));
  map.complete = identity->flag(0, 5);
  auto rows = co_await connection.exec(kMapSql, deadline);
  if (!rows) co_return failed(rows.error(), shard, kWhat);
  auto filled = fill_owners(map, *rows, shard);
  if (!filled) co_return filled.error();
  co_return std::optional<StoredMap>(std::move(map));
}

namespace {

asio::awaitable<Result<void>> write_map(pq::AsyncConnection& connection, const std::string& shard,
                                        const StoredMap& map, SteadyTime deadline) {
  constexpr const char* kWhat = "writing the bucket map";
  auto created = co_await connection.exec(kSchemaSql, deadline);
  if (!created) co_return failed(created.error(), shard, "creating schema howdah");
  pq::Params identity;
  identity.emplace_back(std::to_string(kSchemaVersion));
  identity.emplace_back(map.cluster);
  identity.emplace_back(shard);
  identity.emplace_back(std::to_string(map.buckets));
  identity.emplace_back(map.hash);
  identity.emplace_back(std::to_string(map.epoch));
  identity.emplace_back(map.complete ? "t" : "f");
  auto inserted = co_await connection.exec(
      "INSERT INTO howdah.cluster (schema_version, cluster, shard, buckets, hash, map_epoch, complete) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      identity, deadline);
  if (!inserted) co_return failed(inserted.error(), shard, kWhat);
  pq::Params owners;
  owners.emplace_back(array_of(map.owner));
  owners.emplace_back(std::to_string(map.epoch));
  auto filled = co_await connection.exec(
      "INSERT INTO howdah.map (bucket, shard, epoch) "
      "SELECT at - 1, name, $2::bigint FROM unnest($1::text[]) WITH ORDINALITY AS owners (name, at)",
      owners, deadline);
  if (!filled) co_return failed(filled.error(), shard, kWhat);
  co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<StoredMap>> install_map(pq::AsyncConnection& connection, const std::string& shard,
                                               StoredMap map, SteadyTime deadline) {
  constexpr const char* kWhat = "locking schema howdah";
  map.shard = shard;
  auto begun = co_await connection.exec("BEGIN", deadline);
  if (!begun) co_return failed(begun.error(), shard, kWhat);
  auto locked = co_await connection.exec(kSchemaLockSql, deadline);
  Result<void> done = locked ? Result<void>() : failed(locked.error(), shard, kWhat);
  if (done) {
    auto there = co_await read_map(connection, shard, deadline);
    if (!there) {
      done = there.error();
    } else if (*there) {
      map = std::move(**there);
    } else {
      done = co_await write_map(connection, shard, map, deadline);
    }
  }
  auto ended = co_await connection.exec(done ? "COMMIT" : "ROLLBACK", deadline);
  if (!done) co_return done.error();
  if (!ended) co_return failed(ended.error(), shard, "creating schema howdah");
  co_return map;
}

asio::awaitable<Result<void>> mark_complete(pq::AsyncConnection& connection, const std::string& shard,
                                            SteadyTime deadline) {
  auto marked =
      co_await connection.exec("UPDATE howdah.cluster SET complete = true WHERE NOT complete", deadline);
  if (!marked) co_return failed(marked.error(), shard, "completing the bucket map");
  co_return Result<void>();
}

}  // namespace howdah::control
