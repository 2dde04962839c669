#include "proxy/control/shard_roles.h"

namespace howdah::control {

ShardRoles::ShardRoles(const config::Database& database) {
  std::uint16_t next = 0;
  for (const auto& shard : database.shards) {
    auto& of = *shards_.emplace_back(std::make_unique<Shard>());
    of.first = ServerId(next);
    of.servers = 1 + shard.replicas.size();
    of.acting.store(next);
    next = static_cast<std::uint16_t>(next + of.servers);
    shard_of_.resize(next, shards_.size() - 1);
  }
  alarmed_ = std::make_unique<std::atomic<bool>[]>(next);
}

std::string ShardRoles::reason(ShardId shard) const {
  std::lock_guard lock(mutex_);
  return at(shard).reason;
}

void ShardRoles::suspect(ServerId server) {
  Shard& shard = *shards_[shard_of_[server.value()]];
  if (shard.acting.load() == server.value()) shard.suspicions.fetch_add(1);
  if (alarmed_[server.value()].exchange(true)) return;
  std::lock_guard lock(mutex_);
  if (alarm_) alarm_(server);
}

void ShardRoles::set_alarm(std::function<void(ServerId)> alarm) {
  std::lock_guard lock(mutex_);
  alarm_ = std::move(alarm);
}

void ShardRoles::set_listener(std::function<void()> listener) {
  std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void ShardRoles::tell() {
  std::function<void()> listener;
  {
    std::lock_guard lock(mutex_);
    listener = listener_;
  }
  if (listener) listener();
}

void ShardRoles::clear(std::size_t shard, std::uint64_t up_to) {
  Shard& of = *shards_[shard];
  if (of.cleared.exchange(up_to) != up_to) tell();
}

bool ShardRoles::publish(std::size_t shard, const Role& role) {
  Shard& of = *shards_[shard];
  const bool moved = of.acting.load() != role.acting.value();
  const bool begins = (role.disputed && !of.disputed.load()) || (role.revoked && !of.revoked.load());
  bool changed = moved || of.timeline.load() != role.timeline || of.started.load() != role.started || of.writable.load() != role.writable || of.disputed.load() != role.disputed || of.revoked.load() != role.revoked;
  {
    std::lock_guard lock(mutex_);
    changed = changed || of.reason != role.reason;
    of.reason = role.reason;
  }
  if (!changed) return false;
  // In this order nobody takes the new primary for open with the old one's word.
  if (!role.writable || moved) of.writable.store(false);
  of.disputed.store(role.disputed);
  of.revoked.store(role.revoked);
  of.timeline.store(role.timeline);
  of.started.store(role.started);
  of.acting.store(role.acting.value());
  if (moved) of.failovers.fetch_add(1);
  if (moved || begins) of.generation.fetch_add(1);
  of.writable.store(role.writable);
  tell();
  return true;
}

namespace {

std::size_t index_of(const config::Database& database, const config::Shard& shard) {
  std::size_t index = 0;
  while (index < database.shards.size() && &database.shards[index] != &shard) ++index;
  if (index < database.shards.size()) return index;
  for (index = 0; index + 1 < database.shards.size() && database.shards[index].name != shard.name;) ++index;
  return index;
}

}  // namespace

const config::Server& acting_server(const ShardRoles* roles, const config::Database& database, const config::Shard& shard) {
  if (roles == nullptr) return shard.primary;
  const std::size_t index = index_of(database, shard);
  const std::size_t position = static_cast<std::size_t>(roles->acting(ShardId(static_cast<std::uint16_t>(index))).value()) - roles->first(index).value();
  return server_at(shard, position);
}

bool primary_is_known(const ShardRoles* roles, const config::Database& database, const config::Shard& shard) {
  if (roles == nullptr) return true;
  const ShardId id(static_cast<std::uint16_t>(index_of(database, shard)));
  return !roles->has_choice(id) || roles->open(id);
}

std::uint64_t role_generation(const ShardRoles* roles, const config::Database& database, const config::Shard& shard) {
  return roles == nullptr ? 0 : roles->generation(ShardId(static_cast<std::uint16_t>(index_of(database, shard))));
}

}  // namespace howdah::control
