#include "drivers/pgwire/scram_verifier.h"

#include <algorithm>
#include <charconv>

#include "drivers/pgwire/saslprep.h"

namespace howdah::pgwire {
namespace {

constexpr Bytes kPrefix = "SCRAM-SHA-256$";
constexpr std::size_t kSaltSize = 16;

// Takes the text before `end` off the front; false when `end` is not there.
bool take_until(Bytes& rest, char end, Bytes& out) {
  const std::size_t at = rest.find(end);
  if (at == Bytes::npos) return false;
  out = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return true;
}

bool parse_iterations(Bytes text, int& out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc{} && stop == end && out >= 1 && out <= kScramMaxIterations;
}

bool parse_key(Bytes text, Sha256Digest& out) {
  const auto key = base64_decode(text);
  if (!key || key->size() != out.size()) return false;
  std::copy(key->begin(), key->end(), out.begin());
  return true;
}

}  // namespace

ScramKeys ScramKeys::derive(Bytes password, Bytes salt, int iterations) {
  const Sha256Digest salted = pbkdf2_sha256(saslprep(password), salt, iterations);
  return {iterations, std::string(salt), hmac_sha256(as_bytes(salted), "Client Key"),
          hmac_sha256(as_bytes(salted), "Server Key")};
}

std::optional<ScramVerifier> ScramVerifier::parse(Bytes text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  Bytes iterations, salt, stored_key;
  if (!take_until(text, ':', iterations) || !take_until(text, '$', salt) ||
      !take_until(text, ':', stored_key)) {
    return std::nullopt;
  }
  ScramVerifier verifier;
  auto raw_salt = base64_decode(salt);
  if (!raw_salt || raw_salt->empty() || !parse_iterations(iterations, verifier.iterations) ||
      !parse_key(stored_key, verifier.stored_key) || !parse_key(text, verifier.server_key)) {
    return std::nullopt;
  }
  verifier.salt = std::move(*raw_salt);
  return verifier;
}

ScramVerifier ScramVerifier::make(Bytes password, Bytes salt, int iterations) {
  return from_keys(ScramKeys::derive(password, salt, iterations));
}

ScramVerifier ScramVerifier::from_keys(const ScramKeys& keys) {
  return {keys.iterations, keys.salt, sha256(as_bytes(keys.client_key)), keys.server_key};
}

ScramVerifier ScramVerifier::mock(Bytes user, Bytes secret, int iterations) {
  const auto derive = [&](char purpose) { return hmac_sha256(secret, std::string(1, purpose).append(user)); };
  // Nobody knows a ClientKey whose SHA-256 is the stored key, so every proof fails in the ordinary
  // comparison.
  return {iterations, std::string(as_bytes(derive('s')).substr(0, kSaltSize)), derive('c'), derive('k')};
}

std::string ScramVerifier::to_string() const {
  return std::string(kPrefix) + std::to_string(iterations) + ":" + base64_encode(salt) + "$" +
         base64_encode(as_bytes(stored_key)) + ":" + base64_encode(as_bytes(server_key));
}

bool ScramVerifier::matches(Bytes password) const {
  return equal_constant_time(as_bytes(make(password, salt, iterations).server_key), as_bytes(server_key));
}

}  // namespace howdah::pgwire
