// Asks every server of one database, again and again, where and what it is; keeps ServerHealth and ShardRoles up to date.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/control/sample_tracker.h"
#include "proxy/control/server_health.h"
#include "proxy/control/settings.h"
#include "proxy/control/shard_roles.h"

namespace howdah::control {

struct PatroniWord;

// Lives on the control thread. Each server has a connection and a loop of its own, so that a silent one
// delays no other. A failed probe makes a replica unusable at once; the server counts as down when it cannot
// be reached again either. Servers of a shard without usable replicas are probed at kSlowProbe.
//
// A shard whose primary was lost is opened again (ShardRoles) by its primary's word only when every other server was asked
// after that word, too: one of them may have been promoted in between.
class ReplicaMonitor {
 public:
  static constexpr std::chrono::milliseconds kSlowProbe{500};

  // While a shard waits for its primary, its servers are asked this often.
  static constexpr std::chrono::milliseconds kUrgentProbe{50};

  // `config` and `health` outlive the monitor. Roles go to settings.roles.
  ReplicaMonitor(boost::asio::io_context& io, const config::Database& config, HealthTable& health,
                 Settings settings);
  ~ReplicaMonitor();

  // `first_round` is called once, when every server has answered or failed to.
  void start(std::function<void()> first_round = {});
  // The loops end soon after, on the io_context; the monitor must outlive them.
  void stop();

 private:
  struct Watch;
  struct ShardWatch;
  struct Reading;
  boost::asio::awaitable<void> run(Watch& watch);
  boost::asio::awaitable<bool> open(Watch& watch);
  boost::asio::awaitable<bool> probe(Watch& watch);
  boost::asio::awaitable<void> look_for_fence(Watch& watch);
  boost::asio::awaitable<void> sleep_until(Watch& watch, SteadyTime until);
  void apply(Watch& watch, std::int64_t sent, const Reading& reading);
  void apply_primary(Watch& watch, std::int64_t sent, const Reading& reading);
  void apply_replica(Watch& watch, const Reading& reading);
  void judge(ShardWatch& shard);
  void try_open(ShardWatch& shard);
  void show(Watch& watch);
  void lost(Watch& watch);
  void look_at(ServerId server);
  void hear(Watch& watch, const PatroniWord& said);
  void wake_others(Watch& watch);
  bool urgent(const Watch& watch) const;
  void set_unusable(Watch& watch);
  void known(Watch& watch);

  boost::asio::io_context& io_;
  const Settings settings_;
  const RolesPtr roles_;
  const std::string database_;
  std::vector<std::unique_ptr<ShardWatch>> shards_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::function<void()> first_round_;
  std::uint64_t connections_ = 0;
  std::size_t unknown_ = 0;  // servers that neither answered nor failed yet
  bool stopping_ = false;
};

}  // namespace howdah::control
