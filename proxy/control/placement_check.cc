#include "proxy/control/placement_check.h"

#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "schema/types.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::minutes kScanTimeout{30};

// What the hashed tables of one shard say about an even map.
struct Placement {
  bool has_rows = false;
  bool misplaced = false;
};

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// The even map gives each shard one run of buckets; nothing when there are more shards than buckets.
std::optional<Range> run_of(const sharding::ShardMap& map, ShardId shard) {
  std::optional<Range> range;
  for (std::uint32_t bucket = 0; bucket < map.buckets(); ++bucket) {
    if (map.owner(BucketId(bucket)) != shard) continue;
    if (!range) range = Range{bucket, bucket};
    range->last = bucket;
  }
  return range;
}

// The servers' own hash of a key column; empty when the type cannot be a key, or the hash is not theirs.
std::string hash_expression(Oid type, const std::string& column, sharding::HashKind hash) {
  if (hash != sharding::HashKind::kPostgres) return {};
  switch (type) {
    case schema::kInt2Oid:
    case schema::kInt4Oid:
    case schema::kInt8Oid:
      return "hashint8extended(" + column + ", 0)";
    case schema::kUuidOid:
      return "uuid_hash_extended(" + column + ", 0)";
    case schema::kTextOid:
    case schema::kVarcharOid:
      return "hashtextextended(" + column + "::text COLLATE \"C\", 0)";
    default:
      return {};
  }
}

SteadyTime scan_deadline() {
  return std::chrono::steady_clock::now() + kScanTimeout;
}

// `table` is "schema.name" as rules keep it.
std::string quoted_table(const std::string& table) {
  auto dot = table.find('.');
  return pq::quote_identifier(std::string_view(table).substr(0, dot)) + "." +
         pq::quote_identifier(std::string_view(table).substr(dot + 1));
}

asio::awaitable<pq::Answer<bool>> is_true(pq::AsyncConnection& connection, std::string sql) {
  auto rows = co_await connection.exec(std::move(sql), scan_deadline());
  if (!rows) co_return rows.error();
  co_return rows->flag(0, 0);
}

asio::awaitable<pq::Answer<Placement>> check_table(pq::AsyncConnection& connection, const std::string& table,
                                                   const std::string& key, sharding::HashKind hash,
                                                   std::uint32_t buckets, std::optional<Range> run) {
  pq::Params names;
  names.emplace_back(quoted_table(table));
  names.emplace_back(key);
  auto type = co_await connection.exec(
      "SELECT atttypid FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT "
      "attisdropped",
      names, scan_deadline());
  if (!type) co_return type.error();
  if (type->rows() == 0) co_return Placement();  // not created yet
  Placement placement;
  auto rows = co_await is_true(connection, "SELECT EXISTS (SELECT FROM " + quoted_table(table) + ")");
  if (!rows) co_return rows.error();
  placement.has_rows = *rows;
  if (!placement.has_rows) co_return placement;
  auto expression = hash_expression(static_cast<Oid>(type->integer(0, 0)), pq::quote_identifier(key), hash);
  placement.misplaced = true;
  if (expression.empty() || !run) co_return placement;
  auto elsewhere = co_await is_true(
      connection, "SELECT EXISTS (SELECT FROM " + quoted_table(table) + " WHERE " + expression + " & " +
                      std::to_string(buckets - 1) + " NOT BETWEEN " + std::to_string(run->first) + " AND " +
                      std::to_string(run->last) + ")");
  if (!elsewhere) co_return elsewhere.error();
  placement.misplaced = *elsewhere;
  co_return placement;
}

Result<sharding::ShardMap> choose(const config::Database& database, const std::vector<Placement>& placements,
                                  sharding::ShardMap even) {
  std::vector<std::size_t> holders;
  bool misplaced = false;
  for (std::size_t i = 0; i < placements.size(); ++i) {
    if (placements[i].has_rows) holders.push_back(i);
    misplaced = misplaced || placements[i].misplaced;
  }
  if (!misplaced) return even;
  if (holders.size() == 1) {
    ShardId only(static_cast<std::uint16_t>(holders.front()));
    return sharding::ShardMap::from(std::vector<ShardId>(even.buckets(), only), even.shards(), even.hash(),
                                    even.epoch());
  }
  return make_error(
      ErrorCode::kConfig,
      "shards " + database.shards[holders[0]].name + " and " + database.shards[holders[1]].name +
          " both hold rows of hashed tables, but there is no bucket map, and the rows are not placed evenly",
      "load the rows through howdah instead, or start with all rows on one shard");
}

}  // namespace

asio::awaitable<Result<sharding::ShardMap>> choose_first_map(
    const config::Database& database, const std::vector<pq::AsyncConnection*>& connections) {
  const auto& rules = database.rules;
  auto even =
      sharding::ShardMap::initial(rules.buckets, static_cast<std::uint16_t>(connections.size()), rules.hash);
  std::vector<Placement> placements(connections.size());
  for (std::size_t i = 0; i < connections.size(); ++i) {
    auto run = run_of(even, ShardId(static_cast<std::uint16_t>(i)));
    for (const auto& [table, rule] : rules.tables) {
      if (rule.kind != sharding::TableRuleKind::kHash) continue;
      auto found = co_await check_table(*connections[i], table, rule.column, rules.hash, rules.buckets, run);
      if (!found) {
        co_return pq::to_error(found.error(),
                               "shard " + database.shards[i].name + ": looking for rows of " + table);
      }
      placements[i].has_rows |= found->has_rows;
      placements[i].misplaced |= found->misplaced;
    }
  }
  co_return choose(database, placements, std::move(even));
}

}  // namespace howdah::control
