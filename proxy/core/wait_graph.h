// Transactions that hold a connection of one pool and wait for one of another: who waits for whom, and whether any of
// them can ever be served.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace howdah::proxy {

struct Budget;

// A session in a queue with connections in its hands.
struct Holder {
  const Budget* wants = nullptr;
  std::vector<const Budget*> holds;
  SteadyTime since;  // when it got the first of what it holds
};

// As Budget tells: how many connections there are, and whether there can be more.
struct PoolUse {
  std::uint32_t used = 0;
  bool spent = false;
};

// Who of `holders` can never be served unless another of them gives up: the largest set in which everybody waits for a
// pool that is spent and whose every connection is held by the set. Indices into `holders`; empty: no deadlock.
// `use` has every pool that anybody wants.
std::vector<std::size_t> deadlocked(const std::vector<Holder>& holders, const std::map<const Budget*, PoolUse>& use);

// The holders of all workers. Thread-safe; entered only by sessions that hold a connection while they wait.
class WaitGraph {
 public:
  // `key` stands for the session.
  void enter(const void* key, Holder holder);
  void leave(const void* key);
  // Whether this session is part of a deadlock, and the youngest in it: the one that gives up.
  bool must_yield(const void* key) const;

 private:
  mutable std::mutex mutex_;
  std::map<const void*, Holder> holders_;
};

}  // namespace howdah::proxy
