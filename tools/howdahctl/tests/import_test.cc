// PgBouncer's settings become ours; what has no counterpart is said. Every result is one that `howdah --check` accepts.
#include "tools/howdahctl/import.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "proxy/config/config.h"
#include "proxy/config/reference.h"

namespace howdah::ctl {
namespace {

namespace fs = std::filesystem;

class Import : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hw-import-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    put("userlist.txt", "\"app\" \"app's \\ secret\"\n\"old\" \"md5c7b5c1ecf8c4b9ea3a3ac3e1f6a2a111\"\n");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }

  // Imports, and loads what came out with the access rules beside it.
  config::ConfigPtr import(const std::string& ini) {
    put("pgbouncer.ini", ini);
    const auto read = [](const std::string& path) -> Result<std::string> {
      std::ifstream in(path);
      if (!in) return Error{.code = ErrorCode::kConfig, .message = path + ": cannot be read", .detail = {}, .hint = {}};
      return std::string(std::istreambuf_iterator<char>(in), {});
    };
    const auto known = keys_of_reference(config::config_reference_markdown());
    auto got = import_pgbouncer((folder_ / "pgbouncer.ini").string(), (folder_ / "rules.conf").string(), known, read);
    if (!got) {
      failure_ = got.error().message;
      return nullptr;
    }
    imported_ = *got;
    if (!imported_.hba.empty()) put("rules.conf", imported_.hba);
    auto loaded = config::load_text(imported_.yaml, (folder_ / "howdah.yaml").string());
    for (const auto& fault : loaded.faults) ADD_FAILURE() << fault.to_string() << "\n" << imported_.yaml;
    return loaded.config;
  }

  bool warned(std::string_view setting, std::string_view words = {}) const {
    for (const auto& warning : imported_.warnings) {
      if (warning.setting == setting && warning.advice.find(words) != std::string::npos) return true;
    }
    return false;
  }

  fs::path folder_;
  Imported imported_;
  std::string failure_;
};

constexpr const char* kUsual = R"(
[databases]
app = host=10.0.0.5 port=5433 dbname=production
other = host=db.example.com

[pgbouncer]
listen_addr = *
listen_port = 6543
auth_type = scram-sha-256
auth_file = userlist.txt
admin_users = app
pool_mode = transaction
default_pool_size = 25
max_client_conn = 500
query_wait_timeout = 15
idle_transaction_timeout = 60
server_idle_timeout = 300
server_tls_sslmode = disable
)";

TEST_F(Import, TakesAUsualInstallation) {
  const auto config = import(kUsual);
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->listen.address, "0.0.0.0");
  EXPECT_EQ(config->listen.port, 6543);
  EXPECT_EQ(config->pool.mode, config::PoolMode::kTransaction);
  EXPECT_EQ(config->pool.size, 25u);
  EXPECT_EQ(config->pool.wait_timeout, std::chrono::seconds(15));
  EXPECT_EQ(config->pool.idle_timeout, std::chrono::seconds(300));
  EXPECT_EQ(config->pool.connect_timeout, std::chrono::seconds(15));  // PgBouncer's default, not ours
  EXPECT_EQ(config->limits.clients, 500u);
  EXPECT_EQ(config->limits.idle_in_transaction_timeout, std::chrono::seconds(60));
  ASSERT_EQ(config->databases.size(), 2u);
  const auto& primary = config->databases.at("app").shards.at(0).primary;
  EXPECT_EQ(primary.host, "10.0.0.5");
  EXPECT_EQ(primary.port, 5433);
  EXPECT_EQ(primary.dbname, "production");
  EXPECT_EQ(config->databases.at("other").shards.at(0).primary.port, 5432);
  ASSERT_NE(config->user("app"), nullptr);
  EXPECT_TRUE(config->user("app")->admin);
  EXPECT_EQ(config->user("app")->password, "app's \\ secret");
  ASSERT_NE(config->user("old"), nullptr);
  EXPECT_FALSE(config->user("old")->admin);
}

TEST_F(Import, WarnsOfWhatHasNoCounterpartAndOfNothingElse) {
  ASSERT_NE(import(std::string(kUsual) + "unix_socket_dir = .\npidfile = /run/x.pid\ndns_max_ttl = 15\nserver_reset_query = DISCARD ALL\n"
                                         "log_connections = 0\nignore_startup_parameters = extra_float_digits\nno_such_thing = 1\n"),
            nullptr);
  EXPECT_TRUE(warned("pidfile", "systemd"));
  EXPECT_TRUE(warned("dns_max_ttl"));
  EXPECT_TRUE(warned("no_such_thing"));
  EXPECT_TRUE(warned("auth_file", "1 users have an md5 hash only"));
  EXPECT_EQ(imported_.warnings.size(), 4u);
  for (const auto& warning : imported_.warnings) EXPECT_NE(warning.place.find("pgbouncer.ini:"), std::string::npos) << warning.setting;
}

TEST_F(Import, PoolsBySessionWherePgBouncerDoes) {
  const auto config = import("[databases]\napp = host=h\n[pgbouncer]\nauth_file = userlist.txt\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->pool.mode, config::PoolMode::kSession);
  EXPECT_EQ(config->limits.clients, 100u);
  EXPECT_TRUE(warned("pool_mode", "session"));
}

TEST_F(Import, TakesEncryptionBothWays) {
  // The configuration wants files that can be read; what is in them counts when Howdah starts.
  fs::create_directory(folder_ / "tls");
  for (const char* name : {"tls/server.key", "tls/server.crt", "ca.crt", "server_ca.crt"}) put(name, "");
  const auto config = import(std::string(kUsual) +
                             "client_tls_sslmode = verify-full\nclient_tls_key_file = tls/server.key\nclient_tls_cert_file = tls/server.crt\n"
                             "client_tls_ca_file = ca.crt\nclient_tls_protocols = tlsv1.3\nserver_tls_sslmode = verify-full\nserver_tls_ca_file = server_ca.crt\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->listen.tls.mode, config::TlsMode::kRequire);
  EXPECT_EQ(config->listen.tls.key, (folder_ / "tls/server.key").string());
  EXPECT_EQ(config->listen.tls.client_ca, (folder_ / "ca.crt").string());
  EXPECT_EQ(config->listen.tls.min_version, config::TlsVersion::k13);
  const auto& tls = config->databases.at("app").shards.at(0).primary.tls;
  EXPECT_EQ(tls.mode, config::SslMode::kVerifyFull);
  EXPECT_EQ(tls.root_cert, (folder_ / "server_ca.crt").string());
  EXPECT_NE(imported_.hba.find("hostssl all all all scram-sha-256 clientcert=verify-full"), std::string::npos);
  EXPECT_FALSE(config->hba.rules.empty());
}

TEST_F(Import, TurnsAuthTypesIntoRules) {
  const auto config = import(std::string(kUsual) + "auth_type = trust\n");
  ASSERT_NE(config, nullptr);
  ASSERT_EQ(config->hba.rules.size(), 2u);
  EXPECT_NE(imported_.hba.find("host all all all trust"), std::string::npos);

  put("hba.conf", "host all all 10.0.0.0/8 scram-sha-256\n");
  const auto by_file = import(std::string(kUsual) + "auth_type = hba\nauth_hba_file = hba.conf\n");
  ASSERT_NE(by_file, nullptr);
  EXPECT_EQ(by_file->hba.rules.size(), 1u);
  EXPECT_TRUE(imported_.hba.empty());
}

TEST_F(Import, LooksUsersUpByQuery) {
  put("userlist.txt", "\"asker\" \"its password\"\n");
  const auto config = import(
      "[databases]\napp = host=h auth_query='SELECT * FROM lookup.secret_of($1)'\nplain = host=h auth_user=''\n"
      "[pgbouncer]\nauth_file = userlist.txt\nauth_user = asker\nauth_dbname = postgres\n");
  ASSERT_NE(config, nullptr);
  const auto& query = config->databases.at("app").auth_query;
  EXPECT_EQ(query.user, "asker");
  EXPECT_EQ(query.password, "its password");
  EXPECT_EQ(query.dbname, "postgres");
  EXPECT_EQ(query.query, "SELECT * FROM lookup.secret_of($1)");
  EXPECT_TRUE(config->databases.at("plain").auth_query.user.empty());
}

TEST_F(Import, SaysWhatADatabaseLineCannotKeep) {
  const auto config = import(
      "[databases]\n* = host=any\nforced = host=h user=owner password='p w'\nasked = host=h connect_query='SELECT 1' timezone=UTC\n"
      "many = host=a,b\nbroken = host='x\nmode = host=h pool_mode=session\npgbouncer = host=h\n"
      "[peers]\n1 = host=p\n[pgbouncer]\nauth_file = userlist.txt\npool_mode = transaction\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->databases.size(), 4u);
  EXPECT_TRUE(warned("*"));
  EXPECT_TRUE(warned("forced", "user=owner"));
  EXPECT_TRUE(warned("asked", "connect_query is not run"));
  EXPECT_TRUE(warned("asked", "timezone=UTC"));
  EXPECT_TRUE(warned("many", "only the first"));
  EXPECT_TRUE(warned("broken", "left out"));
  EXPECT_TRUE(warned("mode", "pool_mode=session"));
  EXPECT_TRUE(warned("pgbouncer", "console"));
  EXPECT_TRUE(warned("1", "cancel"));
  ASSERT_NE(config->user("owner"), nullptr);
  EXPECT_EQ(config->user("owner")->server_password, "p w");
}

TEST_F(Import, WritesSecretsThatLookLikeVariables) {
  put("userlist.txt", "\"asker\" \"pa${HOME}ss: #1\"\n");
  const auto config = import("[databases]\napp = host=h\n[pgbouncer]\nauth_file = userlist.txt\nauth_user = asker\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->databases.at("app").auth_query.password, "pa${HOME}ss: #1");
}

TEST_F(Import, TakesSizesOfOneUser) {
  const auto config = import("[databases]\napp = host=h\n[users]\napp = pool_size=7 pool_mode=session nonsense=1\n[pgbouncer]\nauth_file = userlist.txt\npool_mode = transaction\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->user("app")->limits.pool_size, 7u);
  EXPECT_TRUE(warned("app", "pool_mode=session"));
  EXPECT_TRUE(warned("app", "nonsense=1"));
}

TEST_F(Import, TakesLimitsAndTimeouts) {
  const auto config = import(
      "[databases]\napp = host=h pool_size=9 max_db_connections=30 reserve_pool=2\n[pgbouncer]\nauth_file = userlist.txt\nmin_pool_size = 2\n"
      "reserve_pool_size = 3\nreserve_pool_timeout = 1.5\nmax_db_connections = 50\nmax_user_connections = 40\nmax_db_client_connections = 200\n"
      "max_user_client_connections = 100\nquery_timeout = 20\ntransaction_timeout = 30\nclient_idle_timeout = 900\nclient_login_timeout = 12\n"
      "query_wait_notify = 7\nserver_lifetime = 1200\nserver_connect_timeout = 2\n");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->pool.min_size, 2u);
  EXPECT_EQ(config->pool.reserve_size, 3u);
  EXPECT_EQ(config->pool.reserve_timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(config->pool.wait_notice, std::chrono::seconds(7));
  EXPECT_EQ(config->pool.lifetime, std::chrono::seconds(1200));
  EXPECT_EQ(config->pool.connect_timeout, std::chrono::seconds(2));
  EXPECT_EQ(config->limits.server_connections_per_database, 50u);
  EXPECT_EQ(config->limits.server_connections_per_user, 40u);
  EXPECT_EQ(config->limits.clients_per_database, 200u);
  EXPECT_EQ(config->limits.clients_per_user, 100u);
  EXPECT_EQ(config->limits.query_timeout, std::chrono::seconds(20));
  EXPECT_EQ(config->limits.transaction_timeout, std::chrono::seconds(30));
  EXPECT_EQ(config->limits.idle_timeout, std::chrono::seconds(900));
  EXPECT_EQ(config->limits.login_timeout, std::chrono::seconds(12));
  const auto& mine = config->databases.at("app").limits;
  EXPECT_EQ(mine.pool_size, 9u);
  EXPECT_EQ(mine.server_connections, 30u);
  EXPECT_EQ(mine.reserve_pool_size, 2u);
}

TEST_F(Import, FailsOnWhatIsNoneOfPgBouncers) {
  EXPECT_EQ(import("[server]\nport = 1\n"), nullptr);
  EXPECT_NE(failure_.find("is this a pgbouncer.ini?"), std::string::npos);
  EXPECT_EQ(import("[databases]\napp = host=h\n[pgbouncer]\nauth_file = missing.txt\n"), nullptr);
  EXPECT_NE(failure_.find("missing.txt"), std::string::npos);
}

}  // namespace
}  // namespace howdah::ctl
