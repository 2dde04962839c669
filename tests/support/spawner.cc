#include "tests/support/spawner.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace howdah::testing {
namespace {

struct Spawner {
  std::mutex callers;  // one request at a time
  std::mutex mutex;
  std::condition_variable changed;
  const std::function<pid_t()>* request = nullptr;
  pid_t answer = -1;

  Spawner() {
    std::thread([this] { serve(); }).detach();
  }

  [[noreturn]] void serve() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return request != nullptr; });
      answer = (*request)();
      request = nullptr;
      changed.notify_all();
    }
  }
};

}  // namespace

pid_t on_spawner_thread(const std::function<pid_t()>& fork_call) {
  static auto* spawner = new Spawner;  // never destroyed: its thread never ends
  std::lock_guard one_caller(spawner->callers);
  std::unique_lock lock(spawner->mutex);
  spawner->request = &fork_call;
  spawner->changed.notify_all();
  spawner->changed.wait(lock, [] { return spawner->request == nullptr; });
  return spawner->answer;
}

}  // namespace howdah::testing
