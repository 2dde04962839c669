// Slow and half-closed clients over TLS, and records that libpq can take.
#include <gtest/gtest.h>

#include <algorithm>

#include "drivers/pgwire/frontend.h"
#include "tests/e2e_access/access_client.h"
#include "tests/e2e_access/access_fixture.h"
#include "tests/e2e_access/certificates.h"

namespace howdah::e2e_limits {
namespace {

using e2e_access::AccessClient;

class TlsPeers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = std::make_unique<e2e_access::Certificates>();
    const auto pair = certificates_->server();
    cluster_ = std::make_unique<testing::PgCluster>();
    howdah_ = e2e_access::start(*cluster_, {.listen = "tls: { mode: require, cert: " + pair.cert + ", key: " + pair.key + " }"});
  }
  static void TearDownTestSuite() {
    howdah_.reset();
    cluster_.reset();
    certificates_.reset();
  }
  static std::string query(Bytes sql) {
    std::string out;
    pgwire::append_query(out, sql);
    return out;
  }
  static inline std::unique_ptr<e2e_access::Certificates> certificates_;
  static inline std::unique_ptr<testing::PgCluster> cluster_;
  static inline std::unique_ptr<testing::HowdahProcess> howdah_;
};

// Lengths of the records that come, as their headers say.
void note_records(int write, int, int type, const void* data, std::size_t size, SSL*, void* into) {
  if (write != 0 || type != SSL3_RT_HEADER || size < 5) return;
  const auto* header = static_cast<const unsigned char*>(data);
  static_cast<std::vector<int>*>(into)->push_back(header[3] << 8 | header[4]);
}

TEST_F(TlsPeers, GetRecordsOfNoMoreThanEightKilobytes) {
  AccessClient client(howdah_->port());
  ASSERT_TRUE(client.ask_tls()) << client.failure();
  ASSERT_EQ(client.log_in().back(), "ReadyForQuery I");
  std::vector<int> records;
  SSL_set_msg_callback(client.ssl(), note_records);
  SSL_set_msg_callback_arg(client.ssl(), &records);
  EXPECT_EQ(client.query("SELECT repeat('x', 300000)").size(), 300'000u);
  SSL_set_msg_callback(client.ssl(), nullptr);
  EXPECT_GT(records.size(), 30u);
  // The cipher's own bytes come on top.
  EXPECT_LE(*std::max_element(records.begin(), records.end()), 8192 + 64);
}

TEST_F(TlsPeers, HearTheEndOfTheConnectionAsTlsSaysIt) {
  AccessClient client(howdah_->port());
  ASSERT_TRUE(client.ask_tls()) << client.failure();
  ASSERT_EQ(client.log_in().back(), "ReadyForQuery I");
  std::string terminate;
  pgwire::append_terminate(terminate);
  client.send(terminate);
  EXPECT_TRUE(client.last_words().empty());
  EXPECT_NE(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0) << "close_notify, and not just the end of the stream";
}

TEST_F(TlsPeers, WhoStopSendingAfterAPipelineGetEveryAnswer) {
  AccessClient client(howdah_->port());
  ASSERT_TRUE(client.ask_tls()) << client.failure();
  ASSERT_EQ(client.log_in().back(), "ReadyForQuery I");
  std::string pipeline;
  for (int i = 0; i < 20; ++i) pipeline += query("SELECT length(repeat('x', 100000)), repeat('y', 100000)");
  client.send(pipeline);
  SSL_shutdown(client.ssl());  // sends close_notify; TLS 1.3 lets us read on
  const auto said = client.last_words();
  EXPECT_EQ(std::count(said.begin(), said.end(), "ReadyForQuery I"), 20);
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace howdah::e2e_limits
