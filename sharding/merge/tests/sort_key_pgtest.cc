// The order of sort keys is PostgreSQL's order of the values, in text and in binary.
#include "sharding/merge/sort_key.h"

#include <gtest/gtest.h>

#include <libpq-fe.h>

#include <algorithm>
#include <cstring>

#include "tests/support/pg_server.h"

namespace howdah::sharding {
namespace {

using howdah::testing::PgServer;

struct Type {
  const char* name;
  Oid oid;
  const char* values;  // an array literal of texts, in no order
};

const Type kTypes[] = {
    {"int2", 21, "{5,-32768,32767,0,-1,1}"},
    {"int4", 23, "{5,-2147483648,2147483647,0,-1,10,9}"},
    {"int8", 20, "{5,-9223372036854775808,9223372036854775807,0,-1,100,99}"},
    {"oid", 26, "{5,4294967295,0,2147483648}"},
    {"float4", 700, "{1.5,-1.5,0,-0,NaN,Infinity,-Infinity,1e-30,1e30,0.1}"},
    {"float8", 701, "{1.5,-1.5,0,-0,NaN,Infinity,-Infinity,1e-300,1e300,0.1,0.30000000000000004}"},
    {"numeric", 1700,
     "{0,0.00,1,10,9,-1,-10,-9,0.1,0.01,0.001,0.09,-0.1,-0.01,123456789012345678901234567890.5,1.10,1.1,100,99.99,NaN,Infinity,"
     "-Infinity,10000,9999,0.0001,0.00009,99999999,100000000,-99999999,1e20,1e-20}"},
    {"bool", 16, "{t,f}"},
    {"text", 25, "{\"\",a,b,ab,abc,B,\"a b\",ä,z,\"a\\tb\"}"},
    {"varchar", 1043, "{\"\",a,b,ab,abc,B,ä}"},
    {"name", 19, "{a,b,ab,B}"},
    {"uuid", 2950, "{0d9f9f60-0000-4000-8000-000000000001,ff9f9f60-0000-4000-8000-000000000001,0d9f9f60-0000-4000-8000-000000000000}"},
    {"bytea", 17, "{\"\\\\x\",\"\\\\x00\",\"\\\\x0001\",\"\\\\x01\",\"\\\\x0000\",\"\\\\xff\",\"\\\\x00ff\"}"},
    {"date", 1082, "{2024-02-29,1999-12-31,2000-01-01,infinity,-infinity,0044-03-15 BC,0001-01-01,5874897-12-31,4713-01-01 BC,10000-01-01}"},
    {"time", 1083, "{00:00:00,24:00:00,10:00:00,10:00:00.5,10:00:00.49,09:59:59.999999}"},
    {"timestamp", 1114,
     "{2024-02-29 10:00:00,1999-12-31 23:59:59.999999,infinity,-infinity,0044-03-15 12:00:00 BC,294276-12-31 23:59:59.999999,2000-01-01 00:00:00.1,"
     "2000-01-01 00:00:00.09}"},
    {"timestamptz", 1184,
     "{2024-03-31 01:59:59+01,2024-03-31 03:00:00+02,2024-10-27 02:30:00+02,2024-10-27 02:30:00+01,infinity,-infinity,1890-01-01 00:00:00+00,"
     "0044-03-15 12:00:00+00 BC,294276-12-31 20:00:00+00}"},
};

std::vector<std::string> keys(PGconn* conn, const std::string& sql, Oid type, bool binary, bool descending) {
  PGresult* result = PQexecParams(conn, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, binary ? 1 : 0);
  EXPECT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQresultErrorMessage(result) << sql;
  std::vector<std::string> out;
  for (int i = 0; i < PQntuples(result); ++i) {
    std::string key;
    append_null_key(PQgetisnull(result, i, 0) != 0, descending, key);
    if (PQgetisnull(result, i, 0) == 0) {
      const Bytes value(PQgetvalue(result, i, 0), static_cast<std::size_t>(PQgetlength(result, i, 0)));
      EXPECT_EQ(PQftype(result, 0), type);
      EXPECT_TRUE(append_sort_key(type, binary, value, descending, key)) << value;
    }
    out.push_back(key);
  }
  PQclear(result);
  return out;
}

TEST(SortKey, OrdersAsPostgresDoes) {
  PgServer server;
  PGconn* conn = PQconnectdb(server.superuser_url().c_str());
  ASSERT_EQ(PQstatus(conn), CONNECTION_OK) << PQerrorMessage(conn);
  // A zone with summer time and odd offsets in the past.
  PQclear(PQexec(conn, "SET timezone = 'Europe/Amsterdam'"));
  for (const auto& type : kTypes) {
    SCOPED_TRACE(type.name);
    ASSERT_TRUE(is_sortable(type.oid, true));
    char* list = PQescapeLiteral(conn, type.values, std::strlen(type.values));
    const std::string from = std::string(" FROM unnest(") + list + "::text[]) t(v) UNION ALL SELECT NULL::" + type.name;
    PQfreemem(list);
    for (const bool binary : {false, true}) {
      for (const bool descending : {false, true}) {
        const std::string sql = "SELECT v FROM (SELECT v::" + std::string(type.name) + " AS v" + from + ") q ORDER BY v" +
                                (descending ? " DESC" : "");
        const auto sorted = keys(conn, sql, type.oid, binary, descending);
        ASSERT_GT(sorted.size(), 2u);
        EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end())) << sql;
        // Equal keys exactly where PostgreSQL says equal: distinct values have distinct keys.
        const auto distinct = keys(conn, "SELECT DISTINCT v FROM (SELECT v::" + std::string(type.name) + " AS v" + from + ") q", type.oid,
                                   binary, descending);
        auto unique = sorted;
        unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
        EXPECT_EQ(unique.size(), distinct.size());
      }
    }
  }
  PQfinish(conn);
}

}  // namespace
}  // namespace howdah::sharding
