#include "proxy/control/transaction_recovery.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "proxy/control/control_log.h"
#include "proxy/control/decisions.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::minutes kRememberGivenUp{10};
constexpr std::chrono::milliseconds kResolveRetry{100};

// Prepared transactions are the server's, not the database's: others may share this server.
constexpr const char* kListSql =
    "SELECT gid, owner, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint FROM "
    "pg_prepared_xacts "
    "WHERE database = current_database() AND starts_with(gid, $1) ORDER BY prepared";

Error never(const std::string& why) {
  return make_error(ErrorCode::kOutcomeUnknown, why,
                    "finish it by hand: COMMIT PREPARED or ROLLBACK PREPARED");
}

}  // namespace

struct TransactionRecovery::Prepared {
  std::string gid;
  std::string owner;
  std::chrono::milliseconds age;
  std::optional<Gid> name;
};

struct TransactionRecovery::Loop {
  Loop(asio::io_context& io, std::unique_ptr<ShardSession> opened) : session(std::move(opened)), timer(io) {}
  std::unique_ptr<ShardSession> session;
  asio::steady_timer timer;
  bool kicked = false;
  SteadyTime next_collection{};
};

TransactionRecovery::TransactionRecovery(asio::io_context& io, const std::string& cluster,
                                         const config::Database& database, Settings settings, Report report)
    : io_(io), cluster_(cluster), database_(database), settings_(settings), report_(std::move(report)) {
  for (const auto& shard : database.shards) loops_.push_back(std::make_unique<Loop>(io, session(shard)));
}

TransactionRecovery::~TransactionRecovery() = default;

std::unique_ptr<ShardSession> TransactionRecovery::session(const config::Shard& shard) {
  return std::make_unique<ShardSession>(io_, scope_, cluster_, database_, shard, settings_);
}

const config::Shard* TransactionRecovery::find(const std::string& shard) const {
  for (const auto& known : database_.shards) {
    if (known.name == shard) return &known;
  }
  return nullptr;
}

void TransactionRecovery::start() {
  for (auto& loop : loops_) asio::co_spawn(io_, run(*loop), asio::detached);
}

void TransactionRecovery::stop() {
  scope_.stop();
  for (auto& loop : loops_) loop->timer.cancel();
}

void TransactionRecovery::kick(const std::string& token_hash) {
  if (!token_hash.empty()) given_up_[token_hash] = std::chrono::steady_clock::now() + kRememberGivenUp;
  for (auto& loop : loops_) {
    loop->kicked = true;
    loop->timer.cancel();
  }
}

asio::awaitable<void> TransactionRecovery::run(Loop& loop) {
  while (!scope_.stopping()) {
    loop.kicked = false;
    co_await look(loop);
    if (scope_.stopping()) break;
    const auto now = std::chrono::steady_clock::now();
    if (now >= loop.next_collection) {
      loop.next_collection = now + settings_.collect_interval;
      co_await collect(*loop.session);
    }
    std::erase_if(given_up_, [&](const auto& entry) { return entry.second < now; });
    if (loop.kicked || scope_.stopping()) continue;
    loop.timer.expires_after(settings_.recovery_interval);
    co_await loop.timer.async_wait(kAwait);
  }
}

asio::awaitable<void> TransactionRecovery::look(Loop& loop) {
  auto& here = *loop.session;
  auto opened = co_await here.open();
  if (!opened) co_return;  // what was known about this shard stays reported
  pq::Params prefix;
  prefix.emplace_back(gid_prefix(cluster_));
  auto rows = co_await here.exec(kListSql, prefix);
  if (!rows) co_return;
  Sessions others;
  std::vector<InDoubt> unfinished;
  for (int i = 0; i < rows->rows() && !scope_.stopping(); ++i) {
    Prepared prepared{rows->text(i, 0), rows->text(i, 1), std::chrono::milliseconds(rows->integer(i, 2)),
                      parse_gid(rows->get(i, 0))};
    if (!is_due(prepared)) continue;
    auto recovered = co_await recover(loop, prepared, others);
    if (recovered) continue;
    control_log().warn("database={} shard={} gid={} in_doubt={}", database_.name, here.shard().name,
                       prepared.gid, recovered.error().message);
    unfinished.push_back({database_.name, here.shard().name, prepared.name ? prepared.name->commit_point : "",
                          prepared.gid, prepared.owner, prepared.age, recovered.error().message});
  }
  if (!scope_.stopping()) report_(here.shard().name, std::move(unfinished));
}

// A young one still has its coordinator.
bool TransactionRecovery::is_due(const Prepared& prepared) const {
  if (prepared.age >= settings_.recovery_age) return true;
  return prepared.name && given_up_.contains(prepared.name->token_hash);
}

asio::awaitable<Result<void>> TransactionRecovery::recover(Loop& loop, Prepared& prepared, Sessions& others) {
  auto& here = *loop.session;
  if (!prepared.name) co_return never("its name is not one that howdah makes");
  if (prepared.name->participant != here.shard().name)
    co_return never("it was prepared by another shard of that name");
  if (find(prepared.name->commit_point) == nullptr)
    co_return never("its commit point is not in the configuration");
  // Its decision may have been collected: no row would no longer mean that it did not commit.
  if (prepared.age >= settings_.commit_retention) co_return never("it is older than decisions are kept");
  auto commit_point = co_await open(prepared.name->commit_point, others);
  if (!commit_point) co_return commit_point.error();
  auto outcome = co_await settle_outcome(**commit_point, prepared.name->token_hash);
  if (!outcome) co_return outcome.error();
  auto opened = co_await here.open();
  if (!opened) co_return opened.error();
  auto finished = co_await finish_prepared(here, prepared.gid, prepared.owner, *outcome);
  if (!finished) co_return finished.error();
  control_log().info("database={} shard={} gid={} finished={}", database_.name, here.shard().name,
                     prepared.gid, *outcome == Outcome::kCommit ? "commit" : "abort");
  co_return Result<void>();
}

// Sessions of one look, so that its loop shares none with other loops.
asio::awaitable<Result<ShardSession*>> TransactionRecovery::open(const std::string& shard, Sessions& others) {
  auto& entry = others[shard];
  if (!entry) entry = session(*find(shard));
  auto opened = co_await entry->open();
  if (!opened) co_return opened.error();
  co_return entry.get();
}

asio::awaitable<Result<Outcome>> TransactionRecovery::resolve(ShardId commit_point, std::string token_hash,
                                                              SteadyTime deadline) {
  auto own = session(database_.shards[commit_point.value()]);
  own->set_deadline(deadline);
  asio::steady_timer timer(io_);
  Error last;
  do {
    auto opened = co_await own->open();
    if (opened) {
      auto outcome = co_await settle_outcome(*own, token_hash);
      if (outcome) {
        kick(token_hash);
        co_return outcome;
      }
      last = outcome.error();
    } else {
      last = opened.error();
    }
    timer.expires_after(kResolveRetry);
    co_await timer.async_wait(kAwait);
  } while (!scope_.stopping() && std::chrono::steady_clock::now() < deadline);
  last.code = ErrorCode::kOutcomeUnknown;
  co_return last;
}

}  // namespace howdah::control
