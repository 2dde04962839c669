// SHOW STATS and its relatives.
#include <utility>

#include "proxy/admin/columns.h"
#include "proxy/admin/show.h"

namespace howdah::admin {

namespace {

void put(Row& row, const proxy::Pool::Counters& sum) {
  // What a server was sent came from clients, and the other way round.
  row << sum.transactions << sum.statements << sum.bytes_out << sum.bytes_in << sum.busy_us << sum.query_us
      << sum.wait_us;
}

void put(Row& row, const Averages& averages) {
  row << averages.transactions << averages.statements << averages.bytes_received << averages.bytes_sent
      << averages.transaction_us << averages.query_us << averages.wait_us;
}

}  // namespace

DatabaseTotals totals_by_database(const Snapshot& snapshot, const config::Config& config) {
  DatabaseTotals totals;
  for (const auto& [name, database] : config.databases) totals[name];
  for (const auto& [key, sample] : snapshot.pools) totals[sample.key.first].add(sample.counters);
  return totals;
}

Table show_stats(const DatabaseTotals& totals, const StatsHistory& history, SteadyTime now) {
  Table table(kStatsColumns);
  for (const auto& [database, sum] : totals) {
    Row row;
    row << database;
    put(row, sum);
    put(row, history.averages(database, sum, now));
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_stats_totals(const DatabaseTotals& totals) {
  Table table(kStatsPartColumns);
  for (const auto& [database, sum] : totals) {
    Row row;
    row << database;
    put(row, sum);
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_stats_averages(const DatabaseTotals& totals, const StatsHistory& history, SteadyTime now) {
  Table table(kStatsPartColumns);
  for (const auto& [database, sum] : totals) {
    Row row;
    row << database;
    put(row, history.averages(database, sum, now));
    table.rows.push_back(row.take());
  }
  return table;
}

Table show_totals(const DatabaseTotals& totals, const StatsHistory& history, SteadyTime now) {
  proxy::Pool::Counters sum;
  for (const auto& [database, counters] : totals) sum.add(counters);
  Row figures;
  put(figures, sum);
  put(figures, history.averages(kAllDatabases, sum, now));
  const auto values = figures.take();
  static constexpr const char* kNames[] = {
      "total_xact_count", "total_query_count", "total_client_bytes", "total_server_bytes", "total_xact_time",
      "total_query_time", "total_wait_time", "avg_xact_count", "avg_query_count", "avg_client_bytes",
      "avg_server_bytes", "avg_xact_time", "avg_query_time", "avg_wait_time"};
  Table table(kTotalsColumns);
  for (std::size_t i = 0; i < values.size(); ++i) table.rows.push_back({kNames[i], values[i]});
  return table;
}

}  // namespace howdah::admin
