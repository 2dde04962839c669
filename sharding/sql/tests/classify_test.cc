// What a statement is and may do: verb, proven read-only, writes, pins to the client, guards.
#include <gtest/gtest.h>

#include "sharding/sql/tests/demo_catalog.h"

namespace howdah::sharding::sql {
namespace {

using testing::analyzed;
using testing::AnalyzeOptions;

AnalyzeOptions one_shard() {
  AnalyzeOptions options;
  options.shards = 1;
  return options;
}

StatementPlan plan_of(std::string_view sql, const AnalyzeOptions& options = one_shard()) {
  return analyzed(sql, options).plan();
}

TEST(Classify, RefusesNothingOnOneShard) {
  for (const char* sql : {"SELECT * FROM users", "UPDATE users SET id = 1", "SELECT nextval('ids')", "COPY users FROM STDIN",
                          "CREATE TABLE x (a int)", "SELECT * FROM unruled, user_view", "CALL p()", "DO 'x'", "PREPARE x AS SELECT 1",
                          "EXECUTE x", "CREATE TEMP TABLE t (a int)", "LOCK users", "TRUNCATE users", "PREPARE TRANSACTION 'x'",
                          "SELECT * INTO t FROM users", "DECLARE c CURSOR FOR SELECT 1", "LISTEN x", "LOAD 'x'"}) {
    EXPECT_EQ(plan_of(sql).where, Where::kHome) << sql;
    EXPECT_FALSE(plan_of(sql).refusal) << sql;
  }
}

TEST(Classify, ProvesReadsReadOnly) {
  for (const char* sql : {"SELECT 1", "SELECT * FROM users WHERE id = 5", "SELECT lower(name) FROM users", "SELECT now()",
                          "SELECT count(*) FROM users GROUP BY name ORDER BY 1", "VALUES (1)", "TABLE users",
                          "WITH a AS (SELECT * FROM users) SELECT * FROM a", "SELECT name::text || 'x' FROM users",
                          "SELECT * FROM transactions_2024_01", "SELECT pg_catalog.lower(name) FROM users",
                          "SELECT u.name AS n FROM users u GROUP BY n ORDER BY n", "SELECT 1 UNION SELECT 2 ORDER BY 1",
                          "SELECT current_timestamp"}) {
    EXPECT_TRUE(plan_of(sql).read_only) << sql;
    EXPECT_FALSE(plan_of(sql).writes) << sql;
  }
}

TEST(Classify, SendsServerAndSessionReadsToThePrimaryWithoutCallingThemWrites) {
  for (const char* sql : {"SELECT * FROM pg_class", "SELECT pg_is_in_recovery()", "SELECT current_setting('x')", "SELECT random()",
                          "SELECT clock_timestamp()", "SELECT txid_current()", "SHOW x", "EXPLAIN SELECT 1",
                          "EXPLAIN UPDATE users SET name = ''"}) {
    EXPECT_FALSE(plan_of(sql).read_only) << sql;
    EXPECT_FALSE(plan_of(sql).writes) << sql;
  }
}

TEST(Classify, TakesTheRestForWrites) {
  for (const char* sql : {"SELECT * FROM users FOR UPDATE", "SELECT * FROM users FOR KEY SHARE", "SELECT nextval('ids')",
                          "SELECT my_function(1)", "SELECT abs(1)", "SELECT nosuch(1)", "SELECT pg_notify('a', 'b')",
                          "WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x", "INSERT INTO users VALUES (1)",
                          "SELECT lo_create(1)", "SELECT pg_advisory_xact_lock(1)", "SELECT 1 OPERATOR(public.+) 2",
                          "SELECT 'x'::mytype", "SELECT u.my_function FROM users u", "SELECT * FROM user_view",
                          "EXPLAIN ANALYZE UPDATE users SET name = ''", "SELECT * INTO t FROM users", "LOCK users",
                          "SELECT * FROM nosuch", "SELECT name FROM users ORDER BY name USING OPERATOR(public.<)"}) {
    EXPECT_FALSE(plan_of(sql).read_only) << sql;
    EXPECT_TRUE(plan_of(sql).writes) << sql;
  }
  AnalyzeOptions blind = one_shard();
  blind.with_catalog = false;
  EXPECT_FALSE(plan_of("SELECT 1", blind).read_only);
  EXPECT_FALSE(plan_of("SELECT lower('x') FROM users", blind).read_only);
}

TEST(Classify, KnowsWhatKeepsAConnection) {
  const std::pair<const char*, PinReason> cases[] = {
      {"SELECT 1", PinReason::kNone},
      {"SELECT set_config('a', 'b', false)", PinReason::kNone},
      {"SELECT set_config('a' || 'b', 'b', false)", PinReason::kSetConfig},
      {"SELECT set_config('a' || 'b', 'b', true)", PinReason::kNone},
      {"SELECT set_config('a', 'b', true)", PinReason::kNone},
      {"SELECT set_config('a', 'b', 'true')", PinReason::kNone},
      {"SELECT set_config('a', 'b', $1)", PinReason::kNone},
      {"SELECT set_config($1, 'b', false)", PinReason::kNone},
      {"SELECT pg_advisory_lock(1)", PinReason::kAdvisoryLock},
      {"SELECT pg_advisory_xact_lock(1)", PinReason::kNone},
      {"SELECT my_function(1)", PinReason::kUserCode},
      {"SELECT nosuch(1)", PinReason::kUserCode},
      {"SELECT pg_advisory_unlock(1)", PinReason::kNone},
      {"SELECT * FROM pg_listening_channels()", PinReason::kListen},
      {"DO $$BEGIN PERFORM set_config('a.b', 'c', false); SET a.c = 'd'; END$$", PinReason::kUserCode},
      {"DO $$BEGIN PERFORM set_config(name, 'c', false); END$$", PinReason::kSetConfig},
      {"SELECT 1 INTO pg_temp.t", PinReason::kTemporaryTable},
      {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", PinReason::kTemporaryTable},
      {"CALL p()", PinReason::kUserCode},
      {"DO 'x'", PinReason::kUserCode},
      {"LISTEN x", PinReason::kListen},
      {"LOAD 'x'", PinReason::kLoad},
      {"CREATE TEMP TABLE t (a int)", PinReason::kTemporaryTable},
      {"CREATE TEMP VIEW v AS SELECT 1", PinReason::kTemporaryTable},
      {"CREATE TEMP TABLE t AS SELECT 1", PinReason::kTemporaryTable},
      {"SELECT 1 INTO TEMP t", PinReason::kTemporaryTable},
      {"CREATE TABLE pg_temp.t (a int)", PinReason::kTemporaryTable},
      {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", PinReason::kHoldCursor},
      {"DECLARE c CURSOR FOR SELECT 1", PinReason::kNone},
      {"EXPLAIN SELECT pg_advisory_lock(1)", PinReason::kNone},
      {"EXPLAIN ANALYZE SELECT pg_advisory_lock(1)", PinReason::kAdvisoryLock},
  };
  for (const auto& [sql, pin] : cases) EXPECT_EQ(plan_of(sql).pin, pin) << sql;
}

TEST(Classify, NamesTheSettingsThatAStatementMakes) {
  using Names = std::vector<ConfigCall>;
  const std::pair<const char*, Names> cases[] = {
      {"SELECT set_config('App.User', 'b', false)", {{"app.user", 0, false}}},
      {"SELECT set_config('a.b', $1, true)", {{"a.b", 0, true}}},
      {"SELECT set_config($2, $1, false)", {{"", 1, false}}},
      {"SET a.b FROM CURRENT", {{"a.b", 0, false}}},
      {"SET LOCAL a.b FROM CURRENT", {}},
      {"DO $$BEGIN PERFORM set_config('a.b', 'c', false); SET SESSION a.c = 'd'; UPDATE t SET x = 1; END$$",
       {{"a.b", 0, false}, {"a.c", 0, false}}},
  };
  for (const auto& [sql, names] : cases) EXPECT_EQ(plan_of(sql).configs, names) << sql;
  EXPECT_TRUE(plan_of("CREATE TEMP TABLE t (a int) ON COMMIT DROP").drops_at_commit);
  EXPECT_TRUE(plan_of("CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1").drops_at_commit);
  EXPECT_FALSE(plan_of("CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS").drops_at_commit);
  EXPECT_TRUE(plan_of("SELECT pg_advisory_unlock_all()").unlocks);
}

TEST(Classify, TellsVerbs) {
  const std::pair<const char*, Verb> cases[] = {
      {"SELECT 1", Verb::kSelect}, {"TABLE users", Verb::kSelect}, {"INSERT INTO users VALUES (1)", Verb::kInsert},
      {"UPDATE users SET name = ''", Verb::kUpdate}, {"DELETE FROM users", Verb::kDelete},
      {"MERGE INTO users u USING (SELECT 1 AS x) s ON u.id = s.x WHEN MATCHED THEN DELETE", Verb::kMerge},
      {"COPY users FROM STDIN", Verb::kCopyIn}, {"COPY users TO STDOUT", Verb::kCopyOut},
      {"COPY (SELECT 1) TO STDOUT", Verb::kCopyOut}, {"COPY users FROM '/x'", Verb::kOther},
      {"COPY users TO PROGRAM 'x'", Verb::kOther}, {"BEGIN", Verb::kBegin}, {"START TRANSACTION", Verb::kBegin},
      {"COMMIT", Verb::kCommit}, {"END", Verb::kCommit}, {"ABORT", Verb::kRollback}, {"ROLLBACK", Verb::kRollback},
      {"SAVEPOINT a", Verb::kSavepoint}, {"RELEASE a", Verb::kRelease}, {"ROLLBACK TO a", Verb::kRollbackTo},
      {"PREPARE TRANSACTION 'x'", Verb::kPrepareTransaction}, {"COMMIT PREPARED 'x'", Verb::kCommitPrepared},
      {"ROLLBACK PREPARED 'x'", Verb::kRollbackPrepared}, {"SET a = b", Verb::kSet}, {"RESET ALL", Verb::kSet},
      {"SET TRANSACTION READ ONLY", Verb::kSetTransaction}, {"SHOW a", Verb::kShow}, {"DISCARD ALL", Verb::kDiscard},
      {"PREPARE a AS SELECT 1", Verb::kPrepare}, {"EXECUTE a", Verb::kExecute}, {"DEALLOCATE a", Verb::kDeallocate},
      {"DECLARE a CURSOR FOR SELECT 1", Verb::kDeclareCursor}, {"FETCH a", Verb::kFetch}, {"MOVE a", Verb::kFetch},
      {"CLOSE a", Verb::kCloseCursor}, {"LISTEN a", Verb::kListen}, {"UNLISTEN *", Verb::kUnlisten},
      {"NOTIFY a", Verb::kNotify}, {"LOCK users", Verb::kLock}, {"EXPLAIN SELECT 1", Verb::kExplain},
      {"CALL p()", Verb::kCall}, {"DO 'x'", Verb::kDo}, {"CREATE TABLE x (a int)", Verb::kDdl},
      {"GRANT SELECT ON users TO app", Verb::kDdl}, {"COMMENT ON TABLE users IS 'x'", Verb::kDdl},
      {"SELECT 1 INTO x", Verb::kDdl}, {"TRUNCATE users", Verb::kTruncate}, {"VACUUM", Verb::kMaintenance},
      {"ANALYZE users", Verb::kMaintenance}, {"REINDEX TABLE users", Verb::kMaintenance}, {"CHECKPOINT", Verb::kMaintenance},
      {"SET CONSTRAINTS ALL DEFERRED", Verb::kOther},
  };
  for (const auto& [sql, verb] : cases) {
    EXPECT_EQ(static_cast<int>(plan_of(sql).verb), static_cast<int>(verb)) << sql;
  }
}

TEST(Classify, KnowsWhatCannotRunInATransaction) {
  for (const char* sql : {"VACUUM", "CREATE INDEX CONCURRENTLY ON users (name)", "DROP INDEX CONCURRENTLY x", "CREATE DATABASE x",
                          "REINDEX DATABASE x", "REINDEX (CONCURRENTLY) TABLE users", "REINDEX TABLE transactions", "ALTER SYSTEM SET a = 1",
                          "ALTER TABLE transactions DETACH PARTITION transactions_2024_01 CONCURRENTLY", "CLUSTER",
                          "CREATE TABLESPACE x LOCATION '/x'"}) {
    EXPECT_TRUE(plan_of(sql).no_transaction) << sql;
  }
  for (const char* sql : {"ANALYZE", "CREATE INDEX ON users (name)", "REINDEX TABLE users", "DROP TABLE users", "TRUNCATE users",
                          "ALTER TABLE transactions DETACH PARTITION transactions_2024_01"}) {
    EXPECT_FALSE(plan_of(sql).no_transaction) << sql;
  }
}

TEST(Classify, ReadsTransactionOptions) {
  using Isolation = TransactionOptions::Isolation;
  const auto begin = plan_of("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE").transaction;
  EXPECT_EQ(begin.isolation, Isolation::kRepeatableRead);
  EXPECT_EQ(begin.read_only, true);
  EXPECT_EQ(begin.deferrable, false);
  EXPECT_EQ(plan_of("BEGIN").transaction, TransactionOptions{});
  EXPECT_EQ(plan_of("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").transaction.isolation, Isolation::kSerializable);
  EXPECT_TRUE(plan_of("COMMIT AND CHAIN").transaction.chain);
  EXPECT_FALSE(plan_of("ROLLBACK").transaction.chain);
}

TEST(Classify, ReadsSettings) {
  using Kind = SetCommand::Kind;
  struct Case {
    const char* sql;
    SetCommand set;
  };
  for (const auto& c : {
           Case{"SET work_mem = '4MB'", {Kind::kSet, false, "work_mem", "4MB"}},
           Case{"SET LOCAL work_mem TO 4096", {Kind::kSet, true, "work_mem", "4096"}},
           Case{"SET Enable_SeqScan = off", {Kind::kSet, false, "enable_seqscan", "off"}},
           Case{"SET x.y = -1.5", {Kind::kSet, false, "x.y", "-1.5"}},
           Case{"SET search_path = a, \"B c\", \"$user\"", {Kind::kSet, false, "search_path", "a, \"B c\", \"$user\""}},
           Case{"SET search_path = 'a, b'", {Kind::kSet, false, "search_path", "\"a, b\""}},
           Case{"SET DateStyle = ISO, DMY", {Kind::kSet, false, "datestyle", "iso, dmy"}},
           Case{"SET work_mem TO DEFAULT", {Kind::kDefault, false, "work_mem", ""}},
           Case{"RESET work_mem", {Kind::kReset, false, "work_mem", ""}},
           Case{"RESET ALL", {Kind::kResetAll, false, "", ""}},
           Case{"SET ROLE alice", {Kind::kRole, false, "role", "alice"}},
           Case{"SET SESSION AUTHORIZATION 'bob'", {Kind::kSessionAuthorization, false, "session_authorization", "bob"}},
           Case{"SET NAMES 'UTF8'", {Kind::kSet, false, "client_encoding", "UTF8"}},
           Case{"SET TIME ZONE 'UTC'", {Kind::kSet, false, "timezone", "UTC"}},
           Case{"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
                {Kind::kTimeZone, false, "timezone", "INTERVAL '-08:00' HOUR TO MINUTE"}},
           Case{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", {Kind::kCharacteristics, false, "session characteristics", ""}},
       }) {
    EXPECT_EQ(plan_of(c.sql).set, c.set) << c.sql << ": " << plan_of(c.sql).set.value;
  }
}

TEST(Classify, NamesWhatItIsAbout) {
  EXPECT_EQ(plan_of("SAVEPOINT \"A b\"").name, "A b");
  EXPECT_EQ(plan_of("ROLLBACK TO x").name, "x");
  EXPECT_EQ(plan_of("SHOW Work_Mem").name, "work_mem");
  EXPECT_EQ(plan_of("SHOW ALL").name, "all");
  EXPECT_EQ(plan_of("DISCARD TEMP").name, "temp");
  EXPECT_EQ(plan_of("FETCH 5 FROM c").name, "c");
  EXPECT_EQ(plan_of("DEALLOCATE ALL").name, "");
  EXPECT_EQ(plan_of("LISTEN chan").name, "chan");
  EXPECT_EQ(plan_of("DECLARE c CURSOR FOR SELECT 1").name, "c");
}

TEST(Classify, GivesStatementsTheirPlaceInTheText) {
  const std::string sql = " /* c */ SELECT 1 ; BEGIN;;  EXPLAIN (ANALYZE, COSTS off) SELECT 2; PREPARE p (int) AS SELECT $1 ";
  const auto result = analyzed(sql, one_shard());
  const auto& statements = result.analysis.plan.statements;
  ASSERT_EQ(statements.size(), 4u);
  const auto text = [&](std::uint32_t begin, std::uint32_t end) { return sql.substr(begin, end - begin); };
  EXPECT_EQ(text(statements[0].begin, statements[0].end), "SELECT 1");
  EXPECT_EQ(text(statements[1].begin, statements[1].end), "BEGIN");
  EXPECT_EQ(text(statements[2].inner_begin, statements[2].inner_end), "SELECT 2");
  EXPECT_EQ(text(statements[3].inner_begin, statements[3].inner_end), "SELECT $1");
  EXPECT_TRUE(result.analysis.plan.exact_text);
  EXPECT_EQ(result.analysis.plan.params, 1);
  for (const auto& [explain, inner] : {std::pair<std::string, std::string>{"EXPLAIN SELECT 1", "SELECT 1"},
                                       {"EXPLAIN ANALYZE VERBOSE SELECT 1", "SELECT 1"},
                                       {"explain (howdah) select 1", "select 1"},
                                       {"EXPLAIN (SELECT 1)", "(SELECT 1)"},
                                       {"EXPLAIN (ANALYZE) (SELECT 1)", "(SELECT 1)"}}) {
    const auto plan = plan_of(explain);
    EXPECT_EQ(explain.substr(plan.inner_begin, plan.inner_end - plan.inner_begin), inner) << explain;
  }
  EXPECT_EQ(plan_of("EXPLAIN (HOWDAH off) SELECT 1").explained, nullptr);
  EXPECT_TRUE(analyzed(" ; ; -- nothing").analysis.plan.statements.front().begin == 0);
}

TEST(Classify, MakesGuardsOfLiteralsItLookedAt) {
  const std::pair<const char*, std::size_t> cases[] = {
      {"SELECT * FROM users WHERE id = 5 AND name = 'x' LIMIT 10 OFFSET 5", 0},
      {"SELECT 1, 'a' UNION SELECT 2, 'b' ORDER BY 1", 0},
      {"SELECT balance::numeric(18, 2) FROM accounts WHERE user_id = 1", 2},   // type modifiers
      {"SELECT interval '1 day' FROM users WHERE id = 1", 0},
      {"SELECT set_config('a', 'b', true)", 1},                                // the parameter's name
      {"SELECT user_id FROM accounts WHERE user_id = 1 GROUP BY 1", 1},        // a position
      {"SELECT U&\"d!0061t\" UESCAPE '!' FROM users WHERE id = 1", 1},
      {"SELECT * FROM users WHERE id IN (1, 2, 3)", 0},
      {"INSERT INTO users VALUES (1, 'a'), (2, 'b')", 0},
      {"SET x = 5", 1},
      {"FETCH 5 FROM c", 1},
      {"INSERT INTO categories VALUES (1, 'a')", 0},
      {"INSERT INTO currencies VALUES ('EUR', 'euro', '1999-01-01')", 3},      // words that read the clock
  };
  for (const auto& [sql, guards] : cases) EXPECT_EQ(analyzed(sql).analysis.guards.size(), guards) << sql;
}

}  // namespace
}  // namespace howdah::sharding::sql
