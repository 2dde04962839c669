#include "drivers/pq/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "drivers/pq/stop_signal.h"

namespace howdah::pq {

// False when the link was closed because of the deadline or a stop.
bool Connection::wait(Want want, SteadyTime deadline) {
  const auto events = static_cast<short>(want == Want::kWrite ? POLLOUT : POLLIN);
  for (;;) {
    pollfd fds[2] = {{link_.socket(), events, 0}, {stop_ != nullptr ? stop_->fd() : -1, POLLIN, 0}};
    auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    auto bound = std::clamp<std::int64_t>(left.count(), 0, 1'000'000);
    int ready = ::poll(fds, 2, static_cast<int>(bound));
    if (ready < 0 && errno == EINTR) continue;
    if (fds[1].revents != 0) {
      link_.close(PgError::Kind::kStopped, "stopped");
      return false;
    }
    if (ready > 0) return true;
    if (left.count() > 0) continue;
    link_.close(PgError::Kind::kTimeout, "timeout expired");
    return false;
  }
}

Answer<std::unique_ptr<Connection>> Connection::connect(const ConnectParams& params, SteadyTime deadline,
                                                        const StopSignal* stop) {
  std::unique_ptr<Connection> connection(new Connection(stop));
  Want want = connection->link_.start(params);
  while (want == Want::kRead || want == Want::kWrite) {
    if (!connection->wait(want, deadline)) break;
    want = connection->link_.step_connect();
  }
  if (want != Want::kDone) return connection->link_.error();
  return connection;
}

Answer<std::unique_ptr<Connection>> Connection::connect(const std::string& uri, SteadyTime deadline,
                                                        const StopSignal* stop) {
  return connect(ConnectParams{{"dbname", uri}}, deadline, stop);
}

Answer<PgResult> Connection::exec(const std::string& sql, const Params& params, SteadyTime deadline) {
  if (!link_.send(sql, params)) return link_.error();
  for (;;) {
    Want want = link_.step();
    if (want == Want::kDone) return link_.take();
    if (want == Want::kFailed || !wait(want, deadline)) return link_.error();
  }
}

}  // namespace howdah::pq
