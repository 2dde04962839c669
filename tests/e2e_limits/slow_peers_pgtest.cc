// Clients that read slowly, stop sending, or send without reading: nothing is lost, nothing blocks, memory is bounded.
#include <poll.h>

#include <atomic>

#include "base/bytes.h"
#include "drivers/pgwire/frontend.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e_limits/limits_fixture.h"
#include "tests/support/files.h"

namespace howdah::e2e_limits {
namespace {

class SlowPeers : public Limits {
 protected:
  static void SetUpTestSuite() {
    // Memory that was freed is not memory in use: a sanitizer keeps it for a while otherwise.
    setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64", 1);
    Limits::SetUpTestSuite();
  }
};

std::string query(Bytes sql) {
  std::string out;
  pgwire::append_query(out, sql);
  return out;
}

// Kilobytes in memory.
long resident(pid_t pid) {
  const std::string status = testing::read_file_or_empty("/proc/" + std::to_string(pid) + "/status");
  const auto at = status.find("VmRSS:");
  return at == std::string::npos ? -1 : std::stol(status.substr(at + 6));
}

TEST_F(SlowPeers, WhoDoNotReadHoldUpTheirServerAndNotOurMemory) {
  start({});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  client.query("SELECT 1");
  const long before = resident(howdah_->pid());
  client.send(query("SELECT repeat('x', 1000000) FROM generate_series(1, 200)"));
  testing::await("the server to wait for its reader", [&] {
    return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'ClientWrite'") == "1";
  });
  PgConn other = connect();
  EXPECT_EQ(other.query("SELECT 1").text(), "1") << "others are not held up";
  EXPECT_LT(resident(howdah_->pid()) - before, 32 * 1024) << "of 200 MB that nobody has read";
  const auto said = client.until('Z');
  std::size_t rows = 0, bytes = 0;
  for (const auto& message : said) {
    if (message.type != 'D') continue;
    ++rows;
    bytes += message.body.size();
  }
  EXPECT_EQ(rows, 200u);
  EXPECT_GT(bytes, 200'000'000u);
  EXPECT_LT(resident(howdah_->pid()) - before, 32 * 1024);
}

TEST_F(SlowPeers, WhoStopSendingAfterAPipelineGetEveryAnswer) {
  start({});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  std::string pipeline;
  for (int i = 0; i < 20; ++i) pipeline += query("SELECT repeat('" + std::string(1, static_cast<char>('a' + i)) + "', 1000000)");
  client.send(pipeline);
  client.half_close();
  testing::await("nobody to have read for longer than a client that is gone would be given", [&] {
    return superuser_->scalar("SELECT min(clock_timestamp() - state_change) > '2 s' FROM pg_stat_activity WHERE usename = 'app'") == "t";
  });
  const auto said = client.until_closed();
  EXPECT_TRUE(client.closed());
  int rows = 0, ready = 0;
  for (const auto& message : said) {
    rows += message.type == 'D' && message.body.size() > 1'000'000 ? 1 : 0;
    ready += message.type == 'Z' ? 1 : 0;
  }
  EXPECT_EQ(rows, 20);
  EXPECT_EQ(ready, 20);
}

// The last answer alone is more than the socket takes: it is written out before the connection ends.
TEST_F(SlowPeers, WhoStopSendingGetTheLastAnswerToItsEnd) {
  start({});
  for (const int size : {10'000, 200'000, 3'000'000, 9'000'000}) {
    e2e::RawClient client(howdah_->port());
    client.log_in();
    client.send(query("SELECT repeat('x', " + std::to_string(size) + ")") + std::string("X\0\0\0\x04", 5));
    client.half_close();
    testing::await("the statement to be over", [&] {
      return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active' AND "
                                "wait_event IS DISTINCT FROM 'ClientWrite'") == "0";
    });
    const auto said = client.until_closed();
    ASSERT_FALSE(said.empty());
    EXPECT_EQ(said.back().type, 'Z') << size;
  }
}

TEST_F(SlowPeers, WhoLeaveATransactionOpenGetTheirAnswersAndNoCommit) {
  start({});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  client.send(query("BEGIN") + query("INSERT INTO notes VALUES (1)") + query("SELECT repeat('x', 20000000)"));
  testing::await("the answer to be on its way", [&] {
    return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%repeat%'") == "1";
  });
  client.half_close();
  const auto begun = client.until('Z', 2);
  EXPECT_EQ(e2e::first_sqlstate(begun), "");
  const auto said = client.until_closed();
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.back().type, 'Z');
  EXPECT_TRUE(testing::wait_until([&] {
    return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'") == "0";
  }));
  EXPECT_EQ(superuser_->scalar("SELECT count(*) FROM notes"), "0") << "nobody said COMMIT";
}

// Both directions full at once: whoever reads in the end gets everything.
TEST_F(SlowPeers, WhoSendAndDoNotReadBlockNobody) {
  start({});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  constexpr int kStatements = 3000;
  const std::string one = query("SELECT repeat('y', 4000) /* " + std::string(4000, 'z') + " */");
  std::thread writer([&] {
    for (int i = 0; i < kStatements; ++i) client.send(one);
  });
  // Answers pile up on one side and statements on the other before anybody reads.
  testing::await("the pipe to be full", [&] {
    return testing::http_get(howdah_->http_port(), "/metrics").status == 200 &&
           !testing::wait_until([&] { return superuser_->scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' "
                                                               "AND state = 'active'") != "0"; }, milliseconds(200));
  });
  PgConn other = connect();
  EXPECT_EQ(other.query("SELECT 1").text(), "1") << "others are not held up";
  const auto said = client.until('Z', kStatements);
  writer.join();
  int rows = 0;
  for (const auto& message : said) rows += message.type == 'D' ? 1 : 0;
  EXPECT_EQ(rows, kStatements);
}

// COPY in, while the server sends a notice for every row: the client reads only at the end, as libpq would not have to.
TEST_F(SlowPeers, WhoCopyInWhileNoticesComeGetThemAll) {
  start({});
  superuser_->must(
      "CREATE TABLE IF NOT EXISTS noisy (id int); GRANT ALL ON noisy TO app;"
      "CREATE OR REPLACE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', repeat('n', 200); RETURN NEW; END $$;"
      "DROP TRIGGER IF EXISTS noisy_say ON noisy; CREATE TRIGGER noisy_say BEFORE INSERT ON noisy FOR EACH ROW EXECUTE FUNCTION say()");
  e2e::RawClient client(howdah_->port());
  client.log_in();
  client.send(query("COPY noisy FROM STDIN"));
  client.until('G');
  constexpr int kRows = 20'000;
  std::thread writer([&] {
    for (int block = 0; block < kRows / 100; ++block) {
      std::string data, rows;
      for (int i = 0; i < 100; ++i) rows += "1\n";
      pgwire::append_copy_data(data, rows);
      client.send(data);
    }
    std::string done;
    pgwire::append_copy_done(done);
    client.send(done);
  });
  const auto said = client.until('Z');
  writer.join();
  int notices = 0;
  for (const auto& message : said) notices += message.type == 'N' ? 1 : 0;
  EXPECT_EQ(notices, kRows);
  EXPECT_EQ(e2e::first_sqlstate(said), "");
}

}  // namespace
}  // namespace howdah::e2e_limits
