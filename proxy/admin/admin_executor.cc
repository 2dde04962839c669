#include "proxy/admin/admin_executor.h"

#include <utility>

#include "drivers/net/thread_signals.h"

namespace howdah::admin {

AdminExecutor::AdminExecutor(std::function<void()> tick, Duration interval, std::function<bool()> poll)
    : tick_(std::move(tick)), interval_(interval), poll_(std::move(poll)) {}

AdminExecutor::~AdminExecutor() { stop(); }

void AdminExecutor::start() {
  thread_ = std::thread([this] {
    net::block_signals();
    run();
  });
}

bool AdminExecutor::submit(std::function<void()> call) {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  queue_.push_back(std::move(call));
  changed_.notify_one();
  return true;
}

void AdminExecutor::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void AdminExecutor::run() {
  auto next_tick = std::chrono::steady_clock::now() + interval_;
  bool polls = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!queue_.empty()) {
      auto call = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      call();
      call = nullptr;
      polls = poll_();
      lock.lock();
    } else if (std::chrono::steady_clock::now() >= next_tick) {
      next_tick += interval_;
      lock.unlock();
      tick_();
      lock.lock();
    } else if (polls) {
      changed_.wait_for(lock, kPollInterval);
      if (stopping_) break;
      lock.unlock();
      polls = poll_();
      lock.lock();
    } else {
      changed_.wait_until(lock, next_tick);
    }
  }
}

}  // namespace howdah::admin
