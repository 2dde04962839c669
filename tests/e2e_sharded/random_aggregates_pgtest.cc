// Random queries with aggregates, groups, DISTINCT and window functions, each compared with the twin. The seed is printed; run one
// again with HOWDAH_SEED, more of them with HOWDAH_STATEMENTS.
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/e2e_sharded/twin_fixture.h"

namespace howdah::e2e {
namespace {

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::string query() {
    switch (below(10)) {
      case 0:
        return distinct();
      case 1:
        return windows();
      case 2:
        return over_subquery();
      default:
        return groups();
    }
  }

 private:
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  bool chance(std::size_t of) { return below(of) == 0; }
  template <std::size_t n>
  std::string one(const char* const (&of)[n]) {
    return of[below(n)];
  }

  std::string number() {
    return one({"qty", "small", "big", "price", "qty + 1", "qty * small", "price * 1.5", "-price", "big / 7", "price / 7", "coalesce(qty, 0)", "id",
                "s.qty", "length(kind)", "CASE WHEN flag THEN qty ELSE small END"});
  }
  std::string column() {
    return one({"kind", "qty", "small", "price", "day", "flag", "feeling", "tag", "code", "memo", "span", "s.kind", "at", "tags", "bits", "rate"});
  }
  std::string group() {
    return one({"kind", "kind", "small", "day", "flag", "feeling", "s.kind", "code", "price", "span", "rate", "qty % 7", "kind || memo", "upper(kind)",
                "date_trunc('week', at)", "extract(dow FROM day)", "CASE WHEN qty > 3 THEN 'a' WHEN qty < 0 THEN 'b' END", "small > 0", "price::int",
                "price::text", "coalesce(kind, '-')", "(small, flag)", "tags[1]", "user_id % 3", "round(price)"});
  }
  std::string condition() {
    return one({"qty > 0", "small IN (1, 2, -3)", "kind IS NOT NULL", "day >= '2024-01-03'", "flag", "NOT flag", "price BETWEEN -10 AND 40", "id < 2",
                "user_id > 60", "user_id IN (3, 8, 21, 77)", "kind LIKE '%1'", "false", "feeling > 'sad'", "memo <> code"});
  }
  std::string aggregate() {
    const std::string filter = chance(5) ? " FILTER (WHERE " + condition() + ")" : "";
    switch (below(14)) {
      case 0:
        return "count(*)" + filter;
      case 1:
        return "count(" + column() + ")" + filter;
      case 2:
      case 3:
        return "sum(" + number() + ")" + filter;
      case 4:
      case 5:
        return "avg(" + number() + ")" + filter;
      case 6:
        return one({"min(", "max("}) + one({"kind", "qty", "price", "day", "at", "span", "feeling", "code", "memo", "tags", "cash"}) + ")" + filter;
      case 7:
        return one({"bool_and(", "bool_or(", "every("}) + one({"flag", "qty > 0", "kind = 'k1'"}) + ")" + filter;
      case 8:
        return one({"bit_and(", "bit_or(", "bit_xor("}) + one({"qty", "small", "big", "bits"}) + ")" + filter;
      case 9:
        return one({"count(DISTINCT ", "count(DISTINCT ", "max(DISTINCT "}) + one({"kind", "qty", "price", "day", "memo", "price::text"}) + ")" + filter;
      case 10:
        return one({"sum(DISTINCT ", "avg(DISTINCT "}) + one({"qty", "small", "big"}) + ")";
      case 11:
        return one({"stddev(", "var_pop(", "variance(", "stddev_pop("}) + one({"qty", "small", "price"}) + ")" + filter;
      case 12:
        return "string_agg(" + one({"kind", "memo", "day::text", "qty::text"}) + ", ',' ORDER BY user_id, id)" + filter;
      default:
        return "percentile_disc(0." + std::to_string(below(10)) + ") WITHIN GROUP (ORDER BY " + one({"qty", "price", "day", "kind"}) + ")";
    }
  }
  std::string over_aggregates() {
    switch (below(6)) {
      case 0:
        return "sum(qty) / nullif(count(*), 0)";
      case 1:
        return "count(*) + coalesce(" + one({"sum(small)", "max(qty)", "min(id)"}) + ", 0)";
      case 2:
        return "round(avg(" + one({"price", "qty"}) + "), 3)::text || '%'";
      case 3:
        return "CASE WHEN count(*) > 10 THEN max(kind) ELSE min(memo) END";
      default:
        return aggregate();
    }
  }
  std::string from() {
    switch (below(5)) {
      case 0:
        return " FROM sales s JOIN users u ON u.id = s.user_id";
      case 1:
        return " FROM users u JOIN sales s ON u.id = s.user_id LEFT JOIN regions r ON r.name = s.kind";
      default:
        return " FROM sales s";
    }
  }
  std::string where() { return chance(2) ? " WHERE " + condition() + (chance(3) ? " AND " + condition() : "") : ""; }
  // `from` may have more than one column called id.
  static std::string qualified(std::string text) {
    for (std::size_t at = 0; (at = text.find("id", at)) != std::string::npos; at += 2) {
      const auto is_name = [&](std::size_t i) { return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_' || text[i] == '.'); };
      if ((at > 0 && is_name(at - 1)) || is_name(at + 2)) continue;
      text.insert(at, "s.");
      at += 2;
    }
    return text;
  }

  std::string groups() {
    std::vector<std::string> keys;
    std::string list, group_by;
    for (std::size_t i = below(4); i > 0; --i) keys.push_back(group());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const bool named = chance(4);
      list += (list.empty() ? "" : ", ") + keys[i] + (named ? " AS g" + std::to_string(i) : "");
      group_by += (i > 0 ? ", " : "") + (chance(4) ? std::to_string(i + 1) : named ? "g" + std::to_string(i) : keys[i]);
    }
    for (std::size_t i = 1 + below(3); i > 0; --i) list += (list.empty() ? "" : ", ") + over_aggregates() + (chance(4) ? " AS a" + std::to_string(i) : "");
    std::string sql = std::string("SELECT ") + (chance(8) ? "DISTINCT " : "") + list + from() + where();
    if (!keys.empty()) sql += " GROUP BY " + (chance(8) ? "ROLLUP (" + plain(keys) + ")" : group_by);
    if (chance(4)) sql += " HAVING " + one({"count(*) > 2", "sum(qty) > 0", "bool_or(flag)", "min(price) < 5 AND count(*) < 30", "avg(qty) > 1.5"});
    return qualified(ordered(sql, list));
  }
  static std::string plain(const std::vector<std::string>& keys) {
    std::string out;
    for (const auto& key : keys) out += (out.empty() ? "" : ", ") + key;
    return out;
  }
  // By all output columns, so that LIMIT has one meaning.
  std::string ordered(const std::string& sql, const std::string& list) {
    if (chance(3)) return sql;
    std::size_t columns = 1;
    int depth = 0;
    for (char c : list) {
      depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
      columns += c == ',' && depth == 0;
    }
    std::string out = sql + " ORDER BY ";
    for (std::size_t i = 1; i <= columns; ++i) out += (i > 1 ? ", " : "") + std::to_string(i) + one({"", "", " DESC", " NULLS FIRST"});
    if (chance(3)) out += " LIMIT " + std::to_string(below(8)) + (chance(3) ? " OFFSET " + std::to_string(below(3)) : "");
    return out;
  }

  std::string distinct() {
    std::string list = column();
    for (std::size_t i = below(3); i > 0; --i) list += ", " + one({"kind", "day", "qty % 5", "price", "lower(kind)", "flag"});
    return qualified(ordered("SELECT DISTINCT " + list + from() + where(), list));
  }
  std::string windows() {
    const std::string over = " OVER (" + (chance(2) ? "PARTITION BY " + one({"kind", "day", "user_id", "small > 0"}) + " " : std::string()) + "ORDER BY user_id, id)";
    const std::string list = "user_id, id, " + one({"row_number()", "sum(qty)", "lag(kind)", "avg(price)", "first_value(day)", "count(*)"}) + over;
    return qualified(ordered("SELECT " + list + from() + where(), list));
  }
  std::string over_subquery() {
    const std::string inner = "SELECT user_id, count(*) AS n, max(qty) AS m, min(kind) AS k FROM sales GROUP BY user_id";
    const std::string list = one({"count(*)", "avg(n)", "k, sum(m)", "sum(n), k", "max(k), avg(m)"});
    std::string sql = chance(2) ? "SELECT " + list + " FROM (" + inner + ") x" : "WITH x AS (" + inner + ") SELECT " + list + " FROM x JOIN users u ON u.id = x.user_id";
    if (list.find("k,") == 0 || list.find(", k") != std::string::npos) sql += " GROUP BY k";
    return ordered(sql, list);
  }

  std::mt19937 random_;
};

class RandomAggregates : public TwinTest {};

TEST_F(RandomAggregates, AnswerAsTheTwinDoes) {
  const unsigned seed = from_environment("HOWDAH_SEED", std::random_device()());
  const unsigned statements = from_environment("HOWDAH_STATEMENTS", 300);
  std::cout << "HOWDAH_SEED=" << seed << std::endl;
  Generator generator(seed);
  unsigned answered = 0, failed = 0;
  for (unsigned i = 0; i < statements && !HasFailure(); ++i) {
    const std::string sql = generator.query();
    const auto mode = static_cast<Mode>(i % 3);
    const Rows theirs = run(twin_, sql, mode);
    same_in(mode, sql);
    answered += theirs.sqlstate.empty();
    failed += !theirs.sqlstate.empty();
  }
  std::cout << answered << " answered, " << failed << " errors" << std::endl;
  EXPECT_GT(answered, statements * 4 / 5);
}

}  // namespace
}  // namespace howdah::e2e
