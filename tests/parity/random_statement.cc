// The clauses of random statements.
#include "tests/parity/random_statement.h"

#include <algorithm>

namespace howdah::parity {

RandomStatement::Item RandomStatement::item(char table) { return {std::string(1, table) + std::to_string(next_++), table}; }

std::string RandomStatement::table_of(const Item& item) const {
  static const std::string kNames = "uathc";
  static constexpr const char* kTables[] = {"users", "accounts", "transactions", "archive.accounts", "categories"};
  return std::string(kTables[kNames.find(item.table)]) + " " + item.alias;
}

std::string RandomStatement::from(Items& in, bool lone) {
  in.push_back(item(any({"u", "a", "t", "a", "t", "u", "h", "c"})[0]));
  std::string out = table_of(in.back());
  for (std::size_t n = lone ? 0 : below(3); n > 0; --n) {
    const Item left = one(in);
    const Item right = item(left.table == 't' && chance(35) ? 'c' : any({"u", "a", "t", "h"})[0]);
    std::string on = key(left) + " = " + key(right);
    if (right.table == 'c') on = right.alias + ".id = " + left.alias + ".category_id";
    if (left.table == 'c') on = right.table == 't' ? left.alias + ".id = " + right.alias + ".category_id" : on;
    if (chance(7)) on = number({left}) + " = " + number({right});
    if (chance(25)) on += " AND " + truth({left, right}, 0);
    const auto kind = any({" JOIN ", " JOIN ", " JOIN ", " LEFT JOIN ", " LEFT JOIN ", " RIGHT JOIN "});
    if (chance(8) && right.table != 'c') {
      // A subquery in its place, with the same columns.
      out += kind + "(SELECT * FROM " + table_of(right) + where({right}, 0) + ") " + right.alias + " ON " + on;
    } else {
      out += kind + table_of(right) + " ON " + on;
    }
    in.push_back(right);
  }
  return " FROM " + out;
}

std::string RandomStatement::where(const Items& in, int depth) {
  const auto text = condition(in, depth);
  return text.empty() ? "" : " WHERE " + text;
}

RandomStatement::Query RandomStatement::plain() {
  Items in;
  const auto source = from(in);
  Query out;
  std::string list;
  for (std::size_t n = 1 + below(4); n > 0; --n, ++out.columns) {
    list += (list.empty() ? "" : ", ") + (chance(10) ? window(in) : value(in));
    if (chance(20)) list += " AS " + any({"x", "id", "name", "\"Total\""}) + std::to_string(out.columns);
  }
  out.sql = "SELECT " + list + source + where(in);
  return out;
}

RandomStatement::Query RandomStatement::grouped() {
  Items in;
  const auto source = from(in);
  Query out;
  std::string list, groups;
  for (std::size_t n = below(3); n > 0; --n, ++out.columns) {
    const auto of = chance(25) ? key(one(in)) : value(in);
    list += of + ", ";
    groups += (groups.empty() ? "" : ", ") + (chance(50) ? std::to_string(out.columns + 1) : of);
  }
  for (std::size_t n = 1 + below(3); n > 0; --n, ++out.columns) list += over_aggregates(in) + (n > 1 ? ", " : "");
  out.sql = "SELECT " + list + source + where(in);
  if (!groups.empty()) {
    const auto kind = below(12);
    out.grouping_sets = kind < 2;
    out.sql += " GROUP BY " + (kind == 0 ? "ROLLUP (" + groups + ")" : kind == 1 ? "CUBE (" + groups + ")" : groups);
  }
  if (chance(20)) out.sql += " HAVING " + any({"count(*) > 2", "count(*) < 9"}) + (chance(50) ? " AND max(" + number(in) + ") > 0" : "");
  return out;
}

RandomStatement::Query RandomStatement::distinct() {
  Items in;
  const auto source = from(in);
  Query out;
  std::string list = value(in);
  for (out.columns = 1; chance(50) && out.columns < 3; ++out.columns) list += ", " + value(in);
  out.sql = "SELECT DISTINCT " + any({"", "", "ON (1) "}) + list + source + where(in);
  return out;
}

RandomStatement::Query RandomStatement::over_subquery() {
  Items in;
  const auto source = from(in);
  const auto group = chance(70) ? key(one(in)) : value(in);
  const std::string sub = "SELECT " + group + " AS g, count(*) AS n, max(" + number(in) + ") AS m" + source + where(in) + " GROUP BY 1";
  if (chance(40)) return {"WITH w AS (" + sub + ") SELECT count(*), sum(n), max(m), avg(n) FROM w", 4, false};
  if (chance(50)) return {"SELECT n, count(*), min(m) FROM (" + sub + ") s GROUP BY n", 3, false};
  return {"SELECT g, n, m FROM (" + sub + ") s WHERE n > " + std::to_string(below(3)), 3, false};
}

RandomStatement::Query RandomStatement::set_operation() {
  std::string out;
  const auto pinned = chance(50) ? " = " + std::to_string(below(20)) : "";
  for (int branch = 0; branch < 2; ++branch) {
    Items in;
    const auto source = from(in, true);
    out += (branch == 0 ? "" : any({" UNION ", " UNION ALL ", " UNION ALL ", " INTERSECT ", " EXCEPT "})) + "SELECT " + key(in[0]) + "::bigint, " + text(in) + "::text" +
           source + " WHERE " + truth(in, 0) + (pinned.empty() ? "" : " AND " + key(in[0]) + pinned);
  }
  return {out, 2, false};
}

// Rows are in a total order when ORDER BY has all columns.
std::string RandomStatement::order_and_limit(const Query& query, Order& order) {
  // PostgreSQL 15 itself sorts grouping sets wrong by a column that WHERE makes constant, or that is there twice.
  if (query.grouping_sets) return "";
  const bool on = query.sql.starts_with("SELECT DISTINCT ON");  // whose column comes first in ORDER BY
  std::string out;
  if (on || chance(50)) {
    order.kind = Order::Kind::kTotal;
    std::vector<std::size_t> columns;
    for (std::size_t c = 1; c <= query.columns; ++c) columns.push_back(c);
    if (!on) std::shuffle(columns.begin(), columns.end(), random_);
    for (const auto column : columns)
      out += (out.empty() ? "" : ", ") + std::to_string(column) + any({"", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"});
    out = " ORDER BY " + out;
  }
  if (!chance(order.kind == Order::Kind::kTotal ? 40 : 8)) return out;
  if (order.kind == Order::Kind::kFree) order.kind = Order::Kind::kCount;
  const auto count = [&](std::size_t most) { return constant(std::to_string(below(most)), "bigint"); };
  if (chance(70)) out += " LIMIT " + count(20);
  if (chance(30)) out += " OFFSET " + count(6);
  return out;
}

RandomStatement::Made RandomStatement::finish(std::string sql, Order order, bool writes) {
  Made out;
  out.step.sql = std::move(sql);
  if (!values_.empty()) out.step.values.push_back(values_);
  out.step.order = std::move(order);
  out.writes = writes;
  return out;
}

RandomStatement::Made RandomStatement::select() {
  const auto kind = below(20);
  auto query = kind < 8 ? plain() : kind < 14 ? grouped() : kind < 17 ? distinct() : kind < 19 ? over_subquery() : set_operation();
  Order order;
  auto tail = order_and_limit(query, order);
  // One row that fails, where all rows are looked at.
  if (kind < 8 && order.kind != Order::Kind::kCount && tail.find("LIMIT") == std::string::npos && chance(2)) {
    Items in;
    const auto source = from(in, true);
    query.sql = "SELECT 100 / (" + key(in[0]) + " - 3), 1 AS y" + source;
    tail.clear();
    order = Order();
    values_.clear();
  }
  return finish(query.sql + tail, order, false);
}

RandomStatement::Made RandomStatement::insert() {
  const bool users = chance(50);
  const auto id = [&] { return std::to_string((chance(30) ? 0 : 1000) + below(40)); };
  std::string rows;
  // NULL alone: of several errors in different rows any one may come.
  const bool no_key = chance(5);
  for (std::size_t n = no_key ? 1 : 1 + below(4); n > 0; --n) {
    const auto key = no_key ? "NULL" : constant(id(), "bigint");
    rows += (rows.empty() ? "(" : ", (") + key + ", " + (users ? constant(any({"a@x", "b@x", "ü@x"}), "text") : constant(std::to_string(below(5)), "bigint") + ", " + constant("1.50", "numeric")) + ")";
  }
  std::string sql = users ? "INSERT INTO users AS t (id, email) VALUES " + rows : "INSERT INTO archive.accounts AS t (user_id, id, balance) VALUES " + rows;
  switch (below(4)) {
    case 0:
      sql += " ON CONFLICT DO NOTHING";
      break;
    case 1:
      sql += users ? " ON CONFLICT (id) DO UPDATE SET email = t.email || excluded.email" : " ON CONFLICT (user_id, id) DO UPDATE SET balance = excluded.balance + t.balance";
      break;
    default:
      break;
  }
  sql += any({"", "", " RETURNING *", " RETURNING 1 AS one"});
  if (chance(20)) {
    values_.clear();
    parameters_ = false;
    const Item source = item(any({"a", "t"})[0]);
    sql = "INSERT INTO archive.accounts SELECT " + source.alias + ".id + 5000, " + source.alias + ".user_id, " + number({source}) + " FROM " + table_of(source) + where({source}) +
          any({"", " RETURNING id, balance"});
  }
  return finish(std::move(sql), Order(), true);
}

RandomStatement::Made RandomStatement::update() {
  const Item target = item(any({"u", "a", "t", "h"})[0]);
  Items in{target};
  std::string set, source;
  switch (target.table) {
    case 'u':
      set = any({"name = upper(", "plan = ("}) + text(in) + ")";
      break;
    case 't':
      set = chance(50) ? "note = " + text(in) : "amount = round((" + number(in) + ")::numeric, 2)";
      break;
    default:
      set = "balance = round((" + number(in) + ")::numeric, 2)";
  }
  std::string tie;
  // The key, too: rows move. Not of a table with a foreign key, where errors of two kinds may meet.
  const bool moves = (target.table == 't' || target.table == 'h') && chance(35);
  if (moves) set = chance(50) ? "user_id = " + key_value() + ", " + set : set + ", user_id = " + key(target) + any({" + 1000", " * 7 + 100", " + 1", " - 2"});
  if (chance(moves ? 3 : 25)) {
    const Item other = item('u');
    source = " FROM " + table_of(other);
    tie = key(target) + " = " + key(other);
    in.push_back(other);
  }
  const auto more = condition(in, 1);
  std::string filter = tie + (tie.empty() || more.empty() ? "" : " AND ") + more;
  if (!filter.empty()) filter = " WHERE " + filter;
  return finish("UPDATE " + table_of(target) + " SET " + set + source + filter + (chance(50) ? " RETURNING " + key(target) + ", " + value(in) : ""), Order(), true);
}

RandomStatement::Made RandomStatement::remove() {
  const Item target = item(any({"u", "a", "t", "h", "t"})[0]);
  Items in{target};
  std::string source, tie;
  if (chance(20)) {
    const Item other = item('a');
    source = " USING " + table_of(other);
    tie = key(target) + " = " + key(other);
    in.push_back(other);
  }
  const auto more = condition(in, 1);
  std::string filter = tie + (tie.empty() || more.empty() ? "" : " AND ") + more;
  if (!filter.empty()) filter = " WHERE " + filter;
  return finish("DELETE FROM " + table_of(target) + source + filter + (chance(50) ? " RETURNING " + key(target) + ", " + number({target}) : ""), Order(), true);
}

RandomStatement::Made RandomStatement::merge() {
  const Item target = item('h'), source = item('a');
  std::string sql = "MERGE INTO " + table_of(target) + " USING " + table_of(source) + " ON " + key(target) + " = " + key(source) + " AND " + target.alias + ".id = " + source.alias + ".id";
  if (chance(70)) sql += " WHEN MATCHED AND " + truth({target, source}, 0) + any({" THEN DELETE", " THEN UPDATE SET balance = 1"});
  sql += " WHEN NOT MATCHED AND " + truth({source}, 0) + " THEN INSERT (id, user_id, balance) VALUES (" + source.alias + ".id, " + source.alias + ".user_id, 7)";
  return finish(std::move(sql), Order(), true);
}

RandomStatement::Made RandomStatement::make() {
  parameters_ = chance(35);
  const auto kind = below(20);
  return kind < 15 ? select() : kind < 16 ? insert() : kind < 18 ? update() : kind < 19 ? remove() : chance(50) ? merge() : insert();
}

}  // namespace howdah::parity
