#include <algorithm>
#include <charconv>

#include "drivers/pgwire/scram.h"
#include "drivers/pgwire/scram_text.h"

namespace howdah::pgwire {
namespace {

struct ServerFirst {
  Bytes nonce;
  std::string salt;
  int iterations = 0;
};

Result<ServerFirst> parse_server_first(Bytes text, int max_iterations) {
  ServerFirst first;
  Bytes salt, iterations;
  if (!take_attribute(text, 'r', first.nonce) || !take_attribute(text, 's', salt) ||
      !take_attribute(text, 'i', iterations) || !skip_extensions(text)) {
    return malformed_scram("The server's first message lacks nonce, salt or iteration count.");
  }
  const char* end = iterations.data() + iterations.size();
  const auto [stop, error] = std::from_chars(iterations.data(), end, first.iterations);
  if (error != std::errc{} || stop != end || first.iterations < 1) {
    return malformed_scram("The server's iteration count is not a positive number.");
  }
  if (first.iterations > max_iterations) {
    return make_error(ErrorCode::kProtocolViolation, "server asks for too many SCRAM iterations",
                      "Set a new password on the server with fewer iterations.",
                      "The bound is " + std::to_string(max_iterations) + ".");
  }
  auto raw_salt = base64_decode(salt);
  if (!raw_salt || raw_salt->empty()) return malformed_scram("The server's salt is not base64.");
  first.salt = std::move(*raw_salt);
  return first;
}

// RFC 5802's saslname: the two characters with a meaning of their own are escaped.
std::string sasl_name(Bytes user) {
  std::string name;
  for (const char c : user) {
    if (c == ',') {
      name += "=2C";
    } else if (c == '=') {
      name += "=3D";
    } else {
      name += c;
    }
  }
  return name;
}

}  // namespace

std::string scram_nonce(Bytes random) {
  return base64_encode(random);
}

std::string ScramClient::gs2_header() const {
  switch (settings_.binding) {
    case Binding::kNone:
      return "n,,";
    case Binding::kNotOffered:
      return "y,,";
    case Binding::kEndPoint:
      return std::string(kEndPointFlag) + ",,";
  }
  return "n,,";
}

std::string ScramClient::first() {
  first_bare_ = "n=" + sasl_name(settings_.user) + ",r=" + settings_.nonce;
  state_ = State::kSentFirst;
  return gs2_header() + first_bare_;
}

Result<std::string> ScramClient::on_continue(Bytes server_first) {
  if (state_ != State::kSentFirst) return scram_out_of_order();
  auto first = parse_server_first(server_first, settings_.max_iterations);
  if (!first) return first.error();
  if (!is_nonce(first->nonce) || !first->nonce.starts_with(settings_.nonce) ||
      first->nonce.size() == settings_.nonce.size()) {
    return make_error(ErrorCode::kProtocolViolation, "invalid SCRAM response", {}, "Nonce does not match.");
  }
  if (!settings_.keys || !settings_.keys->fits(first->salt, first->iterations)) {
    if (settings_.keys_only) {
      return make_error(ErrorCode::kAuthFailed, "the server's SCRAM verifier is not the one whose keys are known",
                        "Give the role the same verifier on all servers and in the proxy, or set a password.");
    }
    settings_.keys = ScramKeys::derive(settings_.password, first->salt, first->iterations);
  }
  const std::string binding =
      gs2_header() + (settings_.binding == Binding::kEndPoint ? settings_.binding_data : "");
  const std::string without_proof = "c=" + base64_encode(binding) + ",r=" + std::string(first->nonce);
  auth_message_ = first_bare_ + "," + std::string(server_first) + "," + without_proof;
  const Sha256Digest& client_key = settings_.keys->client_key;
  const Sha256Digest proof = toggle_proof(client_key, sha256(as_bytes(client_key)), auth_message_);
  state_ = State::kSentFinal;
  return without_proof + ",p=" + base64_encode(as_bytes(proof));
}

Result<void> ScramClient::on_final(Bytes server_final) {
  if (state_ != State::kSentFinal) return scram_out_of_order();
  Bytes value;
  if (take_attribute(server_final, 'e', value)) {
    return make_error(ErrorCode::kAuthFailed, "server refused the SCRAM exchange: " + std::string(value));
  }
  if (!take_attribute(server_final, 'v', value) || !skip_extensions(server_final)) {
    return malformed_scram("The server's final message lacks its signature.");
  }
  const auto signature = base64_decode(value);
  if (!signature) return malformed_scram("The server's signature is not base64.");
  const Sha256Digest expected = hmac_sha256(as_bytes(settings_.keys->server_key), auth_message_);
  if (!equal_constant_time(as_bytes(expected), *signature)) {
    return make_error(ErrorCode::kAuthFailed, "incorrect server signature", {},
                      "The peer does not know the password: it is not the server it should be.");
  }
  state_ = State::kDone;
  return {};
}

}  // namespace howdah::pgwire
