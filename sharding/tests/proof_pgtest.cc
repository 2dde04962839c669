// The proofs against the truth: a statement that is routed to one shard gives there what it gives on all the
// data.
//
// One server, five databases: "whole" has all rows, s0 to s3 have each shard's. Random statements are routed
// as a proxy would; those that get a shard run there and on the whole, and rows, errors and what they changed
// must agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "sharding/hash.h"
#include "sharding/router.h"
#include "sharding/sql/analyzer.h"
#include "sharding/sql/gather.h"
#include "sharding/tests/random_query.h"
#include "tests/support/pg_server.h"

namespace howdah::sharding {
namespace {

using howdah::testing::Answer;
using howdah::testing::PgConn;
using howdah::testing::PgServer;

constexpr int kShards = 4;

schema::Catalog make_catalog() {
  schema::Catalog catalog;
  Oid oid = 16384;
  for (const char* name : {"a", "b", "c", "r"}) {
    schema::Relation relation;
    relation.oid = oid++;
    relation.schema = "public";
    relation.name = name;
    const Oid type = *name == 'b' ? schema::kInt4Oid : schema::kInt8Oid;
    relation.columns = {{"k", type, false, *name != 'r'}, {"x", schema::kInt4Oid}};
    catalog.add(std::move(relation));
  }
  for (const char* name : {"count", "max", "sum", "generate_series"}) {
    catalog.add(
        schema::Function{"pg_catalog", name, schema::Volatility::kImmutable, true, *name != 'g', false});
  }
  return catalog;
}

class Proof : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<PgServer>();
    auto admin = server_->superuser();
    for (const char* name : {"whole", "s0", "s1", "s2", "s3"}) {
      admin.must(std::string("CREATE DATABASE ") + name);
      databases_.push_back(std::make_unique<PgConn>(server_->superuser_url(name)));
      databases_.back()->must(
          "CREATE TABLE a (k bigint NOT NULL, x int); CREATE TABLE b (k int NOT NULL, x int);"
          "CREATE TABLE c (k bigint NOT NULL, x int); CREATE TABLE r (k bigint, x int)");
    }
    std::mt19937 random(99);
    for (const char* table : {"a", "b", "c"}) {
      for (int key = 1; key <= 6; ++key) {
        for (unsigned n = random() % 4; n > 0; --n) {
          const auto x = random() % 8;
          const std::string row = std::string("INSERT INTO ") + table + " VALUES (" + std::to_string(key) +
                                  ", " + (x == 0 ? "NULL" : std::to_string(x)) + ")";
          databases_[0]->must(row);
          databases_[1 + shard_of(key)]->must(row);
        }
      }
    }
    for (auto& database : databases_)
      database->must("INSERT INTO r VALUES (1, 1), (2, 3), (3, NULL), (NULL, 4), (5, 5)");
    for (const char* table : {"a", "b", "c"})
      rules_.tables[std::string("public.") + table] = {TableRuleKind::kHash, "k", ShardId()};
    rules_.tables["public.r"] = {TableRuleKind::kReference, "", ShardId()};
    rules_.shards = kShards;
    catalog_ = make_catalog();
  }
  static void TearDownTestSuite() {
    databases_.clear();
    server_.reset();
  }

  static std::size_t shard_of(std::int64_t key) {
    return map_.owner(bucket_of(hash_integer(key), map_.buckets())).value();
  }

  // The database that the statement is routed to: 1 to 4; 0 when it is refused, or runs on several.
  static std::size_t routed(const std::string& statement) {
    const Route where = route_of(statement);
    if (where.kind == Route::Kind::kProxy || where.kind == Route::Kind::kManyShards) return 0;
    if (where.kind == Route::Kind::kShard) return 1 + where.shard.value();
    return 1 + std::hash<std::string>{}(statement) % kShards;
  }

  static sql::AnalyzeContext context_of() {
    sql::AnalyzeContext context;
    context.catalog = &catalog_;
    context.rules = &rules_;
    context.search_path = {"public"};
    return context;
  }

  // What the shards run for a query whose last step needs all rows: the plainest form, which aggregates nothing; that of whole tables
  // only where nothing else serves. Empty: there is none.
  static std::string lower_part(const std::string& query, const sql::Spread& spread) {
    const auto forms = sql::gather_forms(query, spread, {}, context_of());
    if (!forms) return "";
    const auto form = std::find_if(forms->rbegin(), forms->rend(), [](const sql::Gather& one) { return one.inputs.empty(); });
    sql::Gather plainest = form == forms->rend() ? forms->back() : *form;
    plainest.order.clear();  // of each shard's first rows not all are among the first
    return plainest.lower();
  }

  // kProxy stands for a refusal.
  static Route route_of(const std::string& statement, std::shared_ptr<const sql::Spread>* spread = nullptr) {
    const sql::AnalyzeContext context = context_of();
    sql::TokenStream tokens;
    sql::tokenize(statement, {}, tokens);
    const auto analysis = sql::analyze(statement, tokens, {}, context);
    if (!analysis) {
      ADD_FAILURE() << analysis.error().message << ": " << statement;
      return Route{Route::Kind::kProxy, ShardId()};
    }
    const auto& plan = analysis->plan.statements.at(0);
    if (spread != nullptr) *spread = plan.spread;
    const auto where = route(plan, Values{statement, tokens.slots, {}}, map_);
    return where ? *where : Route{Route::Kind::kProxy, ShardId()};
  }

  static std::vector<std::string> sorted(const Answer& answer) {
    std::vector<std::string> rows;
    for (const auto& row : answer.rows) {
      std::string text;
      for (const auto& value : row) text += value.value_or("NULL") + "|";
      rows.push_back(text);
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  // Rows of all tables whose key lives on `shard`, or on any other one.
  static std::string contents(PgConn& database, std::size_t shard, bool inside) {
    std::string out;
    for (const char* table : {"a", "b", "c"}) {
      for (const auto& row : sorted(database.must(std::string("SELECT k, x FROM ") + table))) {
        if ((shard_of(std::stoll(row)) == shard) == inside) out += std::string(table) + row + " ";
      }
    }
    return out;
  }

  static std::unique_ptr<PgServer> server_;
  static std::vector<std::unique_ptr<PgConn>> databases_;
  static inline const ShardMap map_ = ShardMap::initial(4096, kShards, HashKind::kPostgres);
  static inline Rules rules_;
  static inline schema::Catalog catalog_;
};
std::unique_ptr<PgServer> Proof::server_;
std::vector<std::unique_ptr<PgConn>> Proof::databases_;

// HOWDAH_PROOF_SEED tries other statements than those of every run.
std::uint32_t seed(std::uint32_t usual) {
  const char* other = std::getenv("HOWDAH_PROOF_SEED");
  return other == nullptr ? usual : static_cast<std::uint32_t>(std::atoi(other));
}

TEST_F(Proof, OneShardAnswersAsTheWholeDoes) {
  testing::RandomQuery random(seed(20240301));
  int proven = 0, valid = 0, with_rows = 0;
  for (int i = 0; i < 4000 && !HasFailure(); ++i) {
    const auto query = random.query();
    const auto database = routed(query);
    if (database == 0) continue;
    ++proven;
    const Answer whole = databases_[0]->query(query);
    const Answer shard = databases_[database]->query(query);
    valid += whole.ok();
    with_rows += !whole.rows.empty();
    ASSERT_EQ(whole.sqlstate, shard.sqlstate) << query << "\n" << whole.message << shard.message;
    ASSERT_EQ(sorted(whole), sorted(shard)) << query << "\nroutes to s" << database - 1;
  }
  EXPECT_GT(proven, 700);
  EXPECT_GT(with_rows, proven / 4) << "answers without rows prove little";
  RecordProperty("proven", proven);
  RecordProperty("with_rows", with_rows);
  EXPECT_GT(valid, proven * 9 / 10) << "the generator makes too many statements that PostgreSQL refuses";
}

TEST_F(Proof, ShardsTogetherAnswerAsTheWholeDoes) {
  testing::RandomQuery random(seed(4711));
  int proven = 0, with_rows = 0, gathered = 0;
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    auto query = random.query(15);
    std::shared_ptr<const sql::Spread> spread;
    const Route where = route_of(query, &spread);
    // What the merge does to the rows is row_merge_test's.
    if (where.kind != Route::Kind::kManyShards || where.limit != sql::kNoLimit || where.offset != 0) continue;
    if (spread->gathers) {
      if (spread->assembles && !spread->pins.empty()) continue;  // other shards' rows make no difference later on
      query = lower_part(query, *spread);
      if (query.empty()) continue;
      ++gathered;
    }
    ++proven;
    const Answer whole = databases_[0]->query(query);
    with_rows += !whole.rows.empty();
    std::vector<std::string> rows, states;
    for (std::size_t shard = 0; shard < kShards; ++shard) {
      if ((where.mask >> shard & 1) == 0) continue;
      const Answer part = databases_[1 + shard]->query(query);
      for (const auto& row : sorted(part)) rows.push_back(row);
      if (!part.ok()) states.push_back(part.sqlstate);
    }
    std::sort(rows.begin(), rows.end());
    if (!whole.ok()) {
      ASSERT_TRUE(std::count(states.begin(), states.end(), whole.sqlstate) > 0) << query << "\n" << whole.message;
      continue;
    }
    ASSERT_TRUE(states.empty()) << query << "\n" << states[0];
    ASSERT_EQ(sorted(whole), rows) << query;
  }
  EXPECT_GT(proven, 100);
  EXPECT_GT(gathered, 100);
  EXPECT_GT(with_rows, proven / 4) << "answers without rows prove little";
  RecordProperty("proven", proven);
  RecordProperty("gathered", gathered);
}

TEST_F(Proof, OneShardChangesWhatTheWholeDoes) {
  testing::RandomQuery random(seed(7));
  int proven = 0, valid = 0;
  for (int i = 0; i < 1500 && !HasFailure(); ++i) {
    const auto statement = random.write();
    const auto database = routed(statement);
    if (database == 0) continue;
    ++proven;
    PgConn& whole = *databases_[0];
    PgConn& shard = *databases_[database];
    const auto others = contents(whole, database - 1, false);
    whole.must("BEGIN");
    shard.must("BEGIN");
    const Answer all = whole.query(statement);
    const Answer one = shard.query(statement);
    ASSERT_EQ(all.sqlstate, one.sqlstate) << statement << "\n" << all.message << one.message;
    if (all.ok()) {
      ++valid;
      ASSERT_EQ(all.tag, one.tag) << statement;
      ASSERT_EQ(sorted(all), sorted(one)) << statement;
      ASSERT_EQ(contents(whole, database - 1, true), contents(shard, database - 1, true)) << statement;
      ASSERT_EQ(contents(whole, database - 1, false), others) << statement;
      ASSERT_EQ(contents(shard, database - 1, false), "") << statement;
    }
    whole.must("ROLLBACK");
    shard.must("ROLLBACK");
  }
  EXPECT_GT(proven, 300);
  EXPECT_GT(valid, proven * 8 / 10);
  RecordProperty("proven", proven);
}

}  // namespace
}  // namespace howdah::sharding
