// What the monitor knows about each server, in atomics that worker threads read without a lock.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/ids.h"
#include "base/latency_histogram.h"

namespace howdah::control {

// How a server does, for people; nothing is decided by it.
enum class ServerState : std::uint8_t {
  kUnknown,     // not asked yet, or nobody asks
  kUp,
  kSuspect,     // a connection to it was lost: it is being looked at
  kDown,        // cannot be reached
  kRecovering,  // answers again, but not as what it is to be: behind, or without a primary to follow
};

// Written by the control thread only; each field is read on its own (no two fields are consistent with each
// other). Times are nanoseconds of the steady clock.
struct alignas(64) ServerHealth {
  std::atomic<bool> up{false};           // answered its last probe; an unmonitored primary counts as up
  std::atomic<bool> in_recovery{false};  // pg_is_in_recovery()
  // Every write that any client saw completed before this time is visible on this replica. 0: do not read
  // here (down, unknown timeline, promoted, or never caught up). Always 0 on a primary.
  std::atomic<std::int64_t> caught_up_to{0};
  // WAL position up to which this replica shows everything, of the timeline that its primary is on. 0: as caught_up_to.
  std::atomic<std::uint64_t> shows{0};
  std::atomic<std::uint64_t> lsn{0};        // primary: insert position; replica: replay position
  std::atomic<std::int64_t> lag_bytes{-1};  // replica: behind its primary's last sample; -1 unknown
  std::atomic<std::int64_t> last_seen{0};   // when it last answered; 0 never
  std::atomic<std::uint32_t> timeline{0};   // 0 unknown
  std::atomic<ServerState> state{ServerState::kUnknown};
  std::atomic<std::uint8_t> standing{0};    // a control::Standing: its role
  std::atomic<bool> fenced{false};          // its configuration makes transactions read-only: by a switchover, at work or cut short
  std::atomic<std::int64_t> since{0};       // when state or role changed
  std::atomic<std::int64_t> recovered{0};   // when it came back after it was down; 0: it never was

  // Replica, at each probe: how long ago its primary had said what it shows, up to the primary's last word.
  std::array<std::atomic<std::uint64_t>, LatencyHistogram::kBuckets> lags{};
  std::atomic<std::uint64_t> lag_us_total{0};

  // Control thread.
  void note_lag(std::int64_t us) {
    lags[LatencyHistogram::bucket_of(us)].fetch_add(1, std::memory_order_relaxed);
    lag_us_total.fetch_add(static_cast<std::uint64_t>(us), std::memory_order_relaxed);
  }
  // Control thread. No reads here from now on.
  void set_aside() {
    caught_up_to.store(0, std::memory_order_release);
    shows.store(0, std::memory_order_release);
  }
  // `mark`: when the session's last write completed, or its last read on another server.
  bool may_read(std::int64_t mark) const { return mark < caught_up_to.load(std::memory_order_acquire); }
};

// A steady time as ServerHealth keeps it.
inline std::int64_t to_steady_ns(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

inline const char* word_of(ServerState state) {
  switch (state) {
    case ServerState::kUnknown: return "unknown";
    case ServerState::kUp: return "up";
    case ServerState::kSuspect: return "suspect";
    case ServerState::kDown: return "down";
    case ServerState::kRecovering: return "recovering";
  }
  return "";
}

// The servers of one database, indexed by ServerId: for each shard in order its primary, then its replicas.
class HealthTable {
 public:
  explicit HealthTable(std::size_t servers)
      : size_(servers), servers_(std::make_unique<ServerHealth[]>(servers)) {}
  // REQUIRES: server.value() < size().
  ServerHealth& at(ServerId server) { return servers_[server.value()]; }
  const ServerHealth& at(ServerId server) const { return servers_[server.value()]; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::unique_ptr<ServerHealth[]> servers_;
};

}  // namespace howdah::control
