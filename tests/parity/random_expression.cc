// The expressions of random statements.
#include "tests/parity/random_statement.h"

namespace howdah::parity {

std::string RandomStatement::key(const Item& item) const {
  return item.alias + (item.table == 'u' ? ".id" : item.table == 'c' ? ".id" : ".user_id");
}

// A constant, or a parameter that is given it.
std::string RandomStatement::constant(const std::string& text, const char* type) {
  const bool quoted = std::string(type) == "text" || std::string(type) == "timestamptz";
  if (!parameters_ || !chance(40)) {
    if (quoted) return "'" + text + "'" + (std::string(type) == "timestamptz" ? "::timestamptz" : "");
    return text.starts_with('-') ? "(" + text + ")" : text;
  }
  values_.emplace_back(text);
  return "$" + std::to_string(values_.size()) + "::" + type;
}

std::string RandomStatement::key_value() {
  const auto digits = std::to_string(chance(5) ? 9007199254740992 + static_cast<std::int64_t>(below(2)) : static_cast<std::int64_t>(below(30)));
  if (parameters_ && chance(60)) {
    values_.emplace_back(chance(4) ? Value() : Value(digits));
    return "$" + std::to_string(values_.size()) + any({"", "", "::bigint"});
  }
  switch (below(12)) {
    case 0:
      return "'" + digits + "'";
    case 1:
      return digits + "::bigint";
    case 2:
      return digits + ".0";
    case 3:
      return chance(30) ? "NULL" : digits;
    default:
      return digits;
  }
}

std::string RandomStatement::number(const Items& in) {
  const Item& of = one(in);
  const auto& a = of.alias;
  switch (of.table) {
    case 'u':
      return any({"", "-"}) + ("(" + a + ".id % 7)");
    case 'a':
      return a + any({".balance", ".balance", ".id % 10", ".balance * 1.5"});
    case 'h':
      return a + any({".balance", ".id"});
    case 'c':
      return a + any({".id", ".parent_id"});
    default:
      return any({"", "", "abs"}) + "(" + a + any({".amount", ".amount", ".category_id", ".id", ".amount * 2"}) + ")";
  }
}

std::string RandomStatement::text(const Items& in) {
  const Item& of = one(in);
  const auto& a = of.alias;
  std::string column;
  switch (of.table) {
    case 'u':
      column = a + any({".name", ".region", ".plan", ".email"});
      break;
    case 'a':
      column = a + any({".kind", ".currency"});
      break;
    case 'h':
      return "'h' || " + a + ".id";
    case 'c':
      column = a + ".name";
      break;
    default:
      column = a + ".note";
  }
  switch (below(10)) {
    case 0:
      return "upper(" + column + ")";
    case 1:
      return "coalesce(" + column + ", 'none')";
    case 2:
      return column + " || '!'";
    case 3:
      return "CASE WHEN " + truth({of}, 0) + " THEN 'yes' WHEN " + truth({of}, 0) + " THEN " + column + " END";
    default:
      return column;
  }
}

std::string RandomStatement::time(const Items& in) {
  const Item& of = one(in);
  if (of.table != 'u' && of.table != 't' && of.table != 'a') return number(in);
  const auto column = of.alias + (of.table == 'a' ? ".opened_at" : ".created_at");
  const auto unit = any({"", "month", "day", "date"});
  if (unit == "date") return column + "::date";
  return unit.empty() ? column : "date_trunc('" + unit + "', " + column + ")";
}

std::string RandomStatement::value(const Items& in) {
  switch (below(8)) {
    case 0:
      return key(one(in));
    case 1:
    case 2:
    case 3:
      return text(in);
    case 4:
      return time(in);
    default:
      return number(in);
  }
}

std::string RandomStatement::truth(const Items& in, int depth) {
  switch (below(depth > 0 ? 16 : 10)) {
    case 0:
      return "(" + number(in) + any({" > ", " <= ", " <> ", " = "}) + constant(std::to_string(static_cast<int>(below(60)) - 20), "numeric") + ")";
    case 1:
      return "(" + number(in) + " BETWEEN " + constant("-5", "numeric") + " AND " + constant(std::to_string(below(200)), "numeric") + ")";
    case 2: {
      const Item& of = one(in);
      if (of.table == 'u') return of.alias + any({".region IN ('eu', 'us')", ".region = 'isle'", ".plan = 'gold'", ".name IS NULL", ".created_at > '2023-06-10'"});
      if (of.table == 'a') return of.alias + any({".currency = 'EUR'", ".currency IN ('USD', 'JPY', 'GBP')", ".kind IS NOT NULL", ".balance IS NULL"});
      if (of.table == 't') return of.alias + any({".created_at >= '2024-03-01'", ".tags IS NULL", ".note LIKE 'note 3%'", ".category_id IN (1, 3, 5)"});
      return key(of) + " > 3";
    }
    case 3:
      return "(" + text(in) + any({" LIKE ", " ILIKE ", " > ", " = "}) + constant(any({"eu", "B%", "%o%", "note 2", "checking", "M"}), "text") + ")";
    case 4:
      return "(" + value(in) + any({" IS NULL", " IS NOT NULL"}) + ")";
    case 5:
      return "NOT " + truth(in, 0);
    case 6:
      return "(" + truth(in, 0) + " OR " + truth(in, 0) + ")";
    case 7:
      return "(" + key(one(in)) + " = " + key_value() + " OR " + truth(in, 0) + ")";
    case 8:
      return key(one(in)) + any({" < 20", " IN (1, 2, 3, 14)", " BETWEEN 3 AND 12", " <> 3", " % 2 = 0"});
    case 9:
      return "coalesce(" + truth(in, 0) + ", true)";
    case 10:
      return "CASE WHEN " + truth(in, 0) + " THEN " + truth(in, 0) + " ELSE " + key(one(in)) + " > 10 END";
    default:
      return subquery_truth(in, depth);
  }
}

std::string RandomStatement::subquery_truth(const Items& in, int depth) {
  const Item& outer = one(in);
  const Item inner = item(any({"u", "a", "t", "h", "c"})[0]);
  const bool tied = chance(85);
  std::string inside = tied ? key(inner) + " = " + key(outer) : "true";
  if (inner.table == 'c') inside = inner.alias + ".id = " + (outer.table == 't' ? outer.alias + ".category_id" : "1");
  if (chance(50)) inside += " AND " + truth({inner}, depth - 1);
  switch (below(4)) {
    case 0:
      return key(outer) + any({" IN ", " IN ", " NOT IN "}) + "(SELECT " + key(inner) + " FROM " + table_of(inner) + " WHERE " + inside + ")";
    case 1:
      return "(SELECT count(*) FROM " + table_of(inner) + " WHERE " + inside + ") > " + std::to_string(below(4));
    default:
      return any({"EXISTS", "EXISTS", "NOT EXISTS"}) + " (SELECT " + any({"", "1", "*"}) + " FROM " + table_of(inner) + " WHERE " + inside + ")";
  }
}

std::string RandomStatement::condition(const Items& in, int depth) {
  std::string out;
  if (chance(20)) out = key(one(in)) + " = " + key_value();
  if (out.empty() && chance(8)) out = key(one(in)) + " IN (" + key_value() + ", " + key_value() + ")";
  for (std::size_t n = below(3); n > 0; --n) out += (out.empty() ? "" : " AND ") + truth(in, depth);
  return out;
}

std::string RandomStatement::aggregate(const Items& in) {
  const std::string filter = chance(20) ? " FILTER (WHERE " + truth(in, 0) + ")" : "";
  switch (below(14)) {
    case 0:
    case 1:
      return "count(*)" + filter;
    case 2:
      return "count(" + value(in) + ")" + filter;
    case 3:
    case 4:
      return "sum(" + number(in) + ")" + filter;
    case 5:
      return "avg(" + number(in) + ")" + filter;
    case 6:
      return any({"min(", "max("}) + text(in) + ")" + filter;
    case 7:
      return any({"min(", "max("}) + value(in) + ")" + filter;
    case 8:
      return any({"bool_and(", "bool_or(", "every("}) + truth(in, 0) + ")" + filter;
    case 9:
      return "count(DISTINCT " + value(in) + ")" + filter;
    case 10:
      return any({"sum(DISTINCT ", "avg(DISTINCT ", "max(DISTINCT "}) + number(in) + ")" + filter;
    case 11: {
      const auto of = text(in);
      return "string_agg(" + of + ", ',' ORDER BY " + of + any({"", " DESC"}) + ")" + filter;
    }
    case 12: {
      const auto of = number(in);
      return "array_agg(" + of + " ORDER BY " + of + any({"", " DESC", " NULLS FIRST"}) + ")" + filter;
    }
    default:
      return any({"stddev(", "var_pop(", "percentile_disc(0.5) WITHIN GROUP (ORDER BY "}) + number(in) + ")" + filter;
  }
}

std::string RandomStatement::over_aggregates(const Items& in) {
  switch (below(8)) {
    case 0:
      return "sum(" + number(in) + ") / nullif(count(*), 0)";
    case 1:
      return "count(*) * 2 + coalesce(max(" + number(in) + "), 0)";
    case 2:
      return "round(avg(" + number(in) + "), 3)::text || '%'";
    case 3:
      return "CASE WHEN count(*) > 5 THEN max(" + text(in) + ") END";
    default:
      return aggregate(in);
  }
}

// Only those that rows which tie in the window's order agree in.
std::string RandomStatement::window(const Items& in) {
  const std::string partition = chance(70) ? "PARTITION BY " + (chance(60) ? key(one(in)) : value(in)) : "";
  const std::string order = " ORDER BY " + value(in) + any({"", " DESC"});
  switch (below(3)) {
    case 0:
      return any({"rank()", "dense_rank()"}) + " OVER (" + partition + order + ")";
    case 1:
      return "sum(" + number(in) + ") OVER (" + partition + order + ")";
    default:
      return (chance(50) ? "count(*)" : "max(" + number(in) + ")") + " OVER (" + partition + ")";
  }
}

}  // namespace howdah::parity
