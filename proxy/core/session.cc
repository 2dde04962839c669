#include "proxy/core/session.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "drivers/net/socket.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/admin_protocol.h"
#include "proxy/core/errors.h"
#include "proxy/core/listening.h"
#include "proxy/core/extended.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;

namespace {

constexpr std::size_t kClientHighWater = 256 * 1024;  // beyond this, servers are not read for this client
constexpr std::size_t kClientLowWater = 64 * 1024;
constexpr auto kLinger = std::chrono::seconds(60);  // for a client that reads nothing of its last answers
constexpr std::size_t kLargeMessage = 1 << 20;  // a Bind beyond this is not kept as a whole
constexpr std::size_t kBindHead = 64 * 1024;    // of it, to find names and formats in
constexpr std::size_t kGroupFlush = 32 * 1024;  // of messages before a Sync: they need not wait for it

// Whatever the session still holds goes back to the pools; what is under way there is canceled, and rolled back.
template <class Release>
void let_go(std::vector<ServerConn*>& links, Worker& worker, Release release) {
  while (!links.empty()) {
    ServerConn& conn = *links.back();
    if (conn.link.owed > 0) worker.send_cancel(conn);
    // In session mode anything may have been left behind.
    if (worker.config()->pool.mode == config::PoolMode::kSession) conn.link.unclean = true;
    if (conn.link.raw) conn.retire();  // a replication client's: nobody else's, ever
    release(conn);
  }
}

}  // namespace

Session::Session(Worker& worker, int fd, std::string peer)
    : worker_(worker), stream_(fd), timer_(*this), peer_(std::move(peer)), connected_(worker.reactor().now()) {
  sender = std::hash<std::string_view>()(std::string_view(peer_).substr(0, peer_.rfind(':')));
}

Session::~Session() {
  worker_.reactor().dequeue(*this);
  task_.reset();
  if (waiting_in != nullptr) waiting_in->give_up(*this);
  if (listening_) {
    stop_listening();
    worker_.listeners.forget(*this);
  }
  let_go(links_, worker_, [this](ServerConn& conn) { release(conn); });
  if (replication_) worker_.bury(std::move(replication_));
  if (stream_.is_open()) worker_.reactor().remove(stream_.fd(), *this);
}

void Session::start() {
  net::set_no_delay(stream_.fd());
  if (!worker_.reactor().add(stream_.fd(), *this)) {
    closing_ = true;
    return worker_.bury(*this);
  }
  task_ = login();
  run();
}

void Session::run() {
  if (buried_) return;
  if (waiter_) {
    auto handle = std::exchange(waiter_, {});
    handle.resume();
  } else if (!task_.active()) {
    task_ = serve();
    task_.start();
  } else if (!task_.done()) {
    task_.start();
  }
  if (task_.done()) {
    task_.reset();
    if (closing_) {
      buried_ = true;
      worker_.bury(*this);
    }
  }
}

void Session::wake() {
  if (waiter_ || !task_.active()) worker_.reactor().enqueue(*this);
}

void Session::on_io(std::uint32_t events) {
  if (buried_) return;
  if ((events & EPOLLOUT) != 0 && !out_.empty()) {
    flush_client();
    if (out_.size() < kClientLowWater) {
      for (ServerConn* conn : links_) conn->resume_reading();
    }
    wake();
  }
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    close();
    client_readable_ = true;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) client_readable_ = true;
  if ((events & EPOLLRDHUP) != 0) client_hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0 && (waiter_ || !task_.active())) run();
}

bool Session::read_client() {
  if (!client_readable_ || closing_) return false;
  finishing_ = false;
  // A message larger than the buffer is made room for at once, within the bound that its header was checked against.
  std::size_t wanted = net::kBufferSize / 4;
  if (in_.size() >= pgwire::kHeaderSize) {
    pgwire::Header header;
    if (pgwire::peek_header(in_.view(), pgwire::kMaxServerLength, header) == pgwire::FrameStatus::kOk &&
        header.total > in_.size()) {
      wanted = std::max<std::size_t>(wanted, std::min<std::size_t>(header.total - in_.size(), 1 << 20));
    }
  }
  char* into = in_.reserve(wanted);
  const std::size_t room = in_.writable();
  const auto got = stream_.read(into, room);
  switch (got.status) {
    case net::IoStatus::kOk:
      in_.commit(got.count);
      WorkerCounters::add(worker_.counters.bytes_from_clients, got.count);
      // A short read has emptied the socket, but not taken the end of the stream, for which no further edge comes.
      if (got.count < room && !stream_.is_tls() && !client_hung_up_) client_readable_ = false;
      return true;
    case net::IoStatus::kWouldBlock:
      client_readable_ = false;
      return false;
    case net::IoStatus::kEof:
    case net::IoStatus::kError:
      close();
      return false;
  }
  return false;
}

void Session::close() {
  closing_ = true;
  timer_.cancel();
}

Task<> Session::serve() {
  timer_.cancel();
  while (!closing_) {
    const Bytes in = in_.view();
    pgwire::Header header;
    auto status = pgwire::peek_header(in, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kOk) {
      const std::uint32_t most = std::min(pgwire::max_frontend_length(header.type), worker_.config()->limits.message_bytes);
      if (header.total - 1 > most) {
        fatal(make_error(ErrorCode::kProtocolViolation,
                         pgwire::max_frontend_length(header.type) == 0
                             ? "invalid frontend message type " + std::to_string(static_cast<unsigned char>(header.type))
                             : "invalid message length"));
        break;
      }
    }
    if (status == pgwire::FrameStatus::kMalformed) {
      fatal(make_error(ErrorCode::kProtocolViolation, "invalid message length"));
      break;
    }
    if (status == pgwire::FrameStatus::kNeedMore || in.size() < header.total) {
      if (draining_ && leaves_here()) {
        if (frozen_) co_return;
        break;
      }
      // Values without bound go through as they come, once what stands before them is there.
      if (status == pgwire::FrameStatus::kOk && header.type == fe::kBind && in.size() >= kBindHead && logged_in_ && !is_admin_ &&
          header.total > kLargeMessage && co_await large_bind(header.total)) {
        continue;
      }
      if (!read_client()) break;
      continue;
    }
    request_at_ = worker_.reactor().now();
    const Bytes whole = in.substr(0, header.total);
    message_size_ = header.total;
    cancel_asked_ = false;
    if (!ext_ || !ext_->active) untold_ = range_.empty() ? out_.size() : kTold;
    const Bytes body = whole.substr(pgwire::kHeaderSize);
    if (is_admin_) {
      co_await handle_admin(header.type, body);
    } else {
      co_await handle(header.type, body, whole);
    }
    in_.consume(std::exchange(message_size_, 0));
    if (ext_ && ext_->active) note_message(header.total);
    if (std::any_of(links_.begin(), links_.end(), [](const ServerConn* conn) { return conn->cancels_in_flight > 0; })) {
      // What the client does next must not be hit by a cancel of what it did.
      flush_client();
      const auto links = links_;
      co_await await_cancels(links);
    }
    if (ext_ && ext_->conn != nullptr && ext_->conn->queued() > kGroupFlush) co_await relieve_group();
    if (deadlines_ && !(ext_ && ext_->repeat.times > 0)) {
      deadlines_->end_statement();
      if (!tx_.active()) deadlines_->end_transaction();
    }
    // A client that sends without reading its answers waits until it has read them.
    while (out_.size() > kClientHighWater && !closing_) co_await suspend();
  }
  // The rest of a group is still to come: the server may begin, as PostgreSQL would.
  if (ext_ && ext_->conn != nullptr && !closing_) flush_group(*ext_->conn);
  flush_client();
  // Who sends no more may still read: the last answers are written out before the connection ends. No server waits for
  // that.
  if (closing_ && !out_.empty()) let_go(links_, worker_, [this](ServerConn& conn) { release(conn); });
  while (closing_ && !out_.empty()) {
    timed_out_ = false;
    timer_.arm(worker_.reactor(), worker_.reactor().now() + kLinger);
    co_await suspend();
    if (timed_out_) break;
    flush_client();
  }
  timer_.cancel();
  if (in_.empty()) in_.release();
  if (!closing_ && logged_in_) arm_idle_timer();
}

Task<> Session::handle(char type, Bytes body, Bytes whole) {
  switch (type) {
    case fe::kQuery:
      co_await simple_query(body, whole);
      break;
    case fe::kParse:
      co_await on_parse(body);
      break;
    case fe::kBind:
      co_await on_bind(body);
      break;
    case fe::kDescribe:
      co_await on_describe(body);
      break;
    case fe::kExecute:
      co_await on_execute(body);
      break;
    case fe::kClose:
      co_await on_close_message(body);
      break;
    case fe::kSync:
      co_await on_sync();
      break;
    case fe::kFlush:
      co_await on_flush();
      break;
    case fe::kFunctionCall:
      co_await function_call(whole);
      break;
    case fe::kTerminate:
      close();
      break;
    case fe::kCopyData:
    case fe::kCopyDone:
    case fe::kCopyFail:
      break;  // the tail of a COPY that failed: PostgreSQL ignores it, too
    default:
      fatal(make_error(ErrorCode::kProtocolViolation, "invalid frontend message type " +
                                                             std::to_string(static_cast<unsigned char>(type))));
  }
}

bool Session::leaves_here() {
  if (tx_.active() || !links_.empty() || (ext_ && ext_->active) || holds_cursors()) return false;
  if (handing_over_) return freeze();
  if (!in_.empty()) return false;
  fatal(make_error(ErrorCode::kShuttingDown, "terminating connection due to administrator command"));
  return true;
}

void Session::drain() {
  if (frozen_) return;  // the other process may have it already
  draining_ = true;
  handing_over_ = false;
  wake();
}

void Session::kill(const Error& reason) {
  if (closing_ || frozen_) return;
  if (committing_) return drain();  // nothing may end it: it ends after the commit
  // A replication client may be in the middle of a message.
  if (logged_in_ && range_.empty() && !replication_) fatal(reason);
  close();
  wake();
}

void Session::on_timer() {
  if (waiter_) {
    timed_out_ = true;
    // A server that does not answer while it judges a client's settings: the login ends all the same.
    if (!logged_in_ && !links_.empty()) fatal(make_error(ErrorCode::kQueryCanceled, "canceling authentication due to timeout"));
    return wake();
  }
  // Idle for too long.
  const bool in_transaction = tx_.active();
  WorkerCounters::add(worker_.counters.idle_timeouts);
  fatal(in_transaction ? make_error(ErrorCode::kIdleInTransaction, "terminating connection due to idle-in-transaction timeout")
                       : make_error(ErrorCode::kIdleTimeout, "terminating connection due to idle-session timeout"));
  run();
}

// --- output

void Session::send(Bytes bytes) {
  if (spool_ != nullptr) {
    spool_->append(bytes);
    return;
  }
  if (!range_.empty()) {
    out_.append(range_);
    range_ = {};
  }
  out_.append(bytes);
}

void Session::flush_client() {
  if (!stream_.is_open() || (out_.empty() && range_.empty())) {
    range_ = {};
    return;
  }
  const Bytes range = std::exchange(range_, {});
  const std::size_t total = out_.size() + range.size();
  const auto result = stream_.write(out_.view(), range);
  if (result.status == net::IoStatus::kError) {
    out_.release();
    return close();
  }
  WorkerCounters::add(worker_.counters.bytes_to_clients, result.count);
  // TLS may hold on to what it could not send yet.
  const bool begun = result.count > untold_ || (stream_.is_tls() && result.count < total && total > untold_);
  if (untold_ != kTold) untold_ = begun ? kTold : untold_ - result.count;
  if (result.count == total) return out_.release();
  const std::size_t from_out = std::min(result.count, out_.size());
  out_.consume(from_out);
  out_.append(range.substr(result.count - from_out));
}

void Session::send_error(const Error& error) {
  worker_.scratch.clear();
  append_error_response(worker_.scratch, error);
  send(worker_.scratch);
  statement_failed_ = true;
  WorkerCounters::add(worker_.counters.errors);
  if (error.code == ErrorCode::kUnsupported) WorkerCounters::add(worker_.counters.refused);
}

void Session::send_lost(ServerConn& conn) {
  conn.link.error_forwarded = true;  // told: see failed_transaction() and commit()
  pgwire::ErrorFields fields;
  const std::string body = conn.link.error_body;
  if (!conn.link.error || !decode(Bytes(body), fields)) return send_error(conn.lost_reason());
  // The server connection ends, the client's does not: the same error, not fatal to the client.
  fields.severity = fields.localized_severity = "ERROR";
  worker_.scratch.clear();
  append_error(worker_.scratch, fields);
  send(worker_.scratch);
  statement_failed_ = true;
}

void Session::fatal(const Error& error) {
  worker_.scratch.clear();
  append_error_response(worker_.scratch, error, "FATAL");
  send(worker_.scratch);
  flush_client();
  close();
}

pgwire::TxStatus Session::client_status() const {
  if (!tx_.explicit_block()) return pgwire::TxStatus::kIdle;
  if (tx_.failed) return pgwire::TxStatus::kFailed;
  for (const ServerConn* conn : links_) {
    if (conn->link.in_transaction && conn->tx_status == pgwire::TxStatus::kFailed) return pgwire::TxStatus::kFailed;
  }
  return pgwire::TxStatus::kInTransaction;
}

void Session::send_ready() {
  const char message[] = {'Z', 0, 0, 0, 5, static_cast<char>(client_status())};
  send(Bytes(message, sizeof message));
}

// --- ReplyOwner

void Session::on_reply(ServerConn&, Bytes bytes) {
  if (spool_ != nullptr) {
    spool_->append(bytes);
    return;
  }
  if (range_.empty()) {
    range_ = bytes;
  } else if (range_.data() + range_.size() == bytes.data()) {
    range_ = Bytes(range_.data(), range_.size() + bytes.size());
  } else {
    out_.append(range_);
    range_ = bytes;
  }
}

void Session::on_fabricated(ServerConn&, char type) {
  const char message[] = {type, 0, 0, 0, 4};
  send(Bytes(message, sizeof message));
}

void Session::flush_replies(ServerConn& from) {
  if (from.link.gather) return gathered(from);
  flush_client();
  if (out_.size() > kClientHighWater) from.pause_reading();
}

void Session::on_entry_done(ServerConn& from, const ServerEntry& entry, EntryOutcome outcome) {
  if (entry.effect != 0 && ext_ && entry.effect <= ext_->effects.size()) settle_effect(from, entry, outcome);
  if (outcome != EntryOutcome::kDone && from.link.error_forwarded) {
    statement_failed_ = true;
    if (ext_ && ext_->active) ext_->failed = true;
  }
  if (from.link.owed == 0) wake();
}

void Session::on_ready(ServerConn&, const ServerEntry&) { wake(); }

void Session::on_copy_in(ServerConn&) { wake(); }

void Session::on_server_writable(ServerConn&) { wake(); }

void Session::on_lost(ServerConn& from) {
  // A waiting coroutine finds out by itself; otherwise (idle in a transaction) the client learns at its next statement.
  if (tx_.active() && from.link.in_transaction) tx_.failed = tx_.lost = true;
  // Whatever was said now, the client would read as the rest of that message.
  if (from.link.cut) close();
  wake();
}

void Session::on_pool(ServerConn* granted, const Error* reason) {
  granted_ = granted;
  if (granted != nullptr) granted->link_to(*this);
  pool_error_ = reason == nullptr ? nullptr : std::make_unique<Error>(*reason);
  wake();
}

void Session::on_cancel() {
  cancel_asked_ = true;
  if (committing_) return;  // from the first PREPARE on, nothing is passed on
  if (waiting_in != nullptr || is_admin_) {
    cancel_ = true;
    return wake();
  }
  for (ServerConn* conn : links_) {
    if (conn->link.owed > 0 || conn->link.raw) worker_.send_cancel(*conn);
  }
}

Session::Info Session::info() const {
  Info info;
  info.user = user_name_;
  info.database = pools_ == nullptr ? "" : pools_->database->config().name;
  info.peer = peer_;
  info.pid = pid_;
  info.connected = connected_;
  info.request = request_at_;
  info.state = waiting_in != nullptr ? "waiting" : task_.active() ? "active" : tx_.active() ? "idle in transaction" : "idle";
  if (const auto* name = settings_->find("application_name")) info.application_name = name->value;
  if (ext_) info.prepared = ext_->named.size();
  for (const ServerConn* conn : links_) {
    info.links.push_back(conn);
    if (info.pin_reason.empty()) info.pin_reason = conn->link.pins.text();
    if (conn->link.raw) info.pin_reason = "replication";
  }
  return info;
}

}  // namespace howdah::proxy
