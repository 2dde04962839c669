#include "proxy/control/shard_session.h"

#include <boost/asio/use_awaitable.hpp>

#include "proxy/control/control_params.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr const char* kApplication = "howdah recovery";

// remote_apply waits for more than `on`; everything else for less.
constexpr const char* kSynchronousSql =
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') <> 'remote_apply'";

constexpr const char* kIdentitySql =
    "SELECT cluster, shard FROM howdah.cluster WHERE NOT pg_is_in_recovery()";

// A commit that waits for a standby is deaf to its client's departure and to statement_timeout: without this,
// each attempt would leave one more such backend behind. It is harmless to the others: they see a warning,
// which is in doubt.
constexpr const char* kReleaseSql =
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND application_name = "
    "$1 "
    "AND wait_event = 'SyncRep' AND query_start < clock_timestamp() - $2::int * interval '1 millisecond'";

}  // namespace

void SessionScope::stop() {
  stopping_ = true;
  for (auto* session : sessions_) session->connection_.stop();
}

ShardSession::ShardSession(asio::io_context& io, SessionScope& scope, const std::string& cluster,
                           const config::Database& database, const config::Shard& shard,
                           const Settings& settings)
    : scope_(scope),
      cluster_(cluster),
      database_(database),
      shard_(shard),
      settings_(settings),
      connection_(io) {
  scope_.sessions_.insert(this);
  if (scope_.stopping_) connection_.stop();
}

ShardSession::~ShardSession() {
  scope_.sessions_.erase(this);
}

SteadyTime ShardSession::deadline() const {
  auto bound = std::chrono::steady_clock::now() + settings_.statement_timeout;
  return deadline_ == SteadyTime() ? bound : std::min(bound, deadline_);
}

asio::awaitable<Result<pq::PgResult>> ShardSession::exec(std::string sql, pq::Params params) {
  last_sqlstate_.clear();
  auto rows = co_await connection_.exec(std::move(sql), std::move(params), deadline());
  const std::string what = "shard " + shard_.name;
  if (!rows) {
    last_sqlstate_ = rows.error().sqlstate;
    co_return pq::to_error(rows.error(), what);
  }
  if (generation() != generation_ || !primary_is_known(settings_.roles.get(), database_, shard_)) {
    connection_.disconnect();
    co_return make_error(ErrorCode::kServerUnavailable, what + ": its primary was lost, or another server has taken its place");
  }
  if (!rows->warnings().empty()) co_return pq::to_error(rows->warnings().front(), what);
  co_return std::move(*rows);
}

asio::awaitable<Result<void>> ShardSession::open() {
  if (connection_.is_open() && generation_ == generation()) co_return Result<void>();
  connection_.disconnect();
  generation_ = generation();
  if (!primary_is_known(settings_.roles.get(), database_, shard_)) {
    co_return make_error(ErrorCode::kServerUnavailable, "shard " + shard_.name + ": no server is known to be its primary now");
  }
  const config::Server primary = acting_server(settings_.roles.get(), database_, shard_);
  auto params = control_params(database_, primary, settings_);
  for (auto& [keyword, value] : params) {
    if (keyword == "application_name") value = kApplication;
  }
  auto until = std::min(deadline(), std::chrono::steady_clock::now() + settings_.connect_timeout);
  auto connected = co_await connection_.connect(std::move(params), until);
  if (!connected) co_return pq::to_error(connected.error(), describe(shard_, primary));
  auto identity = co_await exec(kIdentitySql);
  Result<void> checked;
  if (!identity) {
    checked = identity.error();
  } else if (identity->rows() == 0) {
    checked =
        make_error(ErrorCode::kServerUnavailable, "shard " + shard_.name + ": its primary is in recovery");
  } else if (identity->get(0, 0) != cluster_ || identity->get(0, 1) != shard_.name) {
    checked =
        make_error(ErrorCode::kWrongServer, describe(shard_, primary) + " says that it is shard " +
                                                identity->text(0, 1) + " of cluster " + identity->text(0, 0));
  } else {
    auto synchronous = co_await exec(kSynchronousSql);
    if (!synchronous) checked = synchronous.error();
  }
  if (checked) {
    pq::Params stuck;
    stuck.emplace_back(kApplication);
    stuck.emplace_back(std::to_string(2 * settings_.statement_timeout.count()));
    auto released = co_await exec(kReleaseSql, stuck);
    if (!released) checked = released.error();
  }
  if (!checked) connection_.disconnect();
  co_return checked;
}

}  // namespace howdah::control
