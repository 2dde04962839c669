// What is known of columns' values: equalities with constants, and how they travel from column to column.
//
// A *term* is a column of one entry of a FROM list (or an output column of a subquery). "Term t is pinned to
// the values V" means: replacing its entry by only those of its rows where t is one of V leaves the
// statement's result as it is. That holds step by step, so a pin may use pins proven before it. Which entries
// a condition may restrict is the caller's knowledge (an outer join's ON restricts its nullable side only)
// and comes as `Targets`.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "schema/types.h"
#include "sharding/sql/plan.h"

namespace howdah::sharding::sql {

// Values that a term must equal one of.
struct ValueSet {
  schema::KeyFamily family = schema::KeyFamily::kInteger;
  Oid read_as = 0;  // the column type by which untyped values are read
  std::vector<KeySource> any_of;
  // Folded and array values may be many; a set of single values ranks before.
  std::size_t rank() const;
};

// The entries that a condition may restrict, by entry number.
using Targets = std::vector<bool>;
inline bool contains(const Targets& targets, int entry) {
  return entry >= 0 && static_cast<std::size_t>(entry) < targets.size() &&
         targets[static_cast<std::size_t>(entry)];
}
inline void include(Targets& targets, int entry) {
  if (targets.size() <= static_cast<std::size_t>(entry)) targets.resize(static_cast<std::size_t>(entry) + 1);
  targets[static_cast<std::size_t>(entry)] = true;
}

class Facts {
 public:
  // A new term of `entry` (-1: none, a constant). `type` 0: unknown, such a term passes values on but
  // compares with none.
  int add_term(int entry, Oid type);
  int entry(int term) const { return terms_[static_cast<std::size_t>(term)].entry; }
  Oid type(int term) const { return terms_[static_cast<std::size_t>(term)].type; }

  void pin(int term, ValueSet values);
  // Rows with a = b only: each of the two in `targets` takes the other's values.
  void equate(int a, int b, const Targets& targets);
  // `to` has no other values than `from`.
  void flow(int from, int to) { edges_.push_back({from, to}); }
  // `to` is a union's column: pinned once all of `from` are.
  void join(std::vector<int> from, int to) { unions_.push_back({std::move(from), to}); }

  // Lets values travel until nothing changes.
  void solve();
  // The same equalities without any pins.
  Facts without_pins() const;
  // Null: not pinned. After solve().
  const ValueSet* values(int term) const;

 private:
  struct Term {
    int entry;
    Oid type;
    bool pinned = false;
    ValueSet values;
  };
  struct Edge {
    int from, to;
  };
  struct Union {
    std::vector<int> from;
    int to;
  };
  bool improve(int term, const ValueSet& values);
  bool merge(const Union& edge);

  std::vector<Term> terms_;
  std::vector<Edge> edges_;
  std::vector<Union> unions_;
};

}  // namespace howdah::sharding::sql
