// A storm of logins, and clients that run statements meanwhile: how much do the one hold up the others?
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace howdah::testing {

// Where clients log in, with SCRAM. The storm derives the password's keys once, as drivers that cache them do.
struct StormTarget {
  std::uint16_t port = 0;  // on 127.0.0.1
  std::string user = "app", password = "app", database = "app";
};

struct StormResult {
  std::uint64_t logins = 0;    // that reached ReadyForQuery
  std::uint64_t failures = 0;  // refused, broken off, or not over when the time was
  double seconds = 0;
  std::string first_failure;
  double rate() const { return seconds > 0 ? static_cast<double>(logins) / seconds : 0; }
};

// Begins `rate` logins a second, evenly, whatever becomes of them (at most `most` at a time), for `length`; each that
// is done leaves with Terminate. Blocks. `real` false: the target is a StormSink, whose proof is not checked.
StormResult login_storm(const StormTarget& target, double rate, std::chrono::milliseconds length, bool real = true,
                        std::size_t most = 1000);

// Plays the server's part of a login with fixed answers: the least that a target of a storm can do.
class StormSink {
 public:
  StormSink();
  ~StormSink();
  StormSink(const StormSink&) = delete;
  StormSink& operator=(const StormSink&) = delete;
  std::uint16_t port() const;

 private:
  class Impl;
  Impl* impl_;
};

struct LoadResult {
  std::vector<double> milliseconds;  // of every statement, sorted
  std::uint64_t errors = 0;
  double percentile(double p) const;
};

// `clients` clients, each running `sql` again `pause` after its last answer, for `length`. Blocks. The clock starts
// when all are logged in.
LoadResult run_load(const StormTarget& target, int clients, const std::string& sql, std::chrono::microseconds pause,
                    std::chrono::milliseconds length);

}  // namespace howdah::testing
