#include "proxy/core/server_login.h"

#include <openssl/rand.h>

#include <cstring>
#include <vector>

#include "drivers/net/socket.h"
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

ErrorCode code_for(Bytes state) {
  if (state == "53300" || state == "57P03") return ErrorCode::kTooManyClients;
  if (state == "28P01") return ErrorCode::kAuthFailed;
  if (state == "28000") return ErrorCode::kAuthRejected;
  if (state == "3D000") return ErrorCode::kUnknownDatabase;
  if (state == "ZH001") return ErrorCode::kStaleMap;
  if (state == "ZH002") return ErrorCode::kWrongServer;
  return ErrorCode::kServerUnavailable;
}

}  // namespace

Result<int> ServerLogin::open() const { return net::start_connect(target_.host, target_.port); }

Result<void> ServerLogin::on_connected(int fd) {
  if (const int error = net::connect_error(fd); error != 0) {
    return make_error(ErrorCode::kServerUnavailable,
                      "could not connect to server " + target_.describe() + ": " + std::strerror(error));
  }
  const std::vector<std::pair<Bytes, Bytes>> params = {
      {"user", target_.user}, {"database", target_.database}, {"application_name", ""}};
  std::string packet;
  pgwire::append_startup(packet, 0, params);
  conn_.queue(packet);
  step_ = Step::kAuthenticating;
  return {};
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
      if (step_ == Step::kAsking && decode(body, row)) conn_.default_search_path = row.values.at(0).bytes;
      return {};
    }
    case be::kReadyForQuery:
      if (step_ == Step::kAsking) {
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
  std::string sql = "SELECT pg_catalog.current_setting('search_path')";
  if (target_.stamp && !target_.replica) {
    sql += " FROM (SELECT howdah.stamp(" + quote_literal(target_.cluster) + "," + quote_literal(target_.shard_name) + "," +
           quote_literal(target_.proxy_name) + "," + std::to_string(conn_.stamped_epoch) + ")) AS stamped";
  }
  std::string message;
  pgwire::append_query(message, sql);
  conn_.queue(message);
}

Result<void> ServerLogin::on_authentication(Bytes body) {
  pgwire::Authentication request;
  if (!decode(body, request)) return make_error(ErrorCode::kServerUnavailable, "malformed authentication request");
  std::string reply;
  switch (request.kind) {
    case pgwire::AuthKind::kOk:
      if (scram_ && !scram_->done()) {
        return make_error(ErrorCode::kServerUnavailable, "server " + target_.describe() + " did not prove that it knows the password");
      }
      step_ = Step::kStarting;
      return {};
    case pgwire::AuthKind::kCleartext:
      if (pgwire::is_md5_verifier(target_.password)) {
        return make_error(ErrorCode::kServerUnavailable, "the server asks for a password in clear text, but only its md5 hash is known");
      }
      pgwire::append_password(reply, target_.password);
      break;
    case pgwire::AuthKind::kMd5:
      pgwire::append_password(reply, pgwire::is_md5_verifier(target_.password)
                                         ? pgwire::md5_response(target_.password, request.md5_salt())
                                         : pgwire::md5_password(target_.user, target_.password, request.md5_salt()));
      break;
    case pgwire::AuthKind::kSasl: {
      if (!request.offers(pgwire::kScramSha256)) {
        return make_error(ErrorCode::kServerUnavailable, "the server offers no SASL mechanism that is supported");
      }
      pgwire::ScramClient::Settings settings;
      settings.password = target_.password;
      settings.nonce = random_nonce();
      settings.keys = conn_.pool().scram_keys;
      scram_.emplace(std::move(settings));
      pgwire::append_sasl_initial(reply, pgwire::kScramSha256, scram_->first());
      break;
    }
    case pgwire::AuthKind::kSaslContinue: {
      if (!scram_) return make_error(ErrorCode::kServerUnavailable, "authentication messages out of order");
      auto next = scram_->on_continue(request.payload);
      if (!next) return next.error();
      conn_.pool().scram_keys = scram_->keys();
      pgwire::append_sasl_response(reply, *next);
      break;
    }
    case pgwire::AuthKind::kSaslFinal:
      if (!scram_) return make_error(ErrorCode::kServerUnavailable, "authentication messages out of order");
      return scram_->on_final(request.payload);
    default:
      return make_error(ErrorCode::kServerUnavailable, "the server wants an authentication method that is not supported",
                        "use scram-sha-256, md5, password or trust for the proxy in the server's pg_hba.conf");
  }
  conn_.queue(reply);
  return {};
}

Error ServerLogin::from_server(Bytes body) const {
  pgwire::ErrorFields fields;
  decode(body, fields);
  Error error = make_error(code_for(fields.sqlstate), std::string(fields.message), std::string(fields.hint),
                           "server " + target_.describe() + " refused the login of user \"" + target_.user + "\"");
  return error;
}

}  // namespace howdah::proxy
