// Large answers and loads over several shards: ORDER BY of all rows through Howdah against one libpq process that reads the
// shards' streams at once, and COPY of all rows through Howdah against COPY into one server.
//
//   howdah_bench_shards --rows 1000000 --rounds 3       with HOWDAH_URL, HOWDAH_PID, TWIN_URL and SHARD_i_PRIMARY_URL set
//
// The table bench_rows is made anew, and dropped at the end. tools/bench_shards.sh does it all.
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Conn = std::unique_ptr<PGconn, void (*)(PGconn*)>;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

const char* environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) throw std::runtime_error(name + " is not set");
  return value;
}

Conn connect(const char* url) {
  Conn conn(PQconnectdb(url), PQfinish);
  if (PQstatus(conn.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(conn.get()));
  return conn;
}

void check(PGconn* conn, PGresult* result, ExecStatusType wanted) {
  const bool ok = PQresultStatus(result) == wanted;
  PQclear(result);
  if (!ok) throw std::runtime_error(PQerrorMessage(conn));
}

void run(PGconn* conn, const char* sql) { check(conn, PQexec(conn, sql), PGRES_COMMAND_OK); }

struct Reading {
  double first = 0, all = 0;  // seconds until the first row of the last stream to begin; until the last row
  long rows = 0;
};

// Reads the answers of all connections at once, row by row.
Reading read_all(const std::vector<Conn>& conns, const char* sql) {
  const auto begin = Clock::now();
  struct Stream {
    PGconn* conn;
    long rows = 0;
    bool open = true;
  };
  std::vector<Stream> streams;
  for (const auto& conn : conns) {
    if (PQsendQuery(conn.get(), sql) != 1 || PQsetSingleRowMode(conn.get()) != 1) throw std::runtime_error(PQerrorMessage(conn.get()));
    streams.push_back({conn.get()});
  }
  Reading out;
  for (std::size_t open = streams.size(); open > 0;) {
    std::vector<pollfd> waiting;
    for (const auto& stream : streams) waiting.push_back({stream.open ? PQsocket(stream.conn) : -1, POLLIN, 0});
    poll(waiting.data(), waiting.size(), 10'000);
    for (std::size_t i = 0; i < streams.size(); ++i) {
      Stream& stream = streams[i];
      if (waiting[i].revents == 0) continue;
      if (PQconsumeInput(stream.conn) != 1) throw std::runtime_error(PQerrorMessage(stream.conn));
      while (stream.open && PQisBusy(stream.conn) == 0) {
        PGresult* result = PQgetResult(stream.conn);
        if (result == nullptr) {
          stream.open = false;
          --open;
          break;
        }
        const auto status = PQresultStatus(result);
        PQclear(result);
        if (status == PGRES_TUPLES_OK) continue;
        if (status != PGRES_SINGLE_TUPLE) throw std::runtime_error(PQerrorMessage(stream.conn));
        if (stream.rows++ == 0) out.first = std::max(out.first, seconds_since(begin));
      }
    }
  }
  out.all = seconds_since(begin);
  for (const auto& stream : streams) out.rows += stream.rows;
  return out;
}

double copy_in(PGconn* conn, const std::string& rows) {
  run(conn, "TRUNCATE bench_rows");
  const auto begin = Clock::now();
  check(conn, PQexec(conn, "COPY bench_rows FROM STDIN"), PGRES_COPY_IN);
  constexpr std::size_t kPiece = 64 * 1024;
  for (std::size_t at = 0; at < rows.size(); at += kPiece) {
    const auto size = static_cast<int>(std::min(kPiece, rows.size() - at));
    if (PQputCopyData(conn, rows.data() + at, size) != 1) throw std::runtime_error(PQerrorMessage(conn));
  }
  if (PQputCopyEnd(conn, nullptr) != 1) throw std::runtime_error(PQerrorMessage(conn));
  check(conn, PQgetResult(conn), PGRES_COMMAND_OK);
  while (PGresult* rest = PQgetResult(conn)) PQclear(rest);
  return seconds_since(begin);
}

// In KiB: "VmHWM" is the most since reset_peak(), "VmRSS" what there is now.
long memory(const char* pid, const char* what) {
  std::ifstream status(std::string("/proc/") + pid + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what)) return std::atol(line.c_str() + std::strlen(what) + 1);
  }
  return 0;
}
void reset_peak(const char* pid) { std::ofstream(std::string("/proc/") + pid + "/clear_refs") << "5"; }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string make_rows(long count) {
  std::string rows;
  for (long i = 0; i < count; ++i) {
    const long mixed = i * 7919 % 1'000'003;
    rows += std::to_string(i) + '\t' + std::to_string(i % 100'000) + '\t' + std::to_string(mixed % 10'000) + ".25\tcoffee and cake, table " +
            std::to_string(mixed % 50) + "\t2026-" + std::to_string(1 + mixed % 12) + "-" + std::to_string(1 + mixed % 28) + " 10:00:00+00\n";
  }
  return rows;
}

void measure(long rows, int rounds) {
  constexpr const char* kTable =
      "CREATE TABLE bench_rows (id bigint, user_id bigint, amount numeric(18,2), note text, created_at timestamptz, PRIMARY KEY (user_id, id))";
  constexpr const char* kQuery = "SELECT id, user_id, amount, note, created_at FROM bench_rows ORDER BY created_at, id";
  const char* pid = environment("HOWDAH_PID");
  std::vector<Conn> howdah, shards;
  howdah.push_back(connect(environment("HOWDAH_URL")));
  const Conn twin = connect(environment("TWIN_URL"));
  for (int i = 0; std::getenv(("SHARD_" + std::to_string(i) + "_PRIMARY_URL").c_str()) != nullptr; ++i) {
    shards.push_back(connect(environment("SHARD_" + std::to_string(i) + "_PRIMARY_URL")));
  }
  for (PGconn* conn : {howdah[0].get(), twin.get()}) {
    run(conn, "DROP TABLE IF EXISTS bench_rows");
    run(conn, kTable);
  }
  const std::string text = make_rows(rows);
  std::vector<double> copy_ratio, first_ratio, all_ratio;
  std::printf("%ld rows, %zu MB of COPY text, %zu shards; seconds\n", rows, text.size() / 1'000'000, shards.size());
  for (int round = 0; round < rounds; ++round) {
    const double into_twin = copy_in(twin.get(), text), through = copy_in(howdah[0].get(), text);
    copy_ratio.push_back(into_twin / through);
    std::printf("COPY FROM       twin %6.2f                    howdah %6.2f                    speed %.2f of the twin's\n", into_twin, through,
                copy_ratio.back());
    for (const auto& shard : shards) run(shard.get(), "ANALYZE bench_rows");
    const Reading direct = read_all(shards, kQuery);
    const long before = memory(pid, "VmRSS:");
    reset_peak(pid);
    const Reading merged = read_all(howdah, kQuery);
    const long growth = memory(pid, "VmHWM:") - before;
    if (direct.rows != rows || merged.rows != rows) throw std::runtime_error("rows are missing");
    first_ratio.push_back(merged.first / direct.first);
    all_ratio.push_back(merged.all / direct.all);
    std::printf("ORDER BY      shards %6.2f, first row %6.3f  howdah %6.2f, first row %6.3f  elapsed %.2f, first row %.2f, memory +%ld KiB\n", direct.all,
                direct.first, merged.all, merged.first, all_ratio.back(), first_ratio.back(), growth);
  }
  std::printf("medians of %d rounds: COPY at %.2f of the twin's speed, ORDER BY elapsed %.2f and first row %.2f of the shards' own\n", rounds,
              median(copy_ratio), median(all_ratio), median(first_ratio));
  for (PGconn* conn : {howdah[0].get(), twin.get()}) run(conn, "DROP TABLE bench_rows");
}

}  // namespace

int main(int argc, char** argv) {
  long rows = 1'000'000;
  int rounds = 3;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rows") == 0) rows = std::atol(argv[i + 1]);
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::atoi(argv[i + 1]);
  }
  try {
    measure(rows, rounds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
