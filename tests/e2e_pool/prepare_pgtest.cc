// PREPARE in SQL belongs to the client that sent it, in transaction mode, too.
#include <gtest/gtest.h>

#include "tests/e2e_pool/pool_fixture.h"

namespace howdah::e2e_pool {
namespace {

using testing::PgCluster;
using testing::PgConn;

TEST(SqlPrepare, StaysWithItsClientAndGoesWithIt) {
  PgCluster cluster;
  testing::HowdahOptions options;
  options.pool = "{ mode: transaction, size: 2, wait_timeout: 5s }";
  testing::HowdahProcess howdah(cluster, options);
  {
    PgConn owner = howdah.connect();
    PgConn other = howdah.connect();
    owner.must("PREPARE mine AS SELECT 42");
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(owner.query("EXECUTE mine").scalar(), "42");
      EXPECT_EQ(other.query("EXECUTE mine").sqlstate, "26000");
    }
  }
  // The owner has gone: whoever gets its connections finds nothing on them.
  PgConn first = howdah.connect();
  PgConn second = howdah.connect();
  first.must("BEGIN");
  EXPECT_EQ(first.query("SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'").scalar(), "0");
  EXPECT_EQ(second.query("SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'").scalar(), "0");
}

}  // namespace
}  // namespace howdah::e2e_pool
