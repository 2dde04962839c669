#include "proxy/core/late_watch.h"

#include "proxy/core/worker.h"

namespace howdah::proxy {

namespace {

constexpr auto kPeriod = milliseconds(50);

}  // namespace

void LateWatch::arm() {
  if (!timer_.armed()) timer_.arm(worker_.reactor(), worker_.reactor().now() + kPeriod);
}

void LateWatch::on_timer() {
  const SteadyTime now = worker_.reactor().now();
  bool any = false;
  for (const auto& [key, pools] : worker_.all_pools()) {
    for (const auto& pool : pools->by_server) {
      if (pool->breaker == nullptr) continue;
      any = true;
      pool->look_for_late(now);
    }
  }
  if (any) arm();
}

}  // namespace howdah::proxy
