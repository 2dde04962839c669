#include "sharding/hash.h"

#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace howdah::sharding {

namespace {

// Bob Jenkins' lookup3 (http://burtleburtle.net/bob/hash/doobs.html), with PostgreSQL's start value and its
// choice of which two of the three state words become the 64-bit result.
struct Lookup3 {
  std::uint32_t a;
  std::uint32_t b;
  std::uint32_t c;

  explicit Lookup3(std::uint32_t length) : a(0x9e3779b9U + length + 3923095U), b(a), c(a) {}

  void mix() {
    step(a, c, 4), c += b;
    step(b, a, 6), a += c;
    step(c, b, 8), b += a;
    step(a, c, 16), c += b;
    step(b, a, 19), a += c;
    step(c, b, 4), b += a;
  }

  std::uint64_t finish() {
    fold(c, b, 14);
    fold(a, c, 11);
    fold(b, a, 25);
    fold(c, b, 16);
    fold(a, c, 4);
    fold(b, a, 14);
    fold(c, b, 24);
    return std::uint64_t{b} << 32 | c;
  }

 private:
  static void step(std::uint32_t& into, std::uint32_t from, int bits) {
    into -= from;
    into ^= std::rotl(from, bits);
  }
  static void fold(std::uint32_t& into, std::uint32_t from, int bits) {
    into ^= from;
    into -= std::rotl(from, bits);
  }
};

std::uint32_t load_little(const char* at) {
  std::uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The last 0 to 11 bytes. The low byte of `c` stays out of it: lookup3 keeps that place for the length.
void add_tail(Lookup3& state, Bytes tail) {
  char padded[12] = {};
  std::memcpy(padded, tail.data(), tail.size());
  state.a += load_little(padded);
  state.b += load_little(padded + 4);
  state.c += load_little(padded + 8) << 8;
}

std::uint64_t hash_bytes(Bytes key) {
  Lookup3 state(static_cast<std::uint32_t>(key.size()));
  for (; key.size() >= 12; key.remove_prefix(12)) {
    state.a += load_little(key.data());
    state.b += load_little(key.data() + 4);
    state.c += load_little(key.data() + 8);
    state.mix();
  }
  if (!key.empty()) add_tail(state, key);
  return state.finish();
}

std::uint64_t hash_word(std::uint32_t word) {
  Lookup3 state(4);
  state.a += word;
  return state.finish();
}

Bytes view(const std::array<std::uint8_t, 16>& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

}  // namespace

// The upper half is folded in so that a number hashes alike in every integer type that can hold it.
std::uint64_t hash_integer(std::int64_t key) {
  auto low = static_cast<std::uint32_t>(key);
  auto high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(key) >> 32);
  return hash_word(low ^ (key >= 0 ? high : ~high));
}

std::uint64_t hash_uuid(const std::array<std::uint8_t, 16>& key) {
  return hash_bytes(view(key));
}

std::uint64_t hash_text(Bytes key) {
  return hash_bytes(key);
}

std::uint64_t xxh64_integer(std::int64_t key) {
  char bytes[8];
  store_be(bytes, key);
  return XXH64(bytes, sizeof bytes, 0);
}

std::uint64_t xxh64_uuid(const std::array<std::uint8_t, 16>& key) {
  return XXH64(key.data(), key.size(), 0);
}

std::uint64_t xxh64_text(Bytes key) {
  return XXH64(key.data(), key.size(), 0);
}

}  // namespace howdah::sharding
