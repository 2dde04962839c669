// Big-endian reading and writing, and the byte views that all codecs share.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace howdah {

// Borrowed bytes. The owner of the buffer says how long they live.
using Bytes = std::string_view;

template <class Int>
constexpr Int byteswap_be(Int value) {
  static_assert(std::endian::native == std::endian::little);
  if constexpr (sizeof(Int) == 1) return value;
  if constexpr (sizeof(Int) == 2) return static_cast<Int>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(Int) == 4) return static_cast<Int>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(Int) == 8) return static_cast<Int>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

// REQUIRES: at least sizeof(Int) bytes at `at`.
template <class Int>
inline Int load_be(const char* at) {
  Int value;
  std::memcpy(&value, at, sizeof value);
  return byteswap_be(value);
}

template <class Int>
inline void store_be(char* at, Int value) {
  value = byteswap_be(value);
  std::memcpy(at, &value, sizeof value);
}

template <class Int>
inline void append_be(std::string& out, Int value) {
  char bytes[sizeof(Int)];
  store_be(bytes, value);
  out.append(bytes, sizeof bytes);
}

// A cursor over borrowed bytes. Every read says whether the bytes were there; after one failure all reads fail.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  template <class Int>
  bool read(Int& out) {
    if (failed_ || bytes_.size() < sizeof(Int)) return fail();
    out = load_be<Int>(bytes_.data());
    bytes_.remove_prefix(sizeof(Int));
    return true;
  }

  bool read_bytes(std::size_t count, Bytes& out) {
    if (failed_ || bytes_.size() < count) return fail();
    out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return true;
  }

  // A zero-terminated string, without its zero.
  bool read_cstring(Bytes& out) {
    if (failed_ || bytes_.empty()) return fail();
    const auto* zero = static_cast<const char*>(std::memchr(bytes_.data(), 0, bytes_.size()));
    if (zero == nullptr) return fail();
    out = bytes_.substr(0, static_cast<std::size_t>(zero - bytes_.data()));
    bytes_.remove_prefix(out.size() + 1);
    return true;
  }

  Bytes rest() const { return bytes_; }
  bool at_end() const { return !failed_ && bytes_.empty(); }
  bool failed() const { return failed_; }

 private:
  bool fail() {
    failed_ = true;
    return false;
  }

  Bytes bytes_;
  bool failed_ = false;
};

}  // namespace howdah
