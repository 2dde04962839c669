// How many server connections there may be: per pool, over all workers, and over the pools that share a limit.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"

namespace howdah::proxy {

class Pool;
class ServerCaps;

inline constexpr std::size_t kMaxWorkers = 64;

// A number of server connections that several pools share: those to one server, or of one user, or of one database.
// Guarded by ServerCaps.
struct SharedLimit {
  std::uint32_t limit = 0;  // 0: none
  std::uint32_t used = 0;
  bool full() const { return limit != 0 && used >= limit; }
};

// Shared by the pools of all workers for one (database, user, server). Atomics only, but for what ServerCaps guards.
struct Budget {
  Budget(ServerCaps& caps_, std::uint32_t limit_);

  std::atomic<std::uint32_t> used{0};
  std::atomic<std::uint32_t> limit;
  std::atomic<std::uint32_t> reserve{0};  // more than `limit`, for clients that have waited long
  std::atomic<std::uint32_t> minimum{0};  // kept open
  std::atomic<std::uint32_t> hungry{0};   // workers with waiting clients
  // Steady nanoseconds since when the first client of that worker waits; 0: none waits.
  std::array<std::atomic<std::int64_t>, kMaxWorkers> oldest_wait;
  std::array<std::atomic<Pool*>, kMaxWorkers> pools{};
  ServerCaps& caps;
  std::array<SharedLimit*, 3> shared{};  // set once, by ServerCaps::join()

  // Room for one more connection below `most`, and within the shared limits.
  bool try_take(std::uint32_t most);
  bool try_take() { return try_take(limit.load(std::memory_order_relaxed)); }
  bool spent() const {
    return used.load(std::memory_order_relaxed) >= limit.load(std::memory_order_relaxed);
  }
  // Steady nanoseconds since when anybody waits; INT64_MAX: nobody.
  std::int64_t waiting_since() const;
};

// The limits that pools share, and who gets a connection when one is spent: the pool that has the fewest. A pool that
// is full of work cannot keep another from its share, however many clients it has in its queue.
// Thread-safe; touched when connections are opened and closed, and read (one atomic) when one is given back.
class ServerCaps {
 public:
  using Names = std::array<std::string, 3>;
  // `budget` counts against these limits from now on. Once per budget.
  void join(const std::shared_ptr<Budget>& budget, const Names& names);
  void set_limit(const std::string& name, std::uint32_t limit);

  bool take(Budget& budget);
  // One connection of `budget` is gone. Returns who may try now, or null.
  std::shared_ptr<Budget> give_back(Budget& budget);
  // Whether any pool may be kept waiting by a shared limit.
  bool pressed() const { return pressed_.load(std::memory_order_relaxed); }
  // A connection of `from` is free. Moves its place to a pool that deserves it more and returns that: `from` closes
  // the connection without giving it back. Null: `from` keeps it. `surplus`: it lay idle, anybody deserves it more.
  std::shared_ptr<Budget> transfer(Budget& from, bool surplus, SteadyTime now);
  // The pools that `budget` shares a spent limit with: their idle connections could make room.
  std::vector<std::shared_ptr<Budget>> rivals(const Budget& budget) const;

 private:
  bool wants(const Budget& budget) const;

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<SharedLimit>> limits_;
  std::vector<std::shared_ptr<Budget>> budgets_;
  std::atomic<bool> pressed_{false};
};

}  // namespace howdah::proxy
