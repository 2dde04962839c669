// Restarts under load: clients that keep one connection each must not see a single failed statement.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/e2e_operations/takeover_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e_operations {
namespace {

using testing::await;
using testing::PgCluster;
using testing::PgConn;

constexpr int kClients = 100;

struct Load {
  std::atomic<bool> stop{false};
  std::atomic<long> statements{0}, failed{0}, committed{0};
  std::atomic<long> rounds[kClients] = {};
  std::mutex mutex;
  std::string first_failure;

  void fail(int client, const std::string& what) {
    ++failed;
    std::lock_guard lock(mutex);
    if (first_failure.empty()) first_failure = "client " + std::to_string(client) + ": " + what;
  }
};

// Transactions, named prepared statements and settings, each checked against what this client alone has set.
void run_client(PgConn conn, int id, Load& load) {
  const std::string mine = "client " + std::to_string(id);
  const auto expect = [&](const testing::Answer& answer, const std::string& wanted, const char* what) {
    ++load.statements;
    if (!answer.ok()) {
      load.fail(id, std::string(what) + ": " + answer.sqlstate + " " + answer.message);
    } else if (!wanted.empty() && answer.text() != wanted) {
      load.fail(id, std::string(what) + ": got " + answer.text() + ", not " + wanted);
    }
    return answer.ok();
  };
  expect(conn.query("SET app.client TO '" + mine + "'"), "", "SET");
  expect(conn.query("SET statement_timeout TO " + std::to_string(100'001 + id)), "", "SET");
  expect(conn.prepare("count", "SELECT count(*) FROM ledger WHERE client = $1"), "", "Parse");
  expect(conn.prepare("add", "INSERT INTO ledger (client, n) VALUES ($1, $2)"), "", "Parse");
  long rows = 0;
  while (!load.stop.load() && conn.ok()) {
    const long n = ++load.rounds[id];
    if (!expect(conn.query("BEGIN"), "", "BEGIN")) return;
    expect(conn.execute("add", {std::to_string(id), std::to_string(n)}), "", "Execute");
    expect(conn.query("INSERT INTO ledger (client, n) VALUES (" + std::to_string(id) + ", -" + std::to_string(n) + ")"), "", "INSERT");
    const bool keep = n % 5 != 0;
    expect(conn.query(keep ? "COMMIT" : "ROLLBACK"), "", "COMMIT");
    if (keep) {
      rows += 2;
      ++load.committed;
    }
    expect(conn.execute("count", {std::to_string(id)}), std::to_string(rows), "its own rows");
    expect(conn.query("SELECT current_setting('app.client')"), mine, "its setting");
    expect(conn.query("SHOW statement_timeout"), std::to_string(100'001 + id) + "ms", "its timeout");
  }
  if (!conn.ok()) load.fail(id, "disconnected: " + conn.error());
}

void restart_under_load(int restarts) {
  PgCluster cluster;
  cluster.primary().run_sql("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE ledger (client int, n int); "
                            "CREATE INDEX ON ledger (client)");
  Succession servers(cluster);
  servers.start();
  Load load;
  std::vector<std::thread> clients;
  for (int id = 0; id < kClients; ++id) clients.emplace_back(run_client, servers.connect(), id, std::ref(load));
  for (int restart = 0; restart < restarts; ++restart) {
    long before[kClients];
    for (int id = 0; id < kClients; ++id) before[id] = load.rounds[id];
    EXPECT_TRUE(testing::wait_until([&] {
      for (int id = 0; id < kClients; ++id) {
        if (load.rounds[id] <= before[id]) return load.failed.load() > 0;
      }
      return true;
    }, std::chrono::seconds(60))) << "every client works before the next restart";
    servers.start();
    EXPECT_EQ(servers.await_end(static_cast<std::size_t>(restart)), 0) << servers.logs();
  }
  long after[kClients];
  for (int id = 0; id < kClients; ++id) after[id] = load.rounds[id];
  EXPECT_TRUE(testing::wait_until([&] {
    for (int id = 0; id < kClients; ++id) {
      if (load.rounds[id] <= after[id]) return load.failed.load() > 0;
    }
    return true;
  }, std::chrono::seconds(60))) << "every client works after the last restart";
  load.stop = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(load.failed.load(), 0) << load.first_failure << "\n" << servers.logs();
  const std::string rows = cluster.primary().run_sql("SELECT count(*) FROM ledger").scalar();
  EXPECT_EQ(rows, std::to_string(2 * load.committed.load()));
  std::printf("restarts=%d clients=%d statements=%ld failed=%ld committed=%ld\n", restarts, kClients, load.statements.load(),
              load.failed.load(), load.committed.load());
}

TEST(RestartUnderLoad, NoStatementFailsAcrossTwoRestarts) { restart_under_load(2); }

// The long form: see CMakeLists.txt.
TEST(RestartUnderLoad, DISABLED_NoStatementFailsAcrossFiveRestarts) { restart_under_load(5); }

}  // namespace
}  // namespace howdah::e2e_operations
