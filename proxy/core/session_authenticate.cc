// Who the client is, which rule it falls under, and the proof: trust, passwords in three forms, certificates, peers.
// https://www.postgresql.org/docs/15/client-authentication.html
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "drivers/net/unix_listener.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/md5.h"
#include "drivers/pgwire/scram.h"
#include "proxy/core/login_proof.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

using access::HbaMethod;

Error bad_password(const std::string& user) {
  return make_error(ErrorCode::kAuthFailed, "password authentication failed for user \"" + user + "\"");
}

Error rejected(std::string text) { return make_error(ErrorCode::kAuthRejected, std::move(text)); }

// Wall-clock seconds, for passwords that expire.
std::int64_t now_in_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool has_secret(const LoginProof& proof) { return proof.identity != nullptr && proof.identity->has_secret(now_in_seconds()); }

// The identity whose password may count; null otherwise, and the exchange goes on with a mock.
const Identity* with_secret(const LoginProof& proof) { return has_secret(proof) ? proof.identity.get() : nullptr; }

template <std::size_t Size>
std::string random_text() {
  std::string out(Size, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(Size));
  return out;
}

std::string md5_secret(const config::User& user) {
  return pgwire::is_md5_verifier(user.password) ? user.password : pgwire::md5_verifier(user.name, user.password);
}

// Plain secrets are compared by their verifier, so that each check costs one derivation, whoever asks.
std::optional<pgwire::ScramKeys> check_clear(const LoginProof& proof, const std::string& name, Bytes password) {
  const Identity* identity = with_secret(proof);
  const auto verifier = verifier_of(*proof.access, identity, name);
  auto keys = pgwire::ScramKeys::derive(password, verifier.salt, verifier.iterations);
  const auto proven = pgwire::ScramVerifier::from_keys(keys);
  if (identity != nullptr && !identity->verifier) {
    const std::string hash = pgwire::md5_verifier(name, password);
    if (!hash.empty() && pgwire::equal_constant_time(hash, identity->user.password)) return pgwire::ScramKeys();
    return std::nullopt;
  }
  if (!pgwire::equal_constant_time(pgwire::as_bytes(proven.stored_key), pgwire::as_bytes(verifier.stored_key))) return std::nullopt;
  if (identity == nullptr) return std::nullopt;
  return keys;
}

}  // namespace

void arm_pools(UserPools& pools, const LoginProof& proof) {
  const std::string secret = server_secret(proof.identity->user);
  for (auto& pool : pools.by_server) {
    if (pool->target().password != secret) {
      ServerTarget target = pool->target();
      target.password = secret;
      pool->reconfigure(target);
    }
    if (proof.keys && proof.identity->user.server_password.empty()) pool->scram_keys = proof.keys;
  }
}

// Finds rule and user, then has the client prove that it is that user. False: the client was told, or is gone.
Task<bool> Session::admit(const Startup& startup, LoginProof& proof) {
  proof.config = worker_.config();
  proof.access = worker_.proxy().access().current();
  const config::Hba& hba = proof.config->hba;
  if (!hba.file.empty()) {
    access::HbaClient client{.user = startup.user, .database = startup.database,
                             .replication = startup.replication == "true", .local = is_unix(), .tls = stream_.is_tls()};
    if (!client.local) client.address = address_of(stream_.fd());
    proof.rule = access::find_rule(hba.rules, client, hba.needs_interfaces ? own_interfaces() : std::vector<access::Interface>());
    if (proof.rule == nullptr || proof.rule->method == HbaMethod::kReject) {
      fatal(access::refusal(proof.rule, client));
      co_return false;
    }
    if (proof.rule->client_cert != access::ClientCert::kNotAsked && !net::peer_name_of(stream_.ssl())) {
      fatal(rejected("connection requires a valid client certificate"));
      co_return false;
    }
  }
  const auto known = proof.access->users.find(startup.user);
  if (known != proof.access->users.end()) {
    proof.identity = known->second;
  } else if (!co_await look_up_user(startup, proof)) {
    co_return false;
  }
  const bool proven = co_await ask_password(startup, proof) && check_names(startup, proof);
  if (!proven && !closing_) {
    spdlog::info("login refused user={} database={} peer={} rule={}", startup.user, startup.database, peer_,
                 proof.rule == nullptr ? 0 : proof.rule->line);
  }
  co_return proven;
}

Task<bool> Session::look_up_user(const Startup& startup, LoginProof& proof) {
  const auto found = proof.access->lookups.find(startup.database);
  if (found == proof.access->lookups.end()) co_return true;
  // Shared with the look-up's thread, which posts the answer back here. The session may be gone by then.
  struct Answer {
    std::optional<Result<IdentityPtr>> result;
    Session* waiting = nullptr;
  };
  struct Leave {
    std::shared_ptr<Answer> answer;
    ~Leave() { answer->waiting = nullptr; }
  };
  const auto answer = std::make_shared<Answer>();
  answer->waiting = this;
  const Leave leave{answer};
  proof.lookup = found->second.get();
  proof.lookup->find(startup.user, [answer, &worker = worker_](Result<IdentityPtr> result) {
    worker.reactor().post([answer, result = std::move(result)] {
      answer->result = result;
      if (answer->waiting != nullptr) answer->waiting->wake();
    });
  });
  while (!answer->result && !closing_ && !timed_out_) co_await suspend();
  if (!answer->result) co_return false;
  if (!*answer->result) {
    fatal(answer->result->error());
    co_return false;
  }
  proof.identity = answer->result->value();
  co_return true;
}

// By the rule's method; without rules, by what is stored.
Task<bool> Session::ask_password(const Startup& startup, LoginProof& proof) {
  const std::string& secret = has_secret(proof) ? proof.identity->user.password : std::string();
  const bool md5_stored = pgwire::is_md5_verifier(secret);
  if (proof.rule == nullptr) {
    if (md5_stored) co_return co_await ask_md5(startup, proof);
    co_return co_await ask_scram(startup, proof);
  }
  switch (proof.rule->method) {
    case HbaMethod::kTrust:
    case HbaMethod::kCert:
    case HbaMethod::kPeer:
    case HbaMethod::kReject:
      co_return true;
    case HbaMethod::kPassword:
      co_return co_await ask_clear(startup, proof);
    case HbaMethod::kScram:
      co_return co_await ask_scram(startup, proof);
    case HbaMethod::kMd5: {
      // Who has a SCRAM verifier is asked for SCRAM, as in PostgreSQL.
      const bool md5 = secret.empty() ? proof.access->mock_md5 : !pgwire::ScramVerifier::parse(secret).has_value();
      co_return md5 ? co_await ask_md5(startup, proof) : co_await ask_scram(startup, proof);
    }
  }
  co_return false;
}

// Certificates and peers: the name they carry must be the user's, or map to it.
bool Session::check_names(const Startup& startup, const LoginProof& proof) {
  if (proof.rule == nullptr) return true;
  const auto& names = proof.config->hba.names;
  if (proof.rule->method == HbaMethod::kPeer) {
    const auto uid = net::peer_uid(stream_.fd());
    const std::string name = uid ? net::user_name_of(*uid) : "";
    if (!name.empty() && access::may_be(names, proof.rule->map, name, startup.user)) return true;
    fatal(rejected("Peer authentication failed for user \"" + startup.user + "\""));
    return false;
  }
  if (proof.rule->client_cert != access::ClientCert::kVerifyFull) return true;
  const auto peer = net::peer_name_of(stream_.ssl());
  const std::string name = !peer ? "" : proof.rule->distinguished_name ? peer->distinguished_name : peer->common_name;
  if (!name.empty() && access::may_be(names, proof.rule->map, name, startup.user)) return true;
  fatal(proof.rule->method == HbaMethod::kCert ? rejected("certificate authentication failed for user \"" + startup.user + "\"")
                                               : bad_password(startup.user));
  return false;
}

// One 'p' message's body; false when the client left, was too slow or sent something else (it was told).
Task<bool> Session::next_password(std::string& body, const char* what) {
  for (;;) {
    pgwire::Frame frame;
    const auto status = pgwire::next_frame(in_.view(), pgwire::kMaxAuthLength, frame);
    if (status == pgwire::FrameStatus::kOk && frame.type == pgwire::fe::kPassword) {
      body.assign(frame.body);
      in_.consume(frame.whole.size());
      co_return true;
    }
    const char type = in_.empty() ? pgwire::fe::kPassword : in_.view()[0];
    if (type != pgwire::fe::kPassword) {
      fatal(make_error(ErrorCode::kProtocolViolation, std::string("expected ") + what + " response, got message type " +
                                                          std::to_string(static_cast<unsigned char>(type))));
      co_return false;
    }
    if (status == pgwire::FrameStatus::kMalformed) {
      fatal(make_error(ErrorCode::kProtocolViolation, "invalid message length"));
      co_return false;
    }
    if (!co_await read_more()) co_return false;
  }
}

// The answer to a request for a password, a view of `body`. False: the client was told.
Task<bool> Session::read_password(std::string& body, pgwire::PasswordMessage& password) {
  flush_client();
  if (!co_await next_password(body, "password")) co_return false;
  if (decode(Bytes(body), password)) co_return true;
  fatal(make_error(ErrorCode::kProtocolViolation, "invalid password packet size"));
  co_return false;
}

Task<bool> Session::ask_md5(const Startup& startup, LoginProof& proof) {
  pgwire::Md5Salt salt;
  RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size()));
  worker_.scratch.clear();
  pgwire::append_authentication_md5(worker_.scratch, salt);
  send(worker_.scratch);
  std::string body;
  pgwire::PasswordMessage password;
  if (!co_await read_password(body, password)) co_return false;
  const auto fits = [&] {
    return has_secret(proof) && pgwire::check_md5_response(md5_secret(proof.identity->user), salt, password.password);
  };
  bool ok = fits();
  if (!ok && proof.lookup != nullptr) {
    proof.lookup->doubt(startup.user);
    if (!co_await look_up_user(startup, proof)) co_return false;
    ok = fits();
  }
  if (!ok) fatal(bad_password(startup.user));
  co_return ok;
}

Task<bool> Session::ask_clear(const Startup& startup, LoginProof& proof) {
  worker_.scratch.clear();
  pgwire::append_authentication_cleartext(worker_.scratch);
  send(worker_.scratch);
  std::string body;
  pgwire::PasswordMessage password;
  if (!co_await read_password(body, password)) co_return false;
  if (password.password.empty()) {
    fatal(make_error(ErrorCode::kAuthFailed, "empty password returned by client"));
    co_return false;
  }
  auto keys = check_clear(proof, startup.user, password.password);
  if (!keys && proof.lookup != nullptr) {
    proof.lookup->doubt(startup.user);
    if (!co_await look_up_user(startup, proof)) co_return false;
    keys = check_clear(proof, startup.user, password.password);
  }
  if (!keys) {
    fatal(bad_password(startup.user));
    co_return false;
  }
  if (keys->iterations > 0) proof.keys = std::move(keys);
  co_return true;
}

Task<bool> Session::ask_scram(const Startup& startup, LoginProof& proof) {
  pgwire::ScramServer::Settings settings;
  if (stream_.is_tls()) settings.binding_data = net::own_end_point(stream_.ssl());
  settings.plus_offered = !settings.binding_data.empty();
  worker_.scratch.clear();
  const Bytes mechanisms[] = {pgwire::kScramSha256Plus, pgwire::kScramSha256};
  pgwire::append_authentication_sasl(worker_.scratch, std::span(mechanisms).subspan(settings.plus_offered ? 0 : 1));
  send(worker_.scratch);
  flush_client();
  std::string body;
  if (!co_await next_password(body, "SASL")) co_return false;
  pgwire::SaslInitialMessage initial;
  if (!decode(Bytes(body), initial)) {
    fatal(make_error(ErrorCode::kProtocolViolation, "malformed SASL message"));
    co_return false;
  }
  settings.plus_selected = settings.plus_offered && initial.mechanism == pgwire::kScramSha256Plus;
  if (!settings.plus_selected && initial.mechanism != pgwire::kScramSha256) {
    fatal(make_error(ErrorCode::kProtocolViolation, "client selected an invalid SASL authentication mechanism"));
    co_return false;
  }
  const Identity* identity = with_secret(proof);
  settings.verifier = verifier_of(*proof.access, identity, startup.user);
  settings.nonce = pgwire::scram_nonce(random_text<18>());
  pgwire::ScramServer scram(std::move(settings));
  std::string first_message(initial.data.value_or(Bytes()));
  if (!initial.data) {  // a client may name the mechanism alone, and begin after an empty challenge
    worker_.scratch.clear();
    pgwire::append_authentication_sasl_continue(worker_.scratch, "");
    send(worker_.scratch);
    flush_client();
    if (!co_await next_password(first_message, "SASL")) co_return false;
  }
  const auto first = scram.on_first(first_message);
  if (!first) {
    fatal(first.error());
    co_return false;
  }
  worker_.scratch.clear();
  pgwire::append_authentication_sasl_continue(worker_.scratch, *first);
  send(worker_.scratch);
  flush_client();
  if (!co_await next_password(body, "SASL")) co_return false;
  const auto final_message = scram.on_final(body);
  if (!final_message || identity == nullptr || !identity->verifier) {
    const bool wrong_shape = !final_message && final_message.error().code != ErrorCode::kAuthFailed;
    if (proof.lookup != nullptr) proof.lookup->doubt(startup.user);  // this exchange is bound to the salt; the next one is not
    fatal(wrong_shape ? final_message.error() : bad_password(startup.user));
    co_return false;
  }
  proof.keys = scram.client_keys();
  worker_.scratch.clear();
  pgwire::append_authentication_sasl_final(worker_.scratch, *final_message);
  send(worker_.scratch);
  co_return true;
}

}  // namespace howdah::proxy
