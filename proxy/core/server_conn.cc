#include "proxy/core/server_conn.h"

#include <strings.h>
#include <sys/epoll.h>

#include <cstring>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/object_ids.h"
#include "proxy/core/pool.h"
#include "proxy/core/server_login.h"

namespace howdah::proxy {

namespace be = pgwire::be;
using pgwire::OwedKind;
using pgwire::Verdict;

namespace {

constexpr std::size_t kReadSize = net::kBufferSize;
constexpr std::size_t kStreamFrom = kReadSize / 2;  // messages up to this size are handed on whole
constexpr std::size_t kTranslateUpTo = 64u << 20;   // ... and rows in which OIDs have to be exchanged
constexpr int kReadsPerWakeUp = 8;  // then other connections get their turn

Error lost_error(std::string why) {
  return make_error(ErrorCode::kServerLost, "server connection lost",
                    "a statement outside a transaction may have taken effect: check before repeating it; a transaction was rolled back", std::move(why));
}

// What the server said when it ended the connection; shutdowns and terminations keep their SQLSTATE class.
Error ended_by_server(Bytes body) {
  pgwire::ErrorFields fields;
  decode(body, fields);
  if (fields.sqlstate == "57P01") return make_error(ErrorCode::kShuttingDown, std::string(fields.message));
  if (fields.message.empty()) return lost_error("the server ended it without a reason");
  Error error = make_error(ErrorCode::kServerLost, std::string(fields.message), std::string(fields.hint), std::string(fields.detail));
  if (fields.sqlstate.size() == 5) error.sqlstate = fields.sqlstate;
  return error;
}

// Without the format codes, which are the Bind's. Never 0. https://www.postgresql.org/docs/15/protocol-message-formats.html
std::uint64_t hash_of_description(Bytes body) {
  pgwire::RowDescription description;
  if (!decode(body, description)) return 1;
  std::uint64_t hash = 14695981039346656037u;
  const auto mix = [&](const void* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  };
  Bytes rest = description.fields;
  for (pgwire::FieldDescription field; pgwire::RowDescription::next(rest, field);) {
    mix(field.name.data(), field.name.size() + 1);
    mix(&field.table, sizeof field.table);
    mix(&field.column, sizeof field.column);
    mix(&field.type, sizeof field.type);
    mix(&field.type_size, sizeof field.type_size);
    mix(&field.type_modifier, sizeof field.type_modifier);
  }
  return hash | 1;
}

}  // namespace

ServerConn::ServerConn(Pool& pool, net::Reactor& reactor) : pool_(&pool), reactor_(&reactor), timer_(*this) {}

ServerConn::~ServerConn() {
  if (stream_.is_open() && reactor_ != nullptr) reactor_->remove(stream_.fd(), *this);
  if (reactor_ != nullptr) reactor_->dequeue(*this);
}

void ServerConn::connect() {
  state_ = State::kConnecting;
  created = last_used = reactor_->now();
  as_replica = pool_->target().replica;
  login_ = std::make_unique<ServerLogin>(*this, pool_->target());
  auto fd = login_->open();
  if (!fd) return fail(fd.error());
  stream_ = net::Stream(*fd);
  timer_.arm(*reactor_, reactor_->now() + pool_->target().connect_timeout);
  if (!reactor_->add(stream_.fd(), *this)) fail(lost_error(std::strerror(errno)));
}

void ServerConn::on_timer() {
  fail(make_error(ErrorCode::kServerDown, "timeout while connecting to " + pool_->target().describe()));
}

void ServerConn::owe(const ServerEntry& entry) {
  // A simple query replaces the unnamed statement.
  if (entry.kind == OwedKind::kQuery) statements.unnamed = 0;
  if (pipeline.empty()) owing_since = reactor_->now();
  pipeline.push(entry);
  ++link.owed;
}

void ServerConn::flush(Bytes more) {
  if (lost()) return;
  if (out_.empty() && more.empty()) return;
  const std::size_t total = out_.size() + more.size();
  const auto result = stream_.write(out_.view(), more);
  if (result.status == net::IoStatus::kError) return fail(lost_error(std::strerror(result.error)));
  pool_->counters.bytes_out += result.count;
  if (result.count == total) return out_.release();
  const std::size_t from_out = std::min(result.count, out_.size());
  out_.consume(from_out);
  out_.append(more.substr(result.count - from_out));
}

void ServerConn::flush_into(net::Buffer& kept) {
  if (lost() || out_.empty()) return;
  const auto result = stream_.write(out_.view(), {});
  if (result.status == net::IoStatus::kError) return fail(lost_error(std::strerror(result.error)));
  pool_->counters.bytes_out += result.count;
  if (result.count == out_.size() && kept.empty()) {
    kept.swap(out_);
    return out_.release();
  }
  kept.append(out_.view().substr(0, result.count));
  out_.consume(result.count);
  if (out_.empty()) out_.release();
}

void ServerConn::resume_reading() {
  if (!paused_) return;
  paused_ = false;
  if (readable_) read_some();
}

void ServerConn::detach() {
  timer_.cancel();
  reactor_->remove(stream_.fd(), *this);
  reactor_->dequeue(*this);
  reactor_ = nullptr;
}

void ServerConn::attach(Pool& pool, net::Reactor& reactor) {
  pool_ = &pool;
  reactor_ = &reactor;
  if (!reactor_->add(stream_.fd(), *this)) fail(lost_error(std::strerror(errno)));
}

void ServerConn::link_to(ReplyOwner& owner) {
  owner_ = &owner;
  state_ = State::kLinked;
  linked_since = reactor_->now();
  link = LinkState{};
}

void ServerConn::unlink() {
  owner_ = nullptr;
  paused_ = false;
  link = LinkState{};
}

bool ServerConn::clean() const {
  return !lost() && !ending_ && pipeline.empty() && body_left_ == 0 && out_.empty() && tx_status == pgwire::TxStatus::kIdle &&
         !link.copy_in && !link.unsynced;
}

// The server will say no more. What it said last counts: its owner, who may not have looked yet, must find the answer complete before
// it finds the connection lost, or would tell the client of both.
void ServerConn::ended(Error reason) {
  if (state_ != State::kLinked || owner_ == nullptr || link.owed > 0) return fail(std::move(reason));
  if (ending_) return;
  ending_ = waits_turn_ = true;
  lost_reason_ = std::move(reason);
  reactor_->enqueue(*this);
}

// In the second turn: the owner may have been woken after this was.
void ServerConn::run() {
  if (lost()) return;
  if (std::exchange(waits_turn_, false)) return reactor_->enqueue(*this);
  fail(std::move(lost_reason_));
}

void ServerConn::fail(Error reason) {
  if (state_ == State::kLost) return;
  const State before = state_;
  state_ = State::kLost;
  lost_reason_ = std::move(reason);
  pool_->note_lost(*this, before);
  timer_.cancel();
  if (stream_.is_open()) {
    reactor_->remove(stream_.fd(), *this);
    stream_.close();
  }
  drop_owed();
  out_.release();
  link.cut = body_left_ > 0 && body_forward_ && !link.collect;
  link.owed = 0;
  link.copy_in = false;
  if (owner_ != nullptr) {
    end_batch();
    in_.release();
    owner_->on_lost(*this);
  } else {
    in_.release();
    pool_->on_lost(*this, before);
  }
}

// What was noted for replies that will never come is undone, last to first.
void ServerConn::drop_owed() {
  std::vector<ServerEntry> noted;
  pipeline.for_each([&](const ServerEntry& entry) {
    if (entry.effect != 0) noted.push_back(entry);
  });
  pipeline.clear();
  if (owner_ == nullptr) return;
  for (std::size_t i = noted.size(); i-- > 0;) owner_->on_entry_done(*this, noted[i], EntryOutcome::kSkipped);
}

void ServerConn::retire() {
  if (state_ == State::kLost) return;
  state_ = State::kLost;
  owner_ = nullptr;
  timer_.cancel();
  if (stream_.is_open()) {
    reactor_->remove(stream_.fd(), *this);
    stream_.close();
  }
  pipeline.clear();
  out_.release();
}

void ServerConn::on_io(std::uint32_t events) {
  if (state_ == State::kConnecting && login_->connecting()) {
    if ((events & (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    const auto ready = login_->on_connected(stream_);
    if (!ready) return fail(ready.error());
    if (!*ready) return;
    flush();
    if (lost()) return;
    if (stream_.is_tls()) events |= EPOLLIN;  // the handshake may have read more than its own
  }
  if ((events & EPOLLOUT) != 0 && !out_.empty()) {
    const bool was_congested = congested();
    flush();
    if (lost()) return;
    if (was_congested && !congested() && owner_ != nullptr) owner_->on_server_writable(*this);
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    readable_ = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
    if (!paused_) read_some();
  }
}

void ServerConn::read_some() {
  for (int reads = 0; reads < kReadsPerWakeUp; ++reads) {
    char* into = in_.reserve(kReadSize / 2);
    const std::size_t room = in_.writable();
    const auto got = stream_.read(into, room);
    if (got.status == net::IoStatus::kWouldBlock) {
      readable_ = false;
      break;
    }
    if (got.status != net::IoStatus::kOk) {
      return ended(lost_error(got.status == net::IoStatus::kEof ? "server closed the connection unexpectedly"
                                                               : std::strerror(got.error)));
    }
    in_.commit(got.count);
    heard_at = reactor_->now();
    pool_->counters.bytes_in += got.count;
    process();
    if (lost()) return;
    // A short read emptied the socket: the next edge tells of more. TLS may hold decrypted bytes back.
    if (got.count < room && !stream_.is_tls() && !hung_up_) {
      readable_ = false;
      break;
    }
    if (paused_) break;
  }
  if (in_.empty()) in_.release();
  // Everything read and more to come without an edge: take another turn after the others.
  if (readable_ && !paused_ && !lost()) {
    reactor_->change(stream_.fd(), *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }
}

// Everything read is the client's.
void ServerConn::relay_raw() {
  if (owner_ == nullptr) return fail(lost_error("the client left"));
  owner_touched_ = true;
  owner_->on_reply(*this, in_.view());
  in_.consume(in_.size());
  end_batch();
}

void ServerConn::process() {
  if (link.raw) return relay_raw();
  while (!lost()) {
    const Bytes in = in_.view();
    if (state_ == State::kLinked && owner_ == nullptr && !pipeline.empty()) return fail(lost_error("the client left"));
    if (body_left_ > 0) {
      const std::size_t part = std::min<std::size_t>(body_left_, in.size());
      if (part == 0) break;
      if (body_forward_) give(pipeline.head(), in.substr(0, part));
      body_left_ -= static_cast<std::uint32_t>(part);
      in_.consume(part);
      if (in_.empty()) break;
      continue;
    }
    if (state_ == State::kLinked) hand_out_fabricated();
    pgwire::Header header;
    const auto status = pgwire::peek_header(in, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kNeedMore) break;
    if (status == pgwire::FrameStatus::kMalformed) return fail(lost_error("the server sent a malformed message"));
    const bool streams = header.type == be::kDataRow || header.type == be::kCopyData;
    if (in.size() < header.total) {
      // One that fits into the buffer is waited for: what is begun toward the client must come to its end.
      if (!streams || header.total <= kStreamFrom || state_ != State::kLinked || pipeline.empty()) break;
      if (header.type == be::kDataRow && rows_are_translated()) {
        if (header.total <= kTranslateUpTo) break;
        return fail(make_error(ErrorCode::kUnsupported, "a row of users' types in binary format is too large",
                               "Ask for it in text format.", "The numbers of types in it have to be exchanged, which takes the whole row."));
      }
      const ServerEntry& head = pipeline.head();
      if (pipeline.classify(header.type) != Verdict::kContinues) {
        return fail(lost_error("the server sent a message out of order"));
      }
      body_forward_ = head.forward;
      body_left_ = header.total - static_cast<std::uint32_t>(in.size());
      if (body_forward_) give(head, in);
      in_.consume(in.size());
      break;
    }
    const Bytes whole = in.substr(0, header.total);
    in_.consume(header.total);  // the bytes stay where they are until the next read
    if (state_ == State::kLinked && owner_ == nullptr) {
      return fail(lost_error("the client left"));
    }
    if (state_ == State::kLinked) {
      const bool describes = header.type == be::kRowDescription || header.type == be::kParameterDescription;
      const bool translates = describes || (!row_types_.empty() && header.type == be::kDataRow && rows_are_translated());
      if (translates && !translate(header.type, whole.substr(pgwire::kHeaderSize))) {
        return fail(lost_error("the server sent a value that is not what its type says"));
      }
      take_frame(header.type, whole.substr(pgwire::kHeaderSize), whole);
    } else if (state_ == State::kConnecting) {
      const auto step = login_->on_message(header.type, whole.substr(pgwire::kHeaderSize));
      if (!step) return fail(step.error());
      flush();
      if (!lost() && login_->done()) {
        login_.reset();
        timer_.cancel();
        state_ = State::kIdle;
        if (in_.empty()) in_.release();
        return pool_->on_connected(*this);
      }
    } else if (header.type == be::kErrorResponse) {
      return fail(ended_by_server(whole.substr(pgwire::kHeaderSize)));
    } else if (pipeline.classify(header.type) != Verdict::kAsync) {
      return fail(lost_error("the server sent a message that nobody asked for"));
    } else if (header.type == be::kParameterStatus) {
      take_frame(header.type, whole.substr(pgwire::kHeaderSize), whole);
      if (recycle) return fail(lost_error("the server is no longer what it was"));
    }
  }
  if (!lost()) end_batch();
}

bool ServerConn::rows_are_translated() const {
  if (row_types_.empty() || pipeline.empty()) return false;
  const ServerEntry& head = pipeline.head();
  return head.kind == OwedKind::kQuery || (head.kind == OwedKind::kExecute && head.typed);
}

// OIDs become the canonical shard's. Nobody has seen these bytes yet: they are this connection's own.
bool ServerConn::translate(char type, Bytes body) {
  const schema::ObjectIds* ids = pool_->object_ids();
  if (type == be::kRowDescription) {
    row_types_.clear();
    row_types_known_ = false;
  }
  if (ids == nullptr) return true;
  char* const at = const_cast<char*>(body.data());
  if (type == be::kDataRow) return ids::make_row_canonical(at, body.size(), row_types_, *ids);
  if (type == be::kRowDescription) row_types_known_ = ids::read_columns(at, body.size(), *ids, row_types_);
  make_canonical(type, at, body.size(), *ids);
  return true;
}

void ServerConn::take_frame(char type, Bytes body, Bytes whole) {
  switch (pipeline.classify(type)) {
    case Verdict::kContinues: {
      const ServerEntry& head = pipeline.head();
      if (type == be::kCopyInResponse || type == be::kCopyBothResponse) {
        link.copy_in = true;
        if (owner_ != nullptr) owner_->on_copy_in(*this);
      }
      if (type == be::kCommandComplete && (!head.forward || link.collect)) link.tag.assign(body.data(), body.size() - 1);
      if (type == be::kParameterDescription && (!head.forward || head.effect != 0)) link.types.assign(body);
      if (head.forward) give(head, whole);
      return;
    }
    case Verdict::kCompletes: {
      const ServerEntry entry = pipeline.head();
      if (type == be::kCommandComplete && (!entry.forward || link.collect)) link.tag.assign(body.data(), body.size() - 1);
      if (entry.forward) give(entry, whole);
      pipeline.pop();
      --link.owed;
      if (entry.kind == OwedKind::kExecute) link.copy_in = false;
      if (type == be::kRowDescription && entry.effect != 0) link.description = hash_of_description(body);
      if (entry.described != 0 && (type == be::kNoData || (row_types_known_ && row_types_.empty()))) statements.set_plain(entry.described);
      owner_->on_entry_done(*this, entry, EntryOutcome::kDone);
      return;
    }
    case Verdict::kError:
      return take_error(body, whole);
    case Verdict::kReady:
      return take_ready(body, whole);
    case Verdict::kAsync: {
      if (type == be::kParameterStatus) {
        pgwire::ParameterStatus status;
        reported.reset();
        if (decode(body, status)) {
          auto& known = params[std::string(status.name)];
          // The server was promoted, or demoted: those that come next connect anew. For the client nothing changed.
          const bool role = status.name == "in_hot_standby";
          if (role && known != status.value) recycle = true;
          known = status.value;
          if (role) return;
        }
      }
      if (type == be::kNotificationResponse) {
        // Of a LISTEN on this very connection: in session mode it is the client's own, also between two statements.
        if (listens && !link.collect) give(ServerEntry{}, whole);
      } else if (!pipeline.empty() && (pipeline.head().forward ||
                                       (type == be::kParameterStatus && pipeline.head().forward_status))) {
        if (link.collect && type == be::kParameterStatus) link.withheld = true;
        give(pipeline.head(), whole);
      } else if (type == be::kParameterStatus) {
        link.withheld = true;
      }
      return;
    }
    case Verdict::kStray:
      return take_stray(type, body);
    case Verdict::kUnexpected:
      if (type == be::kReadyForQuery && pipeline.empty() && link.stray_readies < link.copy_syncs) return take_stray(type, body);
      if (type == be::kErrorResponse) {
        return ended(ended_by_server(body));
      }
      return fail(lost_error("the server sent a message out of order"));
  }
}

void ServerConn::take_error(Bytes body, Bytes whole) {
  const ServerEntry head = pipeline.head();
  link.error = true;
  link.copy_in = false;
  pgwire::ErrorFields fields;
  decode(body, fields);
  std::string reworded;
  if (link.timed_out && fields.sqlstate == "57014") {
    fields.message = "canceling statement due to statement timeout";
    pgwire::append_error(reworded, fields);
    whole = reworded;
    body = whole.substr(pgwire::kHeaderSize);
  } else if (link.deadlocked && fields.sqlstate == "57014") {
    fields.sqlstate = "40P01";
    fields.message = "deadlock detected";
    fields.detail = "Transactions over several shards wait for each other's locks.";
    fields.hint = "Repeat the transaction.";
    pgwire::append_error(reworded, fields);
    whole = reworded;
    body = whole.substr(pgwire::kHeaderSize);
  }
  const bool fatal = fields.severity == "FATAL" || fields.severity == "PANIC";
  // A fatal one ends this connection, not the client's: the session tells it, unless it can repeat the statement.
  if ((head.forward_error || head.forward) && !fatal && give_error(head, fields, body, whole)) {
    if (!reworded.empty() && !link.collect) owner_->flush_replies(*this);  // it goes away
    link.error_forwarded = true;
  }
  link.error_body.assign(body.data(), body.size());
  if (fatal) return fail(ended_by_server(body));
  pipeline.fail([&](const ServerEntry& entry, bool failed) {
    --link.owed;
    owner_->on_entry_done(*this, entry, failed ? EntryOutcome::kFailed : EntryOutcome::kSkipped);
  });
}

void ServerConn::take_ready(Bytes body, Bytes whole) {
  pgwire::ReadyForQuery ready;
  if (!decode(body, ready)) return fail(lost_error("the server sent a malformed ReadyForQuery"));
  const ServerEntry entry = pipeline.head();
  tx_status = ready.status;
  link.copy_in = false;
  if (entry.kind != OwedKind::kQuery) link.unsynced = link.executed = false;
  if (entry.forward && entry.forward_ready) give(entry, whole);
  pipeline.pop();
  if (pipeline.empty()) {
    const auto took = std::chrono::duration_cast<microseconds>(reactor_->now() - owing_since).count();
    pool_->counters.query_us += static_cast<std::uint64_t>(took);
    pool_->note_latency(took);
    if (pool_->breaker != nullptr) pool_->note_answer(*this);
  }
  --link.owed;
  owner_->on_entry_done(*this, entry, link.error ? EntryOutcome::kFailed : EntryOutcome::kDone);
  owner_->on_ready(*this, entry);
}

// Answers to Syncs that a failed COPY left over, up to the empty query that was sent behind them.
void ServerConn::take_stray(char type, Bytes body) {
  pgwire::ReadyForQuery ready;
  if (type != be::kReadyForQuery) {
    pipeline.head().kind = OwedKind::kQuery;
  } else if (decode(body, ready)) {
    tx_status = ready.status;
    link.unsynced = link.executed = false;
    ++link.stray_readies;
  }
}

void ServerConn::give(const ServerEntry&, Bytes bytes) {
  if (link.collect) {
    link.collected.append(bytes);
    owner_touched_ = owner_touched_ || link.gather;
    return;
  }
  owner_touched_ = link.forwarded = true;
  owner_->on_reply(*this, bytes);
}

// With the position as the client's text has it, where only a part of that text was sent. False: the owner keeps it.
bool ServerConn::give_error(const ServerEntry& entry, const pgwire::ErrorFields& fields, Bytes body, Bytes whole) {
  std::string instead;
  if (owner_ != nullptr && !owner_->on_server_error(*this, entry, fields, instead)) return false;
  if (instead.empty()) {
    if ((link.position_offset == 0 && !link.hide_position) || fields.position == 0) {
      give(entry, whole);
      return true;
    }
    const int position = link.hide_position ? 0 : fields.position + link.position_offset;
    pgwire::append_with_position(instead, be::kErrorResponse, body, position);
  }
  give(entry, instead);
  if (!link.collect) owner_->flush_replies(*this);  // `instead` goes away
  return true;
}

void ServerConn::hand_out_fabricated() {
  while (!pipeline.empty() && pipeline.head().kind == OwedKind::kFabricated) {
    const ServerEntry entry = pipeline.head();
    if (link.collect) {
      const char message[] = {entry.fabricated, 0, 0, 0, 4};
      link.collected.append(message, sizeof message);
    } else {
      owner_touched_ = true;
      owner_->on_fabricated(*this, entry.fabricated);
    }
    pipeline.pop();
    --link.owed;
    owner_->on_entry_done(*this, entry, EntryOutcome::kDone);
  }
}

void ServerConn::end_batch() {
  if (state_ == State::kLinked) hand_out_fabricated();
  if (owner_touched_ && owner_ != nullptr) {
    owner_touched_ = false;
    owner_->flush_replies(*this);
  }
}

}  // namespace howdah::proxy
