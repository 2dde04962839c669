// The one thread that forks. See Process for why.
#pragma once

#include <sys/types.h>

#include <functional>

namespace howdah::testing {

// Runs `fork_call` on the spawner thread and returns its result. The thread starts at the first call and is
// never joined: it must outlive every child. Callable from any thread.
pid_t on_spawner_thread(const std::function<pid_t()>& fork_call);

}  // namespace howdah::testing
