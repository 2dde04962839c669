#include "proxy/control/ids_watch.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "proxy/control/control_params.h"
#include "schema/object_ids.h"

namespace howdah::control {

namespace asio = boost::asio;

namespace {

// Temporary ones are one session's.
#define HOWDAH_OBJECTS                                                                                                   \
  "WITH object AS (SELECT 't' AS kind, t.oid::bigint AS id, n.nspname AS space, t.typname AS name "                      \
  "FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384 AND n.nspname !~ '^pg_(toast|temp)' " \
  "UNION ALL SELECT 'r', c.oid::bigint, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " \
  "WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(toast|temp)') "

constexpr const char* kFingerprintSql = HOWDAH_OBJECTS
    "SELECT count(*) || '/' || coalesce(sum(hashint8extended(id, 0) # hashtextextended(kind || space || '.' || name, 0)), 0) FROM object";
constexpr const char* kNamesSql = HOWDAH_OBJECTS "SELECT kind, space, name, id FROM object";
#undef HOWDAH_OBJECTS

}  // namespace

IdsWatch::IdsWatch(asio::io_context& io, const config::Database& database, Settings settings, Publish publish)
    : database_(database), settings_(settings), publish_(std::move(publish)), timer_(io) {
  for (std::size_t i = 0; i < database.shards.size(); ++i) shards_.push_back(std::make_unique<Shard>(io));
}

void IdsWatch::start() {
  asio::co_spawn(timer_.get_executor(), run(), asio::detached);
}

void IdsWatch::stop() {
  stopping_ = true;
  for (auto& shard : shards_) shard->connection.stop();
  timer_.cancel();
}

void IdsWatch::refresh(Done done) {
  if (stopping_) return done();
  waiting_.push_back(std::move(done));
  timer_.cancel();
}

asio::awaitable<void> IdsWatch::run() {
  while (!stopping_) {
    auto waiting = std::exchange(waiting_, {});
    bool changed = false, complete = true;
    for (std::size_t i = 0; i < shards_.size() && !stopping_; ++i) {
      changed = co_await check(i) || changed;
      complete = complete && shards_[i]->names.has_value();
    }
    if (changed && !stopping_) publish();
    for (auto& done : waiting) done();
    if (!waiting_.empty() || stopping_) continue;
    timer_.expires_after(complete ? std::chrono::milliseconds(database_.catalog_interval) : settings_.reconnect_max);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  for (auto& done : std::exchange(waiting_, {})) done();
}

// True when this shard tells something new.
asio::awaitable<bool> IdsWatch::check(std::size_t index) {
  Shard& shard = *shards_[index];
  const auto deadline = std::chrono::steady_clock::now() + settings_.statement_timeout;
  if (!shard.connection.is_open()) {
    const auto connected = co_await shard.connection.connect(control_params(database_, database_.shards[index].primary, settings_),
                                                             std::chrono::steady_clock::now() + settings_.connect_timeout);
    if (!connected) co_return false;
  }
  const auto fingerprint = co_await shard.connection.exec(kFingerprintSql, deadline);
  if (!fingerprint || (shard.names && fingerprint->text(0, 0) == shard.fingerprint)) co_return false;
  const auto rows = co_await shard.connection.exec(kNamesSql, deadline);
  if (!rows) co_return false;
  Names names;
  for (int i = 0; i < rows->rows(); ++i) {
    std::string name = rows->text(i, 0);
    name.append(rows->text(i, 1)).append(1, '\0').append(rows->text(i, 2));
    names.emplace(std::move(name), static_cast<Oid>(rows->integer(i, 3)));
  }
  shard.fingerprint = fingerprint->text(0, 0);
  shard.names = std::move(names);
  co_return true;
}

void IdsWatch::publish() {
  if (!shards_[0]->names) return;
  const Names& canonical = *shards_[0]->names;
  auto out = std::make_shared<std::vector<std::shared_ptr<const schema::ObjectIds>>>(shards_.size());
  for (std::size_t i = 1; i < shards_.size(); ++i) {
    if (!shards_[i]->names || *shards_[i]->names == canonical) continue;
    auto ids = std::make_shared<schema::ObjectIds>();
    for (const auto& [name, oid] : *shards_[i]->names) {
      const auto found = canonical.find(name);
      if (found == canonical.end()) continue;
      name[0] == 't' ? ids->add_type(oid, found->second) : ids->add_relation(oid, found->second);
    }
    (*out)[i] = std::move(ids);
  }
  publish_(std::move(out));
}

}  // namespace howdah::control
