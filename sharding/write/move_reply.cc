#include "sharding/write/move_reply.h"

#include <charconv>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"

namespace howdah::sharding {

namespace be = pgwire::be;

namespace {

Error malformed() { return make_error(ErrorCode::kServerLost, "a server sent a malformed message"); }

Error too_many(std::size_t most) {
  Error error = make_error(ErrorCode::kProgramLimit, "the rows that this UPDATE moves to other shards take too much memory",
                           "Update fewer rows at once, or raise limits.gather_bytes.",
                           "They are held until all are deleted where they were: " + std::to_string(most) + " bytes at most.");
  error.sqlstate = "53200";
  return error;
}

// "UPDATE 5", "INSERT 0 1": the last word counts the rows.
std::uint64_t rows_of(Bytes body) {
  const Bytes tag = body.substr(0, body.find('\0'));
  std::uint64_t rows = 0;
  const std::size_t space = tag.rfind(' ');
  if (space != Bytes::npos) std::from_chars(tag.data() + space + 1, tag.data() + tag.size(), rows);
  return rows;
}

// Calls `take` with type, body and whole of each message of `stream` until it says something else than kWait, and drops them.
template <class Take>
ReplyJoin::Step for_each_message(std::string& stream, Take take) {
  std::size_t at = 0;
  auto step = ReplyJoin::Step::kWait;
  while (step == ReplyJoin::Step::kWait) {
    const Bytes rest = Bytes(stream).substr(at);
    pgwire::Header header;
    const auto status = pgwire::peek_header(rest, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kMalformed) {
      step = take('\0', Bytes(), Bytes());
      break;
    }
    if (status == pgwire::FrameStatus::kNeedMore || rest.size() < header.total) break;
    const Bytes whole = rest.substr(0, header.total);
    step = take(header.type, whole.substr(pgwire::kHeaderSize), whole);
    if (step != ReplyJoin::Step::kFull) at += header.total;
  }
  stream.erase(0, at);
  return step;
}

}  // namespace

TakenRows::Step TakenRows::run(std::string& stream, std::string& out, std::size_t) {
  return for_each_message(stream, [&](char type, Bytes body, Bytes whole) {
    switch (type) {
      case '\0':
        return fail(malformed());
      case be::kDataRow: {
        pgwire::DataRow row;
        if (!decode(body, row)) return fail(malformed());
        if (bytes_.size() + rows_.size() * sizeof(Row) + body.size() > most_) return fail(too_many(most_));
        rows_.push_back({bytes_.size(), bytes_.size() + body.size()});
        bytes_.append(body);
        return Step::kWait;
      }
      case be::kNoticeResponse:
        out.append(whole);
        return Step::kWait;
      case be::kCommandComplete:
        return Step::kDone;
      case be::kErrorResponse:
        return Step::kFailed;
      default:
        return Step::kWait;
    }
  });
}

MovedReply::Step MovedReply::run(std::string& stream, std::string& out, std::size_t most) {
  return for_each_message(stream, [&](char type, Bytes body, Bytes whole) {
    switch (type) {
      case '\0':
        return fail(malformed());
      case be::kDataRow:
        if (out.size() >= most) return Step::kFull;
        out.append(std::exchange(head_, {}));
        out.append(whole);
        return Step::kWait;
      case be::kNoticeResponse:
        out.append(whole);
        return Step::kWait;
      case be::kCommandComplete:
        rows_ += rows_of(body);
        return --left_ == 0 ? Step::kDone : Step::kWait;
      case be::kErrorResponse:
        return Step::kFailed;
      default:
        return Step::kWait;
    }
  });
}

void MovedReply::finish(std::string& out) {
  out.append(std::exchange(head_, {}));
  pgwire::append_command_complete(out, "UPDATE " + std::to_string(rows_));
}

}  // namespace howdah::sharding
