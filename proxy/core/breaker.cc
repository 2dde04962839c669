#include "proxy/core/breaker.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace howdah::proxy {

namespace {

std::int64_t nanoseconds(config::milliseconds time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(); }

// A probe that nobody hears of again: its client may have left before a connection was there.
constexpr std::int64_t kLongestProbe = 5'000'000'000;

}  // namespace

Breaker::Breaker(std::string database, std::string server, const config::Breaker& settings)
    : database_(std::move(database)), server_(std::move(server)) {
  configure(settings);
}

void Breaker::configure(const config::Breaker& settings) {
  period_.store(std::max<std::int64_t>(nanoseconds(settings.window) / static_cast<std::int64_t>(kSlots), 1));
  timeout_.store(nanoseconds(settings.timeout));
  reset_.store(nanoseconds(settings.reset_timeout));
  minimum_.store(settings.minimum);
  percentage_.store(settings.error_threshold_percentage);
  if (settings.error_threshold_percentage == 0 && !closed()) close();
}

std::int64_t Breaker::until_probe(std::int64_t now) const {
  const std::int64_t until = std::max(opened_at_.load() + reset_.load(), probe_until_.load());
  return std::max<std::int64_t>(until - now, 0);
}

bool Breaker::may_admit(std::int64_t now) const { return closed() || until_probe(now) == 0; }

bool Breaker::admit(std::int64_t now) {
  if (closed()) return true;
  std::int64_t probe = probe_until_.load();
  const bool due = now >= opened_at_.load() + reset_.load() && now >= probe;
  const std::int64_t patience = std::max(timeout_.load(), kLongestProbe);
  if (!due || !probe_until_.compare_exchange_strong(probe, now + patience)) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  State open = State::kOpen;
  if (state_.compare_exchange_strong(open, State::kHalfOpen)) {
    spdlog::info("breaker half open database={} server={}: one statement tries it", database_, server_);
  }
  return true;
}

Breaker::Slot& Breaker::slot(std::size_t worker, std::int64_t now) {
  const std::int64_t period = now / period_.load(std::memory_order_relaxed);
  Slot& slot = lanes_[worker].slots[static_cast<std::size_t>(period) % kSlots];
  if (slot.period.load(std::memory_order_relaxed) != period) {
    slot.ok.store(0, std::memory_order_relaxed);
    slot.failed.store(0, std::memory_order_relaxed);
    slot.period.store(period, std::memory_order_release);
  }
  return slot;
}

void Breaker::succeeded(std::size_t worker, std::int64_t now) {
  auto& ok = slot(worker, now).ok;
  ok.store(ok.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (state_.load(std::memory_order_relaxed) == State::kHalfOpen) close();
}

void Breaker::failed(std::size_t worker, std::int64_t now) {
  const std::uint32_t percentage = percentage_.load();
  if (percentage == 0) return;
  auto& count = slot(worker, now).failed;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const State state = state_.load();
  if (state == State::kOpen) return;
  const auto [ok, failed] = sums(now);
  if (state == State::kHalfOpen) return open(now, state, ok, failed);
  if (failed < minimum_.load() || failed * 100 < percentage * (ok + failed)) return;
  open(now, state, ok, failed);
}

std::pair<std::uint64_t, std::uint64_t> Breaker::sums(std::int64_t now) const {
  const std::int64_t length = period_.load();
  const std::int64_t newest = now / length;
  const std::int64_t oldest = std::max(newest - static_cast<std::int64_t>(kSlots) + 1, forget_before_.load() / length + 1);
  std::uint64_t ok = 0, failed = 0;
  for (const Lane& lane : lanes_) {
    for (const Slot& slot : lane.slots) {
      const std::int64_t period = slot.period.load(std::memory_order_acquire);
      if (period < oldest || period > newest) continue;
      ok += slot.ok.load(std::memory_order_relaxed);
      failed += slot.failed.load(std::memory_order_relaxed);
    }
  }
  return {ok, failed};
}

void Breaker::open(std::int64_t now, State from, std::uint64_t ok, std::uint64_t failed) {
  opened_at_.store(now);
  probe_until_.store(0);
  if (!state_.compare_exchange_strong(from, State::kOpen)) return;
  opened_.fetch_add(1);
  spdlog::warn("breaker open database={} server={} failed={} succeeded={}{}", database_, server_, failed, ok,
               from == State::kHalfOpen ? ": the probe failed" : "");
}

void Breaker::close() {
  forget_before_.store(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
  if (state_.exchange(State::kClosed) != State::kClosed) spdlog::info("breaker closed database={} server={}", database_, server_);
  probe_until_.store(0);
}

Breaker::Facts Breaker::facts(std::int64_t now) const {
  const auto [ok, failed] = sums(now);
  const State state = state_.load();
  return {state, ok, failed, opened_.load(), refused_.load(), state == State::kClosed ? 0 : until_probe(now)};
}

}  // namespace howdah::proxy
