#include "sharding/write/write_reply.h"

#include <algorithm>
#include <charconv>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"

namespace howdah::sharding {

namespace be = pgwire::be;

namespace {


std::uint32_t big_endian(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

struct Column {
  Bytes name;
  Oid type = 0;
  bool binary = false;
};

// A RowDescription's columns; false when it is malformed.
bool read_columns(Bytes message, std::vector<Column>& columns) {
  if (message.size() < pgwire::kHeaderSize + 2 || message[0] != be::kRowDescription) return false;
  const Bytes body = message.substr(pgwire::kHeaderSize);
  std::size_t at = 2;
  for (std::uint32_t count = big_endian(body, 0, 2); count > 0; --count) {
    const std::size_t zero = body.find('\0', at);
    if (zero == Bytes::npos || body.size() - zero < 19) return false;
    columns.push_back({body.substr(at, zero - at), big_endian(body, zero + 7, 4), big_endian(body, zero + 17, 2) == 1});
    at = zero + 19;
  }
  return true;
}

Error malformed() { return make_error(ErrorCode::kServerLost, "a server sent a malformed message"); }

}  // namespace

void WriteReply::begin(std::vector<std::uint32_t> rows) {
  gaps_ = gaps_ || returned_ != given_.size();
  given_ = std::move(rows);
  returned_ = 0;
  ++shards_;
}

WriteReply::Step WriteReply::run(std::string& stream, std::string& out, std::size_t most) {
  std::size_t at = 0;
  Step step = Step::kWait;
  while (step == Step::kWait) {
    const Bytes rest = Bytes(stream).substr(at);
    pgwire::Header header;
    const auto status = pgwire::peek_header(rest, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kMalformed) return fail(malformed());
    if (status == pgwire::FrameStatus::kNeedMore || rest.size() < header.total) break;
    if (out.size() >= most) {
      step = Step::kFull;
      break;
    }
    const Bytes message = rest.substr(0, header.total);
    switch (header.type) {
      case be::kDataRow:
        if (options_.in_order) {
          keep(message);
          if (kept_.size() > kMostKept) {
            return fail(make_error(ErrorCode::kProgramLimit, "the rows that this INSERT returns need too much memory",
                                   "Insert fewer rows at once, or return fewer columns."));
          }
        } else {
          out.append(message);
        }
        break;
      case be::kRowDescription:
      case be::kNoData:
        if (!describe(message)) return Step::kFailed;
        if (shards_ == 1 && options_.describe) out.append(message);
        break;
      case be::kBindComplete:
        if (!std::exchange(bind_told_, true)) out.append(message);
        break;
      case be::kNoticeResponse:
        out.append(message);
        break;
      case be::kCommandComplete:
        take_tag(message.substr(pgwire::kHeaderSize));
        step = Step::kDone;
        break;
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

bool WriteReply::describe(Bytes message) {
  if (message[0] != be::kRowDescription) return true;
  if (shards_ == 1) first_description_ = message;
  std::vector<Column> first, columns;
  const auto same_name = [](const Column& a, const Column& b) { return a.name == b.name; };
  if (!read_columns(message, columns) || !read_columns(first_description_, first) ||
      !std::equal(columns.begin(), columns.end(), first.begin(), first.end(), same_name)) {
    fail(make_error(ErrorCode::kUnsupported, "the shards answered with different columns", "Compare the tables on all shards."));
    return false;
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].type == first[i].type) continue;
    fail(make_error(ErrorCode::kUnsupported, "the shards answered with different types in one column",
                    "Compare the tables on all shards, or cast the column to text."));
    return false;
  }
  return true;
}

// "INSERT 0 5", "UPDATE 5": the last word counts the rows.
void WriteReply::take_tag(Bytes body) {
  const Bytes tag = body.substr(0, body.find('\0'));
  const std::size_t space = tag.rfind(' ');
  if (space == Bytes::npos) {
    verb_ = tag;
    return;
  }
  verb_ = tag.substr(0, space + 1);
  std::uint64_t rows = 0;
  std::from_chars(tag.data() + space + 1, tag.data() + tag.size(), rows);
  rows_ += rows;
}

void WriteReply::keep(Bytes row) {
  const std::uint32_t place = returned_ < given_.size() ? given_[returned_] : 0xffffffff;
  ++returned_;
  order_.push_back({place, kept_.size(), kept_.size() + row.size()});
  kept_.append(row);
}

void WriteReply::give_rows(std::string& out) {
  begin();
  if (!gaps_) std::sort(order_.begin(), order_.end(), [](const Kept& a, const Kept& b) { return a.place < b.place; });
  for (const Kept& row : order_) out.append(kept_, row.begin, row.end - row.begin);
  order_.clear();
  kept_.clear();
}

std::string WriteReply::tag() const { return verb_ + (verb_.ends_with(' ') ? std::to_string(rows_) : ""); }

}  // namespace howdah::sharding
