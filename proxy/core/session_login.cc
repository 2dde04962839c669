// From the first byte of a connection to the first ReadyForQuery.
// https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3
#include <openssl/rand.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cctype>

#include "drivers/net/tls.h"
#include "drivers/pgwire/backend.h"
#include "drivers/pgwire/startup.h"
#include "proxy/core/errors.h"
#include "proxy/core/login_proof.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

// Protocol 3.2 is 3.0 with cancel keys of up to 256 bytes; 3.1 was never used.
// https://www.postgresql.org/docs/18/protocol-overview.html
constexpr int kNewestMinor = 2;
constexpr int kLongKeysSince = 2;
constexpr std::size_t kLongKey = 32;
constexpr std::size_t kNameLength = 63;  // NAMEDATALEN - 1: longer names are cut, as PostgreSQL cuts them

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
    LoginProof proof;
    ok = co_await admit(startup, proof) && co_await welcome(startup, proof);
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
  if (replication_) {
    co_await serve_replication();
  } else {
    co_await serve();
  }
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
  if (!co_await begin_direct_tls()) co_return false;
  for (;;) {
    if (in_.empty() && !co_await read_more()) co_return false;
    if (!stream_.is_tls() && pgwire::begins_with_tls(in_.view())) co_return false;  // TLS is off, or SSLRequest was declined
    pgwire::StartupRequest request;
    std::size_t consumed = 0;
    const auto status = pgwire::next_startup(in_.view(), request, consumed);
    if (status == pgwire::FrameStatus::kNeedMore) {
      if (!co_await read_more()) co_return false;
      continue;
    }
    if (status == pgwire::FrameStatus::kMalformed) {
      if (pgwire::begins_with_cancel(in_.view())) co_return false;  // a cancel request is never answered
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
          fatal(make_error(ErrorCode::kProtocolViolation,
                           ssl ? "received unencrypted data after SSL request"
                               : "received unencrypted data after GSSAPI encryption request",
                           {}, "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."));
          co_return false;
        }
        if ((ssl ? ssl_asked : gss_asked) || stream_.is_tls()) {
          // PostgreSQL reads a request that it has answered before as a version.
          fatal(make_error(ErrorCode::kUnsupported, std::string("unsupported frontend protocol 1234.") + (ssl ? "5679" : "5680") +
                                                        ": server supports 3.0 to 3.0"));
          co_return false;
        }
        (ssl ? ssl_asked : gss_asked) = true;
        in_.consume(consumed);
        const bool accept = ssl && !is_unix() && worker_.proxy().access().current()->client_tls != nullptr;
        send(accept ? "S" : "N");
        flush_client();
        if (accept && !co_await start_tls(false)) co_return false;
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

Task<bool> Session::start_tls(bool direct) {
  const net::TlsContext context = worker_.proxy().access().current()->client_tls;
  SSL* ssl = context == nullptr ? nullptr : net::accept_tls(context.get(), direct);
  if (ssl == nullptr) co_return false;
  stream_.start_tls(ssl);
  for (;;) {
    const auto step = stream_.handshake();
    if (step.status == net::IoStatus::kOk) co_return true;
    if (step.status != net::IoStatus::kWouldBlock) {
      spdlog::info("TLS handshake failed peer={} reason={}", peer_, net::handshake_failure(ssl));
      co_return false;
    }
    if (closing_ || timed_out_) co_return false;
    co_await suspend();
  }
}

// A client may begin with TLS itself, without asking. Its first byte is looked at and left in the socket, where the
// handshake finds it. https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL
Task<bool> Session::begin_direct_tls() {
  if (is_unix() || worker_.proxy().access().current()->client_tls == nullptr) co_return true;
  char first = 0;
  for (;;) {
    const ssize_t got = recv(stream_.fd(), &first, 1, MSG_PEEK);
    if (got > 0) break;
    if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) co_return false;
    if (closing_ || timed_out_) co_return false;
    co_await suspend();
  }
  co_return !pgwire::begins_with_tls(Bytes(&first, 1)) || co_await start_tls(true);
}

bool Session::take_startup(const pgwire::StartupRequest& request, Startup& startup) {
  if (request.major != 3) {
    fatal(make_error(ErrorCode::kUnsupported, "unsupported frontend protocol " + std::to_string(request.major) + "." +
                                                  std::to_string(request.minor) + ": server supports 3.0 to 3." + std::to_string(kNewestMinor)));
    return false;
  }
  if (worker_.config()->listen.tls.mode == config::TlsMode::kRequire && !stream_.is_tls() && !is_unix()) {
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
      const auto kind = pgwire::replication_kind(value);
      if (!kind) {
        fatal(make_error(ErrorCode::kInvalidValue, "invalid value for parameter \"replication\": \"" + std::string(value) + "\"",
                         "Valid values are: \"false\", 0, \"true\", 1, \"database\"."));
        return false;
      }
      startup.replication = *kind;
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
  if (request.minor >= kLongKeysSince) startup.key_length = kLongKey;
  if (request.minor > kNewestMinor || !unknown_options.empty()) {
    worker_.scratch.clear();
    pgwire::append_negotiate_protocol_version(worker_.scratch, std::min(request.minor, kNewestMinor), unknown_options);
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

void Session::give_cancel_key(std::size_t length) {
  cancel_key_.resize(length);
  RAND_bytes(reinterpret_cast<unsigned char*>(cancel_key_.data()), static_cast<int>(length));
  pid_ = worker_.add_session(*this);
}

// False: there are too many, and this one was told.
bool Session::count_client(const config::Database& database, const config::User& user) {
  const auto config = worker_.config();
  counted_ = true;
  if (worker_.proxy().clients().fetch_add(1) >= static_cast<std::int64_t>(config->limits.clients)) {
    fatal(make_error(ErrorCode::kTooManyClients, "sorry, too many clients already",
                     "raise limits.clients in the proxy's configuration"));
    return false;
  }
  const auto limits = config::effective(*config, database, user);
  auto slot = worker_.proxy().client_counts().enter(user.name, database.name, limits.user_clients, limits.database_clients);
  if (!slot) {
    fatal(slot.error());
    return false;
  }
  slot_ = std::move(*slot);
  return true;
}

// Everything between a proven password and the first ReadyForQuery.
Task<bool> Session::welcome(const Startup& startup, const LoginProof& proof) {
  worker_.scratch.clear();
  pgwire::append_authentication_ok(worker_.scratch);
  send(worker_.scratch);
  const auto config = worker_.config();
  if (proof.identity == nullptr) {  // let in without a password, but nobody knows it
    fatal(make_error(ErrorCode::kAuthRejected, "role \"" + startup.user + "\" does not exist"));
    co_return false;
  }
  if (!startup.replication.empty()) co_return co_await welcome_replication(startup, proof);
  const config::User& user = proof.identity->user;
  is_admin_ = startup.database == "howdah" || startup.database == "pgbouncer";
  if (is_admin_ && !user.admin && !user.stats) {
    fatal(make_error(ErrorCode::kAuthRejected, "user \"" + startup.user + "\" may not use the admin console",
                     "set admin: true, or stats: true, for the user in the configuration"));
    co_return false;
  }
  const auto database = config->databases.find(startup.database);
  if (!is_admin_ && database == config->databases.end()) {
    fatal(make_error(ErrorCode::kUnknownDatabase, "database \"" + startup.database + "\" does not exist"));
    co_return false;
  }
  if (!is_admin_ && worker_.database(startup.database)->disabled) {
    fatal(make_error(ErrorCode::kAuthRejected, "database \"" + startup.database + "\" is disabled",
                     "ENABLE on the admin console lets clients in again"));
    co_return false;
  }
  if (worker_.draining()) {
    fatal(make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
    co_return false;
  }
  if (!is_admin_ && !count_client(database->second, user)) co_return false;
  give_cancel_key(startup.key_length);
  std::string statuses;
  if (is_admin_) {
    for (const auto& [name, value] : {std::pair<Bytes, Bytes>{"server_version", "15.0 (Howdah)"}, {"client_encoding", "UTF8"},
                                      {"server_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
                                      {"standard_conforming_strings", "on"}, {"integer_datetimes", "on"}}) {
      pgwire::append_parameter_status(statuses, name, value);
    }
  } else {
    pools_ = worker_.pools_for(database->second, user);
    arm_pools(*pools_, proof);
    const bool replicas = std::any_of(pools_->replicas.begin(), pools_->replicas.end(), [](const auto& r) { return !r.empty(); });
    // In session mode the first statement decides for all: only the primary can do all that may follow.
    if (replicas && (pools_->database->sharded() || config->pool.mode != config::PoolMode::kSession)) {
      // The client may have written through another connection before this one: what it saw then it must see now.
      views_.resize(pools_->primaries.size());
      const std::int64_t now = control::to_steady_ns(std::chrono::steady_clock::now());
      for (auto& view : views_) view.mark = now;
    }
    std::string key = startup.database + '\0' + startup.user;
    std::vector<std::pair<std::string, std::string>> overlay;
    SettingsPtr judged = Settings::none();  // those that a server has to see first
    auto settings = startup.settings;
    if (const auto error = take_login_hints(settings)) {
      fatal(*error);
      co_return false;
    }
    for (const auto& [name, value] : settings) {
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
      const auto [lexing, statements] = judged->transition_from(*conn->settings);
      if ((!lexing.empty() && !co_await own_query(*conn, lexing, false)) ||
          (!statements.empty() && !co_await own_query(*conn, statements, false))) {
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
    ReportedParams told;
    for (const auto& [name, value] : known->params) {
      const auto own = std::find_if(overlay.begin(), overlay.end(), [&](const auto& entry) { return lower(entry.first) == lower(name); });
      const std::string& shown = own == overlay.end() ? value : own->second;
      pgwire::append_parameter_status(statuses, name, shown);
      told.emplace(name, shown);
    }
    told_ = worker_.reported.intern(told);
  }
  worker_.scratch = statuses;
  pgwire::append_backend_key_data(worker_.scratch, pid_, cancel_key_);
  send(worker_.scratch);
  send_ready();
  flush_client();
  logged_in_ = true;
  apply_limits();
  WorkerCounters::add(worker_.counters.clients, std::int64_t{1});
  co_return true;
}

}  // namespace howdah::proxy
