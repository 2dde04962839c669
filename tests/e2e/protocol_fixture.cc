#include "tests/e2e/protocol_fixture.h"

#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"

namespace howdah::e2e {

std::unique_ptr<testing::PgCluster> ProtocolTest::cluster_;
std::unique_ptr<testing::HowdahProcess> ProtocolTest::howdah_;

void ProtocolTest::SetUpTestSuite() {
  if (cluster_) return;
  cluster_ = std::make_unique<testing::PgCluster>();
  cluster_->primary().run_sql(
      "GRANT ALL ON SCHEMA public TO app; SET ROLE app;"
      "CREATE TABLE items (id int PRIMARY KEY, name text, price numeric(8,2) CHECK (price >= 0));"
      "CREATE TABLE lines (id int, body text);"
      "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  howdah_ = start(*cluster_);
}

void ProtocolTest::TearDownTestSuite() {
  howdah_.reset();
  cluster_.reset();
}

void ProtocolTest::fresh_tables() {
  cluster_->primary().run_sql(
      "TRUNCATE items, lines, late; INSERT INTO items SELECT i, 'item ' || i, i FROM generate_series(1, 5) i;"
      "DROP TABLE IF EXISTS made");
}

std::vector<std::string> ProtocolTest::on_postgres(const Script& script) {
  fresh_tables();
  RawClient client(cluster_->primary().port());
  client.log_in();
  EXPECT_TRUE(client.logged_in());
  return play(client, script, Pace::kSteps);
}

std::vector<std::string> ProtocolTest::through_howdah(const Script& script, Pace pace) {
  fresh_tables();
  RawClient client(howdah_->port());
  const auto login = client.log_in();
  EXPECT_TRUE(client.logged_in()) << first_sqlstate(login) << howdah_->log();
  return play(client, script, pace);
}

void ProtocolTest::expect_same(const Script& script, std::initializer_list<Pace> paces) {
  const auto expected = on_postgres(script);
  std::string told;
  for (const Pace pace : paces) {
    const std::string difference = e2e::difference(expected, through_howdah(script, pace));
    if (difference.empty()) continue;
    ADD_FAILURE() << "pace " << static_cast<int>(pace) << (difference == told ? ": the same\n" : difference);
    told = difference;
  }
}

}  // namespace howdah::e2e
