// What the core needs of the admin console, which lives above it.
#pragma once

#include <functional>
#include <string>

namespace howdah::proxy {

// Thread-safe. Outlives all sessions that call it.
class AdminHook {
 public:
  virtual ~AdminHook() = default;
  // Runs a string of console commands on a thread of the console's own, then calls `done` there with the complete
  // messages of a simple query's answer, ReadyForQuery at their end. The console that is shutting down answers
  // with an error at once.
  virtual void submit(std::string sql, std::string user, std::function<void(std::string messages)> done) = 0;
};

}  // namespace howdah::proxy
