#include "sharding/hash.h"

#include <gtest/gtest.h>

#include "sharding/tests/hash_vectors.h"

namespace howdah::sharding {
namespace {

std::array<std::uint8_t, 16> uuid(std::string_view text) {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t digit = 0;
  for (char c : text) {
    if (c == '-') continue;
    auto nibble = static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    bytes[digit / 2] = static_cast<std::uint8_t>(bytes[digit / 2] << 4 | nibble);
    ++digit;
  }
  return bytes;
}

TEST(Hash, IntegersAgreeWithPostgres) {
  for (const auto& [key, hash] : vectors::kIntegers) EXPECT_EQ(hash_integer(key), hash) << key;
}

TEST(Hash, UuidsAgreeWithPostgres) {
  for (const auto& [key, hash] : vectors::kUuids) EXPECT_EQ(hash_uuid(uuid(key)), hash) << key;
}

TEST(Hash, TextsAgreeWithPostgres) {
  for (const auto& [key, hash] : vectors::kTexts) EXPECT_EQ(hash_text(key), hash) << key;
}

TEST(Hash, TextMayHoldAnyBytesAndAnyAlignment) {
  const std::string padded = "?abcdefghijklm";
  EXPECT_EQ(hash_text(Bytes(padded).substr(1)), hash_text("abcdefghijklm"));
  EXPECT_NE(hash_text(Bytes("a\0b", 3)), hash_text(Bytes("a\0c", 3)));
}

TEST(Hash, Xxh64AgreesWithItsReference) {
  for (const auto& [key, hash] : vectors::kXxh64) EXPECT_EQ(xxh64_text(key), hash) << key;
}

TEST(Hash, Xxh64HashesBinaryKeysInNetworkOrder) {
  EXPECT_EQ(xxh64_integer(0x6162636465666768), xxh64_text("abcdefgh"));
  EXPECT_EQ(xxh64_uuid(uuid("61626364-6566-6768-696a-6b6c6d6e6f70")), xxh64_text("abcdefghijklmnop"));
}

TEST(Hash, BucketIsTheLowBits) {
  EXPECT_EQ(bucket_of(0xcd0f69c48e731746, 4096), BucketId(0x746));
  EXPECT_EQ(bucket_of(0xffffffffffffffff, 1), BucketId(0));
}

}  // namespace
}  // namespace howdah::sharding
