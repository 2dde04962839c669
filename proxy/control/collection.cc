// The part of TransactionRecovery that forgets: each row that goes too early costs a transaction its
// atomicity.
#include <boost/asio/use_awaitable.hpp>

#include "proxy/control/control_log.h"
#include "proxy/control/decisions.h"
#include "proxy/control/transaction_recovery.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr const char* kOldCommitsSql =
    "SELECT encode(token_hash, 'hex'), array_to_string(participants, E'\\n') FROM howdah.decisions "
    "WHERE outcome = 'commit' AND decided_at < clock_timestamp() - $1::bigint * interval '1 second' "
    "ORDER BY decided_at LIMIT 1000";

constexpr const char* kForgetSql =
    "DELETE FROM howdah.decisions WHERE outcome = 'commit' AND token_hash = decode($1, 'hex')";

constexpr const char* kGidsSql =
    "SELECT coalesce(string_agg(gid, E'\\n'), '') FROM pg_prepared_xacts WHERE starts_with(gid, $1)";

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    found.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

// Nothing is lost by collecting later.
void note(const Error& error, const std::string& shard) {
  control_log().debug("shard={} collection={}", shard, error.message);
}

}  // namespace

asio::awaitable<void> TransactionRecovery::collect(ShardSession& here) {
  auto opened = co_await here.open();
  if (!opened) co_return;
  auto aborts = co_await collect_aborts(here, settings_.abort_margin);
  if (!aborts) {
    note(aborts.error(), here.shard().name);
    co_return;
  }
  auto commits = co_await collect_commits(here);
  if (!commits) {
    note(commits.error(), here.shard().name);
    co_return;
  }
  auto connections = co_await collect_connections(here);
  if (!connections) note(connections.error(), here.shard().name);
}

// The GIDs prepared on a shard, one a line.
asio::awaitable<Result<std::string>> TransactionRecovery::prepared_on(const std::string& shard,
                                                                      Sessions& others) {
  if (find(shard) == nullptr) {
    co_return make_error(ErrorCode::kOutcomeUnknown, "participant " + shard + " is not in the configuration");
  }
  auto opened = co_await open(shard, others);
  if (!opened) co_return opened.error();
  pq::Params prefix;
  prefix.emplace_back(gid_prefix(cluster_));
  auto rows = co_await (*opened)->exec(kGidsSql, prefix);
  if (!rows) co_return rows.error();
  co_return rows->text(0, 0);
}

// The participants are asked after the rows were read, so an answer without the token confirms that it is
// finished there.
asio::awaitable<Result<void>> TransactionRecovery::collect_commits(ShardSession& here) {
  pq::Params retention;
  retention.emplace_back(std::to_string(settings_.commit_retention.count()));
  auto rows = co_await here.exec(kOldCommitsSql, retention);
  if (!rows) co_return rows.error();
  Sessions others;
  std::map<std::string, Result<std::string>> prepared;
  for (int i = 0; i < rows->rows() && !scope_.stopping(); ++i) {
    const std::string token = rows->text(i, 0);
    bool finished = true;
    for (const auto& participant : lines(rows->get(i, 1))) {
      if (!prepared.contains(participant)) {
        auto gids = co_await prepared_on(participant, others);
        prepared.emplace(participant, std::move(gids));
      }
      const auto& gids = prepared.at(participant);
      finished = finished && gids && gids->find(token) == std::string::npos;
    }
    if (!finished) continue;
    pq::Params key;
    key.emplace_back(token);
    auto forgotten = co_await here.exec(kForgetSql, key);
    if (!forgotten) co_return forgotten.error();
  }
  co_return Result<void>();
}

}  // namespace howdah::control
