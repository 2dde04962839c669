#include <gtest/gtest.h>
#include <stdlib.h>

#include "proxy/config/config.h"
#include "proxy/config/effective.h"
#include "tests/config/sample.h"
#include "tests/support/files.h"

namespace howdah::config {
namespace {

using namespace std::chrono_literals;
using howdah::testing::TempDir;
using howdah::testing::write_file;
using sharding::TableRule;
using sharding::TableRuleKind;

std::string all(const std::vector<Fault>& faults) {
  std::string out;
  for (const auto& fault : faults) out += fault.to_string() + "\n";
  return out;
}

ConfigPtr must_load(const std::string& text, const std::string& path = "t.yaml") {
  auto loaded = load_text(text, path);
  EXPECT_EQ(all(loaded.faults), "");
  return loaded.config ? loaded.config : std::make_shared<Config>();
}

TEST(Load, FillsEveryPartAndKeepsDefaults) {
  const auto config = must_load(kSample);
  EXPECT_EQ(config->listen.port, 6432);
  EXPECT_EQ(config->pool.size, Pool().size);
  EXPECT_EQ(config->user("app")->password, "secret");
  EXPECT_EQ(config->user("nobody"), nullptr);
  const auto& database = config->databases.at("app");
  EXPECT_EQ(database.control.user, "howdah");
  ASSERT_EQ(database.shards.size(), 2u);
  EXPECT_EQ(database.shards[0].replicas[0].port, 5511);
  EXPECT_EQ(database.shards[1].primary.id, ServerId(2));
  EXPECT_EQ(database.rules.shards, 2);
  EXPECT_EQ(*database.rules.find("public", "users"), (TableRule{TableRuleKind::kHash, "id", ShardId(0)}));
  EXPECT_EQ(database.rules.find("public", "categories")->kind, TableRuleKind::kReference);
  EXPECT_EQ(*database.rules.find("public", "settings"), (TableRule{TableRuleKind::kLocal, "", ShardId(1)}));
}

TEST(Load, ReadsEveryScalarKind) {
  const auto config = must_load(std::string(kSample) + R"(
cluster: prod_1
workers: 3
http: { port: 0 }
pool: { mode: session, size: 7, wait_timeout: 500ms, connect_timeout: 2, idle_timeout: 5m, lifetime: 0, prepared_statements: 9, session_state: refuse }
limits: { clients: 10, login_timeout: 5s, idle_timeout: 1h, idle_in_transaction_timeout: 30s, message_bytes: 16MB }
logging: { level: debug, file: /tmp/x.log }
)");
  EXPECT_EQ(config->cluster, "prod_1");
  EXPECT_EQ(config->workers, 3);
  EXPECT_FALSE(config->http.enabled);
  EXPECT_EQ(config->pool.mode, PoolMode::kSession);
  EXPECT_EQ(config->pool.size, 7u);
  EXPECT_EQ(config->pool.wait_timeout, 500ms);
  EXPECT_EQ(config->pool.connect_timeout, 2s);
  EXPECT_EQ(config->pool.idle_timeout, 300s);
  EXPECT_EQ(config->pool.lifetime, 0s);
  EXPECT_EQ(config->pool.prepared_statements, 9u);
  EXPECT_EQ(config->pool.session_state, SessionState::kRefuse);
  EXPECT_EQ(config->limits.clients, 10u);
  EXPECT_EQ(config->limits.idle_timeout, 3600s);
  EXPECT_EQ(config->limits.message_bytes, 16u << 20);
  EXPECT_EQ(config->logging.level, "debug");
}

TEST(Load, TakesValuesFromTheEnvironment) {
  setenv("HOWDAH_TEST_SECRET", "s3: {cret}", 1);
  setenv("HOWDAH_TEST_PORT", "7000", 1);
  auto config = must_load(sample_with("password: secret", "password: \"a-${HOWDAH_TEST_SECRET}-z\""));
  EXPECT_EQ(config->user("app")->password, "a-s3: {cret}-z");
  config = must_load(sample_with("port: 6432", "port: \"${HOWDAH_TEST_PORT}\""));
  EXPECT_EQ(config->listen.port, 7000);
  config = must_load(sample_with("password: secret", "password: \"$${HOME} costs $5\""));
  EXPECT_EQ(config->user("app")->password, "${HOME} costs $5");
}

TEST(Load, TakesSecretsFromFilesNextToTheConfiguration) {
  TempDir folder;
  write_file(folder.path() + "/pw", "from file\n");
  write_file(folder.path() + "/howdah.yaml", sample_with("password: secret", "password: { file: pw }"));
  const auto loaded = load_file(folder.path() + "/howdah.yaml");
  ASSERT_NE(loaded.config, nullptr) << all(loaded.faults);
  EXPECT_EQ(loaded.config->user("app")->password, "from file");
}

TEST(Load, ResolvesTlsFilesFromTheConfigurationsFolder) {
  TempDir folder;
  write_file(folder.path() + "/c.pem", "");
  write_file(folder.path() + "/k.pem", "");
  const auto config =
      must_load(sample_with("port: 6432", "port: 6432, tls: { mode: require, cert: c.pem, key: k.pem }"),
                folder.path() + "/howdah.yaml");
  EXPECT_EQ(config->listen.tls.mode, TlsMode::kRequire);
  EXPECT_EQ(config->listen.tls.cert, folder.path() + "/c.pem");
}

TEST(Load, OrderOfKeysDoesNotMatter) {
  const auto config = must_load(R"(
databases:
  app:
    sharding: { tables: { other.t: { local: b } } }
    shards: [ { primary: "port=1", name: a }, { name: b, primary: "port=2" } ]
    control: { user: c, password: p }
users: [ { password: x, name: u, pool_size: 3 } ]
)");
  EXPECT_EQ(config->databases.at("app").rules.find("other", "t")->shard, ShardId(1));
  EXPECT_EQ(config->users[0].pool_size, 3u);
}

TEST(Load, FunctionsAreNamedAsInTheCatalog) {
  const auto config = must_load(sample_with("      tables:", "      functions:\n        f: { shard_local: true }\n        \"s.g(INT8,  text[] )\": { shard_local: true }\n"
                                                             "        \"h()\": { shard_local: true }\n      tables:"));
  const auto& rules = config->databases.at("app").rules;
  using Declared = std::set<std::string>;
  EXPECT_EQ(rules.shard_local.at("public.f"), Declared{""});
  EXPECT_EQ(rules.shard_local.at("public.h"), Declared{"()"});
  EXPECT_EQ(rules.shard_local.at("s.g"), Declared{"(bigint, text[])"});
  EXPECT_NE(rules.version, must_load(kSample)->databases.at("app").rules.version) << "plans are made anew";
}

TEST(Load, AUsersLimitsCountBeforeItsDatabasesAndThoseBeforeTheFiles) {
  const auto config = must_load(R"(
pool: { size: 5, min_size: 1, reserve_size: 2, reserve_timeout: 3s, wait_notice: 0 }
limits: { clients_per_user: 7, clients_per_database: 70, server_connections: 9, query_timeout: 10s, transaction_timeout: 20s, statements: 50 }
users:
  - { name: u, password: x, limits: { clients: 3, query_timeout: 1s, pool_size: 6 } }
  - { name: v, password: x, pool_size: 8, limits: { pool_size: 6 } }
databases:
  app:
    limits: { pool_size: 4, query_timeout: 2s, transaction_timeout: 0, clients: 30, server_connections: 12 }
    shards: [ { primary: "port=1", name: a } ]
)");
  const auto& database = config->databases.at("app");
  const auto u = effective(*config, database, *config->user("u"));
  EXPECT_EQ(u.pool_size, 6u);
  EXPECT_EQ(u.min_pool_size, 1u);
  EXPECT_EQ(u.reserve_pool_size, 2u);
  EXPECT_EQ(u.user_clients, 3u);
  EXPECT_EQ(u.database_clients, 30u);
  EXPECT_EQ(u.server_connections, 9u);
  EXPECT_EQ(u.user_server_connections, 0u);
  EXPECT_EQ(u.database_server_connections, 12u);
  EXPECT_EQ(u.query_timeout, 1s);
  EXPECT_EQ(u.transaction_timeout, 0s);
  const auto v = effective(*config, database, *config->user("v"));
  EXPECT_EQ(v.pool_size, 8u);
  EXPECT_EQ(v.user_clients, 7u);
  EXPECT_EQ(v.query_timeout, 2s);
  EXPECT_EQ(config->limits.statements, 50u);
  EXPECT_EQ(config->pool.wait_notice, 0s);
}

TEST(Load, EqualRulesHaveEqualVersions) {
  const auto version = [](const std::string& text) {
    return must_load(text)->databases.at("app").rules.version;
  };
  EXPECT_EQ(version(kSample), version(sample_with("port: 6432", "port: 6433")));
  EXPECT_NE(version(kSample), version(sample_with("hash: id", "hash: uid")));
  EXPECT_NE(version(kSample), version(sample_with("local: s1", "local: s0")));
}

TEST(Load, WarnsOfTheSlowHash) {
  const auto loaded = load_text(sample_with("buckets: 4096", "hash: xxh64"), "t.yaml");
  ASSERT_NE(loaded.config, nullptr);
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_NE(loaded.warnings[0].message.find("xxh64"), std::string::npos);
}

}  // namespace
}  // namespace howdah::config
