// Finds deadlocks over several shards, and ends each by rolling one transaction back with 40P01. Costs nothing until a
// transaction that holds connections to several shards has waited for a second.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "proxy/core/lock_graph.h"

namespace howdah::proxy {

class Proxy;
class Session;

// As PostgreSQL's deadlock_timeout. https://www.postgresql.org/docs/15/runtime-config-locks.html
inline constexpr auto kDeadlockTimeout = std::chrono::seconds(1);

// Thread-safe. Owned by the proxy; outlives its workers and its control thread's callbacks.
class DeadlockWatch {
 public:
  explicit DeadlockWatch(Proxy& proxy) : proxy_(proxy) {}

  // A client of this database may be in a deadlock: looks, unless a look is under way.
  void suspect(const std::string& database);

 private:
  struct Look;
  void take_picture(std::shared_ptr<Look> look);
  void ask_servers(std::shared_ptr<Look> look);
  void judge(std::shared_ptr<Look> look);
  void end(const Look& look);
  void give_up(const LockHolder& victim);

  // --- deadlock_across.cc: with the clients of other proxies
  struct Across;
  void look_across(std::shared_ptr<Look> look);
  void show(std::shared_ptr<Look> look);
  void judge_across(std::shared_ptr<Look> look, control::LockExchange exchanged);
  control::ShownLocks shown(Across& across, LockPicture& picture, std::int64_t stamp) const;

  Proxy& proxy_;
  std::mutex mutex_;
  std::set<std::string> looking_;
  std::map<std::string, std::shared_ptr<Across>> across_;  // by database; an entry is its look's alone while there is one
};

// The sessions of one worker whose transactions hold connections to several servers. On the worker's thread.
class SpanWatch {
 public:
  void add(Session& session) { sessions_.push_back(&session); }
  void remove(Session& session) { std::erase(sessions_, &session); }
  // Once a second: has any waited too long?
  void look(SteadyTime now, DeadlockWatch& watch) const;

 private:
  std::vector<Session*> sessions_;
};

}  // namespace howdah::proxy
