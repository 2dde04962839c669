// The event loop of one worker thread: edge-triggered epoll, timers, a run queue and calls from other threads.
// Descriptors are registered once and for all directions, so that waiting costs no system call per statement
// (docs/adr/0002-own-reactor.md has the measurement). Source: https://man7.org/linux/man-pages/man7/epoll.7.html
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/clock.h"

namespace howdah::net {

// Gets the events of one descriptor. `events` is epoll's bit mask.
class IoHandler {
 public:
  virtual void on_io(std::uint32_t events) = 0;

 protected:
  ~IoHandler() = default;
};

// Work that runs after the current handler returned: how one session wakes another without nesting stacks.
class Runnable {
 public:
  virtual void run() = 0;
  bool queued() const { return queued_; }

 protected:
  ~Runnable() = default;

 private:
  friend class Reactor;
  bool queued_ = false;
};

class TimerHandler {
 public:
  virtual void on_timer() = 0;

 protected:
  ~TimerHandler() = default;
};

class Reactor;

// A one-shot timer that its owner embeds. Not armed after it fired. The owner outlives it or cancels it.
class Timer {
 public:
  explicit Timer(TimerHandler& handler) : handler_(&handler) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();
  void arm(Reactor& reactor, SteadyTime at);
  void cancel();
  bool armed() const { return reactor_ != nullptr; }

 private:
  friend class Reactor;
  TimerHandler* handler_;
  Reactor* reactor_ = nullptr;
  SteadyTime at_;
  std::size_t index_ = 0;
};

// Lives on one thread; only post() and stop() may be called from others.
class Reactor {
 public:
  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Edge-triggered for reading, writing and hang-up unless `events` says otherwise. False with errno set on failure.
  bool add(int fd, IoHandler& handler);
  bool add_level_triggered(int fd, IoHandler& handler, std::uint32_t events);
  void change(int fd, IoHandler& handler, std::uint32_t events);
  // Before the descriptor is closed. Events already fetched for `handler` are dropped.
  void remove(int fd, IoHandler& handler);

  void enqueue(Runnable& work);
  // Drops `work` from the run queue; for destructors.
  void dequeue(Runnable& work);
  // Thread-safe. Runs on this reactor's thread; never after run() returned.
  void post(std::function<void()> call);

  void run();
  void stop();  // thread-safe
  // Read once per wake-up.
  SteadyTime now() const { return now_; }
  void refresh_now() { now_ = std::chrono::steady_clock::now(); }

 private:
  friend class Timer;
  void run_queue();
  void run_posted();
  void run_timers();
  int wait_milliseconds() const;
  void heap_insert(Timer& timer);
  void heap_remove(Timer& timer);
  void heap_up(std::size_t at);
  void heap_down(std::size_t at);

  int epoll_ = -1;
  int event_ = -1;
  SteadyTime now_;
  std::vector<Runnable*> queue_;
  std::vector<Runnable*> running_;
  std::vector<Timer*> timers_;  // binary heap by time
  struct Fetched;
  Fetched* fetched_ = nullptr;  // the batch being handled
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> stopping_{false};
};

}  // namespace howdah::net
