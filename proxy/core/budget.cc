#include "proxy/core/budget.h"

#include <algorithm>

namespace howdah::proxy {

namespace {

// A pool with one connection less than another gets the other's only for clients that wait: a connection that moves
// costs a login.
constexpr auto kPatience = milliseconds(50);

bool shares(const Budget& budget, const SharedLimit* limit) {
  return std::find(budget.shared.begin(), budget.shared.end(), limit) != budget.shared.end();
}

}  // namespace

Budget::Budget(ServerCaps& caps_, std::uint32_t limit_) : limit(limit_), caps(caps_) {
  for (auto& time : oldest_wait) time.store(0, std::memory_order_relaxed);
}

bool Budget::try_take(std::uint32_t most) {
  auto now = used.load(std::memory_order_relaxed);
  while (now < most) {
    if (!used.compare_exchange_weak(now, now + 1)) continue;
    if (caps.take(*this)) return true;
    used.fetch_sub(1);
    return false;
  }
  return false;
}

std::int64_t Budget::waiting_since() const {
  std::int64_t since = INT64_MAX;
  for (const auto& time : oldest_wait) {
    const auto theirs = time.load(std::memory_order_relaxed);
    if (theirs != 0) since = std::min(since, theirs);
  }
  return since;
}

void ServerCaps::join(const std::shared_ptr<Budget>& budget, const Names& names) {
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto& limit = limits_[names[i]];
    if (!limit) limit = std::make_unique<SharedLimit>();
    budget->shared[i] = limit.get();
  }
  budgets_.push_back(budget);
}

void ServerCaps::set_limit(const std::string& name, std::uint32_t limit) {
  std::lock_guard lock(mutex_);
  auto& known = limits_[name];
  if (!known) known = std::make_unique<SharedLimit>();
  known->limit = limit;
}

bool ServerCaps::take(Budget& budget) {
  std::lock_guard lock(mutex_);
  for (const SharedLimit* limit : budget.shared) {
    if (limit == nullptr || !limit->full()) continue;
    pressed_.store(true, std::memory_order_relaxed);
    return false;
  }
  for (SharedLimit* limit : budget.shared) {
    if (limit != nullptr) ++limit->used;
  }
  return true;
}

bool ServerCaps::wants(const Budget& budget) const { return budget.hungry.load() > 0 && !budget.spent(); }

std::shared_ptr<Budget> ServerCaps::give_back(Budget& budget) {
  budget.used.fetch_sub(1);
  std::lock_guard lock(mutex_);
  for (SharedLimit* limit : budget.shared) {
    if (limit != nullptr) --limit->used;
  }
  if (!pressed()) return nullptr;
  std::shared_ptr<Budget> best;
  for (const auto& other : budgets_) {
    if (!wants(*other)) continue;
    const bool room = std::none_of(other->shared.begin(), other->shared.end(),
                                   [](const SharedLimit* limit) { return limit != nullptr && limit->full(); });
    if (room && (best == nullptr || other->used.load() < best->used.load())) best = other;
  }
  return best;
}

std::shared_ptr<Budget> ServerCaps::transfer(Budget& from, bool surplus, SteadyTime now) {
  std::lock_guard lock(mutex_);
  const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  const std::uint32_t mine = from.used.load();
  bool anybody = false;
  std::shared_ptr<Budget> best;
  for (const auto& other : budgets_) {
    if (other.get() == &from || !wants(*other)) continue;
    bool full = false, helps = true;
    for (const SharedLimit* limit : other->shared) {
      if (limit == nullptr || !limit->full()) continue;
      full = true;
      helps = helps && shares(from, limit);
    }
    if (!full) continue;
    anybody = true;
    if (!helps) continue;
    const std::uint32_t theirs = other->used.load();
    const bool patient = now_ns - other->waiting_since() >= std::chrono::nanoseconds(kPatience).count();
    if (!surplus && theirs + 1 >= mine && !(theirs < mine && patient)) continue;
    if (best == nullptr || theirs < best->used.load() ||
        (theirs == best->used.load() && other->waiting_since() < best->waiting_since())) {
      best = other;
    }
  }
  if (!anybody) pressed_.store(false, std::memory_order_relaxed);
  if (best == nullptr) return nullptr;
  from.used.fetch_sub(1);
  best->used.fetch_add(1);
  for (SharedLimit* limit : from.shared) {
    if (limit != nullptr) --limit->used;
  }
  for (SharedLimit* limit : best->shared) {
    if (limit != nullptr) ++limit->used;
  }
  return best;
}

std::vector<std::shared_ptr<Budget>> ServerCaps::rivals(const Budget& budget) const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Budget>> out;
  for (const auto& other : budgets_) {
    if (other.get() == &budget || other->used.load() == 0) continue;
    const bool rival = std::any_of(budget.shared.begin(), budget.shared.end(), [&](const SharedLimit* limit) {
      return limit != nullptr && limit->full() && shares(*other, limit);
    });
    if (rival) out.push_back(other);
  }
  return out;
}

}  // namespace howdah::proxy
