// A libpq connection that waits for notifications, for a thread of its own.
// https://www.postgresql.org/docs/15/libpq-notify.html
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "drivers/pq/link.h"

namespace howdah::pq {

struct Notification {
  std::string channel;
  std::string payload;
  std::int32_t pid = 0;  // of the notifying backend
};

// Used by one thread, which sleeps in connect(), wait() and sleep(). The last two end when `wake_fd`, an eventfd, is written to
// (and read it); connect() only when `stop` is set by then.
class NotifyLink {
 public:
  NotifyLink(int wake_fd, const std::atomic<bool>& stop) : wake_fd_(wake_fd), stop_(stop) {}

  // False: not connected by the deadline, or stopped; error() says why, empty when stopped.
  bool connect(const ConnectParams& params, SteadyTime deadline);
  void close() { connection_.reset(); }
  bool is_open() const { return connection_ != nullptr; }

  // REQUIRES: open, no statement under way. False: the connection is lost.
  bool send(const std::string& statements);
  bool busy() const { return busy_; }
  // Sleeps until the server sent something, the wake-up, or the deadline. False: the connection is lost, and closed.
  bool wait(SteadyTime deadline);
  // Without a connection: until the wake-up, or the deadline.
  void sleep(SteadyTime deadline);
  // The next one that came, in the server's order.
  std::optional<Notification> next();
  // When the statements have ended: their error, empty for success. Nothing while they run.
  std::optional<std::string> take_end();
  const std::string& error() const { return error_; }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  bool lost();
  void take_wake_up();

  const int wake_fd_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<PGconn, Finish> connection_;
  bool busy_ = false;
  std::string statement_error_;
  std::string error_;
};

}  // namespace howdah::pq
