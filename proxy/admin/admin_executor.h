// One thread with a queue, for work that may block.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace howdah::admin {

class AdminExecutor {
 public:
  static constexpr Duration kPollInterval = std::chrono::milliseconds(20);

  // `tick` runs on the thread, too, every `interval`.
  // So does `poll`, as often as every kPollInterval for as long as it answers true, and after each call.
  AdminExecutor(std::function<void()> tick, Duration interval, std::function<bool()> poll);
  ~AdminExecutor();  // stops

  // Calls that came before wait for it.
  void start();

  // Thread-safe; calls run in order. False, and `call` is dropped, once stop() has begun.
  bool submit(std::function<void()> call);
  // Ends the thread after the call at hand; calls that still wait are dropped.
  void stop();

 private:
  void run();

  const std::function<void()> tick_;
  const Duration interval_;
  const std::function<bool()> poll_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::thread thread_;
};

}  // namespace howdah::admin
