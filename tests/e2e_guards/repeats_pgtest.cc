// What the proxy repeats by itself has a budget: beyond it the error goes to the client.
#include <functional>

#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

class Repeats : public Limits {
 protected:
  static constexpr const char* kWaiting = "FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'";

  using Ask = std::function<void(PGconn*)>;
  static int query(PGconn* client) { return PQsendQuery(client, "SELECT count(*) FROM notes"); }

  // Something that waits for a locked table, and whose connection is ended there.
  void lose_server(PgConn& client, const Ask& ask) {
    superuser_->must("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE");
    ask(client.raw());
    PQflush(client.raw());
    PgConn other = cluster_->primary().superuser();
    testing::await("the read", [&] { return other.scalar(std::string("SELECT count(pg_terminate_backend(pid, 5000)) ") + kWaiting) == "1"; });
  }
  PgConn read_and_lose_server() {
    PgConn client = connect("app");
    lose_server(client, query);
    return client;
  }
  // On another connection, with the lock gone once it waits there.
  void await_repeated() {
    PgConn other = cluster_->primary().superuser();
    testing::await("the read to come again, on another connection", [&] { return other.scalar(std::string("SELECT count(*) ") + kWaiting) == "1"; });
    superuser_->must("ROLLBACK");
  }
  // All results up to the last Sync, a line each: status or value.
  static std::string results(PGconn* client) {
    std::string all;
    int nothing = 0;
    while (nothing < 2) {
      PGresult* result = PQgetResult(client);
      if (result == nullptr) {
        ++nothing;
        continue;
      }
      nothing = 0;
      const auto status = PQresultStatus(result);
      all += status == PGRES_TUPLES_OK    ? std::string(PQntuples(result) == 0 ? "none" : PQgetvalue(result, 0, 0))
             : status == PGRES_FATAL_ERROR ? std::string(PQresultErrorField(result, PG_DIAG_SQLSTATE))
                                           : std::string(PQresStatus(status));
      all += "\n";
      const bool last = status == PGRES_PIPELINE_SYNC;
      PQclear(result);
      if (last) break;
    }
    return all;
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
  await_repeated();
  EXPECT_EQ(metric("howdah_repeats_total"), "1");
  EXPECT_EQ(answer(client).text(), "0");
}

// The extended protocol as drivers speak it: with and without a name, asked for the first time and again.
TEST_F(Repeats, HappenUnseenToPreparedStatements) {
  start({});
  PgConn client = connect("app");
  const char* values[] = {"7"};
  const auto unnamed = [&](PGconn* raw) {
    ASSERT_EQ(PQsendQueryParams(raw, "SELECT count(*) + $1::int FROM notes", 1, nullptr, values, nullptr, nullptr, 0), 1);
  };
  const auto named = [&](PGconn* raw) { ASSERT_EQ(PQsendQueryPrepared(raw, "counting", 1, values, nullptr, nullptr, 0), 1); };
  const auto naming = [&](PGconn* raw) { ASSERT_EQ(PQsendPrepare(raw, "another", "SELECT count(*) FROM notes", 0, nullptr), 1); };
  ASSERT_TRUE(client.prepare("counting", "SELECT count(*) + $1::int FROM notes").ok());
  int repeats = 0;
  for (const Ask& ask : {Ask(unnamed), Ask(unnamed), Ask(named), Ask(named), Ask(naming)}) {
    lose_server(client, ask);
    await_repeated();
    EXPECT_EQ(results(client.raw()), ask.target_type() == typeid(naming) ? "PGRES_COMMAND_OK\n" : "7\n");
    EXPECT_EQ(metric("howdah_repeats_total"), std::to_string(++repeats));
  }
  EXPECT_EQ(client.execute("another", {}).text(), "0");
  EXPECT_EQ(client.execute("counting", {"8"}).text(), "8");
}

// What the connection that was lost had said about itself is not said again by the next one.
TEST_F(Repeats, LoseNoParameterStatus) {
  start({});
  PgConn client = connect("app");
  client.must("SELECT 1");
  superuser_->must("ALTER ROLE app SET timezone = 'Asia/Tokyo'");
  superuser_->must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
  lose_server(client, [](PGconn* raw) { PQsendQueryParams(raw, "SELECT count(*) FROM notes", 0, nullptr, nullptr, nullptr, nullptr, 0); });
  await_repeated();
  EXPECT_EQ(results(client.raw()), "0\n");
  EXPECT_EQ(client.must("SHOW timezone").text(), PQparameterStatus(client.raw(), "TimeZone"));
  EXPECT_EQ(metric("howdah_repeats_total"), "1");
  superuser_->must("ALTER ROLE app RESET timezone");
}

// Several statements before one Sync.
TEST_F(Repeats, AreForGroupsThatOnlyRead) {
  start({});
  PgConn client = connect("app");
  PGconn* raw = client.raw();
  ASSERT_EQ(PQenterPipelineMode(raw), 1);
  // Nothing of it has been answered when the connection ends: the first one waits.
  const auto group = [&](const std::string& second) {
    return [second](PGconn* to) {
      for (const auto& statement : {std::string("SELECT count(*) FROM notes"), second}) {
        ASSERT_EQ(PQsendQueryParams(to, statement.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0), 1);
      }
      ASSERT_EQ(PQpipelineSync(to), 1);
    };
  };
  lose_server(client, group("SELECT 41 + 1"));
  await_repeated();
  EXPECT_EQ(results(raw), "0\n42\nPGRES_PIPELINE_SYNC\n");
  EXPECT_EQ(metric("howdah_repeats_total"), "1");
  // Nobody knows how far a server had come: a sequence's next value is not to be taken twice.
  superuser_->must("CREATE SEQUENCE repeated; GRANT ALL ON SEQUENCE repeated TO app");
  lose_server(client, group("SELECT nextval('repeated')"));
  EXPECT_EQ(results(raw), "57P01\nPGRES_PIPELINE_ABORTED\nPGRES_PIPELINE_SYNC\n");
  superuser_->must("ROLLBACK");
  EXPECT_EQ(metric("howdah_repeats_total"), "1");
  ASSERT_EQ(PQexitPipelineMode(raw), 1);
  EXPECT_EQ(client.must("SELECT count(*) FROM notes").text(), "0");
}

// A table of the session's own went with its connection: another one of that name has other rows.
TEST_F(Repeats, AreNotForSessionsThatLostSomethingOfTheirOwn) {
  for (const bool whole_session : {false, true}) {
    start({.pool = whole_session ? "{ mode: session, size: 20 }" : "{ mode: transaction, size: 20 }"});
    for (const bool extended : {false, true}) {
      PgConn client = connect("app");
      client.must("CREATE TEMPORARY TABLE own AS SELECT 1");
      lose_server(client, [&](PGconn* raw) {
        const char* text = "SELECT count(*) FROM notes";
        extended ? PQsendQueryParams(raw, text, 0, nullptr, nullptr, nullptr, nullptr, 0) : PQsendQuery(raw, text);
      });
      EXPECT_EQ(results(client.raw()), "57P01\n");
      superuser_->must("ROLLBACK");
    }
    EXPECT_EQ(metric("howdah_repeats_total"), "0");
  }
}

// A value that goes through as it comes is not there to be read again: neither it nor what stood before it.
TEST_F(Repeats, AreNotForValuesTooLargeToBeKept) {
  start({});
  PgConn client = connect("app");
  const std::string large(1'500'000, 'x');
  const char* values[] = {large.c_str()};
  lose_server(client, [&](PGconn* raw) {
    ASSERT_EQ(PQsendQueryParams(raw, "SELECT count(*) FROM notes WHERE length($1) > 0", 1, nullptr, values, nullptr, nullptr, 0), 1);
  });
  EXPECT_EQ(results(client.raw()), "57P01\n");
  superuser_->must("ROLLBACK");
  EXPECT_EQ(metric("howdah_repeats_total"), "0");
  EXPECT_EQ(client.must("SELECT 1").text(), "1");
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
