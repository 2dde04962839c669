// Clients vanish in the middle of anything: the servers are free of them soon, and nobody else notices.
#include <sys/socket.h>
#include <unistd.h>

#include "tests/e2e_faults/kill_fixture.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::PgConn;

// The process is gone without a word: the kernel closes its socket.
void vanish(PgConn client) {
  shutdown(PQsocket(client.raw()), SHUT_RDWR);
}

// No backend with this text is left on the shard, in whatever state but idle.
bool freed(World& world, int shard, const std::string& text) {
  return testing::wait_until([&] {
    return world.cluster().primary(shard).superuser().scalar(
               "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state <> 'idle'"
               " AND usename = 'app' AND strpos(query, '" +
               text + "') > 0") == "0";
  });
}

class KillClients : public KillTest {
 protected:
  void TearDown() override {
    EXPECT_EQ(writer_errors(), std::set<std::string>());
    EXPECT_EQ(reader_errors(), std::set<std::string>());
    KillTest::TearDown();
  }
};

TEST_F(KillClients, InATransaction) {
  for (int i = 0; i < 10; ++i) {
    PgConn client = world().proxy().connect();
    client.must("BEGIN");
    client.must(insert(i % 2, 2000000 + i));
    vanish(std::move(client));
  }
  EXPECT_TRUE(freed(world(), 0, "20000") && freed(world(), 1, "20000"));
  EXPECT_EQ(world().sum("SELECT count(*) FROM marks WHERE number >= 2000000"), 0);
}

TEST_F(KillClients, InATransactionOverTwoShards) {
  for (int i = 0; i < 5; ++i) {
    PgConn client = world().proxy().connect();
    client.must("BEGIN");
    client.must(insert(0, 2000020 + i));
    client.must(insert(1, 2000020 + i));
    vanish(std::move(client));
  }
  EXPECT_TRUE(freed(world(), 0, "20000") && freed(world(), 1, "20000"));
  EXPECT_EQ(world().sum("SELECT count(*) FROM marks WHERE number >= 2000000"), 0);
}

TEST_F(KillClients, InAQuery) {
  world().must(insert(1, 1000100));
  for (int i = 0; i < 5; ++i) {
    PgConn client = world().proxy().connect();
    const std::string sql = "SELECT pg_sleep(60), 300000" + std::to_string(i) +
                            " FROM marks WHERE number = 1000100 AND user_id = " + key(1);
    ASSERT_EQ(PQsendQuery(client.raw(), sql.c_str()), 1);
    backend(1, "300000" + std::to_string(i), "active");
    vanish(std::move(client));
  }
  EXPECT_TRUE(freed(world(), 1, "300000"));
}

TEST_F(KillClients, WhileWaitingForALock) {
  PgConn holder = world().proxy().connect(), waiter = world().proxy().connect();
  world().must("INSERT INTO late VALUES (" + key(0) + ", 1)");
  const std::string update = "UPDATE late SET number = 2 WHERE number = 1 AND user_id = " + key(0);
  holder.must("BEGIN");
  holder.must(update);
  ASSERT_EQ(PQsendQuery(waiter.raw(), update.c_str()), 1);
  backend(0, "UPDATE late", "active");
  vanish(std::move(waiter));
  EXPECT_TRUE(testing::wait_until([&] {
    return world().cluster().primary(0).superuser().scalar(
               "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'UPDATE "
               "late%'") == "0";
  }));
  holder.must("ROLLBACK");
  EXPECT_EQ(world().must("SELECT number FROM late WHERE user_id = " + key(0)).scalar(), "1");
}

TEST_F(KillClients, InCopyIn) {
  for (int i = 0; i < 5; ++i) {
    PgConn client = world().proxy().connect();
    PGresult* begun = PQexec(client.raw(), "COPY notes FROM STDIN");
    ASSERT_EQ(PQresultStatus(begun), PGRES_COPY_IN) << PQresultErrorMessage(begun);
    PQclear(begun);
    const std::string line = std::to_string(i) + "\tsome text\n";
    for (int n = 0; n < 1000; ++n)
      ASSERT_EQ(PQputCopyData(client.raw(), line.data(), static_cast<int>(line.size())), 1);
    PQflush(client.raw());
    vanish(std::move(client));
  }
  EXPECT_TRUE(freed(world(), 0, "COPY notes"));
  EXPECT_EQ(world().must("SELECT count(*) FROM notes").scalar(), "0");
}

TEST_F(KillClients, InCopyOut) {
  world().must("INSERT INTO notes SELECT 1, repeat('x', 1000) FROM generate_series(1, 50000)");
  for (int i = 0; i < 3; ++i) {
    PgConn client = world().proxy().connect();
    PGresult* begun = PQexec(client.raw(), "COPY notes TO STDOUT");
    ASSERT_EQ(PQresultStatus(begun), PGRES_COPY_OUT) << PQresultErrorMessage(begun);
    PQclear(begun);
    char* row = nullptr;
    ASSERT_GT(PQgetCopyData(client.raw(), &row, 0), 0);
    PQfreemem(row);
    vanish(std::move(client));
  }
  EXPECT_TRUE(freed(world(), 0, "COPY notes"));
  world().must("TRUNCATE notes");
}

TEST_F(KillClients, AllAtOnceLeaveNothingOpen) {
  std::vector<PgConn> clients;
  for (int i = 0; i < 15; ++i) {
    PgConn client = world().proxy().connect();
    client.must("BEGIN");
    client.must(insert(i % 2, 2000040 + i));
    clients.push_back(std::move(client));
  }
  for (auto& client : clients) vanish(std::move(client));
  clients.clear();
  EXPECT_TRUE(freed(world(), 0, "20000") && freed(world(), 1, "20000"));
  EXPECT_EQ(world().sum("SELECT count(*) FROM marks WHERE number >= 2000000"), 0);
}

}  // namespace
}  // namespace howdah::faults
