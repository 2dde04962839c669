// A server answers and is gone in the same moment: the answer counts, and the client is told of it once.
#include <gtest/gtest.h>

#include <csignal>
#include <future>

#include "tests/e2e_faults/step_gate.h"
#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::Answer;
using testing::PgConn;

class AnsweredThenLost : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<testing::PgCluster>();
    gate_ = std::make_unique<StepGate>(0, cluster_->primary().port(), trap_);
    testing::HowdahOptions options;
    options.primary_ports = {gate_->port()};
    proxy_ = std::make_unique<testing::HowdahProcess>(*cluster_, options);
    proxy_->connect().must("CREATE TABLE marks (id int)");
  }
  static void TearDownTestSuite() {
    proxy_.reset();
    gate_.reset();
    cluster_.reset();
  }

  // `run` sends a statement with these words. Its server's answer and the end of the connection are both there before the proxy looks.
  static Answer lose_after(const std::string& words, const std::function<Answer()>& run) {
    trap_.set(words, StepTrap::Moment::kUnanswered);
    auto answer = std::async(std::launch::async, run);
    EXPECT_TRUE(trap_.wait(std::chrono::seconds(10)).has_value());
    proxy_->signal(SIGSTOP);
    const auto before = gate_->closed();
    trap_.answer_and_let_go();
    testing::await("the gate to close", [&] { return gate_->closed() > before; });
    proxy_->signal(SIGCONT);
    return answer.get();
  }

  // Each answer is its own statement's.
  static void expect_in_step(PgConn& client) {
    for (const char* number : {"1", "2", "3"}) EXPECT_EQ(client.query(std::string("SELECT ") + number).scalar(), number);
  }

  static StepTrap trap_;
  static std::unique_ptr<testing::PgCluster> cluster_;
  static std::unique_ptr<StepGate> gate_;
  static std::unique_ptr<testing::HowdahProcess> proxy_;
};
StepTrap AnsweredThenLost::trap_;
std::unique_ptr<testing::PgCluster> AnsweredThenLost::cluster_;
std::unique_ptr<StepGate> AnsweredThenLost::gate_;
std::unique_ptr<testing::HowdahProcess> AnsweredThenLost::proxy_;

TEST_F(AnsweredThenLost, ReadsAndWrites) {
  PgConn client = proxy_->connect();
  EXPECT_EQ(lose_after("SELECT 'here'", [&] { return client.query("SELECT 'here'"); }).scalar(), "here");
  expect_in_step(client);
  EXPECT_EQ(lose_after("INSERT INTO marks", [&] { return client.query("INSERT INTO marks VALUES (1)"); }).tag, "INSERT 0 1");
  expect_in_step(client);
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE id = 1"), "1");
  EXPECT_EQ(lose_after("1 / 0", [&] { return client.query("SELECT 1 / 0"); }).sqlstate, "22012");
  expect_in_step(client);
}

TEST_F(AnsweredThenLost, ExtendedProtocol) {
  PgConn client = proxy_->connect();
  EXPECT_EQ(lose_after("SELECT $1::text || 'x'", [&] { return client.query("SELECT $1::text || 'x'", {"a"}); }).scalar(), "ax");
  expect_in_step(client);
  client.prepare("put", "INSERT INTO marks VALUES ($1)");
  EXPECT_EQ(client.execute("put", {"2"}).tag, "INSERT 0 1");
  EXPECT_EQ(lose_after(std::string("\0\0\0\0012", 5), [&] { return client.execute("put", {"2"}); }).tag, "INSERT 0 1");
  expect_in_step(client);
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE id = 2"), "2");
}

TEST_F(AnsweredThenLost, InTransactions) {
  PgConn client = proxy_->connect();
  client.must("BEGIN");
  EXPECT_EQ(lose_after("(30)", [&] { return client.query("INSERT INTO marks VALUES (30)"); }).tag, "INSERT 0 1");
  EXPECT_EQ(client.query("INSERT INTO marks VALUES (31)").sqlstate.substr(0, 2), "08");
  EXPECT_EQ(client.must("ROLLBACK").tag, "ROLLBACK");
  expect_in_step(client);
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE id IN (30, 31)"), "0");

  client.must("BEGIN");
  client.must("INSERT INTO marks VALUES (32)");
  EXPECT_EQ(lose_after("COMMIT", [&] { return client.query("COMMIT"); }).tag, "COMMIT");
  expect_in_step(client);
  EXPECT_EQ(client.scalar("SELECT count(*) FROM marks WHERE id = 32"), "1");
}

}  // namespace
}  // namespace howdah::faults
