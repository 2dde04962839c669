// The few primitives that md5 and SCRAM are built from, over libcrypto. Pure: nonces and salts are arguments.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace howdah::pgwire {

using Sha256Digest = std::array<unsigned char, 32>;

inline Bytes as_bytes(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Sha256Digest sha256(Bytes data);
Sha256Digest hmac_sha256(Bytes key, Bytes data);
// RFC 5802's Hi(). REQUIRES: iterations >= 1. Some 0.4 microseconds per iteration.
Sha256Digest pbkdf2_sha256(Bytes password, Bytes salt, int iterations);
Sha256Digest exclusive_or(const Sha256Digest& a, const Sha256Digest& b);

// 32 lower-case hex digits; empty when libcrypto has no MD5 (FIPS mode).
std::string md5_hex(Bytes data);

// Takes the same time whatever the bytes are. Different lengths are different, and that may show.
bool equal_constant_time(Bytes a, Bytes b);

// RFC 4648, with padding. The decoder takes nothing else: no white space, no missing padding.
std::string base64_encode(Bytes data);
std::optional<std::string> base64_decode(Bytes text);

}  // namespace howdah::pgwire
