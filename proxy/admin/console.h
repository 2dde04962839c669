// The admin console: command text in, messages for a client out.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/command.h"
#include "proxy/admin/snapshot.h"
#include "proxy/admin/stats_history.h"
#include "proxy/core/admin_hook.h"

namespace howdah::admin {

// How many seconds SHOW STATS averages over.
inline constexpr auto kStatsPeriod = std::chrono::seconds(60);

// Lives on the executor's thread; blocks while workers answer, but not while a command waits for clients: others go on.
class Console {
 public:
  explicit Console(Proxy& proxy);
  ~Console();

  // Runs the commands of a string in order, up to the first error; the answer is complete at once, or after some poll().
  void begin(proxy::AdminRequest request);
  // Looks after commands that wait. False: none does.
  bool poll();
  // Once per kStatsPeriod.
  void note_stats();

 private:
  // What PAUSE and WAIT_CLOSE wait for.
  struct Wait {
    std::function<Result<bool>()> over;
    std::function<void()> undo;  // when the asker has gone, or canceled
  };
  struct Job;
  enum class Outcome : std::uint8_t { kDone, kFailed, kWaits };

  void advance(Job& job);
  void finish(Job& job);
  Outcome run(const Command& command, Job& job);
  Outcome act(const Command& command, Job& job);
  void show(Verb verb, std::string& out);
  Result<void> pause(const std::string& database, Wait& wait);
  Result<void> resume(const std::string& database);
  Result<void> reload();
  Result<void> block(const Command& command);
  Result<void> unblock(const std::string& argument);
  Result<void> kill_client(const std::string& argument);
  Result<void> known_database(const std::string& name) const;
  void shut_down(const std::string& how);

  Proxy& proxy_;
  StatsHistory history_;
  std::vector<std::unique_ptr<Job>> waiting_;
};

}  // namespace howdah::admin
