// Queries whose last step needs all rows together answer as the unsharded twin does.
#include "tests/e2e_sharded/twin_fixture.h"
#include "tests/support/wait.h"

namespace howdah::e2e {
namespace {

class Aggregates : public TwinTest {};

TEST_F(Aggregates, CountAndSum) {
  same("SELECT count(*) FROM sales");
  same("SELECT count(kind), count(*) AS n, count(qty) FILTER (WHERE qty > 5) FROM sales");
  same("SELECT sum(qty), sum(small), sum(big), sum(price), sum(span), sum(cash) FROM sales");
  same("SELECT sum(rate), sum(ratio) FROM sales");  // quarters and halves: no digit is lost in any order
  same("SELECT sum(qty) + count(*) * 2 AS x, -sum(price), sum(qty * price)::text || 'x' FROM sales WHERE qty > 0");
  same("SELECT count(*) FROM sales WHERE user_id IN (3, 5, 17)");
  same("SELECT sum(qty) FROM sales WHERE user_id = ANY($1) AND qty > $2", {"{1,2,3,4,5,6,7}", "3"});
}

TEST_F(Aggregates, OfNoRows) {
  same("SELECT count(*), sum(x), avg(x), min(y), max(y), bool_or(x > 1), array_agg(x), string_agg(y::text, ',') FROM nothing");
  same("SELECT x, count(*) FROM nothing GROUP BY x");
  same("SELECT count(*) FROM nothing GROUP BY 'a'::text");
  same("SELECT count(*) FROM nothing GROUP BY ()");
  same("SELECT count(*) FROM nothing HAVING count(*) > 0");
  same("SELECT DISTINCT x, y FROM nothing");
  same("SELECT row_number() OVER (ORDER BY x) FROM nothing");
}

TEST_F(Aggregates, AveragesHaveTheSameDigits) {
  for (const char* column : {"qty", "small", "big", "price", "rate", "ratio", "span"}) {
    same(std::string("SELECT avg(") + column + ") FROM sales");
    same(std::string("SELECT kind, avg(") + column + ") FROM sales GROUP BY kind ORDER BY 1");
    same(std::string("SELECT avg(") + column + ") FILTER (WHERE qty = 7), avg(" + column + ") FROM sales WHERE user_id < 20");
  }
  same("SELECT avg(price * 1.00001), avg(price / 3), avg(qty / 3.0), avg(price * 1e-20), avg(price * 1e30) FROM sales");
  same("SELECT avg(CASE WHEN qty = 7 THEN 'NaN' ELSE price END), sum(CASE WHEN qty = 8 THEN 'Infinity' ELSE price END) FROM sales");
  same("SELECT kind, avg(qty)::int, round(avg(price), 2) FROM sales GROUP BY kind ORDER BY 1");
}

TEST_F(Aggregates, MinAndMaxOfAllTypes) {
  for (const char* column : {"kind", "qty", "small", "big", "price", "rate", "ratio", "at", "day", "span", "feeling", "tags", "code", "memo", "cash"}) {
    same(std::string("SELECT min(") + column + "), max(" + column + ") FROM sales");
    same(std::string("SELECT day, min(") + column + "), max(" + column + ") FROM sales GROUP BY day ORDER BY day");
  }
  same("SELECT day, min(feeling)::text, max(feeling)::text FROM sales GROUP BY day ORDER BY day");
  same("SELECT bool_and(flag), bool_or(flag), every(flag), bit_and(qty), bit_or(small), bit_xor(big), bit_xor(bits) FROM sales");
}

TEST_F(Aggregates, Groups) {
  for (const char* column : {"kind", "qty", "small", "price", "rate", "at", "day", "span", "flag", "feeling", "tags", "tag", "code", "memo", "bits"}) {
    same(std::string("SELECT ") + column + ", count(*), sum(qty) FROM sales GROUP BY " + column);
    same(std::string("SELECT count(*), ") + column + " FROM sales GROUP BY 2 ORDER BY 2 DESC NULLS LAST, 1");
  }
  same("SELECT kind FROM sales GROUP BY kind");
  same("SELECT feeling::text, count(*) FROM sales GROUP BY feeling ORDER BY feeling");
  same("SELECT kind, day, count(*) FROM sales GROUP BY kind, day ORDER BY kind, day");
  same("SELECT qty % 10 AS r, count(*) FROM sales GROUP BY r ORDER BY r");
  same("SELECT date_trunc('day', at), sum(price) FROM sales GROUP BY date_trunc('day', at) ORDER BY 1");
  same("SELECT date_trunc('day', at) + interval '1 hour' AS t, sum(price) FROM sales GROUP BY date_trunc('day', at) ORDER BY t");
  same("SELECT lower(kind) || 'x', count(*) FROM sales GROUP BY lower(kind) ORDER BY lower(kind)");
  same("SELECT CASE WHEN qty > 0 THEN 'more' ELSE 'less' END AS c, count(*) FROM sales GROUP BY 1 ORDER BY 1");
  same("SELECT CASE WHEN qty > 0 THEN 1 END, count(*) FROM sales GROUP BY CASE WHEN qty > 0 THEN 1 END ORDER BY \"case\"");
  same("SELECT coalesce(kind, 'none'), count(*) FROM sales GROUP BY coalesce(kind, 'none') ORDER BY coalesce");
  // Equal, and spelled apart: one row each, whatever is shown of them.
  same("SELECT count(*) FROM (SELECT 1) one, sales GROUP BY price::text");
  same("SELECT price::text, count(*) FROM sales GROUP BY price::text ORDER BY 1");
  same("SELECT price / 3, count(*) FROM sales GROUP BY price / 3 ORDER BY 1");
}

TEST_F(Aggregates, HavingOrderAndLimit) {
  same("SELECT kind, sum(qty) FROM sales GROUP BY kind HAVING sum(qty) > 100 ORDER BY sum(qty) DESC, kind");
  same("SELECT kind, count(*) AS n FROM sales GROUP BY kind HAVING count(*) > $1 ORDER BY n DESC, kind LIMIT $2 OFFSET $3", {"3", "2", "1"});
  same("SELECT kind AS k, sum(price) AS qty FROM sales GROUP BY kind ORDER BY qty NULLS FIRST LIMIT 3");
  same("SELECT day FROM sales GROUP BY day ORDER BY count(*) DESC, day LIMIT 2");
  same("SELECT day, count(*) FROM sales GROUP BY day ORDER BY avg(price) DESC, day FETCH FIRST 3 ROWS ONLY");
  same("SELECT kind FROM sales GROUP BY kind HAVING bool_or(kind = 'rare') OR kind IS NULL ORDER BY kind");
  same("SELECT sum(qty) FROM sales HAVING count(*) > 100000");
  same("SELECT kind, count(*) FROM sales WHERE day > $1 GROUP BY kind ORDER BY 2 DESC, 1", {"2024-01-02"});
  same("SELECT kind || $1, sum(qty + $2) FROM sales GROUP BY kind ORDER BY 1", {"!", "3"});
  same("SELECT $1::int + count(*), sum(price) * $2 FROM sales", {"5", "1.50"});
}

TEST_F(Aggregates, Joins) {
  same("SELECT r.name, count(*), sum(s.price) FROM users u JOIN sales s ON s.user_id = u.id JOIN regions r ON r.id = u.region GROUP BY r.name ORDER BY 1");
  same("SELECT u.region, count(s.id), avg(s.qty) FROM users u LEFT JOIN sales s ON s.user_id = u.id AND s.kind = 'k1' GROUP BY u.region ORDER BY region");
  same("SELECT r.id, r.name, count(*) FROM users u JOIN regions r ON r.id = u.region GROUP BY r.id, r.name ORDER BY r.id");
  same("SELECT count(*) FROM users u WHERE EXISTS (SELECT FROM sales s WHERE s.user_id = u.id AND s.qty > 10)");
  same("WITH w AS (SELECT user_id, kind FROM sales WHERE qty > 0) SELECT w.kind, count(*) FROM users u JOIN w ON w.user_id = u.id GROUP BY w.kind ORDER BY 1");
  same("SELECT region, max((SELECT sum(qty) FROM sales s WHERE s.user_id = u.id)) FROM users u GROUP BY region ORDER BY region");
}

TEST_F(Aggregates, Distinct) {
  same("SELECT DISTINCT kind FROM sales");
  same("SELECT DISTINCT kind, day FROM sales ORDER BY day DESC, kind LIMIT 7");
  same("SELECT DISTINCT lower(kind) AS l, qty > 0 FROM sales ORDER BY 1, 2");
  same("SELECT DISTINCT kind || 'x' FROM sales ORDER BY kind || 'x'");
  same("SELECT count(DISTINCT kind), count(DISTINCT price), sum(DISTINCT qty), avg(DISTINCT small) FROM sales");
  same("SELECT day, count(DISTINCT kind), count(*), count(DISTINCT user_id) FROM sales GROUP BY day ORDER BY day");
  same("SELECT count(DISTINCT (kind, day)), count(DISTINCT feeling) FROM sales");
  same("SELECT count(DISTINCT price::text), count(DISTINCT price) FROM sales");
  same("SELECT DISTINCT feeling::text, tags FROM sales ORDER BY feeling::text DESC, tags");
  same("SELECT day, count(DISTINCT feeling), mode() WITHIN GROUP (ORDER BY feeling)::text FROM sales GROUP BY day ORDER BY day");
  same("SELECT DISTINCT count(*) FROM sales GROUP BY user_id");
  same("SELECT DISTINCT ON (kind) kind, user_id, id FROM sales ORDER BY kind, qty DESC, user_id, id");
  same("SELECT DISTINCT ON (u.region) * FROM users u ORDER BY region, id");
  same("SELECT DISTINCT ON (u.born, 2) u.*, u.id + 1 FROM users u ORDER BY u.born, 2, 1 DESC");
}

TEST_F(Aggregates, ThatNeedAllRows) {
  same("SELECT string_agg(kind, ',' ORDER BY user_id, id) FROM sales WHERE qty > 20");
  same("SELECT day, array_agg(qty ORDER BY user_id, id) FROM sales GROUP BY day ORDER BY day");
  same("SELECT json_agg(kind ORDER BY user_id, id), jsonb_object_agg(id, day ORDER BY user_id, id) FROM sales WHERE qty > 20");
  same("SELECT percentile_cont(0.3) WITHIN GROUP (ORDER BY price), percentile_disc(0.5) WITHIN GROUP (ORDER BY kind), mode() WITHIN GROUP (ORDER BY day) FROM sales");
  same("SELECT kind, stddev(qty), var_pop(price), stddev_samp(big), variance(small) FROM sales GROUP BY kind ORDER BY 1");
  same("SELECT kind, day, sum(qty), grouping(kind, day) FROM sales GROUP BY ROLLUP (kind, day) ORDER BY 1, 2, 4");
  same("SELECT kind, day, count(*) FROM sales GROUP BY GROUPING SETS ((kind), (day), ()) ORDER BY 1, 2, 3");
  same("SELECT kind, flag, count(*) FROM sales GROUP BY CUBE (kind, flag) HAVING count(*) > 2 ORDER BY 1, 2, 3");
}

TEST_F(Aggregates, Windows) {
  same("SELECT user_id, id, row_number() OVER (ORDER BY price, user_id, id), rank() OVER w FROM sales WINDOW w AS (PARTITION BY kind ORDER BY day) ORDER BY 1, 2");
  same("SELECT user_id, id, sum(qty) OVER (PARTITION BY day ORDER BY user_id, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM sales ORDER BY user_id, id LIMIT 30");
  same("SELECT kind, count(*), sum(count(*)) OVER (ORDER BY kind), rank() OVER (ORDER BY sum(qty) DESC) FROM sales GROUP BY kind ORDER BY kind");
  same("SELECT *, lag(name) OVER (ORDER BY id) FROM users WHERE score > 0 ORDER BY id");
  same("SELECT count(*) OVER () FROM users WHERE id < 5");
  // On each shard for itself.
  same("SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY qty, id) FROM sales ORDER BY 1, 2");
  same("SELECT user_id, id, sum(qty) OVER w, max(day) OVER (w ORDER BY id) FROM sales WINDOW w AS (PARTITION BY kind, user_id) ORDER BY 1, 2 LIMIT 20");
  same("SELECT * FROM (SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY qty DESC NULLS LAST, id) AS n FROM sales) x WHERE n = 1 ORDER BY user_id");
}

// No aggregates, but more than a merge of rows can do.
TEST_F(Aggregates, OrderAndCountsThatAreNotMerged) {
  same("SELECT id FROM users ORDER BY id LIMIT 2 + 2");
  same("SELECT id FROM users ORDER BY id LIMIT '5' OFFSET (SELECT 3)");
  same("SELECT id FROM users ORDER BY id LIMIT length($1)", {"four"});
  same("SELECT region, id % 10 FROM users WHERE region > 3 ORDER BY region, id % 10 FETCH FIRST 2 ROWS WITH TIES");
  same("SELECT id, name FROM users ORDER BY name USING >, id");
  same("SELECT id AS name, name AS name FROM users ORDER BY name");
  same("SELECT name, id FROM users ORDER BY 3");
}

TEST_F(Aggregates, OfSubqueries) {
  same("SELECT count(*) FROM (SELECT user_id FROM sales GROUP BY user_id) x");
  same("SELECT avg(n), max(n) FROM (SELECT user_id, count(*) AS n FROM sales GROUP BY user_id) x");
  same("SELECT n, count(*) FROM (SELECT DISTINCT user_id, kind AS n FROM sales) x GROUP BY n ORDER BY n");
  same("WITH x AS (SELECT user_id, sum(price) AS s FROM sales GROUP BY user_id) SELECT region, count(*), sum(s) FROM users JOIN x ON user_id = users.id GROUP BY region ORDER BY 1");
  same("SELECT x.user_id, x.n FROM (SELECT user_id, count(*) AS n FROM sales GROUP BY user_id) x WHERE n > 3 ORDER BY n DESC, user_id LIMIT 9");
  same("SELECT user_id, sum(q) FROM (SELECT user_id, qty * 2 AS q FROM sales WHERE qty > 0) x GROUP BY user_id ORDER BY user_id");
  same("SELECT max(m) FROM (SELECT user_id, (SELECT max(born) FROM users u WHERE u.id = user_id) AS m FROM (SELECT user_id FROM sales WHERE id = 0) y) x");
  // Rows of several shards go into one row below: whole tables come together.
  same("SELECT avg(n) FROM (SELECT kind, count(*) AS n FROM sales GROUP BY kind) x");
  same("SELECT count(*) FROM (SELECT user_id FROM sales LIMIT 5) x");
  same("SELECT count(*) FROM (SELECT DISTINCT kind FROM sales) x");
  same("SELECT count(*) FROM (SELECT rank() OVER (ORDER BY qty) FROM sales) x");
  same("WITH x AS (SELECT user_id FROM sales) SELECT count(*) FROM x a, x b");
  same("SELECT count(*) FROM (SELECT user_id FROM sales) a, (SELECT user_id FROM sales) b");
  same("SELECT count(*) FROM regions r LEFT JOIN (SELECT user_id FROM sales) x ON x.user_id = r.id");
  same("SELECT count(*), (SELECT max(id) FROM regions) FROM sales");
  same("SELECT max(kind COLLATE \"C\") FROM sales");
}

TEST_F(Aggregates, ErrorsAreTheTwins) {
  same("SELECT 1 / (count(*) - count(*)) FROM sales");
  same("SELECT kind, count(*) FROM sales GROUP BY kind HAVING 1 / (count(*) - count(*)) > 0");
  same("SELECT sum(1 / (qty - 5)) FROM sales");
  same("SELECT sum(big * 100000000000) FROM sales");
  same("SELECT kind, count(*) FROM sales");
  same("SELECT sum(kind) FROM sales");
  same("SELECT count(*) FROM sales WHERE sum(qty) > 1");
  same("SELECT count(*)::smallint, (count(*) * 1000)::smallint FROM sales");
  same("SELECT count(*) FROM sales LIMIT -1");
  same("SELECT count(*) FROM sales");
}

TEST_F(Aggregates, InTransactions) {
  both("BEGIN");
  same("SELECT count(*) FROM sales");
  both("INSERT INTO sales (user_id, id, kind, qty) VALUES (501, 1, 'new', 1000000)");
  both("UPDATE sales SET qty = -5 WHERE user_id = 8");
  same("SELECT kind, sum(qty), count(*) FROM sales GROUP BY kind ORDER BY 1");
  both("SAVEPOINT s");
  same("SELECT 1 / (count(*) - count(*)) FROM sales");
  EXPECT_EQ(PQtransactionStatus(howdah_), PQTRANS_INERROR);
  same("SELECT count(*) FROM sales");
  both("ROLLBACK TO s");
  same("SELECT sum(qty) FROM sales");
  both("ROLLBACK");
  same("SELECT kind, sum(qty), count(*) FROM sales GROUP BY kind ORDER BY 1");
}

TEST_F(Aggregates, PreparedStatements) {
  const auto prepare = [](PGconn* conn) {
    PQclear(PQprepare(conn, "s", "SELECT kind AS k, sum(qty * $1), avg(price), count(*) > $2 FROM sales WHERE id < $3 GROUP BY kind ORDER BY 1", 0, nullptr));
    return read(PQdescribePrepared(conn, "s"));
  };
  EXPECT_EQ(show(prepare(howdah_)), show(prepare(twin_)));
  for (const Params& params : {Params{"2", "30", "3"}, Params{"-1", nullptr, "2"}, Params{"0", "1", "0"}, Params{nullptr, "5", "100"}}) {
    const auto execute = [&](PGconn* conn) { return show(read(PQexecPrepared(conn, "s", 3, params.data(), nullptr, nullptr, 1))); };
    EXPECT_EQ(execute(howdah_), execute(twin_));
  }
  both("DEALLOCATE s");
}

TEST_F(Aggregates, StopWhenCanceled) {
  PGcancel* cancel = PQgetCancel(howdah_);
  ASSERT_EQ(PQsendQuery(howdah_, "SELECT count(*) FROM sales a JOIN sales b ON a.user_id = b.user_id, generate_series(1, 100000000) g"), 1);
  const auto busy = [] {
    int count = 0;
    for (int shard = 0; shard < 4; ++shard) {
      count += std::stoi(cluster_->primary(shard).superuser().scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'"));
    }
    return count;
  };
  EXPECT_TRUE(testing::wait_until([&] { return busy() == 4; }, std::chrono::seconds(20)));
  char error[256];
  EXPECT_EQ(PQcancel(cancel, error, sizeof error), 1) << error;
  PQfreeCancel(cancel);
  std::string state;
  while (PGresult* result = PQgetResult(howdah_)) {
    if (const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE)) state = field;
    PQclear(result);
  }
  EXPECT_EQ(state, "57014");
  EXPECT_TRUE(testing::wait_until([&] { return busy() == 0; }, std::chrono::seconds(20)));
  same("SELECT count(*) FROM sales");
}

TEST_F(Aggregates, HoldOnlySoManyRows) {
  same("SELECT max(length(x)) FROM (SELECT user_id, string_agg(repeat(kind, 10000), '') AS x FROM sales GROUP BY user_id) y");
  // 5 MB go up, one value of 200 kB each.
  same("SELECT count(DISTINCT x), md5(max(x)) FROM (SELECT user_id, repeat(kind, 100000) AS x FROM sales) s JOIN users u ON u.id = s.user_id");
  const std::string much = "SELECT array_length(array_agg(x), 1) FROM (SELECT user_id, repeat(memo, 20000) AS x FROM sales) s";
  for (const Mode mode : {Mode::kSimple, Mode::kBinary}) {
    EXPECT_EQ(run(howdah_, much, mode).sqlstate, "53200");
    same_in(mode, much + " WHERE user_id < 20");
  }
  both("BEGIN");
  EXPECT_EQ(run(howdah_, much).sqlstate, "53200");
  EXPECT_EQ(PQtransactionStatus(howdah_), PQTRANS_INERROR);
  both("ROLLBACK");
  same("SELECT count(*) FROM sales");
}

TEST_F(Aggregates, RefusesWhatIsNotProven) {
  EXPECT_EQ(refusal("SELECT count(*), clock_timestamp() FROM sales"), "0A000");
  EXPECT_EQ(refusal("SELECT r.id, r.name, count(*) FROM users u JOIN regions r ON r.id = u.region GROUP BY r.id"), "0A000");
  EXPECT_EQ(refusal("SELECT array_agg(s) FROM sales s"), "0A000");
  EXPECT_EQ(refusal("EXPLAIN (FORMAT XML) SELECT count(*) FROM sales"), "0A000");
  EXPECT_EQ(refusal("COPY (SELECT kind, count(*) FROM sales GROUP BY kind) TO STDOUT"), "0A000");
}

}  // namespace
}  // namespace howdah::e2e
