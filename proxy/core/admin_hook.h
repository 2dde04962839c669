// What the core needs of the admin console, which lives above it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace howdah::proxy {

// Commands of one client of the console.
struct AdminRequest {
  std::string sql;
  std::string user;
  // Set by the asking side when nobody waits for the answer any more: commands that wait are given up and undone.
  std::shared_ptr<std::atomic<bool>> abandoned;
  // Gets the complete messages of a simple query's answer, ReadyForQuery at their end.
  std::function<void(std::string messages)> done;
};

// Thread-safe. Outlives all sessions that call it.
class AdminHook {
 public:
  virtual ~AdminHook() = default;
  // Runs a string of console commands on a thread of the console's own, then calls `done` there. The console that is
  // shutting down answers with an error at once.
  virtual void submit(AdminRequest request) = 0;
  // Another process has taken the listening sockets over (true), or is gone again (false).
  virtual void on_handover(bool away) = 0;
};

}  // namespace howdah::proxy
