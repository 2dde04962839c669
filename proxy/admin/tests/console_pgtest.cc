// The console as operators and PgBouncer's tools see it.
#include <poll.h>

#include "proxy/admin/tests/fixture.h"
#include "tests/support/free_port.h"

namespace howdah::testing {
namespace {

using ConsoleTest = AdminTest;

// libpq's message with the SQLSTATE in it, which has to be asked for before the login.
std::string login_error(const std::string& url) {
  PGconn* conn = PQconnectStart(url.c_str());
  PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
  auto state = PGRES_POLLING_WRITING;
  while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
    pollfd ready{PQsocket(conn), static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    poll(&ready, 1, 10'000);
    state = PQconnectPoll(conn);
  }
  std::string message = state == PGRES_POLLING_OK ? "logged in" : PQerrorMessage(conn);
  PQfinish(conn);
  return message;
}

TEST_F(ConsoleTest, TakesAdminsOnly) {
  for (const char* database : {"howdah", "pgbouncer"}) {
    EXPECT_EQ(console(database).must("SHOW VERSION").scalar().substr(0, 7), "Howdah ");
    EXPECT_NE(login_error(howdah->url("app", database)).find("FATAL:  28000: user \"app\" may not use"),
              std::string::npos)
        << login_error(howdah->url("app", database));
  }
}

TEST_F(ConsoleTest, WorksInPsql) {
  const auto finished = run({.argv = {"psql", "-X", "-A", "-t", howdah->url("admin", "howdah"), "-c", "SHOW HELP", "-c",
                                      "show users", "-c", "show bogus"}});
  EXPECT_NE(finished.output.find("SHOW POOLS|"), std::string::npos) << finished.output;
  EXPECT_NE(finished.output.find("admin||20|yes|no|0|1"), std::string::npos) << finished.output;
  EXPECT_NE(finished.output.find("ERROR:  invalid command 'show bogus', use SHOW HELP;"), std::string::npos)
      << finished.output;
}

TEST_F(ConsoleTest, RunsStringsOfCommandsUpToTheFirstError) {
  auto conn = console();
  EXPECT_EQ(conn.query("SHOW VERSION; SHOW USERS").rows.size(), 2u);
  EXPECT_EQ(conn.query("SHOW VERSION; bogus; SHOW USERS").sqlstate, "42601");
  EXPECT_TRUE(conn.query("").ok());
  EXPECT_TRUE(conn.query(";").ok());  // a ping
  EXPECT_EQ(conn.query("SET no_such_thing = 1").sqlstate, "42704");
}

TEST_F(ConsoleTest, KeepsPgBouncersColumnsInFront) {
  TempDir folder;
  folder.give_to_server_owner();
  const auto port = free_port();
  const std::string file = folder.path() + "/pgbouncer.ini";
  write_file(file, "[databases]\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port) +
                       "\nunix_socket_dir =\nauth_type = any\nadmin_users = postgres\n");
  Process pgbouncer({.argv = {"/usr/sbin/pgbouncer", file}, .as_postgres = true});
  const std::string url = "postgresql://postgres@127.0.0.1:" + std::to_string(port) + "/pgbouncer";
  await("PgBouncer to listen", [&] { return PgConn(url).ok(); });
  PgConn theirs(url);
  auto ours = console();
  for (const std::string what : {"CLIENTS", "SERVERS", "POOLS", "STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS",
                                 "DATABASES", "USERS", "CONFIG", "LISTS", "VERSION", "SOCKETS", "ACTIVE_SOCKETS", "MEM", "DNS_HOSTS", "DNS_ZONES"}) {
    SCOPED_TRACE(what);
    PGresult* expected = PQexec(theirs.raw(), ("SHOW " + what).c_str());
    PGresult* got = PQexec(ours.raw(), ("SHOW " + what).c_str());
    ASSERT_EQ(PQresultStatus(expected), PGRES_TUPLES_OK) << PQresultErrorMessage(expected);
    ASSERT_EQ(PQresultStatus(got), PGRES_TUPLES_OK) << PQresultErrorMessage(got);
    EXPECT_STREQ(PQcmdStatus(got), PQcmdStatus(expected));
    ASSERT_GE(PQnfields(got), PQnfields(expected));
    for (int i = 0; i < PQnfields(expected); ++i) {
      EXPECT_STREQ(PQfname(got, i), PQfname(expected, i));
      EXPECT_EQ(PQftype(got, i), PQftype(expected, i)) << PQfname(expected, i);
    }
    PQclear(expected);
    PQclear(got);
  }
}

TEST_F(ConsoleTest, ShowsClientsAndTheServersTheyHold) {
  auto app = howdah->connect();
  app.must("BEGIN");
  const std::string backend = app.scalar("SELECT pg_backend_pid() FROM users WHERE id = 1 "
                                         "UNION ALL SELECT pg_backend_pid() LIMIT 1");
  const std::string pid = std::to_string(PQbackendPID(app.raw()));
  auto conn = console();
  const Answer clients = conn.must("SHOW CLIENTS");
  EXPECT_EQ(cell(clients, "pid", pid, "activity"), "idle in transaction");
  EXPECT_EQ(cell(clients, "pid", pid, "state"), "active");
  const std::string link = cell(clients, "pid", pid, "link");
  const Answer servers = conn.must("SHOW SERVERS");
  EXPECT_EQ(cell(servers, "ptr", link, "remote_pid"), backend);
  EXPECT_EQ(cell(servers, "ptr", link, "link"), "c" + pid);
  EXPECT_EQ(cell(servers, "ptr", link, "state"), "active");
  EXPECT_EQ(cell(conn.must("SHOW POOLS"), "database", "app", "sv_active"), "1");
  EXPECT_EQ(cell(conn.must("SHOW POOLS"), "database", "howdah", "cl_active"), "1");
  app.must("COMMIT");
  EXPECT_EQ(cell(conn.must("SHOW CLIENTS"), "pid", pid, "link"), "");
  EXPECT_EQ(cell(conn.must("SHOW POOLS"), "database", "app", "sv_active"), "0");
}

TEST_F(ConsoleTest, CountsEveryStatementOnce) {
  auto conn = console();
  const auto count = [&](const char* column) {
    return std::stoull(cell(conn.must("SHOW STATS"), "database", "app", column));
  };
  auto app = howdah->connect();
  app.must("INSERT INTO users VALUES (100, 'x') ON CONFLICT DO NOTHING");
  const auto statements = count("total_query_count"), transactions = count("total_xact_count");
  const auto received = count("total_received"), sent = count("total_sent"), time = count("total_query_time");
  for (int i = 0; i < 50; ++i) app.must("UPDATE users SET name = repeat('x', 100) WHERE id = 100");
  EXPECT_EQ(count("total_query_count"), statements + 50);
  EXPECT_EQ(count("total_xact_count"), transactions + 50);
  EXPECT_GT(count("total_received"), received + 50 * 50);
  EXPECT_GT(count("total_sent"), sent + 50 * 15);
  EXPECT_GT(count("total_query_time"), time);
  EXPECT_GE(count("total_xact_time"), count("total_query_time"));
}

TEST_F(ConsoleTest, ShowsShardsAndHealth) {
  auto conn = console();
  const Answer shards = conn.must("SHOW SHARDS");
  ASSERT_EQ(shards.rows.size(), 2u);
  for (int shard = 0; shard < 2; ++shard) {
    const std::string name = "s" + std::to_string(shard);
    EXPECT_EQ(cell(shards, "shard", name, "buckets"), "2048");
    EXPECT_EQ(cell(shards, "shard", name, "primary"), "127.0.0.1:" + std::to_string(cluster->primary(shard).port()));
    EXPECT_EQ(cell(shards, "shard", name, "primary_state"), "up");
    EXPECT_EQ(cell(shards, "shard", name, "replica_states"), "up");
  }
  const Answer health = conn.must("SHOW HEALTH");
  EXPECT_EQ(health.rows.size(), 4u);
  EXPECT_EQ(cell(health, "role", "replica", "in_recovery"), "yes");
}

TEST_F(ConsoleTest, ShowsTheConfigurationWithoutSecrets) {
  const Answer answer = console().must("SHOW CONFIG");
  EXPECT_EQ(cell(answer, "key", "pool.size", "value"), "20");
  EXPECT_EQ(cell(answer, "key", "max_client_conn", "value"), "12000");
  EXPECT_EQ(cell(answer, "key", "listen.port", "value"), std::to_string(howdah->port()));
  EXPECT_EQ(cell(answer, "key", "listen.port", "changeable"), "no");
  EXPECT_EQ(answer.text().find("password"), std::string::npos);
}

TEST_F(ConsoleTest, KillsAClient) {
  auto app = howdah->connect();
  app.must("SELECT 1");
  auto conn = console();
  EXPECT_EQ(conn.must("KILL_CLIENT " + std::to_string(PQbackendPID(app.raw()))).tag, "KILL_CLIENT");
  await("the client's end", [&] { return !app.query("SELECT 1").ok(); });
  EXPECT_EQ(conn.query("KILL_CLIENT 16777215").sqlstate, "22023");
  EXPECT_EQ(conn.query("KILL_CLIENT x").sqlstate, "22023");
}

TEST_F(ConsoleTest, ReloadsOrSaysWhyNot) {
  const std::string good = read_file_or_empty(howdah->config_path());
  auto conn = console();
  howdah->rewrite_config(good + "\nlimits: { clients: 77 }\n");
  EXPECT_EQ(conn.must("RELOAD").tag, "RELOAD");
  EXPECT_EQ(cell(conn.must("SHOW CONFIG"), "key", "limits.clients", "value"), "77");
  howdah->rewrite_config(good + "\nlimitz: 1\n");
  const Answer refused = conn.query("RELOAD");
  EXPECT_EQ(refused.sqlstate, "F0000");
  EXPECT_NE(refused.detail.find("limitz"), std::string::npos) << refused.detail;
  EXPECT_EQ(cell(conn.must("SHOW CONFIG"), "key", "limits.clients", "value"), "77");
  howdah->rewrite_config(good);
  conn.must("RELOAD");
}

TEST_F(ConsoleTest, AnswersManyAtOnceWhileClientsComeAndGo) {
  std::vector<PgConn> consoles;
  for (int i = 0; i < 8; ++i) consoles.push_back(console());
  for (int round = 0; round < 5; ++round) {
    for (auto& conn : consoles) ASSERT_EQ(PQsendQuery(conn.raw(), "SHOW CLIENTS; SHOW SERVERS; SHOW POOLS"), 1);
    howdah->connect().must("SELECT count(*) FROM users WHERE id = 5");
    consoles.pop_back();  // leaves with its question unanswered
    for (auto& conn : consoles) {
      int tables = 0;
      while (PGresult* result = PQgetResult(conn.raw())) {
        tables += PQresultStatus(result) == PGRES_TUPLES_OK;
        PQclear(result);
      }
      EXPECT_EQ(tables, 3);
    }
  }
}

TEST_F(ConsoleTest, ShutsDown) {
  HowdahProcess second(*cluster, {.tables = "users: { hash: id }"});
  EXPECT_EQ(second.connect("admin", "howdah").must("SHUTDOWN").tag, "SHUTDOWN");
  await("the end", [&] { return !second.running(); });
}

}  // namespace
}  // namespace howdah::testing
