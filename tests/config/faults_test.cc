// Faulty files and the exact faults they must give: all of them, in file order, each with its line.
#include <gtest/gtest.h>

#include "proxy/config/config.h"
#include "tests/config/sample.h"
#include "tests/support/files.h"

namespace howdah::config {
namespace {

struct Case {
  const char* name;
  std::string text;
  std::vector<std::string> faults;  // "line: message"
};

std::vector<std::string> faults_of(const std::string& text) {
  const auto loaded = load_text(text, "t.yaml");
  EXPECT_EQ(loaded.config == nullptr, !loaded.faults.empty());
  std::vector<std::string> out;
  for (const auto& fault : loaded.faults) {
    EXPECT_EQ(fault.file, "t.yaml");
    out.push_back(std::to_string(fault.line) + ": " + fault.message);
  }
  return out;
}

// The sample's lines: 1 listen, 3 the user, 5 app, 6 control, 8 and 9 shards, 11 buckets, 13 to 15 tables.
std::vector<Case> cases() {
  return {
      {"Empty", "", {"0: the file is empty"}},
      {"OnlyAComment", "# nothing\n", {"0: the file is empty"}},
      {"NotAMap", "- a\n", {"1: the file must be a map of keys and values"}},
      {"TwoDocuments",
       std::string(kSample) + "---\na: b\n",
       {"16: there is more after the end of the first YAML document"}},
      {"StrayToken", ", listen: {}\n", {"1: there is more after the end of the first YAML document"}},
      {"SyntaxError", "listen: { port: 1\nusers: []\n", {"2: YAML: end of map flow not found"}},
      {"TabIndent", "listen:\n\tport: 1\n", {"2: YAML: illegal map value"}},
      {"UnknownAlias", "listen: *nowhere\n", {"1: YAML: the referenced anchor is not defined"}},
      {"UnknownTopKey",
       "lisen: {}\n" + std::string(kSample),
       {"1: unknown key \"lisen\"; did you mean \"listen\"?"}},
      {"UnknownInnerKey",
       sample_with("port: 6432", "prot: 6432"),
       {"1: unknown key \"prot\" in listen; did you mean \"port\"?"}},
      {"UnknownFarKey",
       sample_with("port: 6432", "colour: red"),
       {"1: unknown key \"colour\" in listen (known: address, port, backlog, tls, unix_socket)"}},
      {"DuplicateTopKey", std::string(kSample) + "listen: {}\n", {"16: listen is given twice"}},
      {"DuplicateTable",
       sample_with("settings: { local: s1 }", "users: { hash: id }"),
       {"15: databases.app.sharding.tables.users is given twice"}},
      {"DuplicateTableBySchema",
       sample_with("settings: { local: s1 }", "public.users: { hash: id }"),
       {"15: databases.app.sharding.tables.public.users: table public.users is given twice"}},
      {"MissingSections", "workers: 1\n", {"1: key \"databases\" is missing", "1: nobody could log in: give users, users_file or an auth_query"}},
      {"WrongTypes",
       sample_with("{ address: 127.0.0.1, port: 6432 }", "7"),
       {"1: listen must be a map of keys and values"}},
      {"ListForScalar",
       sample_with("port: 6432", "port: [1]"),
       {"1: listen.port must be a single value, not a list"}},
      {"NullValue", sample_with("port: 6432", "port:"), {"1: listen.port needs a value"}},
      {"PortNotANumber",
       sample_with("port: 6432", "port: high"),
       {"1: listen.port: \"high\" is not a whole number"}},
      {"PortTooLarge",
       sample_with("port: 6432", "port: 70000"),
       {"1: listen.port: 70000 is out of range (1 to 65535)"}},
      {"NotAnAddress",
       sample_with("address: 127.0.0.1", "address: localhost"),
       {"1: listen.address: \"localhost\" is not an IP address"}},
      {"SamePortTwice",
       "http: { port: 6432 }\n" + std::string(kSample),
       {"1: http: listens on the same address and port as listen"}},
      {"BadDuration",
       "pool: { wait_timeout: soon }\n" + std::string(kSample),
       {"1: pool.wait_timeout: \"soon\" is not a duration such as 30s, 500ms, 5m or a number of seconds"}},
      {"FractionalSeconds",
       "pool: { idle_timeout: 1500ms }\n" + std::string(kSample),
       {"1: pool.idle_timeout: \"1500ms\" must be whole seconds"}},
      {"DurationOutOfRange",
       "pool: { connect_timeout: 1ms }\n" + std::string(kSample),
       {"1: pool.connect_timeout: 1ms is out of range (10ms to 600s)"}},
      {"BadChoice",
       "pool: { mode: statement }\n" + std::string(kSample),
       {"1: pool.mode: \"statement\" is none of transaction, session"}},
      {"BadBoolean",
       sample_with("password: secret", "password: secret, admin: yes"),
       {"3: users[0].admin: \"yes\" is neither true nor false"}},
      {"BadSize",
       "limits: { message_bytes: 1TB }\n" + std::string(kSample),
       {"1: limits.message_bytes: \"1TB\" is not a size such as 64kB, 16MB or a number of bytes"}},
      {"BadClusterName",
       "cluster: Prod-1\n" + std::string(kSample),
       {"1: cluster: \"Prod-1\" must be 1 to 24 of a-z, 0-9 and _"}},
      {"NoUsers",
       sample_with("\n  - { name: app, password: secret }", " []"),
       {"1: nobody could log in: give users, users_file or an auth_query"}},
      {"EmptyPassword", sample_with("password: secret", "password: \"\""), {"3: users[0].password is empty"}},
      {"UserTwice",
       sample_with("secret }", "secret }\n  - { name: app, password: b }"),
       {"4: users[1]: user \"app\" is given twice"}},
      {"HalfAVerifier",
       sample_with("secret", "SCRAM-SHA-256$4096:c2FsdA==$a:b"),
       {"3: users[0]: password begins like a SCRAM verifier, but is not a whole one"}},
      {"UnsetVariable",
       sample_with("secret", "\"${HOWDAH_SURELY_UNSET}\""),
       {"3: users[0].password: environment variable HOWDAH_SURELY_UNSET is not set"}},
      {"BrokenVariable",
       sample_with("secret", "\"${HOME\""),
       {"3: users[0].password: \"${\" must be followed by a variable's name and \"}\" (write \"$${\" for the "
        "text itself)"}},
      {"SecretFileMissing",
       sample_with("secret", "{ file: /nowhere/pw }"),
       {"3: users[0].password: cannot read file /nowhere/pw"}},
      {"SecretFileIsAFolder",
       sample_with("secret", "{ file: /tmp }"),
       {"3: users[0].password: cannot read file /tmp"}},
      {"SecretWithUnknownKey",
       sample_with("secret", "{ flie: x }"),
       {"3: unknown key \"flie\" in users[0].password; did you mean \"file\"?"}},
      {"TlsWithoutFiles",
       sample_with("port: 6432", "tls: { mode: require }"),
       {"1: listen.tls: cert is needed unless mode is disable",
        "1: listen.tls: key is needed unless mode is disable"}},
      {"TlsFilesMissing",
       sample_with("port: 6432", "tls: { mode: prefer, cert: /nowhere/c, key: /nowhere/k }"),
       {"1: listen.tls.cert: cannot read file /nowhere/c", "1: listen.tls.key: cannot read file /nowhere/k"}},
      {"ConsolesName",
       sample_with("  app:\n", "  pgbouncer:\n"),
       {"5: databases.pgbouncer: this name is the admin console's"}},
      {"NoShards",
       "users: [{ name: a, password: b }]\ndatabases:\n  app: { shards: [] }\n",
       {"3: databases.app.shards: at least one shard is needed"}},
      {"ShardWithoutPrimary",
       sample_with(", primary: \"host=127.0.0.1 port=5502\"", ""),
       {"9: databases.app.shards[1]: key \"primary\" is missing"}},
      {"ShardTwice",
       sample_with("name: s1", "name: s0"),
       {"9: databases.app.shards[1]: shard \"s0\" is given twice",
        "15: databases.app.sharding.tables.settings.local: there is no shard \"s1\"; did you mean \"s0\"?"}},
      {"ReplicaIsThePrimary",
       sample_with("port=5511", "port=5501"),
       {"8: databases.app.shards[0].replicas[0]: host=127.0.0.1 port=5501 is already "
        "databases.app.shards[0].primary"}},
      {"ShardsShareAServer",
       sample_with("port=5502", "port=5501"),
       {"9: databases.app.shards[1].primary: host=127.0.0.1 port=5501 is already "
        "databases.app.shards[0].primary"}},
      {"BadServer",
       sample_with("port=5502", "prot=5502"),
       {"9: databases.app.shards[1].primary: unknown parameter \"prot\"; did you mean \"port\"?"}},
      {"NoControl",
       sample_with("    control: { user: howdah, password: pw }\n", ""),
       {"5: databases.app: several shards need a control account"}},
      {"BucketsNotAPowerOfTwo",
       sample_with("4096", "1000"),
       {"5: databases.app.sharding.buckets: 1000 is not a power of two"}},
      {"BucketsTooFew",
       sample_with("4096", "8"),
       {"11: databases.app.sharding.buckets: 8 is out of range (16 to 65536)"}},
      {"TwoRules",
       sample_with("{ hash: id }", "{ hash: id, reference: true }"),
       {"13: databases.app.sharding.tables.users: give one rule: hash, reference or local"}},
      {"NoRule",
       sample_with("{ hash: id }", "{}"),
       {"13: databases.app.sharding.tables.users: give one rule: hash, reference or local"}},
      {"UnknownRule",
       sample_with("{ hash: id }", "{ hsah: id }"),
       {"13: unknown key \"hsah\" in databases.app.sharding.tables.users; did you mean \"hash\"?"}},
      {"ReferenceFalse",
       sample_with("reference: true", "reference: false"),
       {"14: databases.app.sharding.tables.categories.reference: write reference: true, or leave the table "
        "out"}},
      {"BadTableName",
       sample_with("users: { hash", "a.b.c: { hash"),
       {"13: databases.app.sharding.tables.a.b.c: a table is written table or schema.table"}},
      {"SystemTable",
       sample_with("users: { hash", "pg_catalog.pg_class: { hash"),
       {"13: databases.app.sharding.tables.pg_catalog.pg_class: tables of this schema are not sharded"}},
      {"BadFunctions",
       sample_with("      tables:", "      functions:\n        a.b.c: { shard_local: true }\n        f: { shard_local: false }\n        g: {}\n        \"h(int\": { shard_local: true }\n"
                                    "        i: { local: true }\n        \"j(int)\": { shard_local: true }\n        \"j( INTEGER )\": { shard_local: true }\n      tables:"),
       {"13: databases.app.sharding.functions.a.b.c: a function is written name, schema.name or schema.name(type, type)",
        "14: databases.app.sharding.functions.f.shard_local: write shard_local: true, or leave the function out",
        "15: databases.app.sharding.functions.g: write { shard_local: true }",
        "16: databases.app.sharding.functions.h(int: a function is written name, schema.name or schema.name(type, type)",
        "17: unknown key \"local\" in databases.app.sharding.functions.i (known: shard_local)",
        "17: databases.app.sharding.functions.i: write { shard_local: true }",
        "19: databases.app.sharding.functions.j( INTEGER ): function public.j(integer) is given twice"}},
      {"ManyAtOnceInFileOrder",
       "cluster: X\nlisten: { port: 0 }\nusers: [ { nmae: a, password: b } ]\npool: { size: 0 }\n"
       "databases:\n  app:\n    sharding: { tables: { t: { local: s9 } } }\n    shards: [ { name: s0, "
       "primary: nonsense } ]\n",
       {"1: cluster: \"X\" must be 1 to 24 of a-z, 0-9 and _",
        "2: listen.port: 0 is out of range (1 to 65535)",
        "3: unknown key \"nmae\" in users[0]; did you mean \"name\"?", "3: users[0]: key \"name\" is missing",
        "4: pool.size: 0 is out of range (1 to 10000)",
        "7: databases.app.sharding.tables.t.local: there is no shard \"s9\"; did you mean \"s0\"?",
        "8: databases.app.shards[0].primary: expected \"=\" after \"nonsense\""}},
  };
}

TEST(Faults, AreAllReportedWithTheirLines) {
  for (const auto& c : cases()) EXPECT_EQ(faults_of(c.text), c.faults) << c.name;
}

TEST(Faults, AFileThatCannotBeOpenedIsOne) {
  const auto loaded = load_file("/nowhere/howdah.yaml");
  ASSERT_EQ(loaded.faults.size(), 1u);
  EXPECT_EQ(loaded.faults[0].to_string(),
            "/nowhere/howdah.yaml: cannot be opened: No such file or directory");
}

TEST(Faults, AFolderIsNoFile) {
  const auto loaded = load_file("/proc/self");
  ASSERT_EQ(loaded.faults.size(), 1u);
  EXPECT_EQ(loaded.faults[0].to_string(), "/proc/self: cannot be read: Is a directory");
}

// Cut anywhere, a file is either sound or has faults; it never crashes the loader.
TEST(Faults, EveryPrefixOfAFileIsSurvived) {
  const std::string text = kSample;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto loaded = load_text(text.substr(0, size), "t.yaml");
    EXPECT_EQ(loaded.config == nullptr, !loaded.faults.empty());
  }
}

TEST(Faults, DeepNestingIsAFaultNotACrash) {
  for (const char bracket : {'[', '{'}) {
    EXPECT_FALSE(load_text(std::string(100'000, bracket), "t.yaml").faults.empty());
  }
  const std::string deep = "a: " + std::string(40, '[') + std::string(40, ']');
  EXPECT_EQ(faults_of(deep), std::vector<std::string>{"1: nested too deeply"});
}

// A transaction needs one server from its first statement to its last.
TEST(Faults, ThereIsNoStatementMode) {
  const auto faults = faults_of("pool: { mode: statement }\n" + std::string(kSample));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("transaction, session"), std::string::npos) << faults[0];
}

// yaml-cpp would make a cycle of it, which is never freed.
TEST(Faults, AnAliasInsideItsOwnNodeIsRefused) {
  EXPECT_EQ(faults_of("a: 1\nb: &x [*x]\n"),
            std::vector<std::string>{"2: an alias stands for a value that contains it"});
}

}  // namespace
}  // namespace howdah::config
