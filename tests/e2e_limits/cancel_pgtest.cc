// Cancel requests: they end what their client runs, wherever that is, and nothing else.
#include <atomic>
#include <random>
#include <thread>

#include "base/bytes.h"
#include "drivers/pgwire/startup.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e_faults/world.h"
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

using Cancels = Limits;

// What a cancel connection is told: nothing, and then the end.
bool closes_silently(std::uint16_t port, const std::string& bytes) {
  e2e::RawClient client(port);
  client.send(bytes);
  return client.until_closed().empty() && client.closed();
}

std::string cancel_packet(std::int32_t pid, const std::string& key) {
  std::string packet;
  pgwire::append_cancel_request(packet, pid, key);
  return packet;
}

// Sends cancel requests for one client from another thread, until it goes.
class Canceller {
 public:
  Canceller(std::uint16_t port, e2e::RawClient& victim) : Canceller(port, cancel_packet(victim.pid(), victim.key())) {}
  Canceller(std::uint16_t port, std::string packet) {
    thread_ = std::thread([this, port, packet = std::move(packet)] {
      while (!stop_) {
        e2e::RawClient request(port);
        request.send(packet);
        request.until_closed();
        ++sent_;
      }
    });
  }
  ~Canceller() {
    stop_ = true;
    thread_.join();
  }
  long sent() const { return sent_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<long> sent_{0};
  std::thread thread_;
};

TEST_F(Cancels, WithAWrongKeyOrLengthCloseSilentlyAndCancelNothing) {
  start({});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  client.send(std::string("Q\0\0\0\x22SELECT pg_sleep(0.5), 'slept'\0", 35));
  await_running(*superuser_, "pg_sleep(0.5)");
  std::string wrong = client.key();
  wrong[0] = static_cast<char>(wrong[0] ^ 1);
  EXPECT_TRUE(closes_silently(howdah_->port(), cancel_packet(client.pid(), wrong)));
  EXPECT_TRUE(closes_silently(howdah_->port(), cancel_packet(client.pid() + 1, client.key())));
  for (const std::size_t length : {0u, 1u, 3u, 5u, 8u, 257u, 9000u, 20000u}) {
    EXPECT_TRUE(closes_silently(howdah_->port(), cancel_packet(client.pid(), std::string(length, 'k')))) << length;
  }
  const auto said = client.until('Z');
  EXPECT_EQ(e2e::first_sqlstate(said), "") << "it was not canceled";
  EXPECT_EQ(said.size(), 4u);
}

TEST_F(Cancels, OfAnIdleClientDoNothing) {
  start({.pool = "{ size: 1 }"});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  client.query("SELECT 1");
  EXPECT_TRUE(closes_silently(howdah_->port(), cancel_packet(client.pid(), client.key())));
  EXPECT_EQ(e2e::first_sqlstate(client.query("SELECT 2")), "");
  client.query("BEGIN");
  client.query("SELECT 3");
  EXPECT_TRUE(closes_silently(howdah_->port(), cancel_packet(client.pid(), client.key())));
  EXPECT_EQ(e2e::first_sqlstate(client.query("SELECT pg_sleep(0.2)")), "") << "idle in its transaction is idle, too";
  client.query("COMMIT");
}

// Three clients cancel without pause what they run; the others share their two connections and never hear of it.
TEST_F(Cancels, InAStormHitNobodyElse) {
  start({.pool = "{ size: 2, wait_timeout: 60s }"});
  std::vector<std::unique_ptr<e2e::RawClient>> noisy;
  std::vector<std::unique_ptr<Canceller>> storm;
  for (int i = 0; i < 3; ++i) {
    noisy.push_back(std::make_unique<e2e::RawClient>(howdah_->port()));
    noisy.back()->log_in();
    storm.push_back(std::make_unique<Canceller>(howdah_->port(), *noisy.back()));
  }
  std::atomic<bool> stop{false};
  std::atomic<long> canceled{0}, unexpected{0};
  std::vector<std::thread> threads;
  for (auto& client : noisy) {
    threads.emplace_back([&, raw = client.get()] {
      while (!stop) {
        const auto state = e2e::first_sqlstate(raw->query("SELECT pg_sleep(0.003)"));
        if (state == "57014") ++canceled;
        else if (!state.empty()) ++unexpected;
      }
    });
  }
  std::vector<std::string> faults(4);
  for (std::size_t i = 0; i < faults.size(); ++i) {
    threads.emplace_back([&, i] {
      PgConn quiet(howdah_->url("app"));
      for (int n = 0; n < 60 && faults[i].empty(); ++n) {
        const auto said = quiet.query("SELECT 'slept' FROM pg_sleep(0.002)");
        if (said.text() != "slept") faults[i] = said.sqlstate + " " + said.message;
      }
    });
  }
  for (std::size_t i = noisy.size(); i < threads.size(); ++i) threads[i].join();
  stop = true;
  for (std::size_t i = 0; i < noisy.size(); ++i) threads[i].join();
  for (const auto& fault : faults) EXPECT_EQ(fault, "");
  EXPECT_GT(canceled, 0) << "the storm did cancel";
  EXPECT_EQ(unexpected, 0);
  EXPECT_LE(backends(), 2);
}

// The proxy's own SET before the statement, and its own Parse, belong to the statement: what the client hears is that
// its statement was canceled, and the connection carries on in the right state.
TEST_F(Cancels, DuringTheProxysOwnStatementsAreTheStatementsOwn) {
  start({.pool = "{ size: 1, wait_timeout: 60s }"});
  e2e::RawClient client(howdah_->port());
  client.log_in({.params = {{"application_name", "noisy"}}});
  client.query("SET work_mem = '3MB'");
  PgConn other = connect();
  other.must("SET work_mem = '5MB'");
  other.must("SET statement_timeout = '50s'");
  Canceller storm(howdah_->port(), client);
  int answered_well = 0;
  for (int i = 0; i < 80; ++i) {
    ASSERT_EQ(other.query("SELECT current_setting('work_mem')").text(), "5MB");
    const auto said = client.query("SELECT current_setting('work_mem') || current_setting('statement_timeout')");
    const auto state = e2e::first_sqlstate(said);
    ASSERT_TRUE(state.empty() || state == "57014") << state;
    if (!state.empty()) continue;
    ++answered_well;
    ASSERT_EQ(said[1].body.substr(6), "3MB0");
  }
  EXPECT_GT(storm.sent(), 20);
  RecordProperty("answered", answered_well);
}

TEST_F(Cancels, NeedNoPlaceAmongTheClientsNorInThePool) {
  start({.pool = "{ size: 1, wait_timeout: 60s }", .limits = "{ clients: 1 }"});
  e2e::RawClient only(howdah_->port());
  only.log_in();
  only.send(std::string("Q\0\0\0\x18SELECT pg_sleep(60)\0", 25));
  await_running(*superuser_, "pg_sleep(60)");
  EXPECT_NE(refusal("app").find("too many clients"), std::string::npos);
  EXPECT_TRUE(closes_silently(howdah_->port(), cancel_packet(only.pid(), only.key())));
  EXPECT_EQ(e2e::first_sqlstate(only.until('Z')), "57014");
}

TEST_F(Cancels, InGreatNumbersReachTheServerOneAtATime) {
  start({.pool = "{ size: 1 }"});
  e2e::RawClient client(howdah_->port());
  client.log_in();
  const std::string packet = cancel_packet(client.pid(), client.key());
  client.send(std::string("Q\0\0\0\x18SELECT pg_sleep(60)\0", 25));
  await_running(*superuser_, "pg_sleep(60)");
  std::vector<std::unique_ptr<e2e::RawClient>> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(std::make_unique<e2e::RawClient>(howdah_->port()));
    many.back()->send(packet);
  }
  EXPECT_EQ(e2e::first_sqlstate(client.until('Z')), "57014");
  for (auto& request : many) EXPECT_TRUE(request->until_closed().empty());
  EXPECT_EQ(e2e::first_sqlstate(client.query("SELECT pg_sleep(0.05)")), "") << "none is left over";
}

TEST(CancelsOnManyShards, ReachEveryShardThatIsAtWork) {
  testing::HowdahOptions options;
  options.tables = "words: { reference: true }";
  faults::World world({.shards = 3}, options);
  world.must("CREATE TABLE words (id int PRIMARY KEY, word text)");
  PgConn client = world.proxy().connect();
  // Shard 0 does its part; the other two wait for a lock that nobody gives back.
  std::vector<PgConn> locks;
  for (int shard = 1; shard < 3; ++shard) {
    locks.push_back(world.cluster().primary(shard).superuser());
    locks.back().must("BEGIN");
    locks.back().must("LOCK TABLE words IN ACCESS EXCLUSIVE MODE");
  }
  send(client, "INSERT INTO words VALUES (1, 'one')");
  const auto waits = [&](int shard) {
    return world.cluster().primary(shard).run_sql(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'").scalar();
  };
  testing::await("both shards to wait", [&] { return waits(1) == "1" && waits(2) == "1"; });
  cancel(client);
  const auto said = answer(client);
  EXPECT_EQ(said.sqlstate, "57014") << said.message;
  EXPECT_TRUE(testing::wait_until([&] { return waits(1) == "0" && waits(2) == "0"; })) << "both were canceled";
  EXPECT_TRUE(world.nothing_open());
  for (auto& lock : locks) lock.must("ROLLBACK");
  EXPECT_EQ(client.query("INSERT INTO words VALUES (1, 'one')").tag, "INSERT 0 1");
}

}  // namespace
}  // namespace howdah::e2e_limits
