#include "tests/e2e_prepared/prepared_fixture.h"

#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"

namespace howdah::e2e_prepared {

std::unique_ptr<testing::PgCluster> PreparedTest::cluster_;
std::unique_ptr<testing::HowdahProcess> PreparedTest::howdah_;

void PreparedTest::TearDownTestSuite() {
  howdah_.reset();
  cluster_.reset();
}

PreparedTest::PreparedTest(const std::string& pool) {
  if (cluster_) {
    fresh();
    return;
  }
  cluster_ = std::make_unique<testing::PgCluster>();
  must(
      "GRANT ALL ON SCHEMA public TO app; SET ROLE app;"
      "CREATE TABLE items (id int PRIMARY KEY, name text);"
      "CREATE TABLE lines (id int, body text)");
  testing::HowdahOptions options;
  options.pool = pool;
  howdah_ = e2e::start(*cluster_, options);
  fresh();
}

void PreparedTest::fresh() {
  must("DROP TABLE IF EXISTS made; TRUNCATE items, lines; INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 5) i");
}

std::unique_ptr<RawClient> PreparedTest::client() {
  auto made = std::make_unique<RawClient>(howdah_->port());
  made->log_in();
  EXPECT_TRUE(made->logged_in()) << howdah_->log();
  return made;
}

std::unique_ptr<RawClient> PreparedTest::direct() {
  auto made = std::make_unique<RawClient>(cluster_->primary().port());
  made->log_in();
  EXPECT_TRUE(made->logged_in());
  return made;
}

std::vector<std::string> PreparedTest::on_postgres(const Script& script) {
  fresh();
  return e2e::play(*direct(), script, Pace::kSteps);
}

std::vector<std::string> PreparedTest::through_howdah(const Script& script) {
  return e2e::play(*client(), script, Pace::kSteps);
}

void PreparedTest::expect_same(const Script& script, std::initializer_list<Pace> paces) {
  const auto expected = on_postgres(script);
  for (const Pace pace : paces) {
    fresh();
    const std::string parted = e2e::difference(expected, e2e::play(*client(), script, pace));
    EXPECT_EQ(parted, "") << "pace " << static_cast<int>(pace);
    if (!parted.empty()) return;
  }
}

std::vector<std::string> say(RawClient& client, const Script& script) {
  std::vector<std::string> lines;
  for (const auto& step : script.steps()) {
    client.send(step.bytes);
    for (auto& line : e2e::to_lines(client.until(step.until, step.count))) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace howdah::e2e_prepared
