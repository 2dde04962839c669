// Two thousand sessions with a few of their bytes changed: every connection ends, and nobody else notices.
#include <chrono>
#include <iostream>
#include <random>

#include "drivers/pgwire/startup.h"
#include "tests/e2e/bad_input_fixture.h"
#include "tests/e2e/script.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

constexpr unsigned kSeed = 20240117;

class Fuzz : public BadInput {};

using Random = std::mt19937;

std::size_t pick(Random& random, std::size_t below) {
  return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
}

void mutate_once(Random& random, std::string& bytes) {
  const std::size_t at = pick(random, bytes.size());
  const std::size_t length = 1 + pick(random, std::min<std::size_t>(bytes.size() - at, 40));
  switch (pick(random, 6)) {
    case 0:
      bytes[at] = static_cast<char>(pick(random, 256));
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << pick(random, 8));
      break;
    case 2:
      if (length < bytes.size()) bytes.erase(at, length);
      break;
    case 3:
      bytes.insert(pick(random, bytes.size()), bytes.substr(at, length));
      break;
    case 4:
      bytes.insert(at, std::string(1 + pick(random, 8), static_cast<char>(pick(random, 256))));
      break;
    case 5:
      bytes.resize(at + 1);
      break;
  }
}

std::string mutated(Random& random, std::string bytes) {
  for (std::size_t i = 1 + pick(random, 4); i > 0; --i) mutate_once(random, bytes);
  return bytes;
}

std::string valid_session() {
  Script script;
  script.query_more("SELECT 1; SELECT 'two'")
      .query_more("BEGIN")
      .parse("s", "SELECT $1::int + $2::int", {23, 23})
      .describe('S', "s")
      .bind("p", "s", {"1", "2"}, {1})
      .describe('P', "p")
      .execute("p", 1)
      .close('P', "p")
      .sync_more()
      .query_more("SAVEPOINT a; SELECT 1/0")
      .query_more("ROLLBACK TO a")
      .query_more("COPY (SELECT generate_series(1, 20)) TO STDOUT")
      .query_more("SET LOCAL work_mem = '1MB'")
      .query_more("COMMIT")
      .query_more("CREATE TEMP TABLE IF NOT EXISTS t (id int); COPY t FROM STDIN")
      .copy_data("1\n2\n")
      .copy_done()
      .run("SELECT 3")
      .flush()
      .sync_more();
  return script.rest() + std::string("X\0\0\0\x04", 5);
}

// Sends the bytes and no more: the peer must end the connection.
void expect_end(RawClient& raw, const std::string& bytes, int round) {
  raw.send(bytes);
  raw.half_close();
  const auto answers = raw.until_closed();
  ASSERT_TRUE(raw.closed()) << "round " << round << " of seed " << kSeed << " hangs; sent "
                            << ::testing::PrintToString(bytes) << "; got "
                            << ::testing::PrintToString(to_lines(answers));
}

TEST_F(Fuzz, SurvivesChangedStartupPackets) {
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  std::string valid;
  const std::pair<Bytes, Bytes> params[] = {
      {"user", "app"}, {"database", "app"}, {"options", "-c work_mem=1MB"}};
  pgwire::append_startup(valid, 0, params);
  valid += std::string("p\0\0\0\x36SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=rOprNGfwEbeRWgbNEkqO1234", 55);
  for (int round = 0; round < 1500 && !HasFatalFailure(); ++round) {
    RawClient raw = client();
    expect_end(raw, mutated(random, valid), round);
  }
}

TEST_F(Fuzz, SurvivesChangedSessions) {
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  const std::string valid = valid_session();
  for (int round = 0; round < 500 && !HasFatalFailure(); ++round) {
    RawClient raw = client();
    raw.log_in();
    ASSERT_TRUE(raw.logged_in()) << "round " << round << howdah().log();
    expect_end(raw, mutated(random, valid), round);
  }
  testing::PgConn monitor = cluster().primary().superuser();
  EXPECT_TRUE(testing::wait_until([&] {
    return monitor.scalar(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'") == "0";
  })) << "a server connection was left in the middle of something";
}

}  // namespace
}  // namespace howdah::e2e
