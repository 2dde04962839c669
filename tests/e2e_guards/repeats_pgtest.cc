// What the proxy repeats by itself has a budget: beyond it the error goes to the client.
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

class Repeats : public Limits {
 protected:
  static constexpr const char* kWaiting = "FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'";

  // A read that waits for a locked table, and whose connection is ended there.
  PgConn read_and_lose_server() {
    superuser_->must("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE");
    PgConn client = connect("app");
    send(client, "SELECT count(*) FROM notes");
    PgConn other = cluster_->primary().superuser();
    testing::await("the read", [&] { return other.scalar(std::string("SELECT count(pg_terminate_backend(pid, 5000)) ") + kWaiting) == "1"; });
    return client;
  }
  std::string metric(const std::string& name) {
    const auto text = testing::http_get(howdah_->http_port(), "/metrics").body;
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? "none" : text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2);
  }
};

TEST_F(Repeats, HappenUnseenAsLongAsTheyAreFew) {
  start({});
  EXPECT_EQ(metric("howdah_repeats_total"), "0");
  PgConn client = read_and_lose_server();
  PgConn other = cluster_->primary().superuser();
  testing::await("the read to come again, on another connection", [&] { return other.scalar(std::string("SELECT count(*) ") + kWaiting) == "1"; });
  EXPECT_EQ(metric("howdah_repeats_total"), "1");
  superuser_->must("ROLLBACK");
  EXPECT_EQ(answer(client).text(), "0");
}

TEST_F(Repeats, EndWithTheBudget) {
  start({.limits = "{ clients: 1000, retry_percentage: 0, retry_minimum: 0 }"});
  PgConn client = read_and_lose_server();
  EXPECT_EQ(answer(client).sqlstate, "57P01") << "the first error, as it came";
  EXPECT_EQ(metric("howdah_repeats_total"), "0");
  EXPECT_EQ(metric("howdah_repeats_denied_total"), "1");
  superuser_->must("ROLLBACK");
  client.must("SELECT count(*) FROM notes");
}

}  // namespace
}  // namespace howdah::e2e_limits
