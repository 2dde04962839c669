#include "proxy/control/catalog_loader.h"

#include <gtest/gtest.h>

#include "tests/support/pg_server.h"

namespace howdah::control {
namespace {

using schema::RelationKind;
using schema::Volatility;
using testing::PgServer;

const char* const kRichSchema = R"(
CREATE SCHEMA shop;
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN positive AS bigint DEFAULT 1 CHECK (VALUE > 0);
CREATE DOMAIN very_positive AS positive;
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, gone int, nick text COLLATE loose,
                    rank very_positive, created_at timestamptz DEFAULT now(), note varchar(20));
ALTER TABLE users DROP COLUMN gone;
CREATE TABLE shop."Odd ""Name" ("Key" uuid, n int GENERATED ALWAYS AS IDENTITY, d int GENERATED ALWAYS AS (1) STORED);
CREATE TABLE events (id bigint, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id);
CREATE TABLE events_2024_1 PARTITION OF events_2024 FOR VALUES IN (1);
CREATE TABLE parent_a (a int); CREATE TABLE parent_b (b int); CREATE TABLE child () INHERITS (parent_a, parent_b);
CREATE UNLOGGED TABLE scratch (i int);
CREATE VIEW active AS SELECT id, email FROM users;
CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM users;
CREATE SEQUENCE ticket;
CREATE TYPE pair AS (x int, y int);
CREATE TABLE guarded (id int REFERENCES shop_target DEFERRABLE);
CREATE TABLE refers (id bigint, at date, FOREIGN KEY (id, at) REFERENCES events_2024_1);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE carried (a mood, b mood[], c pair, d regclass, e regclass[], f int[], g positive, h very_positive, i name, j point, k int4range, l aclitem);
)";
const char* const kRest = R"(
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION noop();
CREATE TRIGGER t BEFORE INSERT ON events_2024_1 FOR EACH ROW EXECUTE FUNCTION noop();
CREATE RULE r AS ON DELETE TO scratch DO INSTEAD NOTHING;
CREATE UNIQUE INDEX users_partial ON users (note) WHERE note IS NOT NULL;
CREATE UNIQUE INDEX users_expression ON users (lower(email));
CREATE UNIQUE INDEX users_covering ON users (email, id) INCLUDE (note);
ALTER TABLE users ADD CONSTRAINT late UNIQUE (nick) DEFERRABLE;
CREATE FUNCTION mixed(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION mixed(text) RETURNS SETOF int VOLATILE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION steady() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
)";

const std::vector<std::string> kPath = {"public"};

class CatalogTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PgServer;
    auto admin = server_->superuser();
    admin.must("CREATE TABLE shop_target (id int PRIMARY KEY)");
    admin.must(kRichSchema);
    admin.must(kRest);
  }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }

  CatalogTest() {
    auto connected = pq::Connection::connect(server_->url("howdah"));
    EXPECT_TRUE(connected);
    connection_ = std::move(*connected);
    auto loaded = load_catalog(*connection_, 7);
    EXPECT_TRUE(loaded) << loaded.error().message;
    loaded_ = std::move(*loaded);
  }
  const schema::Relation& table(const std::string& name, const std::string& schema = {}) const {
    const auto* found = loaded_.catalog->relation(schema, name, kPath);
    if (found == nullptr) throw std::runtime_error("no relation " + name);
    return *found;
  }
  const schema::Function& function(const std::string& name) const {
    const auto* found = loaded_.catalog->function("", name, kPath);
    if (found == nullptr) throw std::runtime_error("no function " + name);
    return *found;
  }
  std::string fingerprint() { return *catalog_fingerprint(*connection_); }

  static PgServer* server_;
  std::unique_ptr<pq::Connection> connection_;
  LoadedCatalog loaded_;
};
PgServer* CatalogTest::server_ = nullptr;

TEST_F(CatalogTest, ColumnsInOrderWithoutDroppedOnes) {
  EXPECT_EQ(loaded_.catalog->version(), 7u);
  std::string names;
  for (const auto& column : table("users").columns) names += column.name + " ";
  EXPECT_EQ(names, "id email nick rank created_at note ");
  const auto& users = table("users");
  EXPECT_EQ(users.column("id")->type, schema::kInt8Oid);
  EXPECT_TRUE(users.column("id")->not_null);
  EXPECT_FALSE(users.column("id")->has_default);
  EXPECT_TRUE(users.column("created_at")->has_default);
  EXPECT_EQ(users.column("note")->type, schema::kVarcharOid);
  EXPECT_FALSE(users.column("note")->not_null);
}

TEST_F(CatalogTest, DomainsAreSeenThrough) {
  const auto* rank = table("users").column("rank");
  EXPECT_TRUE(rank->is_domain);
  EXPECT_EQ(rank->type, schema::kInt8Oid);
  EXPECT_TRUE(rank->has_default);
  EXPECT_FALSE(table("users").column("id")->is_domain);
}

TEST_F(CatalogTest, CollationsThatAreNotDeterministicAreMarked) {
  EXPECT_FALSE(table("users").column("nick")->deterministic_collation);
  EXPECT_TRUE(table("users").column("email")->deterministic_collation);
  EXPECT_TRUE(table("users").column("id")->deterministic_collation);
}

TEST_F(CatalogTest, OddNamesAndGeneratedColumns) {
  const auto& odd = table("Odd \"Name", "shop");
  EXPECT_EQ(odd.column("Key")->type, schema::kUuidOid);
  EXPECT_TRUE(odd.column("n")->has_default);
  EXPECT_TRUE(odd.column("d")->has_default);
  EXPECT_TRUE(odd.column("d")->generated);
  EXPECT_FALSE(odd.column("n")->generated);
}

TEST_F(CatalogTest, KindsAndMarks) {
  EXPECT_EQ(table("users").kind, RelationKind::kTable);
  EXPECT_EQ(table("events").kind, RelationKind::kPartitioned);
  EXPECT_EQ(table("active").kind, RelationKind::kView);
  EXPECT_EQ(table("active").column("email")->type, schema::kTextOid);
  EXPECT_NE(table("active").definition.find("FROM public.users"), std::string::npos) << "qualified: " << table("active").definition;
  EXPECT_TRUE(table("users").definition.empty());
  EXPECT_EQ(table("summary").kind, RelationKind::kMaterializedView);
  EXPECT_EQ(table("ticket").kind, RelationKind::kSequence);
  EXPECT_EQ(table("pair").kind, RelationKind::kComposite);
  EXPECT_EQ(table("users_pkey").kind, RelationKind::kIndex);
  EXPECT_EQ(table("events_pkey").kind, RelationKind::kPartitionedIndex);
  EXPECT_TRUE(table("users").has_triggers);
  EXPECT_TRUE(table("events").has_triggers) << "of a partition's partition";
  EXPECT_FALSE(table("child").has_triggers);
  EXPECT_FALSE(table("guarded").has_triggers) << "triggers of foreign keys are internal";
  EXPECT_TRUE(table("guarded").row_security);
  EXPECT_FALSE(table("users").row_security);
  EXPECT_TRUE(table("scratch").has_rules);
  EXPECT_FALSE(table("active").has_rules) << "a view's own rule does not count";
  EXPECT_TRUE(table("scratch").unlogged);
  EXPECT_FALSE(table("users").unlogged);
}

TEST_F(CatalogTest, TablesThatForeignKeysReferToAreMarked) {
  EXPECT_TRUE(table("shop_target").referenced);
  EXPECT_TRUE(table("events_2024_1").referenced);
  EXPECT_TRUE(table("events").referenced) << "a partition is";
  EXPECT_FALSE(table("guarded").referenced);
  EXPECT_FALSE(table("users").referenced);
}

TEST_F(CatalogTest, ColumnsWhoseValuesHoldNumbersOfTheServerAreMarked) {
  std::string portable;
  for (const auto& column : table("carried").columns) portable += column.portable ? column.name : "";
  EXPECT_EQ(portable, "afgijk");
}

TEST_F(CatalogTest, PartitionsAndInheritance) {
  EXPECT_EQ(loaded_.catalog->root_of(table("events_2024_1")).name, "events");
  EXPECT_EQ(table("events_2024_1").parent, table("events_2024").oid);
  EXPECT_FALSE(table("events").has_children);
  EXPECT_TRUE(table("parent_a").has_children);
  EXPECT_TRUE(table("child").multiple_parents);
  EXPECT_FALSE(table("events_2024").multiple_parents);
  EXPECT_FALSE(table("users").has_children);
}

TEST_F(CatalogTest, OnlyKeysThatAlwaysHoldAtOnceAreUniqueKeys) {
  using Keys = std::vector<std::vector<std::string>>;
  EXPECT_EQ(table("users").unique_keys, (Keys{{"id"}, {"email"}, {"email", "id"}}));
  EXPECT_EQ(table("events").unique_keys, (Keys{{"id", "at"}}));
  EXPECT_TRUE(table("scratch").unique_keys.empty());
}

TEST_F(CatalogTest, PostgresOwnRelationsHaveNamesOnly) {
  EXPECT_EQ(table("pg_class").kind, RelationKind::kTable);
  EXPECT_TRUE(table("pg_class").columns.empty());
  EXPECT_EQ(table("tables", "information_schema").kind, RelationKind::kView);
  EXPECT_EQ(loaded_.catalog->relation("", "no_such", kPath), nullptr);
}

TEST_F(CatalogTest, FunctionsAreTheWorstOfTheirOverloads) {
  EXPECT_EQ(function("mixed").volatility, Volatility::kVolatile);
  EXPECT_TRUE(function("mixed").returns_set);
  EXPECT_FALSE(function("mixed").is_builtin);
  EXPECT_EQ(function("steady").volatility, Volatility::kStable);
  EXPECT_TRUE(function("total").is_aggregate);
  EXPECT_TRUE(function("lower").is_builtin);
  EXPECT_EQ(function("lower").volatility, Volatility::kImmutable);
  EXPECT_EQ(function("now").volatility, Volatility::kStable);
  EXPECT_EQ(function("random").volatility, Volatility::kVolatile);
  EXPECT_TRUE(function("count").is_aggregate);
  EXPECT_TRUE(function("generate_series").returns_set);
}

TEST_F(CatalogTest, TheFingerprintFollowsEveryChangeOfUsersObjects) {
  EXPECT_EQ(loaded_.fingerprint, fingerprint());
  auto admin = server_->superuser();
  const char* changes[] = {
      "CREATE TABLE f1 (a int)",
      "ALTER TABLE f1 ADD b int",
      "ALTER TABLE f1 RENAME b TO c",
      "ALTER TABLE f1 ALTER c SET NOT NULL",
      "ALTER TABLE f1 ALTER c SET DEFAULT 1",
      "ALTER TABLE f1 ALTER c TYPE bigint",
      "CREATE UNIQUE INDEX f1_i ON f1 (a)",
      "ALTER TABLE f1 ENABLE ROW LEVEL SECURITY",
      "CREATE TRIGGER f1_t BEFORE INSERT ON f1 FOR EACH ROW EXECUTE FUNCTION noop()",
      "DROP TRIGGER f1_t ON f1",
      "CREATE RULE f1_r AS ON DELETE TO f1 DO INSTEAD NOTHING",
      "CREATE FUNCTION f2() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
      "ALTER FUNCTION f2() VOLATILE",
      "CREATE TABLE f3 () INHERITS (parent_a)",
      "ALTER TABLE f3 NO INHERIT parent_a",
      "CREATE SCHEMA f4",
      "ALTER TABLE f1 SET SCHEMA f4",
      "ALTER TABLE f4.f1 RENAME TO f5",
      "ALTER DOMAIN positive SET DEFAULT 2",
      "ALTER TABLE events DETACH PARTITION events_2024",
      "DROP TABLE f3",
      "DROP FUNCTION f2()",
      "DROP SCHEMA f4 CASCADE",
                           "ALTER TABLE guarded ADD CONSTRAINT again FOREIGN KEY (id) REFERENCES shop_target", "ALTER TABLE guarded DROP CONSTRAINT again"};
  auto before = fingerprint();
  for (const char* change : changes) {
    admin.must(change);
    auto after = fingerprint();
    EXPECT_NE(after, before) << change;
    before = after;
  }
  // What must not look like a change, or the catalog would be read again and again. The first ANALYZE may: it
  // clears relhassubclass of tables that had children.
  admin.must("ANALYZE");
  before = fingerprint();
  for (const char* other : {"VACUUM", "ANALYZE", "INSERT INTO parent_b VALUES (1)",
                            "CREATE TEMP TABLE x (i int PRIMARY KEY)", "SELECT nextval('ticket')"}) {
    admin.must(other);
    EXPECT_EQ(fingerprint(), before) << other;
  }
}

// "Fast" as a bound: thousands of columns in well under a second even in a sanitized build on a busy machine.
TEST_F(CatalogTest, AThousandTablesAreReadQuickly) {
  PgServer big;
  big.run_sql(
      "DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE TABLE t%s (a bigint PRIMARY KEY, b text, c "
      "int, "
      "d numeric, e timestamptz)', i); END LOOP; END $$");
  auto connection = pq::Connection::connect(big.url("howdah"));
  ASSERT_TRUE(connection);
  ASSERT_TRUE(load_catalog(**connection, 1));
  auto began = std::chrono::steady_clock::now();
  auto loaded = load_catalog(**connection, 2);
  auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  ASSERT_TRUE(loaded);
  RecordProperty("load_ms", static_cast<int>(took.count()));
  EXPECT_LT(took, seconds(2));
  began = std::chrono::steady_clock::now();
  ASSERT_TRUE(catalog_fingerprint(**connection));
  took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  RecordProperty("fingerprint_ms", static_cast<int>(took.count()));
  EXPECT_LT(took, seconds(1));
}

}  // namespace
}  // namespace howdah::control
