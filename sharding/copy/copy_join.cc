#include "sharding/copy/copy_join.h"

#include <charconv>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"

namespace howdah::sharding {

namespace be = pgwire::be;

namespace {

constexpr std::size_t kBinaryHeader = 19;  // PostgreSQL writes no extension
constexpr Bytes kTrailer("\377\377", 2);

void append_data(std::string& out, Bytes data) {
  const auto length = static_cast<std::uint32_t>(data.size() + 4);
  out.push_back(be::kCopyData);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(length >> shift & 0xff));
  out.append(data);
}

}  // namespace

ReplyJoin::Step CopyJoin::run(std::string& stream, std::string& out, std::size_t most) {
  std::size_t at = 0;
  Step step = Step::kWait;
  while (step == Step::kWait) {
    const Bytes rest = Bytes(stream).substr(at);
    pgwire::Header header;
    const auto status = pgwire::peek_header(rest, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kMalformed) return fail(make_error(ErrorCode::kServerLost, "a server sent a malformed message"));
    if (status == pgwire::FrameStatus::kNeedMore || rest.size() < header.total) break;
    if (out.size() >= most) {
      step = Step::kFull;
      break;
    }
    const Bytes message = rest.substr(0, header.total);
    const Bytes body = message.substr(pgwire::kHeaderSize);
    switch (header.type) {
      case be::kCopyOutResponse:
        if (shards_ == 1) out.append(message);
        break;
      case be::kCopyData:
        take_data(body, out);
        break;
      case be::kNoticeResponse:
        out.append(message);
        break;
      case be::kCommandComplete: {
        const Bytes tag = body.substr(0, body.find('\0'));
        std::uint64_t rows = 0;
        std::from_chars(tag.data() + tag.rfind(' ') + 1, tag.data() + tag.size(), rows);
        rows_ += rows;
        step = Step::kDone;
        break;
      }
      case be::kErrorResponse:
        return Step::kFailed;
      default:
        break;
    }
    at += header.total;
  }
  stream.erase(0, at);
  return step;
}

void CopyJoin::take_data(Bytes body, std::string& out) {
  const bool first = std::exchange(first_data_, false);
  if (!binary_) {
    if (!first || !header_ || shards_ == 1) append_data(out, body);
    return;
  }
  // The header comes with the first row, or with the trailer.
  if (first && shards_ == 1) {
    append_data(out, body.substr(0, kBinaryHeader));
  }
  if (first) body = body.substr(std::min(kBinaryHeader, body.size()));
  if (body != kTrailer && !body.empty()) append_data(out, body);
}

void CopyJoin::finish(std::string& out) const {
  if (binary_) append_data(out, kTrailer);
  out.push_back(be::kCopyDone);
  out.append("\0\0\0\4", 4);
}

}  // namespace howdah::sharding
