// Finishes two-phase commits whose coordinator is gone, and removes decisions that nobody can need any more.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/control/gid.h"
#include "proxy/control/settings.h"
#include "proxy/control/shard_session.h"
#include "proxy/control/transaction_outcome.h"

namespace howdah::control {

// Of one database with several shards. Lives on the control thread. One loop per shard lists the transactions
// prepared there, asks each one's commit point, and acts; a shard that does not answer delays no other. Any
// number of proxies may do this at once: the unique key of howdah.decisions makes one outcome win.
class TransactionRecovery {
 public:
  // Called after each look at a shard with what is unfinished there.
  using Report = std::function<void(const std::string& shard, std::vector<InDoubt> unfinished)>;

  // `cluster` and `database` outlive it.
  TransactionRecovery(boost::asio::io_context& io, const std::string& cluster,
                      const config::Database& database, Settings settings, Report report);
  ~TransactionRecovery();

  void start();
  // The loops end soon after, on the io_context; the object must outlive them.
  void stop();

  // Looks now. With a token hash: its coordinator has given it up, finish it whatever its age.
  void kick(const std::string& token_hash);

  // See Control::resolve(). Tries again until the deadline. REQUIRES: a shard of the configuration.
  boost::asio::awaitable<Result<Outcome>> resolve(ShardId commit_point, std::string token_hash,
                                                  SteadyTime deadline);

 private:
  struct Prepared;
  struct Loop;
  using Sessions = std::map<std::string, std::unique_ptr<ShardSession>>;

  boost::asio::awaitable<void> run(Loop& loop);
  boost::asio::awaitable<void> look(Loop& loop);
  boost::asio::awaitable<Result<void>> recover(Loop& loop, Prepared& prepared, Sessions& others);
  boost::asio::awaitable<Result<ShardSession*>> open(const std::string& shard, Sessions& others);
  boost::asio::awaitable<void> collect(ShardSession& here);
  boost::asio::awaitable<Result<void>> collect_commits(ShardSession& here);
  boost::asio::awaitable<Result<std::string>> prepared_on(const std::string& shard, Sessions& others);
  std::unique_ptr<ShardSession> session(const config::Shard& shard);
  const config::Shard* find(const std::string& shard) const;
  bool is_due(const Prepared& prepared) const;

  boost::asio::io_context& io_;
  const std::string& cluster_;
  const config::Database& database_;
  const Settings settings_;
  const Report report_;
  SessionScope scope_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::map<std::string, SteadyTime> given_up_;  // token hash -> until when it is remembered
};

}  // namespace howdah::control
