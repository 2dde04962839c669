#include "proxy/core/gates.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>

#include "proxy/core/proxy.h"
#include "proxy/core/session.h"
#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

constexpr auto kPatience = std::chrono::seconds(5);

Result<void> on_workers(Proxy& proxy, std::function<void(Worker&)> call) {
  const auto missing = proxy.on_each_worker(std::move(call), kPatience);
  if (missing.empty()) return {};
  std::string list;
  for (const std::size_t index : missing) list += (list.empty() ? "" : ", ") + std::to_string(index);
  return make_error(ErrorCode::kInternal, "these workers do not answer: " + list,
                    "each will do it when it comes round; a worker that stays stuck is a bug");
}

template <class Call>
void for_pools(Worker& worker, const std::string& database, Call call) {
  for (const auto& [key, pools] : worker.all_pools()) {
    if (!database.empty() && pools->database->config().name != database) continue;
    for (const auto& pool : pools->by_server) call(*pool);
  }
}

template <class Call>
void for_views(Worker& worker, const std::string& database, Call call) {
  for (const auto& [name, view] : worker.databases()) {
    if (database.empty() || name == database) call(*view);
  }
}

}  // namespace

Result<void> pause(Proxy& proxy, const std::string& database) {
  return on_workers(proxy, [database](Worker& worker) {
    for_views(worker, database, [](DatabaseView& view) { view.paused = true; });
    for (const auto& [pid, session] : worker.sessions()) session->note_pause();
    for_pools(worker, database, [](Pool& pool) { pool.pause(); });
  });
}

Result<void> resume(Proxy& proxy, const std::string& database) {
  return on_workers(proxy, [database](Worker& worker) {
    for_views(worker, database, [](DatabaseView& view) { view.paused = false; });
    for_pools(worker, database, [](Pool& pool) { pool.resume(); });
  });
}

Result<void> pause_shard(Proxy& proxy, const std::string& database, ShardId shard) {
  return on_workers(proxy, [database, shard](Worker& worker) {
    for_views(worker, database, [](DatabaseView& view) { view.paused = true; });
    for (const auto& [pid, session] : worker.sessions()) session->note_pause();
    for (const auto& [key, pools] : worker.all_pools()) {
      if (pools->database->config().name == database) pools->pool(pools->primaries[shard.value()]).pause();
    }
  });
}

Result<void> resume_shard(Proxy& proxy, const std::string& database) { return resume(proxy, database); }

Result<std::size_t> count_shard_connections(Proxy& proxy, const std::string& database, ShardId shard) {
  struct Sum {
    std::mutex mutex;
    std::size_t total = 0;
  };
  auto sum = std::make_shared<Sum>();
  auto asked = on_workers(proxy, [database, shard, sum](Worker& worker) {
    std::size_t mine = 0;
    for (const auto& [key, pools] : worker.all_pools()) {
      if (pools->database->config().name == database) mine += pools->pool(pools->primaries[shard.value()]).total();
    }
    std::lock_guard lock(sum->mutex);
    sum->total += mine;
  });
  if (!asked) return asked.error();
  std::lock_guard lock(sum->mutex);
  return sum->total;
}

Result<void> reconnect(Proxy& proxy, const std::string& database) {
  return on_workers(proxy, [database](Worker& worker) { for_pools(worker, database, [](Pool& pool) { pool.close_all(); }); });
}

Result<void> kill_clients(Proxy& proxy, const std::string& database) {
  return on_workers(proxy, [database](Worker& worker) {
    for (const auto& [pid, session] : worker.sessions()) {
      const UserPools* pools = session->pools();
      if (pools == nullptr || (!database.empty() && pools->database->config().name != database)) continue;
      session->kill(make_error(ErrorCode::kShuttingDown, "terminating connection due to administrator command"));
    }
  });
}

Result<void> set_disabled(Proxy& proxy, const std::string& database, bool disabled) {
  return on_workers(proxy, [database, disabled](Worker& worker) {
    for_views(worker, database, [disabled](DatabaseView& view) { view.disabled = disabled; });
  });
}

GateStates gate_states(Proxy& proxy) {
  struct Shared {
    std::mutex mutex;
    GateStates states;
  };
  auto shared = std::make_shared<Shared>();
  const auto add = [](std::vector<std::string>& list, const std::string& name) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  proxy.on_each_worker(
      [shared, add](Worker& worker) {
        std::lock_guard lock(shared->mutex);
        for (const auto& [name, view] : worker.databases()) {
          if (view->paused) add(shared->states.paused, name);
          if (view->disabled) add(shared->states.disabled, name);
        }
      },
      kPatience);
  std::lock_guard lock(shared->mutex);
  return shared->states;
}

Result<OpenConnections> count_connections(Proxy& proxy, const std::string& database) {
  struct Shared {
    std::atomic<std::size_t> all{0}, closing{0};
  };
  auto shared = std::make_shared<Shared>();
  auto asked = on_workers(proxy, [shared, database](Worker& worker) {
    for_pools(worker, database, [&](Pool& pool) {
      shared->all += pool.total();
      shared->closing += pool.closing();
    });
  });
  if (!asked) return asked.error();
  return OpenConnections{shared->all.load(), shared->closing.load()};
}

}  // namespace howdah::proxy
