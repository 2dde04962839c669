#include "sharding/tests/random_query.h"

#include <utility>

namespace howdah::sharding::testing {

std::string RandomQuery::table() {
  if (!with_.empty() && chance(25))
    return with_[static_cast<std::size_t>(pick(static_cast<int>(with_.size())))];
  static constexpr const char* kTables[] = {"a", "b", "c", "a", "b", "r"};
  return kTables[pick(6)];
}

std::string RandomQuery::number() {
  const std::string digits = std::to_string(1 + pick(6));
  switch (pick(10)) {
    case 0:
      return "'" + digits + "'";
    case 1:
      return digits + "::bigint";
    case 2:
      return digits + ".0";
    case 3:
      return "NULL";
    default:
      return digits;
  }
}

std::string RandomQuery::column(const Aliases& in) {
  return in[static_cast<std::size_t>(pick(static_cast<int>(in.size())))] + (chance(70) ? ".k" : ".x");
}

std::string RandomQuery::key(const Aliases& in) {
  return in[static_cast<std::size_t>(pick(static_cast<int>(in.size())))] + ".k";
}

std::string RandomQuery::predicate(const Aliases& in, int depth) {
  switch (pick(depth > 0 ? 17 : 12)) {
    case 0:
      return column(in) + " = " + column(in);
    case 1:
      return key(in) + " = " + key(in);
    case 2:
      return column(in) + " < " + column(in);
    case 3:
      return column(in) + " IS " + (chance(50) ? "NOT NULL" : "NULL");
    case 4:
      return "NOT (" + predicate(in, 0) + ")";
    case 5:
      return "(" + predicate(in, 0) + " OR " + predicate(in, depth - 1) + ")";
    case 6: {
      const auto one = key(in);
      return "(" + one + " = " + number() + " OR " + one + " = " + number() + " AND " + predicate(in, 0) +
             ")";
    }
    case 7:
      return key(in) + " IN (" + number() + ")";
    case 8:
      return key(in) + " IN (1, " + std::to_string(1 + pick(3)) + ")";
    case 9:
      return "(" + key(in) + ", " + column(in) + ") = (" + std::to_string(1 + pick(5)) + ", " + column(in) +
             ")";
    case 10:
      return "coalesce(" + key(in) + " = " + std::to_string(1 + pick(5)) + ", true)";
    case 11:
      return key(in) + " = ANY('{" + std::to_string(1 + pick(5)) + "}')";
    case 12:
      return std::string(chance(70) ? "" : "NOT ") + "EXISTS (" + select(in, depth - 1) + ")";
    case 13:
      return key(in) + (chance(75) ? " IN (" : " NOT IN (") + "SELECT k FROM (" + select(in, depth - 1) +
             ") " + alias() + ")";
    case 14:
      return column(in) + " > (SELECT max(x) FROM (" + select(in, depth - 1) + ") " + alias() + ")";
    case 15:
      return "(" + key(in) + ", " + column(in) + ") IN (" + select(in, depth - 1) + ")";
    default:
      return "CASE WHEN " + predicate(in, depth - 1) + " THEN " + predicate(in, 0) + " ELSE true END";
  }
}

std::string RandomQuery::condition(const Aliases& in, int depth) {
  std::string out;
  if (chance(pinned_)) out = key(in) + " = " + number();
  for (std::size_t i = 1; i < in.size(); ++i) {
    if (chance(50)) out += (out.empty() ? "" : " AND ") + in[i] + ".k = " + in[i - 1] + ".k";
  }
  for (int n = pick(3); n > 0; --n) out += (out.empty() ? "" : " AND ") + predicate(in, depth);
  return out.empty() ? "true" : out;
}

std::string RandomQuery::join_condition(const Aliases& left, const Aliases& right, int depth) {
  Aliases both = left;
  both.insert(both.end(), right.begin(), right.end());
  std::string out = chance(80) ? key(left) + " = " + key(right) : predicate(both, 0);
  if (chance(30)) out += " AND " + predicate(both, depth);
  if (chance(15)) out += " AND " + key(both) + " = " + number();
  return out;
}

std::string RandomQuery::item(Aliases& out, const Aliases& outer, int depth) {
  const auto name = alias();
  out.push_back(name);
  if (depth > 0 && chance(35)) {
    const bool lateral = !outer.empty() && chance(50);
    // Mostly without a key of its own: then it lives on what the outer query says of it, if that may reach
    // it.
    const int before = std::exchange(pinned_, 15);
    const auto query = select(lateral ? outer : Aliases(), depth - 1);
    pinned_ = before;
    return (lateral ? "LATERAL (" : "(") + query + ") " + name;
  }
  if (chance(6))
    return "(VALUES (" + std::to_string(1 + pick(5)) + ", 1), (" + std::to_string(1 + pick(5)) + ", 2)) " +
           name + "(k, x)";
  if (chance(4)) return "(SELECT g AS k, 2 AS x FROM generate_series(1, 3) g) " + name;
  return table() + " " + name;
}

std::string RandomQuery::from(Aliases& out, const Aliases& outer, int depth) {
  std::string sql = item(out, outer, depth);
  Aliases chain = out;  // what a join's ON may name: the items since the last comma
  for (int n = pick(3); n > 0; --n) {
    Aliases right;
    if (chance(16)) {
      sql += ", " + item(right, outer, depth);
      out.insert(out.end(), right.begin(), right.end());
      chain = right;
      continue;
    }
    // A LATERAL item may look to its left, but not across a RIGHT or FULL join.
    static constexpr const char* kJoins[] = {" JOIN ", " LEFT JOIN ", " CROSS JOIN ", " RIGHT JOIN ",
                                             " FULL JOIN "};
    const int kind = pick(5);
    Aliases visible = outer;
    if (kind < 3) visible.insert(visible.end(), chain.begin(), chain.end());
    std::string side = item(right, visible, depth - 1);
    if (chance(20)) {
      Aliases more;
      const auto second = item(more, {}, 0);
      side = "(" + side + (chance(50) ? " JOIN " : " LEFT JOIN ") + second + " ON " +
             join_condition(right, more, 0) + ")";
      right.insert(right.end(), more.begin(), more.end());
    }
    sql += kJoins[kind] + side;
    // FULL JOIN is implemented for simple equalities only.
    if (kind == 4)
      sql += " ON " + key(chain) + " = " + key(right);
    else if (kind != 2)
      sql += " ON " + join_condition(chain, right, 0);
    chain.insert(chain.end(), right.begin(), right.end());
    out.insert(out.end(), right.begin(), right.end());
  }
  return sql;
}

std::string RandomQuery::body(const Aliases& outer, int depth) {
  Aliases own;
  const std::string source = from(own, outer, depth);
  Aliases all = own;
  if (!outer.empty() && chance(80)) all.insert(all.end(), outer.begin(), outer.end());
  const std::string where = " FROM " + source + " WHERE " + condition(all, depth);
  const auto k = key(own);
  switch (pick(12)) {
    case 0:
      return "SELECT " + k + " AS k, count(*)::int AS x" + where + " GROUP BY " + k;
    case 1:
      return "SELECT " + k + " AS k, max(" + column(own) + ") AS x" + where + " GROUP BY 1";
    case 2:
      return "SELECT max(" + k + ") AS k, count(*)::int AS x" + where;
    case 3:
      return "SELECT DISTINCT " + k + " AS k, " + column(own) + " AS x" + where;
    case 4:
      return "SELECT " + k + " AS k, (sum(" + column(own) + ") OVER (PARTITION BY " + k + "))::int AS x" +
             where;
    case 5:
      return "SELECT " + k + " AS k, (count(*) OVER ())::int AS x" + where;
    case 6:
      return "SELECT " + std::to_string(1 + pick(5)) + " AS k, " + column(own) + " AS x" + where;
    case 7:
      return "SELECT max(" + k + ") AS k, " + own[0] + ".x AS x" + where + " GROUP BY " + own[0] + ".x";
    default:
      return "SELECT " + k + " AS k, " + column(own) + " AS x" + where;
  }
}

std::string RandomQuery::select(const Aliases& outer, int depth) {
  if (depth > 0 && chance(15)) {
    static constexpr const char* kOperations[] = {" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "};
    return "(" + body(outer, depth - 1) + ")" + kOperations[pick(4)] + "(" + body(outer, depth - 1) + ")";
  }
  if (chance(15)) {
    return "SELECT k, x FROM (" + body(outer, depth - 1 < 0 ? 0 : depth - 1) + ") " + alias() +
           " ORDER BY 1, 2 LIMIT " + std::to_string(1 + pick(3));
  }
  return body(outer, depth);
}

std::string RandomQuery::query(int pinned) {
  next_ = 0;
  pinned_ = pinned;
  with_.clear();
  std::string with;
  for (int n = chance(25) ? 1 + pick(2) : 0; n > 0; --n) {
    const auto name = "w" + std::to_string(n);
    const int before = std::exchange(pinned_, 40);
    with += (with.empty() ? "WITH " : ", ") + name + " AS (" + select({}, 1) + ")";
    pinned_ = before;
    with_.push_back(name);
  }
  return with + (with.empty() ? "" : " ") + select({}, 2);
}

std::string RandomQuery::write() {
  next_ = 0;
  pinned_ = 75;
  with_.clear();
  static constexpr const char* kTables[] = {"a", "b", "c"};
  const std::string target = kTables[pick(3)];
  const Aliases own = {"z"};
  switch (pick(6)) {
    case 0:
      return "INSERT INTO " + target + " (x, k) VALUES (7, " + std::to_string(1 + pick(6)) +
             ") RETURNING k, x";
    case 1:
      return "INSERT INTO " + target + " (k, x) " + select({}, 1) + " RETURNING k, x";
    case 2:
      return "UPDATE " + target + " z SET x = 100 WHERE " + condition(own, 1) + " RETURNING z.k, z.x";
    case 3:
      return "DELETE FROM " + target + " z WHERE " + condition(own, 1) + " RETURNING z.k, z.x";
    case 4:
      return "DELETE FROM " + target + " z USING c y WHERE " + condition({"z", "y"}, 1) +
             " RETURNING z.k, z.x";
    default: {
      std::string on = join_condition({"z"}, {"s"}, 0);
      if (chance(40)) on = "z.k = s.k AND s.k = " + std::to_string(1 + pick(6));
      pinned_ = 25;
      return "MERGE INTO " + target + " z USING (SELECT DISTINCT k, 1 AS x FROM (" + select({}, 1) +
             ") q) s ON " + on + " WHEN MATCHED THEN " + (chance(50) ? "UPDATE SET x = 200" : "DELETE") +
             (chance(60) ? " WHEN NOT MATCHED THEN INSERT (k, x) VALUES (s.k, 5)" : "");
    }
  }
}

}  // namespace howdah::sharding::testing
