// What a statement costs before it leaves: tokens and hash, plan lookup, route; and what a miss costs.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "sharding/router.h"
#include "sharding/sql/plan_cache.h"

namespace {

using namespace howdah;
using namespace howdah::sharding;
using namespace howdah::sharding::sql;

const std::vector<std::string> kStatements = {
    "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;",
    "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
    "UPDATE pgbench_accounts SET abalance = abalance + -4711 WHERE aid = 54321;",
    "INSERT INTO transactions (id, user_id, amount, note) VALUES (1, 42, 12.50, 'lunch'), (2, 42, 3.20, "
    "'tea')",
    "SELECT u.name, a.kind, sum(t.amount) FROM users u JOIN accounts a ON a.user_id = u.id JOIN transactions "
    "t "
    "ON t.user_id = u.id AND t.account_id = a.id WHERE u.id = 42 AND t.created_at > '2024-01-01' GROUP BY 1, "
    "2",
};

schema::Catalog make_catalog() {
  schema::Catalog catalog;
  Oid oid = 16384;
  const auto table = [&](const char* name, std::vector<schema::Column> columns) {
    schema::Relation relation;
    relation.oid = oid++;
    relation.schema = "public";
    relation.name = name;
    relation.columns = std::move(columns);
    catalog.add(std::move(relation));
  };
  const auto big = [](const char* name) { return schema::Column{name, schema::kInt8Oid, false, true}; };
  const auto other = [](const char* name) { return schema::Column{name, schema::kNumericOid}; };
  table("pgbench_accounts", {big("aid"), big("bid"), other("abalance"), other("filler")});
  table("users", {big("id"), other("email"), other("name")});
  table("accounts", {big("id"), big("user_id"), other("kind"), other("balance")});
  table("transactions",
        {big("id"), big("user_id"), big("account_id"), other("amount"), other("note"), other("created_at")});
  catalog.add(schema::Function{"pg_catalog", "sum", schema::Volatility::kImmutable, true, true, false});
  return catalog;
}

struct World {
  schema::Catalog catalog = make_catalog();
  Rules rules;
  ShardMap map = ShardMap::initial(4096, 4, HashKind::kPostgres);
  AnalyzeContext context;
  PlanCache cache;

  World() {
    rules.shards = 4;
    rules.tables["public.pgbench_accounts"] = TableRule{TableRuleKind::kHash, "aid", ShardId()};
    rules.tables["public.users"] = TableRule{TableRuleKind::kHash, "id", ShardId()};
    rules.tables["public.accounts"] = TableRule{TableRuleKind::kHash, "user_id", ShardId()};
    rules.tables["public.transactions"] = TableRule{TableRuleKind::kHash, "user_id", ShardId()};
    context.catalog = &catalog;
    context.rules = &rules;
    context.search_path = {"public"};
    TokenStream tokens;
    for (const auto& sql : kStatements) {
      tokenize(sql, context.lexer, tokens);
      auto analysis = analyze(sql, tokens, {}, context);
      if (analysis) cache.insert(sql, tokens, {}, 1, std::move(*analysis));
    }
    // As many neighbours as a busy application has.
    for (int i = 0; i < 2000; ++i) {
      const std::string sql =
          "SELECT abalance AS c" + std::to_string(i) + " FROM pgbench_accounts WHERE aid = 1";
      tokenize(sql, context.lexer, tokens);
      auto analysis = analyze(sql, tokens, {}, context);
      if (analysis) cache.insert(sql, tokens, {}, 1, std::move(*analysis));
    }
  }
};

World& world() {
  static World instance;
  return instance;
}

const std::string& statement(const benchmark::State& state) {
  return kStatements[static_cast<std::size_t>(state.range(0))];
}

void Tokenize(benchmark::State& state) {
  const std::string& sql = statement(state);
  TokenStream tokens;
  for (auto _ : state) {
    tokenize(sql, {}, tokens);
    benchmark::DoNotOptimize(tokens.hash);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * sql.size()));
}

void Lookup(benchmark::State& state) {
  World& w = world();
  const std::string& sql = statement(state);
  TokenStream tokens;
  tokenize(sql, {}, tokens);
  for (auto _ : state) {
    const PlanPtr* plan = w.cache.find(sql, tokens, {}, 1);
    if (plan == nullptr) state.SkipWithError("not cached");
    benchmark::DoNotOptimize(plan);
  }
}

// The whole of a hit: text in, shard out.
void TokenizeLookupRoute(benchmark::State& state) {
  World& w = world();
  const std::string& sql = statement(state);
  TokenStream tokens;
  const std::vector<BoundParam> params = {BoundParam{"12345", false, false, 0}};
  for (auto _ : state) {
    tokenize(sql, {}, tokens);
    const PlanPtr* plan = w.cache.find(sql, tokens, {}, 1);
    if (plan == nullptr) {
      state.SkipWithError("not cached");
      break;
    }
    auto where = route((*plan)->statements[0], Values{sql, tokens.slots, params}, w.map);
    if (!where) state.SkipWithError("not routed");
    benchmark::DoNotOptimize(where);
  }
}

void Route(benchmark::State& state) {
  World& w = world();
  const std::string& sql = statement(state);
  TokenStream tokens;
  tokenize(sql, {}, tokens);
  const PlanPtr plan = *w.cache.find(sql, tokens, {}, 1);
  const std::vector<BoundParam> params = {BoundParam{"12345", false, false, 0}};
  for (auto _ : state) {
    auto where = route(plan->statements[0], Values{sql, tokens.slots, params}, w.map);
    benchmark::DoNotOptimize(where);
  }
}

void Miss(benchmark::State& state) {
  World& w = world();
  const std::string& sql = statement(state);
  TokenStream tokens;
  tokenize(sql, {}, tokens);
  for (auto _ : state) {
    auto analysis = analyze(sql, tokens, {}, w.context);
    benchmark::DoNotOptimize(analysis);
  }
}

BENCHMARK(Tokenize)->DenseRange(0, 4);
BENCHMARK(Lookup)->DenseRange(0, 4);
BENCHMARK(Route)->DenseRange(0, 4);
BENCHMARK(TokenizeLookupRoute)->DenseRange(0, 4);
BENCHMARK(Miss)->DenseRange(0, 4);

}  // namespace
