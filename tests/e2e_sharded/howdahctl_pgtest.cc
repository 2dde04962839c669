// `howdahctl transactions`, `howdahctl drift` and `howdahctl check-queries` against a real proxy with four shards.
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

  static testing::Finished ctl(std::vector<std::string> arguments) { return testing::howdahctl(std::move(arguments)); }
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

TEST_F(Reports, NameWhereShardsDiffer) {
  const auto alike = ctl({"drift", "--url", console()});
  EXPECT_EQ(alike.status, 0) << alike.output;
  EXPECT_NE(alike.output.find("0 differences"), std::string::npos) << alike.output;
  auto server = world_->cluster().primary(2).superuser();
  server.must("CREATE TYPE mood AS ENUM ('sad'); ALTER TABLE users ADD COLUMN extra int NOT NULL DEFAULT 7, ADD CONSTRAINT named CHECK (name <> ''); CREATE UNIQUE INDEX ON users (name);"
              "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'; ALTER DATABASE app SET TimeZone = 'Asia/Tokyo'; DROP TABLE categories");
  const auto text = ctl({"drift", "--url", console()});
  EXPECT_EQ(text.status, 1);
  for (const char* line : {"app  column public.users.extra\n  s0: not there\n  s2: integer NOT NULL DEFAULT 7\n", "app  constraint public.users named\n  s0: not there\n  s2: CHECK ((name <> ''::text))\n",
                           "app  index public.users_name_idx\n  s0: not there\n  s2: CREATE UNIQUE INDEX users_name_idx ON public.users USING btree (name)\n",
                           "app  table public.users\n  s0: TABLE (id, name)\n  s2: TABLE (id, name, extra)\n", "app  table public.categories\n  s0: TABLE (id)\n  s2: not there\n",
                           "app  server TimeZone\n", "  s2: Asia/Tokyo\n", "app  type public.mood\n", "app  function public.twice(integer)\n",
                           "app  setting all roles, this database\n"}) {
    EXPECT_NE(text.output.find(line), std::string::npos) << line << "\nin\n" << text.output;
  }
  EXPECT_EQ(text.output.find("categories_pkey"), std::string::npos) << text.output;
  const auto json = ctl({"drift", "--json", "--url", console()});
  EXPECT_EQ(json.status, 1);
  const auto asked = e2e_sharded::run(world_->twin(),
                                      "SELECT d->>'database', d->>'shard', d->>'first_shard', d->'first_shard_has', d->>'shard_has' "
                                      "FROM json_array_elements($1::json->'drift') d WHERE d->>'object' = 'public.mood' AND $1::json->>'schema' = 'howdah.drift.v1'",
                                      Mode::kText, {json.output});
  EXPECT_EQ(asked.rows, (decltype(asked.rows){{"app", "s2", "s0", "null", "ENUM ('sad')"}})) << json.output;
  EXPECT_NE(ctl({"drift", "--database", "other", "--url", console()}).output.find("0 differences"), std::string::npos);
  server.must("DROP TYPE mood; ALTER TABLE users DROP COLUMN extra, DROP CONSTRAINT named; DROP INDEX users_name_idx; DROP FUNCTION twice; ALTER DATABASE app RESET TimeZone;"
              "CREATE TABLE categories (id int PRIMARY KEY); GRANT ALL ON categories TO app");
  EXPECT_EQ(ctl({"drift", "--url", console()}).status, 0);
  // A shard that does not answer is named, and is no proof that all is well.
  world_->cluster().primary(3).stop();
  const auto down = ctl({"drift", "--url", console()});
  world_->cluster().primary(3).start();
  EXPECT_EQ(down.status, 1);
  EXPECT_NE(down.output.find("howdahctl: s3: "), std::string::npos) << down.output;
  EXPECT_NE(down.output.find("0 differences"), std::string::npos) << down.output;
  testing::await("the watch to find the table mended", [] { return e2e_sharded::run(world_->howdah(), "SELECT count(*) FROM users").sqlstate.empty(); });
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
