// Tables whose definitions are not the same on all shards, so that nothing can be proven of statements over several of them.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/ids.h"

namespace howdah::schema {

struct Difference {
  std::string what;  // where and how, as a sentence for users
  bool operator==(const Difference&) const = default;
};

// Immutable once shared. By the canonical shard's OIDs.
class Drift {
 public:
  void add(Oid relation, Difference difference) { tables_.emplace(relation, std::move(difference)); }
  const Difference* find(Oid relation) const {
    const auto found = tables_.find(relation);
    return found == tables_.end() ? nullptr : &found->second;
  }
  const std::map<Oid, Difference>& tables() const { return tables_; }
  bool operator==(const Drift&) const = default;

 private:
  std::map<Oid, Difference> tables_;
};

}  // namespace howdah::schema
