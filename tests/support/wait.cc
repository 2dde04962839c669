#include "tests/support/wait.h"

#include <stdexcept>
#include <string>
#include <thread>

namespace howdah::testing {

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  auto pause = std::chrono::microseconds(500);
  while (true) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(pause);
    if (pause < std::chrono::milliseconds(5)) pause *= 2;
  }
}

void await(std::string_view what, const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
  if (!wait_until(condition, timeout)) throw std::runtime_error("timed out waiting for " + std::string(what));
}

}  // namespace howdah::testing
