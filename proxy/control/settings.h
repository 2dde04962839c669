// Bounds and intervals of the control thread. What users may set is in config::Database.
#pragma once

#include <chrono>
#include <memory>

namespace howdah::control {

class ShardRoles;

struct Settings {
  std::chrono::milliseconds bootstrap_timeout{15'000};  // wait for servers that are not up yet
  std::chrono::milliseconds degraded_timeout{3'000};    // instead, once another shard knows the whole map
  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds probe_timeout{1'000};  // a server that answers later counts as down
  std::chrono::milliseconds reconnect_min{50};     // backoff doubles up to reconnect_max
  std::chrono::milliseconds reconnect_max{2'000};
  std::chrono::milliseconds statement_timeout{10'000};  // catalog and recovery statements
  std::chrono::milliseconds lock_timeout{
      2'000};  // waiting for an undecided transaction, or another bootstrap
  std::chrono::milliseconds recovery_interval{2'000};
  std::chrono::milliseconds recovery_age{
      5'000};  // by the server's clock; younger ones still have a coordinator
  std::chrono::seconds collect_interval{60};
  std::chrono::seconds abort_margin{60};  // against steps of a server's clock
  std::chrono::seconds commit_retention{7 * 24 * 3600};
  std::shared_ptr<ShardRoles> roles = nullptr;  // which server to turn to; null: the configured primaries
};

}  // namespace howdah::control
