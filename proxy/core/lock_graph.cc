#include "proxy/core/lock_graph.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace howdah::proxy {

namespace {

using Backend = std::pair<std::uint16_t, std::int32_t>;  // shard, pid

bool same_wait(const LockHolder& a, const LockHolder& b) {
  return a.proxy == b.proxy && a.client == b.client && a.request == b.request && a.queued == b.queued && a.wants == b.wants && a.links == b.links;
}

// Who cannot go on as long as all of `assumed` cannot.
class Blocked {
 public:
  Blocked(const LockPicture& picture, const std::vector<bool>& assumed) : picture_(picture), assumed_(assumed) {
    for (std::size_t i = 0; i < picture.clients.size(); ++i) {
      for (const auto& link : picture.clients[i].links) {
        if (link.backend != 0) owner_[{link.shard.value(), link.backend}] = i;
        if (assumed[i]) ++held_[link.pool];
      }
    }
    for (const auto& wait : picture.waits) waits_[{wait.shard.value(), wait.pid}] = &wait;
  }

  bool holds_for(const LockHolder& client) const {
    if (client.wants != nullptr) {
      const auto pool = picture_.pools.find(client.wants);
      const auto held = held_.find(client.wants);
      return pool != picture_.pools.end() && pool->second.spent && pool->second.used > 0 && held != held_.end() &&
             held->second >= pool->second.used;
    }
    return std::any_of(client.links.begin(), client.links.end(), [&](const auto& link) { return link.busy && waits(link); });
  }

 private:
  // For a lock of a client that cannot go on.
  bool waits(const LockHolder::Link& link) const {
    const auto wait = waits_.find({link.shard.value(), link.backend});
    if (link.backend == 0 || wait == waits_.end()) return false;
    return std::any_of(wait->second->blockers.begin(), wait->second->blockers.end(), [&](std::int32_t pid) {
      const auto owner = owner_.find({link.shard.value(), pid});
      return owner != owner_.end() && assumed_[owner->second];
    });
  }

  const LockPicture& picture_;
  const std::vector<bool>& assumed_;
  std::map<Backend, std::size_t> owner_;
  std::map<Backend, const control::LockWait*> waits_;
  std::map<const Budget*, std::uint32_t> held_;
};

}  // namespace

void add_strangers(LockPicture& picture) {
  std::set<Backend> known;
  for (const auto& client : picture.clients) {
    for (const auto& link : client.links) known.insert({link.shard.value(), link.backend});
  }
  for (const auto& wait : picture.waits) {
    if (!known.insert({wait.shard.value(), wait.pid}).second) continue;
    picture.clients.push_back({.proxy = "-", .client = wait.pid, .links = {{.shard = wait.shard, .backend = wait.pid, .busy = true}}});
  }
}

LockPicture in_both(const LockPicture& before, const LockPicture& after) {
  LockPicture both;
  both.pools = after.pools;
  for (const auto& client : after.clients) {
    const bool kept = std::any_of(before.clients.begin(), before.clients.end(), [&](const auto& other) { return same_wait(client, other); });
    if (kept) both.clients.push_back(client);
  }
  for (const auto& wait : after.waits) {
    for (const auto& other : before.waits) {
      if (other.shard != wait.shard || other.pid != wait.pid || other.since_us != wait.since_us) continue;
      control::LockWait kept = wait;
      std::erase_if(kept.blockers, [&](std::int32_t pid) {
        return std::find(other.blockers.begin(), other.blockers.end(), pid) == other.blockers.end();
      });
      both.waits.push_back(std::move(kept));
    }
  }
  return both;
}

std::vector<std::size_t> stuck(const LockPicture& picture, std::optional<std::size_t> without) {
  std::vector<bool> assumed(picture.clients.size(), true);
  if (without) assumed[*without] = false;
  for (bool changed = true; changed;) {
    changed = false;
    const std::vector<bool> before = assumed;
    const Blocked blocked(picture, before);
    for (std::size_t i = 0; i < assumed.size(); ++i) {
      if (!assumed[i] || blocked.holds_for(picture.clients[i])) continue;
      assumed[i] = false;
      changed = true;
    }
  }
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < assumed.size(); ++i) {
    if (assumed[i]) out.push_back(i);
  }
  return out;
}

std::optional<std::size_t> deadlock_victim(const LockPicture& picture, const std::string* only) {
  const auto all = stuck(picture);
  std::vector<std::size_t> order;
  std::copy_if(all.begin(), all.end(), std::back_inserter(order), [&](std::size_t i) {
    return picture.clients[i].may_yield && (only == nullptr || picture.clients[i].proxy == *only);
  });
  // Where several proxies look, all come to the same order.
  const auto age = [&](std::size_t i) {
    const LockHolder& client = picture.clients[i];
    return std::tuple(client.began_us, client.began_us == 0 ? client.since : SteadyTime(), client.proxy, client.client);
  };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return age(a) > age(b); });
  for (const std::size_t i : order) {
    if (stuck(picture, i).size() + 1 < all.size()) return i;
  }
  return std::nullopt;
}

}  // namespace howdah::proxy
