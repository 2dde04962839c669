#include "drivers/net/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace howdah::net {

struct Reactor::Fetched {
  static constexpr int kMax = 256;
  epoll_event events[kMax];
  int count = 0;
  int next = 0;
};

Timer::~Timer() { cancel(); }

void Timer::arm(Reactor& reactor, SteadyTime at) {
  cancel();
  at_ = at;
  reactor_ = &reactor;
  reactor.heap_insert(*this);
}

void Timer::cancel() {
  if (reactor_ == nullptr) return;
  reactor_->heap_remove(*this);
  reactor_ = nullptr;
}

Reactor::Reactor() : now_(std::chrono::steady_clock::now()) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || event_ < 0) throw std::runtime_error("cannot create an event loop");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // null marks our own wake-up descriptor
  epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event);
}

Reactor::~Reactor() {
  for (Timer* timer : timers_) timer->reactor_ = nullptr;
  close(event_);
  close(epoll_);
}

bool Reactor::add(int fd, IoHandler& handler) {
  return add_level_triggered(fd, handler, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool Reactor::add_level_triggered(int fd, IoHandler& handler, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Reactor::change(int fd, IoHandler& handler, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Reactor::remove(int fd, IoHandler& handler) {
  epoll_event unused{};
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &unused);
  if (fetched_ == nullptr) return;
  for (int i = fetched_->next; i < fetched_->count; ++i) {
    if (fetched_->events[i].data.ptr == &handler) fetched_->events[i].events = 0;
  }
}

void Reactor::enqueue(Runnable& work) {
  if (work.queued_) return;
  work.queued_ = true;
  queue_.push_back(&work);
}

void Reactor::dequeue(Runnable& work) {
  if (!work.queued_) return;
  work.queued_ = false;
  std::replace(queue_.begin(), queue_.end(), &work, static_cast<Runnable*>(nullptr));
  std::replace(running_.begin(), running_.end(), &work, static_cast<Runnable*>(nullptr));
}

void Reactor::run_queue() {
  while (!queue_.empty()) {
    running_.swap(queue_);
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Runnable* work = running_[i];
      if (work == nullptr) continue;
      running_[i] = nullptr;
      work->queued_ = false;
      work->run();
    }
    running_.clear();
  }
}

void Reactor::post(std::function<void()> call) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(call));
    if (posted_.size() > 1) return;  // the wake-up for the first one is still to be handled
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] auto ignored = write(event_, &one, sizeof one);
}

void Reactor::stop() {
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] auto ignored = write(event_, &one, sizeof one);
}

void Reactor::run_posted() {
  std::uint64_t count;
  [[maybe_unused]] auto ignored = read(event_, &count, sizeof count);
  std::vector<std::function<void()>> calls;
  {
    std::lock_guard lock(mutex_);
    calls.swap(posted_);
  }
  for (auto& call : calls) {
    call();
    run_queue();
  }
}

void Reactor::run() {
  Fetched fetched;
  fetched_ = &fetched;
  while (!stopping_.load(std::memory_order_relaxed)) {
    run_queue();
    fetched.count = epoll_wait(epoll_, fetched.events, Fetched::kMax, wait_milliseconds());
    now_ = std::chrono::steady_clock::now();
    fetched.next = 0;
    while (fetched.next < fetched.count) {
      const epoll_event& event = fetched.events[fetched.next++];
      if (event.events == 0) continue;
      if (event.data.ptr == nullptr) {
        run_posted();
      } else {
        static_cast<IoHandler*>(event.data.ptr)->on_io(event.events);
      }
      run_queue();
    }
    run_timers();
  }
  fetched_ = nullptr;
}

void Reactor::run_timers() {
  while (!timers_.empty() && timers_.front()->at_ <= now_) {
    Timer* timer = timers_.front();
    timer->cancel();
    timer->handler_->on_timer();
    run_queue();
  }
}

int Reactor::wait_milliseconds() const {
  if (timers_.empty()) return -1;
  const auto left = timers_.front()->at_ - now_;
  if (left <= Duration::zero()) return 0;
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(rounded, 60'000));
}

void Reactor::heap_insert(Timer& timer) {
  timer.index_ = timers_.size();
  timers_.push_back(&timer);
  heap_up(timer.index_);
}

void Reactor::heap_remove(Timer& timer) {
  const std::size_t at = timer.index_;
  Timer* last = timers_.back();
  timers_.pop_back();
  if (last == &timer) return;
  timers_[at] = last;
  last->index_ = at;
  heap_up(at);
  heap_down(last->index_);
}

void Reactor::heap_up(std::size_t at) {
  while (at > 0) {
    const std::size_t parent = (at - 1) / 2;
    if (timers_[parent]->at_ <= timers_[at]->at_) return;
    std::swap(timers_[parent], timers_[at]);
    timers_[parent]->index_ = parent;
    timers_[at]->index_ = at;
    at = parent;
  }
}

void Reactor::heap_down(std::size_t at) {
  for (;;) {
    std::size_t least = at;
    for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < timers_.size(); ++child) {
      if (timers_[child]->at_ < timers_[least]->at_) least = child;
    }
    if (least == at) return;
    std::swap(timers_[least], timers_[at]);
    timers_[least]->index_ = least;
    timers_[at]->index_ = at;
    at = least;
  }
}

}  // namespace howdah::net
