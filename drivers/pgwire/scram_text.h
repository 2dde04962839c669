// The comma-separated attributes that SCRAM messages are made of, and the words that both roles use.
#pragma once

#include <algorithm>
#include <string>

#include "base/error.h"
#include "drivers/pgwire/crypto.h"

namespace howdah::pgwire {

inline Error malformed_scram(Bytes detail) {
  return make_error(ErrorCode::kProtocolViolation, "malformed SCRAM message", {}, std::string(detail));
}

inline Error scram_out_of_order() {
  return make_error(ErrorCode::kInternal, "SCRAM message handled out of order");
}

// Takes "x=value" and the comma behind it off the front. False when the attribute there is another.
inline bool take_attribute(Bytes& rest, char name, Bytes& value) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return false;
  rest.remove_prefix(2);
  value = rest.substr(0, rest.find(','));
  rest.remove_prefix(std::min(rest.size(), value.size() + 1));
  return true;
}

// Extensions: any letter, any value. They are ignored, as RFC 5802 asks, up to the attribute `until` or the
// end.
inline bool skip_extensions(Bytes& rest, char until = '\0') {
  Bytes ignored;
  while (!rest.empty() && (until == '\0' || rest.front() != until)) {
    const char name = rest.front();
    const bool letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
    if (!letter || !take_attribute(rest, name, ignored)) return false;
  }
  return true;
}

inline bool is_nonce(Bytes nonce) {
  for (const char c : nonce) {
    if (c < 0x21 || c > 0x7e || c == ',') return false;
  }
  return !nonce.empty();
}

inline constexpr Bytes kEndPointFlag = "p=tls-server-end-point";

// ClientSignature and the proof made of it: ClientProof = ClientKey xor HMAC(StoredKey, AuthMessage), both
// ways.
inline Sha256Digest toggle_proof(const Sha256Digest& key_or_proof, const Sha256Digest& stored_key,
                                 Bytes message) {
  return exclusive_or(key_or_proof, hmac_sha256(as_bytes(stored_key), message));
}

}  // namespace howdah::pgwire
