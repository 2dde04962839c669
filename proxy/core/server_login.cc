#include "proxy/core/server_login.h"

#include <openssl/rand.h>

#include <charconv>
#include <cstring>
#include <vector>

#include "drivers/net/socket.h"
#include "drivers/net/tls.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frontend.h"
#include "drivers/pgwire/md5.h"
#include "drivers/pgwire/startup.h"
#include "proxy/core/pool.h"

namespace howdah::proxy {

namespace be = pgwire::be;

namespace {

std::string random_nonce() {
  char random[18];
  RAND_bytes(reinterpret_cast<unsigned char*>(random), sizeof random);
  return pgwire::scram_nonce(Bytes(random, sizeof random));
}

std::uint32_t timeline_from(Bytes wal_file) {
  std::uint32_t timeline = 0;
  if (wal_file.size() >= 8) std::from_chars(wal_file.data(), wal_file.data() + 8, timeline, 16);
  return timeline;
}

ErrorCode code_for(Bytes state) {
  if (state == "53300") return ErrorCode::kTooManyClients;
  if (state.starts_with("57P")) return ErrorCode::kServerDown;  // shutting down, starting up
  if (state == "28P01") return ErrorCode::kAuthFailed;
  if (state == "28000") return ErrorCode::kAuthRejected;
  if (state == "3D000") return ErrorCode::kUnknownDatabase;
  if (state == "ZH001") return ErrorCode::kStaleMap;
  if (state == "ZH002") return ErrorCode::kWrongServer;
  return ErrorCode::kServerUnavailable;
}

}  // namespace

Result<int> ServerLogin::open() const { return net::start_connect(target_.host, target_.port); }

Result<bool> ServerLogin::on_connected(net::Stream& stream) {
  if (step_ == Step::kConnecting) {
    if (const int error = net::connect_error(stream.fd()); error != 0) {
      return make_error(ErrorCode::kServerDown,
                        "could not connect to server " + target_.describe() + ": " + std::strerror(error));
    }
    step_ = Step::kUpgrading;
    if (target_.tls.context != nullptr) upgrade_.emplace(target_.tls);
  }
  if (upgrade_) {
    const auto step = upgrade_->step(stream);
    if (!step) return step.error();
    if (*step == TlsUpgrade::Step::kWait) return false;
  }
  send_startup();
  return true;
}

void ServerLogin::send_startup() {
  std::vector<std::pair<Bytes, Bytes>> params = {{"user", target_.user}, {"database", target_.database}};
  if (target_.startup.empty()) params.emplace_back("application_name", "");
  for (const auto& [name, value] : target_.startup) params.emplace_back(name, value);
  std::string packet;
  pgwire::append_startup(packet, 0, params);
  conn_.queue(packet);
  step_ = Step::kAuthenticating;
}

Result<void> ServerLogin::on_message(char type, Bytes body) {
  switch (type) {
    case be::kAuthentication:
      return on_authentication(body);
    case be::kErrorResponse:
      return from_server(body);
    case be::kParameterStatus: {
      pgwire::ParameterStatus status;
      if (decode(body, status)) conn_.params[std::string(status.name)] = status.value;
      return {};
    }
    case be::kBackendKeyData: {
      pgwire::BackendKeyData key;
      if (decode(body, key)) {
        conn_.backend_pid = key.pid;
        conn_.backend_key = key.key;
      }
      return {};
    }
    case be::kDataRow: {
      pgwire::DataRow row;
      if (step_ == Step::kAsking && decode(body, row)) {
        conn_.default_search_path = row.values.at(0).bytes;
        if (row.values.count > 2) {
          conn_.timeline = timeline_from(row.values.at(1).bytes);
          const Bytes started = row.values.at(2).bytes;
          std::from_chars(started.data(), started.data() + started.size(), conn_.server_started);
        }
      }
      return {};
    }
    case be::kReadyForQuery:
      if (step_ == Step::kAsking || !target_.startup.empty()) {
        step_ = Step::kDone;
      } else {
        ask();
      }
      return {};
    default:
      return {};  // notices, and the answer's other messages
  }
}

void ServerLogin::ask() {
  step_ = Step::kAsking;
  conn_.stamped_epoch = conn_.pool().map_epoch();
  std::string sql = "SELECT pg_catalog.current_setting('search_path')";
  // The name of the WAL file that is written to begins with it; in recovery there is none.
  if (target_.proves_role && !target_.replica) {
    sql += ", CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END, "
           "(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint";
  }
  if (target_.stamp && !target_.replica) {
    sql += " FROM (SELECT howdah.stamp(" + quote_literal(target_.cluster) + "," + quote_literal(target_.shard_name) + "," +
           quote_literal(target_.proxy_name) + "," + std::to_string(conn_.stamped_epoch) + ")) AS stamped";
  }
  std::string message;
  pgwire::append_query(message, sql);
  conn_.queue(message);
}

Error ServerLogin::no_password(const char* method) const {
  return make_error(ErrorCode::kServerUnavailable,
                    std::string("the server asks for ") + method + ", but no password of user \"" + target_.user + "\" is known",
                    "set server_password for the user, or have it log in to the proxy by SCRAM with the server's own verifier");
}

Result<void> ServerLogin::on_authentication(Bytes body) {
  pgwire::Authentication request;
  if (!decode(body, request)) return make_error(ErrorCode::kServerUnavailable, "malformed authentication request");
  std::string reply;
  Result<void> step;
  switch (request.kind) {
    case pgwire::AuthKind::kOk:
      if (scram_ && !scram_->done()) {
        return make_error(ErrorCode::kServerUnavailable, "server " + target_.describe() + " did not prove that it knows the password");
      }
      if (target_.tls.require_binding && !bound_) {
        return make_error(ErrorCode::kServerUnavailable, "channel binding is required, but server " + target_.describe() + " did not ask for it");
      }
      step_ = Step::kStarting;
      return {};
    case pgwire::AuthKind::kCleartext:
      if (pgwire::is_md5_verifier(target_.password)) {
        return make_error(ErrorCode::kServerUnavailable, "the server asks for a password in clear text, but only its md5 hash is known");
      }
      if (target_.password.empty()) return no_password("a password in clear text");
      pgwire::append_password(reply, target_.password);
      break;
    case pgwire::AuthKind::kMd5:
      if (target_.password.empty()) return no_password("an md5 hash");
      pgwire::append_password(reply, pgwire::is_md5_verifier(target_.password)
                                         ? pgwire::md5_response(target_.password, request.md5_salt())
                                         : pgwire::md5_password(target_.user, target_.password, request.md5_salt()));
      break;
    case pgwire::AuthKind::kSasl:
      step = begin_scram(request, reply);
      break;
    case pgwire::AuthKind::kSaslContinue:
      step = continue_scram(request.payload, reply);
      break;
    case pgwire::AuthKind::kSaslFinal:
      if (!scram_) return make_error(ErrorCode::kServerUnavailable, "authentication messages out of order");
      return scram_->on_final(request.payload);
    default:
      return make_error(ErrorCode::kServerUnavailable, "the server wants an authentication method that is not supported",
                        "use scram-sha-256, md5, password or trust for the proxy in the server's pg_hba.conf");
  }
  if (step) conn_.queue(reply);
  return step;
}

// With channel binding where the server offers it: then nobody stands between the proxy and the certificate's owner.
Result<void> ServerLogin::begin_scram(const pgwire::Authentication& request, std::string& reply) {
  using Binding = pgwire::ScramClient::Binding;
  const std::string end_point = conn_.is_tls() ? net::peer_end_point(conn_.stream_.ssl()) : "";
  const bool offered = request.offers(pgwire::kScramSha256Plus);
  if (offered && !conn_.is_tls()) {
    return make_error(ErrorCode::kServerUnavailable, "the server offers channel binding without TLS");
  }
  bound_ = offered && !end_point.empty();
  if (!bound_ && (target_.tls.require_binding || !request.offers(pgwire::kScramSha256))) {
    return make_error(ErrorCode::kServerUnavailable, target_.tls.require_binding ? "channel binding is required, but the server does not offer it"
                                                                                 : "the server offers no SASL mechanism that is supported");
  }
  pgwire::ScramClient::Settings settings;
  settings.password = target_.password;
  settings.nonce = random_nonce();
  settings.keys = conn_.pool().scram_keys;
  settings.binding = bound_ ? Binding::kEndPoint : conn_.is_tls() && !end_point.empty() ? Binding::kNotOffered : Binding::kNone;
  if (bound_) settings.binding_data = end_point;
  settings.keys_only = target_.password.empty() || pgwire::is_md5_verifier(target_.password);
  if (settings.keys_only && !settings.keys) return no_password("SCRAM");
  scram_.emplace(std::move(settings));
  pgwire::append_sasl_initial(reply, bound_ ? pgwire::kScramSha256Plus : pgwire::kScramSha256, scram_->first());
  return {};
}

Result<void> ServerLogin::continue_scram(Bytes payload, std::string& reply) {
  if (!scram_) return make_error(ErrorCode::kServerUnavailable, "authentication messages out of order");
  auto next = scram_->on_continue(payload);
  if (!next) return next.error();
  conn_.pool().scram_keys = scram_->keys();
  pgwire::append_sasl_response(reply, *next);
  return {};
}

Error ServerLogin::from_server(Bytes body) const {
  pgwire::ErrorFields fields;
  decode(body, fields);
  Error error = make_error(code_for(fields.sqlstate), std::string(fields.message), std::string(fields.hint),
                           "server " + target_.describe() + " refused the login of user \"" + target_.user + "\"");
  // Passed on as the server said it, where it said it in PostgreSQL's form.
  if ((error.code == ErrorCode::kServerUnavailable || error.code == ErrorCode::kServerDown) && fields.sqlstate.size() == 5) error.sqlstate = fields.sqlstate;
  return error;
}

}  // namespace howdah::proxy
