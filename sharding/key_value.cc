#include "sharding/key_value.h"

#include <algorithm>
#include <limits>
#include <string>

#include "sharding/hash.h"

namespace howdah::sharding {

namespace {

// isspace() of the C locale.
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

Bytes strip(Bytes text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool equals_ignoring_case(Bytes text, Bytes lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

std::uint64_t hash_int(std::int64_t value, HashKind hash) {
  return hash == HashKind::kPostgres ? hash_integer(value) : xxh64_integer(value);
}

// Decimal digits with the decimal point behind the first `point` of them, as an integer if it is one within
// int8, or is rounded to one.
KeyOutcome integral(const std::string& digits, std::int64_t point, bool negative, Fraction fraction, std::int64_t& out) {
  const auto first = digits.find_first_not_of('0');
  if (first == std::string::npos) {
    out = 0;
    return KeyOutcome::kKey;
  }
  const auto last = digits.find_last_not_of('0');
  if (static_cast<std::int64_t>(last) >= point && fraction == Fraction::kNoMatch) return KeyOutcome::kNoMatch;
  if (point - static_cast<std::int64_t>(first) > 19) return KeyOutcome::kNoMatch;
  std::uint64_t value = 0;
  for (auto i = static_cast<std::int64_t>(first); i < point; ++i) {
    const auto at = static_cast<std::size_t>(i);
    value = value * 10 + static_cast<std::uint64_t>(at < digits.size() ? digits[at] - '0' : 0);
  }
  const auto tenths = static_cast<std::size_t>(point);
  if (point >= 0 && tenths < digits.size() && digits[tenths] >= '5') ++value;  // of 19 digits at most: no overflow
  const auto limit =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + (negative ? 1 : 0);
  if (value > limit) return KeyOutcome::kNoMatch;
  out = static_cast<std::int64_t>(negative ? ~value + 1 : value);
  return KeyOutcome::kKey;
}

KeyHash integer_binary(Bytes value, Oid type, HashKind hash) {
  if (type == schema::kInt2Oid && value.size() == 2)
    return hash_number(load_be<std::int16_t>(value.data()), hash);
  if (type == schema::kInt4Oid && value.size() == 4)
    return hash_number(load_be<std::int32_t>(value.data()), hash);
  if (type == schema::kInt8Oid && value.size() == 8)
    return hash_number(load_be<std::int64_t>(value.data()), hash);
  return {KeyOutcome::kMalformed, 0};
}

KeyHash integer_key(Bytes value, bool binary, Oid type, HashKind hash) {
  if (type == schema::kNumericOid) {
    std::int64_t number = 0;
    const auto outcome = binary ? read_numeric_binary(value, number) : read_numeric(value, number);
    if (outcome != KeyOutcome::kKey) return {outcome, 0};
    return hash_number(number, hash);
  }
  if (binary) return integer_binary(value, type, hash);
  const auto number = read_integer(value);
  const auto range = integer_range(type);
  if (!number || *number < range.min || *number > range.max) return {KeyOutcome::kMalformed, 0};
  return hash_number(*number, hash);
}

KeyHash uuid_key(Bytes value, bool binary, HashKind hash) {
  std::optional<std::array<std::uint8_t, 16>> uuid;
  if (!binary) {
    uuid = read_uuid(value);
  } else if (value.size() == 16) {
    uuid.emplace();
    std::memcpy(uuid->data(), value.data(), 16);
  }
  if (!uuid) return {KeyOutcome::kMalformed, 0};
  return {KeyOutcome::kKey, hash == HashKind::kPostgres ? hash_uuid(*uuid) : xxh64_uuid(*uuid)};
}

}  // namespace

std::optional<std::int64_t> read_integer(Bytes text) {
  text = strip(text);
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  // Collected below zero, where there is room for one more.
  std::int64_t value = 0;
  for (char c : text) {
    if (!is_digit(c)) return std::nullopt;
    if (__builtin_mul_overflow(value, std::int64_t{10}, &value)) return std::nullopt;
    if (__builtin_sub_overflow(value, std::int64_t{c - '0'}, &value)) return std::nullopt;
  }
  if (negative) return value;
  if (value == std::numeric_limits<std::int64_t>::min()) return std::nullopt;
  return -value;
}

std::optional<std::array<std::uint8_t, 16>> read_uuid(Bytes text) {
  const bool braces = !text.empty() && text.front() == '{';
  if (braces) text.remove_prefix(1);
  const auto digit = [](char c) {
    if (is_digit(c)) return c - '0';
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (text.size() < 2 || digit(text[0]) < 0 || digit(text[1]) < 0) return std::nullopt;
    out[i] = static_cast<std::uint8_t>(digit(text[0]) * 16 + digit(text[1]));
    text.remove_prefix(2);
    if (!text.empty() && text.front() == '-' && i % 2 == 1 && i + 1 < out.size()) text.remove_prefix(1);
  }
  if (braces) {
    if (text.empty() || text.front() != '}') return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  return out;
}

KeyOutcome read_numeric(Bytes text, std::int64_t& out, Fraction fraction) {
  text = strip(text);
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  for (Bytes word : {Bytes("nan"), Bytes("infinity"), Bytes("inf")}) {
    if (equals_ignoring_case(text, word)) return KeyOutcome::kNoMatch;
  }
  std::string digits;
  std::int64_t point = -1;
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || text[at] == '.'); ++at) {
    if (text[at] != '.') {
      digits.push_back(text[at]);
    } else if (point >= 0) {
      return KeyOutcome::kMalformed;
    } else {
      point = static_cast<std::int64_t>(digits.size());
    }
  }
  if (digits.empty()) return KeyOutcome::kMalformed;
  if (point < 0) point = static_cast<std::int64_t>(digits.size());
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return KeyOutcome::kMalformed;
    const auto shift = read_integer(text.substr(at + 1));  // strtol: white space in front of it is skipped
    if (!shift) return KeyOutcome::kMalformed;
    // Beyond any numeric: the server says out of range, or it is a fraction or too large to be a key.
    if (*shift > 200000 || *shift < -200000) {
      const bool tiny = *shift < 0 && digits.size() < 100000;
      if (tiny) out = 0;
      return tiny && fraction == Fraction::kRound ? KeyOutcome::kKey : KeyOutcome::kNoMatch;
    }
    point += *shift;
  }
  return integral(digits, point, negative, fraction, out);
}

// int16 count, weight, sign, display scale, then `count` digits to the base of 10000, the first worth
// 10000^weight.
KeyOutcome read_numeric_binary(Bytes bytes, std::int64_t& out, Fraction fraction) {
  ByteReader reader(bytes);
  std::int16_t count = 0, weight = 0, scale = 0;
  std::uint16_t sign = 0;
  if (!reader.read(count) || !reader.read(weight) || !reader.read(sign) || !reader.read(scale) || count < 0) {
    return KeyOutcome::kMalformed;
  }
  if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000)
    return KeyOutcome::kNoMatch;  // NaN and the infinities
  std::string digits;
  for (std::int16_t i = 0; i < count; ++i) {
    std::int16_t group = 0;
    if (!reader.read(group) || group < 0 || group > 9999) return KeyOutcome::kMalformed;
    for (int unit : {1000, 100, 10, 1}) digits.push_back(static_cast<char>('0' + group / unit % 10));
  }
  if (!reader.at_end()) return KeyOutcome::kMalformed;
  // numeric_recv cuts digits beyond the display scale: such a sender is not trusted to mean what it says.
  const auto point = (std::int64_t{weight} + 1) * 4;
  const auto outcome = integral(digits, point, sign == 0x4000, fraction, out);
  const bool may_be_cut = outcome == KeyOutcome::kNoMatch || fraction == Fraction::kRound;
  if (may_be_cut && static_cast<std::int64_t>(digits.size()) - point > scale + 3) {
    return KeyOutcome::kUnreadable;
  }
  return outcome;
}

IntegerRange integer_range(Oid type) {
  if (type == schema::kInt2Oid)
    return {std::numeric_limits<std::int16_t>::min(), std::numeric_limits<std::int16_t>::max()};
  if (type == schema::kInt4Oid)
    return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
  return {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
}

KeyHash hash_stored_numeric(Bytes value, bool binary, HashKind hash) {
  std::int64_t number = 0;
  const auto outcome = binary ? read_numeric_binary(value, number, Fraction::kRound) : read_numeric(value, number, Fraction::kRound);
  if (outcome != KeyOutcome::kKey) return {outcome, 0};
  return hash_number(number, hash);
}

KeyHash hash_number(std::int64_t value, HashKind hash) {
  return {KeyOutcome::kKey, hash_int(value, hash)};
}

KeyHash hash_value(Bytes value, bool binary, Oid type, schema::KeyFamily family, HashKind hash) {
  switch (family) {
    case schema::KeyFamily::kInteger:
      return integer_key(value, binary, type, hash);
    case schema::KeyFamily::kUuid:
      return uuid_key(value, binary, hash);
    case schema::KeyFamily::kText:
      return {KeyOutcome::kKey, hash == HashKind::kPostgres ? hash_text(value) : xxh64_text(value)};
  }
  return {KeyOutcome::kUnreadable, 0};
}

}  // namespace howdah::sharding
