// Replication connections through Howdah: PostgreSQL's own tools, and the walsender's conversation byte by byte.
// https://www.postgresql.org/docs/15/protocol-replication.html
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

constexpr const char* kUsers =
    "listen: { address: 127.0.0.1, port: @PORT@ }\nhttp: { enabled: false }\nworkers: 2\n"
    "users:\n  - { name: app, password: app, replication: true }\n  - { name: admin, password: admin, admin: true }\n"
    "pool: { mode: transaction, size: 1 }\n"
    "databases:\n  app:\n    control: { user: howdah, password: howdah }\n    shards:\n";

testing::HowdahOptions with_shards(testing::PgCluster& cluster) {
  testing::HowdahOptions options;
  options.yaml = kUsers;
  for (int i = 0; i < cluster.shards(); ++i) {
    options.yaml += "      - { name: s" + std::to_string(i) + ", primary: \"" + cluster.primary(i).address() + "\" }\n";
  }
  return options;
}

std::string tool(const char* name) { return std::string("/usr/lib/postgresql/15/bin/") + name; }

class Replication : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<testing::PgCluster>();
    cluster_->primary().run_sql("ALTER ROLE app REPLICATION; CREATE TABLE public.moves (id int)");
    cluster_->primary().run_sql("GRANT ALL ON public.moves TO app");
    howdah_ = start(*cluster_, with_shards(*cluster_));
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }
  static std::string url(std::uint16_t port) {
    return "host=127.0.0.1 port=" + std::to_string(port) + " user=app password=app dbname=app";
  }
  static testing::PgServer& server() { return cluster_->primary(); }
  static long walsenders() {
    return std::stol(server().superuser().scalar("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"));
  }
  static std::unique_ptr<RawClient> walsender_client(std::uint16_t port, const std::string& kind,
                                    std::vector<std::pair<std::string, std::string>> more = {}) {
    auto client = std::make_unique<RawClient>(port);
    more.emplace_back("replication", kind);
    EXPECT_EQ(first_sqlstate(client->log_in({.params = more})), "") << howdah_->log();
    return client;
  }

  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<testing::HowdahProcess> howdah_;
};
std::unique_ptr<testing::PgCluster> Replication::cluster_;
std::unique_ptr<testing::HowdahProcess> Replication::howdah_;

TEST_F(Replication, SpeaksLikeAWalsender) {
  for (const std::string kind : {"true", "on", "1", "database"}) {
    const auto direct = walsender_client(server().port(), kind), proxied = walsender_client(howdah_->port(), kind);
    for (const char* const command : {"IDENTIFY_SYSTEM", "SHOW wal_segment_size", "READ_REPLICATION_SLOT missing", "SELEC", "SELECT 1"}) {
      auto expected = to_lines(direct->query(command)), got = to_lines(proxied->query(command));
      if (std::string(command) == "IDENTIFY_SYSTEM") {  // the WAL position moves
        ASSERT_EQ(expected.size(), got.size());
        expected.erase(expected.begin() + 1);
        got.erase(got.begin() + 1);
      }
      EXPECT_EQ(got, expected) << kind << " " << command;
    }
  }
  RawClient ordinary(howdah_->port());
  EXPECT_EQ(first_sqlstate(ordinary.log_in({.params = {{"replication", "off"}}})), "");
  EXPECT_EQ(first_sqlstate(ordinary.query("SELECT 1")), "");
  RawClient wrong(howdah_->port()), twin(server().port());
  const Login nonsense{.params = {{"replication", "perhaps"}}};
  EXPECT_EQ(to_lines(wrong.log_in(nonsense)), to_lines(twin.log_in(nonsense)));
}

// The pool has one connection: three walsenders beside it show that they are none of it, and none comes back to it.
TEST_F(Replication, HasServerConnectionsOfItsOwn) {
  const long before = walsenders();
  {
    const auto one = walsender_client(howdah_->port(), "true"), two = walsender_client(howdah_->port(), "database"),
              three = walsender_client(howdah_->port(), "database", {{"application_name", "third"}});
    testing::PgConn client = howdah_->connect();
    EXPECT_EQ(client.scalar("SELECT 1"), "1");
    EXPECT_EQ(walsenders(), before + 3);
    EXPECT_EQ(server().superuser().scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'third'"), "1");
    EXPECT_EQ(client.scalar("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = 'app'"), "1");
    testing::PgConn console("host=127.0.0.1 port=" + std::to_string(howdah_->port()) + " user=admin password=admin dbname=howdah");
    const auto servers = console.must("SHOW SERVERS");
    EXPECT_EQ(std::count_if(servers.rows.begin(), servers.rows.end(), [](const auto& row) { return row[1] == "app"; }), 4)
        << "the console shows the walsenders, too: " << servers.text();
  }
  EXPECT_TRUE(testing::wait_until([&] { return walsenders() == before; })) << "a walsender outlived its client";
}

TEST_F(Replication, TakesABaseBackupAndAStandbyStartsFromIt) {
  testing::TempDir folder;
  folder.give_to_server_owner();
  const std::string data = folder.path() + "/data";
  testing::run_or_throw({.argv = {tool("pg_basebackup"), "-d", url(howdah_->port()), "-D", data, "-X", "stream", "-c", "fast", "--no-sync"},
                         .directory = "/",
                         .as_postgres = true});
  const auto verified = testing::run({.argv = {tool("pg_verifybackup"), data}, .directory = "/", .as_postgres = true});
  EXPECT_EQ(verified.status, 0) << verified.output;
}

TEST_F(Replication, ReceivesWalWhileItIsWritten) {
  testing::TempDir folder;
  testing::Process receiver({.argv = {tool("pg_receivewal"), "-d", url(howdah_->port()), "-D", folder.path(), "--no-sync", "-v"},
                             .log_file = folder.path() + "/log"});
  testing::PgConn superuser = server().superuser();
  testing::await("a streaming walsender", [&] {
    return superuser.scalar("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_receivewal' AND state = 'streaming'") == "1";
  });
  const std::string file = superuser.scalar("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  superuser.must("INSERT INTO moves SELECT generate_series(1, 1000)");
  superuser.must("SELECT pg_switch_wal()");
  EXPECT_TRUE(testing::wait_until([&] { return std::filesystem::exists(folder.path() + "/" + file); }))
      << testing::read_file_or_empty(folder.path() + "/log");
  const std::string path = superuser.scalar("SHOW data_directory") + "/pg_wal/" + file;
  EXPECT_EQ(testing::read_file_or_empty(folder.path() + "/" + file), testing::read_file_or_empty(path)) << "not the WAL that was written";
  receiver.signal(SIGINT);
  EXPECT_EQ(receiver.wait_for(std::chrono::seconds(10)), 0) << testing::read_file_or_empty(folder.path() + "/log");
}

// Both directions at once: changes come, and the client's standby status updates answer the server's keepalives.
TEST_F(Replication, StreamsChangesBothWaysWithKeepalives) {
  const auto walsender = walsender_client(howdah_->port(), "database");
  RawClient& client = *walsender;
  EXPECT_EQ(first_sqlstate(client.query("CREATE_REPLICATION_SLOT there TEMPORARY LOGICAL test_decoding")), "");
  std::string bytes;
  pgwire::append_query(bytes, "START_REPLICATION SLOT there LOGICAL 0/0");
  client.send(bytes);
  EXPECT_EQ(client.next().value_or(Message()).type, 'W');
  server().run_sql("INSERT INTO moves VALUES (4711)");
  // A status update that asks for an answer: 'r', three positions, a time, and 1 for "reply at once".
  const std::string update = "r" + std::string(24, '\0') + std::string(8, '\0') + '\1';
  bytes.clear();
  pgwire::append_copy_data(bytes, update);
  client.send(bytes);
  bool changed = false, kept_alive = false;
  while (!changed || !kept_alive) {
    const auto message = client.next();
    ASSERT_TRUE(message) << "changed " << changed << " kept alive " << kept_alive;
    ASSERT_EQ(message->type, 'd');
    changed = changed || message->body.find("id[integer]:4711") != std::string::npos;
    kept_alive = kept_alive || message->body[0] == 'k';
  }
  bytes.clear();
  pgwire::append_copy_done(bytes);
  client.send(bytes);
  EXPECT_EQ(client.until('Z').back().type, 'Z') << "the connection is usable after the copy";
  EXPECT_EQ(first_sqlstate(client.query("IDENTIFY_SYSTEM")), "");
}

TEST_F(Replication, ReceivesDecodedChangesWithPostgresqlsTool) {
  testing::TempDir folder;
  server().run_sql("SELECT pg_create_logical_replication_slot('tool', 'test_decoding')");
  server().run_sql("INSERT INTO moves VALUES (815)");
  const std::string end = server().superuser().scalar("SELECT pg_current_wal_lsn()");
  testing::run_or_throw({.argv = {tool("pg_recvlogical"), "-d", url(howdah_->port()), "--slot=tool", "--start", "--endpos=" + end,
                                  "-f", folder.path() + "/changes"}});
  EXPECT_NE(testing::read_file_or_empty(folder.path() + "/changes").find("id[integer]:815"), std::string::npos);
  testing::run_or_throw({.argv = {tool("pg_recvlogical"), "-d", url(howdah_->port()), "--slot=tool", "--drop-slot"}});
}

TEST_F(Replication, EndsACommandByCancel) {
  const auto walsender = walsender_client(howdah_->port(), "database");
  RawClient& client = *walsender;
  std::string bytes;
  pgwire::append_query(bytes, "SELECT pg_sleep(60)");
  client.send(bytes);
  testing::await("the statement to run", [&] {
    return server().superuser().scalar("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND query LIKE '%pg_sleep%' AND state = 'active'") == "1";
  });
  bytes.clear();
  pgwire::append_cancel_request(bytes, client.pid(), client.key());
  RawClient canceler(howdah_->port());
  canceler.send(bytes);
  canceler.until_closed();
  EXPECT_EQ(first_sqlstate(client.until('Z')), "57014");
}

TEST_F(Replication, NeedsARightAtBothEnds) {
  RawClient client(howdah_->port()), twin(server().port());
  const auto refused = client.log_in({.user = "admin", .password = "admin", .params = {{"replication", "true"}}});
  EXPECT_EQ(first_sqlstate(refused), "42501");
  EXPECT_EQ(first_sqlstate(twin.log_in({.user = "admin", .password = "admin", .params = {{"replication", "true"}}})), "42501");
  EXPECT_TRUE(client.until_closed().empty() && client.closed());
}

TEST(ShardedReplication, ChoosesOneShardByName) {
  testing::PgCluster cluster({.shards = 2});
  for (int i = 0; i < 2; ++i) cluster.primary(i).run_sql("ALTER ROLE app REPLICATION");
  const auto howdah = start(cluster, with_shards(cluster));
  const auto system_of = [](const std::vector<Message>& messages) {
    pgwire::DataRow row;
    for (const auto& message : messages) {
      if (message.type == 'D' && decode(message.body, row)) return std::string(row.values.at(0).bytes);
    }
    return std::string();
  };
  for (int i = 0; i < 2; ++i) {
    const std::string name = "s" + std::to_string(i);
    RawClient client(howdah->port());
    client.log_in({.database = "replication", .params = {{"replication", "true"}, {"options", "-c howdah.shard=" + name}}});
    EXPECT_EQ(system_of(client.query("IDENTIFY_SYSTEM")),
              cluster.primary(i).superuser().scalar("SELECT system_identifier FROM pg_control_system()"));
  }
  const auto refused = [&](const std::string& options) {
    RawClient client(howdah->port());
    const auto messages = client.log_in({.params = {{"replication", "database"}, {"options", options}}});
    pgwire::ErrorFields fields;
    EXPECT_TRUE(!messages.empty() && decode(Bytes(messages.back().body), fields));
    EXPECT_NE(fields.hint.find("howdah.shard=s0"), Bytes::npos);
    return std::string(fields.sqlstate);
  };
  EXPECT_EQ(refused(""), "0A000");
  EXPECT_EQ(refused("-c howdah.shard=s7"), "22023");
}

}  // namespace
}  // namespace howdah::e2e
