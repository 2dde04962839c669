// Clients that leave while messages of theirs are still unsynced: the one server connection must serve the next client.
#include <gtest/gtest.h>

#include "tests/e2e/raw_client.h"
#include "tests/e2e/script.h"
#include "tests/e2e/start.h"
#include "tests/support/howdah_process.h"

namespace howdah::e2e {
namespace {

TEST(Leaving, InTheMiddleOfAGroupLeavesNothingForTheNextClient) {
  testing::PgCluster cluster;
  const auto howdah = start(cluster, {.pool = "{ mode: transaction, size: 1, wait_timeout: 5s }"});
  const std::pair<const char*, Script> groups[] = {
      {"failed, the server skips to Sync", Script().run("SELECT 1/0").flush().wait('E')},
      {"answered, its transaction is open", Script().run("CREATE TABLE IF NOT EXISTS left_open (id int)").flush().wait('C')},
      {"a portal is suspended", Script().parse("", "SELECT generate_series(1, 10)").bind("", "").execute("", 1).flush().wait('s')},
      {"parsed only", Script().parse("x", "SELECT 1").describe('S', "x").flush().wait('T')},
      {"bytes of a message", Script().run("SELECT 1").flush().wait('C').bytes("Q\0\0")},
  };
  for (const auto& [what, group] : groups) {
    {
      RawClient leaver(howdah->port());
      leaver.log_in();
      for (const auto& step : group.steps()) {
        leaver.send(step.bytes);
        EXPECT_EQ(leaver.until(step.until).back().type, step.until) << what;
      }
      leaver.send(group.rest());
    }
    RawClient next(howdah->port());
    next.log_in();
    ASSERT_TRUE(next.logged_in());
    const auto answer = next.query("SELECT count(*) FROM pg_class WHERE relname = 'left_open'");
    ASSERT_EQ(answer.size(), 4u) << what;
    EXPECT_EQ(answer[1].body.back(), '0') << what;
    EXPECT_EQ(answer[3].body, "I") << what;
  }
}

}  // namespace
}  // namespace howdah::e2e
