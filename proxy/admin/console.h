// The admin console: command text in, messages for a client out.
#pragma once

#include <string>
#include <string_view>

#include "proxy/admin/command.h"
#include "proxy/admin/snapshot.h"
#include "proxy/admin/stats_history.h"

namespace howdah::admin {

// How many seconds SHOW STATS averages over.
inline constexpr auto kStatsPeriod = std::chrono::seconds(60);

// Lives on the executor's thread; blocks while workers answer.
class Console {
 public:
  explicit Console(Proxy& proxy);

  // Runs the commands of a string in order, up to the first error. The complete answer to a simple query.
  std::string execute(std::string_view sql, const std::string& user);
  // Once per kStatsPeriod.
  void note_stats();

 private:
  // Appends the answer; false after an error.
  bool run(const Command& command, const std::string& user, std::string& out);
  void show(Verb verb, std::string& out);
  Result<void> reload();
  Result<void> kill_client(const std::string& argument);

  Proxy& proxy_;
  StatsHistory history_;
};

}  // namespace howdah::admin
