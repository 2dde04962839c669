// One server's circuit breaker: closed, open for a while, then half open for one statement at a time.
//
//   closed --too many failures--> open --reset_timeout--> half open --a success--> closed
//                                   ^----------a failure--------'
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "proxy/config/config.h"
#include "proxy/core/budget.h"

namespace howdah::proxy {

// Of one server of one database, shared by all workers. It counts connections and answers, never errors in SQL. Times are steady
// nanoseconds. Thread-safe: each worker counts for itself, and only a failure adds up.
class Breaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };

  Breaker(std::string database, std::string server, const config::Breaker& settings);
  void configure(const config::Breaker& settings);

  bool closed() const { return state_.load(std::memory_order_relaxed) == State::kClosed; }
  // Whether a statement would be let through: closed, or it would be the probe.
  bool may_admit(std::int64_t now) const;
  // The same, and it is the probe then. False: it is to fail, or to go elsewhere.
  bool admit(std::int64_t now);
  // An answer in time, or a login.
  void succeeded(std::size_t worker, std::int64_t now);
  // A connection that failed or was lost, or an answer that is late.
  void failed(std::size_t worker, std::int64_t now);
  // 0: none is.
  std::int64_t late_after() const { return timeout_.load(std::memory_order_relaxed); }

  struct Facts {
    State state = State::kClosed;
    std::uint64_t ok = 0, failed = 0;         // in the window
    std::uint64_t opened = 0, refused = 0;    // since the start
    std::int64_t probe_in = 0;                // nanoseconds until the next probe, while open
  };
  Facts facts(std::int64_t now) const;
  std::int64_t until_probe(std::int64_t now) const;
  std::uint64_t opened() const { return opened_.load(std::memory_order_relaxed); }
  const std::string& database() const { return database_; }
  const std::string& server() const { return server_; }

 private:
  static constexpr std::size_t kSlots = 10;
  // What happened in a tenth of the window. Written by one worker.
  struct Slot {
    std::atomic<std::int64_t> period{-1};
    std::atomic<std::uint32_t> ok{0}, failed{0};
  };
  struct alignas(64) Lane {
    std::array<Slot, kSlots> slots;
  };

  Slot& slot(std::size_t worker, std::int64_t now);
  std::pair<std::uint64_t, std::uint64_t> sums(std::int64_t now) const;
  void open(std::int64_t now, State from, std::uint64_t ok, std::uint64_t failed);
  void close();

  const std::string database_, server_;
  std::atomic<std::int64_t> period_{1}, timeout_{0}, reset_{0};
  std::atomic<std::uint32_t> percentage_{0}, minimum_{1};
  std::atomic<State> state_{State::kClosed};
  std::atomic<std::int64_t> opened_at_{0};
  std::atomic<std::int64_t> forget_before_{0};  // what happened before it was closed says nothing of the server as it is
  std::atomic<std::int64_t> probe_until_{0};    // a probe is under way; it is given up then
  std::atomic<std::uint64_t> opened_{0}, refused_{0};
  std::array<Lane, kMaxWorkers> lanes_;
};

}  // namespace howdah::proxy
