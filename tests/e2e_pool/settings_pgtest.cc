// Settings made in a transaction before any shard has joined it: they take no connection, and hold like any other.
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e_pool/pool_fixture.h"

namespace howdah::e2e_pool {
namespace {

using testing::PgCluster;
using testing::PgConn;

// What the client was told the parameter is, and what the server says that its row lives on.
std::string both(PgConn& client) {
  const char* told = PQparameterStatus(client.raw(), "application_name");
  return std::string(told == nullptr ? "" : told) + "/" +
         client.query("SELECT current_setting('application_name') FROM items WHERE id = 1").scalar();
}

TEST(SettingsBeforeAShard, AreReportedAndGoWithTheTransaction) {
  PgCluster cluster({.shards = 2});
  cluster.run_everywhere("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE items (id int PRIMARY KEY, n int)");
  testing::HowdahOptions options;
  options.tables = "items: { hash: id }";
  options.pool = "{ mode: transaction, size: 1, wait_timeout: 2s }";
  testing::HowdahProcess howdah(cluster, options);
  howdah.connect().must("INSERT INTO items VALUES (1, 0)");
  PgConn superusers[] = {cluster.primary(0).superuser(), cluster.primary(1).superuser()};

  PgConn client = howdah.connect();
  client.must("SET application_name TO 'first'");
  EXPECT_EQ(both(client), "first/first");
  struct Case { const char *verb, *end, *after; };
  for (const Case& c : {Case{"SET", "ROLLBACK", "first/first"}, Case{"SET LOCAL", "COMMIT", "first/first"},
                        Case{"SET LOCAL", "ROLLBACK", "first/first"}, Case{"SET", "COMMIT", "second/second"}}) {
    SCOPED_TRACE(std::string(c.verb) + " ... " + c.end);
    for (const bool joins : {false, true}) {
      SCOPED_TRACE(joins ? "a shard joins" : "no shard joins");
      client.must("SET application_name TO 'first'");
      client.must("BEGIN");
      client.must(std::string(c.verb) + " application_name TO 'second'");
      EXPECT_STREQ(PQparameterStatus(client.raw(), "application_name"), "second");
      for (auto& superuser : superusers) {
        EXPECT_EQ(superuser.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in%'"), "0")
            << "a connection is held";
      }
      if (joins) EXPECT_EQ(both(client), "second/second");
      EXPECT_EQ(client.query(c.end).tag, c.end);
      EXPECT_EQ(both(client), c.after);
    }
  }
}

}  // namespace
}  // namespace howdah::e2e_pool
