#include "sharding/merge/sort_key.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "schema/types.h"
#include "sharding/merge/iso_time.h"

namespace howdah::sharding {

namespace {

// https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/catalog/pg_type.dat
constexpr Oid kBytea = 17, kName = 19, kOid = 26, kDate = 1082, kTime = 1083, kTimestamp = 1114, kTimestamptz = 1184;

std::uint64_t big_endian(Bytes value) {
  std::uint64_t out = 0;
  for (char c : value) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

void put(std::uint64_t value, std::size_t size, std::string& key) {
  for (std::size_t i = size; i-- > 0;) key.push_back(static_cast<char>(value >> (8 * i)));
}

void put_signed(std::int64_t value, std::string& key) {
  put(static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63), 8, key);
}

std::optional<std::int64_t> signed_of(Bytes value) {
  if (value.size() != 2 && value.size() != 4 && value.size() != 8) return std::nullopt;
  const std::uint64_t bits = big_endian(value);
  const int unused = 64 - 8 * static_cast<int>(value.size());
  return static_cast<std::int64_t>(bits << unused) >> unused;
}

bool put_integer(bool binary, Bytes value, std::string& key) {
  std::int64_t number = 0;
  if (binary) {
    const auto read = signed_of(value);
    if (!read) return false;
    number = *read;
  } else {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) return false;
  }
  put_signed(number, key);
  return true;
}

// IEEE bits in order: negatives inverted, positives behind them; all NaNs are equal and last, the two zeros equal.
bool put_float(bool binary, Bytes value, std::string& key) {
  double number = 0;
  if (binary && value.size() == 8) {
    const std::uint64_t bits = big_endian(value);
    std::memcpy(&number, &bits, sizeof number);
  } else if (binary && value.size() == 4) {
    const auto bits = static_cast<std::uint32_t>(big_endian(value));
    float single = 0;
    std::memcpy(&single, &bits, sizeof single);
    number = single;
  } else if (!binary) {
    if (value == "Infinity" || value == "-Infinity") {
      number = value[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    } else if (value == "NaN") {
      number = std::numeric_limits<double>::quiet_NaN();
    } else {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) return false;
    }
  } else {
    return false;
  }
  if (std::isnan(number)) number = std::numeric_limits<double>::quiet_NaN();
  if (number == 0) number = 0;
  std::uint64_t bits = 0;
  std::memcpy(&bits, &number, sizeof bits);
  bits = std::isnan(number) ? ~std::uint64_t{0} : (bits >> 63) != 0 ? ~bits : bits | std::uint64_t{1} << 63;
  put(bits, 8, key);
  return true;
}

enum NumericClass : char { kMinusInfinity = 1, kNegative, kZero, kPositive, kPlusInfinity, kNaN };

// `digits` without leading zeros, the first one worth 10^exponent.
void put_decimal(bool negative, std::int32_t exponent, std::string digits, std::string& key) {
  while (!digits.empty() && digits.back() == '0') digits.pop_back();
  if (digits.empty()) {
    key.push_back(kZero);
    return;
  }
  key.push_back(negative ? kNegative : kPositive);
  const std::size_t begin = key.size();
  put(static_cast<std::uint32_t>(exponent) ^ 0x80000000u, 4, key);
  key += digits;
  key.push_back('\0');
  if (!negative) return;
  for (std::size_t i = begin; i < key.size(); ++i) key[i] = static_cast<char>(~key[i]);
}

bool put_numeric_text(Bytes value, std::string& key) {
  if (value == "NaN" || value == "Infinity" || value == "-Infinity") {
    key.push_back(value == "NaN" ? kNaN : value[0] == '-' ? kMinusInfinity : kPlusInfinity);
    return true;
  }
  const bool negative = value.starts_with('-');
  if (negative) value.remove_prefix(1);
  std::string digits;
  std::int32_t exponent = -1;
  bool fraction = false, any = false;
  for (char c : value) {
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return false;
    any = true;
    if (!fraction && (c != '0' || !digits.empty())) ++exponent;
    if (fraction && digits.empty() && c == '0') --exponent;
    if (c != '0' || !digits.empty()) digits.push_back(c);
  }
  if (!any) return false;
  put_decimal(negative, exponent, std::move(digits), key);
  return true;
}

// numeric_send: ndigits, weight, sign, dscale, then digits of base 10000.
bool put_numeric_binary(Bytes value, std::string& key) {
  if (value.size() < 8) return false;
  const auto field = [&](std::size_t i) { return static_cast<std::uint16_t>(big_endian(value.substr(2 * i, 2))); };
  const std::uint16_t sign = field(2);
  if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000) {
    key.push_back(sign == 0xC000 ? kNaN : sign == 0xD000 ? kPlusInfinity : kMinusInfinity);
    return true;
  }
  if (value.size() != 8 + std::size_t{2} * field(0)) return false;
  std::string digits;
  for (std::size_t i = 0; i < field(0); ++i) {
    std::uint16_t group = field(4 + i);
    char four[4];
    for (int d = 3; d >= 0; --d, group /= 10) four[d] = static_cast<char>('0' + group % 10);
    digits.append(four, 4);
  }
  const std::size_t zeros = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, zeros);
  put_decimal(sign == 0x4000, (static_cast<std::int16_t>(field(1)) + 1) * 4 - 1 - static_cast<std::int32_t>(zeros),
              std::move(digits), key);
  return true;
}

bool put_bytes(Bytes value, std::string& key) {
  // Zero bytes end the value: those inside are told apart by what follows.
  for (char c : value) {
    key.push_back(c);
    if (c == '\0') key.push_back('\x01');
  }
  key.append(2, '\0');
  return true;
}

bool put_bytea(bool binary, Bytes value, std::string& key) {
  if (binary) return put_bytes(value, key);
  if (!value.starts_with("\\x")) return false;
  value.remove_prefix(2);
  std::string raw;
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < value.size(); i += 2) {
    raw.push_back(static_cast<char>(nibble(value[i]) * 16 + nibble(value[i + 1])));
  }
  return put_bytes(raw, key);
}

bool put_time(Oid type, bool binary, Bytes value, std::string& key) {
  if (binary) return put_integer(true, value, key);
  if (type == kTime) return put_bytes(value, key);
  const auto read = read_iso_time(value, type == kDate        ? IsoKind::kDate
                                         : type == kTimestamp ? IsoKind::kTimestamp
                                                              : IsoKind::kTimestamptz);
  if (!read) return false;
  put_signed(*read, key);
  return true;
}

bool put_value(Oid type, bool binary, Bytes value, std::string& key) {
  switch (type) {
    case schema::kInt2Oid:
    case schema::kInt4Oid:
    case schema::kInt8Oid:
      return put_integer(binary, value, key);
    case kOid:
      if (!binary) return put_integer(false, value, key);
      put_signed(static_cast<std::int64_t>(big_endian(value)), key);
      return true;
    case schema::kFloat4Oid:
    case schema::kFloat8Oid:
      return put_float(binary, value, key);
    case schema::kNumericOid:
      return binary ? put_numeric_binary(value, key) : put_numeric_text(value, key);
    case schema::kBoolOid:
      key.push_back(binary ? value[0] : value == "t" ? '\x01' : '\0');
      return true;
    case schema::kBpcharOid:
      while (value.ends_with(' ')) value.remove_suffix(1);
      return put_bytes(value, key);
    case schema::kTextOid:
    case schema::kVarcharOid:
    case kName:
    case schema::kUuidOid:
      return put_bytes(value, key);
    case kBytea:
      return put_bytea(binary, value, key);
    case kDate:
    case kTime:
    case kTimestamp:
    case kTimestamptz:
      return put_time(type, binary, value, key);
    default:
      return false;
  }
}

}  // namespace

bool append_sort_key(Oid type, bool binary, Bytes value, bool descending, std::string& key) {
  const std::size_t begin = key.size();
  if (!put_value(type, binary, value, key)) return false;
  if (descending) {
    for (std::size_t i = begin; i < key.size(); ++i) key[i] = static_cast<char>(~key[i]);
  }
  return true;
}

void append_null_key(bool is_null, bool nulls_first, std::string& key) {
  key.push_back(is_null == nulls_first ? '\0' : '\x01');
}

}  // namespace howdah::sharding
