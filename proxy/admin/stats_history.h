// Totals per database now and then, for averages.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "proxy/core/pool.h"

namespace howdah::admin {

using DatabaseTotals = std::map<std::string, proxy::Pool::Counters>;

// PgBouncer's averages: counts and bytes per second, times (microseconds) per transaction, statement and second.
struct Averages {
  std::uint64_t transactions = 0, statements = 0, bytes_received = 0, bytes_sent = 0;
  std::uint64_t transaction_us = 0, query_us = 0, wait_us = 0;
  bool operator==(const Averages&) const = default;
};

Averages averages_between(const proxy::Pool::Counters& from, const proxy::Pool::Counters& to, Duration time);

// Stands for the sum of all.
inline constexpr const char* kAllDatabases = "";

// Pure; one thread.
class StatsHistory {
 public:
  explicit StatsHistory(SteadyTime start) : older_at_(start), newer_at_(start) {}

  // Once per period.
  void note(SteadyTime now, DatabaseTotals totals);
  // Over the last whole period; before its end, from the start until `now`, when the totals were `totals`.
  Averages averages(const std::string& database, const proxy::Pool::Counters& totals, SteadyTime now) const;

 private:
  SteadyTime older_at_, newer_at_;
  DatabaseTotals older_, newer_;
};

}  // namespace howdah::admin
