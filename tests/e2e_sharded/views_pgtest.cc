// Views over sharded tables answer as they do on one server.
#include "tests/e2e_sharded/twin_fixture.h"

namespace howdah::e2e {
namespace {

class Views : public TwinTest {
 protected:
  static void SetUpTestSuite() {
    TwinTest::SetUpTestSuite();
    if (HasFatalFailure()) return;
    for (const char* view : {
             "v_sales AS SELECT user_id, id, kind, qty AS amount, price FROM sales",
             "v_good (owner, n, label) AS SELECT s.user_id, s.qty, upper(s.kind) FROM sales s WHERE s.qty > 0 AND s.kind <> 'k3'",
             "v_users AS SELECT u.id AS user_id, u.name, r.name AS region FROM users u LEFT JOIN regions r ON r.id = u.region",
             "v_totals AS SELECT user_id, count(*) AS n, sum(price) AS total FROM sales GROUP BY user_id",
             "v_all AS SELECT kind, count(*) AS n FROM sales GROUP BY kind",
             "v_five AS SELECT user_id, id FROM sales WHERE user_id = 5",
             "v_top AS SELECT user_id, id FROM sales ORDER BY qty DESC, user_id, id LIMIT 5",
             "v_both AS SELECT t.user_id, t.n, u.name, g.label FROM v_totals t JOIN v_users u USING (user_id) JOIN v_good g ON g.owner = t.user_id",
             "v_regions AS SELECT id, name FROM regions WHERE id > 1",
             "v_clock AS SELECT user_id, id FROM sales WHERE at < now()",
             "v_union AS SELECT id AS user_id, 'user' AS what FROM users UNION ALL SELECT user_id, 'sale' FROM sales",
         }) {
      for (auto* server : cluster_->servers()) server->superuser().must(std::string("CREATE VIEW ") + view);
    }
    for (auto* server : cluster_->servers()) {
      server->superuser().must("CREATE SCHEMA other; CREATE VIEW other.sales AS SELECT user_id, id FROM public.sales WHERE qty > 10;"
                               "GRANT USAGE ON SCHEMA other TO app; GRANT CREATE ON SCHEMA public TO app; GRANT SELECT ON ALL TABLES IN SCHEMA public, other TO app");
    }
    // The views were made behind the proxy's back.
    EXPECT_EQ(run(howdah_, "CREATE VIEW noticed AS SELECT 1 AS one").sqlstate, "");
  }
};

TEST_F(Views, WithTheKey) {
  same("SELECT * FROM v_sales WHERE user_id = 7");
  same("SELECT label, n FROM v_good WHERE owner = $1 ORDER BY n, label", {"8"});
  same("SELECT * FROM v_users WHERE user_id = 9");
  same("SELECT * FROM v_totals WHERE user_id = 11");
  same("SELECT * FROM v_five");
  same("SELECT * FROM v_both WHERE user_id = 14 ORDER BY 1, 2, 3, 4");
  same("SELECT v.user_id, v.amount, u.score FROM v_sales v JOIN users u ON u.id = v.user_id WHERE u.id = 13");
  same("SELECT * FROM v_sales WHERE user_id IN (3, 4, 5)");
  same("SELECT count(*) FROM v_five WHERE user_id = 6");
  same("SELECT v_sales.user_id, public.v_sales.id FROM public.v_sales WHERE v_sales.user_id = 12");
}

TEST_F(Views, OverAllShards) {
  same("SELECT * FROM v_sales");
  same("SELECT owner, n FROM v_good ORDER BY n DESC, owner LIMIT 10");
  same("SELECT * FROM v_users ORDER BY user_id LIMIT 20");
  same("SELECT * FROM v_totals ORDER BY total DESC NULLS LAST, user_id LIMIT 7");
  same("SELECT max(n), sum(total), count(*) FROM v_totals");
  same("SELECT region, count(*) FROM v_users GROUP BY region ORDER BY region");
  same("SELECT kind, sum(amount) FROM v_sales WHERE price > 0 GROUP BY kind ORDER BY kind");
  same("SELECT * FROM v_both ORDER BY user_id, n, name, label LIMIT 25");
  same("SELECT u.id, t.n FROM users u JOIN v_totals t ON t.user_id = u.id WHERE t.n > 2 ORDER BY u.id");
  same("SELECT id FROM users u WHERE EXISTS (SELECT FROM v_good g WHERE g.owner = u.id AND g.n > 20) ORDER BY id");
  same("SELECT * FROM other.sales");
  same("SELECT * FROM v_regions ORDER BY id");
  same("SELECT s.user_id, r.name FROM v_sales s JOIN users u ON u.id = s.user_id JOIN v_regions r ON r.id = u.region ORDER BY 1, 2 LIMIT 20");
  same("WITH v AS (SELECT * FROM v_good) SELECT owner, count(*) FROM v GROUP BY owner ORDER BY owner");
  same("WITH sales AS (SELECT 1 AS user_id) SELECT count(*) FROM v_sales");  // a view does not see the statement's own names
}

TEST_F(Views, SearchPath) {
  both("SET search_path = other, public");
  same("SELECT * FROM sales WHERE user_id = 7");
  same("SELECT count(*) FROM sales");
  same("SELECT count(*) FROM v_sales");
  both("RESET search_path");
}

TEST_F(Views, ExactOrRefused) {
  for (const char* sql : {"SELECT * FROM v_all WHERE kind = 'k1'", "SELECT * FROM v_top", "SELECT count(*) FROM v_union", "SELECT * FROM v_all ORDER BY kind",
                          "SELECT * FROM v_clock ORDER BY 1, 2", "SELECT a.user_id FROM v_sales a, v_sales b ORDER BY 1", "SELECT * FROM v_union WHERE user_id = 7"}) {
    if (refusal(sql) != "0A000") same(sql);
  }
  EXPECT_EQ(refusal("INSERT INTO v_sales (user_id, id) VALUES (7, 100)"), "0A000");
  EXPECT_EQ(refusal("UPDATE v_sales SET amount = 1"), "0A000");
  same("SELECT nothing FROM v_sales");
  same("SELECT * FROM v_missing");
}

TEST_F(Views, AreFollowedWhenTheyChange) {
  const char* sql = "SELECT * FROM v_changing ORDER BY 1";
  for (const char* body : {"SELECT id FROM users", "SELECT id, name FROM users WHERE id < 50"}) {
    both(std::string("BEGIN; CREATE OR REPLACE VIEW v_changing AS ") + body + "; COMMIT");
    same(sql);
  }
  both("DROP VIEW v_changing");
  same("SELECT * FROM v_changing");
}

}  // namespace
}  // namespace howdah::e2e
