// Which server of each shard takes its writes now: found out by the control thread, followed by everybody else.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "proxy/config/config.h"

namespace howdah::control {

// The roles of one database's servers. The control thread writes, any thread reads.
//
// A shard is `open` while its acting primary is known to be one: new connections may be made there. Whoever sees a sign of
// trouble closes it (suspect()), and only the control thread opens it again, when it has looked.
class ShardRoles {
 public:
  explicit ShardRoles(const config::Database& database);

  std::size_t shards() const { return shards_.size(); }
  std::size_t servers(std::size_t shard) const { return shards_[shard]->servers; }
  ServerId first(std::size_t shard) const { return shards_[shard]->first; }
  // With one server there is nothing to choose.
  bool has_choice(ShardId shard) const { return at(shard).servers > 1; }
  ServerId acting(ShardId shard) const { return ServerId(at(shard).acting.load(std::memory_order_acquire)); }
  // Of the acting primary; 0: not known yet.
  std::uint32_t timeline(ShardId shard) const { return at(shard).timeline.load(std::memory_order_acquire); }
  // When the acting primary was started, microseconds since 1970: who says otherwise was restarted since it was last looked at.
  std::int64_t started(ShardId shard) const { return at(shard).started.load(std::memory_order_acquire); }
  bool open(ShardId shard) const {
    const Shard& of = at(shard);
    return of.writable.load(std::memory_order_acquire) && of.cleared.load(std::memory_order_acquire) >= of.suspicions.load(std::memory_order_acquire);
  }
  // Two servers claim one timeline: nobody knows whose writes count, so there are none.
  bool disputed(ShardId shard) const { return at(shard).disputed.load(std::memory_order_acquire); }
  // The acting primary answers, but is none any more, and nobody is known to have taken its place yet.
  bool revoked(ShardId shard) const { return at(shard).revoked.load(std::memory_order_acquire); }
  // Grows with every change of the acting primary, and when a dispute begins or it is revoked.
  std::uint64_t generation(ShardId shard) const { return at(shard).generation.load(std::memory_order_acquire); }
  // Why it is not open.
  std::string reason(ShardId shard) const;
  // How often another server has become the acting primary.
  std::uint64_t failovers(ShardId shard) const { return at(shard).failovers.load(std::memory_order_relaxed); }

  // Any thread: a connection to this server was lost or refused. It is looked at now; a shard whose acting primary it is is
  // closed until then.
  void suspect(ServerId server);
  // Called on the thread that suspects, at most once per look. Empty: nobody looks any more.
  void set_alarm(std::function<void(ServerId)> alarm);
  // Called on the control thread after each change.
  void set_listener(std::function<void()> listener);

  // --- control thread
  std::uint64_t suspicions(std::size_t shard) const { return shards_[shard]->suspicions.load(); }
  std::uint64_t cleared(std::size_t shard) const { return shards_[shard]->cleared.load(); }
  void clear(std::size_t shard, std::uint64_t up_to);
  // The look that set_alarm() asked for begins.
  void begin_look(ServerId server) { alarmed_[server.value()].store(false); }
  struct Role {
    ServerId acting;
    std::uint32_t timeline = 0;
    std::int64_t started = 0;
    bool writable = false;
    bool disputed = false;
    bool revoked = false;
    std::string reason;
    bool operator==(const Role&) const = default;
  };
  // True when something changed.
  bool publish(std::size_t shard, const Role& role);

 private:
  struct Shard {
    ServerId first;
    std::size_t servers = 1;
    std::atomic<std::uint16_t> acting{0};
    std::atomic<std::uint32_t> timeline{0};
    std::atomic<std::int64_t> started{0};
    std::atomic<bool> writable{false};
    std::atomic<bool> disputed{false};
    std::atomic<bool> revoked{false};
    std::atomic<std::uint64_t> suspicions{0}, cleared{0};
    std::atomic<std::uint64_t> generation{1}, failovers{0};
    std::string reason;  // guarded by mutex_
  };
  const Shard& at(ShardId shard) const { return *shards_[shard.value()]; }
  void tell();

  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::size_t> shard_of_;                // by ServerId
  std::unique_ptr<std::atomic<bool>[]> alarmed_;     // by ServerId
  mutable std::mutex mutex_;
  std::function<void(ServerId)> alarm_;              // guarded by mutex_
  std::function<void()> listener_;                   // guarded by mutex_
};
using RolesPtr = std::shared_ptr<ShardRoles>;

// The server at a position of the shard: its configured primary first, then its replicas.
inline const config::Server& server_at(const config::Shard& shard, std::size_t position) {
  return position == 0 ? shard.primary : shard.replicas[position - 1];
}
// Where the shard's acting primary is; the configured one while `roles` is null.
const config::Server& acting_server(const ShardRoles* roles, const config::Database& database, const config::Shard& shard);
// False while its primary is away, disputed or about to be looked at. A shard with one server has no other.
bool primary_is_known(const ShardRoles* roles, const config::Database& database, const config::Shard& shard);
// 0 while `roles` is null.
std::uint64_t role_generation(const ShardRoles* roles, const config::Database& database, const config::Shard& shard);

}  // namespace howdah::control
