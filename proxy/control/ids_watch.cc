#include "proxy/control/ids_watch.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "proxy/control/catalog_loader.h"
#include "proxy/control/control_log.h"
#include "proxy/control/control_params.h"
#include "proxy/control/shard_roles.h"
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
// What the values of users' types are made of; a true array is one that array_recv() reads.
constexpr const char* kTypesSql =
    "SELECT t.oid::bigint, CASE WHEN t.typtype IN ('c', 'd', 'r', 'm') THEN t.typtype::text WHEN t.typreceive = 'array_recv'::regproc THEN 'a' ELSE '' END, "
    "CASE t.typtype WHEN 'd' THEN t.typbasetype WHEN 'r' THEN r.rngsubtype WHEN 'm' THEN m.rngtypid ELSE t.typelem END::bigint "
    "FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_range m ON m.rngmultitypid = t.oid WHERE t.oid >= 16384";
#undef HOWDAH_OBJECTS

// Partitions have their parent's columns.
constexpr const char* kShapesSql = R"sql(
SELECT n.nspname, c.relname,
       a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attgenerated <> '' THEN ' GENERATED' ELSE '' END ||
         CASE WHEN o.collname IS NOT NULL AND o.collname <> 'default' THEN ' COLLATE ' || o.collname ELSE '' END,
       coalesce((SELECT string_agg(t.tgname || ' ' || t.tgenabled::text || ' ' || t.tgtype || ' ' || p.proname, ', ' ORDER BY t.tgname)
                 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), '') ||
         CASE WHEN c.relrowsecurity THEN ' ROW LEVEL SECURITY' ELSE '' END
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation o ON o.oid = a.attcollation
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND n.nspname NOT IN ('howdah', 'information_schema')
ORDER BY 1, 2, a.attnum
)sql";

schema::TypeShape shape_of(std::string_view kind, Oid of) {
  using Kind = schema::TypeShape::Kind;
  switch (kind.empty() ? '\0' : kind[0]) {
    case 'a': return {Kind::kArray, of};
    case 'c': return {Kind::kRecord, 0};
    case 'd': return {Kind::kDomain, of};
    case 'r': return {Kind::kRange, of};
    case 'm': return {Kind::kMultirange, of};
    default: return {};
  }
}

// As the keys of IdsWatch::Names.
std::string relation_name(const std::string& table) { return "r" + table; }

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
    const bool sure = look_for_drift();
    if ((changed || drift_ != published_) && !stopping_) publish();
    for (auto& done : waiting) done();
    if (!waiting_.empty() || stopping_) continue;
    timer_.expires_after(complete && sure ? std::chrono::milliseconds(database_.catalog_interval) : settings_.reconnect_max);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  for (auto& done : std::exchange(waiting_, {})) done();
}

// True when this shard tells something new.
asio::awaitable<bool> IdsWatch::check(std::size_t index) {
  Shard& shard = *shards_[index];
  const auto deadline = std::chrono::steady_clock::now() + settings_.statement_timeout;
  const auto& of = database_.shards[index];
  const auto generation = role_generation(settings_.roles.get(), database_, of);
  if (std::exchange(shard.generation, generation) != generation) shard.connection.disconnect();
  if (!shard.connection.is_open()) {
    const config::Server primary = acting_server(settings_.roles.get(), database_, of);
    const auto connected = co_await shard.connection.connect(control_params(database_, primary, settings_),
                                                             std::chrono::steady_clock::now() + settings_.connect_timeout);
    if (!connected) co_return false;
  }
  const auto objects = co_await shard.connection.exec(kFingerprintSql, deadline);
  if (!objects) co_return false;
  const auto catalog = co_await catalog_fingerprint(shard.connection, deadline);
  if (!catalog) co_return false;
  const std::string fingerprint = objects->text(0, 0) + " " + *catalog;
  if (shard.names && fingerprint == shard.fingerprint) co_return false;
  const auto rows = co_await shard.connection.exec(kNamesSql, deadline);
  if (!rows) co_return false;
  Names names;
  for (int i = 0; i < rows->rows(); ++i) {
    std::string name = rows->text(i, 0);
    name.append(rows->text(i, 1)).append(1, '\0').append(rows->text(i, 2));
    names.emplace(std::move(name), static_cast<Oid>(rows->integer(i, 3)));
  }
  const auto types = co_await shard.connection.exec(kTypesSql, deadline);
  if (!types) co_return false;
  shard.types.clear();
  for (int i = 0; i < types->rows(); ++i) {
    shard.types[static_cast<Oid>(types->integer(i, 0))] = shape_of(types->text(i, 1), static_cast<Oid>(types->integer(i, 2)));
  }
  const auto columns = co_await shard.connection.exec(kShapesSql, deadline);
  if (!columns) {
    control_log().warn("database={} shard={} schema={}", database_.name, database_.shards[index].name, columns.error().message);
    co_return false;
  }
  Shapes shapes;
  for (int i = 0; i < columns->rows(); ++i) {
    Shape& shape = shapes[columns->text(i, 0).append(1, '\0').append(columns->text(i, 1))];
    shape.columns.push_back(columns->text(i, 2));
    shape.guards = columns->text(i, 3);
  }
  shard.fingerprint = fingerprint;
  shard.names = std::move(names);
  shard.shapes = std::move(shapes);
  co_return true;
}

// False: what was found must be found once more before it counts.
bool IdsWatch::look_for_drift() {
  auto now = std::make_shared<schema::Drift>();
  for (const auto& [table, shape] : shards_[0]->shapes) {
    auto found = difference(table, shape);
    if (!found) continue;
    const auto oid = shards_[0]->names->find(relation_name(table));
    if (oid != shards_[0]->names->end()) now->add(oid->second, std::move(*found));
  }
  const std::shared_ptr<const schema::Drift> before = std::exchange(found_, now);
  if (now->tables().empty()) {
    drift_.reset();
    return true;
  }
  if (before == nullptr || !(*before == *now)) return drift_ != nullptr && *drift_ == *now;
  if (drift_ == nullptr || !(*drift_ == *now)) {
    for (const auto& [oid, difference] : now->tables()) control_log().warn("database={} schema={}", database_.name, difference.what);
    drift_ = now;
  }
  return true;
}

std::optional<schema::Difference> IdsWatch::difference(const std::string& table, const Shape& canonical) const {
  const std::string name = table.substr(table.find('\0') + 1);
  for (std::size_t i = 1; i < shards_.size(); ++i) {
    if (!shards_[i]->names) continue;  // it is down
    const auto found = shards_[i]->shapes.find(table);
    if (found == shards_[i]->shapes.end()) continue;  // its own error is clear enough
    const Shape& shape = found->second;
    const std::string &here = database_.shards[i].name, &first = database_.shards[0].name;
    for (std::size_t c = 0; c < std::min(shape.columns.size(), canonical.columns.size()); ++c) {
      if (shape.columns[c] == canonical.columns[c]) continue;
      return schema::Difference{"Column " + std::to_string(c + 1) + " of " + name + " is " + canonical.columns[c] + " on " + first + ", and " + shape.columns[c] +
                                " on " + here + "."};
    }
    if (shape.guards != canonical.guards) return schema::Difference{"Triggers or row-level security of " + name + " differ between " + first + " and " + here + "."};
    if (shape.columns.size() != canonical.columns.size()) {
      return schema::Difference{"Table " + name + " has " + std::to_string(canonical.columns.size()) + " columns on " + first + ", and " +
                                std::to_string(shape.columns.size()) + " on " + here + "."};
    }
  }
  return std::nullopt;
}

void IdsWatch::publish() {
  published_ = drift_;
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
    for (const auto& [oid, shape] : shards_[i]->types) ids->add_shape(oid, shape);
    (*out)[i] = std::move(ids);
  }
  publish_(std::move(out), drift_);
}

}  // namespace howdah::control
