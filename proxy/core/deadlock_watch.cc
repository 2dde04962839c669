#include "proxy/core/deadlock_watch.h"

#include <algorithm>
#include <utility>

#include "proxy/core/deadlock_look.h"
#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

void DeadlockWatch::suspect(const std::string& database) {
  {
    std::lock_guard lock(mutex_);
    if (!looking_.insert(database).second) return;
  }
  auto look = std::make_shared<Look>();
  look->database = database;
  take_picture(std::move(look));
}

void DeadlockWatch::end(const Look& look) {
  std::lock_guard lock(mutex_);
  looking_.erase(look.database);
}

// Each worker tells of its own sessions, the last one goes on.
void DeadlockWatch::take_picture(std::shared_ptr<Look> look) {
  look->left = proxy_.worker_count();
  for (std::size_t i = 0; i < proxy_.worker_count(); ++i) {
    proxy_.worker(i).reactor().post([this, look, &worker = proxy_.worker(i)] {
      std::vector<LockHolder> holders;
      for (const auto& [pid, session] : worker.sessions()) {
        if (auto holder = session->lock_holder(look->database)) holders.push_back(std::move(*holder));
      }
      {
        std::lock_guard lock(look->mutex);
        auto& clients = look->now.clients;
        clients.insert(clients.end(), std::make_move_iterator(holders.begin()), std::make_move_iterator(holders.end()));
        if (--look->left > 0) return;
      }
      for (const auto& client : look->now.clients) {
        if (client.wants != nullptr) look->now.pools[client.wants] = {client.wants->used.load(), client.wants->spent()};
      }
      look->stamp == 0 ? ask_servers(look) : show(look);
    });
  }
}

void DeadlockWatch::ask_servers(std::shared_ptr<Look> look) {
  proxy_.control().lock_waits(look->database, [this, look](Result<std::vector<control::LockWait>> waits) {
    if (!waits) return end(*look);
    look->now.waits = std::move(*waits);
    judge(look);
  });
}

// What two pictures show alike is no accident of their timing.
void DeadlockWatch::judge(std::shared_ptr<Look> look) {
  if (!look->second) {
    if (!deadlock_victim(look->now)) return look_across(std::move(look));
    look->second = true;
    look->before = std::exchange(look->now, {});
    return take_picture(std::move(look));
  }
  const LockPicture certain = in_both(look->before, look->now);
  if (const auto victim = deadlock_victim(certain)) {
    give_up(certain.clients[*victim]);
  }
  end(*look);
}

void DeadlockWatch::give_up(const LockHolder& victim) {
  Worker& worker = proxy_.worker(worker_of(victim.client));
  worker.reactor().post([&worker, victim] {
    const auto found = worker.sessions().find(victim.client);
    if (found != worker.sessions().end()) found->second->end_deadlock(victim);
  });
}

void SpanWatch::look(SteadyTime now, DeadlockWatch& watch) const {
  for (const Session* session : sessions_) {
    if (session->waits_for_server(now - kDeadlockTimeout)) watch.suspect(session->database_name());
  }
}

}  // namespace howdah::proxy
