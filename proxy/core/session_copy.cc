// COPY FROM STDIN: the client's messages go to the server until one of them ends the COPY, or the server does.
// https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-COPY
//
//   client   d d S d c ...        S (Sync) and H (Flush) mean nothing as long as the COPY goes on, but a server whose
//   server   G         C          COPY failed at the first d answers the S. What the server made of it only it can tell.
#include <cstdio>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/error_fields.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/frontend.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace fe = pgwire::fe;
using pgwire::OwedKind;

namespace {

// Of a CopyFail that asks whether the COPY goes on; no server says this by itself.
constexpr Bytes kAsk = "howdah: a message that does not belong into COPY";

}  // namespace

// Hands the client's messages on until one of them ends the COPY, or its failure came.
Task<> Session::pump_copy_in(ServerConn& conn) {
  const bool extended = ext_ && ext_->active;
  if (extended && conn.link.owed > 1) {
    // Messages behind the Execute were sent before anybody knew of a COPY: the server has taken them for part of it.
    conn.fail(make_error(ErrorCode::kServerLost, "COPY FROM STDIN began where none was expected"));
    co_return;
  }
  in_.consume(std::exchange(message_size_, 0));  // the statement itself was sent
  std::size_t relayed = 0;                       // of a message whose rest is still to come
  bool ended = false;
  // A message begun is handed on to its end: both sides count its bytes.
  while ((conn.link.owed > 0 || relayed > 0) && !conn.lost() && !closing_) {
    if (relayed == 0 && (ended || !conn.link.copy_in)) break;
    if (conn.congested()) {
      co_await suspend();
      continue;
    }
    if (relayed > 0) {
      if (in_.empty() && !read_client()) {
        if (!closing_) co_await suspend();
        continue;
      }
      const std::size_t part = std::min(relayed, in_.size());
      conn.flush(in_.view().substr(0, part));
      in_.consume(part);
      relayed -= part;
      continue;
    }
    pgwire::Header header;
    const auto status = pgwire::peek_header(in_.view(), pgwire::kMaxLargeLength, header);
    if (status == pgwire::FrameStatus::kMalformed) {
      fatal(make_error(ErrorCode::kProtocolViolation, "invalid message length"));
      co_return;
    }
    if (status == pgwire::FrameStatus::kNeedMore) {
      if (!read_client() && !closing_) co_await suspend();
      continue;
    }
    switch (header.type) {
      case fe::kCopyDone:
      case fe::kCopyFail:
        ended = true;
        break;
      case fe::kSync:
        ++conn.link.copy_syncs;
        break;
      case fe::kCopyData:
      case fe::kFlush:
        break;
      default:
        co_return co_await refuse_in_copy(conn, header.type);
    }
    relayed = header.total;
  }
  conn.link.copy_in = false;  // what follows is not the COPY's, though the server has not answered yet
  if (extended && conn.link.owed > 0 && !conn.lost()) {
    std::string flush;  // the client waits for nothing before its Sync, but we do
    pgwire::append_flush(flush);
    conn.flush(flush);
  }
}

// A message that does not belong into a COPY ends the connection, as PostgreSQL has it, unless the COPY has failed before
// it: then it is an ordinary message, and stays where it is. The server is made to say which.
Task<> Session::refuse_in_copy(ServerConn& conn, char type) {
  conn.link.copy_in = false;
  const bool query = conn.pipeline.head().kind == OwedKind::kQuery;
  const bool ready = query && conn.pipeline.head().forward_ready && conn.pipeline.head().forward;
  conn.pipeline.head().forward = conn.pipeline.head().forward_error = false;
  std::string question;
  pgwire::append_copy_fail(question, kAsk);
  if (!query) pgwire::append_flush(question);
  conn.flush(question);
  while (conn.link.owed > 0 && !conn.lost() && !closing_) co_await suspend();
  pgwire::ErrorFields fields;
  const std::string body = conn.link.error_body;
  if (closing_ || conn.lost() || !decode(Bytes(body), fields)) co_return;
  conn.link.error_forwarded = true;
  statement_failed_ = true;
  if (ext_ && ext_->active) ext_->failed = true;
  const bool unexpected = fields.message.find(kAsk) != Bytes::npos;
  char text[80];
  std::snprintf(text, sizeof text, "unexpected message type 0x%02X during COPY from stdin", static_cast<unsigned char>(type));
  if (unexpected) {
    fields.sqlstate = "08P01";
    fields.message = text;
  }
  worker_.scratch.clear();
  append_error(worker_.scratch, fields);
  send(worker_.scratch);
  if (unexpected) {
    fatal(make_error(ErrorCode::kProtocolViolation, "terminating connection because protocol synchronization was lost"));
  } else if (ready) {
    send_ready();
  }
}

// After a COPY that was sent Syncs: how many of them the server answered, because it had failed by then. An empty query
// behind a Sync of our own marks the place where those answers end.
Task<> Session::settle_copy_syncs(ServerConn& conn) {
  const bool asked = conn.link.copy_syncs > 0;
  if (!asked || !conn.link.error || conn.lost() || closing_) {
    conn.link.copy_syncs = 0;
    co_return;
  }
  const LinkState before = conn.link;
  worker_.scratch.clear();
  pgwire::append_sync(worker_.scratch);
  pgwire::append_query(worker_.scratch, "");
  conn.owe({.kind = OwedKind::kResync, .forward = false, .forward_error = false, .owner = this});
  conn.statements.unnamed = 0;
  conn.flush(worker_.scratch);
  co_await wait_owed(conn);
  if (closing_ || conn.lost()) co_return;
  const std::uint32_t answered = conn.link.stray_readies - 1;  // the last was to our own
  conn.link.copy_syncs = conn.link.stray_readies = 0;
  conn.link.error = before.error;
  conn.link.error_forwarded = before.error_forwarded;
  conn.link.error_body = before.error_body;
  if (ext_ && ext_->active) {
    ext_->copy_syncs = answered;  // each ends a group: see on_execute()
  } else {
    for (std::uint32_t i = 0; i < answered; ++i) send_ready();
  }
}

}  // namespace howdah::proxy
