#include "tools/howdahctl/query_file.h"

#include <gtest/gtest.h>

namespace howdah::ctl {
namespace {

using Queries = std::vector<Query>;

TEST(QueryFile, CutsSqlAtItsSemicolons) {
  EXPECT_EQ(read_queries("SELECT 1;\n-- a comment;\n SELECT ';' ; SELECT 1;;"), (Queries{{"SELECT 1", 2}, {"-- a comment;\n SELECT ';'", 1}}));
  EXPECT_EQ(read_queries("SELECT $$a;b$$"), (Queries{{"SELECT $$a;b$$", 1}}));
  EXPECT_EQ(read_queries(" ; -- nothing\n"), Queries{});
}

TEST(QueryFile, ReadsStatementsOutOfALog) {
  EXPECT_EQ(read_queries("2026-11-22 10:00:00 UTC [7] LOG:  statement: SELECT *\n\tFROM users;\n"
                         "2026-11-22 10:00:00 UTC [7] ERROR:  oops\n"
                         "2026-11-22 10:00:00 UTC [7] LOG:  execute <unnamed>: SELECT 1 WHERE $1\n"
                         "2026-11-22 10:00:00 UTC [7] DETAIL:  parameters: $1 = 't'\n"
                         "2026-11-22 10:00:00 UTC [7] LOG:  duration: 0.123 ms  statement: SELECT 1 WHERE $1\n"
                         "2026-11-22 10:00:00 UTC [7] LOG:  duration: 0.1 ms  bind x: SELECT 2\n"),
            (Queries{{"SELECT *\nFROM users", 1}, {"SELECT 1 WHERE $1", 2}}));
}

TEST(QueryFile, ReadsStatementsOutOfACsvLog) {
  EXPECT_EQ(read_queries("2026-11-22 10:00:00.000 UTC,\"app\",\"app\",7,\"[local]\",6,1,\"SELECT\",2026-11-22 10:00:00 UTC,3/1,0,LOG,00000,"
                         "\"statement: SELECT \"\"a\"\",\n 1\",,,,,,,,,\"psql\",\"client backend\",,0\n"),
            (Queries{{"SELECT \"a\",\n 1", 1}}));
}

}  // namespace
}  // namespace howdah::ctl
