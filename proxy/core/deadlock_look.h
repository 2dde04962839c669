// One look of the watch for deadlocks, on its way from thread to thread: see deadlock_watch.h.
#pragma once

#include "proxy/core/deadlock_watch.h"

namespace howdah::proxy {

struct DeadlockWatch::Look {
  std::string database;
  std::mutex mutex;
  std::size_t left = 0;  // workers that have not answered; guarded by mutex
  LockPicture before, now;
  bool second = false;
  std::int64_t stamp = 0;  // of a look with other proxies; taken before the workers were asked
};

}  // namespace howdah::proxy
