// Random SELECT, INSERT, UPDATE, DELETE and MERGE statements over tables of two integer columns, k (the sharding key) and x:
// a and c (k bigint), b (k integer), r (a reference table). Always valid, always with one right answer as a set of rows.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace howdah::sharding::testing {

class RandomQuery {
 public:
  explicit RandomQuery(std::uint32_t seed) : random_(seed) {}

  std::string query(int pinned = 75);
  std::string write();

 private:
  // Columns in sight: aliases that each have k and x.
  using Aliases = std::vector<std::string>;

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return pick(100) < percent; }
  std::string alias() { return "t" + std::to_string(next_++); }
  std::string table();
  std::string number();
  std::string column(const Aliases& in);
  std::string key(const Aliases& in);
  std::string predicate(const Aliases& in, int depth);
  std::string condition(const Aliases& in, int depth);
  std::string join_condition(const Aliases& left, const Aliases& right, int depth);
  std::string item(Aliases& out, const Aliases& outer, int depth);
  std::string from(Aliases& out, const Aliases& outer, int depth);
  std::string select(const Aliases& outer, int depth);
  std::string body(const Aliases& outer, int depth);

  std::mt19937 random_;
  int next_ = 0;
  int pinned_ = 75;   // of a hundred conditions, how many begin with key = number
  std::vector<std::string> with_;
};

}  // namespace howdah::sharding::testing
