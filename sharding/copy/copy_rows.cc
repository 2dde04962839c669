#include "sharding/copy/copy_rows.h"

#include <algorithm>

#include "sharding/present_words.h"

namespace howdah::sharding {

namespace {

constexpr std::size_t kCutAt = 64 * 1024;
constexpr Bytes kSignature("PGCOPY\n\377\r\n\0", 11);

std::int32_t big_endian(Bytes bytes, std::size_t size) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return size == 2 ? static_cast<std::int16_t>(out) : static_cast<std::int32_t>(out);
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What stands behind a backslash; `at` is moved behind it.
char unescape(Bytes line, std::size_t& at) {
  const char c = line[at++];
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case 'x': {
      int value = at < line.size() ? hex_value(line[at]) : -1;
      if (value < 0) return c;
      ++at;
      if (at < line.size() && hex_value(line[at]) >= 0) value = value << 4 | hex_value(line[at++]);
      return static_cast<char>(value);
    }
    default:
      break;
  }
  if (!is_octal(c)) return c;
  int value = c - '0';
  for (int digits = 1; digits < 3 && at < line.size() && is_octal(line[at]); ++digits) value = value << 3 | (line[at++] - '0');
  return static_cast<char>(value);
}

}  // namespace

void CopyRows::feed(Bytes bytes) {
  if (begin_ >= kCutAt || begin_ == buffer_.size()) {
    buffer_.erase(0, begin_);
    scan_ -= begin_;
    begin_ = 0;
  }
  if (!ended_ || format_.kind == CopyKind::kBinary) buffer_.append(bytes);
}

CopyRows::Step CopyRows::fail(const char* message) {
  faulty_ = true;
  fault_ = make_error(ErrorCode::kInvalidValue, message);
  fault_.sqlstate = "22P04";  // bad_copy_file_format
  return Step::kMore;
}

bool CopyRows::next(CopyRow& row) {
  if (faulty_) return false;
  row = {};
  return format_.kind == CopyKind::kBinary ? next_binary(row) : next_line(row);
}

bool CopyRows::next_line(CopyRow& row) {
  if (ended_) return false;
  if (first_in_line_) line_before_ = lines_;
  const Step step = scan();
  if (step == Step::kMore) return false;
  if (step == Step::kEndOfData) {
    ended_ = true;
    return false;
  }
  const bool marked = step == Step::kEnd;  // by \. behind the row
  if (marked) ended_ = true;
  if (marked && line_end_ == begin_) return false;
  ++lines_;
  const Bytes line = Bytes(buffer_).substr(begin_, line_end_ - begin_);
  row.bytes = marked ? line : Bytes(buffer_).substr(begin_, scan_ - begin_);
  if (marked) row.ending = eol_ == Eol::kCr ? "\r" : eol_ == Eol::kCrNl ? "\r\n" : "\n";
  row.line = lines_;
  row.lines = static_cast<std::uint32_t>(lines_ - line_before_);
  begin_ = scan_;
  first_in_line_ = true;
  in_quote_ = last_was_escape_ = false;
  if (format_.header && !begun_) {
    begun_ = true;
    row.kind = CopyRow::Kind::kForAll;
    return true;
  }
  take_fields(line, row);
  return true;
}

// CopyReadLineText(): up to the end of a line.
CopyRows::Step CopyRows::scan() {
  const bool csv = format_.kind == CopyKind::kCsv;
  const char escape = format_.quote == format_.escape ? '\0' : format_.escape;
  while (scan_ < buffer_.size()) {
    const char c = buffer_[scan_];
    if (csv) {
      if ((c == '\\' || c == '\r') && runs_out(1) && !finished_) return Step::kMore;
      if (in_quote_ && c == escape) last_was_escape_ = !last_was_escape_;
      if (c == format_.quote && !last_was_escape_) in_quote_ = !in_quote_;
      if (c != escape) last_was_escape_ = false;
      if (in_quote_ && c == (eol_ == Eol::kNl ? '\n' : '\r')) ++lines_;
    }
    if (c == '\r' && !in_quote_) return carriage_return();
    if (c == '\n' && !in_quote_) {
      if (eol_ == Eol::kCr || eol_ == Eol::kCrNl) return fail(csv ? "unquoted newline found in data" : "literal newline found in data");
      eol_ = Eol::kNl;
      line_end_ = scan_++;
      return Step::kLine;
    }
    if (c == '\\' && (!csv || first_in_line_)) {
      if (runs_out(1) && !finished_) return Step::kMore;
      if (!runs_out(1) && buffer_[scan_ + 1] == '.') {
        const Marker marker = end_marker();
        if (marker == Marker::kMore || marker == Marker::kFault) return Step::kMore;
        if (marker == Marker::kEnd) {
          line_end_ = scan_;
          scan_ = buffer_.size();
          return Step::kEnd;
        }
      } else if (!csv && !runs_out(1)) {
        ++scan_;
      }
    }
    first_in_line_ = false;
    ++scan_;
  }
  if (!finished_) return Step::kMore;
  line_end_ = scan_;
  return begin_ < scan_ ? Step::kLine : Step::kEndOfData;
}

CopyRows::Step CopyRows::carriage_return() {
  const bool csv = format_.kind == CopyKind::kCsv;
  const char* const fault = csv ? "unquoted carriage return found in data" : "literal carriage return found in data";
  if (eol_ == Eol::kNl) return fail(fault);
  line_end_ = scan_;
  if (eol_ != Eol::kCr) {
    if (runs_out(1) && !finished_) return Step::kMore;
    if (at(scan_ + 1) == '\n') {
      eol_ = Eol::kCrNl;
      scan_ += 2;
      return Step::kLine;
    }
    if (eol_ == Eol::kCrNl) return fail(fault);
    eol_ = Eol::kCr;
  }
  ++scan_;
  return Step::kLine;
}

// "\." has been seen: does it end the data? In CSV it may as well be data.
CopyRows::Marker CopyRows::end_marker() {
  const bool csv = format_.kind == CopyKind::kCsv;
  const std::size_t behind = eol_ == Eol::kCrNl ? 3 : 2;
  if (runs_out(behind) && !finished_) return Marker::kMore;
  const auto no_marker = [&](const char* message) {
    if (csv) return Marker::kNone;
    fail(message);
    return Marker::kFault;
  };
  constexpr const char* kStyle = "end-of-copy marker does not match previous newline style";
  constexpr const char* kCorrupt = "end-of-copy marker corrupt";
  if (eol_ == Eol::kCrNl) {
    if (at(scan_ + 2) == '\n') return no_marker(kStyle);
    if (at(scan_ + 2) != '\r') return no_marker(kCorrupt);
  }
  const char c = at(scan_ + behind);
  if (c != '\r' && c != '\n') return no_marker(kCorrupt);
  if ((eol_ == Eol::kNl || eol_ == Eol::kCrNl) ? c != '\n' : eol_ == Eol::kCr && c != '\r') {
    fail(kStyle);
    return Marker::kFault;
  }
  return Marker::kEnd;
}

// The fields that are looked at: the key, and times.
void CopyRows::take_fields(Bytes line, CopyRow& row) {
  std::size_t fields = format_.key == CopyFormat::kNoKey ? 0 : format_.key + 1;
  if (!format_.clocks.empty()) fields = std::max(fields, format_.clocks.back() + 1);
  std::size_t at = 0;
  for (std::size_t field = 0; field < fields; ++field) {
    const bool is_key = field == format_.key;
    std::string& value = is_key ? key_ : other_;
    bool null = false, closed = true;
    value.clear();
    at = format_.kind == CopyKind::kCsv ? csv_field(line, at, value, null, closed) : text_field(line, at, value, null);
    if (!closed) return;
    if (is_key) {
      row.has_key = true;
      row.key_is_null = null;
      row.key = key_;
    } else if (!null && std::binary_search(format_.clocks.begin(), format_.clocks.end(), field)) {
      row.names_the_present = row.names_the_present || may_be_the_present(value);
    }
    if (at > line.size()) return;
  }
}

// Both return where the next field begins; behind the end of the line when there is none.
std::size_t CopyRows::text_field(Bytes line, std::size_t at, std::string& value, bool& null) const {
  const std::size_t begin = at;
  std::size_t end = at;
  bool more = false;
  for (;;) {
    end = at;
    if (at >= line.size()) break;
    const char c = line[at++];
    if (c == format_.delimiter) {
      more = true;
      break;
    }
    if (c != '\\') {
      value.push_back(c);
      continue;
    }
    if (at >= line.size()) break;
    value.push_back(unescape(line, at));
  }
  null = line.substr(begin, end - begin) == format_.null;
  return more ? at : line.size() + 1;
}

std::size_t CopyRows::csv_field(Bytes line, std::size_t at, std::string& value, bool& null, bool& closed) const {
  const std::size_t begin = at;
  bool quoted = false, inside = false;
  for (;; ++at) {
    if (at >= line.size()) {
      closed = !inside;
      null = !quoted && line.substr(begin) == format_.null;
      return line.size() + 1;
    }
    const char c = line[at];
    if (!inside && c == format_.delimiter) break;
    if (inside && c == format_.escape && at + 1 < line.size() && (line[at + 1] == format_.escape || line[at + 1] == format_.quote)) {
      value.push_back(line[++at]);
    } else if (c == format_.quote) {
      inside = !inside;
      quoted = true;
    } else {
      value.push_back(c);
    }
  }
  null = !quoted && line.substr(begin, at - begin) == format_.null;
  return at + 1;
}

// Whatever is there, to the server that gets it: it says what is wrong.
bool CopyRows::give_rest(CopyRow& row) {
  lost_ = true;
  row.bytes = Bytes(buffer_).substr(begin_);
  row.line = lines_ + 1;
  begin_ = scan_ = buffer_.size();
  return !row.bytes.empty();
}

bool CopyRows::binary_header(CopyRow& row) {
  constexpr std::size_t kFixed = 19;
  const Bytes bytes = Bytes(buffer_).substr(begin_);
  const bool right = bytes.substr(0, kSignature.size()) == kSignature.substr(0, bytes.size());
  std::size_t size = kFixed;
  if (right && bytes.size() >= kFixed) {
    const std::int32_t extension = big_endian(bytes.substr(15), 4);
    if (extension < 0) return give_rest(row);
    size += static_cast<std::size_t>(extension);
  }
  if (right && bytes.size() < size && !finished_) return false;
  row.kind = CopyRow::Kind::kForAll;
  if (!right || bytes.size() < size) return give_rest(row);
  begun_ = true;
  row.lines = 0;
  row.bytes = bytes.substr(0, size);
  begin_ = scan_ = begin_ + size;
  return true;
}

// `scan_` stands before a field of the row at hand, or at its beginning.
bool CopyRows::next_binary(CopyRow& row) {
  if (lost_) return give_rest(row);
  if (!begun_) return binary_header(row);
  const Bytes bytes = Bytes(buffer_).substr(begin_);
  if (ended_) {
    if (!bytes.empty()) fail("received copy data after EOF marker");
    return false;
  }
  if (bytes.size() < 2) return finished_ && give_rest(row);
  const std::int32_t count = big_endian(bytes, 2);
  if (count == -1) {
    ended_ = true;
    row.kind = CopyRow::Kind::kForAll;
    row.line = lines_;
    row.lines = 0;
    row.bytes = bytes.substr(0, 2);
    begin_ = scan_ = begin_ + 2;
    return true;
  }
  if (count < 0) return give_rest(row);
  std::size_t at = 2;
  for (std::int32_t field = 0; field < count; ++field) {
    if (bytes.size() - at < 4) return finished_ && give_rest(row);
    const std::int32_t length = big_endian(bytes.substr(at), 4);
    at += 4;
    if (length < -1) return give_rest(row);
    const auto size = static_cast<std::size_t>(std::max(length, 0));
    if (bytes.size() - at < size) return finished_ && give_rest(row);
    if (static_cast<std::size_t>(field) == format_.key) {
      row.has_key = true;
      row.key_is_null = length == -1;
      row.key = bytes.substr(at, size);
    }
    at += size;
  }
  row.bytes = bytes.substr(0, at);
  row.line = ++lines_;
  begin_ = scan_ = begin_ + at;
  return true;
}

}  // namespace howdah::sharding
