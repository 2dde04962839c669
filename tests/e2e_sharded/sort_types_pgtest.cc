// ORDER BY values that the proxy cannot put in order itself: text of a language's collation, arrays, intervals, ...
// https://www.postgresql.org/docs/15/collation.html
#include "tests/e2e_sharded/twin_fixture.h"

namespace howdah::e2e {
namespace {

class SortTypes : public TwinTest {
 protected:
  static void SetUpTestSuite() {
    TwinTest::SetUpTestSuite();
    if (HasFatalFailure()) return;
    for (auto* server : cluster_->servers()) {
      // One column with a collation of its own is enough: texts are no longer known to be ordered by their bytes.
      server->superuser().must("ALTER TABLE nothing ADD word text COLLATE \"en-x-icu\", ADD tags int[], ADD span interval, ADD at inet;"
                               "GRANT CREATE ON SCHEMA public TO app");
    }
    EXPECT_EQ(run(howdah_, "CREATE VIEW noticed AS SELECT 1 AS one").sqlstate, "");  // the columns were made behind the proxy's back
    for (int i = 1; i <= 60; ++i) {
      const std::string n = std::to_string(i);
      both("INSERT INTO nothing (user_id, word, tags, span, at) VALUES (" + n + ", (ARRAY['Zebra', 'apple', 'Apple', 'zebra', 'äpfel', NULL])[" + std::to_string(1 + i % 6) + "], ARRAY[" +
           std::to_string(i % 3) + ", " + std::to_string(i % 7) + "], interval '" + std::to_string(i % 5) + " hours', '10.0." + std::to_string(i % 4) + "." + n + "')");
    }
  }
};

TEST_F(SortTypes, Texts) {
  same("SELECT id, name FROM users ORDER BY name, id");
  same("SELECT id, name FROM users ORDER BY name DESC NULLS FIRST, id LIMIT 7 OFFSET 3");
  same("SELECT * FROM users ORDER BY lower(name), id LIMIT 5");
  same("SELECT id FROM users ORDER BY name || 'x', id LIMIT $1 OFFSET $2", {"4", "2"});
  same("SELECT u.id, s.id, s.kind FROM users u JOIN sales s ON s.user_id = u.id ORDER BY s.kind, 1, 2 LIMIT 20");
  same("SELECT kind, user_id, count(*) FROM sales GROUP BY kind, user_id ORDER BY kind, user_id LIMIT 9");
  same("SELECT id, CASE WHEN id % 2 = 0 THEN name END AS c FROM users ORDER BY c, id LIMIT 9");
  same("SELECT name FROM users UNION ALL SELECT kind FROM sales ORDER BY 1 LIMIT 12");
  same("SELECT id, name FROM users ORDER BY name::varchar, id LIMIT 3");
}

TEST_F(SortTypes, OtherTypes) {
  same("SELECT user_id, tags FROM nothing ORDER BY tags, user_id");
  same("SELECT user_id, tags FROM nothing ORDER BY tags DESC, user_id LIMIT 5");
  same("SELECT user_id, span FROM nothing ORDER BY span, user_id LIMIT 8 OFFSET 1");
  same("SELECT user_id FROM nothing ORDER BY at DESC LIMIT 8");
}

// These are merged as ever.
TEST_F(SortTypes, NumbersAndTimes) {
  for (const char* sql : {"SELECT id FROM users ORDER BY id LIMIT 3", "SELECT id FROM users ORDER BY id % 7, id", "SELECT id, score FROM users ORDER BY score::int, id"}) {
    same(sql);
    run(howdah_, sql);
    EXPECT_EQ(run(howdah_, "SHOW howdah.route").rows.at(0).at(3).value_or("").substr(0, 5), "merge") << sql;
  }
}

TEST_F(SortTypes, InCursorsAndPortals) {
  both("BEGIN");
  both("DECLARE c CURSOR FOR SELECT id, name FROM users ORDER BY name, id");
  same_in(Mode::kSimple, "FETCH 5 FROM c");
  same_in(Mode::kSimple, "FETCH 4 FROM c");
  both("COMMIT");
}

TEST_F(SortTypes, AColumnsOwnCollationIsRefused) {
  EXPECT_EQ(refusal("SELECT user_id, word FROM nothing ORDER BY word, user_id"), "0A000");
  EXPECT_EQ(refusal("SELECT id FROM users ORDER BY name FOR UPDATE"), "0A000");
  same("SELECT user_id, word FROM nothing ORDER BY user_id");
  same("SELECT word FROM nothing WHERE user_id = 5 ORDER BY word");
}

}  // namespace
}  // namespace howdah::e2e
