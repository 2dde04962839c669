#include "sharding/merge/row_merge.h"

#include <algorithm>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "sharding/merge/sort_key.h"

namespace howdah::sharding {

namespace be = pgwire::be;

namespace {

constexpr std::size_t kCutAt = 64 * 1024;

std::uint32_t big_endian(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

void put(std::string& out, std::uint32_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

Error malformed() {
  return make_error(ErrorCode::kServerLost, "a server sent a malformed message");
}

}  // namespace

RowMerge::RowMerge(std::vector<std::string*> streams, Options options) : options_(std::move(options)) {
  for (std::string* stream : streams) sources_.emplace_back().stream = stream;
  for (const auto& key : options_.sort) hidden_ += key.hidden;
}

bool RowMerge::fail(Error error) {
  error_ = std::move(error);
  stopped_ = true;
  return false;
}

RowMerge::Step RowMerge::run(std::string& out, std::size_t most) {
  while (!stopped_) {
    if (out.size() >= most) return Step::kFull;
    if (rows_ >= stop_at_) return Step::kRows;
    bool waits = false;
    // The first stream's description is the client's, so it is read first.
    for (std::size_t i = 0; i < sources_.size() && !stopped_; ++i) {
      if (!sources_[i].done && sources_[i].row == 0 && !advance(i, out)) waits = true;
      if (!sources_[0].described) break;
    }
    if (stopped_) break;
    if (!sources_[0].described && !sources_[0].done) return Step::kWait;
    if (at_limit()) return Step::kDone;
    if (waits && !options_.sort.empty()) return Step::kWait;
    const std::size_t next = first();
    if (next == sources_.size()) {
      if (waits) return Step::kWait;
      if (options_.batches) return Step::kDone;
      const std::string tag = "SELECT " + std::to_string(rows_);
      pgwire::append_command_complete(out, tag);
      return Step::kDone;
    }
    Source& source = sources_[next];
    if (skipped_ < options_.offset) {
      ++skipped_;
    } else if (options_.limit == sql::kNoLimit || rows_ < options_.limit) {
      give(source, out);
      ++rows_;
    }
    source.at += source.row;
    source.row = 0;
    cut(source);
  }
  return Step::kFailed;
}

void RowMerge::stop_after(std::uint64_t rows) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  stop_at_ = rows < static_cast<std::uint64_t>(kNever - rows_) ? rows_ + static_cast<std::int64_t>(rows) : kNever;
}

std::optional<Error> RowMerge::set_formats(std::span<const std::int16_t> codes) {
  const std::size_t visible = columns_.size() - hidden_;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const bool one = codes.size() == 1;
    columns_[c].binary = !codes.empty() && (one || (c < visible && c < codes.size())) && codes[one ? 0 : c] == 1;
  }
  return std::nullopt;
}

// The stream whose row comes next; the number of streams when none has a row.
std::size_t RowMerge::first() const {
  std::size_t best = sources_.size();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].row == 0) continue;
    if (best == sources_.size() || sources_[i].key < sources_[best].key) best = i;
  }
  return best;
}

bool RowMerge::advance(std::size_t i, std::string& out) {
  Source& source = sources_[i];
  for (;;) {
    const Bytes bytes = Bytes(*source.stream).substr(source.at);
    pgwire::Header header;
    const auto status = pgwire::peek_header(bytes, pgwire::kMaxServerLength, header);
    if (status == pgwire::FrameStatus::kMalformed) return fail(malformed());
    if (status == pgwire::FrameStatus::kNeedMore || bytes.size() < header.total) {
      cut(source);
      return source.done = source.ending && bytes.empty();
    }
    const Bytes body = bytes.substr(pgwire::kHeaderSize, header.total - pgwire::kHeaderSize);
    switch (header.type) {
      case be::kDataRow:
        if (!source.described) return fail(malformed());
        if (!read_key(source, body)) return false;
        source.row = header.total;
        return true;
      case be::kRowDescription:
        if (!describe(i, body, out)) return false;
        break;
      case be::kBindComplete:
        if (!bind_told_) out.append(bytes.substr(0, header.total));
        bind_told_ = true;
        break;
      case be::kNoticeResponse:
        out.append(bytes.substr(0, header.total));
        break;
      case be::kCommandComplete:
        if (options_.batches) break;
        source.done = true;
        source.at += header.total;
        cut(source);
        return true;
      case be::kErrorResponse:
        failed_ = static_cast<int>(i);
        stopped_ = true;
        return false;
      default:
        break;
    }
    source.at += header.total;
  }
}

// Reads the columns, and gives them to the client without the hidden ones.
bool RowMerge::describe(std::size_t i, Bytes body, std::string& out) {
  if (body.size() < 2) return fail(malformed());
  const std::size_t count = big_endian(body, 0, 2);
  if (count < hidden_) return fail(malformed());
  std::vector<Column> columns(count);
  std::size_t at = 2, visible_end = 2;
  for (std::size_t c = 0; c < count; ++c) {
    const std::size_t zero = body.find('\0', at);
    if (zero == Bytes::npos || body.size() - zero < 19) return fail(malformed());
    columns[c].name = body.substr(at, zero - at);
    columns[c].type = big_endian(body, zero + 7, 4);
    columns[c].binary = big_endian(body, zero + 17, 2) == 1;
    at = zero + 19;
    if (c + 1 + hidden_ == count) visible_end = at;
  }
  sources_[i].described = true;
  if (i > 0) {
    const auto same_name = [](const Column& a, const Column& b) { return a.name == b.name; };
    if (!std::equal(columns.begin(), columns.end(), columns_.begin(), columns_.end(), same_name)) {
      return fail(make_error(ErrorCode::kUnsupported, "the shards answered with different columns", "Compare the tables on all shards."));
    }
    for (std::size_t c = 0; c < count; ++c) {
      if (columns[c].type == columns_[c].type) continue;
      return fail(make_error(ErrorCode::kUnsupported, "the shards answered with different types in one column",
                             "Compare the tables on all shards, or cast the column to text.",
                             "The OIDs are " + std::to_string(columns_[c].type) + " and " + std::to_string(columns[c].type) + "."));
    }
    return true;
  }
  columns_ = std::move(columns);
  std::size_t next_hidden = count - hidden_;
  for (const auto& key : options_.sort) {
    const std::size_t column = key.hidden ? next_hidden++ : key.column;
    if (column >= count) return fail(malformed());
    if (!is_sortable(columns_[column].type, options_.bytewise_collation)) {
      return fail(make_error(ErrorCode::kUnsupported, "ORDER BY a value of this type is not supported over several shards",
                             "Order by a number, a time, a uuid, or by text in a database with collation C.",
                             "The type's OID is " + std::to_string(columns_[column].type) + "."));
    }
    sort_columns_.push_back(column);
  }
  description_.push_back(be::kRowDescription);
  put(description_, static_cast<std::uint32_t>(4 + visible_end), 4);
  put(description_, static_cast<std::uint32_t>(count - hidden_), 2);
  description_.append(body.substr(2, visible_end - 2));
  if (options_.describe) out.append(description_);
  return true;
}

bool RowMerge::read_key(Source& source, Bytes body) {
  source.key.clear();
  if (options_.sort.empty()) return true;
  if (body.size() < 2 || big_endian(body, 0, 2) != columns_.size()) return fail(malformed());
  fields_.clear();
  std::size_t at = 2;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (body.size() - at < 4) return fail(malformed());
    const std::uint32_t length = big_endian(body, at, 4);
    at += 4;
    fields_.emplace_back(at, length);
    if (length == 0xffffffff) continue;
    if (body.size() - at < length) return fail(malformed());
    at += length;
  }
  for (std::size_t k = 0; k < options_.sort.size(); ++k) {
    const auto& sort = options_.sort[k];
    const Column& column = columns_[sort_columns_[k]];
    const auto [begin, length] = fields_[sort_columns_[k]];
    const bool is_null = length == 0xffffffff;
    append_null_key(is_null, sort.nulls_first, source.key);
    if (is_null) continue;
    if (append_sort_key(column.type, column.binary, body.substr(begin, length), sort.descending, source.key)) continue;
    return fail(make_error(ErrorCode::kUnsupported, "a value cannot be put in order over several shards",
                           "SET datestyle = 'ISO' and bytea_output = 'hex'.", "It is written in a style that is not read here."));
  }
  return true;
}

void RowMerge::give(Source& source, std::string& out) {
  const Bytes row = Bytes(*source.stream).substr(source.at, source.row);
  if (hidden_ == 0) {
    out.append(row);
    return;
  }
  const std::size_t visible = columns_.size() - hidden_;
  std::size_t end = pgwire::kHeaderSize + 2;
  for (std::size_t c = 0; c < visible; ++c) {
    const std::uint32_t length = big_endian(row, end, 4);
    end += 4 + (length == 0xffffffff ? 0 : length);
  }
  out.push_back(be::kDataRow);
  put(out, static_cast<std::uint32_t>(end - 1), 4);
  put(out, static_cast<std::uint32_t>(visible), 2);
  out.append(row.substr(pgwire::kHeaderSize + 2, end - pgwire::kHeaderSize - 2));
}

void RowMerge::cut(Source& source) {
  if (source.at < kCutAt && source.at < source.stream->size()) return;
  source.stream->erase(0, source.at);
  source.at = 0;
}

}  // namespace howdah::sharding
