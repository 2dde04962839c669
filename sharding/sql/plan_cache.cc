#include "sharding/sql/plan_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace howdah::sharding::sql {

namespace {

// Statements that differ only in guarded literals share a hash; more of them than this only make the chain
// slow.
constexpr std::size_t kMaxVariants = 8;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdull;
}

std::uint64_t key_hash(const TokenStream& tokens, std::span<const Oid> param_types, PlanScope scope) {
  std::uint64_t hash = mix(tokens.hash, scope);
  for (const Oid type : param_types) hash = mix(hash, type);
  return hash;
}

}  // namespace

struct PlanCache::Impl {
  struct Entry {
    std::uint64_t hash = 0;
    PlanScope scope = 0;
    std::vector<Oid> param_types;
    std::string normalized;
    std::string text;  // of a plan that holds only for this very text
    std::vector<Guard> guards;
    PlanPtr plan;

    std::size_t bytes() const { return normalized.size() + text.size(); }

    // Same key: what differs is at most guarded.
    bool same_key(const TokenStream& tokens, std::span<const Oid> types, PlanScope in_scope) const {
      return scope == in_scope && normalized == tokens.normalized && param_types.size() == types.size() &&
             std::equal(types.begin(), types.end(), param_types.begin());
    }
    bool holds(std::string_view sql, const TokenStream& tokens) const {
      if (plan->exact_text) return text == sql;
      for (const auto& guard : guards) {
        const Slot& slot = tokens.slots[guard.slot];
        if (sql.substr(slot.offset, slot.length) != guard.text) return false;
      }
      return true;
    }
  };
  using List = std::list<Entry>;

  explicit Impl(Settings with) : settings(with) {}

  void erase(List::iterator entry) {
    auto chain = index.find(entry->hash);
    std::erase(chain->second, entry);
    if (chain->second.empty()) index.erase(chain);
    bytes -= entry->bytes();
    entries.erase(entry);
  }

  Settings settings;
  List entries;  // most recently used first
  std::unordered_map<std::uint64_t, std::vector<List::iterator>> index;
  std::size_t bytes = 0;
};

PlanCache::PlanCache(Settings settings) : impl_(std::make_unique<Impl>(settings)) {}
PlanCache::~PlanCache() = default;

const PlanPtr* PlanCache::find(std::string_view sql, const TokenStream& tokens,
                               std::span<const Oid> param_types, PlanScope scope) {
  const auto chain = impl_->index.find(key_hash(tokens, param_types, scope));
  if (chain != impl_->index.end() && tokens.complete) {
    for (const auto& entry : chain->second) {
      if (!entry->same_key(tokens, param_types, scope) || !entry->holds(sql, tokens)) continue;
      if (entry != impl_->entries.begin())
        impl_->entries.splice(impl_->entries.begin(), impl_->entries, entry);
      ++hits_;
      return &entry->plan;
    }
  }
  ++misses_;
  return nullptr;
}

PlanPtr PlanCache::insert(std::string_view sql, const TokenStream& tokens, std::span<const Oid> param_types,
                          PlanScope scope, Analysis analysis) {
  auto plan = std::make_shared<const Plan>(std::move(analysis.plan));
  const std::size_t largest = std::max(tokens.normalized.size(), plan->exact_text ? sql.size() : 0);
  if (!tokens.complete || largest > impl_->settings.max_statement_bytes) return plan;
  Impl::Entry entry;
  entry.hash = key_hash(tokens, param_types, scope);
  entry.scope = scope;
  entry.param_types.assign(param_types.begin(), param_types.end());
  entry.normalized = tokens.normalized;
  if (plan->exact_text) entry.text = sql;
  entry.guards = std::move(analysis.guards);
  entry.plan = plan;
  impl_->bytes += entry.bytes();
  auto& chain = impl_->index[entry.hash];
  impl_->entries.push_front(std::move(entry));
  chain.push_back(impl_->entries.begin());
  if (chain.size() > kMaxVariants) impl_->erase(chain.front());
  while (impl_->entries.size() > impl_->settings.max_entries || impl_->bytes > impl_->settings.max_bytes) {
    impl_->erase(std::prev(impl_->entries.end()));
  }
  return plan;
}

void PlanCache::clear() {
  impl_->index.clear();
  impl_->entries.clear();
  impl_->bytes = 0;
}

std::size_t PlanCache::size() const {
  return impl_->entries.size();
}

void PlanCache::for_each(const std::function<void(std::string_view, std::string_view, const PlanPtr&)>& look) const {
  for (const auto& entry : impl_->entries) look(entry.normalized, entry.text, entry.plan);
}

}  // namespace howdah::sharding::sql
