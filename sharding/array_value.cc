#include "sharding/array_value.h"

namespace howdah::sharding {

namespace {
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
}  // namespace

void TextArray::skip_space() {
  while (!text_.empty() && is_space(text_.front())) text_.remove_prefix(1);
}

ArrayStep TextArray::next() {
  skip_space();
  if (text_.empty()) return ArrayStep::kMalformed;
  const char separator = text_.front();
  if (!started_) {
    started_ = true;
    if (separator == '[') return ArrayStep::kUnreadable;
    if (separator != '{') return ArrayStep::kMalformed;
    text_.remove_prefix(1);
    skip_space();
    if (text_.empty() || text_.front() != '}') return element();
  }
  if (text_.empty()) return ArrayStep::kMalformed;
  const char c = text_.front();
  text_.remove_prefix(1);
  if (c == ',') {
    skip_space();
    return element();
  }
  skip_space();
  return c == '}' && text_.empty() ? ArrayStep::kEnd : ArrayStep::kMalformed;
}

ArrayStep TextArray::element() {
  value_.clear();
  null_ = false;
  if (text_.empty()) return ArrayStep::kMalformed;
  if (text_.front() == '{') return ArrayStep::kUnreadable;
  const bool quoted = text_.front() == '"';
  if (quoted) text_.remove_prefix(1);
  bool escaped = false;
  std::size_t kept = 0;  // length without trailing unquoted space
  for (;;) {
    if (text_.empty()) return ArrayStep::kMalformed;
    char c = text_.front();
    if (quoted ? c == '"' : c == ',' || c == '}') break;
    if (!quoted && (c == '"' || c == '{')) return ArrayStep::kMalformed;
    text_.remove_prefix(1);
    if (c == '\\') {
      if (text_.empty()) return ArrayStep::kMalformed;
      c = text_.front();
      text_.remove_prefix(1);
      escaped = true;
      value_.push_back(c);
      kept = value_.size();
      continue;
    }
    value_.push_back(c);
    if (quoted || !is_space(c)) kept = value_.size();
  }
  value_.resize(kept);
  if (quoted) {
    text_.remove_prefix(1);
    skip_space();
    return ArrayStep::kElement;
  }
  if (value_.empty()) return ArrayStep::kMalformed;
  null_ = !escaped && value_.size() == 4 && (value_[0] | 0x20) == 'n' && (value_[1] | 0x20) == 'u' &&
          (value_[2] | 0x20) == 'l' && (value_[3] | 0x20) == 'l';
  return ArrayStep::kElement;
}

// int32 dimensions, int32 has-null flag, oid of the elements, then per dimension int32 length and int32 lower
// bound.
ArrayStep BinaryArray::header() {
  std::int32_t dimensions = 0, flags = 0, lower = 0;
  std::uint32_t type = 0;
  if (!reader_.read(dimensions) || !reader_.read(flags) || !reader_.read(type)) return ArrayStep::kMalformed;
  type_ = type;
  if (dimensions == 0) return ArrayStep::kEnd;
  if (dimensions != 1) return ArrayStep::kUnreadable;
  if (!reader_.read(left_) || !reader_.read(lower) || left_ < 0) return ArrayStep::kMalformed;
  return ArrayStep::kElement;
}

ArrayStep BinaryArray::next() {
  if (!started_) {
    started_ = true;
    const auto step = header();
    if (step != ArrayStep::kElement) return step;
  }
  if (left_ == 0) return reader_.at_end() ? ArrayStep::kEnd : ArrayStep::kMalformed;
  --left_;
  std::int32_t length = 0;
  if (!reader_.read(length)) return ArrayStep::kMalformed;
  null_ = length == -1;
  value_ = {};
  if (null_) return ArrayStep::kElement;
  if (length < 0 || !reader_.read_bytes(static_cast<std::size_t>(length), value_))
    return ArrayStep::kMalformed;
  return ArrayStep::kElement;
}

}  // namespace howdah::sharding
