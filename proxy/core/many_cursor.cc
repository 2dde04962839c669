#include "proxy/core/many_cursor.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "proxy/core/session.h"
#include "proxy/core/session_notes.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace be = pgwire::be;
using Direction = FetchCommand::Direction;

namespace {

constexpr std::int16_t kText[] = {0};

}  // namespace

ManyCursor::ManyCursor(std::string name, Scroll scroll, std::vector<std::int16_t> formats, ShardPortalsPtr source)
    : name_(std::move(name)), scroll_(scroll), description_(source->description()), source_(std::move(source)), keeps_(scroll == Scroll::kYes) {
  if (!source_->set_formats(formats)) formats_ = std::move(formats);
}

ManyCursor::ManyCursor(std::string name, Scroll scroll, std::vector<std::int16_t> formats, Bytes answer, std::string& out)
    : name_(std::move(name)), scroll_(scroll), formats_(std::move(formats)), keeps_(true) {
  pgwire::Frame frame;
  for (; pgwire::next_frame(answer, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk; answer.remove_prefix(frame.whole.size())) {
    if (frame.type == be::kDataRow) {
      keep(frame.whole);
    } else if (frame.type == be::kRowDescription) {
      description_ = frame.whole;
      description_ = description(kText);
    } else if (frame.type != be::kCommandComplete && frame.type != be::kBindComplete) {
      out.append(frame.whole);
    }
  }
}

// With the formats that a Bind names.
std::string ManyCursor::description(std::span<const std::int16_t> formats) const {
  std::string out = description_;
  if (formats.empty()) return out;
  std::size_t at = pgwire::kHeaderSize + 2;
  for (std::size_t column = 0; at < out.size(); ++column) {
    at = out.find('\0', at) + 19;
    const std::int16_t format = formats.size() == 1 ? formats[0] : column < formats.size() ? formats[column] : std::int16_t{0};
    out[at - 1] = static_cast<char>(format);
  }
  return out;
}

void ManyCursor::keep(Bytes messages) {
  pgwire::Frame frame;
  for (; pgwire::next_frame(messages, pgwire::kMaxServerLength, frame) == pgwire::FrameStatus::kOk; messages.remove_prefix(frame.whole.size())) {
    at_.push_back(rows_.size());
    rows_.append(frame.whole);
  }
}

std::optional<Error> ManyCursor::refused(const FetchCommand& command) const {
  const bool back = command.direction == Direction::kBackward && command.count > 0;
  if (scroll_ == Scroll::kYes) return std::nullopt;
  if (scroll_ == Scroll::kNo && back) {
    Error error = make_error(ErrorCode::kInternal, "cursor can only scan forward", "Declare it with SCROLL option to enable backward scan.");
    error.sqlstate = "55000";
    return error;
  }
  const bool ahead = (command.direction == Direction::kForward && command.count > 0) ||
                     (command.direction == Direction::kAbsolute && command.count > position_) ||
                     (command.direction == Direction::kRelative && command.count > 0);
  if (ahead) return std::nullopt;
  return make_error(ErrorCode::kUnsupported, "a cursor over several shards only goes forwards", "Declare it with SCROLL.",
                    "PostgreSQL keeps no rows for it either; whether it can go back without depends on the plan.");
}

// What PostgreSQL says of a Bind that names them.
std::optional<Error> ManyCursor::check_formats(std::span<const std::int16_t> formats) const {
  const auto columns = static_cast<std::size_t>(load_be<std::uint16_t>(description_.data() + pgwire::kHeaderSize));
  if (formats.size() < 2 || formats.size() == columns) return std::nullopt;
  return make_error(ErrorCode::kProtocolViolation, "bind message has " + std::to_string(formats.size()) + " result formats but query has " +
                                                       std::to_string(columns) + " columns");
}

std::optional<Error> ManyCursor::take_formats(std::span<const std::int16_t> formats) {
  if (auto unfit = check_formats(formats)) return unfit;
  if (std::equal(formats.begin(), formats.end(), formats_.begin(), formats_.end())) return std::nullopt;
  const auto text = [](std::span<const std::int16_t> codes) { return std::all_of(codes.begin(), codes.end(), [](auto code) { return code == 0; }); };
  if (text(formats) && text(formats_)) return std::nullopt;
  if (!at_.empty() || !source_) return ShardPortals::other_format();
  if (auto error = source_->set_formats(formats)) return error;
  formats_.assign(formats.begin(), formats.end());
  return std::nullopt;
}

Task<bool> ManyCursor::fetch(Session& s, const FetchCommand& command, std::span<const std::int16_t> formats, bool describe) {
  if (const auto error = refused(command)) co_return s.fail_statement(*error);
  const auto unfit = command.move ? std::nullopt : take_formats(formats);
  if (unfit) co_return s.fail_statement(*unfit);
  if (describe && !command.move) owed_ = description(formats);
  given_ = 0;
  const bool ahead = command.direction == Direction::kForward && command.count > 0;
  bool ok = false;
  if (keeps_) {
    ok = co_await walk(s, command);
  } else if (ahead) {
    ok = co_await forward(s, 0, command.count, command.move);
  } else {
    const std::int64_t skip = command.count - 1 - (command.direction == Direction::kAbsolute ? position_ : 0);
    ok = co_await forward(s, skip, 1, command.move);
  }
  if (!ok) {
    owed_.clear();
    co_return false;
  }
  std::string told = std::exchange(owed_, {});
  pgwire::append_command_complete(told, (command.move ? "MOVE " : "FETCH ") + std::to_string(given_));
  s.send(told);
  co_return true;
}

// Past `skip` rows and then over `count` of them, straight from the shards to the client.
Task<bool> ManyCursor::forward(Session& s, std::int64_t skip, std::int64_t count, bool move) {
  const auto nowhere = [](Bytes) {};
  if (skip > 0) {
    if (!co_await source_->take(s, static_cast<std::uint64_t>(skip), nowhere)) co_return false;
    position_ += static_cast<std::int64_t>(source_->taken());
  }
  const std::uint64_t most = count == FetchCommand::kAll ? ShardPortals::kAll : static_cast<std::uint64_t>(count);
  // An error before the first row comes without the description.
  const ShardPortals::Sink client = [this, &s](Bytes rows) {
    s.send(std::exchange(owed_, {}));
    s.send(rows);
  };
  if (!co_await source_->take(s, most, move ? ShardPortals::Sink(nowhere) : client)) co_return false;
  given_ = static_cast<std::int64_t>(source_->taken());
  position_ += given_;
  co_return true;
}

// Until row `row` is kept, or all are. False: the client was told.
Task<bool> ManyCursor::keep_up_to(Session& s, std::int64_t row) {
  constexpr std::int64_t kStep = 1024;
  while (source_ && count() < row) {
    const std::int64_t missing = std::min(row - count(), kStep);
    if (!co_await source_->take(s, static_cast<std::uint64_t>(missing), [this](Bytes rows) { keep(rows); })) co_return false;
    if (source_->taken() < static_cast<std::uint64_t>(missing)) source_.reset();
    const std::size_t room = s.worker_.config()->limits.gather_bytes;
    if (s.cursor_bytes() > room) co_return s.fail_statement(ShardPortals::too_large(room));
  }
  co_return true;
}

void ManyCursor::give(Session& s, std::int64_t row, bool move) {
  ++given_;
  if (move) return;
  s.send(std::exchange(owed_, {}));
  const auto i = static_cast<std::size_t>(row - base_ - 1);
  const std::size_t end = i + 1 < at_.size() ? at_[i + 1] : rows_.size();
  s.send(Bytes(rows_).substr(at_[i], end - at_[i]));
}

// Among the rows that are kept.
Task<bool> ManyCursor::walk(Session& s, const FetchCommand& command) {
  constexpr std::int64_t kAll = FetchCommand::kAll;
  const bool steps = command.direction == Direction::kForward || command.direction == Direction::kBackward;
  if (steps && command.count == 0) {
    if (on_row()) give(s, position_, command.move);
    co_return true;
  }
  if (command.direction == Direction::kForward) {
    const std::int64_t target = command.count >= kAll - position_ ? kAll : position_ + command.count;
    if (!co_await keep_up_to(s, target)) co_return false;
    const std::int64_t last = std::min(target, count());
    for (std::int64_t row = position_ + 1; row <= last; ++row) give(s, row, command.move);
    position_ = target <= count() ? target : count() + 1;
    co_return true;
  }
  if (command.direction == Direction::kBackward) {
    const std::int64_t target = command.count >= position_ ? 0 : position_ - command.count;
    for (std::int64_t row = std::min(position_ - 1, count()); row >= std::max<std::int64_t>(target, 1); --row) give(s, row, command.move);
    position_ = target;
    co_return true;
  }
  std::int64_t target = command.count + (command.direction == Direction::kRelative ? position_ : 0);
  const bool from_end = command.direction == Direction::kAbsolute && command.count < 0;
  if (!co_await keep_up_to(s, from_end ? kAll : target)) co_return false;
  if (from_end) target += count() + 1;
  position_ = std::clamp<std::int64_t>(target, 0, count() + 1);
  if (on_row()) give(s, position_, command.move);
  co_return true;
}

Task<bool> ManyCursor::hold(Session& s) {
  if (!keeps_) base_ = position_;
  keeps_ = true;
  co_return co_await keep_up_to(s, FetchCommand::kAll);
}

}  // namespace howdah::proxy
