// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both roles, as state machines over messages.
//
//   client-first := gs2 "n=" user ",r=" nonce               gs2 is "n,,", "y,," or "p=tls-server-end-point,,"
//   server-first := "r=" nonce server-nonce ",s=" base64(salt) ",i=" iterations
//   client-final := "c=" base64(gs2 binding) ",r=" both nonces ",p=" base64(proof)
//   server-final := "v=" base64(signature)
//
// https://www.rfc-editor.org/rfc/rfc5802, https://www.rfc-editor.org/rfc/rfc7677 and
// https://www.postgresql.org/docs/15/sasl-authentication.html
//
// Each function is called once and in order; out of order is kInternal. Errors: kProtocolViolation for a
// message out of shape, kAuthFailed for a wrong proof or signature, kAuthRejected for channel binding that
// does not agree. Nonces are printable ASCII without commas; scram_nonce makes one from random bytes.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "drivers/pgwire/scram_verifier.h"

namespace howdah::pgwire {

// From 18 random bytes, as PostgreSQL uses, or more.
std::string scram_nonce(Bytes random);

// A login to a server.
class ScramClient {
 public:
  enum class Binding : std::uint8_t {
    kNone,        // "n": no TLS, or no wish to bind
    kNotOffered,  // "y": TLS, but the server's list lacks SCRAM-SHA-256-PLUS
    kEndPoint,    // "p": bound to `binding_data`; the mechanism is SCRAM-SHA-256-PLUS
  };
  struct Settings {
    std::string user;      // PostgreSQL ignores it: the startup packet's name counts
    std::string password;  // not needed when `keys` fit
    std::string nonce;
    Binding binding = Binding::kNone;
    std::string binding_data;  // the hash of the server's certificate, RFC 5929
    // Deriving keys blocks the thread: a server that asks for more is refused.
    int max_iterations = kScramMaxIterations;
    // Of an earlier login: spares the derivation when salt and iterations agree.
    std::optional<ScramKeys> keys;
    // There is no password, only `keys`: a server with another salt or iteration count is refused.
    bool keys_only = false;
  };
  explicit ScramClient(Settings settings) : settings_(std::move(settings)) {}

  // The SASLInitialResponse's data.
  std::string first();
  // AuthenticationSASLContinue's data in, SASLResponse's data out.
  Result<std::string> on_continue(Bytes server_first);
  // AuthenticationSASLFinal's data. After an error, the peer has not shown that it knows the password.
  Result<void> on_final(Bytes server_final);
  // Whether the server has proved itself. An AuthenticationOk before that skipped the proof: refuse it.
  bool done() const { return state_ == State::kDone; }
  // The keys in use since on_continue: for the next login.
  const ScramKeys& keys() const { return *settings_.keys; }

 private:
  enum class State : std::uint8_t { kStart, kSentFirst, kSentFinal, kDone };
  std::string gs2_header() const;

  Settings settings_;
  State state_ = State::kStart;
  std::string first_bare_;
  std::string auth_message_;
};

// A client's login to us.
class ScramServer {
 public:
  struct Settings {
    ScramVerifier verifier;  // ScramVerifier::mock for an unknown user
    std::string nonce;
    bool plus_offered = false;   // our list named SCRAM-SHA-256-PLUS
    bool plus_selected = false;  // and the client chose it
    std::string binding_data;    // the hash of our certificate; needed when plus_offered
  };
  explicit ScramServer(Settings settings) : settings_(std::move(settings)) {}

  // SASLInitialResponse's data in, AuthenticationSASLContinue's data out.
  Result<std::string> on_first(Bytes client_first);
  // SASLResponse's data in, AuthenticationSASLFinal's data out: the client is who it says.
  Result<std::string> on_final(Bytes client_final);
  // After on_final: what the client proved to know. With it and the verifier's other values a proxy can log
  // in elsewhere as this user, where salt and iterations are the same.
  ScramKeys client_keys() const;

 private:
  enum class State : std::uint8_t { kStart, kSentFirst, kDone };
  Result<void> check_binding_flag(Bytes flag) const;
  Result<std::string> verify(Bytes without_proof, Bytes proof);

  Settings settings_;
  State state_ = State::kStart;
  std::string gs2_header_;
  std::string nonce_;  // both parts
  std::string auth_message_;
  Sha256Digest client_key_{};
};

}  // namespace howdah::pgwire
