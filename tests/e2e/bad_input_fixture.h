// One proxy that is abused by every test in turn, and must serve an ordinary client after each.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/raw_client.h"
#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"

namespace howdah::e2e {

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (howdah_) return;
    cluster_ = std::make_unique<testing::PgCluster>();
    howdah_ =
        start(*cluster_, {.pool = "{ mode: transaction, size: 5, connect_timeout: 1s, wait_timeout: 5s }",
                          .extra = "limits: { login_timeout: 2s, message_bytes: 1MB }",
                          .database_extra = "failover_wait: 500ms"});
    pid_ = howdah_->pid();
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
  }
  // The same process serves whoever behaves.
  void TearDown() override {
    ASSERT_TRUE(howdah_->running()) << howdah_->log();
    EXPECT_EQ(howdah_->pid(), pid_);
    testing::PgConn conn(howdah_->url());
    ASSERT_TRUE(conn.ok()) << conn.error();
    EXPECT_EQ(conn.query("SELECT 40 + 2").scalar(), "42");
  }

  static testing::PgCluster& cluster() { return *cluster_; }
  static testing::HowdahProcess& howdah() { return *howdah_; }
  static RawClient client() { return RawClient(howdah_->port()); }
  static RawClient direct() { return RawClient(cluster_->primary().port()); }

  // What is read until the end, as lines; "silence" last when the peer did not close.
  static std::vector<std::string> last_words(RawClient& client) {
    auto lines = to_lines(client.until_closed());
    if (!client.closed()) lines.push_back("silence");
    return lines;
  }
  // Sends bytes instead of a startup packet: the connection ends, with FATAL 08P01 at most.
  static void expect_refused(Bytes bytes) {
    RawClient raw = client();
    raw.send(bytes);
    const auto messages = raw.until_closed();
    EXPECT_TRUE(raw.closed()) << "the connection stays open";
    expect_fatal_at_most(messages);
  }
  static void expect_fatal_at_most(const std::vector<Message>& messages) {
    EXPECT_LE(messages.size(), 1u) << ::testing::PrintToString(to_lines(messages));
    if (!messages.empty())
      EXPECT_TRUE(to_line(messages[0]).starts_with("Error FATAL 08P01")) << to_line(messages[0]);
  }

 private:
  static inline std::unique_ptr<testing::PgCluster> cluster_;
  static inline std::unique_ptr<testing::HowdahProcess> howdah_;
  static inline pid_t pid_ = 0;
};

}  // namespace howdah::e2e
