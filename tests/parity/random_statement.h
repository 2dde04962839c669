// Random statements over the demo schema: joins, subqueries, groups, aggregates, windows, set operations, writes, parameters.
// Valid (but for few that divide by zero or violate a constraint), and with one right answer: ORDER BY ends with all output columns,
// aggregates that see an order say which, no sums of floats that rounding could change, at most one kind of error.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/parity/corpus.h"

namespace howdah::parity {

class RandomStatement {
 public:
  // The same statement for the same numbers.
  RandomStatement(std::uint64_t seed, std::uint64_t number) : random_(seed * 1'000'003 + number) {}

  struct Made {
    Step step;
    bool writes = false;
  };
  Made make();

 private:
  struct Item {
    std::string alias;
    char table;  // u, a, t: users, accounts, transactions; h: archive.accounts; c: categories
  };
  using Items = std::vector<Item>;
  struct Query {
    std::string sql;
    std::size_t columns = 0;
    bool grouping_sets = false;
  };

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <typename T>
  const T& one(const std::vector<T>& of) { return of[below(of.size())]; }
  std::string any(std::initializer_list<const char*> of) { return *(of.begin() + below(of.size())); }

  // Expressions over the columns of the items; see random_expression.cc.
  std::string key(const Item& item) const;
  std::string key_value();
  std::string number(const Items& in);
  std::string text(const Items& in);
  std::string time(const Items& in);
  std::string value(const Items& in);
  std::string truth(const Items& in, int depth);
  std::string subquery_truth(const Items& in, int depth);
  std::string condition(const Items& in, int depth);
  std::string aggregate(const Items& in);
  std::string over_aggregates(const Items& in);
  std::string window(const Items& in);
  std::string constant(const std::string& text, const char* type);

  // Statements; see random_statement.cc.
  Item item(char table);
  std::string table_of(const Item& item) const;
  std::string from(Items& in, bool lone = false);
  std::string where(const Items& in, int depth = 1);
  Query plain();
  Query grouped();
  Query distinct();
  Query over_subquery();
  Query set_operation();
  std::string order_and_limit(const Query& query, Order& order);
  Made select();
  Made insert();
  Made update();
  Made remove();
  Made merge();
  Made finish(std::string sql, Order order, bool writes);

  std::mt19937_64 random_;
  int next_ = 0;
  Row values_;
  bool parameters_ = false;
};

}  // namespace howdah::parity
