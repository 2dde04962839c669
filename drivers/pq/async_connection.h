// A connection for coroutines on an io_context: the same exchanges as Connection, without a thread that
// waits.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "base/clock.h"
#include "drivers/pq/link.h"

namespace howdah::pq {

// Owned by the io_context's thread; must outlive every coroutine it answered. One exchange at a time. No
// exception comes out of the coroutines. Host names are resolved off the thread.
class AsyncConnection {
 public:
  explicit AsyncConnection(boost::asio::io_context& io) : descriptor_(io), timer_(io), resolver_(io) {}
  ~AsyncConnection() { close(PgError::Kind::kConnection, "closed"); }
  AsyncConnection(const AsyncConnection&) = delete;
  AsyncConnection& operator=(const AsyncConnection&) = delete;

  template <class T>
  using Task = boost::asio::awaitable<Answer<T>>;

  Task<void> connect(ConnectParams params, SteadyTime deadline);
  Task<PgResult> exec(std::string sql, Params params, SteadyTime deadline);
  Task<PgResult> exec(std::string sql, SteadyTime deadline) { return exec(std::move(sql), {}, deadline); }
  Task<PgResult> prepare(std::string name, std::string sql, SteadyTime deadline);
  Task<PgResult> exec_prepared(std::string name, SteadyTime deadline);

  bool is_open() const { return link_.is_open(); }
  int server_version() const { return link_.server_version(); }

  // Ends what is under way with kStopped and refuses everything after. For shutdown.
  void stop();
  // What is under way ends with an error; connect() may be called again.
  void disconnect() { close(PgError::Kind::kConnection, "disconnected"); }

 private:
  Task<PgResult> finish(SteadyTime deadline);
  boost::asio::awaitable<bool> wait(Want want);
  boost::asio::awaitable<void> resolve(ConnectParams& params);
  void arm(SteadyTime deadline);
  void disarm();
  void close(PgError::Kind why, std::string message);

  Link link_;
  boost::asio::posix::stream_descriptor descriptor_;  // borrows the link's socket while connected
  boost::asio::steady_timer timer_;
  boost::asio::ip::tcp::resolver resolver_;
  // Dates the timer. Shared with its handlers: an expiry that was already queued must neither end a later
  // exchange nor touch a connection that is gone.
  std::shared_ptr<std::uint64_t> exchange_ = std::make_shared<std::uint64_t>(0);
  bool stopped_ = false;
};

}  // namespace howdah::pq
