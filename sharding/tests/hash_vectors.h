// Hash values as PostgreSQL 15 answered them, frozen: rows already on disk are where these say.
// hash_pgtest.cc asks a server for them again.
#pragma once

#include <cstdint>

namespace howdah::sharding::vectors {

struct IntegerVector {
  std::int64_t key;
  std::uint64_t hash;
};
// SELECT hashint8extended(key, 0)
inline constexpr IntegerVector kIntegers[] = {
    {0, 0x39a825beefbec0af},
    {1, 0xcd0f69c48e731746},
    {-1, 0xe5cb8f9016fe094a},
    {2, 0x329f2d4f439edcf6},
    {7, 0xd25b4c1ac5a8cbff},
    {42, 0x6f2a09a559fcfec8},
    {100, 0xc0ce6ac30672fdd5},
    {-100, 0xeaa23733027681a5},
    {4095, 0x923944e63a1e550a},
    {4096, 0x31bf4b2212dd38a0},
    {32767, 0x18d7808d4ce0854a},
    {-32768, 0x7557e9580b8ad156},
    {65536, 0x13aa138c01e996d8},
    {2147483647, 0x8195f04afa3b9613},
    {-2147483648, 0x1b707e5fa5243fb7},
    {2147483648, 0x1b707e5fa5243fb7},
    {-2147483649, 0x8195f04afa3b9613},
    {4294967295, 0xe5cb8f9016fe094a},
    {4294967296, 0xcd0f69c48e731746},
    {9007199254740993, 0xa70f0452a897071b},
    {1234567890123456789, 0xed47a07b2feff047},
    {-1234567890123456789, 0x80aade4a97d40667},
    {9223372036854775807, 0x1b707e5fa5243fb7},
    {INT64_MIN, 0x8195f04afa3b9613},
};

struct TextVector {
  const char* key;
  std::uint64_t hash;
};
// SELECT uuid_hash_extended(key, 0)
inline constexpr TextVector kUuids[] = {
    {"00000000-0000-0000-0000-000000000000", 0xa0cfe6af50af2853},
    {"ffffffff-ffff-ffff-ffff-ffffffffffff", 0x0412872ad753a869},
    {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 0x68ae4fe544d2cf05},
    {"123e4567-e89b-12d3-a456-426614174000", 0xe9214e1773e9208f},
    {"01890a5d-ac96-774b-bcce-b302099a8057", 0xd6246fc1c69f66d8},
    {"00000000-0000-0000-0000-000000000001", 0x2f762c99c1a164f9},
};

// SELECT hashtextextended(key COLLATE "C", 0); lengths 0 to 13 pass every branch of the last block
inline constexpr TextVector kTexts[] = {
    {"", 0x9fb1b765a7ea466d},
    {"a", 0x31d94c66401370b1},
    {"ab", 0x2751f60c666effbd},
    {"abc", 0xa25b273dd12feb97},
    {"abcd", 0xf196c20ce885082c},
    {"abcde", 0x2ab16994e56fc644},
    {"abcdef", 0x0409b0ff97d7dfc0},
    {"abcdefg", 0xaa8a45cf1de65ece},
    {"abcdefgh", 0x84bc1e238b1e9c33},
    {"abcdefghi", 0xd2817546fa822f5f},
    {"abcdefghij", 0xd3d2a43a741ce98c},
    {"abcdefghijk", 0x2b3346a5a78ef3d3},
    {"abcdefghijkl", 0x97216e83a1763ad4},
    {"abcdefghijklm", 0x7b1e572e1830c6d0},
    {"abcdefghijklmnopqrstuvwxyz", 0xa43a28a40a00e7bb},
    {"user@example.com", 0x95a510616b9ef97b},
    {"The quick brown fox jumps over the lazy dog", 0x1e4883e7ceae6ac7},
    {"Zürich", 0x57c736c945b5061e},
    {"日本語", 0x27d73c3f210d4344},
    {"🐘 howdah", 0x8207f77d67962eb8},
    {" 7 ", 0x268da05728953b70},
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0xb20f8cb1c227a2da},
};

// The reference values of https://github.com/Cyan4973/xxHash for seed 0.
inline constexpr TextVector kXxh64[] = {
    {"", 0xef46db3751d8e999},
    {"a", 0xd24ec4f1a98c6e5b},
    {"abc", 0x44bc2cf5ad770999},
};

}  // namespace howdah::sharding::vectors
