// Deadlocks in which clients of other proxies take part: each proxy shows what its waiting clients hold, sees the others', and comes to the
// same victim, which its own proxy rolls back. Two pictures, as within one proxy (ADR 13): here the second is the next look's, a second later,
// and of another proxy's clients counts only what that proxy looked at after the first picture was complete.
#include <algorithm>
#include <utility>

#include "proxy/core/deadlock_look.h"
#include "proxy/core/proxy.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

// So many looks the victim's proxy is waited for, should it have come to another one; then it is the youngest of one's own.
constexpr int kPatience = 5;

bool is_local(const LockHolder& holder, const std::string& self) { return holder.proxy == self; }

LockHolder holder_of(const control::ShownHolder& shown) {
  LockHolder holder;
  holder.proxy = shown.proxy;
  holder.stamp = shown.stamp;
  holder.client = shown.client;
  holder.request = SteadyTime(std::chrono::nanoseconds(shown.request));
  holder.began_us = shown.began_us;
  holder.may_yield = shown.may_yield;
  for (const auto& link : shown.links) holder.links.push_back({.shard = link.shard, .backend = link.backend, .busy = link.busy});
  return holder;
}

}  // namespace

struct DeadlockWatch::Across {
  LockPicture before;
  std::int64_t complete = 0;   // `before` was, at this stamp; 0: there is none
  int patience = kPatience;
  // What was shown as a transaction's beginning: by client, since when it holds connections.
  std::map<std::int32_t, std::pair<SteadyTime, std::int64_t>> began;
};

void DeadlockWatch::look_across(std::shared_ptr<Look> look) {
  const std::string& database = look->database;
  proxy_.control().lock_stamp(database, [this, look](Result<std::int64_t> stamp) {
    if (!stamp || *stamp == 0) return end(*look);
    look->stamp = *stamp;
    look->now = {};
    take_picture(look);
  });
}

// Of the clients in `picture`, which get their proxy's name and an age; those that wait for a connection are this proxy's to judge.
control::ShownLocks DeadlockWatch::shown(Across& across, LockPicture& picture, std::int64_t stamp) const {
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::int64_t wall = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  control::ShownLocks out{.proxy = proxy_.name(), .stamp = stamp, .holders = {}};
  std::map<std::int32_t, std::pair<SteadyTime, std::int64_t>> began;
  for (LockHolder& client : picture.clients) {
    client.proxy = out.proxy;
    const auto known = across.began.find(client.client);
    const bool same = known != across.began.end() && known->second.first == client.since;
    client.began_us = same ? known->second.second : wall - std::chrono::duration_cast<std::chrono::microseconds>(now - client.since).count();
    const bool waits = std::any_of(client.links.begin(), client.links.end(), [](const auto& link) { return link.busy; });
    if (!waits || client.wants != nullptr || client.request > now - kDeadlockTimeout / 2) continue;
    began[client.client] = {client.since, client.began_us};
    control::ShownHolder holder{.proxy = out.proxy, .stamp = stamp, .client = client.client,
                                .request = std::chrono::duration_cast<std::chrono::nanoseconds>(client.request.time_since_epoch()).count(),
                                .began_us = client.began_us, .may_yield = client.may_yield, .links = {}};
    for (const auto& link : client.links) {
      if (link.backend != 0) holder.links.push_back({.shard = link.shard, .backend = link.backend, .busy = link.busy});
    }
    out.holders.push_back(std::move(holder));
  }
  across.began = std::move(began);
  return out;
}

void DeadlockWatch::show(std::shared_ptr<Look> look) {
  std::shared_ptr<Across> across;
  {
    std::lock_guard lock(mutex_);
    auto& entry = across_[look->database];
    if (entry == nullptr) entry = std::make_shared<Across>();
    across = entry;
  }
  control::ShownLocks mine = shown(*across, look->now, look->stamp);
  if (mine.holders.empty()) return end(*look);
  const std::string& database = look->database;
  proxy_.control().exchange_locks(database, std::move(mine), [this, look](Result<control::LockExchange> exchanged) {
    if (!exchanged) return end(*look);
    judge_across(look, std::move(*exchanged));
  });
}

void DeadlockWatch::judge_across(std::shared_ptr<Look> look, control::LockExchange exchanged) {
  std::shared_ptr<Across> across;
  {
    std::lock_guard lock(mutex_);
    across = across_[look->database];
  }
  const std::string& self = proxy_.name();
  LockPicture& now = look->now;
  for (const auto& holder : exchanged.others) now.clients.push_back(holder_of(holder));
  now.waits = std::move(exchanged.waits);
  add_strangers(now);
  if (across->complete != 0) {
    LockPicture certain = in_both(across->before, now);
    std::erase_if(certain.clients, [&](const LockHolder& client) { return client.stamp != 0 && client.stamp <= across->complete; });
    auto victim = deadlock_victim(certain);
    if (!victim) {
      across->patience = kPatience;
    } else if (!is_local(certain.clients[*victim], self) && --across->patience <= 0) {
      victim = deadlock_victim(certain, &self);
    }
    if (victim && is_local(certain.clients[*victim], self)) {
      across->patience = kPatience;
      give_up(certain.clients[*victim]);
    }
  }
  across->before = std::move(now);
  across->complete = exchanged.complete;
  end(*look);
}

}  // namespace howdah::proxy
