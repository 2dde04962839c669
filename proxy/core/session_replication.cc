// Replication connections: a server connection of their own, passed through byte by byte once both sides are logged in.
// https://www.postgresql.org/docs/15/protocol-replication.html
//
// Nothing of a walsender's conversation is planned, routed or pooled, so nothing of it has to be understood: IDENTIFY_SYSTEM,
// BASE_BACKUP, START_REPLICATION with its copy in both directions, and SQL where replication=database.
#include "drivers/pgwire/backend.h"
#include "proxy/core/errors.h"
#include "proxy/core/login_proof.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

using StartupSettings = std::vector<std::pair<std::string, std::string>>;

// A howdah.* setting of the startup packet; empty when it is not there.
std::string own_setting(const StartupSettings& settings, std::string_view name) {
  std::string value;
  for (const auto& [key, given] : settings) {
    if (key == name) value = given;
  }
  return value;
}

// Which database the client means. Tools of physical replication name none: they all send "replication".
const config::Database* database_of(const config::Config& config, const std::string& name, bool physical,
                                    const StartupSettings& settings) {
  const std::string chosen = own_setting(settings, "howdah.database");
  const auto found = config.databases.find(chosen.empty() ? name : chosen);
  if (found != config.databases.end()) return &found->second;
  return physical && chosen.empty() && config.databases.size() == 1 ? &config.databases.begin()->second : nullptr;
}

Result<std::size_t> shard_of(const config::Database& database, const std::string& wanted) {
  if (wanted.empty() && database.shards.size() == 1) return std::size_t{0};
  for (std::size_t i = 0; i < database.shards.size(); ++i) {
    if (database.shards[i].name == wanted) return i;
  }
  const std::string hint = "name one with options='-c howdah.shard=" + database.shards[0].name + "'";
  if (!wanted.empty()) return make_error(ErrorCode::kInvalidValue, "shard \"" + wanted + "\" does not exist", hint);
  return make_error(ErrorCode::kUnsupported, "replication from all shards at once is not supported", hint,
                    "database \"" + database.name + "\" has several shards, each with WAL of its own");
}

// What the server's own startup packet says beside user and database.
StartupSettings startup_params(const std::string& kind, const StartupSettings& settings) {
  StartupSettings params;
  for (const auto& setting : settings) {
    if (!setting.first.starts_with("howdah.")) params.push_back(setting);
  }
  params.emplace_back("replication", kind);
  return params;
}

}  // namespace

// From the proven password on. False: refused, and the client was told.
Task<bool> Session::welcome_replication(const Startup& startup, const LoginProof& proof) {
  const auto config = worker_.config();
  const config::User& user = proof.identity->user;
  const auto refuse = [this](const Error& error) {
    if (!closing_) fatal(error);
    return false;
  };
  if (!user.replication) {
    co_return refuse(make_error(ErrorCode::kInsufficientPrivilege, "must be superuser or replication role to start walsender",
                                "set replication: true for the user in the proxy's configuration"));
  }
  const bool physical = startup.replication == "true";
  const config::Database* database = database_of(*config, startup.database, physical, startup.settings);
  if (database == nullptr) {
    co_return refuse(make_error(ErrorCode::kUnknownDatabase, "database \"" + startup.database + "\" does not exist",
                                physical ? "name one with options='-c howdah.database=...'" : ""));
  }
  const auto shard = shard_of(*database, own_setting(startup.settings, "howdah.shard"));
  if (!shard) co_return refuse(shard.error());
  if (worker_.draining()) co_return refuse(make_error(ErrorCode::kShuttingDown, "the proxy is shutting down"));
  if (!count_client(*database, user)) co_return false;
  pools_ = worker_.pools_for(*database, user);
  arm_pools(*pools_, proof);
  Pool& usual = pools_->pool(pools_->primaries[*shard]);
  ServerTarget target = usual.target();
  target.stamp = false;
  target.startup = startup_params(startup.replication, startup.settings);
  replication_ = std::make_unique<Pool>(worker_, std::move(target), std::make_shared<Budget>(usual.budget().caps, 1));
  replication_->scram_keys = usual.scram_keys;
  ServerConn* conn = co_await acquire(*replication_, false);
  if (conn == nullptr) {
    co_return refuse(pool_error_ ? *pool_error_ : make_error(ErrorCode::kWaitTimeout, "the server did not answer in time"));
  }
  give_cancel_key(startup.key_length);
  std::string welcome;
  for (const auto& [name, value] : conn->params) pgwire::append_parameter_status(welcome, name, value);
  pgwire::append_backend_key_data(welcome, pid_, cancel_key_);
  send(welcome);
  send_ready();
  flush_client();
  conn->link.raw = true;
  logged_in_ = true;
  WorkerCounters::add(worker_.counters.clients, std::int64_t{1});
  co_return true;
}

// The client's bytes to the server, until either side ends; the server's come by on_reply().
Task<> Session::serve_replication() {
  ServerConn& conn = *links_.front();
  while (!closing_ && !draining_ && !conn.lost()) {
    if (conn.congested()) {
      co_await suspend();
    } else if (!in_.empty()) {
      conn.flush(in_.view());
      in_.consume(in_.size());
    } else if (!read_client() && !closing_) {
      co_await suspend();
    }
  }
  // What the server said last.
  while (!closing_ && !draining_ && (flush_client(), !out_.empty())) co_await suspend();
  close();
}

}  // namespace howdah::proxy
