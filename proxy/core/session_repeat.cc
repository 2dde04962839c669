// A server is lost under a group of the extended protocol that only reads: outside of a transaction, and before the client was sent any of
// its answers, it is read from the client's input once more and goes where the data is now. Nothing is copied for that: what was consumed
// stays in the input buffer until more is read into it, and a group that came in several pieces is answered with the error.
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/extended.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

// Of messages that are not to be sent: those that answer nothing. What was noted as told with them must be told; a notice,
// whoever repeats what it was about gives again.
std::string asynchronous(Bytes messages) {
  std::string kept;
  pgwire::Frame frame;
  while (pgwire::next_frame(messages, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk) {
    messages.remove_prefix(frame.whole.size());
    if (frame.type == pgwire::be::kParameterStatus) kept += frame.whole;
  }
  return kept;
}

}  // namespace

void Session::note_message(std::size_t size) {
  ext_->repeat.bytes += size;
  ++ext_->repeat.messages;
}

// Not what may have shown something of the session's own: a temporary table is gone, and another one may have its name. Nor what the client
// or a timeout has ended.
bool Session::may_repeat_on_loss_of(const ServerConn& conn) {
  const auto& link = conn.link;
  return !link.timed_out && !cancel_asked_ && !link.unclean && !link.pins.any() && !conn.listens && worker_.may_repeat();
}

// At its Sync.
bool Session::may_repeat_group(const ServerConn& conn) {
  const auto& repeat = ext_->repeat;
  return repeat.plain == repeat.messages && repeat.times < kMostRepeats && !ext_->failed && !tx_.active() && untold_ != kTold && range_.empty() &&
         in_.consumed() >= repeat.bytes && !conn.link.error_forwarded && may_repeat_on_loss_of(conn);
}

// The Sync is not consumed either: all of it is handled again as if it had just come.
void Session::repeat_group(const ServerConn& conn) {
  Extended& e = *ext_;
  for (auto effect = e.effects.rbegin(); effect != e.effects.rend(); ++effect) {
    if (effect->kind == Extended::Effect::Kind::kParse) undo_parse(effect->name, effect->before);
  }
  const std::string kept = asynchronous(out_.view().substr(untold_));
  out_.truncate(untold_);
  out_.append(kept);
  in_.rewind(e.repeat.bytes);
  message_size_ = 0;
  statement_failed_ = false;
  ++e.repeat.times;
  avoided_ = conn.pool().target().server;
  end_group();
  release_all_idle();
}

}  // namespace howdah::proxy
