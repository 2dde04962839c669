// `howdahctl transactions` and `howdahctl check-queries` against a real proxy with four shards.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "proxy/control/gid.h"
#include "tests/e2e_sharded/twin.h"
#include "tests/support/files.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace howdah::e2e_sharded {
namespace {

class Reports : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<Twin>("CREATE TABLE users (id bigint PRIMARY KEY, name text); CREATE TABLE categories (id int PRIMARY KEY)",
                                    "users: { hash: id }\ncategories: { reference: true }", std::vector<Sharded>{{"users", "id"}});
  }
  static void TearDownTestSuite() { world_.reset(); }

  static testing::Finished ctl(std::vector<std::string> arguments) {
    const auto binary = std::filesystem::path(testing::howdah_binary()).parent_path() / "howdahctl";
    arguments.insert(arguments.begin(), binary.string());
    return testing::run({.argv = std::move(arguments)});
  }
  static std::string console() { return world_->proxy().url("admin", "howdah"); }

  static std::unique_ptr<Twin> world_;
};
std::unique_ptr<Twin> Reports::world_;

TEST_F(Reports, NameWhatIsInDoubt) {
  EXPECT_NE(ctl({"transactions", "--json", "--url", console()}).output.find("\"schema\": \"howdah.transactions.v1\", \"in_doubt\": []"), std::string::npos);
  // Its commit point is no shard of this cluster: nobody can ever decide it, and no recovery takes it away.
  const std::string hash(64, 'a');
  const std::string gid = control::Gid{.cluster = "test", .participant = "s1", .commit_point = "s9", .epoch = Epoch(1), .token_hash = hash}.to_string();
  auto server = world_->cluster().primary(1).superuser();
  server.must("BEGIN; CREATE TABLE forgotten (); PREPARE TRANSACTION '" + gid + "'");
  testing::await("its age", [&] { return ctl({"transactions", "--url", console()}).output.find("1 in doubt") != std::string::npos; });
  const auto json = ctl({"transactions", "--json", "--url", console()});
  EXPECT_EQ(json.status, 0) << json.output;
  EXPECT_NE(json.output.find("\"gid\": \"" + gid + "\""), std::string::npos) << json.output;
  EXPECT_NE(json.output.find("\"participants\": [\"s1\"], \"commit_point\": \"s9\""), std::string::npos) << json.output;
  EXPECT_NE(json.output.find("\"decision\": \"unknown\""), std::string::npos) << json.output;
  EXPECT_NE(ctl({"transactions", "--url", console(), "--older-than", "10000000"}).output.find("0 in doubt"), std::string::npos);
  server.must("ROLLBACK PREPARED '" + gid + "'");
  EXPECT_NE(ctl({"transactions", "--url", console()}).output.find("0 in doubt"), std::string::npos);
  EXPECT_EQ(ctl({"transactions", "--url", "postgres://nobody@127.0.0.1:1/x"}).status, 1);
  EXPECT_NE(ctl({"transactions", "--help"}).output.find("--json"), std::string::npos);
}

TEST_F(Reports, TellHowStatementsWouldRun) {
  testing::TempDir folder;
  const std::string file = folder.path() + "/app.sql";
  std::ofstream(file) << "SELECT * FROM users WHERE id = $1;\nSELECT * FROM users WHERE id = 5;\nSELECT count(*) FROM users;\n"
                         "UPDATE users SET id = DEFAULT;\nDELETE FROM users;\nSELEC 1;\nSELECT * FROM users WHERE id IN ($1, $2);";
  const auto text = ctl({"check-queries", file, "--url", world_->proxy().url()});
  EXPECT_EQ(text.status, 1) << text.output;
  EXPECT_NE(text.output.find("7 statements: 2 one-shard, 3 many-shard, 1 refused, 1 error"), std::string::npos) << text.output;
  EXPECT_NE(text.output.find("by $1, sharding key: one shard"), std::string::npos) << text.output;
  const auto json = ctl({"check-queries", file, "--json", "--url", world_->proxy().url()});
  EXPECT_NE(json.output.find("{\"schema\": \"howdah.check-queries.v1\", \"statements\": ["), std::string::npos) << json.output;
  EXPECT_NE(json.output.find("\"refused\": {\"statements\": 1, \"calls\": 1}"), std::string::npos) << json.output;
  // Nothing ran, and the document is one.
  EXPECT_EQ(e2e_sharded::run(world_->twin(), "SELECT $1::json->>'schema'", Mode::kText, {json.output}).rows.at(0).at(0), "howdah.check-queries.v1");
  EXPECT_EQ(ctl({"check-queries", file + ".none", "--url", world_->proxy().url()}).status, 2);
  EXPECT_EQ(ctl({"check-queries", "--url", world_->proxy().url()}).status, 2);
  EXPECT_NE(ctl({"check-queries", "--help"}).output.find("pg_stat_statements"), std::string::npos);
}

}  // namespace
}  // namespace howdah::e2e_sharded
