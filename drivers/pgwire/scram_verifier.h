// What a server stores of a SCRAM password, and what a client derives from it.
//
//   verifier := "SCRAM-SHA-256$" iterations ":" base64(salt) "$" base64(StoredKey) ":" base64(ServerKey)
//   SaltedPassword := PBKDF2(HMAC-SHA-256, saslprep(password), salt, iterations)
//   ClientKey := HMAC(SaltedPassword, "Client Key"); StoredKey := SHA-256(ClientKey)
//   ServerKey := HMAC(SaltedPassword, "Server Key")
//
// https://www.rfc-editor.org/rfc/rfc5802#section-3 and
// https://www.postgresql.org/docs/15/catalog-pg-authid.html
#pragma once

#include <optional>
#include <string>

#include "drivers/pgwire/crypto.h"

namespace howdah::pgwire {

inline constexpr int kScramDefaultIterations = 4096;
// PBKDF2 blocks the thread, so a peer may not ask for more than this (0.4 seconds).
inline constexpr int kScramMaxIterations = 1'000'000;

// Costs iterations * 0.4 microseconds: derive once per (password, salt, iterations) and keep.
struct ScramKeys {
  int iterations = 0;
  std::string salt;  // raw bytes
  Sha256Digest client_key{};
  Sha256Digest server_key{};

  // The password is brought into its normal form first. REQUIRES: 1 <= iterations <= kScramMaxIterations.
  static ScramKeys derive(Bytes password, Bytes salt, int iterations);
  bool fits(Bytes other_salt, int other_iterations) const {
    return salt == other_salt && iterations == other_iterations;
  }
};

struct ScramVerifier {
  int iterations = 0;
  std::string salt;  // raw bytes
  Sha256Digest stored_key{};
  Sha256Digest server_key{};

  // From rolpassword, or a configuration; nothing when the text is not a SCRAM verifier.
  static std::optional<ScramVerifier> parse(Bytes text);
  static ScramVerifier make(Bytes password, Bytes salt, int iterations = kScramDefaultIterations);
  static ScramVerifier from_keys(const ScramKeys& keys);
  // For a user that does not exist: no password fits, and the same name always gets the same salt, so that
  // nobody learns who exists. `secret` is random and should be the same on all proxies; `iterations` that of
  // real users.
  static ScramVerifier mock(Bytes user, Bytes secret, int iterations = kScramDefaultIterations);

  std::string to_string() const;
  // Whether a password in clear text fits, in constant time. As costly as deriving keys.
  bool matches(Bytes password) const;
};

}  // namespace howdah::pgwire
