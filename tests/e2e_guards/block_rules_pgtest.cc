// Statements that operators block: in all the ways a client can send them, on all workers, at once.
#include "sharding/sql/fingerprint.h"
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

constexpr const char* kBad = "SELECT count(*) FROM notes WHERE id > 5";

class Blocks : public Limits {
 protected:
  void SetUp() override {
    start({});
    admin_ = std::make_unique<PgConn>(howdah_->connect("admin", "howdah"));
  }
  static std::string name_of(const std::string& sql) { return sharding::sql::fingerprint_text(sharding::sql::fingerprint_of(sql)); }
  std::unique_ptr<PgConn> admin_;
};

TEST_F(Blocks, RefuseTheStatementHoweverItIsSent) {
  std::vector<PgConn> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect("app"));  // two on each worker
    ASSERT_TRUE(clients.back().prepare("bad", "SELECT count(*) FROM notes WHERE id > $1").ok());
    ASSERT_TRUE(clients.back().execute("bad", {"1"}).ok());
    clients.back().must("PREPARE worse (int) AS SELECT count(*) FROM notes WHERE id > $1");
    clients.back().must("EXECUTE worse (1)");
  }
  admin_->must("BLOCK " + name_of(kBad) + " 'incident 42: full scans'");
  for (PgConn& client : clients) {
    const Answer refused = client.query("select COUNT(*) from notes where id > 77");
    EXPECT_EQ(refused.sqlstate, "42501");
    EXPECT_EQ(refused.message, "this statement is blocked: incident 42: full scans");
    EXPECT_NE(refused.detail.find(name_of(kBad)), std::string::npos) << refused.detail;
    EXPECT_EQ(client.execute("bad", {"1"}).sqlstate, "42501");
    EXPECT_EQ(client.query(kBad, {}).sqlstate, "42501");
    EXPECT_EQ(client.query("EXECUTE worse (1)").sqlstate, "42501");
    EXPECT_EQ(client.query("INSERT INTO notes VALUES (1); " + std::string(kBad)).sqlstate, "42501");
    client.must("SELECT count(*) FROM notes WHERE id < 5");
  }
  EXPECT_EQ(superuser_->scalar("SELECT count(*) FROM notes"), "0") << "the statement before it in the string is undone";
  const Answer blocks = admin_->must("SHOW BLOCKS");
  EXPECT_EQ(blocks.text(), name_of(kBad) + "|incident 42: full scans|console|-1|20");
  const auto metrics = testing::http_get(howdah_->http_port(), "/metrics").body;
  EXPECT_NE(metrics.find("howdah_blocked_statements_total{fingerprint=\"" + name_of(kBad) + "\"} 20"), std::string::npos);
  admin_->must("UNBLOCK " + name_of(kBad));
  for (PgConn& client : clients) {
    client.must(kBad);
    EXPECT_TRUE(client.execute("bad", {"1"}).ok());
  }
  EXPECT_TRUE(admin_->must("SHOW BLOCKS").rows.empty());
  EXPECT_NE(howdah_->log().find("statement blocked fingerprint=" + name_of(kBad)), std::string::npos);
  EXPECT_NE(howdah_->log().find("statement no longer blocked fingerprint=" + name_of(kBad)), std::string::npos);
}

TEST_F(Blocks, FailTheTransactionTheyStandIn) {
  admin_->must("BLOCK " + name_of(kBad));
  PgConn client = connect("app");
  client.must("BEGIN");
  client.must("INSERT INTO notes VALUES (1)");
  EXPECT_EQ(client.query(kBad).message, "this statement is blocked");
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "25P02");
  EXPECT_EQ(client.must("COMMIT").tag, "ROLLBACK");
}

TEST_F(Blocks, EndByThemselves) {
  admin_->must("BLOCK " + name_of(kBad) + " FOR '400ms' 'for a moment'");
  PgConn client = connect("app");
  EXPECT_TRUE(testing::wait_until([&] { return client.query(kBad).ok(); }));
  EXPECT_TRUE(admin_->must("SHOW BLOCKS").rows.empty());
}

TEST_F(Blocks, ComeFromTheConfigurationAsWell) {
  PgConn client = connect("app");
  client.must(kBad);
  Chosen chosen;
  chosen.limits = "{ clients: 1000 }\nblocks: [ { fingerprint: '" + name_of(kBad) + "', reason: too slow } ]";
  reload(chosen);
  EXPECT_EQ(client.query(kBad).message, "this statement is blocked: too slow");
  EXPECT_EQ(admin_->query("UNBLOCK " + name_of(kBad)).sqlstate, "22023") << "the configuration's word stays";
  admin_->must("BLOCK " + name_of("SELECT 1") + " FOR '1h'");
  reload({});
  client.must(kBad);
  EXPECT_EQ(client.query("SELECT 1").sqlstate, "42501") << "the console's block survives a reload";
}

TEST_F(Blocks, NeedAFingerprint) {
  EXPECT_EQ(admin_->query("BLOCK").sqlstate, "42601");
  EXPECT_EQ(admin_->query("BLOCK nonsense").sqlstate, "22023");
  EXPECT_EQ(admin_->query("BLOCK 0123456789abcdef FOR 'a while'").sqlstate, "22023");
  EXPECT_EQ(admin_->query("BLOCK 0123456789abcdef 'one' 'two'").sqlstate, "42601");
  EXPECT_EQ(admin_->query("UNBLOCK 0123456789abcdef").sqlstate, "22023");
}

TEST_F(Blocks, AreFoundInTheListOfStatements) {
  PgConn client = connect("app");
  for (int i = 0; i < 7; ++i) client.must("SELECT count(*) FROM notes WHERE id > " + std::to_string(i));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.query("SELECT 'secret', $1::int", {"1"}).ok());
  const auto row_of = [&](const std::string& name) {
    for (const auto& row : admin_->must("SHOW STATEMENTS").rows) {
      if (row[0] == name) return row[1].value_or("") + "|" + row[2].value_or("") + "|" + row[3].value_or("");
    }
    return std::string("none");
  };
  EXPECT_EQ(row_of(name_of(kBad)), "7|no|select count ( * ) from notes where id > ?");
  EXPECT_EQ(row_of(name_of("SELECT 'x', $1::int")), "3|no|select ? , $1 :: int") << "no literal of a client's";
  admin_->must("BLOCK " + name_of(kBad));
  EXPECT_EQ(row_of(name_of(kBad)), "7|yes|select count ( * ) from notes where id > ?");
}

}  // namespace
}  // namespace howdah::e2e_limits
