// Ends waits in other threads: a flag that poll() can see.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace howdah::pq {

// Once requested it stays so. Thread-safe.
class StopSignal {
 public:
  StopSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~StopSignal() { ::close(fd_); }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void request() {
    std::uint64_t one = 1;
    // It fails only when the counter is full, which is requested as well.
    [[maybe_unused]] auto written = ::write(fd_, &one, sizeof one);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace howdah::pq
