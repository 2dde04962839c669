#include "proxy/admin/stats_history.h"

#include <utility>

namespace howdah::admin {

namespace {

proxy::Pool::Counters of(const DatabaseTotals& totals, const std::string& database) {
  const auto found = totals.find(database);
  return found == totals.end() ? proxy::Pool::Counters{} : found->second;
}

std::uint64_t ratio(std::uint64_t count, std::uint64_t by) { return by == 0 ? 0 : count / by; }

}  // namespace

Averages averages_between(const proxy::Pool::Counters& from, const proxy::Pool::Counters& to, Duration time) {
  const auto us = static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(time).count());
  const auto per_second = [us](std::uint64_t more) {
    return us == 0 ? 0 : static_cast<std::uint64_t>(static_cast<double>(more) * 1e6 / static_cast<double>(us));
  };
  Averages averages;
  averages.transactions = per_second(to.transactions - from.transactions);
  averages.statements = per_second(to.statements - from.statements);
  averages.bytes_received = per_second(to.bytes_out - from.bytes_out);
  averages.bytes_sent = per_second(to.bytes_in - from.bytes_in);
  averages.transaction_us = ratio(to.busy_us - from.busy_us, to.transactions - from.transactions);
  averages.query_us = ratio(to.query_us - from.query_us, to.statements - from.statements);
  averages.wait_us = per_second(to.wait_us - from.wait_us);
  return averages;
}

void StatsHistory::note(SteadyTime now, DatabaseTotals totals) {
  proxy::Pool::Counters sum;
  for (const auto& [name, counters] : totals) sum.add(counters);
  totals[kAllDatabases] = sum;
  older_at_ = std::exchange(newer_at_, now);
  older_ = std::exchange(newer_, std::move(totals));
}

Averages StatsHistory::averages(const std::string& database, const proxy::Pool::Counters& totals,
                                SteadyTime now) const {
  if (newer_at_ == older_at_) return averages_between({}, totals, now - newer_at_);
  return averages_between(of(older_, database), of(newer_, database), newer_at_ - older_at_);
}

}  // namespace howdah::admin
