// What follows for a worker's pools when another server becomes a shard's primary. Sessions ask UserPools for the primary each
// time: it is exchanged there, and nothing on the way of a statement looks at roles.
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

Error moved(const Pool& from, const Pool& to) {
  return make_error(ErrorCode::kPrimaryMoved, "the primary of shard " + from.target().shard_name + " has changed", "repeat the transaction",
                    "it was " + from.target().describe() + ", and is " + to.target().describe() + " now");
}

// Who waits goes on waiting: for whoever takes its place.
Error revoked(const Pool& pool, const control::ShardRoles& roles) {
  return make_error(ErrorCode::kPrimaryMoved, "server " + pool.target().describe() + " is not the primary of shard " + pool.target().shard_name + " any more",
                    "repeat the transaction", roles.reason(pool.target().shard));
}

void move_primary(UserPools& pools, std::size_t shard, ServerId acting, const control::ShardRoles& roles) {
  Pool& before = pools.pool(pools.primaries[shard]);
  Pool& now = pools.pool(acting);
  pools.primaries[shard] = acting;
  auto& replicas = pools.replicas[shard];
  replicas.clear();
  for (std::size_t i = 0; i < roles.servers(shard); ++i) {
    const ServerId id(static_cast<std::uint16_t>(roles.first(shard).value() + i));
    if (id != acting) replicas.push_back(id);
  }
  before.set_replica(true);
  now.set_replica(false);
  now.close_all();  // those there are logged in as to a replica
  before.cut(moved(before, now));
}

}  // namespace

void Worker::apply_roles(const std::string& database) {
  for (auto& [key, pools] : pools_) {
    if (pools->database != nullptr && pools->database->config().name == database) follow_roles(*pools);
  }
}

void Worker::follow_roles(UserPools& pools) {
  const control::ShardRoles* roles = pools.database->roles();
  if (roles == nullptr) return;
  for (std::size_t i = 0; i < pools.primaries.size(); ++i) {
    const ShardId shard(static_cast<std::uint16_t>(i));
    const ServerId acting = roles->acting(shard);
    if (pools.primaries[i] != acting) move_primary(pools, i, acting, *roles);
    Pool& primary = pools.pool(acting);
    if (roles->disputed(shard)) {
      primary.cut(primary.dispute_error());
    } else if (roles->revoked(shard)) {
      primary.cut(revoked(primary, *roles));
    } else {
      primary.open_all();
    }
  }
}

}  // namespace howdah::proxy
