// Load for tests: many clients on one thread, in a closed loop (each asks again when it has its answer) or in an open one (statements
// come at their times, whatever becomes of those before).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/pg_conn.h"

namespace howdah::e2e_guards {

using std::chrono::milliseconds;

struct LoadResult {
  std::uint64_t due = 0;                 // statements that were to be sent
  std::uint64_t good = 0;                // answered without an error, in time
  std::uint64_t late = 0;                // ... too late
  std::uint64_t unsent = 0;              // open loop: no client was free
  std::map<std::string, std::uint64_t> errors;  // by SQLSTATE
  std::vector<double> latencies;         // of those answered without an error, in milliseconds
  std::vector<std::uint64_t> per_client; // answers
  double seconds = 0;

  double goodput() const { return static_cast<double>(good) / seconds; }
  // 0.5: the median. Sorts.
  double latency(double share);
  std::string to_string();
};

class Load {
 public:
  // Raises the soft limit on descriptors; throws std::runtime_error when the clients cannot be had.
  Load(const std::string& url, int clients);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Each client's first answer does not count: all ask at once then.
  LoadResult closed_loop(const std::string& sql, milliseconds duration);
  LoadResult open_loop(const std::string& sql, double per_second, milliseconds duration, milliseconds deadline);

 private:
  struct Client;
  void start(Client& client, const std::string& sql, std::chrono::steady_clock::time_point due);
  bool finish(Client& client, LoadResult& result, milliseconds deadline);
  void turn(LoadResult& result, milliseconds deadline, int patience, const std::string* again);
  void settle(LoadResult& result, milliseconds deadline);

  int epoll_ = -1;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Client*> free_;
};

}  // namespace howdah::e2e_guards
