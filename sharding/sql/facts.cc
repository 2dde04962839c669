#include "sharding/sql/facts.h"

#include <utility>

namespace howdah::sharding::sql {

namespace {
// A union of more values than this pins nothing: such a statement names several shards anyway.
constexpr std::size_t kMaxUnion = 4096;
}  // namespace

std::size_t ValueSet::rank() const {
  std::size_t rank = any_of.size();
  for (const auto& source : any_of) {
    switch (source.kind) {
      case KeySource::Kind::kSlotList:
        rank += 1000;
        break;
      case KeySource::Kind::kParamArray:
      case KeySource::Kind::kSlotArray:
        rank += 2000;
        break;
      default:
        break;
    }
  }
  return rank;
}

int Facts::add_term(int entry, Oid type) {
  terms_.push_back(Term{entry, type, false, {}});
  return static_cast<int>(terms_.size()) - 1;
}

void Facts::pin(int term, ValueSet values) {
  improve(term, values);
}

void Facts::equate(int a, int b, const Targets& targets) {
  if (contains(targets, entry(b))) flow(a, b);
  if (contains(targets, entry(a))) flow(b, a);
}

bool Facts::improve(int term, const ValueSet& values) {
  Term& to = terms_[static_cast<std::size_t>(term)];
  if (to.pinned && to.values.rank() <= values.rank()) return false;
  to.pinned = true;
  to.values = values;
  return true;
}

bool Facts::merge(const Union& edge) {
  ValueSet all;
  for (std::size_t i = 0; i < edge.from.size(); ++i) {
    const ValueSet* part = values(edge.from[i]);
    if (part == nullptr) return false;
    if (i == 0) {
      all = *part;
      continue;
    }
    if (part->family != all.family || part->read_as != all.read_as) return false;
    for (const auto& source : part->any_of) {
      bool known = false;
      for (const auto& have : all.any_of) known = known || have == source;
      if (!known) all.any_of.push_back(source);
    }
    if (all.any_of.size() > kMaxUnion) return false;
  }
  return improve(edge.to, all);
}

void Facts::solve() {
  // A chain longer than the bound in the wrong order stays unsolved: a pin lost, never one too many.
  for (int round = 0; round < 64; ++round) {
    bool changed = false;
    for (const auto& edge : edges_) {
      const ValueSet* from = values(edge.from);
      if (from != nullptr) changed = improve(edge.to, *from) || changed;
    }
    for (const auto& edge : unions_) changed = merge(edge) || changed;
    if (!changed) return;
  }
}

Facts Facts::without_pins() const {
  Facts out = *this;
  for (auto& term : out.terms_) {
    term.pinned = false;
    term.values = {};
  }
  return out;
}

const ValueSet* Facts::values(int term) const {
  if (term < 0) return nullptr;
  const Term& at = terms_[static_cast<std::size_t>(term)];
  return at.pinned ? &at.values : nullptr;
}

}  // namespace howdah::sharding::sql
