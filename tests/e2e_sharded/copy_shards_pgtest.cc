// COPY into and out of tables of several shards does what it does on the unsharded twin.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/e2e_sharded/twin.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE users (id bigint PRIMARY KEY, name text, score numeric(10,2) CHECK (score < 1000), seen timestamptz,"
    " half numeric GENERATED ALWAYS AS (score / 2) STORED);"
    "CREATE TABLE tags (tag text PRIMARY KEY, n int);"
    "CREATE TABLE watched (user_id bigint PRIMARY KEY);"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER note BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();"
    "CREATE TABLE categories (id int PRIMARY KEY, name text, since date)";

// What a COPY ended with.
struct End {
  std::string tag, sqlstate, message, context;
  bool operator==(const End&) const = default;
};

End end_of(PGconn* conn) {
  End out;
  while (PGresult* result = PQgetResult(conn)) {
    const auto field = [result](int code) { return std::string(PQresultErrorField(result, code) == nullptr ? "" : PQresultErrorField(result, code)); };
    if (PQresultStatus(result) == PGRES_FATAL_ERROR && out.sqlstate.empty()) {
      out.sqlstate = field(PG_DIAG_SQLSTATE);
      out.message = field(PG_DIAG_MESSAGE_PRIMARY);
      out.context = field(PG_DIAG_CONTEXT);
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK) out.tag = PQcmdStatus(result);
    PQclear(result);
  }
  return out;
}

class CopyOnShards : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>(kSchema, "users: { hash: id }\ntags: { hash: tag }\nwatched: { hash: user_id }\ncategories: { reference: true }",
                                    std::vector<Sharded>{{"users", "id"}});
  }
  static void TearDownTestSuite() { world_.reset(); }
  void SetUp() override { world_->both("TRUNCATE users, tags, categories"); }
  void TearDown() override {
    world_->both("ROLLBACK");
    world_->same_tables();
  }

  // `fail`: with CopyFail instead of the end.
  static End copy_in(PGconn* conn, const std::string& sql, const std::string& data, std::size_t piece, bool extended = false, const char* fail = nullptr) {
    PGresult* result = extended ? PQexecParams(conn, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) : PQexec(conn, sql.c_str());
    const auto status = PQresultStatus(result);
    End out;
    if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) out.sqlstate = state;
    out.message = PQresultErrorMessage(result);
    PQclear(result);
    if (status != PGRES_COPY_IN) return out;
    for (std::size_t at = 0; at < data.size(); at += piece) {
      const auto size = static_cast<int>(std::min(piece, data.size() - at));
      if (PQputCopyData(conn, data.data() + at, size) != 1) break;
    }
    PQputCopyEnd(conn, fail);
    return end_of(conn);
  }
  // Both end alike, in both protocols, whatever the pieces.
  static void same_in(const std::string& sql, const std::string& data, bool compare_context = true) {
    const std::string empty = "DELETE FROM users; DELETE FROM tags";
    for (const bool extended : {false, true}) {
      const std::size_t piece = extended ? std::size_t{1} << 16 : 3;
      world_->both(empty);
      End ours = copy_in(world_->howdah(), sql, data, piece, extended), theirs = copy_in(world_->twin(), sql, data, piece, extended);
      if (!compare_context) ours.context = theirs.context;
      EXPECT_EQ(ours.tag, theirs.tag) << sql << "\n" << data.substr(0, 100);
      EXPECT_EQ(ours.sqlstate, theirs.sqlstate) << sql << "\n" << data.substr(0, 100) << "\n" << ours.message << theirs.message;
      EXPECT_EQ(ours.message, theirs.message) << sql;
      EXPECT_EQ(ours.context, theirs.context) << sql;
      world_->same_tables();
    }
  }

  // The data of COPY TO STDOUT: its messages.
  static std::vector<std::string> copy_out(PGconn* conn, const std::string& sql, End& end, bool extended = false) {
    PGresult* result = extended ? PQexecParams(conn, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) : PQexec(conn, sql.c_str());
    const bool copies = PQresultStatus(result) == PGRES_COPY_OUT;
    if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) end.sqlstate = state;
    PQclear(result);
    std::vector<std::string> out;
    if (!copies) return out;
    char* data = nullptr;
    for (int size = PQgetCopyData(conn, &data, 0); size > 0; size = PQgetCopyData(conn, &data, 0)) {
      out.emplace_back(data, static_cast<std::size_t>(size));
      PQfreemem(data);
    }
    end = end_of(conn);
    return out;
  }
  static void same_out(const std::string& sql) {
    for (const bool extended : {false, true}) {
      End our_end, their_end;
      auto ours = copy_out(world_->howdah(), sql, our_end, extended), theirs = copy_out(world_->twin(), sql, their_end, extended);
      EXPECT_EQ(our_end, their_end) << sql;
      if (!our_end.sqlstate.empty()) continue;  // which rows came before the error is anybody's guess
      if (sql.find("BINARY") != std::string::npos) {
        // The header may come with the first row or alone; what the rows say is seen where they are read back.
        const auto bytes = [](const std::vector<std::string>& parts) { return std::accumulate(parts.begin(), parts.end(), std::string()); };
        EXPECT_EQ(bytes(ours).size(), bytes(theirs).size()) << sql;
        EXPECT_TRUE(our_end.tag != "COPY 0" || bytes(ours) == bytes(theirs)) << sql;
        continue;
      }
      ASSERT_EQ(ours.size(), theirs.size()) << sql;
      // The header keeps its place.
      const auto header = sql.find("HEADER") != std::string::npos && !ours.empty() ? 1 : 0;
      std::sort(ours.begin() + header, ours.end());
      std::sort(theirs.begin() + header, theirs.end());
      EXPECT_TRUE(ours == theirs) << sql;
    }
  }
  static std::string on_shard(int shard, const std::string& sql) { return world_->cluster().primary(shard).superuser().must(sql).text(); }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> CopyOnShards::world_;

std::string lines(int count, const std::string& separator = "\t", const std::string& end = "\n") {
  std::string out;
  for (int i = 1; i <= count; ++i) out += std::to_string(i) + separator + "name " + std::to_string(i) + separator + std::to_string(i % 900) + ".5" + separator + "2024-01-02 03:04:05+00" + end;
  return out;
}

TEST_F(CopyOnShards, TakesText) {
  same_in("COPY users FROM STDIN", lines(100));
  same_in("COPY users FROM STDIN", lines(20, "\t", "\r\n"));
  same_in("COPY users FROM STDIN", lines(20, "\t", "\r") + "\\.\r" + "nothing of this\r");
  same_in("COPY users (name, id) FROM STDIN (DELIMITER '|', NULL 'nil')", "a|1\nnil|2\nb\\|c|3\n\\x41\\102|4\nlast|5");
  same_in("COPY users (name, id) FROM STDIN (HEADER)", "anything\nx\t1\ny\t2\nz\t3\n");
  same_in("COPY users (name, id) FROM STDIN (HEADER MATCH)", "name\tid\nx\t1\ny\t2\nz\t3\n");
  same_in("COPY users FROM STDIN", "");
  same_in("COPY users (name, id) FROM STDIN", "ends here\t1\\.\n");
}

TEST_F(CopyOnShards, TakesCsv) {
  same_in("COPY users FROM STDIN CSV", lines(50, ","));
  same_in("COPY users (name, id) FROM STDIN (FORMAT csv, HEADER)", "name,\"id\n\"\n\"a, \"\"b\"\"\nc\",1\n,2\n\"\",\"3\"\n\"x\"y\"z\",4\n\\.\nrest");
  same_in("COPY users (name, id) FROM STDIN (FORMAT csv, QUOTE '~', ESCAPE '!', DELIMITER ';', NULL 'nil')", "~a;!~b!!~;1\nnil;2\n~nil~;3\n");
  same_in("COPY users (id, name) FROM STDIN CSV", "1,\"open\n2,b\n", false);
}

TEST_F(CopyOnShards, TakesBinary) {
  world_->both("INSERT INTO users (id, name, score) VALUES (1, 'a', 1), (2, NULL, 2), (3, 'c', NULL), (4, 'd', 4), (5, repeat('x', 20000), 5)");
  End end;
  std::string data;
  for (const auto& part : copy_out(world_->twin(), "COPY users (name, id) TO STDOUT BINARY", end)) data += part;
  same_in("COPY users (name, id) FROM STDIN BINARY", data);
  same_in("COPY users (name, id) FROM STDIN BINARY", data.substr(0, data.size() - 2));
  same_in("COPY users (name, id) FROM STDIN BINARY", data + "x", false);
  same_in("COPY users (name, id) FROM STDIN BINARY", data.substr(0, data.size() - 7), false);
  same_in("COPY users (name, id) FROM STDIN BINARY", "this is not binary", false);
  same_in("COPY users (name, id) FROM STDIN BINARY", "", false);
}

TEST_F(CopyOnShards, TakesKeysOfText) {
  same_in("COPY tags FROM STDIN", "a\\tb\t1\nc\\\\d\t2\n\\303\\244\t3\n\t4\n");
  for (int n = 1; n <= 4; ++n) EXPECT_EQ(run(world_->howdah(), "SELECT n FROM tags WHERE tag IN ('a\tb', 'c\\d', 'ä', '') AND n = " + std::to_string(n)).rows.size(), 1u);
  EXPECT_EQ(run(world_->howdah(), "SELECT n FROM tags WHERE tag = 'ä'").rows.size(), 1u);
}

TEST_F(CopyOnShards, SaysWhatIsWrongAndUndoesAll) {
  std::string data = lines(60);
  same_in("COPY users FROM STDIN", data + "1\tagain\t1\t\\N\n");
  same_in("COPY users FROM STDIN", data + "61\ttoo rich\t5000\t\\N\n" + "62\tb\t1\t\\N\n");
  same_in("COPY users FROM STDIN", data + "61\tno number\tx\t\\N\n");
  same_in("COPY users FROM STDIN", data + "boom\tb\t1\t\\N\n");
  same_in("COPY users FROM STDIN", data + "\\N\tb\t1\t\\N\n");
  same_in("COPY users FROM STDIN", data + "61\n");
  same_in("COPY users FROM STDIN", data + "61\ta\t1\t\\N\ttoo many\n");
  same_in("COPY users FROM STDIN", "1\ta\t1\t\\N\n2\tb\t1\t\\N\r\n", false);
  same_in("COPY users FROM STDIN", "1\ta\t1\t\\N\n\\.x\n", false);
  same_in("COPY users FROM STDIN", "1\ta\t1\t\\N\n\\.", false);
  same_in("COPY users (id, id) FROM STDIN", "1\t1\n");
  EXPECT_EQ(copy_in(world_->howdah(), "COPY users FROM STDIN (FREEZE)", "1\ta\t1\t\\N\n", 100).sqlstate, "55000");
}

TEST_F(CopyOnShards, IsUndoneByTheClient) {
  for (PGconn* conn : {world_->howdah(), world_->twin()}) {
    const End end = copy_in(conn, "COPY users FROM STDIN", lines(500), 100, false, "changed my mind");
    EXPECT_EQ(end.sqlstate, "57014");
    EXPECT_EQ(end.message, "COPY from stdin failed: changed my mind");
  }
  // A client that leaves in the middle.
  PGconn* gone = PQconnectdb(world_->proxy().url().c_str());
  PQclear(PQexec(gone, "COPY users FROM STDIN"));
  const std::string data = lines(5000);
  PQputCopyData(gone, data.data(), static_cast<int>(data.size()));
  PQflush(gone);
  PQfinish(gone);
  for (int shard = 0; shard < 4; ++shard) {
    auto admin = world_->cluster().primary(shard).superuser();
    EXPECT_TRUE(testing::wait_until([&] { return admin.scalar("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY users%' AND state = 'active' AND usename = 'app'") == "0"; },
                                    std::chrono::seconds(10)));
  }
  // A server that is lost in the middle.
  PGconn* conn = world_->howdah();
  PQclear(PQexec(conn, "COPY users FROM STDIN"));
  PQputCopyData(conn, data.data(), static_cast<int>(data.size()));
  auto admin = world_->cluster().primary(1).superuser();
  testing::await("the shard to copy", [&] { return admin.scalar("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY users%' AND usename = 'app' AND state = 'active'") == "1"; });
  admin.must("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY users%' AND usename = 'app' AND state = 'active'");
  PQputCopyEnd(conn, nullptr);
  // By what the server said, or by the connection that broke under the data.
  const std::string state = end_of(conn).sqlstate;
  EXPECT_TRUE(state == "57P01" || state == "08006") << state;
  EXPECT_EQ(PQtransactionStatus(conn), PQTRANS_IDLE);
}

TEST_F(CopyOnShards, TakesPartInTransactions) {
  world_->both("BEGIN");
  for (PGconn* conn : {world_->howdah(), world_->twin()}) EXPECT_EQ(copy_in(conn, "COPY users FROM STDIN", lines(100), 1000).tag, "COPY 100");
  world_->both("SAVEPOINT one");
  for (PGconn* conn : {world_->howdah(), world_->twin()}) EXPECT_EQ(copy_in(conn, "COPY users FROM STDIN", lines(100), 1000).sqlstate, "23505");
  EXPECT_EQ(PQtransactionStatus(world_->howdah()), PQTRANS_INERROR);
  EXPECT_EQ(copy_in(world_->howdah(), "COPY users FROM STDIN", "", 1).sqlstate, "25P02");
  world_->both("ROLLBACK TO one");
  same_out("COPY users TO STDOUT");
  world_->both("COMMIT");
}

TEST_F(CopyOnShards, MovesMuchDataInBoundedMemory) {
  std::string row(20000, 'x'), data;
  for (int i = 1; i <= 300; ++i) data += std::to_string(i) + "\t" + row + "\t1\t\\N\n";
  for (PGconn* conn : {world_->howdah(), world_->twin()}) EXPECT_EQ(copy_in(conn, "COPY users FROM STDIN", data, 1 << 20).tag, "COPY 300");
  same_out("COPY users TO STDOUT");
}

TEST_F(CopyOnShards, GivesOneStream) {
  world_->both("INSERT INTO users (id, name, score) VALUES (1, 'a', 1), (2, NULL, 2), (3, 'c', NULL), (4, 'd\te', 4), (5, 'f,\"g\"', 5), (6, 'h', 6)");
  same_out("COPY users TO STDOUT");
  same_out("COPY users (name, id) TO STDOUT (FORMAT csv, HEADER)");
  same_out("COPY users TO STDOUT (HEADER)");
  same_out("COPY (SELECT id, name FROM users WHERE score > 1) TO STDOUT");
  same_out("COPY (SELECT id, name FROM users WHERE id IN (1, 2, 3)) TO STDOUT CSV");
  same_out("COPY (SELECT id FROM users WHERE false) TO STDOUT");
  same_out("COPY (SELECT 1 / (id - 4) FROM users) TO STDOUT");
  same_out("COPY users (nosuch) TO STDOUT");
  same_out("COPY users TO STDOUT BINARY");
  same_out("COPY watched TO STDOUT BINARY");  // no rows
  End end;
  std::string data;
  for (const auto& part : copy_out(world_->howdah(), "COPY users (id, name) TO STDOUT BINARY", end)) data += part;
  EXPECT_EQ(end.tag, "COPY 6");
  same_in("COPY users (id, name) FROM STDIN BINARY", data);
}

TEST_F(CopyOnShards, FillsReferenceTablesOnAllShards) {
  for (PGconn* conn : {world_->howdah(), world_->twin()}) EXPECT_EQ(copy_in(conn, "COPY categories FROM STDIN", "1\ta\t2024-01-01\n2\tb\t\\N\n", 7).tag, "COPY 2");
  for (int shard = 0; shard < 4; ++shard) EXPECT_EQ(on_shard(shard, "SELECT * FROM categories ORDER BY id"), "1|a|2024-01-01;2|b|\\N");
  EXPECT_EQ(copy_in(world_->howdah(), "COPY categories FROM STDIN", "3\ta\t\\N\n1\tb\t\\N\n", 7).sqlstate, "23505");
  EXPECT_EQ(copy_in(world_->howdah(), "COPY categories FROM STDIN", "3\ta\tnow\n", 7).sqlstate, "0A000");
  for (int shard = 0; shard < 4; ++shard) EXPECT_EQ(on_shard(shard, "SELECT count(*) FROM categories"), "2");
  same_out("COPY categories TO STDOUT");
}

TEST_F(CopyOnShards, RefusesWhatIsNotProven) {
  PGconn* conn = world_->howdah();
  EXPECT_EQ(copy_in(conn, "COPY watched FROM STDIN", "", 1).sqlstate, "0A000");
  EXPECT_EQ(copy_in(conn, "COPY users (name) FROM STDIN", "", 1).sqlstate, "0A000");
  EXPECT_EQ(copy_in(conn, "COPY users FROM STDIN WHERE id > 5", "", 1).sqlstate, "0A000");
  EXPECT_EQ(copy_in(conn, "COPY users FROM STDIN", "1\ta\t1\tnow\n", 5).sqlstate, "0A000");
  EXPECT_EQ(copy_in(conn, "COPY (SELECT id FROM users ORDER BY id) TO STDOUT", "", 1).sqlstate, "0A000");
  EXPECT_EQ(run(conn, "COPY users TO STDOUT; SELECT 1").sqlstate, "0A000");
}

}  // namespace
}  // namespace howdah::e2e_sharded
