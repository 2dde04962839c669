// From the first byte of a connection to the first ReadyForQuery.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3
#include <openssl/rand.h>

#include <algorithm>
#include <cctype>

#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/frame.h"
#include "drivers/pgwire/md5.h"
#include "drivers/pgwire/scram.h"
#include "drivers/pgwire/startup.h"
#include "proxy/core/errors.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

constexpr std::size_t kNameLength = 63;  // NAMEDATALEN - 1: longer names are cut, as PostgreSQL cuts them

Error bad_password(const std::string& user) {
  return make_error(ErrorCode::kAuthFailed, "password authentication failed for user \"" + user + "\"");
}

std::string lower(Bytes text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// The value that a server would report for a startup parameter that every server takes; nothing where only a server can
// tell. Parameters that are taken but not reported give any value.
std::optional<std::string> shown_as(const std::string& name, const std::string& value) {
  if (name == "application_name") {
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (plain && value.size() <= kNameLength) return value;
  }
  if (name == "client_encoding" && (lower(value) == "utf8" || lower(value) == "utf-8")) return "UTF8";
  if (name == "extra_float_digits" && value.size() == 1 && value[0] >= '0' && value[0] <= '3') return value;
  return std::nullopt;
}

template <std::size_t Size>
std::string random_bytes() {
  std::string out(Size, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(Size));
  return out;
}

}  // namespace

Task<> Session::login() {
  timer_.arm(worker_.reactor(), connected_ + worker_.config()->limits.login_timeout);
  Startup startup;
  bool ok = co_await read_startup(startup);
  if (ok) {
    const config::User* user = worker_.config()->user(startup.user);
    ok = co_await authenticate(user, startup.user) && co_await welcome(startup);
  }
  timer_.cancel();
  if (timed_out_ && !closing_) {
    fatal(make_error(ErrorCode::kQueryCanceled, "canceling authentication due to timeout"));
  }
  if (!ok) {
    if (!logged_in_) WorkerCounters::add(worker_.counters.login_failures);
    flush_client();
    close();
    co_return;
  }
  co_await serve();
}

// More bytes in in_. False: the client is gone, or too slow.
Task<bool> Session::read_more() {
  while (!closing_ && !timed_out_) {
    if (read_client()) co_return true;
    if (closing_) co_return false;
    co_await suspend();
  }
  co_return false;
}

Task<bool> Session::read_startup(Startup& startup) {
  bool ssl_asked = false, gss_asked = false;
  for (;;) {
    if (in_.empty() && !co_await read_more()) co_return false;
    if (!stream_.is_tls() && pgwire::begins_with_tls(in_.view())) co_return false;  // direct TLS is not offered
    pgwire::StartupRequest request;
    std::size_t consumed = 0;
    const auto status = pgwire::next_startup(in_.view(), request, consumed);
    if (status == pgwire::FrameStatus::kNeedMore) {
      if (!co_await read_more()) co_return false;
      continue;
    }
    if (status == pgwire::FrameStatus::kMalformed) {
      fatal(make_error(ErrorCode::kProtocolViolation, "invalid startup packet"));
      co_return false;
    }
    switch (request.kind) {
      case pgwire::StartupRequest::kCancel: {
        const std::string key(request.cancel_key);
        worker_.route_cancel(request.cancel_pid, key);
        co_return false;
      }
      case pgwire::StartupRequest::kSsl:
      case pgwire::StartupRequest::kGss: {
        const bool ssl = request.kind == pgwire::StartupRequest::kSsl;
        if (in_.size() > consumed) {
          fatal(make_error(ErrorCode::kProtocolViolation, ssl ? "received unencrypted data after SSL request"
                                                              : "received unencrypted data after GSSAPI encryption request"));
          co_return false;
        }
        if ((ssl ? ssl_asked : gss_asked) || (ssl && stream_.is_tls())) {
          fatal(make_error(ErrorCode::kProtocolViolation, "unsupported frontend protocol 1234.5679: repeated request"));
          co_return false;
        }
        (ssl ? ssl_asked : gss_asked) = true;
        in_.consume(consumed);
        const bool accept = ssl && worker_.proxy().tls() != nullptr;
        send(accept ? "S" : "N");
        flush_client();
        if (accept && !co_await start_tls()) co_return false;
        continue;
      }
      case pgwire::StartupRequest::kStartup:
        break;
    }
    const bool ok = take_startup(request, startup);
    in_.consume(consumed);
    co_return ok;
  }
}

Task<bool> Session::start_tls() {
  SSL* ssl = SSL_new(worker_.proxy().tls());
  if (ssl == nullptr) co_return false;
  SSL_set_accept_state(ssl);
  stream_.start_tls(ssl);
  for (;;) {
    const auto step = stream_.handshake();
    if (step.status == net::IoStatus::kOk) co_return true;
    if (step.status != net::IoStatus::kWouldBlock || closing_ || timed_out_) co_return false;
    co_await suspend();
  }
}

bool Session::take_startup(const pgwire::StartupRequest& request, Startup& startup) {
  if (request.major != 3) {
    fatal(make_error(ErrorCode::kUnsupported, "unsupported frontend protocol " + std::to_string(request.major) + "." +
                                                  std::to_string(request.minor) + ": server supports 3.0 to 3.0"));
    return false;
  }
  if (worker_.config()->listen.tls.mode == config::TlsMode::kRequire && !stream_.is_tls()) {
    fatal(make_error(ErrorCode::kAuthRejected, "connection requires TLS", "connect with sslmode=require"));
    return false;
  }
  std::vector<Bytes> unknown_options;
  for (const auto& [name, value] : request.params) {
    if (name == "user") {
      startup.user = value.substr(0, kNameLength);
    } else if (name == "database") {
      startup.database = value.substr(0, kNameLength);
    } else if (name == "replication") {
      if (value == "false" || value == "off" || value == "no" || value == "0") continue;
      fatal(make_error(ErrorCode::kUnsupported, "replication connections are not supported",
                       "connect to the PostgreSQL server itself"));
      return false;
    } else if (name == "options") {
      if (!pgwire::parse_options(value, startup.settings)) {
        fatal(make_error(ErrorCode::kUnsupported, "unsupported startup option in \"" + std::string(value) + "\"",
                         "use -c name=value or --name=value"));
        return false;
      }
    } else if (pgwire::is_protocol_option(name)) {
      unknown_options.push_back(name);
    } else {
      startup.settings.emplace_back(name, value);
    }
  }
  if (request.minor > 0 || !unknown_options.empty()) {
    worker_.scratch.clear();
    pgwire::append_negotiate_protocol_version(worker_.scratch, 0, unknown_options);
    send(worker_.scratch);
  }
  if (startup.user.empty()) {
    fatal(make_error(ErrorCode::kAuthRejected, "no PostgreSQL user name specified in startup packet"));
    return false;
  }
  if (startup.database.empty()) startup.database = startup.user;
  user_name_ = startup.user;
  return true;
}

// One 'p' message's body; false when the client left, was too slow or sent something else.
Task<bool> Session::next_password(std::string& body) {
  for (;;) {
    pgwire::Frame frame;
    const auto status = pgwire::next_frame(in_.view(), pgwire::kMaxAuthLength, frame);
    if (status == pgwire::FrameStatus::kOk && frame.type == pgwire::fe::kPassword) {
      body.assign(frame.body);
      in_.consume(frame.whole.size());
      co_return true;
    }
    if (status == pgwire::FrameStatus::kMalformed || status == pgwire::FrameStatus::kOk ||
        (!in_.empty() && in_.view()[0] != pgwire::fe::kPassword)) {
      fatal(make_error(ErrorCode::kProtocolViolation, "expected password response"));
      co_return false;
    }
    if (!co_await read_more()) co_return false;
  }
}

Task<bool> Session::authenticate(const config::User* user, const std::string& name) {
  if (user == nullptr || !pgwire::is_md5_verifier(user->password)) co_return co_await authenticate_scram(user, name);
  pgwire::Md5Salt salt;
  RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size()));
  worker_.scratch.clear();
  pgwire::append_authentication_md5(worker_.scratch, salt);
  send(worker_.scratch);
  flush_client();
  std::string body;
  if (!co_await next_password(body)) co_return false;
  pgwire::PasswordMessage password;
  if (!decode(Bytes(body), password) || !pgwire::check_md5_response(user->password, salt, password.password)) {
    fatal(bad_password(name));
    co_return false;
  }
  co_return true;
}

Task<bool> Session::authenticate_scram(const config::User* user, const std::string& name) {
  worker_.scratch.clear();
  const Bytes mechanisms[] = {pgwire::kScramSha256};
  pgwire::append_authentication_sasl(worker_.scratch, mechanisms);
  send(worker_.scratch);
  flush_client();
  std::string body;
  if (!co_await next_password(body)) co_return false;
  pgwire::SaslInitialMessage initial;
  if (!decode(Bytes(body), initial)) {
    fatal(make_error(ErrorCode::kProtocolViolation, "malformed SASL message"));
    co_return false;
  }
  if (initial.mechanism != pgwire::kScramSha256) {
    fatal(make_error(ErrorCode::kProtocolViolation, "client selected an invalid SASL authentication mechanism"));
    co_return false;
  }
  pgwire::ScramServer::Settings settings;
  settings.verifier = worker_.verifier(user, name);
  settings.nonce = pgwire::scram_nonce(random_bytes<18>());
  pgwire::ScramServer scram(std::move(settings));
  const auto first = scram.on_first(initial.data.value_or(Bytes()));
  if (!first) {
    fatal(first.error());
    co_return false;
  }
  worker_.scratch.clear();
  pgwire::append_authentication_sasl_continue(worker_.scratch, *first);
  send(worker_.scratch);
  flush_client();
  if (!co_await next_password(body)) co_return false;
  const auto final_message = scram.on_final(body);
  if (!final_message || user == nullptr) {
    const bool wrong = !final_message && final_message.error().code == ErrorCode::kProtocolViolation;
    fatal(wrong ? final_message.error() : bad_password(name));
    co_return false;
  }
  worker_.scratch.clear();
  pgwire::append_authentication_sasl_final(worker_.scratch, *final_message);
  send(worker_.scratch);
  co_return true;
}

// Everything between a proven password and the first ReadyForQuery.
Task<bool> Session::welcome(const Startup& startup) {
  worker_.scratch.clear();
  pgwire::append_authentication_ok(worker_.scratch);
  send(worker_.scratch);
  const auto config = worker_.config();
  const config::User& user = *config->user(startup.user);
  is_admin_ = startup.database == "howdah" || startup.database == "pgbouncer";
  if (is_admin_ && !user.admin) {
    fatal(make_error(ErrorCode::kAuthRejected, "user \"" + startup.user + "\" may not use the admin console",
                     "set admin: true for the user in the configuration"));
    co_return false;
  }
  const auto database = config->databases.find(startup.database);
  if (!is_admin_ && database == config->databases.end()) {
    fatal(make_error(ErrorCode::kUnknownDatabase, "database \"" + startup.database + "\" does not exist"));
    co_return false;
  }
  if (worker_.draining()) {
    fatal(make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
    co_return false;
  }
  auto& clients = worker_.proxy().clients();
  if (!is_admin_) {
    counted_ = true;
    if (clients.fetch_add(1) >= static_cast<std::int64_t>(config->limits.clients)) {
      fatal(make_error(ErrorCode::kTooManyClients, "sorry, too many clients already",
                       "raise limits.clients in the proxy's configuration"));
      co_return false;
    }
  }
  secret_ = load_be<std::int32_t>(random_bytes<4>().data());
  pid_ = worker_.add_session(*this);
  std::string statuses;
  if (is_admin_) {
    for (const auto& [name, value] : {std::pair<Bytes, Bytes>{"server_version", "15.0 (Howdah)"}, {"client_encoding", "UTF8"},
                                      {"server_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
                                      {"standard_conforming_strings", "on"}, {"integer_datetimes", "on"}}) {
      pgwire::append_parameter_status(statuses, name, value);
    }
  } else {
    pools_ = worker_.pools_for(database->second, user);
    const bool replicas = std::any_of(pools_->replicas.begin(), pools_->replicas.end(), [](const auto& r) { return !r.empty(); });
    if (replicas) {
      // The client may have written through another connection before this one: what it saw then it must see now.
      views_.resize(pools_->primaries.size());
      const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
      for (auto& view : views_) view.mark = now;
    }
    std::string key = startup.database + '\0' + startup.user;
    std::vector<std::pair<std::string, std::string>> overlay;
    SettingsPtr judged = Settings::none();  // those that a server has to see first
    for (const auto& [name, value] : startup.settings) {
      if (pools_->database->sharded() && !keeps_routes(lower(name), value)) {
        fatal(make_error(ErrorCode::kUnsupported, lower(name) + " \"" + value + "\" is not supported with several shards", "use UTF8"));
        co_return false;
      }
      const std::string statement = startup_statement(name, value);
      base_settings_ = base_settings_->with(lower(name), statement, value);
      if (const auto shown = shown_as(lower(name), value)) {
        overlay.emplace_back(name, *shown);
      } else {
        key.append(1, '\0').append(statement);
        judged = judged->with(lower(name), statement, value);
      }
    }
    settings_ = base_settings_ = worker_.intern_settings(base_settings_);
    // Only settings that no server has judged yet need one at login.
    auto known = worker_.proxy().welcome(key);
    if (known == nullptr) {
      Plan plan;
      plan.where = sharding::sql::Where::kHome;
      plan.writes = false;
      const auto shard = shard_for({sharding::Route::Kind::kHome, ShardId(0)}, plan);
      ServerConn* conn = co_await acquire(pools_->pool(server_for(shard, plan)), false);
      if (conn == nullptr) {
        if (!closing_) {
          fatal(pool_error_ ? *pool_error_ : make_error(ErrorCode::kWaitTimeout, "no server connection became free in time"));
        }
        co_return false;
      }
      const std::string statements = judged->transition_from(*conn->settings);
      if (!statements.empty() && !co_await own_query(*conn, statements, false)) {
        if (!closing_) {
          pgwire::ErrorFields fields;
          std::string body = conn->link.error_body;
          if (conn->link.error && decode(Bytes(body), fields)) {
            fields.severity = fields.localized_severity = "FATAL";
            worker_.scratch.clear();
            append_error(worker_.scratch, fields);
            send(worker_.scratch);
          } else {
            fatal(conn->lost_reason());
          }
        }
        if (!conn->lost()) conn->fail(make_error(ErrorCode::kServerLost, "login settings failed"));
        release(*conn);
        co_return false;
      }
      conn->settings = judged;
      known = worker_.proxy().keep_welcome(key, {{conn->params.begin(), conn->params.end()}, conn->default_search_path});
      release(*conn);
    }
    pools_->default_search_path = known->search_path;
    for (const auto& [name, value] : known->params) {
      const auto own = std::find_if(overlay.begin(), overlay.end(), [&](const auto& entry) { return lower(entry.first) == lower(name); });
      pgwire::append_parameter_status(statuses, name, own == overlay.end() ? value : own->second);
    }
  }
  worker_.scratch = statuses;
  char secret[4];
  store_be(secret, secret_);
  pgwire::append_backend_key_data(worker_.scratch, pid_, Bytes(secret, sizeof secret));
  send(worker_.scratch);
  send_ready();
  flush_client();
  logged_in_ = true;
  WorkerCounters::add(worker_.counters.clients, std::int64_t{1});
  co_return true;
}

}  // namespace howdah::proxy
