// Drivers that use the extended protocol even for SHOW.
#include "proxy/admin/tests/fixture.h"

namespace howdah::testing {
namespace {

using ConsoleDriversTest = AdminTest;

TEST_F(ConsoleDriversTest, UnnamedAndPreparedStatementsAnswerAsSimpleOnes) {
  auto conn = console();
  const auto simple = conn.must("SHOW DATABASES");
  const auto unnamed = conn.query("SHOW DATABASES", {});
  ASSERT_TRUE(unnamed.ok()) << unnamed.message;
  EXPECT_EQ(unnamed.text(), simple.text());
  EXPECT_EQ(unnamed.columns, simple.columns);
  ASSERT_TRUE(conn.prepare("p", "SHOW DATABASES").ok());
  EXPECT_EQ(conn.execute("p", {}).text(), simple.text());
  EXPECT_EQ(conn.execute("p", {}).text(), simple.text());
}

TEST_F(ConsoleDriversTest, DescribesPreparedStatements) {
  auto conn = console();
  ASSERT_TRUE(conn.prepare("p", "SHOW LISTS").ok());
  PGresult* described = PQdescribePrepared(conn.raw(), "p");
  EXPECT_EQ(PQresultStatus(described), PGRES_COMMAND_OK);
  EXPECT_EQ(PQnfields(described), 2);
  EXPECT_STREQ(PQfname(described, 1), "items");
  PQclear(described);
}

TEST_F(ConsoleDriversTest, BinaryResultsHoldTheSameNumbers) {
  auto conn = console();
  PGresult* result = PQexecParams(conn.raw(), "SHOW LISTS", 0, nullptr, nullptr, nullptr, nullptr, 1);
  ASSERT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQresultErrorMessage(result);
  EXPECT_EQ(PQfformat(result, 1), 1);
  EXPECT_EQ(PQgetlength(result, 0, 1), 4);
  EXPECT_EQ(std::string(PQgetvalue(result, 0, 1), 4), std::string("\0\0\0\1", 4));  // one database
  PQclear(result);
}

TEST_F(ConsoleDriversTest, ErrorsLeaveTheConnectionUsable) {
  auto conn = console();
  EXPECT_EQ(conn.query("bogus", {}).sqlstate, "42601");
  EXPECT_EQ(conn.query("SHOW USERS", {"a parameter"}).sqlstate, "08P01");
  EXPECT_EQ(conn.execute("unknown", {}).sqlstate, "26000");
  EXPECT_TRUE(conn.query("SHOW USERS", {}).ok());
}

TEST_F(ConsoleDriversTest, Psycopg3WorksInAndOutsideOfItsTransactions) {
  const auto finished = run({.argv = {"/usr/bin/python3", "-c", R"(
import psycopg, sys
for autocommit in (True, False):
    with psycopg.connect(sys.argv[1], autocommit=autocommit) as conn:
        print(conn.execute("SHOW USERS").fetchall()[0][0])
        print(conn.execute("SHOW LISTS", prepare=True).fetchall()[0])
        print(conn.cursor(binary=True).execute("SHOW LISTS").fetchall()[0])
)", howdah->url("admin", "pgbouncer")}});
  const std::string once = "app\n('databases', 1)\n('databases', 1)\n";
  EXPECT_EQ(finished.output, once + once);
}

}  // namespace
}  // namespace howdah::testing
