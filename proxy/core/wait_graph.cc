#include "proxy/core/wait_graph.h"

#include <utility>

#include "proxy/core/budget.h"

namespace howdah::proxy {

std::vector<std::size_t> deadlocked(const std::vector<Holder>& holders, const std::map<const Budget*, PoolUse>& use) {
  std::vector<std::size_t> stuck;
  for (std::size_t i = 0; i < holders.size(); ++i) stuck.push_back(i);
  for (bool changed = true; changed && !stuck.empty();) {
    std::map<const Budget*, std::uint32_t> held;
    for (const std::size_t i : stuck) {
      for (const Budget* budget : holders[i].holds) ++held[budget];
    }
    // A connection that none of them holds comes back sooner or later: whoever waits there is served.
    changed = std::erase_if(stuck, [&](std::size_t i) {
                const auto& pool = use.at(holders[i].wants);
                return !pool.spent || pool.used == 0 || held[holders[i].wants] < pool.used;
              }) > 0;
  }
  return stuck;
}

void WaitGraph::enter(const void* key, Holder holder) {
  std::lock_guard lock(mutex_);
  holders_[key] = std::move(holder);
}

void WaitGraph::leave(const void* key) {
  std::lock_guard lock(mutex_);
  holders_.erase(key);
}

bool WaitGraph::must_yield(const void* key) const {
  std::lock_guard lock(mutex_);
  if (!holders_.contains(key)) return false;
  std::vector<const void*> keys;
  std::vector<Holder> holders;
  std::map<const Budget*, PoolUse> use;
  for (const auto& [session, holder] : holders_) {
    keys.push_back(session);
    holders.push_back(holder);
    use[holder.wants] = {holder.wants->used.load(), holder.wants->spent()};
  }
  const auto stuck = deadlocked(holders, use);
  if (stuck.empty()) return false;
  std::size_t youngest = stuck.front();
  for (const std::size_t i : stuck) {
    if (std::pair(holders[i].since, keys[i]) > std::pair(holders[youngest].since, keys[youngest])) youngest = i;
  }
  return keys[youngest] == key;
}

}  // namespace howdah::proxy
