// Patroni's word about a server counts: who is no leader there is no primary here, whatever it says itself.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "tests/support/howdah_process.h"
#include "tests/support/wait.h"

namespace howdah::faults {
namespace {

using testing::Answer;
using testing::PgConn;

// GET anything: what say() was given last, as Patroni's REST endpoint would.
class RestEndpoint {
 public:
  explicit RestEndpoint(const std::string& role) {
    say(role);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("no endpoint");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RestEndpoint() {
    stopping_ = true;
    thread_.join();
    close(listener_);
  }
  void say(const std::string& role) {
    const std::lock_guard lock(mutex_);
    body_ = "{\"state\": \"running\", \"role\": \"" + role + "\", \"timeline\": 1, \"patroni\": {\"scope\": \"s0\"}}";
  }
  std::string keyword() const { return " patroni=http://127.0.0.1:" + std::to_string(port_); }
  int asked() const { return asked_; }

 private:
  void serve() {
    while (!stopping_) {
      pollfd ready{listener_, POLLIN, 0};
      if (poll(&ready, 1, 20) <= 0) continue;
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) continue;
      std::string request;
      char part[1024];
      for (ssize_t got; request.find("\r\n\r\n") == std::string::npos && (got = recv(fd, part, sizeof part, 0)) > 0;) request.append(part, static_cast<std::size_t>(got));
      std::string answer;
      {
        const std::lock_guard lock(mutex_);
        answer = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body_.size()) + "\r\n\r\n" + body_;
      }
      if (request.starts_with("GET /patroni ")) ++asked_;
      send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(fd);
    }
  }

  std::mutex mutex_;
  std::string body_;  // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::atomic<int> asked_{0};
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

void replace(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " in " << text;
  text.replace(at, from.size(), to);
}

TEST(Patroni, NobodyIsThePrimaryAgainstItsWord) {
  testing::PgCluster cluster({.shards = 1, .replicas = 1});
  cluster.primary().run_sql("GRANT ALL ON SCHEMA public TO app; SET ROLE app; CREATE TABLE ledger (number bigint)");
  cluster.wait_replayed();
  RestEndpoint first("master"), second("replica");
  testing::HowdahOptions options{.database_extra = "failover_wait: 300ms"};
  options.yaml = testing::howdah_yaml(cluster, options, 1, 2);
  replace(options.yaml, "port: 1 }", "port: @PORT@ }");
  replace(options.yaml, "port: 2 }", "port: @HTTP@ }");
  replace(options.yaml, cluster.primary().address(), cluster.primary().address() + first.keyword());
  replace(options.yaml, cluster.replica().address(), cluster.replica().address() + second.keyword());
  testing::HowdahProcess howdah(cluster, options);
  testing::await("both to be asked", [&] { return first.asked() > 0 && second.asked() > 0; });
  PgConn client = howdah.connect();
  client.must("INSERT INTO ledger VALUES (1)");

  // Promoted behind its back: neither of the two takes writes, for one is overtaken and the other not called the leader.
  cluster.wait_replayed();
  cluster.replica().promote();
  testing::await("writes to stop", [&] { return !client.query("INSERT INTO ledger VALUES (2)").ok(); });
  const auto count = [](testing::PgServer& server) { return server.superuser().scalar("SELECT count(*) FROM ledger"); };
  const std::string here = count(cluster.primary()), there = count(cluster.replica());
  EXPECT_EQ(there, "1");
  const Answer refused = client.query("INSERT INTO ledger VALUES (3)");
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(count(cluster.primary()), here);
  EXPECT_EQ(count(cluster.replica()), there);
  const auto roles = howdah.connect("admin", "howdah").must("SHOW REPLICAS").text();
  EXPECT_NE(roles.find("vetoed"), std::string::npos) << roles;

  first.say("replica");
  second.say("primary");
  testing::await("writes on the new leader", [&] { return client.query("INSERT INTO ledger VALUES (4)").ok(); });
  EXPECT_EQ(count(cluster.primary()), here);
  EXPECT_EQ(count(cluster.replica()), "2");
}

}  // namespace
}  // namespace howdah::faults
