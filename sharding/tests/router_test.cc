// From text and bound values to the shard.
#include "sharding/router.h"

#include <gtest/gtest.h>

#include <limits>

#include "sharding/hash.h"
#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding {
namespace {

using sql::testing::analyzed;
using sql::testing::AnalyzeOptions;

const ShardMap& map() {
  static const ShardMap instance = ShardMap::initial(4096, 4, HashKind::kPostgres);
  return instance;
}

// "shard N", "any", another kind's number, or "error: message / detail".
std::string routed(std::string_view sql, std::vector<BoundParam> params = {},
                   const AnalyzeOptions& options = {}) {
  const auto result = analyzed(sql, options);
  const auto where = route(result.plan(), Values{sql, result.tokens.slots, params}, map());
  if (!where) return "error: " + where.error().message + " / " + where.error().detail;
  if (where->kind == Route::Kind::kShard) return "shard " + std::to_string(where->shard.value());
  if (where->kind == Route::Kind::kAnyShard) return "any";
  return std::to_string(static_cast<int>(where->kind));
}

std::string home_of(std::int64_t key) {
  return "shard " + std::to_string(map().owner(bucket_of(hash_integer(key), map().buckets())).value());
}

BoundParam text(Bytes value, Oid type = 0) {
  return BoundParam{value, false, false, type};
}
BoundParam binary(Bytes value, Oid type = 0) {
  return BoundParam{value, false, true, type};
}

constexpr const char* kByParam = "SELECT * FROM users WHERE id = $1";

TEST(Router, SendsEverySpellingOfAKeyToOneShard) {
  for (const std::int64_t key : {0, 1, 5, 42, 1000, -7}) {
    const auto digits = std::to_string(key);
    for (const std::string& spelled : {digits, "'" + digits + "'", "' " + digits + " '", digits + ".0",
                                       digits + "::bigint", "'" + digits + "'::bigint", "E'" + digits + "'",
                                       "$$" + digits + "$$", "(" + digits + ")::int", digits + "::numeric"}) {
      if (key < 0 && spelled.starts_with('-') && spelled.find("::") != std::string::npos)
        continue;  // -(7::bigint)
      EXPECT_EQ(routed("SELECT * FROM users WHERE id = " + spelled), home_of(key)) << spelled;
      EXPECT_EQ(routed("SELECT * FROM users WHERE id IN (" + spelled + ")"), home_of(key)) << spelled;
    }
    EXPECT_EQ(routed(kByParam, {text(digits)}), home_of(key));
    EXPECT_EQ(routed(kByParam, {text(" +" + std::to_string(key < 0 ? 0 : key))}), home_of(key < 0 ? 0 : key));
    EXPECT_EQ(routed("SELECT * FROM users WHERE id = ANY('{" + digits + "}')"), home_of(key));
    EXPECT_EQ(routed("SELECT * FROM users WHERE id = ANY($1)", {text("{" + digits + "}")}), home_of(key));
  }
}

TEST(Router, ReadsBinaryParametersByTheirType) {
  const Bytes two("\0\5", 2), four("\0\0\0\5", 4), eight("\0\0\0\0\0\0\0\5", 8);
  EXPECT_EQ(routed(kByParam, {binary(two, 21)}), home_of(5));
  EXPECT_EQ(routed(kByParam, {binary(four, 23)}), home_of(5));
  EXPECT_EQ(routed(kByParam, {binary(eight, 20)}), home_of(5));
  EXPECT_EQ(routed(kByParam, {binary(eight)}), home_of(5));
  EXPECT_EQ(routed(kByParam, {binary(four)}), "any");  // the server refuses four bytes for a bigint
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = $1::int", {binary(four)}), home_of(5));
  EXPECT_EQ(routed(kByParam, {binary(Bytes("\0\1\0\0\0\0\0\0\0\5", 10), 1700)}), home_of(5));
  std::string array;
  for (std::int32_t word : {1, 0, 23, 1, 1, 4, 5}) append_be(array, word);
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = ANY($1)", {binary(array, 1007)}), home_of(5));
}

TEST(Router, MatchesNothingWithNull) {
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = NULL"), "any");
  EXPECT_EQ(routed(kByParam, {BoundParam{{}, true, false, 0}}), "any");
  EXPECT_EQ(routed("SELECT * FROM users WHERE id IN (5, NULL)"), home_of(5));
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = ANY('{}')"), "any");
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = 5.5"), "any");
  EXPECT_EQ(routed("INSERT INTO users VALUES (NULL, 'x')"), "any");
  EXPECT_NE(routed("INSERT INTO loose VALUES ($1, 2)", {BoundParam{{}, true, false, 0}}).find("key is NULL"),
            std::string::npos);
}

TEST(Router, LeavesErrorsOfValuesToTheServer) {
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = 'x'"), "any");
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = '99999999999999999999'"), "any");
  EXPECT_EQ(routed(kByParam, {text("abc")}), "any");
  EXPECT_EQ(routed("INSERT INTO users VALUES ('x', 'y')"), "any");
  EXPECT_EQ(routed("SELECT * FROM events WHERE user_id = 'zz'"), "any");
}

Result<Route> route_of(const std::string& sql, const std::vector<BoundParam>& params = {}) {
  const auto result = analyzed(sql);
  Values values{sql, result.tokens.slots, {}};
  values.params = params;
  return route(result.plan(), values, map());
}

TEST(Router, AsksTheShardsOfAQuerysKeys) {
  std::int64_t other = 2;
  while (home_of(other) == home_of(1)) ++other;
  const auto mask_of = [](std::int64_t key) { return std::uint64_t{1} << std::stoul(home_of(key).substr(6)); };
  const auto some = route_of("SELECT * FROM users WHERE id IN (1, " + std::to_string(other) + ")");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->kind, Route::Kind::kManyShards);
  EXPECT_EQ(some->mask, mask_of(1) | mask_of(other));
  const auto all = route_of("SELECT * FROM users ORDER BY id LIMIT 7 OFFSET $1", {text("3")});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->mask, ~std::uint64_t{0});
  EXPECT_EQ(all->limit, 7);
  EXPECT_EQ(all->offset, 3);
  const auto binary_count = route_of("SELECT * FROM users LIMIT $1", {binary(Bytes("\0\0\0\0\0\0\0\5", 8))});
  ASSERT_TRUE(binary_count);
  EXPECT_EQ(binary_count->limit, 5);
  const auto none = route_of("SELECT * FROM users LIMIT $1", {BoundParam{{}, true, false, 0}});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->limit, sql::kNoLimit);
  EXPECT_FALSE(route_of("SELECT * FROM users LIMIT $1", {text("many")}));
}

TEST(Router, MovesRowsToTheShardOfTheirNewKey) {
  std::int64_t other = 2;
  while (home_of(other) == home_of(1)) ++other;
  const auto shard_of = [](std::int64_t key) { return static_cast<std::uint16_t>(std::stoul(home_of(key).substr(6))); };
  const std::string sql = "UPDATE users SET id = $1 WHERE id = 1";
  const std::string to = std::to_string(other);
  const std::vector<BoundParam> params = {text(to)};
  const auto moved = route_of(sql, params);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->kind, Route::Kind::kManyShards);
  EXPECT_EQ(moved->mask, std::uint64_t{1} << shard_of(1) | std::uint64_t{1} << shard_of(other));
  const auto result = analyzed(sql);
  Values values{sql, result.tokens.slots, {}};
  values.params = params;
  const auto target = move_target(*result.plan().many_write, values, map());
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, ShardId(shard_of(other)));
  const auto everywhere = route_of("UPDATE users SET id = id + 1");
  ASSERT_TRUE(everywhere);
  EXPECT_EQ(everywhere->mask, ~std::uint64_t{0});
  const auto one = route_of("UPDATE users SET id = id + 1 WHERE id = 1");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->kind, Route::Kind::kManyShards);
  EXPECT_EQ(one->mask, std::uint64_t{1} << shard_of(1));
}

TEST(Router, KnowsWhichTextsOfAnUpdateAreNoTimes) {
  EXPECT_TRUE(route_of("UPDATE users SET name = 'buy now' WHERE region = 'eu'"));
  EXPECT_TRUE(route_of("UPDATE users SET name = $1", {text("today")}));
  EXPECT_TRUE(route_of("UPDATE users SET id = 6, name = 'today'"));
  EXPECT_FALSE(route_of("UPDATE users SET created_at = 'now'"));
  EXPECT_FALSE(route_of("UPDATE users SET created_at = $1", {text("now")}));
  EXPECT_FALSE(route_of("UPDATE users SET name = 'x' WHERE created_at < 'today'"));
  EXPECT_FALSE(route_of("UPDATE users SET name = $1 WHERE created_at < $1", {text("now")}));
  EXPECT_FALSE(route_of("UPDATE users SET name = lower('now'::timestamptz::text)"));
  EXPECT_FALSE(route_of("UPDATE users SET name = lower('now')"));
  EXPECT_FALSE(route_of("UPDATE users SET id = 6, created_at = 'now'"));
  const auto declared = analyzed("UPDATE users SET name = $1", {.param_types = {1184}});
  EXPECT_EQ(declared.plan().many_write->clock_params, std::vector<std::uint32_t>{0}) << "it is a time, and stored as text";
}

TEST(Router, RefusesTextsThatEachShardReadsByItsOwnClock) {
  EXPECT_FALSE(route_of("SELECT * FROM users WHERE created_at < 'yesterday'"));
  EXPECT_FALSE(route_of("SELECT * FROM users WHERE created_at < $1", {text("now")}));
  EXPECT_TRUE(route_of("SELECT * FROM users WHERE created_at < '2024-01-01'"));
  EXPECT_TRUE(route_of("SELECT * FROM users WHERE id = 5 AND created_at < 'yesterday'"));
}

TEST(Router, RefusesSeveralShards) {
  std::int64_t other = 2;
  while (home_of(other) == home_of(1)) ++other;
  std::int64_t same = 2;
  while (home_of(same) != home_of(1)) ++same;
  const auto list = [](std::int64_t a, std::int64_t b) {
    return std::to_string(a) + ", " + std::to_string(b);
  };
  EXPECT_EQ(routed("SELECT * FROM users WHERE id IN (" + list(1, same) + ")"), home_of(1));
  EXPECT_EQ(routed("UPDATE users SET name = random()::text WHERE id IN (" + list(1, other) + ")"),
            "error: the values of the sharding key belong to several shards / The result of random may differ from shard to shard.");
  EXPECT_EQ(routed("SELECT * FROM users WHERE id IN (" + list(1, other) + ") FOR UPDATE SKIP LOCKED"),
            "error: the values of the sharding key belong to several shards / this query is not supported over several shards: It skips locked rows.");
  EXPECT_EQ(routed("UPDATE users SET id = " + std::to_string(same) + " WHERE id = 1"), home_of(1));
  EXPECT_EQ(routed("UPDATE users SET id = " + std::to_string(other) + ", created_at = DEFAULT WHERE id = 1"),
            "error: the sharding key cannot be changed to a value that belongs to another shard / SET ... = DEFAULT is not supported over several shards.");
  EXPECT_EQ(routed("INSERT INTO users (id, name) VALUES (1, random()::text), (" + std::to_string(other) + ", 'x')"),
            "error: the rows of this statement belong to several shards / The result of random may differ from shard to shard.");
  EXPECT_EQ(routed("INSERT INTO users (id) VALUES (1), (" + std::to_string(same) + ")"), home_of(1));
  EXPECT_EQ(routed("SELECT a FROM users u, accounts a WHERE u.id = 1 AND a.user_id = " + std::to_string(other) + " FOR UPDATE SKIP LOCKED"),
            "error: the values of the sharding key belong to several shards / this query is not supported over several shards: It skips locked rows.");
}

TEST(Router, RoundsNumbersThatAreStored) {
  EXPECT_EQ(routed("INSERT INTO users (id) VALUES (109.0)"), home_of(109));
  EXPECT_EQ(routed("INSERT INTO users (id) VALUES (109.5)"), home_of(110));
  EXPECT_EQ(routed("INSERT INTO users (id) VALUES (-109.5)"), home_of(-110));
  EXPECT_EQ(routed("INSERT INTO users (id) VALUES (-9223372036854775808)"), home_of(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = 109.0"), home_of(109));
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = 109.5"), routed("SELECT * FROM users WHERE id = NULL"));
}

TEST(Router, RefusesParametersWithoutOneMeaning) {
  EXPECT_NE(routed(kByParam, {text("5", 701)}).find("no exact meaning"), std::string::npos);
  EXPECT_NE(routed("SELECT $1, * FROM users WHERE id = $1", {text("5")}).find("has no type"),
            std::string::npos);
  EXPECT_EQ(routed("SELECT $1, * FROM users WHERE id = $1", {text("5", 20)}), home_of(5));
  EXPECT_EQ(routed("SELECT $1, * FROM users WHERE id = $1", {text("5.0", 1700)}), home_of(5));
  EXPECT_EQ(routed("SELECT * FROM users WHERE id = $1::bigint", {text("5", 25)}), home_of(5));
  EXPECT_NE(routed("SELECT * FROM users WHERE id = $1::bigint", {text("5.5", 1700)}).find("rounded"),
            std::string::npos);
}

TEST(Router, ReadsTextKeys) {
  const auto home = [](Bytes key) {
    return "shard " + std::to_string(map().owner(bucket_of(hash_text(key), map().buckets())).value());
  };
  EXPECT_EQ(routed("SELECT * FROM profiles WHERE handle = 'it''s'"), home("it's"));
  EXPECT_EQ(routed("SELECT * FROM profiles WHERE handle = ' 7 '"), home(" 7 "));
  EXPECT_EQ(routed("SELECT * FROM profiles WHERE handle = E'\\u00e9'"), home("\xc3\xa9"));
  const std::string sql = "SELECT * FROM profiles WHERE handle = $1";
  EXPECT_EQ(routed(sql, {text("ada")}), home("ada"));
  EXPECT_EQ(routed(sql, {binary("ada", 25)}), home("ada"));
  const auto result = analyzed(sql);
  const std::vector<BoundParam> latin = {text("\xe9")}, ascii = {text("e")};
  Values values{sql, result.tokens.slots, latin};
  values.utf8 = false;
  EXPECT_FALSE(route(result.plan(), values, map()));
  values.params = ascii;
  EXPECT_TRUE(route(result.plan(), values, map()));
}

TEST(Router, RefusesTheClockInReferenceWrites) {
  const std::string sql = "INSERT INTO currencies VALUES ($1, $2, $3)";
  const auto all = std::to_string(static_cast<int>(Route::Kind::kAllShards));
  EXPECT_EQ(routed(sql, {text("EUR"), text("euro"), text("1999-01-01")}), all);
  EXPECT_NE(routed(sql, {text("EUR"), text("euro"), text("Today")}).find("time of the shard"),
            std::string::npos);
}

TEST(Router, PassesFixedPlacesOn) {
  EXPECT_EQ(routed("SELECT * FROM settings"), "shard 2");
  EXPECT_EQ(routed("SELECT * FROM categories"), "any");
  EXPECT_EQ(routed("SELECT 1"), std::to_string(static_cast<int>(Route::Kind::kHome)));
  EXPECT_EQ(routed("BEGIN"), std::to_string(static_cast<int>(Route::Kind::kProxy)));
  EXPECT_EQ(routed("DELETE FROM categories"), std::to_string(static_cast<int>(Route::Kind::kAllShards)));
  EXPECT_EQ(routed("SELECT * FROM pg_class"), std::to_string(static_cast<int>(Route::Kind::kCanonical)));
  EXPECT_NE(routed("DELETE FROM users WHERE random() < 0.5").find("not restricted to one value"), std::string::npos);
}

TEST(Router, SendsWritesToTheShardsOfTheirKeys) {
  const auto many = [](std::string_view sql, std::vector<BoundParam> params = {}) {
    const auto result = analyzed(sql);
    const auto where = route(result.plan(), Values{sql, result.tokens.slots, params}, map());
    return where && where->kind == Route::Kind::kManyShards ? where->mask : 0;
  };
  std::int64_t other = 2;
  while (home_of(other) == home_of(1)) ++other;
  const auto bit = [](std::int64_t key) {
    return std::uint64_t{1} << map().owner(bucket_of(hash_integer(key), map().buckets())).value();
  };
  const std::string second = std::to_string(other);
  EXPECT_EQ(many("UPDATE users SET name = 'x'"), ~std::uint64_t{0});
  EXPECT_EQ(many("UPDATE users SET name = 'x' WHERE id IN (1, " + second + ")"), bit(1) | bit(other));
  EXPECT_EQ(many("DELETE FROM users WHERE id = ANY($1)", {text("{1," + second + "}")}), bit(1) | bit(other));
  EXPECT_EQ(many("INSERT INTO users (id) VALUES (1), (" + second + ")"), bit(1) | bit(other));
  EXPECT_EQ(routed("UPDATE users SET name = 'x' WHERE id IN (NULL)"), "any");
}

TEST(Router, FindsTheShardOfEachRow) {
  const std::string sql = "INSERT INTO users (name, id) VALUES ('a', 1), ('b', $1), ('c', NULL), ('d', 'boom'), ('e', '7')";
  const auto result = analyzed(sql);
  const std::vector<BoundParam> params{text("5")};
  const auto rows = route_rows(*result.plan().many_write, Values{sql, result.tokens.slots, params}, map());
  ASSERT_TRUE(rows);
  std::vector<std::string> shards;
  for (const ShardId shard : *rows) shards.push_back("shard " + std::to_string(shard.value()));
  EXPECT_EQ(shards, (std::vector<std::string>{home_of(1), home_of(5), home_of(5), home_of(5), home_of(7)}));
}

TEST(Router, RefusesTimesThatShardsWouldReadApart) {
  const auto refused = [](std::string_view sql, std::vector<BoundParam> params = {}) {
    return routed(sql, std::move(params)).find("such as 'now'") != std::string::npos;
  };
  EXPECT_TRUE(refused("UPDATE users SET created_at = 'now'"));
  EXPECT_TRUE(refused("UPDATE users SET created_at = $1", {text(" Tomorrow 10:00 ")}));
  EXPECT_TRUE(refused("UPDATE users SET created_at = E'\\156ow'"));
  EXPECT_TRUE(refused("SELECT * FROM users WHERE created_at IN ('2024-01-01 00:00:00.000000', '2024-01-02 00:00:00.000000', "
                      "'2024-01-03 00:00:00.000000', '2024-01-04 00:00:00.000000', 'NOW')"));
  EXPECT_FALSE(refused("UPDATE users SET name = 'I know'"));
  std::int64_t other = 2;
  while (home_of(other) == home_of(1)) ++other;
  EXPECT_TRUE(refused("INSERT INTO users (id, created_at) VALUES (1, $1), (" + std::to_string(other) + ", NULL)", {text("now")}));
  EXPECT_FALSE(refused("INSERT INTO users (id, name) VALUES (1, $1), (" + std::to_string(other) + ", 'now')", {text("now")}));
}

}  // namespace
}  // namespace howdah::sharding
