#include "drivers/pq/async_connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace howdah::pq {

namespace asio = boost::asio;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::string* find(ConnectParams& params, std::string_view keyword) {
  for (auto& [name, value] : params) {
    if (name == keyword) return &value;
  }
  return nullptr;
}

}  // namespace

void AsyncConnection::arm(SteadyTime deadline) {
  timer_.expires_at(deadline);
  timer_.async_wait([this, current = exchange_, dated = ++*exchange_](boost::system::error_code ec) {
    if (!ec && dated == *current) close(PgError::Kind::kTimeout, "timeout expired");
  });
}

void AsyncConnection::disarm() {
  ++*exchange_;
  timer_.cancel();
}

// The descriptor gives the socket back before libpq closes it; a wait on it ends with operation_aborted.
void AsyncConnection::close(PgError::Kind why, std::string message) {
  if (descriptor_.is_open()) descriptor_.release();
  resolver_.cancel();
  link_.close(why, std::move(message));
  disarm();
}

void AsyncConnection::stop() {
  stopped_ = true;
  close(PgError::Kind::kStopped, "stopped");
}

// False when the link was closed meanwhile.
asio::awaitable<bool> AsyncConnection::wait(Want want) {
  auto kind = want == Want::kWrite ? asio::posix::descriptor_base::wait_write
                                   : asio::posix::descriptor_base::wait_read;
  auto [ec] = co_await descriptor_.async_wait(kind, kAwait);
  co_return !ec && link_.socket() >= 0;
}

// libpq would look the host up in this thread; so we do it and hand over the first address.
asio::awaitable<void> AsyncConnection::resolve(ConnectParams& params) {
  auto* host = find(params, "host");
  if (host == nullptr || host->empty() || host->front() == '/' || find(params, "hostaddr") != nullptr)
    co_return;
  boost::system::error_code numeric;
  asio::ip::make_address(*host, numeric);
  if (!numeric) co_return;
  auto [ec, found] = co_await resolver_.async_resolve(*host, "", kAwait);
  if (!ec && !found.empty()) params.emplace_back("hostaddr", found.begin()->endpoint().address().to_string());
}

AsyncConnection::Task<void> AsyncConnection::connect(ConnectParams params, SteadyTime deadline) {
  if (stopped_) co_return link_.error();
  close(PgError::Kind::kConnection, "not connected");
  arm(deadline);
  const auto dated = *exchange_;
  co_await resolve(params);
  Want want = dated == *exchange_ ? link_.start(params) : Want::kFailed;
  while (want == Want::kRead || want == Want::kWrite) {
    boost::system::error_code ec;
    descriptor_.assign(link_.socket(), ec);
    bool alive = co_await wait(want);
    if (!alive) break;
    descriptor_.release();  // libpq may go on with another socket
    want = link_.step_connect();
  }
  disarm();
  if (!link_.is_open()) co_return link_.error();
  boost::system::error_code ec;
  descriptor_.assign(link_.socket(), ec);
  co_return Answer<void>();
}

AsyncConnection::Task<PgResult> AsyncConnection::finish(SteadyTime deadline) {
  arm(deadline);
  for (;;) {
    Want want = link_.step();
    if (want == Want::kDone) break;
    bool alive = false;
    if (want != Want::kFailed) alive = co_await wait(want);
    if (alive) continue;
    if (descriptor_.is_open()) descriptor_.release();
    disarm();
    co_return link_.error();
  }
  disarm();
  co_return link_.take();
}

AsyncConnection::Task<PgResult> AsyncConnection::exec(std::string sql, Params params, SteadyTime deadline) {
  if (!link_.send(sql, params)) co_return link_.error();
  auto answer = co_await finish(deadline);
  co_return answer;
}

AsyncConnection::Task<PgResult> AsyncConnection::prepare(std::string name, std::string sql,
                                                         SteadyTime deadline) {
  if (!link_.send_prepare(name, sql)) co_return link_.error();
  auto answer = co_await finish(deadline);
  co_return answer;
}

AsyncConnection::Task<PgResult> AsyncConnection::exec_prepared(std::string name, SteadyTime deadline) {
  if (!link_.send_prepared(name, {})) co_return link_.error();
  auto answer = co_await finish(deadline);
  co_return answer;
}

}  // namespace howdah::pq
