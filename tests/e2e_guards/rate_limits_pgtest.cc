// Rate limits: who is refused, how, and what goes on.
#include "tests/e2e_limits/limits_fixture.h"

namespace howdah::e2e_limits {
namespace {

// A window so long that nothing is given back while a test runs.
Chosen with(const std::string& rules) { return {.limits = "{ clients: 1000 }\nrate_limits: [ " + rules + " ]"}; }

class RateLimits : public Limits {
 protected:
  std::string shown(const std::string& name, const std::string& column) {
    PgConn admin = howdah_->connect("admin", "howdah");
    const Answer limits = admin.must("SHOW LIMITS");
    for (const auto& row : limits.rows) {
      if (row[0] != name) continue;
      for (std::size_t i = 0; i < limits.columns.size(); ++i) {
        if (limits.columns[i] == column) return row[i].value_or("");
      }
    }
    return "?";
  }
};

TEST_F(RateLimits, RefuseOneUserAndLeaveTheOthersAlone) {
  start(with("{ name: slow, user: hot, window: 24h, max: 3 }"));
  PgConn hot = connect("hot"), app = connect("app");
  for (int i = 0; i < 3; ++i) hot.must("SELECT 1");
  const Answer refused = hot.query("SELECT 1");
  EXPECT_EQ(refused.sqlstate, "53400");
  EXPECT_EQ(refused.message, "rate limit \"slow\" is reached");
  EXPECT_EQ(refused.detail, "It allows 3 statements in 86400000 ms.");
  EXPECT_EQ(refused.hint.rfind("Repeat it in ", 0), 0u) << refused.hint;
  PgConn another = connect("hot");
  EXPECT_EQ(another.query("SELECT 2").sqlstate, "53400") << "all of the user's clients share it, on all workers";
  for (int i = 0; i < 10; ++i) app.must("SELECT 1");
  EXPECT_EQ(shown("slow", "allowed"), "3");
  EXPECT_EQ(shown("slow", "refused"), "2");
  EXPECT_EQ(shown("slow", "state"), "refusing");
  EXPECT_NE(howdah_->log().find("rate limit reached name=slow"), std::string::npos);
  const auto metrics = testing::http_get(howdah_->http_port(), "/metrics").body;
  EXPECT_NE(metrics.find("howdah_rate_limit_refused_total{limit=\"slow\"} 2"), std::string::npos);
  EXPECT_NE(metrics.find("howdah_rate_limit_allowed_total{limit=\"slow\"} 3"), std::string::npos);
}

TEST_F(RateLimits, FailTheTransactionButNeverItsEnd) {
  start(with("{ user: hot, window: 24h, max: 2 }"));
  PgConn hot = connect("hot");
  hot.must("BEGIN");
  hot.must("INSERT INTO notes VALUES (1)");
  hot.must("SAVEPOINT s");
  hot.must("INSERT INTO notes VALUES (2)");
  EXPECT_EQ(hot.query("INSERT INTO notes VALUES (3)").sqlstate, "53400");
  EXPECT_EQ(hot.query("INSERT INTO notes VALUES (4)").sqlstate, "25P02") << "as after any error";
  hot.must("ROLLBACK TO s");
  EXPECT_EQ(hot.must("COMMIT").tag, "COMMIT");
  EXPECT_EQ(superuser_->scalar("SELECT string_agg(id::text, ',') FROM notes"), "1");
}

TEST_F(RateLimits, RefuseOneStatementOfAPipeline) {
  start(with("{ user: hot, window: 24h, max: 1 }"));
  PgConn hot = connect("hot");
  ASSERT_EQ(PQenterPipelineMode(hot.raw()), 1);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(PQsendQueryParams(hot.raw(), "SELECT 1", 0, nullptr, nullptr, nullptr, nullptr, 0), 1);
  ASSERT_EQ(PQpipelineSync(hot.raw()), 1);
  std::vector<std::string> outcomes;
  for (int results = 0; results < 4; ++results) {
    PGresult* result = PQgetResult(hot.raw());
    ASSERT_NE(result, nullptr);
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    outcomes.push_back(state == nullptr ? PQresStatus(PQresultStatus(result)) : state);
    PQclear(result);
    if (results < 3) EXPECT_EQ(PQgetResult(hot.raw()), nullptr);
  }
  EXPECT_EQ(outcomes, (std::vector<std::string>{"PGRES_TUPLES_OK", "53400", "PGRES_PIPELINE_ABORTED", "PGRES_PIPELINE_SYNC"}));
}

TEST_F(RateLimits, RunNothingOfAStringWithARefusedStatement) {
  start(with("{ user: hot, window: 24h, max: 2 }"));
  PgConn hot = connect("hot");
  EXPECT_EQ(hot.query("INSERT INTO notes VALUES (1); INSERT INTO notes VALUES (2); INSERT INTO notes VALUES (3)").sqlstate, "53400");
  EXPECT_EQ(superuser_->scalar("SELECT count(*) FROM notes"), "0");
}

TEST_F(RateLimits, CountForEachClientOrStatement) {
  start(with("{ name: client, user: hot, window: 24h, max: 2, per: client }, { name: statement, user: cold, window: 24h, max: 2, per: fingerprint }"));
  PgConn one = connect("hot"), two = connect("hot"), cold = connect("cold");
  for (PgConn* client : {&one, &two}) {
    client->must("SELECT 1");
    client->must("SELECT 1");
    EXPECT_EQ(client->query("SELECT 1").sqlstate, "53400");
  }
  cold.must("SELECT count(*) FROM notes WHERE id = 1");
  EXPECT_TRUE(cold.query("SELECT count(*) FROM notes WHERE id = $1", {"2"}).ok());
  EXPECT_EQ(cold.query("SELECT count(*) FROM notes WHERE id = 3").sqlstate, "53400") << "the value makes no difference";
  cold.must("SELECT count(*) FROM notes WHERE id > 3");
  EXPECT_EQ(shown("client", "counts"), "2");
}

TEST_F(RateLimits, KeepTheirCountsOverAReloadThatLeavesThemAlone) {
  start(with("{ name: one, user: hot, window: 24h, max: 1 }, { name: two, user: cold, window: 24h, max: 1 }"));
  PgConn hot = connect("hot"), cold = connect("cold");
  hot.must("SELECT 1");
  cold.must("SELECT 1");
  reload(with("{ name: one, user: hot, window: 24h, max: 1 }, { name: two, user: cold, window: 24h, max: 5 }"));
  EXPECT_EQ(hot.query("SELECT 1").sqlstate, "53400");
  for (int i = 0; i < 5; ++i) cold.must("SELECT 1");
  EXPECT_EQ(cold.query("SELECT 1").sqlstate, "53400");
  reload({});
  hot.must("SELECT 1");
  cold.must("SELECT 1");
}

TEST_F(RateLimits, LetStatementsComeAgainWithTime) {
  start(with("{ user: hot, window: 1s, max: 20, burst: 1 }"));
  PgConn hot = connect("hot");
  hot.query("SELECT 1");
  EXPECT_TRUE(testing::wait_until([&] { return hot.query("SELECT 1").ok(); }));
  EXPECT_TRUE(testing::wait_until([&] { return hot.query("SELECT 1").ok(); }));
}

TEST_F(RateLimits, DoNotTouchTheConsole) {
  start(with("{ window: 24h, max: 1 }"));
  PgConn app = connect("app");
  app.must("SELECT 1");
  EXPECT_EQ(app.query("SELECT 1").sqlstate, "53400");
  PgConn admin = howdah_->connect("admin", "howdah");
  for (int i = 0; i < 5; ++i) admin.must("SHOW LIMITS");
  EXPECT_EQ(testing::http_get(howdah_->http_port(), "/health").status, 200);
  EXPECT_EQ(testing::http_get(howdah_->http_port(), "/ready").status, 200);
}

}  // namespace
}  // namespace howdah::e2e_limits
