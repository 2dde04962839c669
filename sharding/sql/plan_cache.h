// Statement text -> plan without parsing, for statements seen before. One per worker thread; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sharding/sql/analyzer.h"

namespace howdah::sharding::sql {

// What else a plan depends on, reduced to one number per distinct combination of database, role, resolved search_path,
// catalog and rules versions, client_encoding, standard_conforming_strings, transform_null_equals and array_nulls.
// The shell interns the combinations; 64 bits, never reused.
using PlanScope = std::uint64_t;

class PlanCache {
 public:
  struct Settings {
    std::size_t max_entries = 8192;
    std::size_t max_bytes = 64u << 20;         // of normalized text
    std::size_t max_statement_bytes = 64u << 10;  // longer normalized texts are never cached
  };
  PlanCache() : PlanCache(Settings()) {}
  explicit PlanCache(Settings settings);
  ~PlanCache();

  // Null on a miss. Compares scope, parameter types, the whole normalized text and every guard.
  // The pointer stays valid until the next insert() or clear(); copy the PlanPtr to keep it.
  const PlanPtr* find(std::string_view sql, const TokenStream& tokens, std::span<const Oid> param_types, PlanScope scope);
  // Returns the stored plan. Evicts the least recently used entries beyond the limits.
  PlanPtr insert(std::string_view sql, const TokenStream& tokens, std::span<const Oid> param_types, PlanScope scope,
                 Analysis analysis);
  void clear();
  std::size_t size() const;
  // Each entry's normalized text, its own text where the plan holds for that only (else empty), and the plan.
  void for_each(const std::function<void(std::string_view, std::string_view, const PlanPtr&)>& look) const;
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace howdah::sharding::sql
