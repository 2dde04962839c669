// Key values as PostgreSQL's input and receive functions read them: from text or binary to the hash of the
// key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "schema/types.h"
#include "sharding/rules.h"

namespace howdah::sharding {

// What a value turns out to be.
enum class KeyOutcome : std::uint8_t {
  kKey,         // a key: see KeyHash::hash
  kNoMatch,     // a value that equals no key: NULL, 5.5 for an integer key
  kMalformed,   // the server refuses it: any shard gives that error
  kUnreadable,  // we cannot tell what the server makes of it
};

struct KeyHash {
  KeyOutcome outcome = KeyOutcome::kMalformed;
  std::uint64_t hash = 0;
};

// int8in and its like: optional white space around, a sign, decimal digits. Empty when malformed or out of
// int8.
std::optional<std::int64_t> read_integer(Bytes text);
// uuid_in: hyphens after any group of four digits, braces, any case.
std::optional<std::array<std::uint8_t, 16>> read_uuid(Bytes text);
// What a fraction of a number means: compared with an integer it is equal to none; stored as one it is rounded, halves away from zero.
enum class Fraction : std::uint8_t { kNoMatch, kRound };
// numeric_in. kKey with `out` set when integral (or rounded) and within int8; kNoMatch for other numbers.
KeyOutcome read_numeric(Bytes text, std::int64_t& out, Fraction fraction = Fraction::kNoMatch);
// numeric_send's format.
KeyOutcome read_numeric_binary(Bytes bytes, std::int64_t& out, Fraction fraction = Fraction::kNoMatch);

// Hashes one value. `type` is what the value has in the statement (a key type, or numeric), `family` the
// key's.
KeyHash hash_value(Bytes value, bool binary, Oid type, schema::KeyFamily family, HashKind hash);
// Hashes a numeric that is stored as an integer key: numeric_int8. kNoMatch: out of range, an error of the server's.
KeyHash hash_stored_numeric(Bytes value, bool binary, HashKind hash);
// As hash_value of a number already read.
KeyHash hash_number(std::int64_t value, HashKind hash);

// Smallest and largest value of int2, int4 or int8.
struct IntegerRange {
  std::int64_t min, max;
};
IntegerRange integer_range(Oid type);

}  // namespace howdah::sharding
