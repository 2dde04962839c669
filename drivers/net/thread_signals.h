// Signals belong to the main thread: every other one blocks them before it does anything.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace howdah::net {

// For the calling thread, and for those that it starts.
inline void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace howdah::net
