// A blocking connection with deadlines, for tools, tests and jobs that have a thread of their own.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/clock.h"
#include "drivers/pq/link.h"

namespace howdah::pq {

class StopSignal;

inline SteadyTime within(milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// One thread at a time. No call waits beyond its deadline or a stop request, except that connecting to a host
// name waits for the system's resolver. After a timeout, a stop or a lost connection every call answers that
// error.
class Connection {
 public:
  // `stop` may be null; it must outlive the connection.
  static Answer<std::unique_ptr<Connection>> connect(const ConnectParams& params,
                                                     SteadyTime deadline = within(seconds(10)),
                                                     const StopSignal* stop = nullptr);
  // A libpq URI or keyword=value string.
  static Answer<std::unique_ptr<Connection>> connect(const std::string& uri,
                                                     SteadyTime deadline = within(seconds(10)),
                                                     const StopSignal* stop = nullptr);

  // Without parameters `sql` may hold several statements: the last one's rows, or the first error.
  Answer<PgResult> exec(const std::string& sql, const Params& params = {},
                        SteadyTime deadline = within(seconds(30)));

  bool is_open() const { return link_.is_open(); }
  int server_version() const { return link_.server_version(); }  // 150004 for 15.4

 private:
  explicit Connection(const StopSignal* stop) : stop_(stop) {}
  bool wait(Want want, SteadyTime deadline);

  Link link_;
  const StopSignal* stop_;
};

}  // namespace howdah::pq
