// Clients that do anything the protocol allows get from Howdah, message by message, what PostgreSQL sends, and leave the
// same rows behind. Their connections change under them: the pool is small, other clients take and return connections, and
// servers keep few prepared statements. HOWDAH_RANDOM_SESSIONS and HOWDAH_RANDOM_SEED (a number, or "time") choose others.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "tests/e2e/random_session.h"
#include "tests/e2e/start.h"
#include "tests/e2e/transcript.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

using testing::PgConn;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  if (value == nullptr) return otherwise;
  if (std::string(value) == "time") return static_cast<std::uint64_t>(std::time(nullptr)) * 100'000;
  return std::strtoull(value, nullptr, 10);
}

// ParameterStatus may come at any time: here, before ReadyForQuery, which is when PostgreSQL 15 sends it.
std::vector<std::string> settled(const std::vector<std::string>& lines) {
  std::vector<std::string> out, late;
  for (const auto& line : lines) {
    if (line.starts_with("ParameterStatus ")) {
      late.push_back(line);
      continue;
    }
    if (line.starts_with("ReadyForQuery")) {
      out.insert(out.end(), late.begin(), late.end());
      late.clear();
    }
    out.push_back(line);
  }
  out.insert(out.end(), late.begin(), late.end());
  return out;
}

class RandomClient : public ::testing::Test {
 protected:
  RandomClient() : cluster_([] {
    testing::PgCluster::Options options;
    options.twin = true;
    return options;
  }()) {
    cluster_.run_everywhere(
        "GRANT ALL ON SCHEMA public TO app; SET ROLE app;"
        "CREATE TABLE items (id int PRIMARY KEY, name text, price numeric(8,2) CHECK (price >= 0));"
        "CREATE TABLE lines (id int, body text);"
        "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    testing::HowdahOptions options;
    options.pool = "{ mode: transaction, size: 3, prepared_statements: 4 }";
    howdah_ = start(cluster_, options);
    behind_ = std::make_unique<PgConn>(cluster_.primary().superuser_url());
    beside_ = std::make_unique<PgConn>(cluster_.twin().superuser_url());
    for (auto& rival : rivals_) rival = std::make_unique<PgConn>(howdah_->url());
  }

  static void fresh(PgConn& conn) {
    conn.must(
        "DELETE FROM items; DELETE FROM lines; DELETE FROM late;"
        "INSERT INTO items SELECT i, 'item ' || i, i FROM generate_series(1, 5) i; INSERT INTO late VALUES (2)");
  }
  static std::string rows(PgConn& conn) {
    return conn.scalar(
        "SELECT concat((SELECT string_agg(i::text, ';' ORDER BY i::text) FROM items i), '/',"
        "(SELECT string_agg(l::text, ';' ORDER BY l::text) FROM lines l), '/',"
        "(SELECT string_agg(l::text, ';' ORDER BY l::text) FROM late l))");
  }

  // Others hold connections for a while, so that the next statement may find itself on another one.
  void stir(std::uint64_t seed) {
    for (auto& rival : rivals_) {
      rival->must(seed % 2 == 0 ? "COMMIT" : "BEGIN; SELECT 1");
      seed /= 2;
    }
  }

  // Where the two part; empty when they do not.
  std::string compare(const RandomSession& session) {
    fresh(*behind_);
    fresh(*beside_);
    stir(session.seed);
    std::vector<std::vector<Message>> expected, got;
    std::int32_t pid = 0;
    {
      RawClient client(cluster_.twin().port());
      client.log_in();
      pid = client.pid();
      expected = play(client, session);
      client.half_close();
      client.until_closed();
    }
    const auto waits = std::count_if(session.moves.begin(), session.moves.end(), [](const Move& move) { return move.wait; });
    if (expected.size() != static_cast<std::size_t>(waits)) return std::string(kUnanswered);
    std::vector<std::size_t> counts;
    for (const auto& messages : expected) counts.push_back(messages.size());
    {
      RawClient client(howdah_->port());
      client.log_in();
      if (!client.logged_in()) return "Howdah takes no login any more";
      got = play(client, session, &counts);
      client.half_close();
      client.until_closed();
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (i >= got.size()) return "no answer at wait " + std::to_string(i + 1);
      const std::string parted = difference(settled(to_lines(expected[i])), settled(to_lines(got[i])));
      if (!parted.empty()) return "at wait " + std::to_string(i + 1) + parted;
    }
    testing::await("the direct client's end", [&] {
      return beside_->scalar("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(pid)) == "0";
    });
    const std::string wanted = rows(*beside_);
    std::string last;
    const bool same = testing::wait_until([&] { return (last = rows(*behind_)) == wanted; }, std::chrono::seconds(3));
    return same ? "" : "other rows:\nexpected: " + wanted + "\n     got: " + last;
  }

  static constexpr std::string_view kUnanswered = "PostgreSQL itself did not answer";

  // Leaves out whatever is not needed for the two to part.
  RandomSession shrink(RandomSession session) {
    int attempts = 60;
    for (std::size_t i = session.moves.size(); i-- > 0 && attempts > 0;) {
      if (session.moves.size() == 1) break;
      if (session.moves[i].glued || (i + 1 < session.moves.size() && session.moves[i + 1].glued)) continue;
      RandomSession smaller = session;
      smaller.moves.erase(smaller.moves.begin() + static_cast<std::ptrdiff_t>(i));
      if (!smaller.moves.back().wait) continue;
      --attempts;
      const std::string parted = compare(smaller);
      if (!parted.empty() && parted != kUnanswered) session = std::move(smaller);
    }
    return session;
  }

  testing::PgCluster cluster_;
  std::unique_ptr<testing::HowdahProcess> howdah_;
  std::unique_ptr<PgConn> behind_, beside_;
  std::array<std::unique_ptr<PgConn>, 2> rivals_;
};

TEST_F(RandomClient, GetsFromHowdahWhatPostgresSends) {
  const std::uint64_t first = from_environment("HOWDAH_RANDOM_SEED", 1);
  const std::uint64_t count = from_environment("HOWDAH_RANDOM_SESSIONS", 300);
  std::cout << "seeds " << first << " to " << first + count - 1 << std::endl;
  int faults = 0;
  for (std::uint64_t seed = first; seed < first + count && faults < 3; ++seed) {
    const RandomSession session = make_session(seed);
    const std::string at_first = compare(session);
    if (at_first.empty()) continue;
    std::cout << describe(session) << at_first << std::endl;
    ++faults;
    const RandomSession small = shrink(session);
    const std::string parted = compare(small);
    ADD_FAILURE() << describe(parted.empty() ? session : small) << (parted.empty() ? "(not always)" : parted);
  }
}

}  // namespace
}  // namespace howdah::e2e
