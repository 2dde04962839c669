#include <algorithm>

#include "drivers/pgwire/scram.h"
#include "drivers/pgwire/scram_text.h"

namespace howdah::pgwire {
namespace {

Error binding_failed(Bytes detail) {
  return make_error(ErrorCode::kAuthRejected, "SCRAM channel binding negotiation error", {},
                    std::string(detail));
}

}  // namespace

Result<void> ScramServer::check_binding_flag(Bytes flag) const {
  if (flag == "n" || flag == "y") {
    if (settings_.plus_selected) {
      return malformed_scram(
          "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding "
          "data.");
    }
    // "y" after an offer of PLUS: somebody between us took the offer out of our list.
    if (flag == "y" && settings_.plus_offered) {
      return binding_failed(
          "The client supports SCRAM channel binding but thinks the server does not.  However, this server does "
          "support channel binding.");
    }
    return {};
  }
  if (!flag.starts_with("p=")) return malformed_scram("Unexpected channel-binding flag.");
  if (!settings_.plus_selected) {
    return malformed_scram(
        "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel "
        "binding data.");
  }
  if (flag != kEndPointFlag) {
    return make_error(ErrorCode::kProtocolViolation, "unsupported SCRAM channel-binding type",
                      "Use tls-server-end-point.");
  }
  return {};
}

Result<std::string> ScramServer::on_first(Bytes client_first) {
  if (state_ != State::kStart) return scram_out_of_order();
  if (client_first.empty()) return malformed_scram("The message is empty.");
  if (client_first.find('\0') != Bytes::npos) return malformed_scram("Message length does not match input length.");
  const std::size_t flag_end = client_first.find(',');
  const std::size_t header_end = flag_end == Bytes::npos ? Bytes::npos : client_first.find(',', flag_end + 1);
  if (header_end == Bytes::npos) return malformed_scram("Comma expected, but not found.");
  if (auto checked = check_binding_flag(client_first.substr(0, flag_end)); !checked) return checked.error();
  if (header_end != flag_end + 1) {
    return make_error(ErrorCode::kUnsupported, "client uses authorization identity, but it is not supported");
  }
  const Bytes bare = client_first.substr(header_end + 1);
  if (bare.starts_with("m=")) {
    return make_error(ErrorCode::kUnsupported, "client requires an unsupported SCRAM extension");
  }
  Bytes rest = bare, user, nonce;
  if (!take_attribute(rest, 'n', user) || !take_attribute(rest, 'r', nonce) || !skip_extensions(rest)) {
    return malformed_scram("The client's first message lacks user name or nonce.");
  }
  if (!is_nonce(nonce)) {
    return make_error(ErrorCode::kProtocolViolation, "non-printable characters in SCRAM nonce");
  }
  gs2_header_ = client_first.substr(0, header_end + 1);
  nonce_ = std::string(nonce) + settings_.nonce;
  std::string reply = "r=" + nonce_ + ",s=" + base64_encode(settings_.verifier.salt) +
                      ",i=" + std::to_string(settings_.verifier.iterations);
  auth_message_ = std::string(bare) + "," + reply;
  state_ = State::kSentFirst;
  return reply;
}

Result<std::string> ScramServer::on_final(Bytes client_final) {
  if (state_ != State::kSentFirst) return scram_out_of_order();
  if (client_final.find('\0') != Bytes::npos) return malformed_scram("The message contains a zero byte.");
  Bytes rest = client_final, binding, nonce, proof;
  if (!take_attribute(rest, 'c', binding) || !take_attribute(rest, 'r', nonce) ||
      !skip_extensions(rest, 'p')) {
    return malformed_scram("The client's final message lacks channel binding or nonce.");
  }
  const Bytes without_proof = client_final.substr(0, client_final.size() - rest.size());
  if (!take_attribute(rest, 'p', proof) || !rest.empty() || client_final.ends_with(',')) {
    return malformed_scram("The client's final message does not end with its proof.");
  }
  if (binding != base64_encode(gs2_header_ + (settings_.plus_selected ? settings_.binding_data : ""))) {
    return make_error(ErrorCode::kAuthRejected, "SCRAM channel binding check failed");
  }
  if (nonce != nonce_) {
    return make_error(ErrorCode::kProtocolViolation, "invalid SCRAM response", {}, "Nonce does not match.");
  }
  return verify(without_proof.substr(0, without_proof.size() - 1), proof);
}

Result<std::string> ScramServer::verify(Bytes without_proof, Bytes proof) {
  const auto decoded = base64_decode(proof);
  Sha256Digest raw_proof{};
  if (!decoded || decoded->size() != raw_proof.size())
    return malformed_scram("Malformed proof in client-final-message.");
  std::copy(decoded->begin(), decoded->end(), raw_proof.begin());
  auth_message_.append(",").append(without_proof);
  const ScramVerifier& verifier = settings_.verifier;
  client_key_ = toggle_proof(raw_proof, verifier.stored_key, auth_message_);
  state_ = State::kDone;
  if (!equal_constant_time(as_bytes(sha256(as_bytes(client_key_))), as_bytes(verifier.stored_key))) {
    client_key_ = {};
    return make_error(ErrorCode::kAuthFailed, "password authentication failed");
  }
  return "v=" + base64_encode(as_bytes(hmac_sha256(as_bytes(verifier.server_key), auth_message_)));
}

ScramKeys ScramServer::client_keys() const {
  return {settings_.verifier.iterations, settings_.verifier.salt, client_key_, settings_.verifier.server_key};
}

}  // namespace howdah::pgwire
